/*
 * Counts and sums of lengths are whole numbers, so it is enough to note where a sample enters and
 * where it leaves the windows: the states hold differences, and a running sum gives the values,
 * whatever the ratio of range and step. Floating point sums are added window by window in the order
 * the samples come, for the same last digit that a plain sum has.
 */
#include "query/window.h"

#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/time.h"
#include "query/matrix.h"

#include "base/banned.h"

/* Rounded up. */
static int64_t divide_up(int64_t a, int64_t b)
{
    return a / b + (a % b > 0 ? 1 : 0);
}

bool window_steps(const struct window_grid *g, int64_t ts_ns, struct window_span *ret_span)
{
    int64_t enter_ns = i64_sub_saturated(i64_add_saturated(ts_ns, g->offset_ns), g->first_ns);
    int64_t leave_ns = i64_add_saturated(enter_ns, g->range_ns); /* the first time it is not in */

    if (leave_ns <= 0 || g->range_ns == 0)
        return false;
    int64_t first = enter_ns <= 0 ? 0 : divide_up(enter_ns, g->step_ns);
    int64_t last = divide_up(leave_ns, g->step_ns) - 1;
    last = MIN_OF(last, (int64_t)g->steps - 1);
    if (first > last)
        return false;
    *ret_span = (struct window_span){(size_t)first, (size_t)last};
    return true;
}

/* How far it is from `at_ns` to the next border between two steps. */
static int64_t distance_to_step(const struct window_grid *g, int64_t at_ns)
{
    if (at_ns <= 0)
        return i64_sub_saturated(0, at_ns);
    return at_ns % g->step_ns == 0 ? 0 : g->step_ns - at_ns % g->step_ns;
}

int64_t window_same_until(const struct window_grid *g, int64_t ts_ns)
{
    int64_t enter_ns = i64_sub_saturated(i64_add_saturated(ts_ns, g->offset_ns), g->first_ns);
    int64_t leave_ns = i64_add_saturated(enter_ns, g->range_ns);
    int64_t distance_ns = distance_to_step(g, enter_ns);

    if (leave_ns <= (int64_t)(g->steps - 1) * g->step_ns) /* else it leaves behind the last step */
        distance_ns = MIN_OF(distance_ns, distance_to_step(g, leave_ns));
    return i64_add_saturated(ts_ns, distance_ns);
}

static double range_seconds(const struct window_plan *p)
{
    return (double)p->grid.range_ns / (double)SECOND_NS;
}

/* ---- operations that need one state a window ---- */

struct count_state {
    int64_t count; /* differences to the step before */
    int64_t sum;
};

static double count_value(const void *state, const struct window_plan *p)
{
    const struct count_state *s = state;

    (void)p;
    return (double)s->count;
}

static double rate_value(const void *state, const struct window_plan *p)
{
    return count_value(state, p) / range_seconds(p);
}

static double length_value(const void *state, const struct window_plan *p)
{
    const struct count_state *s = state;

    (void)p;
    return (double)s->sum;
}

static double length_rate_value(const void *state, const struct window_plan *p)
{
    return length_value(state, p) / range_seconds(p);
}

struct sum_state {
    uint64_t count;
    double sum;
};

static void sum_add(void *state, struct sample v)
{
    struct sum_state *s = state;

    s->count++;
    s->sum += v.value;
}

static double sum_value(const void *state, const struct window_plan *p)
{
    const struct sum_state *s = state;

    (void)p;
    return s->sum;
}

static double sum_rate_value(const void *state, const struct window_plan *p)
{
    return sum_value(state, p) / range_seconds(p);
}

/* A mean that is infinite stays so, unless its opposite or a NaN comes. */
static void average_add(void *state, struct sample v)
{
    struct sum_state *s = state;
    double n = (double)++s->count;

    if (isinf(s->sum)) {
        bool same = isinf(v.value) && (s->sum > 0) == (v.value > 0);
        if (same || isfinite(v.value))
            return;
    }
    s->sum += v.value / n - s->sum / n;
}

