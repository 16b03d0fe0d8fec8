/*
 * Runs are read stream by stream, in the order of their times. Those that overlap are read
 * together, so that an entry which lies in two of them is met twice by one thread (doubles.h).
 */
#include "query/range.h"

#include <stdlib.h>

#include "base/num.h"
#include "query/matrix_internal.h"
#include "query/range_internal.h"

#include "base/banned.h"

/* ---- grouping ---- */

static const struct grouping by_nothing = {.kind = GROUPING_BY};

/* Operations that give the same when their samples are grouped by the sum around them. */
static bool is_summed(enum range_op op)
{
    return op == RANGE_OP_COUNT_OVER_TIME || op == RANGE_OP_RATE ||
           op == RANGE_OP_BYTES_OVER_TIME || op == RANGE_OP_BYTES_RATE ||
           op == RANGE_OP_SUM_OVER_TIME;
}

static const struct grouping *grouping_in_force(const struct expr *e, const struct grouping *around)
{
    const struct grouping *own = &e->range_aggregation.grouping;

    if (e->range_aggregation.op == RANGE_OP_ABSENT_OVER_TIME)
        return &by_nothing;
    if (own->kind != GROUPING_NONE || around == NULL || !is_summed(e->range_aggregation.op))
        return own;
    return around->kind == GROUPING_NONE ? &by_nothing : around;
}

static bool is_length(enum range_op op)
{
    return op == RANGE_OP_BYTES_OVER_TIME || op == RANGE_OP_BYTES_RATE;
}

struct pipeline_samples range_samples(const struct expr *e, const struct grouping *around)
{
    return (struct pipeline_samples){
        .unwrap = &e->range_aggregation.range.unwrap,
        .grouping = grouping_in_force(e, around),
        .reads_line = is_length(e->range_aggregation.op),
    };
}

/* ---- series ---- */

static enum status add_series(struct range_run *r, struct str key, struct range_series **ret_series)
{
    struct arena *a = r->q->arena;
    struct range_series *series = arena_new(a, struct range_series, 1);
    struct str copy = arena_str(a, key), rest = copy;

    if (series == NULL || copy.ptr == NULL)
        return ST_LIMIT;
    if (labels_decode(a, &rest, &series->labels, NULL) != ST_OK)
        return ST_LIMIT;
    series->has_error = labels_get(series->labels, STR("__error__")).len > 0 &&
                        !str_eq(labels_get(series->labels, STR("__preserve_error__")), STR("true"));
    struct range_series **list =
        arena_reserve(a, r->series, r->count, &r->capacity, sizeof(struct range_series *));
    if (list == NULL)
        return ST_LIMIT;
    r->series = list;
    r->series[r->count++] = series;
    *ret_series = series;
    return map_set(&r->map, copy, series);
}

enum status range_fold(struct range_run *r, struct range_worker *w)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < w->batch_count && st == ST_OK; i++) {
        struct found_series *found = w->batch[i].found;
        if (found->series == NULL)
            found->series = map_get(&r->map, found->key);
        if (found->series == NULL)
            st = add_series(r, found->key, &found->series);
        if (st == ST_OK)
            st = window_add(&r->plan, &found->series->windows, &w->batch[i].sample);
    }
    return st;
}

/* ---- runs ---- */

struct run_list {
    struct source_run *runs;
    size_t count;
    size_t capacity;
};

/* All runs of the selection, each with its stream. */
static enum status collect_runs(struct range_run *r, struct run_list *list, struct err *err)
{
    enum { CHECK_RUNS = 256 };
    struct selection *selection = r->selection;
    struct source_run *runs;
    int64_t bound_ns;
    size_t count;

    for (;;) {
        enum status st = selection->next_runs(selection, &runs, &count, &bound_ns, err);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_OK : st;
        for (size_t i = 0; i < count; i++) {
            if (i % CHECK_RUNS == 0) /* a day may have a million of them */
                st = query_check(r->q, err);
            if (st != ST_OK)
                return st;
            st = selection->identify(selection, &runs[i], err);
            if (st != ST_OK)
                st = query_forgive_damage(r->q, st);
            else
                list->runs = arena_reserve(r->q->arena, list->runs, list->count, &list->capacity,
                                           sizeof(*list->runs));
            if (st != ST_OK)
                return st;
            if (list->runs == NULL)
                return arena_status(r->q->arena, err);
            if (runs[i].stream != NULL)
                list->runs[list->count++] = runs[i];
        }
        st = query_check(r->q, err);
        if (st != ST_OK)
            return st;
    }
}

static int compare_runs(const void *a, const void *b)
{
    const struct source_run *x = a, *y = b;
    int order = source_stream_compare(x->stream, y->stream);

    return order != 0 ? order : (x->min_ns > y->min_ns) - (x->min_ns < y->min_ns);
}

/* How many of the sorted runs, which are of one stream or more, belong to the first one's cluster.
 */
