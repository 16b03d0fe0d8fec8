/*
 * aggregate.c - vector aggregations.
 *
 * There are three kinds. Most operations fold all samples of a group and a step into one: they are
 * rows of a table. topk and bottomk choose among the series of a group, each step for itself, and
 * take away the samples that are not chosen. sort and sort_desc only order.
 *
 * The first series of a group gives the group its column of values.
 */
#include <math.h>
#include <stdlib.h>

#include "query/label_index.h"
#include "query/matrix_internal.h"

#include "base/banned.h"

/* ---- one sample for each group ---- */

/* What the operations need that are more than a running value. */
struct moments {
    double mean;
    double count;
};

struct aggregation {
    /* Make the first sample, which `*value` is, the value so far. NULL: it is that already. */
    void (*begin)(double *value, struct moments *m);
    void (*add)(double *value, struct moments *m, double v);
    void (*end)(double *value, const struct moments *m); /* may be NULL */
    bool has_moments;                                    /* else `m` is NULL */
};

static void sum_add(double *value, struct moments *m, double v)
{
    (void)m;
    *value += v;
}

/* NaN is the extreme only where nothing else is. */
static void min_add(double *value, struct moments *m, double v)
{
    (void)m;
    if (*value > v || isnan(*value))
        *value = v;
}

static void max_add(double *value, struct moments *m, double v)
{
    (void)m;
    if (*value < v || isnan(*value))
        *value = v;
}

static void count_begin(double *value, struct moments *m)
{
    (void)m;
    *value = 1;
}

static void count_add(double *value, struct moments *m, double v)
{
    (void)m;
    (void)v;
    *value += 1;
}

static void average_begin(double *value, struct moments *m)
{
    m->mean = *value;
    m->count = 1;
}

static void average_add(double *value, struct moments *m, double v)
{
    (void)value;
    m->count++;
    /* An infinite mean stays what it is, unless the opposite infinity or NaN makes it NaN. */
    if (isinf(m->mean) && (isfinite(v) || v == m->mean))
        return;
    m->mean += (v - m->mean) / m->count;
}

static void average_end(double *value, const struct moments *m)
{
    *value = m->mean;
}

/* Welford's method: `*value` is the sum of the squared distances from the mean. */
static void deviation_begin(double *value, struct moments *m)
{
    m->mean = *value;
    m->count = 1;
    *value -= *value; /* 0, but NaN for what is not finite */
}

static void deviation_add(double *value, struct moments *m, double v)
{
    double distance = v - m->mean;

    m->count++;
    m->mean += distance / m->count;
    *value += distance * (v - m->mean);
}

static void variance_end(double *value, const struct moments *m)
{
    *value /= m->count;
}

static void deviation_end(double *value, const struct moments *m)
{
    *value = sqrt(*value / m->count);
}

static const struct aggregation aggregations[] = {
    [VECTOR_OP_SUM] = {NULL, sum_add, NULL, false},
    [VECTOR_OP_MIN] = {NULL, min_add, NULL, false},
    [VECTOR_OP_MAX] = {NULL, max_add, NULL, false},
    [VECTOR_OP_COUNT] = {count_begin, count_add, NULL, false},
    [VECTOR_OP_AVG] = {average_begin, average_add, average_end, true},
    [VECTOR_OP_STDVAR] = {deviation_begin, deviation_add, variance_end, true},
    [VECTOR_OP_STDDEV] = {deviation_begin, deviation_add, deviation_end, true},
};

struct group {
    double *values;
    struct moments *moments;
};

static struct moments *moments_at(const struct group *g, size_t step)
{
    return g->moments == NULL ? NULL : &g->moments[step];
}

static void begin_group(const struct aggregation *op, struct group *g, size_t steps)
{
    for (size_t i = 0; op->begin != NULL && i < steps; i++) {
        if (!value_is_absent(g->values[i]))
            op->begin(&g->values[i], moments_at(g, i));
    }
}

static void add_to_group(const struct aggregation *op, struct group *g, const double *values,
                         size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (value_is_absent(values[i]))
            continue;
        if (!value_is_absent(g->values[i])) {
            op->add(&g->values[i], moments_at(g, i), values[i]);
            continue;
        }
        g->values[i] = values[i];
        if (op->begin != NULL)
            op->begin(&g->values[i], moments_at(g, i));
    }
}

static void end_group(const struct aggregation *op, struct group *g, size_t steps)
{
    for (size_t i = 0; op->end != NULL && i < steps; i++) {
        if (!value_is_absent(g->values[i]))
            op->end(&g->values[i], moments_at(g, i));
    }
}

/* An aggregation while it runs. */
struct run {
    const struct expr *e;
    struct arena *arena;
    struct pace pace;
    struct matrix in;
    struct label_index index;
    struct label *scratch;
    struct err *err;
};

