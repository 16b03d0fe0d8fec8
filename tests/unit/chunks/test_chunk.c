#include "chunks/chunk.h"

#include "base/crc.h"
#include "chunks/filter.h"
#include "tests/support/expect.h"
#include "tests/support/files.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { OUT_BYTES_MAX = 64 * 1024 * 1024 };

#define PAIR(name, value)                \
    {                                    \
        STR_INIT(name), STR_INIT(value), \
    }

static const struct label stream_pairs[] = {PAIR("app", "web"), PAIR("env", "dev")};
static const struct label one_pair[] = {PAIR("trace_id", "abc")};
static const struct label two_pairs[] = {PAIR("a", ""), PAIR("trace_id", "\0\xff")};
static const struct labels sets[] = {{NULL, 0}, {one_pair, 1}, {two_pairs, 2}};

/* ---- writing ---- */

static struct chunk_spec spec_of(struct codec_context *context, enum codec codec,
                                 size_t block_bytes)
{
    return (struct chunk_spec){
        .context = context,
        .codec = codec,
        .block_bytes = block_bytes,
        .tenant = STR("fake"),
        .labels = {stream_pairs, COUNT_OF(stream_pairs)},
        .chunk_id = UINT64_C(0x0102030405060708),
        .seq_max = 42,
    };
}

/* ---- reading: every column of every block, compared with what was written ---- */

struct reading {
    struct codec_context *context;
    struct str bytes;
    struct chunk_entries want;
};

enum {
    TIMES = 1 << COLUMN_TIMES,
    LENGTHS = 1 << COLUMN_LENGTHS,
    METADATA = 1 << COLUMN_METADATA,
    LINES = 1 << COLUMN_LINES,
};

static bool same_entry(const struct block *b, uint32_t i, const struct chunk_entry *e,
                       unsigned columns)
{
    if ((columns & TIMES) != 0 && b->ts_ns[i] != e->ts_ns)
        return false;
    if ((columns & LENGTHS) != 0 &&
        b->line_ends[i] - (i == 0 ? 0 : b->line_ends[i - 1]) != e->line.len)
        return false;
    if ((columns & METADATA) != 0 && !labels_eq(block_metadata(b, i), *e->metadata))
        return false;
    bool has_lines = (columns & LINES) != 0 && (columns & LENGTHS) != 0;
    return !has_lines || str_eq(block_line(b, i), e->line);
}

/* Add columns to a block. */
static enum status add_columns(const struct reading *r, struct block_memory *m,
                               struct chunk_part *part, struct block *b)
{
    struct err err = {.text = ""};
    uint32_t offset, bytes;

    chunk_block_range(&part->head->blocks[part->index], part->columns, &offset, &bytes);
    part->stored = str_head(str_cut(r->bytes, offset), bytes);
    enum status st = chunk_block_unpack(m, part, b, &err);
    cr_expect(st == ST_OK || err.text[0] != '\0');
    return st;
}

/*
 * Read some columns at first and then the others, if there are any.
 *
 * ST_INTERNAL: it can be read, but holds something else.
 */
static enum status read_block(const struct reading *r, struct block_memory *m,
                              struct chunk_part *part, size_t first)
{
    struct block b = {0};
    unsigned columns = part->columns;

    enum status st = add_columns(r, m, part, &b);
    bool exact = (b.ts_ns != NULL) == ((columns & TIMES) != 0) &&
                 (b.line_ends != NULL) == ((columns & LENGTHS) != 0) &&
                 (b.sets != NULL) == ((columns & METADATA) != 0) &&
                 (b.lines.ptr != NULL) == ((columns & LINES) != 0);
    if (st == ST_OK && !exact)
        return ST_INTERNAL;
    if (st == ST_OK && (columns & METADATA) == 0) {
        part->columns = CHUNK_ALL_COLUMNS & ~columns;
        columns = CHUNK_ALL_COLUMNS;
        st = add_columns(r, m, part, &b);
    }
    if (st != ST_OK)
        return st;
    if (first + b.count > r->want.count)
        return ST_INTERNAL;
    for (uint32_t i = 0; i < b.count; i++) {
        if (!same_entry(&b, i, &r->want.items[first + i], columns))
            return ST_INTERNAL;
    }
    return ST_OK;
}

