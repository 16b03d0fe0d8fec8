/*
 * Runs are read stream by stream, so that labels of the stream are looked at once and an entry that
 * lies in two runs is met twice within a short time (doubles.h).
 *
 * A sample finds its series by the stored form of its labels. Where no stage touches an entry its
 * labels follow from stream and metadata, and each distinct set of a block is looked up once.
 */
#include "query/range.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/num.h"
#include "base/time.h"
#include "query/doubles.h"
#include "query/matrix_internal.h"
#include "query/unwrap.h"
#include "query/window.h"

#include "base/banned.h"

enum { KEY_BYTES_MAX = 64 * 1024 * 1024 };

struct range_series {
    struct labels labels;
    struct window_list windows;
    bool has_error;
};

struct range_run {
    const struct engine_query *query;
    struct query_context *q;
    const struct expr *e;
    struct pipeline pipeline;
    struct pipeline_samples samples;
    struct name_list by; /* of the grouping, so that labels come out in order */
    struct window_plan plan;
    int64_t start_ns; /* of entries that lie in any window, both inclusive */
    int64_t end_ns;
    struct selection *selection;
    struct doubles doubles;
    struct entry_state entry;
    struct arena scratch;
    struct arena states;
    struct buf key;
    struct map map; /* labels in stored form -> struct range_series */
    struct range_series **series;
    size_t count;
    size_t capacity;
    struct range_series **of_set; /* of the metadata sets of a block; NULL: labels may differ */
};

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

static struct labels labels_by(struct range_run *r)
{
    struct label *pairs = arena_new(&r->scratch, struct label, r->by.count);
    size_t count = 0;

    for (size_t i = 0; pairs != NULL && i < r->by.count; i++) {
        pairs[count].name = r->by.names[i];
        if (label_builder_get(&r->entry.labels, r->by.names[i], &pairs[count].value))
            count++;
    }
    return (struct labels){pairs, count};
}

/* The labels of a sample, in the scratch memory; all of them if there is an error. */
static struct labels sample_labels(struct range_run *r)
{
    const struct grouping *g = r->samples.grouping;
    struct str unwrapped = r->samples.unwrap->label;
    bool has_error = r->entry.labels.error.len > 0;

    if (g->kind == GROUPING_BY && !has_error)
        return labels_by(r);
    struct entry_labels parts = label_builder_result(&r->entry.labels);
    struct labels all = entry_labels_merge(&r->scratch, &parts);
    if (has_error || (g->kind == GROUPING_NONE && unwrapped.len == 0))
        return all;

    struct label *pairs = arena_new(&r->scratch, struct label, all.count);
    size_t count = 0;
    for (size_t i = 0; pairs != NULL && i < all.count; i++) {
        struct str name = all.pairs[i].name;
        if (!name_is_listed(g->names, name) && !str_eq(name, unwrapped))
            pairs[count++] = all.pairs[i];
    }
    return (struct labels){pairs, count};
}

/* ---- series ---- */

static enum status add_series(struct range_run *r, struct range_series **ret_series)
{
    struct arena *a = r->q->arena;
    struct range_series *series = arena_new(a, struct range_series, 1);
    struct str key = arena_str(a, buf_str(&r->key)), rest = key;

    if (series == NULL || key.ptr == NULL)
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
    return map_set(&r->map, key, series);
}

/* The series of the entry as it is now. */
static enum status find_series(struct range_run *r, struct range_series **ret_series)
{
    struct labels labels = sample_labels(r);

    buf_reset(&r->key);
    labels_encode(&r->key, labels);
    if (r->key.failed || r->scratch.failed)
        return ST_LIMIT;
    *ret_series = map_get(&r->map, buf_str(&r->key));
    return *ret_series == NULL ? add_series(r, ret_series) : ST_OK;
}

/* ---- entries ---- */

/* Run the stages; what is left is a sample of `*ret_series`, or nothing (NULL). */
static enum status make_sample(struct range_run *r, const struct entry *e, struct labels stream,
                               double *ret_value, struct range_series **ret_series)
{
    struct entry_state *state = &r->entry;
    enum range_op op = r->e->range_aggregation.op;
    bool keep = true;

    *ret_series = NULL;
    arena_reset(&r->scratch);
    state->ts_ns = e->ts_ns;
    state->line = e->line;
    label_builder_begin(&state->labels, stream, e->metadata);
    keep = pipeline_run(&r->pipeline, state);
    *ret_value = is_length(op) ? (double)state->line.len : 1;
    if (keep && r->samples.unwrap->label.len > 0)
        keep = unwrap_value(r->samples.unwrap, &state->labels, ret_value) &&
               pipeline_keeps_sample(&r->pipeline, state);
    if (r->scratch.failed)
        return ST_LIMIT;
    return keep ? find_series(r, ret_series) : ST_OK;
}

/* The same where labels follow from the metadata. */
static enum status make_plain_sample(struct range_run *r, const struct entry *e, uint32_t set,
                                     struct labels stream, double *ret_value,
                                     struct range_series **ret_series)
{
    *ret_value = is_length(r->e->range_aggregation.op) ? (double)e->line.len : 1;
    if (r->of_set[set] != NULL) {
        *ret_series = r->of_set[set];
        return ST_OK;
    }
    enum status st = make_sample(r, e, stream, ret_value, ret_series);
    r->of_set[set] = *ret_series;
    return st;
}

