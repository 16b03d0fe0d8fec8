#include <math.h>

#include <criterion/criterion.h>

#include "base/defs.h"
#include "base/num.h"
#include "base/time.h"
#include "query/matrix.h"
#include "query/window.h"
#include "tests/support/random.h"

enum { MEMORY_BYTES = 1024 * 1024, TEXT_BYTES = 4096, STEPS_MAX = 16 };

Test(window, steps_of_a_time)
{
    static const struct {
        int64_t range_ns, offset_ns, ts_ns;
        int first, last; /* -1: none */
    } cases[] = {
        /* steps at 100, 110, 120, 130; the window is (T - offset - range, T - offset] */
        {10, 0, 100, 0, 0},
        {10, 0, 101, 1, 1},
        {10, 0, 110, 1, 1},
        {10, 0, 90, -1, -1},
        {10, 0, 91, 0, 0},
        {10, 0, 130, 3, 3},
        {10, 0, 131, -1, -1},
        {25, 0, 100, 0, 2},
        {25, 0, 105, 1, 2},
        {25, 0, 76, 0, 0},
        {25, 0, 75, -1, -1},
        {5, 0, 101, -1, -1},
        {5, 0, 106, 1, 1},
        {10, 20, 100, 2, 2},
        {10, -20, 131, 2, 2},
        {0, 0, 100, -1, -1},
        {1000, 0, -800, 0, 3},
        {INT64_MAX, 0, INT64_MIN, -1, -1},
        {INT64_MAX, 0, 0, 0, 3},
        {10, INT64_MAX, INT64_MAX, -1, -1},
        {10, INT64_MIN, INT64_MIN, -1, -1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct window_grid g = {100, 10, 4, cases[i].range_ns, cases[i].offset_ns};
        struct window_span span = {99, 99};
        bool any = window_steps(&g, cases[i].ts_ns, &span);

        cr_expect_eq(any, cases[i].first >= 0, "case %zu", i);
        if (any && cases[i].first >= 0) {
            cr_expect_eq((int)span.first, cases[i].first, "case %zu: first %zu", i, span.first);
            cr_expect_eq((int)span.last, cases[i].last, "case %zu: last %zu", i, span.last);
        }
    }
}

/* Everything up to window_same_until() lies where the time itself does, and not all of it is near.
 */
Test(window, times_in_the_same_windows)
{
    struct random r = random_begin();

    for (int round = 0; round < 2000; round++) {
        struct window_grid g = {
            .first_ns = (int64_t)random_below(&r, 50),
            .step_ns = 1 + (int64_t)random_below(&r, 12),
            .steps = 1 + random_below(&r, 5),
            .range_ns = (int64_t)random_below(&r, 40),
            .offset_ns = (int64_t)random_below(&r, 20) - 10,
        };
        for (int64_t ts_ns = -60, until_ns; ts_ns < 150; ts_ns = until_ns + 1) {
            struct window_span at = {99, 99}, later = {99, 99};
            until_ns = window_same_until(&g, ts_ns);
            cr_assert_geq(until_ns, ts_ns, "seed %" PRIu64, r.seed);
            bool any = window_steps(&g, ts_ns, &at);
            for (int64_t t = ts_ns; t <= MIN_OF(until_ns, 200); t++)
                cr_assert(window_steps(&g, t, &later) == any && later.first == at.first &&
                              later.last == at.last,
                          "seed %" PRIu64, r.seed);
        }
    }
    const struct window_grid instant = {1000, 1, 1, 500, 0};
    cr_expect_eq(window_same_until(&instant, 501), 1000, "the whole window at once");
    cr_expect_leq(window_same_until(&instant, INT64_MIN), 500);
    cr_expect_eq(window_same_until(&instant, INT64_MAX), INT64_MAX);
}

/* Samples are "seconds=value"; steps are 10 s, 20 s, 30 s. The values, `_` where there is none. */
static const struct value_case {
    enum range_op op;
    bool has_unwrap;
    double parameter;
    int range_s;
    struct sample samples[6];
    size_t count;
    const char *want;
} value_cases[] = {
    {RANGE_OP_COUNT_OVER_TIME, false, 0, 10, {{5, 1}, {10, 1}, {25, 1}}, 3, "2 _ 1"},
    {RANGE_OP_COUNT_OVER_TIME, false, 0, 20, {{5, 1}, {10, 1}, {25, 1}}, 3, "2 2 1"},
    {RANGE_OP_RATE, false, 0, 10, {{5, 1}, {10, 1}, {25, 1}}, 3, "0.2 _ 0.1"},
    {RANGE_OP_RATE, true, 0, 10, {{5, 3}, {10, 4}}, 2, "0.7 _ _"},
    {RANGE_OP_BYTES_OVER_TIME, false, 0, 10, {{5, 0}, {15, 7}, {16, 8}}, 3, "0 15 _"},
    {RANGE_OP_BYTES_RATE, false, 0, 10, {{15, 7}, {16, 8}}, 2, "_ 1.5 _"},
    {RANGE_OP_SUM_OVER_TIME,
     true,
     0,
     20,
     {{5, 0.1}, {15, 0.2}, {25, -1}},
     3,
     "0.1 0.30000000000000004 -0.8"},
    {RANGE_OP_AVG_OVER_TIME, true, 0, 30, {{5, 1}, {6, 2}, {25, 6}}, 3, "1.5 1.5 3"},
    {RANGE_OP_MIN_OVER_TIME, true, 0, 10, {{5, 2}, {6, 1}, {15, 4}}, 3, "1 4 _"},
    {RANGE_OP_MAX_OVER_TIME, true, 0, 10, {{5, 2}, {6, 1}, {15, 4}}, 3, "2 4 _"},
    {RANGE_OP_STDVAR_OVER_TIME, true, 0, 10, {{5, 2}, {6, 4}, {15, 4}}, 3, "1 0 _"},
    {RANGE_OP_STDDEV_OVER_TIME, true, 0, 10, {{5, 2}, {6, 6}}, 2, "2 _ _"},
    {RANGE_OP_FIRST_OVER_TIME, true, 0, 10, {{6, 2}, {5, 7}, {5, 8}}, 3, "7 _ _"},
    {RANGE_OP_LAST_OVER_TIME, true, 0, 10, {{6, 2}, {6, 3}, {5, 7}}, 3, "3 _ _"},
    {RANGE_OP_QUANTILE_OVER_TIME, true, 0.5, 20, {{9, 4}, {5, 1}, {15, 2}}, 3, "2.5 2 2"},
    {RANGE_OP_QUANTILE_OVER_TIME, true, 2, 10, {{9, 4}}, 1, "+Inf _ _"},
    {RANGE_OP_RATE_COUNTER, true, 0, 10, {{2, 10}, {8, 40}, {15, 5}}, 3, "5 0 _"},
    {RANGE_OP_ABSENT_OVER_TIME, false, 0, 10, {{2, 1}}, 1, "1 _ _"},
};

static enum status add(const struct window_plan *p, struct window_list *w, struct sample s)
{
    struct window_sample sample = {.ts_ns = s.ts_ns, .value = s.value, .count = 1};

    return window_steps(&p->grid, s.ts_ns, &sample.span) ? window_add(p, w, &sample) : ST_OK;
}

static void print_values(struct buf *b, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(b, ' ');
        if (value_is_absent(values[i]))
            buf_put_char(b, '_');
        else
            num_put_double(b, values[i]);
    }
}

