#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/time.h"
#include "query/engine.h"
#include "query/parser.h"
#include "tests/support/array_source.h"
#include "tests/support/loggen.h"

enum { ARENA_BYTES = 256 * 1024 * 1024, TEXT_BYTES = 1024 * 1024 };

/* Run a log query and write its streams as text: `{labels} time:line time:line ...` a line each. */
static enum status run(struct array_source *source, struct engine_query *q, const char *text,
                       struct buf *out, struct err *err)
{
    struct arena arena;
    struct query_context context = {
        .arena = &arena, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + MINUTE_NS};
    struct result result;

    arena_init(&arena, ARENA_BYTES);
    q->source = &source->source;
    q->context = &context;
    enum status st = logql_parse(&arena, str_from(text), &q->expr, err);
    if (st == ST_OK)
        st = engine_run(q, &result, err);
    if (st == ST_OK) {
        for (size_t i = 0; i < result.stream_count; i++) {
            labels_put_text(out, result.streams[i].labels);
            for (size_t j = 0; j < result.streams[i].count; j++)
                buf_printf(out, " %" PRId64 ":%.*s", result.streams[i].rows[j].ts_ns,
                           STR_ARG(result.streams[i].rows[j].line));
            buf_put_char(out, '\n');
        }
        if (context.stats.corrupt_blocks > 0)
            buf_printf(out, "damaged %" PRIu64 "\n", context.stats.corrupt_blocks);
        result_release(&result);
    }
    arena_release(&arena);
    return st;
}

static const struct label stream_a[] = {{STR_INIT("app"), STR_INIT("a")}};
static const struct label stream_b[] = {{STR_INIT("app"), STR_INIT("b")}};
static const struct label level_info[] = {{STR_INIT("level"), STR_INIT("info")}};
static const struct label clash[] = {{STR_INIT("app"), STR_INIT("meta")}};

#define A           \
    {               \
        stream_a, 1 \
    }
#define B           \
    {               \
        stream_b, 1 \
    }
#define NONE    \
    {           \
        NULL, 0 \
    }

static const struct array_entry few[] = {
    {A, {1, STR_INIT("one"), NONE}},        {A, {3, STR_INIT("three"), {level_info, 1}}},
    {B, {2, STR_INIT("two"), NONE}},        {B, {3, STR_INIT("drei"), NONE}},
    {A, {2, STR_INIT("zwei"), {clash, 1}}}, {A, {3, STR_INIT("three again"), NONE}},
};

static const struct log_case {
    const char *name;
    const char *query;
    int64_t start_ns, end_ns, interval_ns;
    size_t limit;
    bool backward;
    const char *want;
} log_cases[] = {
    {"forward", "{app=\"b\"}", 0, 10, 0, 10, false, "{app=\"b\"} 2:two 3:drei\n"},
    {"backward", "{app=\"b\"}", 0, 10, 0, 10, true, "{app=\"b\"} 3:drei 2:two\n"},
    {"end is exclusive", "{app=\"b\"}", 2, 3, 0, 10, false, "{app=\"b\"} 2:two\n"},
    {"empty range", "{app=\"b\"}", 2, 2, 0, 10, false, ""},
    {"metadata joins labels, a clash gets a suffix", "{app=\"a\"}", 0, 10, 0, 10, false,
     "{app=\"a\", app_extracted=\"meta\"} 2:zwei\n{app=\"a\", level=\"info\"} 3:three\n"
     "{app=\"a\"} 1:one 3:three again\n"},
    {"limit counts over all streams", "{app=~\".+\"}", 0, 10, 0, 2, false,
     "{app=\"a\"} 1:one\n{app=\"b\"} 2:two\n"},
    {"filter", "{app=~\"a|b\"} |~ \"^t\" != \"again\"", 0, 10, 0, 10, false,
     "{app=\"a\", level=\"info\"} 3:three\n{app=\"b\"} 2:two\n"},
    {"interval", "{app=~\".+\"}", 0, 10, 2, 10, false, "{app=\"a\"} 1:one\n{app=\"b\"} 3:drei\n"},
};