static enum status read_entry(struct range_run *r, const struct source_run *run,
                              const struct block *b, uint32_t i)
{
    struct entry e = {b->ts_ns[i], block_line(b, i), block_metadata(b, i)};
    struct range_series *series = NULL;
    struct window_span span;
    bool met;
    double value;

    if (!window_steps(&r->plan.grid, e.ts_ns, &span) || !pipeline_keeps(&r->pipeline, e.line))
        return ST_OK;
    enum status st = doubles_check(&r->doubles, &e, &met);
    if (st != ST_OK || met)
        return st;
    if (r->of_set != NULL)
        st = make_plain_sample(r, &e, b->sets[i], run->stream->labels, &value, &series);
    else
        st = make_sample(r, &e, run->stream->labels, &value, &series);
    if (st != ST_OK || series == NULL)
        return st;
    r->q->stats.post_filter_lines++;
    return window_add(&r->plan, &series->windows, span, (struct sample){e.ts_ns, value});
}

static bool labels_follow_from_metadata(const struct range_run *r)
{
    return r->pipeline.stage_count == 0 && r->samples.unwrap->label.len == 0;
}

static enum status limit_error(const struct range_run *r, enum status st, struct err *err)
{
    if (st == ST_NOMEM)
        return err_set(err, st, "no memory for the query");
    return err_set(err, st, "the query needs more than its memory budget of %zu bytes",
                   r->q->arena->max_bytes);
}

static enum status read_block(struct range_run *r, const struct source_run *run,
                              const struct block *b, struct err *err)
{
    struct arena sets;
    enum status st = ST_OK;

    arena_init_child(&sets, r->q->arena);
    r->of_set = NULL;
    if (labels_follow_from_metadata(r)) {
        r->of_set = arena_new(&sets, struct range_series *, b->metadata_count);
        st = r->of_set == NULL ? ST_LIMIT : ST_OK;
    }
    for (uint32_t i = 0; i < b->count && st == ST_OK; i++) {
        st = read_entry(r, run, b, i);
        st = st == ST_OK ? pipeline_check(&r->pipeline, r->q, i, block_line(b, i).len, err)
                         : limit_error(r, st, err);
    }
    arena_release(&sets);
    return st;
}

/* ---- runs ---- */

/* Lines are only read where something looks at them. */
static enum source_columns columns_of(const struct range_run *r, const struct source_block *b)
{
    bool reads_line = r->pipeline.line_filter_count > 0 || r->pipeline.stage_count > 0 ||
                      doubles_possible(&r->doubles, b->min_ns, b->max_ns);

    return reads_line ? SOURCE_LINES : SOURCE_METADATA;
}

static enum status load_block(struct range_run *r, const struct source_run *run, uint32_t i,
                              enum source_columns columns, struct err *err)
{
    struct block block;

    enum status st = r->selection->load(r->selection, i, columns, &block, err);
    return st == ST_OK ? read_block(r, run, &block, err) : query_forgive_damage(r->q, st);
}

static enum status read_run(struct range_run *r, struct source_run *run, struct err *err)
{
    struct selection *selection = r->selection;
    const struct source_block *blocks;
    uint32_t count;

    enum status st = selection->open_run(selection, run, &blocks, &count, err);
    if (st != ST_OK)
        return query_forgive_damage(r->q, st);
    for (uint32_t i = 0; i < count && st == ST_OK; i++) {
        if (blocks[i].max_ns < r->start_ns || blocks[i].min_ns > r->end_ns)
            continue;
        if (pipeline_may_keep(&r->pipeline, selection, i))
            st = load_block(r, run, i, columns_of(r, &blocks[i]), err);
        if (st == ST_OK)
            st = query_check(r->q, err);
    }
    return st;
}

struct run_list {
    struct source_run *runs;
    size_t count;
    size_t capacity;
};

/* All runs of the selection, each with its stream. */
static enum status collect_runs(struct range_run *r, struct run_list *list, struct err *err)
{
    struct selection *selection = r->selection;
    struct source_run *runs;
    int64_t bound_ns;
    size_t count;

    for (;;) {
        enum status st = selection->next_runs(selection, &runs, &count, &bound_ns, err);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_OK : st;
        for (size_t i = 0; i < count; i++) {
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

    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static enum status read_stream(struct range_run *r, struct source_run *runs, size_t count,
                               struct err *err)
{
    enum status st = doubles_begin(&r->doubles, runs, count);

    if (st != ST_OK)
        return limit_error(r, st, err);
    qsort(runs, count, sizeof(*runs), compare_runs); /* in order of arrival again */
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = read_run(r, &runs[i], err);
    return st;
}

static enum status read_runs(struct range_run *r, struct run_list *list, struct err *err)
{
    enum status st = ST_OK;

    if (list->count > 0)
        qsort(list->runs, list->count, sizeof(*list->runs), compare_runs);
    for (size_t i = 0, next; i < list->count && st == ST_OK; i = next) {
        for (next = i + 1; next < list->count; next++) {
            if (source_stream_compare(list->runs[i].stream, list->runs[next].stream) != 0)
                break;
        }
        st = read_stream(r, &list->runs[i], next - i, err);
    }
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
        st = read_runs(r, &list, err);
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
    label_builder_init(&r->entry.labels, &r->scratch, &r->pipeline.hints);
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

    r.plan = (struct window_plan){
        .op = window_op_find(e->range_aggregation.op, r.samples.unwrap->label.len > 0),
        .parameter = e->range_aggregation.parameter,
        .states = &r.states,
        .scratch = &r.scratch,
        .q = q->context,
    };
    r.entry.scratch = &r.scratch;
    r.entry.q = q->context;
    set_grid(&r);
    arena_init_child(&r.scratch, q->context->arena);
    arena_init_child(&r.states, q->context->arena);
    buf_init(&r.key, KEY_BYTES_MAX);
    doubles_init(&r.doubles, q->context->arena);
    enum status st = run(&r, ret, err);
    doubles_release(&r.doubles);
    buf_release(&r.key);
    map_release(&r.map);
    arena_release(&r.states);
    arena_release(&r.scratch);
    return st;
}