Test(window, values)
{
    for (size_t i = 0; i < COUNT_OF(value_cases); i++) {
        const struct value_case *c = &value_cases[i];
        struct arena states, scratch;
        struct query_context q = {.deadline_ns = INT64_MAX};
        struct window_plan plan = {
            .op = window_op_find(c->op, c->has_unwrap),
            .grid = {10 * SECOND_NS, 10 * SECOND_NS, 3, c->range_s * SECOND_NS, 0},
            .parameter = c->parameter,
            .states = &states,
            .scratch = &scratch,
            .q = &q,
        };
        struct window_list windows = {0};
        double values[STEPS_MAX];
        struct buf text;

        arena_init(&states, MEMORY_BYTES);
        arena_init(&scratch, MEMORY_BYTES);
        buf_init(&text, TEXT_BYTES);
        for (size_t j = 0; j < c->count; j++) {
            struct sample s = {c->samples[j].ts_ns * SECOND_NS, c->samples[j].value};
            cr_assert_eq(add(&plan, &windows, s), ST_OK);
        }
        cr_assert_eq(window_values(&plan, &windows, values, NULL), ST_OK);
        print_values(&text, values, plan.grid.steps);
        cr_expect(str_eq(buf_str(&text), str_from(c->want)), "case %zu: got %.*s, want %s", i,
                  STR_ARG(buf_str(&text)), c->want);
        buf_release(&text);
        arena_release(&states);
        arena_release(&scratch);
    }
}

