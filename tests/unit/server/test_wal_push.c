#include "server/store/wal_push.h"

#include <snappy-c.h>

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { ARENA_BYTES = 16 * 1024 * 1024, PAYLOAD_BYTES = 16 * 1024 * 1024 };

static const struct label app_host[] = {{STR_INIT("app"), STR_INIT("a\"b")},
                                        {STR_INIT("host"), STR_INIT("\0")}};
static const struct label level[] = {{STR_INIT("detected_level"), STR_INIT("info")}};
static const struct label traced[] = {{STR_INIT("detected_level"), STR_INIT("info")},
                                      {STR_INIT("trace_id"), STR_INIT("7")}};

static struct entry web_entries[] = {
    {5, STR_INIT("first"), {level, 1}},
    {5, STR_INIT("the same metadata"), {level, 1}},
    {4, STR_INIT("other metadata, earlier"), {traced, 2}},
    {INT64_MAX, STR_INIT(""), {NULL, 0}},
    {INT64_MIN, STR_INIT("a\0b\n"), {NULL, 0}},
    {-1, STR_INIT("metadata again"), {level, 1}},
};
static struct entry other_entries[] = {{1700000000000000000, STR_INIT("x"), {NULL, 0}}};

static struct push_stream streams[] = {
    {.labels = {app_host, 2}, .entries = web_entries, .entry_count = COUNT_OF(web_entries)},
    {.entries = other_entries, .entry_count = COUNT_OF(other_entries)},
    {.labels = {app_host, 1}},
};

static void expect_same(const char *name, const struct push_request *got,
                        const struct push_request *want)
{
    cr_assert_eq(got->stream_count, want->stream_count, "%s: streams", name);
    for (size_t i = 0; i < want->stream_count; i++) {
        const struct push_stream *g = &got->streams[i], *w = &want->streams[i];
        cr_expect(labels_eq(g->labels, w->labels), "%s: labels of stream %zu", name, i);
        cr_assert_eq(g->entry_count, w->entry_count, "%s: entries of stream %zu", name, i);
        for (size_t k = 0; k < w->entry_count; k++) {
            cr_expect_eq(g->entries[k].ts_ns, w->entries[k].ts_ns, "%s: time %zu/%zu", name, i, k);
            EXPECT_STR(name, g->entries[k].line, w->entries[k].line);
            cr_expect(labels_eq(g->entries[k].metadata, w->entries[k].metadata),
                      "%s: metadata %zu/%zu", name, i, k);
        }
    }
}

static const struct round_trip_case {
    const char *name;
    struct str tenant;
    size_t first;
    size_t count;
} round_trip_cases[] = {
    {"all", STR_INIT("t1"), 0, COUNT_OF(streams)},
    {"no metadata", STR_INIT("fake"), 1, 1},
    {"no entries", STR_INIT(""), 2, 1},
    {"no streams", STR_INIT("t"), 0, 0},
};

Test(wal_push, round_trip)
{
    for (size_t i = 0; i < COUNT_OF(round_trip_cases); i++) {
        const struct round_trip_case *c = &round_trip_cases[i];
        struct push_request want = {streams + c->first, c->count}, got;
        struct str tenant;
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES);
        buf_init(&b, PAYLOAD_BYTES);
        wal_push_encode(&b, c->tenant, &want);
        REQUIRE_OK(buf_status(&b, NULL));
        struct wal_record record = {.kind = WAL_PUSH, .payload = buf_str(&b)};
        REQUIRE_OK(wal_push_decode(&a, &record, &tenant, &got, NULL));
        EXPECT_STR(c->name, tenant, c->tenant);
        expect_same(c->name, &got, &want);
        buf_release(&b);
        arena_release(&a);
    }
}

