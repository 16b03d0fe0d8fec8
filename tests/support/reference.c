#include "tests/support/reference.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"
#include "proto/labels.h"
#include "query/engine.h"
#include "query/parser.h"
#include "tests/support/array_source.h"
#include "tests/support/expect.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, TEXT_BYTES = 1024 * 1024, ENTRIES_MAX = 16 };

#define PIPELINE_NS INT64_C(1700000000123456789)

/* The data sets. */
static const struct data_entry {
    char set;
    const char *stream;
    int64_t second;
    const char *line;
    const char *metadata;
} data_entries[] = {
    {'A', "{svc=\"web\", pod=\"p1\"}", 5, "GET /a 200", NULL},
    {'A', "{svc=\"web\", pod=\"p1\"}", 15, "GET /a 200", NULL},
    {'A', "{svc=\"web\", pod=\"p1\"}", 25, "GET /a 200", NULL},
    {'A', "{svc=\"web\", pod=\"p1\"}", 35, "GET /a 200", NULL},
    {'A', "{svc=\"web\", pod=\"p1\"}", 45, "GET /a 200", NULL},
    {'A', "{svc=\"web\", pod=\"p1\"}", 55, "GET /a 200", NULL},
    {'A', "{svc=\"web\", pod=\"p2\"}", 10, "GET /bb 404", NULL},
    {'A', "{svc=\"web\", pod=\"p2\"}", 30, "GET /bb 404", NULL},
    {'A', "{svc=\"web\", pod=\"p2\"}", 50, "GET /bb 404", NULL},
    {'A', "{svc=\"db\", pod=\"p3\"}", 20, "slow query", NULL},
    {'A', "{svc=\"db\", pod=\"p3\"}", 40, "slow query", NULL},

    {'B', "{svc=\"web\", pod=\"p1\"}", 10, "n=4 d=120ms s=2KB code=200", NULL},
    {'B', "{svc=\"web\", pod=\"p1\"}", 20, "n=6 d=1.5s s=512B code=500", NULL},
    {'B', "{svc=\"web\", pod=\"p1\"}", 35, "n=9 d=3s s=1KiB code=200", NULL},
    {'B', "{svc=\"web\", pod=\"p2\"}", 15, "n=10 d=2s code=200", NULL},
    {'B', "{svc=\"web\", pod=\"p2\"}", 45, "n=20 d=1m code=500", NULL},
    {'B', "{svc=\"web\", pod=\"p2\"}", 50, "other=1 code=200", NULL},

    {'X', "{svc=\"web\", pod=\"p1\"}", 10, "n=4", NULL},
    {'X', "{svc=\"web\", pod=\"p1\"}", 20, "n=oops", NULL},
    {'X', "{svc=\"web\", pod=\"p1\"}", 30, "plain", NULL},

    {'C', "{svc=\"ctr\"}", 10, "c=10", NULL},
    {'C', "{svc=\"ctr\"}", 20, "c=25", NULL},
    {'C', "{svc=\"ctr\"}", 30, "c=5", NULL},
    {'C', "{svc=\"ctr\"}", 50, "c=30", NULL},
    {'C', "{svc=\"one\"}", 30, "c=7", NULL},

    {'J', "{svc=\"js\"}", 10, "{\"lvl\":\"error\",\"ms\":12,\"u\":{\"id\":\"x1\"}}", NULL},
    {'J', "{svc=\"js\"}", 20, "{\"lvl\":\"info\",\"ms\":30}", NULL},
    {'J', "{svc=\"js\"}", 30, "oops", NULL},

    {'M', "{svc=\"sm\", env=\"prod\"}", 10, "m=1", "{trace=\"t1\"}"},
    {'M', "{svc=\"sm\", env=\"prod\"}", 20, "m=2", "{trace=\"t2\", env=\"canary\"}"},
    {'M', "{svc=\"sm\", env=\"prod\"}", 30, "m=3", NULL},

    {'S', "{svc=\"sp\"}", 10, "v=NaN", NULL},
    {'S', "{svc=\"sp\"}", 20, "v=+Inf", NULL},
    {'S', "{svc=\"sp\"}", 30, "v=-Inf", NULL},
    {'S', "{svc=\"sp\"}", 40, "v=5", NULL},

    {'L', "{svc=\"a\"}", 1, "k=1 x", NULL},
    {'L', "{svc=\"a\"}", 2, "k=2 y", NULL},
    {'L', "{svc=\"a\"}", 4, "k=1 z", NULL},
    {'L', "{svc=\"b\"}", 3, "k=1 w", NULL},
};

/* Everything that one row needs. */
struct run {
    struct arena arena;
    struct query_context context;
    struct array_entry entries[ENTRIES_MAX];
    size_t count;
    struct engine_query query;
    struct buf text; /* the query */
    struct buf answer;
    struct err err;
};

