#include "query/matrix.h"

#include <math.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/time.h"
#include "query/label_index.h"
#include "query/matrix_internal.h"
#include "tests/support/matrix_text.h"

Test(matrix, absent_is_no_number)
{
    double absent = value_absent(), zero = 0;

    cr_expect(value_is_absent(absent));
    cr_expect(isnan(absent));
    cr_expect_not(value_is_absent(NAN));
    cr_expect_not(value_is_absent(-NAN));
    cr_expect_not(value_is_absent(zero / zero));
    cr_expect_not(value_is_absent(INFINITY - INFINITY));
    cr_expect_not(value_is_absent(sqrt(-1)));
    cr_expect_not(value_is_absent(0));
    cr_expect_not(value_is_absent(INFINITY));
}

Test(matrix, order_of_labels)
{
    struct arena a;
    struct buf out;

    arena_init(&a, MIB);
    buf_init(&out, MIB);
    struct matrix m = matrix_read(&a,
                                  "{b=\"1\"} 1 ; {a=\"2\"} 2 ; {a=\"10\", b=\"1\"} 3 ; {} 4 ; "
                                  "{a=\"10\"} 5 ; {a=\"1\", c=\"1\"} 6 ; {a=\"1\", b=\"9\"} 7",
                                  1);
    matrix_sort_by_labels(&m);
    m.ordered = true; /* or the order would be made when it is written */
    matrix_put(&out, m);

    cr_expect(str_eq(buf_str(&out),
                     STR("ordered: {} 4 ; {a=\"1\", b=\"9\"} 7 ; {a=\"1\", c=\"1\"} 6 ; "
                         "{a=\"10\"} 5 ; {a=\"10\", b=\"1\"} 3 ; {a=\"2\"} 2 ; {b=\"1\"} 1")),
              "%.*s", STR_ARG(buf_str(&out)));
    buf_release(&out);
    arena_release(&a);
}

static const struct group_case {
    const char *query;
    const char *labels;
    const char *want;
} group_cases[] = {
    {"sum(@)", "{a=\"1\"}", "{}"},
    {"sum by (b, a) (@)", "{a=\"1\", b=\"2\", c=\"3\"}", "{a=\"1\", b=\"2\"}"},
    {"sum by (z) (@)", "{a=\"1\"}", "{}"},
    {"sum by (a) (@)", "{}", "{}"},
    {"sum by (a) (@)", "{a=\"EMPTY\"}", "{a=\"\"}"},
    {"sum without (b) (@)", "{a=\"1\", b=\"2\", c=\"3\"}", "{a=\"1\", c=\"3\"}"},
    {"sum without () (@)", "{__name__=\"n\", a=\"1\"}", "{a=\"1\"}"},
};

Test(matrix, groups)
{
    for (size_t i = 0; i < COUNT_OF(group_cases); i++) {
        const struct group_case *c = &group_cases[i];
        struct arena a;
        struct labels l;
        struct buf out;

        arena_init(&a, MIB);
        buf_init(&out, MIB);
        buf_printf(&out, "%s 1", c->labels);
        buf_put_u8(&out, 0);
        struct matrix m = matrix_read(&a, out.ptr, 1);
        const struct expr *e = matrix_query(&a, c->query);
        cr_assert_eq(
            labels_group(&a, &e->vector_aggregation.grouping, m.series[0].labels, &l, NULL), ST_OK);
        buf_reset(&out);
        labels_put_text(&out, l);

        cr_expect(str_eq(buf_str(&out), str_from(c->want)), "%s of %s: %.*s", c->query, c->labels,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
        arena_release(&a);
    }
}

/* ---- large matrices ---- */

enum { MANY = 2000, ARENA_BYTES = 64 * 1024 * 1024 };

/* Series {n="..."} of `steps` values, each its number. */
static struct matrix many_series(struct arena *a, size_t count, size_t steps)
{
    struct matrix m = {.count = count, .steps = steps};

    m.series = arena_new(a, struct matrix_series, count);
    for (size_t i = 0; i < count; i++) {
        struct label *pair = arena_new(a, struct label, 1);
        *pair = (struct label){STR("n"), arena_printf(a, "%05zu", i)};
        m.series[i].labels = (struct labels){pair, 1};
        m.series[i].values = arena_new(a, double, steps);
        for (size_t step = 0; step < steps; step++)
            m.series[i].values[step] = (double)i;
    }
    return m;
}

/* Operations that must look up whether they may go on, and that need memory of their own. */
static const char *const operations[] = {
    "sum by (n) (@)",
    "stddev by (n) (@)",
    "topk(3, @)",
    "bottomk without () (1, @)",
    "@ + 1",
    "@ + @",
    "@ > on(n) group_left(x) @",
    "@ and @",
    "@ or @",
    "label_replace(@, \"x\", \"$1\", \"n\", \"(.*)\")",
};

struct limits {
    int64_t deadline_ns;
    bool cancelled;
    size_t left_bytes; /* that the operation may take; 0: as many as it wants */
};

static enum status operate_on_many(const char *query, struct limits limits)
{
    struct arena a;
    struct flag cancelled = {0};
    struct query_context q = {
        .arena = &a, .deadline_ns = limits.deadline_ns, .cancelled = &cancelled};
    struct matrix result;

    if (limits.cancelled)
        flag_set(&cancelled);
    arena_init(&a, ARENA_BYTES);
    const struct expr *e = matrix_query(&a, query);
    struct matrix left = many_series(&a, MANY, 100);
    struct matrix right = many_series(&a, MANY, 100);
    if (e->kind == EXPR_BINARY && e->binary.right->kind == EXPR_LITERAL) {
        right = many_series(&a, 1, 100);
        right.is_scalar = true;
    }
    if (limits.left_bytes > 0)
        a.max_bytes = a.used_bytes + limits.left_bytes;
    enum status st = matrix_apply(&q, e, left, right, &result, NULL);
    arena_release(&a);
    return st;
}

Test(matrix, limits)
{
    int64_t later_ns = time_mono_ns() + MINUTE_NS;

    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        const char *query = operations[i];
        cr_expect_eq(operate_on_many(query, (struct limits){later_ns, false, 0}), ST_OK, "%s",
                     query);
        cr_expect_eq(operate_on_many(query, (struct limits){0, false, 0}), ST_TIMEOUT, "%s", query);
        cr_expect_eq(operate_on_many(query, (struct limits){later_ns, true, 0}), ST_CANCELLED, "%s",
                     query);
    }
}