static enum status read_blocks(const struct reading *r, const struct chunk_head *h,
                               unsigned columns)
{
    struct block_memory m = {.context = r->context};
    size_t first = 0;
    enum status st = ST_OK;

    for (uint32_t i = 0; i < h->block_count && st == ST_OK; i++) {
        struct chunk_part part = {.head = h, .index = i, .columns = columns};
        st = read_block(r, &m, &part, first);
        first += h->blocks[i].entries;
    }
    block_memory_release(&m);
    return st == ST_OK && first != r->want.count ? ST_INTERNAL : st;
}

/* Does the filter of each block let every line of it through? */
static bool filters_are_true(const struct reading *r, const struct chunk_head *h)
{
    struct str filters = str_head(str_cut(r->bytes, h->summary.head_bytes), chunk_filters_bytes(h));
    size_t first = 0;

    for (uint32_t i = 0; i < h->block_count; i++) {
        struct str filter = chunk_block_filter(h, i, filters);
        for (size_t e = first; e < first + h->blocks[i].entries && e < r->want.count; e++) {
            if (!filter_may_contain(filter, r->want.items[e].line))
                return false;
        }
        first += h->blocks[i].entries;
    }
    return true;
}

static bool same_head(const struct chunk_head *h, const struct chunk_entries *want)
{
    uint64_t line_bytes = 0;

    for (size_t i = 0; i < want->count; i++)
        line_bytes += want->items[i].line.len;
    return str_eq(h->tenant, STR("fake")) && h->chunk_id == UINT64_C(0x0102030405060708) &&
           h->seq_max == 42 && h->labels.count == COUNT_OF(stream_pairs) &&
           labels_eq(h->labels, (struct labels){stream_pairs, COUNT_OF(stream_pairs)}) &&
           h->summary.entries == want->count && h->summary.line_bytes == line_bytes &&
           h->summary.min_ns == want->items[0].ts_ns &&
           h->summary.max_ns == want->items[want->count - 1].ts_ns;
}

/* Read a chunk as a query would. */
static enum status read_chunk(const struct reading *r)
{
    uint32_t head_bytes, chunk_bytes;
    struct err err = {.text = ""};
    struct chunk_head head;
    struct arena a;

    enum status st = chunk_lengths(r->bytes, &head_bytes, &chunk_bytes, &err);
    if (st == ST_OK && r->bytes.len < chunk_bytes)
        return ST_CORRUPT; /* what a file that ends early would be */
    if (st != ST_OK)
        return st;
    arena_init(&a, 16 * MIB);
    st = chunk_head_parse(&a, str_head(r->bytes, head_bytes), &head, &err);
    if (st == ST_OK && !same_head(&head, &r->want))
        st = ST_INTERNAL;
    for (unsigned columns = 1; columns <= CHUNK_ALL_COLUMNS && st == ST_OK; columns++)
        st = read_blocks(r, &head, columns);
    if (st == ST_OK && !filters_are_true(r, &head))
        st = ST_INTERNAL;
    arena_release(&a);
    return st;
}

/* ---- round trips ---- */

/* Random entries in order of time, many of equal time, lines of up to `line_max` bytes. */
static struct chunk_entries random_entries(struct random *r, struct arena *a, size_t count,
                                           size_t line_max)
{
    struct chunk_entry *items = arena_new(a, struct chunk_entry, count);
    int64_t ts_ns = (int64_t)(random_u64(r) >> 8) * (random_below(r, 2) == 0 ? 1 : -1);

    for (size_t i = 0; i < count; i++) {
        size_t len = random_below(r, line_max + 1);
        char *line = arena_bytes(a, len);
        if (random_below(r, 4) == 0)
            random_bytes(r, line, len);
        else
            memset(line, 'a' + (int)random_below(r, 26), len);
        ts_ns += (int64_t)(random_u64(r) >> (24 + random_below(r, 40))) * (i % 3 != 0);
        items[i] = (struct chunk_entry){ts_ns, str_make(line, len), &sets[random_below(r, 3)]};
    }
    return (struct chunk_entries){items, count};
}