static void begin(struct run *r)
{
    *r = (struct run){.query = {.limit = 100, .step_ns = SECOND_NS}};
    arena_init(&r->arena, ARENA_BYTES);
    r->context = (struct query_context){
        .arena = &r->arena, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + MINUTE_NS};
    buf_init(&r->text, TEXT_BYTES);
    buf_init(&r->answer, TEXT_BYTES);
}

static void end(struct run *r)
{
    buf_release(&r->answer);
    buf_release(&r->text);
    arena_release(&r->arena);
}

static struct labels parse_labels(struct run *r, const char *text)
{
    struct labels l = {NULL, 0};

    if (text != NULL)
        REQUIRE_OK(labels_parse(&r->arena, str_from(text), &l, &r->err));
    return l;
}

/* Parse and run `r->text`. ST_OK: the caller releases the result. */
static enum status run(struct run *r, struct result *ret_result)
{
    struct array_source source;

    array_source_init(&source, r->entries, r->count);
    r->query.source = &source.source;
    r->query.context = &r->context;
    enum status st = logql_parse(&r->arena, buf_str(&r->text), &r->query.expr, &r->err);
    return st == ST_OK ? engine_run(&r->query, ret_result, &r->err) : st;
}

/* ---- answers as text ---- */

static void put_error(struct run *r, enum status st)
{
    if (st == ST_INVALID || st == ST_INTERNAL)
        buf_printf(&r->answer, "ERROR %d %s", st == ST_INVALID ? 400 : 500, r->err.text);
    else
        buf_printf(&r->answer, "%s: %s", status_name(st), r->err.text);
}

static void put_seconds(struct buf *b, int64_t ns)
{
    num_put_double(b, (double)ns / (double)SECOND_NS);
}

static void put_streams(struct buf *b, const struct result *result)
{
    for (size_t i = 0; i < result->stream_count; i++) {
        const struct result_stream *s = &result->streams[i];
        buf_put(b, i > 0 ? STR(" ; ") : STR(" "));
        labels_put_text(b, s->labels);
        for (size_t j = 0; j < s->count; j++) {
            buf_put(b, STR(" ["));
            put_seconds(b, s->rows[j].ts_ns);
            buf_put_char(b, ' ');
            utf8_put_quoted(b, s->rows[j].line);
            buf_put_char(b, ']');
        }
    }
}

static void put_series(struct buf *b, const struct result *result)
{
    for (size_t i = 0; i < result->series_count; i++) {
        const struct series *s = &result->series[i];
        buf_put(b, i > 0 ? STR(" ; ") : STR(" "));
        if (result->kind != RESULT_SCALAR)
            labels_put_text(b, s->labels);
        for (size_t j = 0; j < s->count; j++) {
            if (result->kind != RESULT_SCALAR)
                buf_put_char(b, ' ');
            num_put_double(b, s->samples[j].value);
            if (result->kind != RESULT_MATRIX)
                continue;
            buf_put_char(b, '@');
            put_seconds(b, s->samples[j].ts_ns);
        }
    }
}

static void put_result(struct buf *b, const struct result *result)
{
    static const char *const kinds[] = {
        [RESULT_STREAMS] = "streams:",
        [RESULT_SCALAR] = "scalar:",
        [RESULT_VECTOR] = "vector:",
        [RESULT_MATRIX] = "matrix:",
    };

    buf_put(b, str_from(kinds[result->kind]));
    if (result->stream_count + result->series_count == 0)
        buf_put(b, STR(" empty"));
    put_streams(b, result);
    put_series(b, result);
}

/* ---- comparing ---- */

/* The number at the begin of `s` and the rest of its word; false when there is none. */
static bool cut_number(struct str s, double *ret_value, struct str *ret_rest)
{
    struct str number = str_head(s, MIN_OF(str_find_char(s, '@'), s.len));

    *ret_rest = str_cut(s, number.len);
    return num_parse_double(number, ret_value) == ST_OK;
}

static bool word_is_near(struct str got, struct str want)
{
    struct str got_rest, want_rest;
    double a, b;

    if (str_eq(got, want))
        return true;
    return cut_number(got, &a, &got_rest) && cut_number(want, &b, &want_rest) &&
           str_eq(got_rest, want_rest) && isfinite(b) && fabs(a - b) <= 1e-9 * fabs(b);
}

/* The same text, but for the last digits of numbers. */
static bool is_near(struct str got, struct str want)
{
    struct str got_word, want_word;

    while (str_split(&want, ' ', &want_word)) {
        if (!str_split(&got, ' ', &got_word) || !word_is_near(got_word, want_word))
            return false;
    }
    return !str_split(&got, ' ', &got_word);
}

/* ---- pipelines over one entry ---- */

