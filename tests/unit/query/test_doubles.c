#include <stdio.h>

#include <criterion/criterion.h>

#include "base/defs.h"
#include "query/doubles.h"

enum { MEMORY_BYTES = 1024 * 1024 };

static struct source_run run_of(int64_t min_ns, int64_t max_ns)
{
    return (struct source_run){.min_ns = min_ns, .max_ns = max_ns};
}

Test(doubles, only_overlaps_are_looked_at)
{
    struct source_run runs[] = {run_of(50, 60), run_of(0, 100), run_of(55, 70), run_of(200, 300),
                                run_of(300, 310)};
    static const struct {
        int64_t min_ns, max_ns;
        bool possible;
    } cases[] = {
        {0, 49, false},   {0, 50, true},    {56, 56, true},    {70, 80, true},
        {71, 299, false}, {300, 300, true}, {301, 400, false}, {INT64_MIN, INT64_MAX, true}};
    struct arena parent;
    struct doubles d;

    arena_init(&parent, MEMORY_BYTES);
    doubles_init(&d, &parent);
    cr_assert_eq(doubles_begin(&d, runs, COUNT_OF(runs)), ST_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        cr_expect_eq(doubles_possible(&d, cases[i].min_ns, cases[i].max_ns), cases[i].possible,
                     "case %zu", i);
    doubles_release(&d);
}

static bool met(struct doubles *d, int64_t ts_ns, const char *line, struct labels metadata)
{
    struct entry e = {ts_ns, str_from(line), metadata};
    bool ret_met = false;

    cr_assert_eq(doubles_check(d, &e, &ret_met), ST_OK);
    return ret_met;
}

Test(doubles, time_line_and_metadata_tell_entries_apart)
{
    static const struct label pair[] = {{STR_INIT("a"), STR_INIT("1")}};
    struct source_run runs[] = {run_of(0, 10), run_of(0, 10)};
    struct labels none = {NULL, 0}, some = {pair, 1};
    struct arena parent;
    struct doubles d;

    arena_init(&parent, MEMORY_BYTES);
    doubles_init(&d, &parent);
    cr_assert_eq(doubles_begin(&d, runs, 2), ST_OK);
    cr_expect_not(met(&d, 5, "x", none));
    cr_expect(met(&d, 5, "x", none));
    cr_expect_not(met(&d, 5, "x", some));
    cr_expect_not(met(&d, 5, "y", none));
    cr_expect_not(met(&d, 6, "x", none));
    cr_expect_not(met(&d, 11, "x", none));
    cr_expect_not(met(&d, 11, "x", none), "outside of the overlap nothing is remembered");

    cr_assert_eq(doubles_begin(&d, runs, 2), ST_OK);
    cr_expect_not(met(&d, 5, "x", none), "another stream begins with nothing");
    doubles_release(&d);
}

Test(doubles, many_entries_of_one_time)
{
    enum { COUNT = 3000 };
    struct source_run runs[] = {run_of(0, 10), run_of(0, 10)};
    struct doubles d;
    struct arena parent;
    char line[32];

    arena_init(&parent, MEMORY_BYTES);
    doubles_init(&d, &parent);
    cr_assert_eq(doubles_begin(&d, runs, 2), ST_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            (void)snprintf(line, sizeof(line), "line %d", i);
            cr_assert_eq(met(&d, 7, line, (struct labels){NULL, 0}), round == 1, "%s", line);
        }
    }
    doubles_release(&d);
}

Test(doubles, memory_is_bounded)
{
    struct source_run runs[] = {run_of(0, INT64_MAX), run_of(0, INT64_MAX)};
    enum status st = ST_OK;
    struct arena parent;
    struct doubles d;

    arena_init(&parent, 64 * 1024);
    doubles_init(&d, &parent);
    cr_assert_eq(doubles_begin(&d, runs, 2), ST_OK);
    for (int64_t i = 0; st == ST_OK && i < 100000; i++) {
        struct entry e = {i, STR("x"), {NULL, 0}};
        bool ret_met;
        st = doubles_check(&d, &e, &ret_met);
    }
    cr_expect_eq(st, ST_LIMIT);
    doubles_release(&d);
}