Test(engine, log_queries)
{
    for (size_t i = 0; i < COUNT_OF(log_cases); i++) {
        const struct log_case *c = &log_cases[i];
        for (size_t run_entries = 1; run_entries <= 6; run_entries += 5) {
            struct array_source source;
            struct engine_query q = {.start_ns = c->start_ns,
                                     .end_ns = c->end_ns,
                                     .interval_ns = c->interval_ns,
                                     .limit = c->limit,
                                     .backward = c->backward,
                                     .step_ns = 1};
            struct buf out;
            struct err err = {.status = ST_OK};
            array_source_init(&source, few, COUNT_OF(few));
            source.run_entries = run_entries;
            buf_init(&out, TEXT_BYTES);

            enum status st = run(&source, &q, c->query, &out, &err);

            cr_expect_eq(st, ST_OK, "%s: %s", c->name, err.text);
            cr_expect(str_eq(buf_str(&out), str_from(c->want)), "%s, runs of %zu: got\n%.*s",
                      c->name, run_entries, STR_ARG(buf_str(&out)));
            buf_release(&out);
        }
    }
}

/* Lines are copied from one collection of hits to another, where an empty one takes no room. */
Test(engine, interval_of_lines_that_were_empty)
{
    static const struct array_entry entries[] = {{A, {1, STR_INIT(""), NONE}},
                                                 {A, {5, STR_INIT(""), NONE}}};
    struct array_source source;
    struct engine_query q = {.end_ns = 10, .interval_ns = 2, .limit = 10, .step_ns = 1};
    struct buf out;
    struct err err = {.status = ST_OK};

    array_source_init(&source, entries, COUNT_OF(entries));
    buf_init(&out, TEXT_BYTES);
    cr_assert_eq(run(&source, &q, "{app=\"a\"} | line_format \"new\"", &out, &err), ST_OK);
    cr_expect(str_eq(buf_str(&out), STR("{app=\"a\"} 1:new 5:new\n")), "%.*s",
              STR_ARG(buf_str(&out)));
    buf_release(&out);
}

/* Entries of one time in more blocks than two bytes can count. */
Test(engine, many_blocks)
{
    enum { BLOCKS = 65536 + 3, LINE_BYTES = 8 };
    static struct array_entry entries[BLOCKS];
    static char lines[BLOCKS][LINE_BYTES];
    struct array_source source;
    struct engine_query q = {.end_ns = 10, .limit = 3, .backward = true, .step_ns = 1};
    struct buf out;
    struct err err = {.status = ST_OK};

    for (size_t i = 0; i < BLOCKS; i++) {
        (void)snprintf(lines[i], LINE_BYTES, "%zu", i);
        entries[i] = (struct array_entry){A, {1, str_from(lines[i]), NONE}};
    }
    array_source_init(&source, entries, BLOCKS);
    source.run_entries = BLOCKS;
    source.block_entries = 1;
    buf_init(&out, TEXT_BYTES);
    cr_assert_eq(run(&source, &q, "{app=\"a\"}", &out, &err), ST_OK, "%s", err.text);
    cr_expect(str_eq(buf_str(&out), STR("{app=\"a\"} 1:65538 1:65537 1:65536\n")), "%.*s",
              STR_ARG(buf_str(&out)));
    buf_release(&out);
}

static const struct error_case {
    const char *query;
    bool instant;
    enum status want;
    const char *text;
} error_cases[] = {
    {"{app=\"a\"}", true, ST_INVALID,
     "log queries are not supported as an instant query type, please change your query to a range "
     "query type"},
    {"{app=\"a\"} |~ \"(\"", false, ST_INVALID,
     "parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"},
    {"{app=\"a\"} |~ ip(\"1.1.1.1\")", false, ST_INVALID,
     "parse error : stage '|~ ip(\"1.1.1.1\")' : ip: invalid operation"},
    {"{app=\"a\"} | label_format x=y,x=z", false, ST_INVALID,
     "parse error : stage '| label_format x=y,x=z' : multiple label name 'x' not allowed in a "
     "single "
     "format operation"},
    {"{app=\"a\"} | label_format __error__=y", false, ST_INVALID,
     "parse error : stage '| label_format __error__=y' : __error__ cannot be formatted"},
    {"sum(rate({app=\"a\"} | json x=\"a..b\" [1m]))", false, ST_INVALID,
     "parse error : stage '| json x=\"a..b\"' : cannot parse expression [a..b]: syntax error: "
     "unexpected DOT, expecting FIELD"},
    {"sum(1)", true, ST_INVALID,
     "parse error : queries require at least one regexp or equality matcher that does not have an "
     "empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but "
     "app=~\".+\" will"},
    {"approx_topk(1, rate({app=\"a\"}[1m]))", false, ST_INTERNAL,
     "count min sketches are only supported on instant queries"},
    {"vector(1) + on(x) rate({app=\"a\"} |~ \"(\" [1m])", true, ST_INVALID,
     "parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"},
};