static size_t cluster_size(const struct source_run *runs, size_t count)
{
    int64_t covered_ns = runs[0].max_ns;
    size_t i = 1;

    for (; i < count && runs[i].min_ns <= covered_ns; i++) {
        if (source_stream_compare(runs[0].stream, runs[i].stream) != 0)
            break;
        covered_ns = MAX_OF(covered_ns, runs[i].max_ns);
    }
    return i;
}

static enum status make_clusters(struct range_run *r, struct run_list *list, struct err *err)
{
    r->clusters = arena_new(r->q->arena, struct range_cluster, list->count);
    if (r->clusters == NULL)
        return arena_status(r->q->arena, err);
    if (list->count > 0)
        qsort(list->runs, list->count, sizeof(*list->runs), compare_runs);
    for (size_t i = 0, count; i < list->count; i += count) {
        count = cluster_size(&list->runs[i], list->count - i);
        r->clusters[r->cluster_count++] = (struct range_cluster){&list->runs[i], count};
    }
    return ST_OK;
}

/* Bytes of lines; an open head does not say. */
static uint64_t cluster_bytes(const struct range_run *r, const struct range_cluster *c)
{
    enum { HEAD_BYTES_GUESS = 64 * 1024 };
    uint64_t bytes = 0;

    for (size_t i = 0; i < c->count; i++) {
        struct source_totals totals = r->selection->totals(r->selection, &c->runs[i]);
        bytes += totals.entries == 0 ? HEAD_BYTES_GUESS : totals.line_bytes;
    }
    return bytes;
}

/*
 * Samples of counting operations melt into few, so an item may be large, and threads wait for their
 * turn less often. Of other operations a thread would have more samples than a batch holds.
 */
static enum status make_items(struct range_run *r, struct err *err)
{
    enum { COUNTED_BYTES = 4 * 1024 * 1024 };
    uint64_t wanted = window_counts(&r->plan) ? COUNTED_BYTES : 0, bytes = 0;

    r->items = arena_new(r->q->arena, size_t, r->cluster_count + 1);
    if (r->items == NULL)
        return arena_status(r->q->arena, err);
    for (size_t i = 0; i < r->cluster_count; i++) {
        bytes += wanted == 0 ? 0 : cluster_bytes(r, &r->clusters[i]);
        if (bytes < wanted && i + 1 < r->cluster_count)
            continue;
        r->items[++r->item_count] = i + 1;
        bytes = 0;
    }
    return ST_OK;
}

/* ---- the threads ---- */

static enum status work(void *worker, struct crew *crew, size_t item, struct err *err)
{
    struct range_worker *w = worker;
    const struct range_run *r = w->run;
    size_t begin = r->items[item], end = r->items[item + 1];

    w->crew = crew;
    w->item = item;
    return range_read(w, &r->clusters[begin], end - begin, err);
}

static enum status read_items(struct range_run *r, struct err *err)
{
    struct range_worker own;
    const struct crew_job job = {
        .items = r->item_count,
        .own = &own,
        .worker_bytes = sizeof(own),
        .work = work,
        .begin = range_worker_begin,
        .end = range_worker_end,
        .context = r,
    };

    enum status st = range_worker_begin(r, &own, err);
    if (st == ST_OK)
        st = crew_run(&job, err);
    range_worker_end(&own);
    return st;
}

static enum status read_entries(struct range_run *r, struct err *err)
{
    const struct log_expr *log = &r->e->range_aggregation.range.log;
    struct source_request request = {
        .tenant = r->query->tenant,
        .matchers = {log->matchers, log->matcher_count},
        .start_ns = r->start_ns,
        .end_ns = r->end_ns,
    };
    struct run_list list = {0};

    if (r->start_ns > r->end_ns)
        return ST_OK;
    enum status st = r->query->source->select(r->query->source, r->q, &request, &r->selection, err);
    if (st != ST_OK)
        return st;
    st = collect_runs(r, &list, err);
    if (st == ST_OK)
        st = make_clusters(r, &list, err);
    if (st == ST_OK)
        st = make_items(r, err);
    if (st == ST_OK)
        st = read_items(r, err);
    r->selection->end(r->selection);
    return st;
}

/* ---- values ---- */

static enum status series_error(const struct range_series *s, struct err *err)
{
    enum { TEXT_BYTES_MAX = 1024 * 1024 };
    struct str type = labels_get(s->labels, STR("__error__"));
    struct buf labels;

    buf_init(&labels, TEXT_BYTES_MAX);
    labels_put_text(&labels, s->labels);
    err_set(err, ST_INVALID,
            "pipeline error: '%.*s' for series: '%.*s'.\n"
            "Use a label filter to intentionally skip this error. (e.g | __error__!=\"%.*s\").\n"
            "To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"
            "The label filter can also be specified after unwrap. (e.g | unwrap latency | "
            "__error__=\"\" )\n",
            STR_ARG(type), STR_ARG(buf_str(&labels)), STR_ARG(type));
    buf_release(&labels);
    return ST_INVALID;
}

/* Of the series with an error, the one with the earliest step, and of these the first one met. */
static enum status check_errors(const struct range_run *r, const struct matrix *m, struct err *err)
{
    const struct range_series *worst = NULL;
    size_t worst_step = SIZE_MAX;