/* Whatever the budget: an operation ends well or with ST_LIMIT. */
Test(matrix, budgets)
{
    enum { SMALL_BYTES = 2 * 1024 * 1024, STEP_BYTES = 64 * 1024 };
    int64_t later_ns = time_mono_ns() + MINUTE_NS;

    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        for (size_t bytes = 1; bytes < SMALL_BYTES; bytes += STEP_BYTES) {
            enum status st =
                operate_on_many(operations[i], (struct limits){later_ns, false, bytes});
            cr_expect(st == ST_OK || st == ST_LIMIT, "%s in %zu bytes: %s", operations[i], bytes,
                      status_name(st));
        }
    }
}

Test(matrix, topk_of_many)
{
    struct arena a;
    struct query_context q = {.arena = &a, .deadline_ns = time_mono_ns() + MINUTE_NS};
    struct matrix m;

    arena_init(&a, ARENA_BYTES);
    m = many_series(&a, MANY, 3);
    for (size_t i = 0; i < MANY; i++)
        m.series[i].values[1] = (double)(i * 7919 % MANY); /* each number once, in disorder */
    cr_assert_eq(matrix_aggregate(&q, matrix_query(&a, "topk(10, @)"), m, &m, NULL), ST_OK);

    size_t samples[3] = {0};
    for (size_t i = 0; i < m.count; i++) {
        for (size_t step = 0; step < m.steps; step++) {
            double v = m.series[i].values[step];
            if (value_is_absent(v))
                continue;
            samples[step]++;
            cr_expect_geq(v, MANY - 10);
        }
    }
    for (size_t step = 0; step < m.steps; step++)
        cr_expect_eq(samples[step], 10);
    arena_release(&a);
}

/* ---- numbers of label sets ---- */

Test(matrix, label_index)
{
    struct arena a;
    struct label_index x;
    size_t number;

    arena_init(&a, ARENA_BYTES);
    struct matrix m = many_series(&a, MANY, 1);
    label_index_init(&x, &a);
    for (size_t i = 0; i < 2 * MANY; i++) {
        cr_assert_eq(label_index_add(&x, m.series[i % MANY].labels, &number, NULL), ST_OK);
        cr_assert_eq(number, i % MANY);
    }
    cr_assert_eq(x.count, MANY);
    cr_assert_eq(label_index_find(&x, m.series[7].labels, &number, NULL), ST_OK);
    cr_assert_eq(number, 7);
    cr_assert_eq(label_index_find(&x, (struct labels){NULL, 0}, &number, NULL), ST_OK);
    cr_assert_eq(number, LABEL_INDEX_NONE);
    cr_assert_eq(label_index_add(&x, (struct labels){NULL, 0}, &number, NULL), ST_OK);
    cr_assert_eq(number, MANY);
    label_index_release(&x);
    arena_release(&a);
}