Test(engine, errors)
{
    for (size_t i = 0; i < COUNT_OF(error_cases); i++) {
        const struct error_case *c = &error_cases[i];
        struct array_source source;
        struct engine_query q = {.end_ns = 10, .limit = 1, .step_ns = 1, .instant = c->instant};
        struct buf out;
        struct err err = {.status = ST_OK};
        array_source_init(&source, few, COUNT_OF(few));
        buf_init(&out, TEXT_BYTES);

        enum status st = run(&source, &q, c->query, &out, &err);

        cr_expect_eq(st, c->want, "%s: %s", c->query, status_name(st));
        cr_expect_str_eq(err.text, c->text);
        buf_release(&out);
    }
}

/* ---- against a naive evaluator ---- */

enum { MANY = 600, STREAMS = 5 };

static struct array_entry many[MANY];
static struct label many_labels[STREAMS];

/* Random entries: few times, few lines, so that ties and doubles abound. */
static void fill_many(struct loggen *g)
{
    static const struct str names[STREAMS] = {STR_INIT("a"), STR_INIT("b"), STR_INIT("c"),
                                              STR_INIT("d"), STR_INIT("e")};
    static const struct str lines[] = {STR_INIT("error x"), STR_INIT("info y"), STR_INIT("warn"),
                                       STR_INIT(""), STR_INIT("error z")};

    for (size_t i = 0; i < STREAMS; i++)
        many_labels[i] = (struct label){STR("app"), names[i]};
    for (size_t i = 0; i < MANY; i++) {
        many[i] = (struct array_entry){
            .stream = {&many_labels[loggen_below(g, STREAMS)], 1},
            .entry = {.ts_ns = loggen_below(g, 100),
                      .line = lines[loggen_below(g, COUNT_OF(lines))]},
        };
    }
}

static bool naive_backward;

/* The order of an answer: time, hash of the stream, then order of arrival (turned when backward).
 */
static int naive_compare(const void *a, const void *b)
{
    const struct array_entry *const *x = a, *const *y = b;
    int sign = naive_backward ? -1 : 1;

    if ((*x)->entry.ts_ns != (*y)->entry.ts_ns)
        return (*x)->entry.ts_ns < (*y)->entry.ts_ns ? -sign : sign;
    uint64_t hash_x = labels_hash((*x)->stream), hash_y = labels_hash((*y)->stream);
    if (hash_x != hash_y)
        return hash_x < hash_y ? -1 : 1;
    return *x < *y ? -sign : sign;
}

static bool is_same(const struct array_entry *a, const struct array_entry *b)
{
    return a->entry.ts_ns == b->entry.ts_ns && labels_eq(a->stream, b->stream) &&
           str_eq(a->entry.line, b->entry.line);
}

/* Is there the same entry before it in the answer? */
static bool naive_is_double(size_t i)
{
    size_t from = naive_backward ? i + 1 : 0, to = naive_backward ? MANY : i;

    for (size_t j = from; j < to; j++) {
        if (is_same(&many[i], &many[j]))
            return true;
    }
    return false;
}