/* The entry of a row, in the stream {svc="web"} with more labels. */
static void add_pipeline_entry(struct run *r, const struct pipeline_case *c)
{
    struct labels more = parse_labels(r, c->labels);
    struct label *pairs = arena_new(&r->arena, struct label, more.count + 1);

    cr_assert_not_null(pairs);
    pairs[0] = (struct label){STR("svc"), STR("web")};
    for (size_t i = 0; i < more.count; i++)
        pairs[i + 1] = more.pairs[i];
    r->entries[r->count++] = (struct array_entry){
        .stream = {pairs, labels_normalize(pairs, more.count + 1)},
        .entry = {PIPELINE_NS, str_from(c->line), parse_labels(r, c->metadata)},
    };
}

/* The labels without svc="web"; returns whether that was there. */
static bool take_svc(struct run *r, struct labels l, struct labels *ret_rest)
{
    struct label *pairs = arena_new(&r->arena, struct label, l.count + 1);
    size_t count = 0;

    cr_assert_not_null(pairs);
    for (size_t i = 0; i < l.count; i++) {
        if (!str_eq(l.pairs[i].name, STR("svc")) || !str_eq(l.pairs[i].value, STR("web")))
            pairs[count++] = l.pairs[i];
    }
    *ret_rest = (struct labels){pairs, count};
    return count < l.count;
}

static void put_entry(struct run *r, const struct result *result, struct str line)
{
    struct labels rest;

    if (result->kind != RESULT_STREAMS || result->stream_count > 1) {
        put_result(&r->answer, result);
        return;
    }
    if (result->stream_count == 0) {
        buf_put(&r->answer, STR("DROP"));
        return;
    }
    struct str final = result->streams[0].rows[0].line;
    if (!str_eq(final, line)) {
        buf_put(&r->answer, STR("line="));
        utf8_put_quoted(&r->answer, final);
        buf_put_char(&r->answer, ' ');
    }
    bool has_svc = take_svc(r, result->streams[0].labels, &rest);
    labels_put_text(&r->answer, rest);
    if (!has_svc)
        buf_put(&r->answer, STR(" NO-svc"));
}

static void check_pipeline(const struct pipeline_case *c)
{
    struct run r;
    struct result result;

    begin(&r);
    add_pipeline_entry(&r, c);
    r.query.start_ns = PIPELINE_NS;
    r.query.end_ns = PIPELINE_NS + 1;
    buf_printf(&r.text, "{svc=\"web\"} %s", c->pipeline);

    enum status st = run(&r, &result);
    if (st != ST_OK)
        put_error(&r, st);
    else
        put_entry(&r, &result, r.entries[0].entry.line);

    EXPECT_STR(c->name, buf_str(&r.answer), str_from(c->want));
    if (st == ST_OK)
        result_release(&result);
    end(&r);
}

void check_pipelines(const struct pipeline_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_pipeline(&cases[i]);
}

/* ---- queries over a data set ---- */

static void add_data(struct run *r, char set)
{
    for (size_t i = 0; i < COUNT_OF(data_entries); i++) {
        const struct data_entry *e = &data_entries[i];
        if (e->set != set)
            continue;
        cr_assert_lt(r->count, ENTRIES_MAX);
        r->entries[r->count++] = (struct array_entry){
            .stream = parse_labels(r, e->stream),
            .entry = {e->second * SECOND_NS, str_from(e->line), parse_labels(r, e->metadata)},
        };
    }
    cr_assert_gt(r->count, 0, "no data set %c", set);
}

/* The number behind `option` in `when`, or `otherwise`. */
static int64_t option_of(const char *when, const char *option, int64_t otherwise)
{
    const char *found = strstr(when, option);

    return found == NULL ? otherwise : strtoll(found + strlen(option), NULL, 10);
}

static void set_times(struct engine_query *q, const char *when)
{
    int64_t start, end, step;

    if (when[0] == '@') {
        q->instant = true;
        q->end_ns = option_of(when, "@", 0) * SECOND_NS;
        q->start_ns = q->end_ns;
        return;
    }
    cr_assert_eq(sscanf(when, "%" SCNd64 "..%" SCNd64 "/%" SCNd64, &start, &end, &step), 3, "%s",
                 when);
    q->start_ns = start * SECOND_NS;
    q->end_ns = end * SECOND_NS;
    q->step_ns = step * SECOND_NS;
    q->limit = (size_t)option_of(when, "limit=", 100);
    q->interval_ns = option_of(when, "interval=", 0) * SECOND_NS;
    q->backward = strstr(when, "dir=forward") == NULL;
}

static void check_query(const struct query_case *c)
{
    struct run r;
    struct result result;

    begin(&r);
    add_data(&r, c->data);
    set_times(&r.query, c->when);
    buf_put(&r.text, str_from(c->query));

    enum status st = run(&r, &result);
    if (st != ST_OK)
        put_error(&r, st);
    else
        put_result(&r.answer, &result);

    if (!is_near(buf_str(&r.answer), str_from(c->want)))
        EXPECT_STR(c->name, buf_str(&r.answer), str_from(c->want));
    if (st == ST_OK)
        result_release(&result);
    end(&r);
}

void check_queries(const struct query_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_query(&cases[i]);
}
