#include "server/store/merge_pack.h"

#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/files.h"

#include "base/banned.h"

enum { DAY = 20513, ENTRIES_MAX = 64, SOURCES_MAX = 8 };

#define DAY_NS ((int64_t)DAY * 86400 * 1000000000)

static const struct label stream_pairs[] = {{STR_INIT("app"), STR_INIT("web")}};
static const struct label set_pairs[] = {{STR_INIT("pod"), STR_INIT("p1")}};
static const struct labels no_set = {NULL, 0}, one_set = {set_pairs, 1};

/* ---- chunks in a segment ---- */

struct place {
    char dir[TEST_PATH_BYTES];
    struct segments *segments;
    struct codec_context *context;
    uint64_t bytes;
    struct chunk_ref refs[SOURCES_MAX];
    size_t count;
    struct merge_packer packer;
    struct buf out;
};

static const struct segment_name segment = {1, DAY};

static void place_make(struct place *p)
{
    *p = (struct place){.context = codec_context_new()};
    files_dir_make(p->dir);
    REQUIRE_OK(segments_open(p->dir, 4, &p->segments, NULL));
    REQUIRE_OK(segments_create(p->segments, segment, STR("t"), &p->bytes, NULL));
    REQUIRE_OK(merge_packer_init(&p->packer, p->segments, NULL));
    buf_init(&p->out, MIB);
}

static void place_remove(struct place *p)
{
    buf_release(&p->out);
    merge_packer_release(&p->packer);
    segments_close(p->segments);
    codec_context_free(p->context);
    files_dir_remove(p->dir);
}

/* "1a 3b+": at 1 and 3 of the day, lines "a" and "b", the second one with metadata. */
static size_t read_entries(const char *text, struct chunk_entry *entries)
{
    size_t count = 0;

    for (; *text != '\0'; text += *text == ' ') {
        struct chunk_entry *e = &entries[count++];
        *e = (struct chunk_entry){DAY_NS + (text[0] - '0'), str_make(text + 1, 1), &no_set};
        text += 2;
        if (*text == '+') {
            e->metadata = &one_set;
            text++;
        }
    }
    return count;
}

static void add_chunk(struct place *p, uint64_t chunk_id, uint32_t id_span, const char *text)
{
    struct chunk_entry entries[ENTRIES_MAX];
    struct chunk_entries all = {entries, read_entries(text, entries)};
    const struct chunk_spec spec = {
        .context = p->context,
        .codec = CODEC_LZ4,
        .block_bytes = 2,
        .tenant = STR("t"),
        .labels = {stream_pairs, 1},
        .chunk_id = chunk_id,
        .id_span = id_span,
        .seq_max = chunk_id * 10,
    };
    struct chunk_summary s;
    struct buf b;

    buf_init(&b, MIB);
    REQUIRE_OK(chunk_build(&spec, all, &b, &s));
    REQUIRE_OK(segments_write(p->segments, segment, buf_str(&b), p->bytes, NULL));
    p->refs[p->count++] = (struct chunk_ref){
        .stream_id = 9,
        .chunk_id = chunk_id,
        .segment_id = segment.id,
        .day = DAY,
        .head_bytes = s.head_bytes,
        .chunk_bytes = s.chunk_bytes,
        .entries = s.entries,
        .offset = p->bytes,
        .min_ns = s.min_ns,
        .max_ns = s.max_ns,
        .line_bytes = s.line_bytes,
        .metadata_bytes = s.metadata_bytes,
    };
    p->bytes += s.chunk_bytes;
    buf_release(&b);
}

static enum status merge_all(struct place *p, struct chunk_ref *ret_ref, size_t *ret_bad)
{
    const struct merge_sources sources = {
        .refs = p->refs, .count = p->count, .codec = CODEC_ZSTD, .level = 6, .block_bytes = 4};

    return merge_pack(&p->packer, &sources, &p->out, ret_ref, ret_bad, NULL);
}

/* The entries of a chunk in the form of read_entries(). */
static void put_entries(struct place *p, const struct chunk_head *h, struct str bytes,
                        struct buf *to)
{
    struct block_memory memory = {.context = p->context};
    uint32_t offset, len;

    for (uint32_t i = 0; i < h->block_count; i++) {
        struct block b = {0};
        chunk_block_range(&h->blocks[i], CHUNK_ALL_COLUMNS, &offset, &len);
        struct chunk_part part = {h, i, CHUNK_ALL_COLUMNS, str_head(str_cut(bytes, offset), len)};
        REQUIRE_OK(chunk_block_unpack(&memory, &part, &b, NULL));
        for (uint32_t k = 0; k < b.count; k++)
            buf_printf(to, "%s%d%.*s%s", to->len == 0 ? "" : " ", (int)(b.ts_ns[k] - DAY_NS),
                       STR_ARG(block_line(&b, k)), block_metadata(&b, k).count > 0 ? "+" : "");
    }
    block_memory_release(&memory);
}