    for (size_t i = 0; i < r->count; i++) {
        if (!r->series[i]->has_error)
            continue;
        size_t step = 0;
        while (step < m->steps && value_is_absent(m->series[i].values[step]))
            step++;
        if (step < m->steps && step < worst_step) {
            worst = r->series[i];
            worst_step = step;
        }
    }
    return worst == NULL ? ST_OK : series_error(worst, err);
}

static enum status fill_matrix(struct range_run *r, struct matrix *ret, struct err *err)
{
    struct arena *a = r->q->arena;
    struct matrix m = {.steps = r->plan.grid.steps, .count = r->count};
    enum status st = ST_OK;

    m.series = arena_new(a, struct matrix_series, r->count);
    if (m.series == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < r->count && st == ST_OK; i++) {
        m.series[i].labels = r->series[i]->labels;
        m.series[i].values = arena_new(a, double, m.steps);
        if (m.series[i].values == NULL)
            return arena_status(a, err);
        st = window_values(&r->plan, &r->series[i]->windows, m.series[i].values, err);
    }
    if (st == ST_OK)
        st = check_errors(r, &m, err);
    if (st == ST_OK)
        *ret = m;
    return st;
}

/* The `=` matchers whose names no other matcher has. */
static struct labels absent_labels(struct arena *a, const struct log_expr *log)
{
    struct label *pairs = arena_new(a, struct label, log->matcher_count);
    size_t count = 0;

    for (size_t i = 0; pairs != NULL && i < log->matcher_count; i++) {
        const struct matcher *m = &log->matchers[i];
        bool alone = m->op == MATCH_EQ;
        for (size_t j = 0; j < log->matcher_count; j++)
            alone = alone && (i == j || !str_eq(m->name, log->matchers[j].name));
        if (alone)
            pairs[count++] = (struct label){m->name, m->value};
    }
    return (struct labels){pairs, labels_normalize(pairs, count)};
}

/* One series that is there where no other is. */
static enum status fill_absent(struct range_run *r, struct matrix *m, struct err *err)
{
    struct arena *a = r->q->arena;
    struct matrix_series *series = arena_new(a, struct matrix_series, 1);
    double *values = arena_new(a, double, m->steps);

    if (series == NULL || values == NULL)
        return arena_status(a, err);
    for (size_t step = 0; step < m->steps; step++) {
        bool any = false;
        for (size_t i = 0; i < m->count && !any; i++)
            any = !value_is_absent(m->series[i].values[step]);
        values[step] = any ? value_absent() : 1;
    }
    series->labels = absent_labels(a, &r->e->range_aggregation.range.log);
    series->values = values;
    *m = (struct matrix){.series = series, .count = 1, .steps = m->steps};
    return a->failed ? arena_status(a, err) : ST_OK;
}

/* ---- begin and end ---- */

static void set_grid(struct range_run *r)
{
    const struct engine_query *query = r->query;
    const struct range_expr *range = &r->e->range_aggregation.range;
    struct window_grid *g = &r->plan.grid;

    *g = (struct window_grid){
        .first_ns = engine_step_ns(query, 0),
        .step_ns = query->instant ? 1 : query->step_ns,
        .steps = engine_steps(query),
        .range_ns = range->range_ns,
        .offset_ns = range->offset_ns,
    };
    r->end_ns = i64_sub_saturated(engine_step_ns(query, g->steps - 1), range->offset_ns);
    r->start_ns =
        i64_add_saturated(i64_sub_saturated(g->first_ns, range->offset_ns), 1 - range->range_ns);
}

static enum status run(struct range_run *r, struct matrix *ret, struct err *err)
{
    bool is_absent = r->e->range_aggregation.op == RANGE_OP_ABSENT_OVER_TIME;
    struct matrix m;

    enum status st = pipeline_build(r->q->arena, &r->e->range_aggregation.range.log, &r->samples,
                                    &r->pipeline, err);
    if (st == ST_OK)
        st = names_sort(r->q->arena, r->samples.grouping->names, &r->by, err);
    if (st == ST_OK)
        st = read_entries(r, err);
    if (st == ST_OK)
        st = fill_matrix(r, &m, err);
    if (st == ST_OK && is_absent)
        st = fill_absent(r, &m, err);
    if (st == ST_OK)
        *ret = m;
    return st;
}

enum status range_run(const struct engine_query *q, const struct expr *e,
                      const struct grouping *around, struct matrix *ret, struct err *err)
{
    struct range_run r = {
        .query = q,
        .q = q->context,
        .e = e,
        .samples = range_samples(e, around),
    };
    struct arena scratch;

    r.plan = (struct window_plan){
        .op = window_op_find(e->range_aggregation.op, r.samples.unwrap->label.len > 0),
        .parameter = e->range_aggregation.parameter,
        .states = &r.states,
        .scratch = &scratch,
        .q = q->context,
    };
    set_grid(&r);
    arena_init_child(&scratch, q->context->arena);
    arena_init_child(&r.states, q->context->arena);
    enum status st = run(&r, ret, err);
    map_release(&r.map);
    arena_release(&r.states);
    arena_release(&scratch);
    return st;
}
