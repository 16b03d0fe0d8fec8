#include "server/store/hide.h"

#include "base/time.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { ENTRIES_MAX = 300, ARENA_BYTES = 16 * MIB, CHUNK_MAX = 10 };

static const struct label stream_pairs[] = {{STR_INIT("app"), STR_INIT("web")},
                                            {STR_INIT("env"), STR_INIT("dev")}};
static const struct labels stream_labels = {stream_pairs, 2};
static const struct label pod_pairs[] = {{STR_INIT("pod"), STR_INIT("p1")}};
static const struct labels metadata_sets[] = {{NULL, 0}, {pod_pairs, 1}};

/* ---- a block of entries ---- */

struct entries {
    struct block block;
    int64_t ts_ns[ENTRIES_MAX];
    uint32_t line_ends[ENTRIES_MAX];
    uint32_t sets[ENTRIES_MAX];
    char lines[ENTRIES_MAX * 16];
};

/* "1a 3b+": at 1 and 3, lines "a" and "b", the second one with metadata. */
static void read_entries(struct entries *e, const char *text)
{
    uint32_t count = 0, end = 0;

    while (*text != '\0') {
        e->ts_ns[count] = *text++ - '0';
        while (*text != '\0' && *text != ' ' && *text != '+')
            e->lines[end++] = *text++;
        e->line_ends[count] = end;
        e->sets[count] = *text == '+';
        text += *text == '+';
        text += *text == ' ';
        count++;
    }
    e->block = (struct block){
        count, e->ts_ns, e->line_ends, str_make(e->lines, end), e->sets, metadata_sets, 2};
}

static void put_entries(struct buf *b, const struct block *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        struct str line = block_line(block, i);
        buf_printf(b, "%s%d%.*s%s", i == 0 ? "" : " ", (int)block->ts_ns[i], STR_ARG(line),
                   block_metadata(block, i).count > 0 ? "+" : "");
    }
}

static void hide_in(const struct hiding *h, uint64_t last_id, int64_t floor_ns, struct block *b,
                    struct buf *ret_text)
{
    struct hide_stream stream;
    struct hider hider;
    struct arena arena;
    struct err err = {.text = ""};

    arena_init(&arena, ARENA_BYTES);
    hider_init(&hider, &arena, NULL);
    REQUIRE_OK(hide_stream(&arena, h, stream_labels, &stream, NULL));
    stream.floor_ns = floor_ns;
    enum status st = hide_block(&hider, &stream, last_id, b, &err);
    cr_assert_eq(st, ST_OK, "%s", err.text);
    put_entries(ret_text, b);
    hider_release(&hider);
    arena_release(&arena);
}

/* ---- cases ---- */

#define ALL_TIMES INT64_MIN, INT64_MAX

