/*
 * window.h - the samples of one series in the windows of a query: one state for each step.
 *
 * The window of a step at time T is (T - offset - range, T - offset]. Samples come in any order and
 * each goes at once into every window it lies in, so memory follows from the number of steps, not
 * of samples. Two operations cannot do that, quantile_over_time and rate_counter: they need the
 * samples themselves, in order, and keep 16 bytes for each.
 */
#ifndef QUERY_WINDOW_H
#define QUERY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "query/ast.h"
#include "query/context.h"
#include "query/result.h"

/* The steps of a query, and what one range aggregation looks at behind each. */
struct window_grid {
    int64_t first_ns; /* of the steps */
    int64_t step_ns;  /* > 0 */
    size_t steps;     /* >= 1 */
    int64_t range_ns; /* >= 0 */
    int64_t offset_ns;
};

struct window_span {
    size_t first; /* step, */
    size_t last;  /* both inclusive */
};

/* The steps that have `ts_ns` in their windows; false: none has. */
bool window_steps(const struct window_grid *g, int64_t ts_ns, struct window_span *ret_span);

/* A time not before `ts_ns` up to which everything lies in the same windows, or in none. */
int64_t window_same_until(const struct window_grid *g, int64_t ts_ns);

struct window_op;

/* How `op` goes about it. */
const struct window_op *window_op_find(enum range_op op, bool has_unwrap);

/* What is the same for all series of an aggregation. */
struct window_plan {
    const struct window_op *op;
    struct window_grid grid;
    double parameter;      /* of quantile_over_time */
    struct arena *states;  /* lives until the values are read */
    struct arena *scratch; /* for window_values(), which empties it first */
    const struct query_context *q;
};

/* Do only the number and the sum of samples count? Then any number of them may be added at once. */
bool window_counts(const struct window_plan *p);

/* A sample; or, where only number and sum count, several that lie in the same windows. */
struct window_sample {
    struct window_span span;
    int64_t ts_ns;
    double value;
    uint32_t count;
};

struct sample_piece;

/* The windows of one series; a zeroed one is empty. */
struct window_list {
    void *states;               /* one a step, of the operation's own type */
    struct sample_piece *first; /* or the samples */
    struct sample_piece *last;
    size_t sample_count;
};

/* Add a sample, whose steps window_steps() has found. ST_LIMIT: the arena is full. */
MUST_CHECK enum status window_add(const struct window_plan *p, struct window_list *w,
                                  const struct window_sample *s);

/*
 * The value at each step, absent where the window is empty, into `values`; the list is used up.
 *
 * ST_LIMIT  the arena is full          ST_TIMEOUT, ST_CANCELLED  the end of the query
 */
MUST_CHECK enum status window_values(const struct window_plan *p, struct window_list *w,
                                     double *values, struct err *err);

#endif