/* NaN gives way to everything that comes later. */
static void min_add(void *state, struct sample v)
{
    struct sum_state *s = state;

    if (s->count++ == 0 || v.value < s->sum || isnan(s->sum))
        s->sum = v.value;
}

static void max_add(void *state, struct sample v)
{
    struct sum_state *s = state;

    if (s->count++ == 0 || v.value > s->sum || isnan(s->sum))
        s->sum = v.value;
}

/* Welford, "Note on a method for calculating corrected sums of squares and products" (1962). */
struct variance_state {
    uint64_t count;
    double mean;
    double squares;
};

static void variance_add(void *state, struct sample v)
{
    struct variance_state *s = state;
    double delta = v.value - s->mean;

    s->count++;
    s->mean += delta / (double)s->count;
    s->squares += delta * (v.value - s->mean);
}

static double variance_value(const void *state, const struct window_plan *p)
{
    const struct variance_state *s = state;

    (void)p;
    return s->squares / (double)s->count;
}

static double deviation_value(const void *state, const struct window_plan *p)
{
    return sqrt(variance_value(state, p));
}

struct edge_state {
    uint64_t count;
    struct sample sample;
};

/* Of equal times the one that came first. */
static void first_add(void *state, struct sample v)
{
    struct edge_state *s = state;

    if (s->count++ == 0 || v.ts_ns < s->sample.ts_ns)
        s->sample = v;
}

static void last_add(void *state, struct sample v)
{
    struct edge_state *s = state;

    if (s->count++ == 0 || v.ts_ns >= s->sample.ts_ns)
        s->sample = v;
}

static double edge_value(const void *state, const struct window_plan *p)
{
    const struct edge_state *s = state;

    (void)p;
    return s->sample.value;
}

/* ---- operations that need the samples of a window, in order ---- */

struct window {
    const struct sample *samples;
    size_t count; /* >= 1 */
    int64_t begin_ns;
    int64_t end_ns;
};

static int compare_values(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    if (isnan(x) || isnan(y)) /* NaN first */
        return (isnan(y) != 0) - (isnan(x) != 0);
    return (x > y) - (x < y);
}

static double quantile(const struct window *w, const struct window_plan *p, double *room)
{
    double q = p->parameter;

    if (isnan(q))
        return (double)NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -(double)INFINITY : (double)INFINITY;
    for (size_t i = 0; i < w->count; i++)
        room[i] = w->samples[i].value;
    qsort(room, w->count, sizeof(*room), compare_values);

    double rank = q * (double)(w->count - 1);
    size_t low = (size_t)rank, high = MIN_OF(w->count - 1, low + 1);
    double weight = rank - (double)low;
    return room[low] * (1 - weight) + room[high] * weight;
}

static double seconds_between(int64_t begin_ns, int64_t end_ns)
{
    return (double)i64_sub_saturated(end_ns, begin_ns) / (double)SECOND_NS;
}

/* The growth of a counter that may be reset, extrapolated to the borders of the window. */
static double counter_rate(const struct window *w, const struct window_plan *p, double *room)
{
    const struct sample *first = &w->samples[0], *last = &w->samples[w->count - 1];
    double growth = last->value - first->value, before = 0;

    (void)room;
    if (w->count < 2)
        return 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->samples[i].value < before)
            growth += before;
        before = w->samples[i].value;
    }
    double to_start = seconds_between(w->begin_ns, first->ts_ns);
    double to_end = seconds_between(last->ts_ns, w->end_ns);
    double span = seconds_between(first->ts_ns, last->ts_ns);
    double average = span / (double)(w->count - 1);
    if (to_start >= average * 1.1)
        to_start = average / 2;
    if (growth > 0 && first->value >= 0)
        to_start = fmin(to_start, span * (first->value / growth));
    if (to_end >= average * 1.1)
        to_end = average / 2;
    return growth * ((span + to_start + to_end) / span) / range_seconds(p);
}