static const struct hide_case {
    const char *name;
    struct hide_spec specs[2];
    uint64_t last_id;
    int64_t floor_ns;
    const char *from;
    const char *want;
} cases[] = {
    {"nothing matches the stream",
     {{STR_INIT("{app=\"db\"}"), ALL_TIMES, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1a 2b",
     "1a 2b"},
    {"all", {{STR_INIT("{app=\"web\"}"), ALL_TIMES, CHUNK_MAX}}, 10, INT64_MIN, "1a 2b+", ""},
    {"younger than the request",
     {{STR_INIT("{app=\"web\"}"), ALL_TIMES, CHUNK_MAX}},
     11,
     INT64_MIN,
     "1a 2b+",
     "1a 2b+"},
    {"a head",
     {{STR_INIT("{app=\"web\"}"), ALL_TIMES, UINT64_MAX - 1}},
     HIDE_HEAD,
     INT64_MIN,
     "1a",
     "1a"},
    {"both ends count",
     {{STR_INIT("{app=~\"w.*\"}"), 2, 4, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1a 2b 3c+ 4d 5e+",
     "1a 5e+"},
    {"equal times",
     {{STR_INIT("{app=\"web\"} |= \"x\""), 2, 3, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1x 2x 2y+ 2x+ 2y 3y 3xx+ 4x",
     "1x 2y+ 2y 3y 4x"},
    {"before the range", {{STR_INIT("{app=\"web\"}"), 0, 1, CHUNK_MAX}}, 1, 0, "2a 3b", "2a 3b"},
    {"behind the range", {{STR_INIT("{app=\"web\"}"), 5, 9, CHUNK_MAX}}, 1, 0, "2a 3b", "2a 3b"},
    {"by metadata",
     {{STR_INIT("{app=\"web\"} | pod=\"p1\""), ALL_TIMES, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1a+ 2b 3c+ 4d",
     "2b 4d"},
    {"by a label of the stream, behind a stage",
     {{STR_INIT("{app=\"web\"} | logfmt | k=\"v\" | env=\"dev\""), ALL_TIMES, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1k=v 2k=w 3k=v+",
     "2k=w"},
    {"by a regular expression and metadata",
     {{STR_INIT("{app=\"web\"} |~ \"^[ab]\" != \"z\" | pod=\"p1\""), ALL_TIMES, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1a+ 2az+ 3b 4b+ 5cb+",
     "2az+ 3b 5cb+"},
    {"two requests that overlap",
     {{STR_INIT("{app=\"web\"} |= \"a\""), 1, 3, CHUNK_MAX},
      {STR_INIT("{env=\"dev\"} |= \"b\""), 2, 4, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1a 1b 2ab 3b 3a+ 4a 4b 5ab",
     "1b 4a 5ab"},
    {"one request is too old",
     {{STR_INIT("{app=\"web\"} |= \"a\""), ALL_TIMES, 3},
      {STR_INIT("{env=\"dev\"} |= \"b\""), ALL_TIMES, CHUNK_MAX}},
     4,
     INT64_MIN,
     "1a 2b 3ab",
     "1a"},
    {"floor", {{STR_INIT("{app=\"db\"}"), ALL_TIMES, 3}}, HIDE_HEAD, 3, "1a 2b+ 3c 4d+", "3c 4d+"},
    {"floor and request",
     {{STR_INIT("{app=\"web\"} |= \"c\""), ALL_TIMES, CHUNK_MAX}},
     1,
     3,
     "1a 2b+ 3c 4d+",
     "4d+"},
    {"empty lines",
     {{STR_INIT("{app=\"web\"} |= \"a\""), ALL_TIMES, CHUNK_MAX}},
     1,
     INT64_MIN,
     "1 2a 3 4a+",
     "1 3"},
};

Test(hide, block)
{
    struct entries entries;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct hide_case *c = &cases[i];
        struct hiding h = {0};
        struct buf text;
        buf_init(&text, MIB);
        REQUIRE_OK(hide_set_new(c->specs, c->specs[1].query.len > 0 ? 2 : 1, HIDE_SET_BYTES_MAX,
                                &h.set, NULL));
        read_entries(&entries, c->from);
        hide_in(&h, c->last_id, c->floor_ns, &entries.block, &text);
        EXPECT_STR(c->name, buf_str(&text), str_from(c->want));
        buf_release(&text);
        hide_give(&h);
    }
}

/* ---- a block of many, against the simplest way to do it ---- */

static void random_entries(struct random *r, struct entries *e)
{
    uint32_t count = 1 + (uint32_t)random_below(r, ENTRIES_MAX - 1), end = 0;
    int64_t ts_ns = 0;

    for (uint32_t i = 0; i < count; i++) {
        ts_ns += (int64_t)random_below(r, 3); /* many are equal */
        e->ts_ns[i] = ts_ns;
        e->sets[i] = (uint32_t)random_below(r, 2);
        for (uint64_t left = random_below(r, 4); left > 0; left--)
            e->lines[end++] = (char)('a' + random_below(r, 3));
        e->line_ends[i] = end;
    }
    e->block = (struct block){
        count, e->ts_ns, e->line_ends, str_make(e->lines, end), e->sets, metadata_sets, 2};
}

static bool is_hidden_simply(const struct block *b, uint32_t i, const struct hide_spec *spec)
{
    bool has_pod = b->sets[i] == 1;

    return b->ts_ns[i] >= spec->start_ns && b->ts_ns[i] <= spec->end_ns && has_pod &&
           str_find_char(block_line(b, i), 'b') != STR_NPOS;
}

Test(hide, random_blocks)
{
    struct random r = random_begin();
    struct entries *e = mem_new(1, sizeof(*e));

    cr_assert_not_null(e);
    for (int round = 0; round < 200; round++) {
        int64_t start_ns = (int64_t)random_below(&r, 200);
        const struct hide_spec spec = {STR("{app=\"web\"} |= \"b\" | pod=\"p1\""), start_ns,
                                       start_ns + (int64_t)random_below(&r, 200), CHUNK_MAX};
        struct hiding h = {0};
        struct buf got, want;
        buf_init(&got, MIB);
        buf_init(&want, MIB);
        random_entries(&r, e);
        for (uint32_t i = 0; i < e->block.count; i++) {
            if (is_hidden_simply(&e->block, i, &spec))
                continue;
            struct str line = block_line(&e->block, i);
            buf_printf(&want, "%s%d%.*s%s", want.len == 0 ? "" : " ", (int)e->ts_ns[i],
                       STR_ARG(line), e->sets[i] == 1 ? "+" : "");
        }
        REQUIRE_OK(hide_set_new(&spec, 1, HIDE_SET_BYTES_MAX, &h.set, NULL));
        hide_in(&h, 1, INT64_MIN, &e->block, &got);
        cr_expect(str_eq(buf_str(&got), buf_str(&want)), "seed %" PRIu64 ": got %.*s, want %.*s",
                  r.seed, STR_ARG(buf_str(&got)), STR_ARG(buf_str(&want)));
        hide_give(&h);
        buf_release(&want);
        buf_release(&got);
    }
    mem_free(e);
}

/* ---- whole chunks ---- */

Test(hide, concerns)
{
    static const struct hide_spec specs[] = {
        {STR_INIT("{app=\"web\"}"), 100, 200, 5},
        {STR_INIT("{app=\"web\"} |= \"x\""), 300, 400, 9},
    };
    struct hiding h = {0};
    struct hide_stream s;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    REQUIRE_OK(hide_set_new(specs, 2, HIDE_SET_BYTES_MAX, &h.set, NULL));
    REQUIRE_OK(hide_stream(&arena, &h, stream_labels, &s, NULL));
    cr_expect_eq(s.count, 2);
    cr_expect(!hide_concerns(&s, 5, 0, 99));
    cr_expect(hide_concerns(&s, 5, 0, 100));
    cr_expect(hide_concerns(&s, 5, 200, 299));
    cr_expect(!hide_concerns(&s, 6, 200, 299), "younger than the request");
    cr_expect(!hide_concerns(&s, 5, 201, 299));
    cr_expect(hide_concerns(&s, 9, 201, 1000));
    cr_expect(!hide_concerns(&s, HIDE_HEAD, 0, 1000));
    cr_expect(hide_is_all(&s, 5, 100, 200));
    cr_expect(!hide_is_all(&s, 6, 100, 200));
    cr_expect(!hide_is_all(&s, 5, 99, 200));
    cr_expect(!hide_is_all(&s, 5, 100, 201));
    cr_expect(!hide_is_all(&s, 5, 300, 400), "only lines with an x");
    s.floor_ns = 100;
    cr_expect(hide_concerns(&s, HIDE_HEAD, 99, 1000));
    cr_expect(!hide_concerns(&s, HIDE_HEAD, 100, 1000));
    cr_expect(hide_is_all(&s, HIDE_HEAD, 0, 99));
    cr_expect(hide_is_all(&s, 5, 50, 200), "floor and request together");
    hide_give(&h);
    arena_release(&arena);
}

Test(hide, other_streams_have_no_rules)
{
    const struct hide_spec spec = {STR("{app=\"web\", env!=\"dev\"}"), ALL_TIMES, 5};
    struct hiding h = {0};
    struct hide_stream s;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES);
    REQUIRE_OK(hide_set_new(&spec, 1, HIDE_SET_BYTES_MAX, &h.set, NULL));
    REQUIRE_OK(hide_stream(&arena, &h, stream_labels, &s, NULL));
    cr_expect_eq(s.count, 0);
    hide_give(&h);
    arena_release(&arena);
}

Test(hide, queries_that_are_refused)
{
    static const struct str queries[] = {
        STR_INIT("{app=\"web\""),
        STR_INIT("count_over_time({app=\"web\"}[5m])"),
        STR_INIT("{app=\"web\"} |~ \"(\""),
        STR_INIT(""),
    };

    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        const struct hide_spec spec = {queries[i], ALL_TIMES, 5};
        struct hide_set *set = NULL;
        struct err err;
        EXPECT_STATUS(queries[i].ptr, hide_set_new(&spec, 1, HIDE_SET_BYTES_MAX, &set, &err),
                      ST_INVALID);
        cr_expect_null(set);
    }
}