static const struct shape {
    size_t count;
    size_t line_max;
    size_t block_bytes;
} shapes[] = {
    {1, 0, 1024},      {1, 100, 1},          {2, 10, 100000},         {300, 100, 1},
    {300, 100, 2000},  {5000, 200, 65536},   {2000, 500, 256 * 1024}, {70000, 2, 256 * 1024},
    {3, 300000, 1000}, {3, 300000, 1 << 30},
};

Test(chunk, round_trip)
{
    struct random r = random_begin();
    struct codec_context *context = codec_context_new();

    for (size_t i = 0; i < COUNT_OF(shapes) * 4; i++) {
        const struct shape *s = &shapes[i / 4];
        struct chunk_spec spec = spec_of(context, (enum codec)(i % 4), s->block_bytes);
        struct chunk_summary summary;
        struct arena a;
        struct buf out;
        arena_init(&a, 256 * MIB);
        buf_init(&out, OUT_BYTES_MAX);
        buf_put(&out, STR("another chunk"));
        struct chunk_entries entries = random_entries(&r, &a, s->count, s->line_max);
        REQUIRE_OK(chunk_build(&spec, entries, &out, &summary));
        struct reading reading = {context, str_cut(buf_str(&out), 13), entries};
        cr_expect_eq(summary.chunk_bytes, reading.bytes.len, "shape %zu", i);
        cr_expect_eq(summary.chunk_bytes % CHUNK_ALIGN, 0, "shape %zu", i);
        enum status st = read_chunk(&reading);
        cr_expect_eq(st, ST_OK, "shape %zu: %s, seed %" PRIu64, i, status_name(st), r.seed);
        buf_release(&out);
        arena_release(&a);
    }
    codec_context_free(context);
}

/* Blocks are cut by the bytes of their lines and by their number of entries. */
Test(chunk, blocks)
{
    enum { ENTRIES = 2 * CHUNK_BLOCK_ENTRIES_MAX + 1 };
    struct codec_context *context = codec_context_new();
    struct chunk_spec spec = spec_of(context, CODEC_ZSTD, CHUNK_BLOCK_BYTES_MAX);
    struct chunk_entry *items = mem_new(ENTRIES, sizeof(*items));
    struct chunk_summary summary;
    struct chunk_head head;
    struct arena a;
    struct buf out;

    for (size_t i = 0; i < ENTRIES; i++)
        items[i] = (struct chunk_entry){(int64_t)i, STR(""), &sets[0]};
    arena_init(&a, 16 * MIB);
    buf_init(&out, OUT_BYTES_MAX);
    REQUIRE_OK(chunk_build(&spec, (struct chunk_entries){items, ENTRIES}, &out, &summary));
    REQUIRE_OK(chunk_head_parse(&a, str_head(buf_str(&out), summary.head_bytes), &head, NULL));
    cr_expect_eq(head.block_count, 3);
    cr_expect_eq(head.blocks[0].entries, CHUNK_BLOCK_ENTRIES_MAX);
    cr_expect_eq(head.blocks[2].entries, 1);

    buf_reset(&out);
    for (size_t i = 0; i < 10; i++)
        items[i].line = STR("0123456789");
    spec.block_bytes = 35;
    REQUIRE_OK(chunk_build(&spec, (struct chunk_entries){items, 10}, &out, &summary));
    REQUIRE_OK(chunk_head_parse(&a, str_head(buf_str(&out), summary.head_bytes), &head, NULL));
    cr_expect_eq(head.block_count, 4);
    cr_expect_eq(head.blocks[0].line_bytes, 30);
    cr_expect_eq(head.blocks[3].line_bytes, 10);
    cr_expect_eq(head.codec, CODEC_ZSTD);
    buf_release(&out);
    arena_release(&a);
    mem_free(items);
    codec_context_free(context);
}

