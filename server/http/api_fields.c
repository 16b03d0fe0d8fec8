/*
 * /loki/api/v1/detected_fields and /detected_field/{name}/values: what the lines of a query have in
 * them, by a sample of the newest. Run by workers.
 */
#include <stdlib.h>

#include "base/time.h"
#include "proto/json.h"
#include "query/detected_fields.h"
#include "query/engine.h"
#include "query/parser.h"
#include "server/http/api.h"
#include "server/http/render.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_detected_fields(struct request *r);

enum {
    FIELDS_DEFAULT = 1000,
    FIELDS_MAX = 100000, /* however many are asked for; each has a table of its values */
    LINES_DEFAULT = 100,
    LINES_MAX = 1000000, /* the largest value of the limit, see options.h */
};

struct sample_request {
    struct range_params range; /* `limit` is of lines */
    uint64_t limit;            /* of fields or values */
    const struct expr *expr;
};

static enum status read_request(struct request *r, struct sample_request *s, struct err *err)
{
    const struct params *p = &r->params;
    struct str limit = params_get(p, STR("limit"));

    s->range.backward = true;
    enum status st = api_bounds(r, &s->range.start_ns, &s->range.end_ns, err);
    if (st == ST_OK)
        st = params_limit(limit.len > 0 ? limit : params_get(p, STR("field_limit")), FIELDS_DEFAULT,
                          &s->limit, err);
    if (st == ST_OK)
        st = params_limit(params_get(p, STR("line_limit")), LINES_DEFAULT, &s->range.limit, err);
    if (st == ST_OK)
        st = params_step(p, s->range.start_ns, s->range.end_ns, &s->range.step_ns, err);
    if (st == ST_OK)
        st = logql_parse(&r->arena, params_get(p, STR("query")), &s->expr, err);
    if (st == ST_OK && s->expr->kind != EXPR_LOG)
        st = err_set(err, ST_INVALID, "only log selector is supported");
    return st == ST_OK ? api_check_query(r, s->expr, &s->range, err) : st;
}

static enum status add_lines(struct field_detector *d, const struct result *result,
                             const struct query_context *q, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < result->stream_count && st == ST_OK; i++) {
        const struct result_stream *stream = &result->streams[i];
        for (size_t j = 0; j < stream->count && st == ST_OK; j++) {
            st = field_detector_add(d, stream, &stream->rows[j], err);
            if (st == ST_OK)
                st = query_check(q, err);
        }
    }
    return st;
}

/* Take the sample and look into its lines. `q` tells afterwards what is missing. */
static enum status detect(struct request *r, const struct sample_request *s,
                          struct field_detector *d, struct query_context *q, struct err *err)
{
    struct result result;
    const struct engine_query query = {
        .source = store_source(r->server->store),
        .context = q,
        .tenant = r->tenant,
        .expr = s->expr,
        .start_ns = s->range.start_ns,
        .end_ns = s->range.end_ns,
        .step_ns = s->range.step_ns,
        .limit = (size_t)MIN_OF(s->range.limit, (uint64_t)LINES_MAX),
        .backward = true,
        .categorize = true,
    };

    enum status st = engine_run(&query, &result, err);
    if (st != ST_OK)
        return st;
    st = add_lines(d, &result, q, err);
    result_release(&result);
    return st;
}

/* ---- the answers ---- */

static void put_strings(struct buf *b, const struct str *strings, size_t count)
{
    buf_put_char(b, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        json_put_string(b, strings[i], false);
    }
    buf_put_char(b, ']');
}

static void put_field(struct buf *b, const struct detected_field *f)
{
    struct str parsers[2];
    size_t count = 0;

    buf_put(b, STR("{\"label\":"));
    json_put_string(b, f->name, false);
    buf_printf(b, ",\"type\":\"%.*s\",\"cardinality\":%zu,\"parsers\":",
               STR_ARG(field_type_text(f->type)), f->values.count);
    if (f->by_json)
        parsers[count++] = STR("json");
    if (f->by_logfmt)
        parsers[count++] = STR("logfmt");
    if (count > 0)
        put_strings(b, parsers, count);
    else /* structured metadata; clients test for null */
        buf_put(b, STR("null"));
    if (f->path.count > 0) {
        buf_put(b, STR(",\"jsonPath\":"));
        put_strings(b, f->path.names, f->path.count);
    }
    buf_put_char(b, '}');
}

/* Begin an answer. False: there is nothing to be told, and this is all of it. */
static bool begin_answer(struct buf *b, const struct query_stats *stats, bool found)
{
    buf_put_char(b, '{');
    size_t begin = b->len;
    render_warnings(b, stats);
    if (found || b->len > begin)
        return true;
    buf_put_char(b, '}');
    return false;
}

static enum status put_fields(struct buf *b, const struct field_detector *d,
                              const struct query_stats *stats, uint64_t limit, struct err *err)
{
    const struct detected_field **fields;
    size_t count;

    enum status st = field_detector_fields(d, &fields, &count, err);
    if (st != ST_OK)
        return st;
    if (!begin_answer(b, stats, count > 0))
        return ST_OK;
    buf_put(b, STR("\"fields\":["));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        put_field(b, fields[i]);
    }
    buf_printf(b, "],\"limit\":%llu}", (unsigned long long)limit);
    return ST_OK;
}

static int compare_strs(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static enum status put_values(struct buf *b, const struct field_detector *d,
                              const struct query_stats *stats, uint64_t limit, struct err *err)
{
    const struct detected_field *f = map_get(&d->map, d->only);
    size_t max = f == NULL ? 0 : f->values.count;
    size_t cursor = 0, count = 0;

    if (!begin_answer(b, stats, f != NULL))
        return ST_OK;
    struct str *values = arena_new(d->arena, struct str, max + 1);
    if (values == NULL)
        return arena_status(d->arena, err);
    while (count < max)
        values[count++] = *(const struct str *)map_next(&f->values, &cursor);
    qsort(values, count, sizeof(*values), compare_strs);
    buf_printf(b, "\"limit\":%llu,\"values\":", (unsigned long long)limit);
    put_strings(b, values, count);
    buf_put_char(b, '}');
    return ST_OK;
}

static enum status answer(struct request *r, struct err *err)
{
    bool values = r->label_name.len > 0;
    struct sample_request s = {.limit = 0};
    struct field_detector d;
    struct query_context q;

    api_context(r, &q);
    enum status st = read_request(r, &s, err);
    if (st != ST_OK)
        return st;
    st = field_detector_init(&d, &r->arena, err);
    d.only = r->label_name;
    d.fields_max = values ? 1 : (size_t)MIN_OF(s.limit, (uint64_t)FIELDS_MAX);
    d.values_max = values ? (size_t)s.limit : SIZE_MAX;
    if (st == ST_OK)
        st = detect(r, &s, &d, &q, err);
    if (st == ST_OK)
        st = values ? put_values(&r->reply.body, &d, &q.stats, s.limit, err)
                    : put_fields(&r->reply.body, &d, &q.stats, s.limit, err);
    field_detector_release(&d);
    return st;
}

void api_detected_fields(struct request *r)
{
    struct err err = {.status = ST_OK};

    enum status st = answer(r, &err);
    if (st == ST_OK)
        reply_json(r);
    else
        api_fail(r, st, &err);
}
