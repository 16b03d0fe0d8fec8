#include "query/engine.h"

#include "base/regex.h"
#include "query/log_query.h"
#include "query/parser.h"
#include "query/pipeline.h"
#include "query/range.h"

#include "base/banned.h"

size_t engine_steps(const struct engine_query *q)
{
    return q->instant ? 1 : (size_t)((q->end_ns - q->start_ns) / q->step_ns) + 1;
}

int64_t engine_step_ns(const struct engine_query *q, size_t step)
{
    return q->instant ? q->end_ns : q->start_ns + (int64_t)step * q->step_ns;
}

/* ---- checks before anything is read ---- */

/* The grouping that a range aggregation directly in `e` may take over; NULL: none. */
static const struct grouping *grouping_around_child(const struct expr *e)
{
    return e->vector_aggregation.op == VECTOR_OP_SUM ? &e->vector_aggregation.grouping : NULL;
}

static enum status check_aggregation(const struct engine_query *q, const struct expr *e,
                                     struct err *err)
{
    if (e->vector_aggregation.child->kind == EXPR_LITERAL)
        return err_set(err, ST_INVALID, "parse error : %s", logql_selector_rule);
    if (e->vector_aggregation.op == VECTOR_OP_APPROX_TOPK && !q->instant)
        return err_set(err, ST_INTERNAL,
                       "count min sketches are only supported on instant queries");
    return ST_OK;
}

static enum status check_stages(const struct engine_query *q, const struct expr *e,
                                const struct grouping *around, struct err *err)
{
    struct pipeline_samples samples = range_samples(e, around);
    struct pipeline pipeline;
    struct arena compiled;

    arena_init_child(&compiled, q->context->arena);
    enum status st =
        pipeline_build(&compiled, &e->range_aggregation.range.log, &samples, &pipeline, err);
    arena_release(&compiled);
    return st == ST_OK ? query_check(q->context, err) : st;
}

/* The errors of stages come before anything is run, wherever in the query they are. */
static enum status check(const struct engine_query *q, const struct expr *e,
                         const struct grouping *around, struct err *err)
{
    enum status st;

    switch (e->kind) {
    case EXPR_RANGE_AGGREGATION:
        return check_stages(q, e, around, err);
    case EXPR_VECTOR_AGGREGATION:
        st = check_aggregation(q, e, err);
        return st == ST_OK ? check(q, e->vector_aggregation.child, grouping_around_child(e), err)
                           : st;
    case EXPR_LABEL_REPLACE:
        return check(q, e->label_replace.child, NULL, err);
    case EXPR_BINARY:
        st = check(q, e->binary.left, NULL, err);
        return st == ST_OK ? check(q, e->binary.right, NULL, err) : st;
    case EXPR_LOG:
    case EXPR_LITERAL:
    case EXPR_VECTOR:
        break;
    }
    return ST_OK;
}

/* ---- evaluation ---- */

/* One series without labels that has the same value at every step. */
static enum status constant(const struct engine_query *q, const struct expr *e, struct matrix *ret,
                            struct err *err)
{
    struct arena *a = q->context->arena;
    struct matrix m = {
        .series = arena_new(a, struct matrix_series, 1),
        .count = 1,
        .steps = engine_steps(q),
        .is_scalar = e->kind == EXPR_LITERAL,
    };

    double *values = arena_new(a, double, m.steps);
    if (m.series == NULL || values == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < m.steps; i++)
        values[i] = e->number;
    m.series[0].values = values;
    *ret = m;
    return ST_OK;
}

static enum status evaluate(const struct engine_query *q, const struct expr *e,
                            const struct grouping *around, struct matrix *ret, struct err *err);

static enum status evaluate_binary(const struct engine_query *q, const struct expr *e,
                                   struct matrix *ret, struct err *err)
{
    struct matrix left, right;

    enum status st = evaluate(q, e->binary.left, NULL, &left, err);
    if (st == ST_OK)
        st = evaluate(q, e->binary.right, NULL, &right, err);
    return st == ST_OK ? matrix_binary(q->context, e, left, right, ret, err) : st;
}

/* As deep as the parser lets the expression be. */
static enum status evaluate(const struct engine_query *q, const struct expr *e,
                            const struct grouping *around, struct matrix *ret, struct err *err)
{
    struct matrix child;
    enum status st;

    switch (e->kind) {
    case EXPR_LITERAL:
    case EXPR_VECTOR:
        return constant(q, e, ret, err);
    case EXPR_RANGE_AGGREGATION:
        return range_run(q, e, around, ret, err);
    case EXPR_VECTOR_AGGREGATION:
        st = evaluate(q, e->vector_aggregation.child, grouping_around_child(e), &child, err);
        return st == ST_OK ? matrix_aggregate(q->context, e, child, ret, err) : st;
    case EXPR_LABEL_REPLACE:
        st = evaluate(q, e->label_replace.child, NULL, &child, err);
        return st == ST_OK ? matrix_label_replace(q->context, e, child, ret, err) : st;
    case EXPR_BINARY:
        return evaluate_binary(q, e, ret, err);
    case EXPR_LOG:
        break;
    }
    return err_set(err, ST_INTERNAL, "a log query among metric queries");
}