/* The level reaches the codec. */
Test(chunk, level)
{
    struct random r = random_of(5);
    struct codec_context *context = codec_context_new();
    struct chunk_summary summaries[2];
    struct arena a;
    struct buf out;

    arena_init(&a, 16 * MIB);
    buf_init(&out, OUT_BYTES_MAX);
    struct chunk_entries entries = random_entries(&r, &a, 2000, 100);
    for (size_t i = 0; i < COUNT_OF(summaries); i++) {
        struct chunk_spec spec = spec_of(context, CODEC_ZSTD, CHUNK_BLOCK_BYTES_MAX);
        spec.level = i == 0 ? CODEC_LEVEL_DEFAULT : 12;
        buf_reset(&out);
        REQUIRE_OK(chunk_build(&spec, entries, &out, &summaries[i]));
        struct reading reading = {context, buf_str(&out), entries};
        EXPECT_STATUS("read", read_chunk(&reading), ST_OK);
    }
    cr_expect_lt(summaries[1].chunk_bytes, summaries[0].chunk_bytes);
    buf_release(&out);
    arena_release(&a);
    codec_context_free(context);
}

/* Many different sets, and the same set under two pointers. */
Test(chunk, metadata)
{
    enum { SETS = 3000 };
    static char text[SETS][8];
    static struct label pairs[SETS];
    static struct labels many[SETS];
    static struct chunk_entry items[2 * SETS];
    struct codec_context *context = codec_context_new();
    struct chunk_spec spec = spec_of(context, CODEC_LZ4, CHUNK_BLOCK_BYTES_MAX);
    struct chunk_summary summary;
    struct buf out;

    for (size_t i = 0; i < SETS; i++) {
        size_t n = i / 2; /* two pointers for each set */
        memcpy(text[i],
               (char[]){(char)('a' + n % 26), (char)('a' + n / 26 % 26), (char)('a' + n / 676)}, 3);
        pairs[i] = (struct label){STR("id"), str_make(text[i], 3)};
        many[i] = (struct labels){&pairs[i], 1};
        items[2 * i] = (struct chunk_entry){(int64_t)i, STR("x"), &many[i]};
        items[2 * i + 1] = (struct chunk_entry){(int64_t)i, STR("y"), &many[SETS - 1 - i]};
    }
    buf_init(&out, OUT_BYTES_MAX);
    struct chunk_entries entries = {items, COUNT_OF(items)};
    REQUIRE_OK(chunk_build(&spec, entries, &out, &summary));
    cr_expect_eq(summary.metadata_bytes, COUNT_OF(items) * 5);
    struct reading reading = {context, buf_str(&out), entries};
    EXPECT_STATUS("read", read_chunk(&reading), ST_OK);
    buf_release(&out);
    codec_context_free(context);
}

/* The head says whether a name of metadata hides a label of the stream; version 1 cannot. */
Test(chunk, shadows)
{
    static const struct label hiding[] = {PAIR("a", "1"), PAIR("env", "")};
    static const struct labels plain = {one_pair, 1}, hides = {hiding, 2};
    static const struct labels *const pair_sets[] = {&plain, &hides};
    struct codec_context *context = codec_context_new();
    struct chunk_spec spec = spec_of(context, CODEC_NONE, CHUNK_BLOCK_BYTES_MAX);

    for (size_t i = 0; i < COUNT_OF(pair_sets); i++) {
        struct chunk_entry items[] = {{1, STR("x"), &plain}, {2, STR("y"), pair_sets[i]}};
        struct chunk_summary summary;
        struct chunk_head head;
        struct arena a;
        struct buf out;
        arena_init(&a, MIB);
        buf_init(&out, OUT_BYTES_MAX);
        REQUIRE_OK(chunk_build(&spec, (struct chunk_entries){items, 2}, &out, &summary));
        REQUIRE_OK(chunk_head_parse(&a, str_head(buf_str(&out), summary.head_bytes), &head, NULL));
        cr_expect_eq(head.metadata_shadows, i == 1);
        buf_release(&out);
        arena_release(&a);
    }
    codec_context_free(context);
}

/* ---- golden bytes ---- */

/* Three blocks: equal times, times before 1970, empty lines, zero bytes, three sets. */
static struct chunk_entry golden_items[] = {
    {-5, STR_INIT("before 1970"), &sets[0]},
    {0, STR_INIT(""), &sets[0]},
    {0, STR_INIT("zero \0 byte"), &sets[1]},
    {INT64_C(1700000000000000000), STR_INIT("a longer line that ends its block"), &sets[2]},
    {INT64_C(1700000000000000000), STR_INIT("equal time"), &sets[1]},
    {INT64_C(1700000000000000001), STR_INIT("\xff no UTF-8"), &sets[1]},
};
static const struct chunk_entries golden = {golden_items, COUNT_OF(golden_items)};