Test(window, several_entries_at_once)
{
    struct arena states;
    struct query_context q = {.deadline_ns = INT64_MAX};
    struct window_plan plan = {.op = window_op_find(RANGE_OP_COUNT_OVER_TIME, false),
                               .grid = {10, 10, 2, 20, 0},
                               .states = &states,
                               .q = &q};
    struct window_list windows = {0};
    struct window_sample many = {.span = {0, 1}, .ts_ns = 5, .value = 7, .count = 7};
    double values[2];

    arena_init(&states, MEMORY_BYTES);
    cr_expect(window_counts(&plan));
    cr_assert_eq(window_add(&plan, &windows, &many), ST_OK);
    cr_assert_eq(add(&plan, &windows, (struct sample){15, 1}), ST_OK);
    cr_assert_eq(window_values(&plan, &windows, values, NULL), ST_OK);
    cr_expect(values[0] == 7 && values[1] == 8, "%g %g", values[0], values[1]);
    plan.op = window_op_find(RANGE_OP_MAX_OVER_TIME, true);
    cr_expect_not(window_counts(&plan));
    arena_release(&states);
}

Test(window, infinite_means_stay)
{
    static const struct {
        double samples[3];
        const char *want;
    } cases[] = {
        {{INFINITY, 5, INFINITY}, "+Inf"},
        {{INFINITY, -INFINITY, 1}, "NaN"},
        {{-INFINITY, 5, 6}, "-Inf"},
        {{NAN, 5, 6}, "NaN"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena states;
        struct query_context q = {.deadline_ns = INT64_MAX};
        struct window_plan plan = {.op = window_op_find(RANGE_OP_AVG_OVER_TIME, true),
                                   .grid = {10, 1, 1, 10, 0},
                                   .states = &states,
                                   .q = &q};
        struct window_list windows = {0};
        double value;
        struct buf text;

        arena_init(&states, MEMORY_BYTES);
        buf_init(&text, TEXT_BYTES);
        for (int j = 0; j < 3; j++)
            cr_assert_eq(add(&plan, &windows, (struct sample){j + 1, cases[i].samples[j]}), ST_OK);
        cr_assert_eq(window_values(&plan, &windows, &value, NULL), ST_OK);
        print_values(&text, &value, 1);
        cr_expect(str_eq(buf_str(&text), str_from(cases[i].want)), "case %zu: %.*s", i,
                  STR_ARG(buf_str(&text)));
        buf_release(&text);
        arena_release(&states);
    }
}

/* The ends of windows that lie behind the last time there is. */
Test(window, far_away)
{
    const int64_t unit = INT64_C(1000000000000000000);
    struct arena states, scratch;
    struct query_context q = {.deadline_ns = INT64_MAX};
    struct window_plan plan = {.op = window_op_find(RANGE_OP_QUANTILE_OVER_TIME, true),
                               .grid = {unit + unit / 2, 1, 1, INT64_MAX, -8 * unit},
                               .parameter = 1,
                               .states = &states,
                               .scratch = &scratch,
                               .q = &q};
    struct window_list windows = {0};
    double value;

    arena_init(&states, MEMORY_BYTES);
    arena_init(&scratch, MEMORY_BYTES);
    cr_assert_eq(add(&plan, &windows, (struct sample){unit, 5}), ST_OK);
    cr_assert_eq(window_values(&plan, &windows, &value, NULL), ST_OK);
    cr_expect(value == 5, "%f", value);
    arena_release(&states);
    arena_release(&scratch);
}
