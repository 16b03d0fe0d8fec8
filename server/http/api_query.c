/*
 * /loki/api/v1/query_range and /loki/api/v1/query: parameters, limits, engine, JSON. Run by
 * workers.
 */
#include "base/num.h"
#include "base/time.h"
#include "query/engine.h"
#include "query/parser.h"
#include "server/http/api.h"
#include "server/http/render.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_query(struct request *r);

void api_context(struct request *r, struct query_context *ret_q)
{
    *ret_q = (struct query_context){
        .arena = &r->arena,
        .memory_max = server_settings(r->server)->query_memory_max,
        .deadline_ns = time_mono_ns() + request_limits(r)->query_timeout,
        .cancelled = &r->gone,
    };
}

enum status api_check_length(const struct request *r, int64_t start_ns, int64_t end_ns,
                             struct err *err)
{
    enum { DURATION_TEXT_BYTES = 128 };
    int64_t max_ns = request_limits(r)->max_query_length, length_ns;
    struct buf length, max;

    if (!i64_sub(end_ns, start_ns, &length_ns))
        length_ns = end_ns < start_ns ? 0 : INT64_MAX;
    if (max_ns <= 0 || length_ns <= max_ns)
        return ST_OK;
    buf_init(&length, DURATION_TEXT_BYTES);
    buf_init(&max, DURATION_TEXT_BYTES);
    duration_put_go(&length, length_ns);
    duration_put_prometheus(&max, max_ns);
    err_set(err, ST_INVALID,
            "the query time range exceeds the limit (query length: %.*s, limit: %.*s)",
            STR_ARG(buf_str(&length)), STR_ARG(buf_str(&max)));
    buf_release(&length);
    buf_release(&max);
    return ST_INVALID;
}

int64_t api_oldest_ns(const struct request *r, int64_t start_ns)
{
    int64_t lookback_ns = request_limits(r)->max_query_lookback;

    return lookback_ns <= 0 ? start_ns : MAX_OF(start_ns, time_now_ns() - lookback_ns);
}

enum status api_selector(struct request *r, bool any, struct matcher_list *ret_matchers,
                         struct err *err)
{
    struct str text = params_get(&r->params, STR("query"));
    struct matcher *matchers = NULL;
    size_t count = 0;

    enum status st = any ? logql_parse_any_selector(&r->arena, text, &matchers, &count, err)
                         : logql_parse_selector(&r->arena, text, &matchers, &count, err);
    if (st == ST_OK)
        *ret_matchers = (struct matcher_list){matchers, count};
    return st;
}

void api_fail(struct request *r, enum status st, const struct err *err)
{
    reply_error(r, st == ST_LIMIT ? ST_INVALID : st, err, false);
}

/* Of the selector in `e` that has most of them; as deep as the parser lets an expression be. */
static size_t most_matchers(const struct expr *e)
{
    size_t left, right;

    switch (e->kind) {
    case EXPR_LOG:
        return e->log.matcher_count;
    case EXPR_RANGE_AGGREGATION:
        return e->range_aggregation.range.log.matcher_count;
    case EXPR_VECTOR_AGGREGATION:
        return most_matchers(e->vector_aggregation.child);
    case EXPR_LABEL_REPLACE:
        return most_matchers(e->label_replace.child);
    case EXPR_BINARY:
        left = most_matchers(e->binary.left);
        right = most_matchers(e->binary.right);
        return MAX_OF(left, right);
    case EXPR_LITERAL:
    case EXPR_VECTOR:
        break;
    }
    return 0;
}

enum status api_check_query(const struct request *r, const struct expr *e,
                            const struct range_params *range, struct err *err)
{
    const struct limits *limits = request_limits(r);
    uint64_t entries_max = limits->max_entries_limit_per_query;
    uint64_t matchers_max = limits->max_streams_matchers_per_query;
    size_t matchers = most_matchers(e);

    if (e->kind == EXPR_LOG && entries_max > 0 && range->limit > entries_max)
        return err_set(err, ST_INVALID,
                       "max entries limit per query exceeded, limit > max_entries_limit_per_query "
                       "(%llu > %llu)",
                       (unsigned long long)range->limit, (unsigned long long)entries_max);
    if (matchers_max > 0 && matchers > matchers_max)
        return err_set(
            err, ST_INVALID,
            "max streams matchers per query exceeded, matchers-count > limit (%zu > %llu)",
            matchers, (unsigned long long)matchers_max);
    return api_check_length(r, range->start_ns, range->end_ns, err);
}