/* The group of series `i`: its labels, in the scratch space, and its number. */
static enum status find_group(struct run *r, size_t i, struct labels *ret_labels,
                              size_t *ret_number)
{
    const struct grouping *g = &r->e->vector_aggregation.grouping;
    struct labels l = r->in.series[i].labels;

    enum status st = pace_add(&r->pace, r->in.steps + l.count * (1 + g->names.count), r->err);
    if (st != ST_OK)
        return st;
    *ret_labels = labels_group_into(g, l, r->scratch);
    return label_index_add(&r->index, *ret_labels, ret_number, r->err);
}

/* Fold series `i` into its group, which becomes a series of `out` with its first one. */
static enum status fold_series(struct run *r, const struct aggregation *op, size_t i,
                               struct group *groups, struct matrix *out)
{
    struct labels labels;
    size_t number;

    enum status st = find_group(r, i, &labels, &number);
    if (st != ST_OK)
        return st;
    struct group *g = &groups[number];
    if (number < out->count) {
        add_to_group(op, g, r->in.series[i].values, r->in.steps);
        return ST_OK;
    }
    g->values = r->in.series[i].values;
    if (op->has_moments) {
        g->moments = arena_new(r->arena, struct moments, r->in.steps);
        if (g->moments == NULL)
            return arena_status(r->arena, r->err);
    }
    begin_group(op, g, r->in.steps);
    struct matrix_series *series = &out->series[out->count++];
    series->values = g->values;
    return labels_copy(r->arena, labels, &series->labels, r->err);
}

static enum status fold(struct run *r, const struct aggregation *op, struct matrix *ret)
{
    struct matrix out = {.steps = r->in.steps};
    struct group *groups = arena_new(r->arena, struct group, r->in.count);

    ASSERT(op->add != NULL);
    out.series = arena_new(r->arena, struct matrix_series, r->in.count);
    if (groups == NULL || out.series == NULL)
        return arena_status(r->arena, r->err);
    for (size_t i = 0; i < r->in.count; i++) {
        enum status st = fold_series(r, op, i, groups, &out);
        if (st != ST_OK)
            return st;
    }
    for (size_t i = 0; i < out.count; i++)
        end_group(op, &groups[i], out.steps);
    *ret = out;
    return ST_OK;
}

/* ---- the order of values ---- */

/* NaN comes last whether values rise or fall; `sign` is 1 or -1. */
static int compare_values(double a, double b, int sign)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
    return sign * ((a > b) - (a < b));
}

static int compare_series(const void *a, const void *b, int sign)
{
    const struct matrix_series *x = a, *y = b;
    int order = compare_values(x->values[0], y->values[0], sign);

    return order != 0 ? order : labels_cmp(x->labels, y->labels);
}

static int rising(const void *a, const void *b)
{
    return compare_series(a, b, 1);
}

static int falling(const void *a, const void *b)
{
    return compare_series(a, b, -1);
}

/* With several steps there is no order by value that would hold at all of them. */
static void sort_by_value(struct matrix *m, int (*compare)(const void *, const void *))
{
    m->ordered = m->steps == 1;
    matrix_compact(m);
    if (m->ordered && m->count > 1)
        qsort(m->series, m->count, sizeof(*m->series), compare);
}

/* ---- topk and bottomk ---- */

/* The series of one group, among which some are chosen. */
struct choice {
    const struct matrix_series *series;
    const size_t *members; /* ascending */
    size_t member_count;
    size_t *heap; /* numbers of series, the one that would go first on top */
    size_t heap_count;
    size_t k;
    int sign; /* -1: large values are chosen */
    size_t step;
};

/*
 * Does the sample of series `a` leave before that of `b`? Which of equal samples are chosen follows
 * from the heap alone: it is the reference's (Go's container/heap), fed in the order of labels, so
 * that the choice is the same.
 */
static bool leaves_first(const struct choice *s, size_t a, size_t b)
{
    double x = s->series[a].values[s->step], y = s->series[b].values[s->step];

    return isnan(x) || (s->sign < 0 ? x < y : x > y);
}