/* Everything that matches, without doubles, sorted, cut: the lines one after the other. */
static void naive(const struct engine_query *q, const char *needle, struct buf *out)
{
    const struct array_entry *found[MANY];
    size_t count = 0;

    naive_backward = q->backward;
    for (size_t i = 0; i < MANY; i++) {
        const struct array_entry *e = &many[i];
        if (!naive_is_double(i) && e->entry.ts_ns >= q->start_ns && e->entry.ts_ns < q->end_ns &&
            str_find(e->entry.line, str_from(needle)) != STR_NPOS)
            found[count++] = e;
    }
    qsort(found, count, sizeof(found[0]), naive_compare);
    count = MIN_OF(count, q->limit);
    for (size_t s = 0; s < STREAMS; s++) {
        bool any = false;
        for (size_t i = 0; i < count; i++) {
            if (found[i]->stream.pairs != &many_labels[s])
                continue;
            if (!any)
                labels_put_text(out, found[i]->stream);
            any = true;
            buf_printf(out, " %" PRId64 ":%.*s", found[i]->entry.ts_ns,
                       STR_ARG(found[i]->entry.line));
        }
        if (any)
            buf_put_char(out, '\n');
    }
}

Test(engine, equals_a_naive_evaluator)
{
    static const char *const needles[] = {"", "error", "r", "nowhere"};
    uint64_t seed =
        getenv("SKALD_SEED") != NULL ? strtoull(getenv("SKALD_SEED"), NULL, 10) : 20261121;
    struct loggen g;

    loggen_init(&g, seed);
    for (int round = 0; round < 300; round++) {
        struct array_source source;
        struct engine_query q = {.start_ns = 1 + loggen_below(&g, 60),
                                 .step_ns = 1,
                                 .limit = 1 + loggen_below(&g, 80),
                                 .backward = loggen_below(&g, 2) == 1};
        struct buf got, want, query;
        struct err err = {.status = ST_OK};

        fill_many(&g);
        q.end_ns = q.start_ns + 1 + loggen_below(&g, 60);
        const char *needle = needles[loggen_below(&g, COUNT_OF(needles))];
        array_source_init(&source, many, MANY);
        source.run_entries = 1 + loggen_below(&g, 50);
        source.block_entries = 1 + loggen_below(&g, 10);
        source.has_filters = round % 2 == 0;
        buf_init(&got, TEXT_BYTES);
        buf_init(&want, TEXT_BYTES);
        buf_init(&query, TEXT_BYTES);
        buf_printf(&query, "{app=~\".+\"} |= \"%s\"%c", needle, '\0');

        cr_assert_eq(run(&source, &q, query.ptr, &got, &err), ST_OK, "%s", err.text);
        naive(&q, needle, &want);

        cr_assert(str_eq(buf_str(&got), buf_str(&want)),
                  "seed %" PRIu64 " round %d\ngot\n%.*s\nwant\n%.*s", seed, round,
                  STR_ARG(buf_str(&got)), STR_ARG(buf_str(&want)));
        buf_release(&query);
        buf_release(&want);
        buf_release(&got);
    }
}

Test(engine, reads_no_more_blocks_than_the_limit_needs)
{
    static struct array_entry ordered[1000];
    struct array_source source;
    struct engine_query q = {.end_ns = 2000, .limit = 10, .step_ns = 1, .backward = true};
    struct buf out;
    struct err err;

    for (size_t i = 0; i < COUNT_OF(ordered); i++)
        ordered[i] = (struct array_entry){A, {(int64_t)i, STR("line"), NONE}};
    array_source_init(&source, ordered, COUNT_OF(ordered));
    source.run_entries = 100;
    source.block_entries = 10;
    buf_init(&out, TEXT_BYTES);
    cr_assert_eq(run(&source, &q, "{app=\"a\"}", &out, &err), ST_OK);
    cr_assert_leq(source.blocks_loaded, 2, "%zu blocks", source.blocks_loaded);
    buf_release(&out);
}