enum { FILTERED = 110, FILTERED_LINE_BYTES = 50, FILTERED_BLOCK_BYTES = 5000 };

/* Two blocks of few grams, the second of which is too small for a filter. */
static struct chunk_entries filtered_entries(void)
{
    static struct chunk_entry items[FILTERED];
    static char text[FILTERED][FILTERED_LINE_BYTES];
    struct random r = random_of(7);

    for (size_t i = 0; i < FILTERED; i++) {
        for (size_t at = 0; at < FILTERED_LINE_BYTES; at++)
            text[i][at] = "abcd"[random_below(&r, 4)];
        items[i] = (struct chunk_entry){(int64_t)i * 1000, str_make(text[i], FILTERED_LINE_BYTES),
                                        &sets[i % 2]};
    }
    return (struct chunk_entries){items, FILTERED};
}

/* What is damaged in the tests below. */
enum sample { SAMPLE_PLAIN, SAMPLE_FILTERED, SAMPLES };

static const struct {
    const char *golden;
    const char *first; /* the same in version 1 */
    size_t block_bytes;
    uint32_t blocks;
} samples[SAMPLES] = {
    [SAMPLE_PLAIN] = {"chunk-v2.bin", "chunk-v1.bin", 40, 3},
    [SAMPLE_FILTERED] = {"chunk-v2-filters.bin", "chunk-v1-filters.bin", FILTERED_BLOCK_BYTES, 2},
};

static struct chunk_entries sample_entries(enum sample sample)
{
    return sample == SAMPLE_PLAIN ? golden : filtered_entries();
}

static struct str build_sample(struct codec_context *context, enum sample sample, enum codec codec,
                               struct buf *out)
{
    struct chunk_spec spec = spec_of(context, codec, samples[sample].block_bytes);
    struct chunk_summary summary;

    buf_init(out, MIB);
    REQUIRE_OK(chunk_build(&spec, sample_entries(sample), out, &summary));
    return buf_str(out);
}

/* What is in a file that was written once. */
static void expect_stored(struct codec_context *context, enum sample sample, const char *name)
{
    char path[TEST_PATH_BYTES];
    struct str stored = files_read(files_path(path, "tests/golden", name));
    struct reading reading = {context, stored, sample_entries(sample)};

    EXPECT_STATUS(name, read_chunk(&reading), ST_OK);
    mem_free((void *)(uintptr_t)stored.ptr);
}

Test(chunk, golden)
{
    struct codec_context *context = codec_context_new();

    for (unsigned i = 0; i < SAMPLES; i++) {
        struct buf out;
        struct str bytes = build_sample(context, (enum sample)i, CODEC_NONE, &out);
        files_expect_golden(samples[i].golden, bytes);
        expect_stored(context, (enum sample)i, samples[i].golden);
        expect_stored(context, (enum sample)i, samples[i].first);
        buf_release(&out);
    }
    codec_context_free(context);
}

/* ---- filters ---- */

enum { FEATURES_OFFSET = 6 };

static struct str filters_of(const struct chunk_head *h, struct str bytes)
{
    return str_head(str_cut(bytes, h->summary.head_bytes), chunk_filters_bytes(h));
}