/* ---- results ---- */

/*
 * The points of `count` series with the same labels, by time; label_replace() may make series
 * equal, and a range shows the points of all of them.
 */
static enum status make_series(const struct engine_query *q, const struct matrix_series *from,
                               size_t count, struct series *ret, struct err *err)
{
    size_t steps = engine_steps(q), places = 0;
    struct series s = {.labels = from->labels};

    for (size_t i = 0; i < count; i++) {
        for (size_t step = 0; step < steps; step++)
            places += value_is_absent(from[i].values[step]) ? 0 : 1;
    }
    s.samples = arena_new(q->context->arena, struct sample, places);
    if (s.samples == NULL)
        return arena_status(q->context->arena, err);
    for (size_t step = 0; step < steps; step++) {
        for (size_t i = 0; i < count; i++) {
            double value = from[i].values[step];
            if (!value_is_absent(value))
                s.samples[s.count++] = (struct sample){engine_step_ns(q, step), value};
        }
    }
    *ret = s;
    return ST_OK;
}

static enum status add_series(const struct engine_query *q, struct result *r,
                              const struct series *s, struct err *err)
{
    if (s->count == 0)
        return ST_OK;
    if (q->series_max > 0 && r->series_count == q->series_max && q->partial) {
        q->context->stats.series_limit = q->series_max;
        return ST_OK;
    }
    if (q->series_max > 0 && r->series_count == q->series_max)
        return err_set(err, ST_INVALID,
                       "maximum number of series (%zu) reached for a single query; consider "
                       "reducing query cardinality by adding more specific stream selectors, "
                       "reducing the time range, or aggregating results with functions like sum(), "
                       "count() or topk()",
                       q->series_max);
    r->series[r->series_count++] = *s;
    return ST_OK;
}

/* The end of the series that are one in the result, from `begin` on. */
static size_t equal_series(const struct engine_query *q, const struct matrix *m, size_t begin)
{
    size_t end = begin + 1;

    while (!q->instant && end < m->count &&
           labels_eq(m->series[begin].labels, m->series[end].labels))
        end++;
    return end;
}

static enum status make_result(const struct engine_query *q, struct matrix *m,
                               struct result *ret_result, struct err *err)
{
    struct result r = {.kind = !q->instant    ? RESULT_MATRIX
                               : m->is_scalar ? RESULT_SCALAR
                                              : RESULT_VECTOR};
    enum status st = ST_OK;

    if (!q->instant || !m->ordered)
        matrix_sort_by_labels(m);
    r.series = arena_new(q->context->arena, struct series, m->count);
    if (r.series == NULL)
        return arena_status(q->context->arena, err);
    for (size_t i = 0, end; i < m->count && st == ST_OK; i = end) {
        struct series s;
        end = equal_series(q, m, i);
        st = make_series(q, &m->series[i], end - i, &s, err);
        if (st == ST_OK)
            st = add_series(q, &r, &s, err);
    }
    if (st == ST_OK)
        *ret_result = r;
    return st;
}

static enum status run_metric(const struct engine_query *q, struct result *ret_result,
                              struct err *err)
{
    struct matrix m;

    enum status st = check(q, q->expr, NULL, err);
    if (st == ST_OK)
        st = evaluate(q, q->expr, NULL, &m, err);
    return st == ST_OK ? make_result(q, &m, ret_result, err) : st;
}

static enum status run(const struct engine_query *q, struct result *ret_result, struct err *err)
{
    if (q->expr->kind != EXPR_LOG)
        return run_metric(q, ret_result, err);
    if (q->instant)
        return err_set(err, ST_INVALID,
                       "log queries are not supported as an instant query type, please change your "
                       "query to a range query type");
    return log_query_run(q, ret_result, err);
}

enum status engine_run(const struct engine_query *q, struct result *ret_result, struct err *err)
{
    uint64_t failures = regex_search_failures();

    enum status st = run(q, ret_result, err);
    if (st == ST_OK && regex_search_failures() != failures) {
        result_release(ret_result);
        st = err_set(err, ST_NOMEM, "no memory to search with a regular expression");
    }
    return st;
}