/* What was made says of itself what the index is to say of it, and holds `want`. */
static void expect_chunk(struct place *p, const struct chunk_ref *ref, const char *want)
{
    struct chunk_head head;
    struct arena a;
    struct buf got;

    arena_init(&a, MIB);
    buf_init(&got, MIB);
    REQUIRE_OK(chunk_head_parse(&a, str_head(buf_str(&p->out), ref->head_bytes), &head, NULL));
    put_entries(p, &head, buf_str(&p->out), &got);
    EXPECT_STR(want, buf_str(&got), str_from(want));
    cr_expect_eq(ref->chunk_bytes, p->out.len);
    cr_expect_eq(ref->entries, head.summary.entries);
    cr_expect(ref->min_ns == head.summary.min_ns && ref->max_ns == head.summary.max_ns);
    cr_expect_eq(ref->line_bytes, head.summary.line_bytes);
    cr_expect_eq(ref->metadata_bytes, head.summary.metadata_bytes);
    cr_expect(ref->chunk_id == head.chunk_id && ref->stream_id == 9 && ref->day == DAY);
    cr_expect_eq(head.chunk_id, p->refs[0].chunk_id);
    cr_expect_eq(head.seq_max, p->refs[p->count - 1].chunk_id * 10);
    cr_expect_eq(head.codec, CODEC_ZSTD);
    cr_expect_eq(ref->level, 6);
    EXPECT_STR("tenant", head.tenant, STR("t"));
    cr_expect(labels_eq(head.labels, (struct labels){stream_pairs, 1}));
    buf_release(&got);
    arena_release(&a);
}

/* ---- what is merged ---- */

static const struct merge_case {
    const char *name;
    const char *chunks[4];
    const char *want; /* NULL: it cannot be merged without another order, */
    size_t bad;       /* for the sake of this source */
} merge_cases[] = {
    {"one", {"1a 2b"}, "1a 2b", 0},
    {"one behind the other", {"1a 2b", "3c+", "4d 5e+"}, "1a 2b 3c+ 4d 5e+", 0},
    {"late ones", {"4a 5b", "1c 9d", "2e"}, "1c 2e 4a 5b 9d", 0},
    {"equal times in order of chunks", {"1b 1a", "1d 1c", "0x 1e"}, "0x 1b 1a 1d 1c 1e", 0},
    {"doubles", {"1a 2b", "1a 2b 3c"}, "1a 2b 3c", 0},
    {"the whole time again", {"1a 1b 1c", "1a 1b 1c"}, "1a 1b 1c", 0},
    {"the end of it again", {"1a 1b 1c", "1b 1c 1d"}, "1a 1b 1c 1d", 0},
    {"metadata makes a difference", {"1a", "1a+", "1a"}, NULL, 2},
    {"the same metadata does not", {"1a+ 2b", "1a+ 2b"}, "1a+ 2b", 0},
    {"the first of them again", {"1a 1b", "1a"}, NULL, 1},
    {"another order", {"0x 1a", "1b", "1b 1a 7y", "8z"}, NULL, 2},
};

Test(merge_pack, cases)
{
    for (size_t i = 0; i < COUNT_OF(merge_cases); i++) {
        const struct merge_case *c = &merge_cases[i];
        struct chunk_ref ref;
        struct place p;
        size_t bad = 0;

        place_make(&p);
        for (size_t k = 0; k < COUNT_OF(c->chunks) && c->chunks[k] != NULL; k++)
            add_chunk(&p, 5 + 2 * k, 0, c->chunks[k]);
        EXPECT_STATUS(c->name, merge_all(&p, &ref, &bad), c->want ? ST_OK : ST_UNSUPPORTED);
        cr_expect_eq(bad, c->want ? p.count : c->bad, "%s: %zu", c->name, bad);
        if (c->want != NULL)
            expect_chunk(&p, &ref, c->want);
        place_remove(&p);
    }
}