/* Blocks in which the line filters can find nothing are not read. */
Test(engine, reads_no_blocks_that_filters_rule_out)
{
    static const struct {
        const char *query;
        size_t blocks;
    } rows[] = {
        {"{app=\"a\"}", 10},
        {"{app=\"a\"} |= \"line-17\"", 1},
        {"{app=\"a\"} |= \"line\" |= \"-17\"", 1},
        {"{app=\"a\"} |= \"line-17\" or \"line-45\"", 2},
        {"{app=\"a\"} |~ \"(?i)LINE-(17|45)\"", 2},
        {"{app=\"a\"} |> \"<_>ine-17<_>\"", 1},
        {"{app=\"a\"} != \"line-17\"", 10},
        {"{app=\"a\"} | json |= \"line-17\"", 1},
        {"{app=\"a\"} | line_format \"line-17\" |= \"line-17\"", 10},
        {"count_over_time({app=\"a\"}[1s])", 10},
        {"count_over_time({app=\"a\"} |= \"line-17\" [1s])", 1},
        {"count_over_time({app=\"a\"} |= \"nothing\" [1s])", 0},
    };
    static struct array_entry lines[100];
    static char text[COUNT_OF(lines)][16];

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        int len = snprintf(text[i], sizeof(text[i]), "line-%zu.", i);
        lines[i] = (struct array_entry){A, {(int64_t)i, str_make(text[i], (size_t)len), NONE}};
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct engine_query q = {.end_ns = 1000, .limit = 1000, .step_ns = 1000};
        struct array_source source;
        struct buf out;
        struct err err = {.text = ""};
        array_source_init(&source, lines, COUNT_OF(lines));
        source.block_entries = 10;
        source.has_filters = true;
        buf_init(&out, TEXT_BYTES);
        cr_assert_eq(run(&source, &q, rows[i].query, &out, &err), ST_OK, "%s", err.text);
        cr_expect_eq(source.blocks_loaded, rows[i].blocks, "%s: %zu", rows[i].query,
                     source.blocks_loaded);
        buf_release(&out);
    }
}

Test(engine, damage_costs_a_block_and_is_told)
{
    struct array_source source;
    struct engine_query q = {.end_ns = 10, .limit = 10, .step_ns = 1};
    struct buf out;
    struct err err;

    array_source_init(&source, few, COUNT_OF(few));
    source.block_entries = 1;
    source.damaged_block = 2;
    buf_init(&out, TEXT_BYTES);
    cr_assert_eq(run(&source, &q, "{app=\"b\"}", &out, &err), ST_OK);
    cr_assert(str_eq(buf_str(&out), STR("{app=\"b\"} 2:two\ndamaged 1\n")), "%.*s",
              STR_ARG(buf_str(&out)));
    buf_release(&out);
}

/* The last entry of a stream is hidden when its time is the begin of a piece and it is long ago. */
Test(engine, last_entry_at_the_begin_of_a_piece)
{
    const struct array_entry entries[] = {
        {A, {5 * HOUR_NS - 1, STR_INIT("before"), NONE}},
        {A, {5 * HOUR_NS, STR_INIT("at the hour"), NONE}},
        {B, {5 * HOUR_NS, STR_INIT("at the hour"), NONE}},
        {B, {5 * HOUR_NS + 1, STR_INIT("after"), NONE}},
    };
    struct array_source source;
    struct engine_query q = {
        .start_ns = 4 * HOUR_NS + 1, .end_ns = 6 * HOUR_NS, .limit = 10, .step_ns = 1};
    struct buf out;
    struct err err;

    array_source_init(&source, entries, COUNT_OF(entries));
    buf_init(&out, TEXT_BYTES);
    cr_assert_eq(run(&source, &q, "{app=~\".+\"}", &out, &err), ST_OK);
    cr_expect(str_eq(buf_str(&out), STR("{app=\"a\"} 17999999999999:before\n{app=\"b\"} "
                                        "18000000000000:at the hour 18000000000001:after\n")),
              "%.*s", STR_ARG(buf_str(&out)));
    buf_reset(&out);
    q.start_ns = 5 * HOUR_NS + 1; /* the page of a client that has seen this time */
    buf_reset(&out);
    cr_assert_eq(run(&source, &q, "{app=\"b\"}", &out, &err), ST_OK);
    cr_expect(str_eq(buf_str(&out), STR("{app=\"b\"} 18000000000001:after\n")), "%.*s",
              STR_ARG(buf_str(&out)));
    q.start_ns = 4 * HOUR_NS + 1;
    buf_reset(&out);
    time_fake_set(6 * HOUR_NS); /* an hour later it is still in memory */
    cr_assert_eq(run(&source, &q, "{app=\"a\"}", &out, &err), ST_OK);
    cr_expect(str_eq(buf_str(&out),
                     STR("{app=\"a\"} 17999999999999:before 18000000000000:at the hour\n")),
              "%.*s", STR_ARG(buf_str(&out)));
    time_fake_set(0);
    buf_release(&out);
}