/* Only a chunk that has filters says so, and they take 6 % of its columns at most. */
Test(chunk, filters)
{
    struct codec_context *context = codec_context_new();

    for (unsigned i = 0; i < (unsigned)SAMPLES * (CODEC_ZSTD + 1); i++) {
        enum sample sample = (enum sample)(i % SAMPLES);
        uint32_t head_bytes, chunk_bytes;
        struct chunk_head h;
        struct arena a;
        struct buf out;
        struct str bytes = build_sample(context, sample, (enum codec)(i / SAMPLES), &out);
        arena_init(&a, MIB);
        REQUIRE_OK(chunk_lengths(bytes, &head_bytes, &chunk_bytes, NULL));
        REQUIRE_OK(chunk_head_parse(&a, str_head(bytes, head_bytes), &h, NULL));
        cr_expect_eq(bytes.ptr[FEATURES_OFFSET] & 1, sample == SAMPLE_FILTERED);
        cr_expect_eq(h.block_count, samples[sample].blocks);
        struct str filters = filters_of(&h, bytes);
        struct str filter = chunk_block_filter(&h, 0, filters);
        cr_expect_eq(filters.len, filter.len, "only the first block has one");
        if (sample == SAMPLE_FILTERED) {
            uint32_t offset, packed_bytes;
            chunk_block_range(&h.blocks[0], CHUNK_ALL_COLUMNS, &offset, &packed_bytes);
            cr_expect_geq(filter.len, FILTER_BYTES_MIN);
            cr_expect_leq(filter.len, packed_bytes * 6 / 100);
            cr_expect(!filter_may_contain(filter, STR("no-such-needle-at-all")));
        }
        cr_expect_eq(chunk_block_filter(&h, h.block_count - 1, filters).len, 0);
        arena_release(&a);
        buf_release(&out);
    }
    codec_context_free(context);
}

/* A damaged filter is none. */
Test(chunk, damaged_filter)
{
    struct codec_context *context = codec_context_new();
    uint32_t head_bytes, chunk_bytes;
    struct chunk_head h;
    struct arena a;
    struct buf out;
    struct str bytes = build_sample(context, SAMPLE_FILTERED, CODEC_ZSTD, &out);

    arena_init(&a, MIB);
    REQUIRE_OK(chunk_lengths(bytes, &head_bytes, &chunk_bytes, NULL));
    REQUIRE_OK(chunk_head_parse(&a, str_head(bytes, head_bytes), &h, NULL));
    struct str filters = filters_of(&h, bytes);
    for (size_t bit = 0; bit < (size_t)filters.len * 8; bit++) {
        char *byte = out.ptr + head_bytes + bit / 8;
        *byte = (char)(*byte ^ (1 << bit % 8));
        cr_expect_eq(chunk_block_filter(&h, 0, filters).len, 0, "bit %zu", bit);
        *byte = (char)(*byte ^ (1 << bit % 8));
    }
    cr_expect_eq(chunk_block_filter(&h, 0, filters).len, filters.len);
    arena_release(&a);
    buf_release(&out);
    codec_context_free(context);
}

/* ---- damage ---- */

/* Flip each bit in turn; a reader says ST_CORRUPT or sees what was written. */
Test(chunk, flipped_at_every_bit)
{
    struct codec_context *context = codec_context_new();

    for (unsigned i = 0; i < (unsigned)SAMPLES * (CODEC_ZSTD + 1); i++) {
        enum sample sample = (enum sample)(i % SAMPLES);
        struct chunk_entries entries = sample_entries(sample);
        size_t unnoticed = 0, other = 0;
        struct buf out;
        struct str bytes = build_sample(context, sample, (enum codec)(i / SAMPLES), &out);
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            struct reading reading = {context, bytes, entries};
            out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ (1 << bit % 8));
            enum status st = read_chunk(&reading);
            unnoticed += st == ST_INTERNAL;
            other += st != ST_OK && st != ST_INTERNAL && st != ST_CORRUPT;
            out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ (1 << bit % 8));
        }
        cr_expect_eq(unnoticed, 0, "sample %u: %zu", i, unnoticed);
        cr_expect_eq(other, 0, "sample %u: %zu", i, other);
        buf_release(&out);
    }
    codec_context_free(context);
}

Test(chunk, truncated_at_every_length)
{
    struct codec_context *context = codec_context_new();
    uint32_t head_bytes, chunk_bytes;
    struct buf out;
    struct str bytes = build_sample(context, SAMPLE_FILTERED, CODEC_ZSTD, &out);

    REQUIRE_OK(chunk_lengths(bytes, &head_bytes, &chunk_bytes, NULL));
    for (size_t len = 0; len < bytes.len; len++) {
        char *copy = mem_bytes(len); /* of just this size, for the address sanitizer */
        struct chunk_head head;
        struct arena a;
        memcpy(copy, bytes.ptr, len);
        struct reading reading = {context, str_make(copy, len), filtered_entries()};
        EXPECT_STATUS("chunk", read_chunk(&reading), ST_CORRUPT);
        arena_init(&a, MIB);
        if (len != head_bytes)
            EXPECT_STATUS("head", chunk_head_parse(&a, str_make(copy, len), &head, NULL),
                          ST_CORRUPT);
        arena_release(&a);
        mem_free(copy);
    }
    buf_release(&out);
    codec_context_free(context);
}