/* Metric ranges begin and end at multiples of the step. */
static enum status align(struct range_params *range, struct err *err)
{
    int64_t start_ns = i64_floor_to(range->start_ns, range->step_ns);
    int64_t end_ns = i64_floor_to(range->end_ns, range->step_ns), length_ns;

    if ((end_ns != range->end_ns && !i64_add(end_ns, range->step_ns, &end_ns)) ||
        !i64_sub(end_ns, start_ns, &length_ns))
        return err_set(err, ST_INVALID, "the range of the query ends beyond the last time");
    range->start_ns = start_ns;
    range->end_ns = end_ns;
    return ST_OK;
}

static bool has_flag(struct str flags, struct str wanted)
{
    struct str flag;

    while (flags.ptr != NULL && str_split(&flags, ',', &flag)) {
        if (str_eq(str_trim(flag), wanted))
            return true;
    }
    return false;
}

/* Logs Drilldown shows what there is of an answer with too many series. */
static bool wants_partial(const struct request *r)
{
    struct str tags = http_header_get(&r->head, STR("x-query-tags")), tag;

    while (tags.ptr != NULL && str_split(&tags, ',', &tag)) {
        if (str_eq_nocase(str_trim(tag), STR("source=grafana-lokiexplore-app")))
            return true;
    }
    return false;
}

static enum status run_query(struct request *r, struct err *err)
{
    enum { ENTRIES_MAX = 1000000 }; /* the largest value of the limit, see options.h */
    bool instant = str_ends(r->head.path, STR("/query"));
    struct str flags = http_header_get(&r->head, STR("x-loki-response-encoding-flags"));
    int64_t begin_ns = time_mono_ns(), now_ns = time_now_ns();
    struct range_params range;
    struct query_context q;
    const struct expr *expr;
    struct result result;

    api_context(r, &q);
    enum status st = instant ? params_instant(&r->params, now_ns, &range, err)
                             : params_range(&r->params, now_ns, &range, err);
    if (st == ST_OK)
        st = logql_parse(&r->arena, params_get(&r->params, STR("query")), &expr, err);
    if (st == ST_OK)
        st = api_check_query(r, expr, &range, err);
    if (st == ST_OK && !instant && expr->kind != EXPR_LOG)
        st = align(&range, err);
    if (st != ST_OK)
        return st;

    struct engine_query query = {
        .source = store_source(r->server->store),
        .context = &q,
        .tenant = r->tenant,
        .expr = expr,
        .instant = instant,
        .start_ns = api_oldest_ns(r, range.start_ns),
        .end_ns = range.end_ns,
        .step_ns = range.step_ns,
        .interval_ns = range.interval_ns,
        .series_max = (size_t)request_limits(r)->max_query_series,
        .partial = wants_partial(r),
        .limit = (size_t)MIN_OF(range.limit, (uint64_t)ENTRIES_MAX),
        .backward = range.backward,
        .categorize = has_flag(flags, STR("categorize-labels")),
    };
    st = engine_run(&query, &result, err);
    if (st != ST_OK)
        return st;
    struct render render = {
        .result = &result,
        .stats = &q.stats,
        .encoding_flags = flags,
        .categorize = query.categorize,
        .exec_ns = time_mono_ns() - begin_ns,
        .queue_ns = begin_ns - r->begin_ns,
    };
    render_query(&r->reply.body, &render);
    result_release(&result);
    return ST_OK;
}

void api_query(struct request *r)
{
    struct err err = {.status = ST_OK};

    enum status st = run_query(r, &err);
    if (st == ST_OK)
        reply_json(r);
    else
        api_fail(r, st, &err);
}