/* ---- the table ---- */

struct window_op {
    size_t state_bytes; /* each state begins with a count; 0: the samples are kept */
    bool differences;   /* the states are struct count_state */
    void (*add)(void *state, struct sample v);
    double (*value)(const void *state, const struct window_plan *p);
    double (*value_of)(const struct window *w, const struct window_plan *p, double *room);
};

#define COUNTING(value)                                     \
    {                                                       \
        sizeof(struct count_state), true, NULL, value, NULL \
    }
#define STATE(type, add, value)                      \
    {                                                \
        sizeof(struct type), false, add, value, NULL \
    }
#define SAMPLES(value_of)              \
    {                                  \
        0, false, NULL, NULL, value_of \
    }

/* clang-format off */
static const struct window_op ops[] = {
    [RANGE_OP_COUNT_OVER_TIME]    = COUNTING(count_value),
    [RANGE_OP_RATE]               = COUNTING(rate_value),
    [RANGE_OP_RATE_COUNTER]       = SAMPLES(counter_rate),
    [RANGE_OP_BYTES_OVER_TIME]    = COUNTING(length_value),
    [RANGE_OP_BYTES_RATE]         = COUNTING(length_rate_value),
    [RANGE_OP_AVG_OVER_TIME]      = STATE(sum_state, average_add, sum_value),
    [RANGE_OP_SUM_OVER_TIME]      = STATE(sum_state, sum_add, sum_value),
    [RANGE_OP_MIN_OVER_TIME]      = STATE(sum_state, min_add, sum_value),
    [RANGE_OP_MAX_OVER_TIME]      = STATE(sum_state, max_add, sum_value),
    [RANGE_OP_STDVAR_OVER_TIME]   = STATE(variance_state, variance_add, variance_value),
    [RANGE_OP_STDDEV_OVER_TIME]   = STATE(variance_state, variance_add, deviation_value),
    [RANGE_OP_QUANTILE_OVER_TIME] = SAMPLES(quantile),
    [RANGE_OP_FIRST_OVER_TIME]    = STATE(edge_state, first_add, edge_value),
    [RANGE_OP_LAST_OVER_TIME]     = STATE(edge_state, last_add, edge_value),
    [RANGE_OP_ABSENT_OVER_TIME]   = COUNTING(count_value),
};
/* clang-format on */

static const struct window_op unwrapped_rate = STATE(sum_state, sum_add, sum_rate_value);

const struct window_op *window_op_find(enum range_op op, bool has_unwrap)
{
    return op == RANGE_OP_RATE && has_unwrap ? &unwrapped_rate : &ops[op];
}

/* ---- adding ---- */

enum { PIECE_SAMPLES = 64 };

struct sample_piece {
    struct sample_piece *next;
    size_t count;
    struct sample samples[PIECE_SAMPLES];
};

static enum status keep_sample(struct window_list *w, struct arena *a, struct sample s)
{
    if (w->last == NULL || w->last->count == PIECE_SAMPLES) {
        struct sample_piece *piece = arena_new(a, struct sample_piece, 1);
        if (piece == NULL)
            return ST_LIMIT;
        if (w->last == NULL)
            w->first = piece;
        else
            w->last->next = piece;
        w->last = piece;
    }
    w->last->samples[w->last->count++] = s;
    w->sample_count++;
    return ST_OK;
}

bool window_counts(const struct window_plan *p)
{
    return p->op->differences;
}