Test(merge_pack, tells_what_is_in_it)
{
    struct chunk_head head;
    struct chunk_ref ref;
    struct place p;
    struct arena a;
    size_t bad;

    arena_init(&a, MIB);
    place_make(&p);
    add_chunk(&p, 5, 6, "1a");
    add_chunk(&p, 20, 3, "2b");
    add_chunk(&p, 24, 0, "3c");
    REQUIRE_OK(merge_all(&p, &ref, &bad));
    REQUIRE_OK(chunk_head_parse(&a, str_head(buf_str(&p.out), ref.head_bytes), &head, NULL));
    cr_expect(head.chunk_id == 5 && head.id_span == 19, "%u", head.id_span);
    place_remove(&p);
    arena_release(&a);
}

/* A merge cannot say which ids are in it when they lie too far apart. */
Test(merge_pack, ids_far_apart)
{
    struct chunk_ref ref;
    struct place p;
    size_t bad;

    place_make(&p);
    add_chunk(&p, 5, 0, "1a");
    add_chunk(&p, UINT64_C(6) + UINT32_MAX, 0, "2b");
    EXPECT_STATUS("far", merge_all(&p, &ref, &bad), ST_UNSUPPORTED);
    cr_expect_eq(bad, 1);
    place_remove(&p);
}

/* ---- damage ---- */

Test(merge_pack, damage)
{
    struct chunk_ref ref;
    struct place p;
    char byte;
    size_t bad;

    place_make(&p);
    add_chunk(&p, 5, 0, "1a 2b");
    add_chunk(&p, 6, 0, "3c 4d");
    add_chunk(&p, 7, 0, "5e 6f");
    const struct chunk_ref *middle = &p.refs[1];
    for (uint32_t at = 0; at < middle->chunk_bytes; at++) {
        struct segment_range range = {segment, middle->offset + at, 1};
        REQUIRE_OK(segments_read(p.segments, range, &byte, NULL));
        byte = (char)(byte ^ 0x10);
        REQUIRE_OK(segments_write(p.segments, segment, str_make(&byte, 1), range.offset, NULL));
        enum status st = merge_all(&p, &ref, &bad);
        if (st == ST_OK) /* padding, or a filter that is not read */
            expect_chunk(&p, &ref, "1a 2b 3c 4d 5e 6f");
        else
            cr_expect(st == ST_CORRUPT && bad == 1, "%u: %s, %zu", at, status_name(st), bad);
        cr_expect(st == ST_OK || at >= middle->head_bytes, "%u: the head is mended", at);
        byte = (char)(byte ^ 0x10);
        REQUIRE_OK(segments_write(p.segments, segment, str_make(&byte, 1), range.offset, NULL));
        buf_reset(&p.out);
    }
    p.refs[2].segment_id = 77;
    EXPECT_STATUS("no file", merge_all(&p, &ref, &bad), ST_NOT_FOUND);
    cr_expect_eq(bad, 2);
    place_remove(&p);
}

/* A reference that speaks of something else than what is there. */
Test(merge_pack, wrong_reference)
{
    struct chunk_ref ref, good;
    struct place p;
    size_t bad;

    place_make(&p);
    add_chunk(&p, 5, 0, "1a 2b");
    add_chunk(&p, 6, 0, "3c 4d");
    good = p.refs[1];
    p.refs[1].chunk_id++;
    EXPECT_STATUS("chunk_id", merge_all(&p, &ref, &bad), ST_CORRUPT);
    p.refs[1] = good;
    p.refs[1].min_ns++;
    EXPECT_STATUS("min_ns", merge_all(&p, &ref, &bad), ST_CORRUPT);
    p.refs[1] = good;
    p.refs[1].entries++;
    EXPECT_STATUS("entries", merge_all(&p, &ref, &bad), ST_CORRUPT);
    p.refs[1] = good;
    EXPECT_STATUS("good", merge_all(&p, &ref, &bad), ST_OK);
    place_remove(&p);
}

Test(merge_pack, copy)
{
    struct place p;

    place_make(&p);
    add_chunk(&p, 5, 0, "1a 2b");
    add_chunk(&p, 6, 0, "3c 4d");
    REQUIRE_OK(merge_copy(&p.packer, &p.refs[1], &p.out, NULL));
    char *there = mem_bytes(p.refs[1].chunk_bytes);
    struct segment_range range = {segment, p.refs[1].offset, p.refs[1].chunk_bytes};
    REQUIRE_OK(segments_read(p.segments, range, there, NULL));
    EXPECT_STR("copy", buf_str(&p.out), str_make(there, range.bytes));
    mem_free(there);
    p.refs[1].offset -= 8;
    EXPECT_STATUS("elsewhere", merge_copy(&p.packer, &p.refs[1], &p.out, NULL), ST_CORRUPT);
    place_remove(&p);
}