/* The bytes of docs/format/wal.md. */
Test(wal_push, format)
{
    static const struct str want = STR_INIT("\x02t1\x01" /* tenant, one stream */
                                            "\x02\x03"
                                            "app\x03"
                                            "a\"b\x04host\x01\0" /* labels */
                                            "\x03"               /* entries */
                                            "\x0a\x02\x0e"
                                            "detected_level\x04info\x05"
                                            "first"                     /* 5, its metadata */
                                            "\0\0\x11the same metadata" /* as before */
                                            "\x01\x03\x0e"
                                            "detected_level\x04info\x08trace_id\x01"
                                            "7\x17other metadata, earlier"); /* -1, two pairs */
    struct push_stream stream = {.labels = {app_host, 2}, .entries = web_entries, .entry_count = 3};
    struct push_request request = {&stream, 1};
    struct buf b;

    buf_init(&b, PAYLOAD_BYTES);
    wal_push_encode(&b, STR("t1"), &request);
    EXPECT_STR("payload", buf_str(&b), want);
    buf_release(&b);
}

/* ---- damage ---- */

/* Decode a copy of exactly this size, so that a sanitizer sees a read behind it. */
static enum status decode_kind(enum wal_kind kind, struct str payload, size_t arena_bytes_max)
{
    struct push_request got = {streams, 4711};
    struct str tenant = STR("untouched");
    char *copy = mem_bytes(payload.len);
    struct err err = {.text = ""};
    struct arena a;

    cr_assert_not_null(copy);
    arena_init(&a, arena_bytes_max);
    memcpy(copy, payload.ptr, payload.len);
    struct wal_record record = {.kind = kind, .payload = str_make(copy, payload.len)};
    enum status st = wal_push_decode(&a, &record, &tenant, &got, &err);
    if (st != ST_OK) {
        cr_expect(got.stream_count == 4711 && str_eq(tenant, STR("untouched")),
                  "outputs of a failure");
        cr_expect_neq(err.text[0], '\0');
    }
    mem_free(copy);
    arena_release(&a);
    return st;
}

static enum status decode(struct str payload, size_t arena_bytes_max)
{
    return decode_kind(WAL_PUSH, payload, arena_bytes_max);
}

static void encode_all(struct buf *b)
{
    struct push_request all = {streams, COUNT_OF(streams)};

    buf_init(b, PAYLOAD_BYTES);
    wal_push_encode(b, STR("t1"), &all);
}

Test(wal_push, cut_and_extended)
{
    struct buf b;

    encode_all(&b);
    EXPECT_STATUS("whole", decode(buf_str(&b), ARENA_BYTES), ST_OK);
    for (size_t len = 0; len < b.len; len++)
        EXPECT_STATUS("cut", decode(str_head(buf_str(&b), len), ARENA_BYTES), ST_CORRUPT);
    buf_put_u8(&b, 0);
    EXPECT_STATUS("a byte more", decode(buf_str(&b), ARENA_BYTES), ST_CORRUPT);
    buf_release(&b);
}

