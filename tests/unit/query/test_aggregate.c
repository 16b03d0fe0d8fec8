#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/time.h"
#include "tests/support/matrix_text.h"

#define C "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p2\", svc=\"web\"} 3 ; {pod=\"p3\", svc=\"db\"} 2"

static const struct aggregate_case {
    const char *name;
    const char *query;
    const char *in;
    const char *want;
} aggregate_cases[] = {
    {"VB02", "sum(@)", C, "{} 11"},
    {"VB03", "sum by (svc) (@)", C, "{svc=\"db\"} 2 ; {svc=\"web\"} 9"},
    {"VB04", "sum without (pod) (@)", C, "{svc=\"db\"} 2 ; {svc=\"web\"} 9"},
    {"VB05", "sum by (zz) (@)", C, "{} 11"},
    {"VB06", "avg by (svc) (@)", C, "{svc=\"db\"} 2 ; {svc=\"web\"} 4.5"},
    {"VB07", "min(@)", C, "{} 2"},
    {"VB08", "max by (svc) (@)", C, "{svc=\"db\"} 2 ; {svc=\"web\"} 6"},
    {"VB09", "count(@)", C, "{} 3"},
    {"VB10", "stddev by (svc) (@)", C, "{svc=\"db\"} 0 ; {svc=\"web\"} 1.5"},
    {"VB11", "stdvar by (svc) (@)", C, "{svc=\"db\"} 0 ; {svc=\"web\"} 2.25"},
    {"VB12", "topk(2, @)", C, "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p2\", svc=\"web\"} 3"},
    {"VB13", "topk by (svc) (1, @)", C, "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p3\", svc=\"db\"} 2"},
    {"VB14", "bottomk(1, @)", C, "{pod=\"p3\", svc=\"db\"} 2"},
    {"VB15", "topk(9, @)", C, C},
    {"VB16", "sort(@)", C,
     "ordered: {pod=\"p3\", svc=\"db\"} 2 ; {pod=\"p2\", svc=\"web\"} 3 ; {pod=\"p1\", "
     "svc=\"web\"} 6"},
    {"VB17", "sort_desc(@)", C, "ordered: " C},
    {"VB19", "max(@)", "{svc=\"web\"} 9 ; {svc=\"db\"} 2", "{} 9"},
    {"VB59", "sum(vector(4))", "{} 4", "{} 4"},
    {"VB64", "sum(@)", "{a=\"1\"} _ 2 4 6 ; {a=\"2\"} _ 1 2 3 ; {a=\"3\"} _ 1 2 2", "{} _ 4 8 11"},
    {"VB65", "topk(1, @)", "{a=\"1\"} _ 2 4 6 ; {a=\"2\"} _ 1 2 3", "{a=\"1\"} _ 2 4 6"},

    {"nothing gives nothing", "sum(@)", "", ""},
    {"count of nothing", "count(@)", "", ""},
    {"topk of nothing", "topk(1, @)", "", ""},
    {"sort of nothing", "sort(@)", "", "ordered: "},
    {"step without samples", "count(@)", "{a=\"1\"} 5 _ ; {a=\"2\"} 5 _", "{} 2 _"},
    {"group that begins later", "avg(@)", "{a=\"1\"} _ 4 _ ; {a=\"2\"} 1 8 3", "{} 1 6 3"},
    {"deviation that begins later", "stdvar(@)", "{a=\"1\"} _ 4 ; {a=\"2\"} 9 8", "{} 0 4"},
    {"count that begins later", "count(@)", "{a=\"1\"} _ 4 ; {a=\"2\"} 9 8", "{} 1 2"},
    {"without keeps all labels", "sum without () (@)", "{a=\"1\"} 1 ; {a=\"2\"} 2",
     "{a=\"1\"} 1 ; {a=\"2\"} 2"},
    {"without drops the metric name", "sum without (a) (@)", "{__name__=\"n\", a=\"1\", b=\"2\"} 1",
     "{b=\"2\"} 1"},
    {"by the metric name", "sum by (__name__) (@)", "{__name__=\"n\", a=\"1\"} 1",
     "{__name__=\"n\"} 1"},
    {"by a label that some have", "sum by (a) (@)", "{a=\"1\", b=\"1\"} 1 ; {b=\"1\"} 2",
     "{} 2 ; {a=\"1\"} 1"},
    {"by a name twice", "sum by (a, a) (@)", "{a=\"1\", b=\"1\"} 1", "{a=\"1\"} 1"},
    {"an empty label is one", "sum by (a) (@)", "{a=\"EMPTY\"} 1 ; {b=\"1\"} 2",
     "{} 2 ; {a=\"\"} 1"},
    {"the same labels twice", "sum by (a) (@)", "{a=\"1\"} 1 ; {a=\"1\"} 2", "{a=\"1\"} 3"},
    {"names and values do not run together", "count by (a, b) (@)",
     "{a=\"1b\"} 1 ; {a=\"1\", b=\"b\"} 2", "{a=\"1\", b=\"b\"} 1 ; {a=\"1b\"} 1"},

    {"sum of NaN", "sum(@)", "{a=\"1\"} 1 ; {a=\"2\"} NaN", "{} NaN"},
    {"sum of infinities", "sum(@)", "{a=\"1\"} Inf Inf ; {a=\"2\"} -Inf 1", "{} NaN +Inf"},
    {"min passes over NaN", "min(@)", "{a=\"1\"} NaN 2 NaN ; {a=\"2\"} 1 NaN NaN", "{} 1 2 NaN"},
    {"max passes over NaN", "max(@)", "{a=\"1\"} NaN 2 NaN ; {a=\"2\"} 1 NaN NaN", "{} 1 2 NaN"},
    {"count counts NaN", "count(@)", "{a=\"1\"} NaN ; {a=\"2\"} 1", "{} 2"},
    {"infinite mean stays", "avg(@)",
     "{a=\"1\"} Inf 1 -Inf ; {a=\"2\"} 1 Inf -Inf ; {a=\"3\"} 2 3 4", "{} +Inf +Inf -Inf"},
    {"mean of both infinities", "avg(@)", "{a=\"1\"} Inf Inf ; {a=\"2\"} -Inf NaN", "{} NaN NaN"},
    {"deviation of what is not finite", "stddev(@)", "{a=\"1\"} NaN Inf 1 ; {a=\"2\"} _ _ Inf",
     "{} NaN NaN NaN"},

    {"topk chooses at each step", "topk(1, @)", "{a=\"1\"} 1 5 _ ; {a=\"2\"} 3 2 _",
     "{a=\"1\"} _ 5 _ ; {a=\"2\"} 3 _ _"},
    {"bottomk chooses at each step", "bottomk(1, @)", "{a=\"1\"} 1 5 ; {a=\"2\"} 3 2",
     "{a=\"1\"} 1 _ ; {a=\"2\"} _ 2"},
    {"topk takes numbers first", "topk(1, @)", "{a=\"1\"} NaN ; {a=\"2\"} -Inf", "{a=\"2\"} -Inf"},
    {"bottomk takes numbers first", "bottomk(1, @)", "{a=\"1\"} NaN ; {a=\"2\"} Inf",
     "{a=\"2\"} +Inf"},
    {"topk takes NaN if it must", "topk(2, @)", "{a=\"1\"} NaN ; {a=\"2\"} NaN ; {a=\"3\"} 1",
     "{a=\"1\"} NaN ; {a=\"3\"} 1"},
    {"lower labels win ties", "topk(2, @)", "{a=\"3\"} 1 ; {a=\"1\"} 1 ; {a=\"2\"} 1",
     "{a=\"1\"} 1 ; {a=\"2\"} 1"},
    {"and with bottomk", "bottomk(2, @)", "{a=\"3\"} 1 ; {a=\"1\"} 1 ; {a=\"2\"} 1",
     "{a=\"1\"} 1 ; {a=\"2\"} 1"},
    {"three of seven", "topk(3, @)",
     "{a=\"1\"} 4 ; {a=\"2\"} 7 ; {a=\"3\"} 1 ; {a=\"4\"} 6 ; {a=\"5\"} 3 ; {a=\"6\"} 5 ; "
     "{a=\"7\"} 2",
     "{a=\"2\"} 7 ; {a=\"4\"} 6 ; {a=\"6\"} 5"},
    {"groups that are mixed", "topk by (b) (1, @)",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"2\", b=\"2\"} 5 ; {a=\"3\", b=\"1\"} 2 ; {a=\"4\", b=\"2\"} 4",
     "{a=\"2\", b=\"2\"} 5 ; {a=\"3\", b=\"1\"} 2"},
    {"topk without", "topk without (a) (1, @)",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"2\", b=\"1\"} 5 ; {a=\"1\", b=\"2\"} 2",
     "{a=\"1\", b=\"2\"} 2 ; {a=\"2\", b=\"1\"} 5"},
    {"the same labels in topk", "topk(1, @)", "{a=\"1\"} 1 ; {a=\"1\"} 2", "{a=\"1\"} 2"},
    {"huge k", "topk(9223372036854775807, @)", "{a=\"1\"} 1 ; {a=\"2\"} 2",
     "{a=\"1\"} 1 ; {a=\"2\"} 2"},
    {"huge k of bottomk", "bottomk(9223372036854775807, @)", "{a=\"1\"} 1", "{a=\"1\"} 1"},
    {"approx_topk is exact", "approx_topk(1, @)", "{a=\"1\"} 1 ; {a=\"2\"} 2", "{a=\"2\"} 2"},

    {"sort has NaN last", "sort(@)", "{a=\"1\"} NaN ; {a=\"2\"} Inf ; {a=\"3\"} -Inf",
     "ordered: {a=\"3\"} -Inf ; {a=\"2\"} +Inf ; {a=\"1\"} NaN"},
    {"sort_desc has NaN last", "sort_desc(@)", "{a=\"1\"} NaN ; {a=\"2\"} 1 ; {a=\"3\"} 2",
     "ordered: {a=\"3\"} 2 ; {a=\"2\"} 1 ; {a=\"1\"} NaN"},
    {"sort orders ties by labels", "sort_desc(@)", "{a=\"2\"} 1 ; {a=\"1\"} 1",
     "ordered: {a=\"1\"} 1 ; {a=\"2\"} 1"},
    {"sort leaves out what is not there", "sort(@)", "{a=\"2\"} _ ; {a=\"1\"} 1",
     "ordered: {a=\"1\"} 1"},
    {"topk of what is sorted", "topk(2, @)", "ordered: {a=\"1\"} 1 ; {a=\"3\"} 2 ; {a=\"2\"} 3",
     "ordered: {a=\"2\"} 3 ; {a=\"3\"} 2"},
    {"bottomk of what is sorted", "bottomk(2, @)",
     "ordered: {a=\"1\"} 2 ; {a=\"3\"} 1 ; {a=\"2\"} 3", "ordered: {a=\"3\"} 1 ; {a=\"1\"} 2"},
    {"sum of what is sorted", "sum by (a) (@)", "ordered: {a=\"2\"} 2 ; {a=\"1\"} 1",
     "{a=\"1\"} 1 ; {a=\"2\"} 2"},
    {"sort of a range", "sort(@)", "{a=\"2\"} 1 3 ; {a=\"1\"} 2 1",
     "{a=\"1\"} 2 1 ; {a=\"2\"} 1 3"},
};

Test(aggregate, operations)
{
    for (size_t i = 0; i < COUNT_OF(aggregate_cases); i++) {
        const struct aggregate_case *c = &aggregate_cases[i];
        struct buf out;

        buf_init(&out, MIB);
        matrix_operate(&out, c->query, c->in, "");

        cr_expect(str_eq(buf_str(&out), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

/* The sum would be too large for a number, the mean is not. */
Test(aggregate, mean_of_large)
{
    struct arena a;
    struct query_context q = {.arena = &a, .deadline_ns = time_mono_ns() + MINUTE_NS};
    struct matrix m;

    arena_init(&a, MIB);
    m = matrix_read(&a, "{a=\"1\"} 1e308 ; {a=\"2\"} 1e308", 1);
    cr_assert_eq(matrix_aggregate(&q, matrix_query(&a, "avg(@)"), m, &m, NULL), ST_OK);

    cr_assert_eq(m.count, 1);
    cr_expect_eq(m.series[0].values[0], 1e308);
    arena_release(&a);
}