static void heap_push(struct choice *s, size_t item)
{
    size_t at = s->heap_count++;

    for (; at > 0 && leaves_first(s, item, s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = item;
}

/* The last one comes to the top and sinks. */
static size_t heap_pop(struct choice *s)
{
    size_t top = s->heap[0], item = s->heap[--s->heap_count], at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && leaves_first(s, s->heap[child + 1], s->heap[child]))
            child++;
        if (!leaves_first(s, s->heap[child], item))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    if (s->heap_count > 0)
        s->heap[at] = item;
    return top;
}

/* Is the sample better than the one on top of a full heap? */
static bool is_chosen(const struct choice *s, size_t candidate)
{
    double x = s->series[candidate].values[s->step], top = s->series[s->heap[0]].values[s->step];

    return isnan(top) || (s->sign < 0 ? x > top : x < top);
}

/* Take the samples away that are not among the best `k` of the step. */
static void choose_at_step(struct choice *s)
{
    s->heap_count = 0;
    for (size_t i = 0; i < s->member_count; i++) {
        size_t candidate = s->members[i], gone = candidate;
        if (value_is_absent(s->series[candidate].values[s->step]))
            continue;
        if (s->heap_count < s->k) {
            heap_push(s, candidate);
            continue;
        }
        if (is_chosen(s, candidate)) {
            gone = heap_pop(s);
            heap_push(s, candidate);
        }
        s->series[gone].values[s->step] = value_absent();
    }
}

static enum status choose_in_group(struct run *r, struct choice *s)
{
    if (s->k >= s->member_count)
        return ST_OK;
    for (s->step = 0; s->step < r->in.steps; s->step++) {
        enum status st = pace_add(&r->pace, s->member_count, r->err);
        if (st != ST_OK)
            return st;
        choose_at_step(s);
    }
    return ST_OK;
}

/*
 * The numbers of the series, those of group 0 first, and where each group begins; one place more
 * says where the last one ends.
 */
static enum status list_groups(struct run *r, size_t **ret_members, size_t **ret_begins)
{
    size_t count = r->in.count;
    size_t *numbers = arena_new(r->arena, size_t, count);
    size_t *members = arena_new(r->arena, size_t, count);
    size_t *begins = arena_new(r->arena, size_t, count + 2);

    if (numbers == NULL || members == NULL || begins == NULL)
        return arena_status(r->arena, r->err);
    for (size_t i = 0; i < count; i++) {
        struct labels labels;
        enum status st = find_group(r, i, &labels, &numbers[i]);
        if (st != ST_OK)
            return st;
        begins[numbers[i] + 2]++; /* of the group behind it, moved by what fills them below */
    }
    for (size_t i = 2; i < count + 2; i++)
        begins[i] += begins[i - 1];
    for (size_t i = 0; i < count; i++)
        members[begins[numbers[i] + 1]++] = i;
    *ret_members = members;
    *ret_begins = begins;
    return ST_OK;
}

static enum status choose(struct run *r, int sign, struct matrix *ret)
{
    size_t *members = NULL, *begins = NULL;
    bool was_ordered = r->in.ordered;

    matrix_compact(&r->in);
    matrix_sort_by_labels(&r->in);
    ASSERT(r->e->vector_aggregation.parameter > 0);
    size_t k = (size_t)r->e->vector_aggregation.parameter;
    struct choice s = {.series = r->in.series, .sign = sign, .k = MIN_OF(k, r->in.count)};
    s.heap = arena_new(r->arena, size_t, s.k);
    if (s.heap == NULL)
        return arena_status(r->arena, r->err);
    enum status st = list_groups(r, &members, &begins);
    for (size_t g = 0; st == ST_OK && g < r->index.count; g++) {
        s.members = members + begins[g];
        s.member_count = begins[g + 1] - begins[g];
        st = choose_in_group(r, &s);
    }
    if (st != ST_OK)
        return st;
    *ret = r->in;
    matrix_compact(ret);
    if (was_ordered)
        sort_by_value(ret, sign > 0 ? rising : falling);
    return ST_OK;
}

/* ---- all of them ---- */

static enum status dispatch(struct run *r, struct matrix *ret)
{
    enum vector_op op = r->e->vector_aggregation.op;

    switch (op) {
    case VECTOR_OP_SUM:
    case VECTOR_OP_AVG:
    case VECTOR_OP_COUNT:
    case VECTOR_OP_MAX:
    case VECTOR_OP_MIN:
    case VECTOR_OP_STDDEV:
    case VECTOR_OP_STDVAR:
        return fold(r, &aggregations[op], ret);
    case VECTOR_OP_TOPK:
    case VECTOR_OP_APPROX_TOPK: /* which is exact here */
        return choose(r, -1, ret);
    case VECTOR_OP_BOTTOMK:
        return choose(r, 1, ret);
    case VECTOR_OP_SORT:
    case VECTOR_OP_SORT_DESC:
        sort_by_value(&r->in, op == VECTOR_OP_SORT ? rising : falling);
        *ret = r->in;
        return ST_OK;
    }
    return ST_OK;
}

enum status matrix_aggregate(const struct query_context *q, const struct expr *e, struct matrix in,
                             struct matrix *ret, struct err *err)
{
    struct run r = {.e = e, .arena = q->arena, .pace = {.q = q}, .in = in, .err = err};

    ASSERT(e->kind == EXPR_VECTOR_AGGREGATION);
    r.in.is_scalar = false;
    r.scratch = arena_new(q->arena, struct label, matrix_label_max(&in));
    if (r.scratch == NULL)
        return arena_status(q->arena, err);
    label_index_init(&r.index, q->arena);
    enum status st = dispatch(&r, ret);
    label_index_release(&r.index);
    return st;
}