static void put_u32(char *to, uint32_t v)
{
    for (size_t i = 0; i < sizeof(v); i++)
        to[i] = (char)(unsigned char)(v >> (8 * i));
}

static uint32_t take_u32(const char *from)
{
    struct str in = str_make(from, sizeof(uint32_t));
    uint32_t v = 0;

    cr_assert(get_u32(&in, &v));
    return v;
}

/* Make every checksum right again, as somebody would who wants to be believed. */
static void mend_checksums(char *bytes, size_t len, uint32_t head_bytes, uint32_t blocks)
{
    enum { CRC_OFFSET = 16, ROW_BYTES = 104, FIRST_COLUMN = 24, COLUMN_BYTES = 16 };
    enum { PLACES = CHUNK_COLUMNS + 1 }; /* the filter too */
    size_t rows = head_bytes - (size_t)blocks * ROW_BYTES;

    for (size_t i = 0; i < (size_t)blocks * PLACES; i++) {
        char *column =
            bytes + rows + i / PLACES * ROW_BYTES + FIRST_COLUMN + i % PLACES * COLUMN_BYTES;
        uint64_t offset = take_u32(column), stored = take_u32(column + 4);
        if (offset + stored <= len)
            put_u32(column + 12, crc32c(0, str_make(bytes + offset, stored)));
    }
    put_u32(bytes + CRC_OFFSET, 0);
    put_u32(bytes + CRC_OFFSET, crc32c(0, str_make(bytes, head_bytes)));
}

static void forge(struct codec_context *context, struct random *r, enum sample sample,
                  struct str bytes)
{
    struct chunk_entries entries = sample_entries(sample);
    char *copy = mem_bytes(bytes.len); /* of just this size, for the address sanitizer */
    uint32_t head_bytes, chunk_bytes;

    REQUIRE_OK(chunk_lengths(bytes, &head_bytes, &chunk_bytes, NULL));
    for (size_t i = 0; i < 20000; i++) {
        struct reading reading = {context, str_make(copy, bytes.len), entries};
        memcpy(copy, bytes.ptr, bytes.len);
        copy[i % bytes.len] = (char)(random_below(r, 2) == 0 ? 0xff : random_below(r, 256));
        if (random_below(r, 2) == 0)
            copy[random_below(r, bytes.len)] = (char)random_u64(r);
        mend_checksums(copy, bytes.len, head_bytes, samples[sample].blocks);
        enum status st = read_chunk(&reading);
        cr_assert(st == ST_OK || st == ST_CORRUPT || st == ST_INTERNAL || st == ST_NOMEM ||
                      st == ST_LIMIT,
                  "%s, seed %" PRIu64, status_name(st), r->seed);
    }
    mem_free(copy);
}

/* With right checksums nonsense is read as nonsense, but never out of bounds. */
Test(chunk, forged)
{
    struct random r = random_begin();
    struct codec_context *context = codec_context_new();

    for (unsigned i = 0; i < (unsigned)SAMPLES * (CODEC_ZSTD + 1); i++) {
        enum sample sample = (enum sample)(i % SAMPLES);
        struct buf out;
        forge(context, &r, sample, build_sample(context, sample, (enum codec)(i / SAMPLES), &out));
        buf_release(&out);
    }
    for (unsigned i = 0; i < SAMPLES; i++) {
        char path[TEST_PATH_BYTES];
        struct str bytes = files_read(files_path(path, "tests/golden", samples[i].first));
        forge(context, &r, (enum sample)i, bytes);
        mem_free((void *)(uintptr_t)bytes.ptr);
    }
    codec_context_free(context);
}

/* ---- limits and memory ---- */