enum status window_add(const struct window_plan *p, struct window_list *w,
                       const struct window_sample *s)
{
    const struct window_op *op = p->op;
    struct sample sample = {s->ts_ns, s->value};
    struct window_span span = s->span;

    ASSERT(span.first <= span.last && span.last < p->grid.steps);
    if (op->state_bytes == 0)
        return keep_sample(w, p->states, sample);
    if (w->states == NULL)
        w->states = arena_alloc(p->states, p->grid.steps + 1, op->state_bytes);
    if (w->states == NULL)
        return ST_LIMIT;
    if (op->differences) {
        struct count_state *states = w->states;
        states[span.first].count += s->count;
        states[span.first].sum += (int64_t)s->value;
        states[span.last + 1].count -= s->count;
        states[span.last + 1].sum -= (int64_t)s->value;
        return ST_OK;
    }
    char *state = (char *)w->states + span.first * op->state_bytes;
    for (size_t i = span.first; i <= span.last; i++, state += op->state_bytes)
        op->add(state, sample);
    return ST_OK;
}

/* ---- values ---- */

/* From differences to values. */
static void sum_up(struct count_state *states, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        states[i].count += states[i - 1].count;
        states[i].sum += states[i - 1].sum;
    }
}

static void values_of_states(const struct window_plan *p, struct window_list *w, double *values)
{
    const char *state = w->states;

    if (p->op->differences)
        sum_up(w->states, p->grid.steps);
    for (size_t i = 0; i < p->grid.steps; i++, state += p->op->state_bytes) {
        uint64_t count; /* the first member of every state */
        memcpy(&count, state, sizeof(count));
        values[i] = count == 0 ? value_absent() : p->op->value(state, p);
    }
}

static int compare_times(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;

    return (x->ts_ns > y->ts_ns) - (x->ts_ns < y->ts_ns);
}

/* All samples in order of time. */
static struct sample *collect_samples(const struct window_list *w, struct arena *scratch)
{
    struct sample *samples = arena_new(scratch, struct sample, w->sample_count);
    bool sorted = true;
    size_t count = 0;

    if (samples == NULL)
        return NULL;
    for (const struct sample_piece *p = w->first; p != NULL; p = p->next) {
        for (size_t i = 0; i < p->count; i++) {
            samples[count] = p->samples[i];
            sorted = sorted && (count == 0 || samples[count - 1].ts_ns <= samples[count].ts_ns);
            count++;
        }
    }
    if (!sorted)
        qsort(samples, count, sizeof(*samples), compare_times);
    return samples;
}

static enum status values_of_samples(const struct window_plan *p, const struct window_list *w,
                                     double *values, struct err *err)
{
    const struct window_grid *g = &p->grid;
    struct sample *samples = collect_samples(w, p->scratch);
    double *room = arena_new(p->scratch, double, w->sample_count);
    size_t begin = 0, end = 0;
    enum status st = ST_OK;

    if (samples == NULL || room == NULL)
        return arena_status(p->scratch, err);
    for (size_t i = 0; i < g->steps && st == ST_OK; i++) {
        int64_t end_ns = i64_sub_saturated(g->first_ns + (int64_t)i * g->step_ns, g->offset_ns);
        int64_t begin_ns = i64_sub_saturated(end_ns, g->range_ns);
        while (end < w->sample_count && samples[end].ts_ns <= end_ns)
            end++;
        while (begin < end && samples[begin].ts_ns <= begin_ns)
            begin++;
        struct window window = {samples + begin, end - begin, begin_ns, end_ns};
        values[i] = window.count == 0 ? value_absent() : p->op->value_of(&window, p, room);
        st = query_check(p->q, err);
    }
    return st;
}

enum status window_values(const struct window_plan *p, struct window_list *w, double *values,
                          struct err *err)
{
    if (w->states == NULL && w->first == NULL) {
        for (size_t i = 0; i < p->grid.steps; i++)
            values[i] = value_absent();
        return ST_OK;
    }
    if (p->op->state_bytes > 0) {
        values_of_states(p, w, values);
        return query_check(p->q, err);
    }
    arena_reset(p->scratch);
    return values_of_samples(p, w, values, err);
}