static const struct damage_case {
    const char *name;
    struct str payload;
} damage_cases[] = {
    {"more streams than bytes", STR_INIT("\x01t\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"more labels than bytes", STR_INIT("\x01t\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"more entries than bytes", STR_INIT("\x01t\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"more metadata than bytes",
     STR_INIT("\x01t\x01\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"longer line than bytes",
     STR_INIT("\x01t\x01\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    {"longer tenant than bytes", STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01t")},
    {"labels in the wrong order", STR_INIT("\x01t\x01\x02\x01"
                                           "b\x01"
                                           "1\x01"
                                           "a\x01"
                                           "2\0")},
    {"labels twice", STR_INIT("\x01t\x01\x02\x01"
                              "a\x01"
                              "1\x01"
                              "a\x01"
                              "2\0")},
};

Test(wal_push, damage)
{
    for (size_t i = 0; i < COUNT_OF(damage_cases); i++)
        EXPECT_STATUS(damage_cases[i].name, decode(damage_cases[i].payload, ARENA_BYTES),
                      ST_CORRUPT);
}

/* Any byte may be another one: the payload then means something else, or nothing. */
Test(wal_push, random_damage)
{
    struct random r = random_begin();
    struct buf b;

    encode_all(&b);
    for (size_t round = 0; round < 20000; round++) {
        size_t at = random_below(&r, b.len);
        char before = b.ptr[at];
        b.ptr[at] = (char)(unsigned char)random_u64(&r);
        enum status st = decode(buf_str(&b), ARENA_BYTES);
        cr_assert(st == ST_OK || st == ST_CORRUPT, "%s, seed %" PRIu64, status_name(st), r.seed);
        b.ptr[at] = before;
    }
    buf_release(&b);
}

Test(wal_push, arena_is_full)
{
    enum status st = ST_LIMIT;
    size_t full = 0;
    struct buf b;

    encode_all(&b);
    for (size_t max = 0; st != ST_OK; max += 64) {
        st = decode(buf_str(&b), max);
        cr_assert(st == ST_OK || st == ST_LIMIT, "%s at %zu", status_name(st), max);
        full += st == ST_LIMIT;
    }
    cr_expect_gt(full, 2);
    buf_release(&b);
}

/* ---- bodies ---- */

/* Two streams, of two entries and one, at 1 s; labels {a="1"} and none. */
#define ENTRY(line) "\x12\x0b\x0a\x02\x08\x01\x12\x05" line
#define MESSAGE "\x0a\x23\x0a\x07{a=\"1\"}" ENTRY("first") ENTRY("other") "\x0a\x0d" ENTRY("third")

static const struct label custom[] = {{STR_INIT("detected_level"), STR_INIT("custom")}};

static struct entry body_entries[] = {
    {1000000000, STR_INIT("first"), {level, 1}},
    {1000000000, STR_INIT("other"), {NULL, 0}},
    {1000000000, STR_INIT("third"), {custom, 1}},
};
static struct push_stream body_streams[] = {
    {.labels = {app_host, 2}, .entries = body_entries, .entry_count = 2},
    {.labels = {app_host, 1}, .entries = body_entries + 2, .entry_count = 1},
};
static struct push_request body_request = {body_streams, COUNT_OF(body_streams)};

static void put_body(struct buf *b, struct str message)
{
    size_t len = snappy_max_compressed_length(message.len);
    char *to = buf_reserve(b, len);

    cr_assert_not_null(to);
    cr_assert_eq(snappy_compress(message.ptr, message.len, to, &len), SNAPPY_OK);
    buf_advance(b, len);
}

static void encode_body(struct buf *b)
{
    struct buf body;

    buf_init(b, PAYLOAD_BYTES);
    buf_init(&body, PAYLOAD_BYTES);
    put_body(&body, STR(MESSAGE));
    cr_assert(wal_push_encode_body(b, STR("t1"), &body_request, buf_str(&body)));
    REQUIRE_OK(buf_status(b, NULL));
    buf_release(&body);
}

/* The labels and levels that were added, and everything else as it came. */
Test(wal_push, body_round_trip)
{
    struct push_request got;
    struct str tenant;
    struct arena a;
    struct buf b;

    encode_body(&b);
    arena_init(&a, ARENA_BYTES);
    struct wal_record record = {.kind = WAL_PUSH_BODY, .payload = buf_str(&b)};
    REQUIRE_OK(wal_push_decode(&a, &record, &tenant, &got, NULL));
    EXPECT_STR("tenant", tenant, STR("t1"));
    expect_same("body", &got, &body_request);
    arena_release(&a);
    buf_release(&b);
}

/* The bytes of docs/format/wal.md. */
Test(wal_push, body_format)
{
    struct buf b, want;

    encode_body(&b);
    buf_init(&want, PAYLOAD_BYTES);
    buf_put(&want, STR("\x02t1\x02"
                       "\x02\x03"
                       "app\x03"
                       "a\"b\x04host\x01\0" /* labels of the first stream */
                       "\x01\x03"
                       "app\x03"
                       "a\"b"           /* of the second */
                       "\x03\x01\0\x02" /* the levels of three entries */
                       "\x02\x04info\x06"
                       "custom"));
    put_body(&want, STR(MESSAGE));
    EXPECT_STR("payload", buf_str(&b), buf_str(&want));
    buf_release(&want);
    buf_release(&b);
}

Test(wal_push, body_cut_and_damaged)
{
    struct random r = random_begin();
    struct buf b;

    encode_body(&b);
    EXPECT_STATUS("whole", decode_kind(WAL_PUSH_BODY, buf_str(&b), ARENA_BYTES), ST_OK);
    for (size_t len = 0; len < b.len; len++)
        EXPECT_STATUS("cut", decode_kind(WAL_PUSH_BODY, str_head(buf_str(&b), len), ARENA_BYTES),
                      ST_CORRUPT);
    for (size_t round = 0; round < 20000; round++) {
        size_t at = random_below(&r, b.len);
        char before = b.ptr[at];
        b.ptr[at] = (char)(unsigned char)random_u64(&r);
        enum status st = decode_kind(WAL_PUSH_BODY, buf_str(&b), ARENA_BYTES);
        cr_assert(st == ST_OK || st == ST_CORRUPT || st == ST_LIMIT, "%s, seed %" PRIu64,
                  status_name(st), r.seed);
        b.ptr[at] = before;
    }
    for (size_t max = 0; max < 2000; max += 100) {
        enum status st = decode_kind(WAL_PUSH_BODY, buf_str(&b), max);
        cr_assert(st == ST_OK || st == ST_LIMIT, "%s at %zu", status_name(st), max);
    }
    buf_release(&b);
}

/* What was added does not fit to the body, which is MESSAGE. */
static const struct misfit_case {
    const char *name;
    struct str added; /* behind the tenant */
    enum status st;
} misfit_cases[] = {
    {"it fits", STR_INIT("\x02\0\0\x03\0\0\0\0"), ST_OK},
    {"a stream less", STR_INIT("\x01\0\x03\0\0\0\0"), ST_CORRUPT},
    {"a stream more", STR_INIT("\x03\0\0\0\x03\0\0\0\0"), ST_CORRUPT},
    {"an entry less", STR_INIT("\x02\0\0\x02\0\0\0"), ST_CORRUPT},
    {"an entry more", STR_INIT("\x02\0\0\x04\0\0\0\0\0"), ST_CORRUPT},
    {"a level that is not there", STR_INIT("\x02\0\0\x03\0\0\x02\x01\x01l"), ST_CORRUPT},
    {"256 levels", STR_INIT("\x02\0\0\x03\0\0\0\x80\x02"), ST_CORRUPT},
};

Test(wal_push, body_misfit)
{
    for (size_t i = 0; i < COUNT_OF(misfit_cases); i++) {
        struct buf b;
        buf_init(&b, PAYLOAD_BYTES);
        buf_put_str(&b, STR("t1"));
        buf_put(&b, misfit_cases[i].added);
        put_body(&b, STR(MESSAGE));
        EXPECT_STATUS(misfit_cases[i].name, decode_kind(WAL_PUSH_BODY, buf_str(&b), ARENA_BYTES),
                      misfit_cases[i].st);
        buf_release(&b);
    }
}

/* Entries that came with metadata are never in such a record. */
Test(wal_push, body_with_metadata)
{
    struct buf b;

    buf_init(&b, PAYLOAD_BYTES);
    buf_put(&b, STR("\x02t1\x01\0\x01\0\0"));
    put_body(&b, STR("\x0a\x0a\x12\x08\x1a\x06\x0a\x01"
                     "a\x12\x01"
                     "b"));
    EXPECT_STATUS("metadata", decode_kind(WAL_PUSH_BODY, buf_str(&b), ARENA_BYTES), ST_CORRUPT);
    buf_release(&b);
}

/* As many levels as an index of one byte can tell, and one more. */
Test(wal_push, body_levels)
{
    enum { LEVELS = 256 };
    struct entry entries[LEVELS];
    struct label pairs[LEVELS];
    char texts[LEVELS];

    for (size_t i = 0; i < LEVELS; i++) {
        texts[i] = (char)(unsigned char)i;
        pairs[i] = (struct label){STR("detected_level"), str_make(&texts[i], 1)};
        entries[i] = (struct entry){0, STR(""), {&pairs[i], 1}};
    }
    for (size_t count = LEVELS - 1; count <= LEVELS; count++) {
        struct push_stream stream = {
            .labels = {app_host, 1}, .entries = entries, .entry_count = count};
        struct push_request request = {&stream, 1};
        struct buf b;
        buf_init(&b, PAYLOAD_BYTES);
        cr_expect_eq(wal_push_encode_body(&b, STR("t"), &request, STR("x")), count < LEVELS);
        buf_release(&b);
    }
}