Test(chunk, too_large)
{
    struct codec_context *context = codec_context_new();
    struct chunk_spec spec = spec_of(context, CODEC_NONE, 1000);
    struct random r = random_begin();
    struct chunk_summary summary = {.entries = 77};
    struct arena a;

    arena_init(&a, 64 * MIB);
    struct chunk_entries entries = random_entries(&r, &a, 100, 200);
    for (size_t max = 0; max < 8000; max += 97) {
        struct buf out;
        buf_init(&out, max);
        enum status st = chunk_build(&spec, entries, &out, &summary);
        EXPECT_STATUS("no room", st, ST_TOO_LARGE);
        cr_expect_eq(summary.entries, 77);
        buf_release(&out);
    }
    arena_release(&a);
    codec_context_free(context);
}

/* One line that no column may hold. */
Test(chunk, a_line_that_is_too_large)
{
    enum { LINE_BYTES = CHUNK_COLUMN_BYTES_MAX + 1 };
    struct codec_context *context = codec_context_new();
    struct chunk_spec spec = spec_of(context, CODEC_ZSTD, 1000);
    char *line = mem_new(LINE_BYTES, 1);
    struct chunk_entry item = {0, str_make(line, LINE_BYTES), &sets[0]};
    struct chunk_summary summary;
    struct buf out;

    buf_init(&out, CHUNK_BYTES_MAX);
    EXPECT_STATUS("large", chunk_build(&spec, (struct chunk_entries){&item, 1}, &out, &summary),
                  ST_TOO_LARGE);
    buf_release(&out);
    mem_free(line);
    codec_context_free(context);
}

Test(chunk, build_with_nth_allocation_failing)
{
    struct codec_context *context = codec_context_new();
    enum status st = ST_NOMEM;

    for (int64_t n = 1; st != ST_OK && n < 200; n++) {
        struct chunk_spec spec = spec_of(context, CODEC_ZSTD, 40);
        struct chunk_summary summary;
        struct buf out;
        buf_init(&out, MIB);
        mem_fail_after(n);
        st = chunk_build(&spec, golden, &out, &summary);
        mem_fail_after(0);
        cr_expect(st == ST_OK || st == ST_NOMEM, "allocation %" PRId64 ": %s", n, status_name(st));
        buf_release(&out);
    }
    EXPECT_STATUS("in the end", st, ST_OK);
    codec_context_free(context);
}

Test(chunk, unpack_with_nth_allocation_failing)
{
    struct codec_context *context = codec_context_new();
    enum status st = ST_NOMEM;
    uint32_t head_bytes, chunk_bytes;
    struct chunk_head head;
    struct arena a;
    struct buf out;
    struct str bytes = build_sample(context, SAMPLE_PLAIN, CODEC_ZSTD, &out);

    arena_init(&a, MIB);
    REQUIRE_OK(chunk_lengths(bytes, &head_bytes, &chunk_bytes, NULL));
    REQUIRE_OK(chunk_head_parse(&a, str_head(bytes, head_bytes), &head, NULL));
    for (int64_t n = 1; st != ST_OK && n < 200; n++) {
        struct reading reading = {context, bytes, golden};
        mem_fail_after(n);
        st = read_blocks(&reading, &head, CHUNK_ALL_COLUMNS);
        mem_fail_after(0);
        cr_expect(st == ST_OK || st == ST_NOMEM, "allocation %" PRId64 ": %s", n, status_name(st));
    }
    EXPECT_STATUS("in the end", st, ST_OK);
    arena_release(&a);
    buf_release(&out);
    codec_context_free(context);
}

Test(chunk, memory_is_used_again)
{
    struct block_memory m = {.context = NULL};

    REQUIRE_OK(block_memory_reserve(&m, 1000, 5000));
    const char *lines = m.lines;
    const int64_t *ts_ns = m.ts_ns;
    REQUIRE_OK(block_memory_reserve(&m, 10, 0));
    REQUIRE_OK(block_memory_reserve(&m, 1000, 5000));
    cr_expect(m.lines == lines && m.ts_ns == ts_ns);
    mem_fail_after(1);
    EXPECT_STATUS("no memory", block_memory_reserve(&m, 2000, 5000), ST_NOMEM);
    mem_fail_after(0);
    REQUIRE_OK(block_memory_reserve(&m, 2000, 5000));
    block_memory_release(&m);
    cr_expect_null(m.lines);
}
