#include "cli/range.h"

#include <criterion/criterion.h>

#include "base/time.h"

#define NOW (INT64_C(1000) * SECOND_NS)

static const struct range_case {
    const char *name;
    struct range_options options;
    enum status want;
    struct range want_range;
} range_cases[] = {
    {"the last hour", {.since_ns = HOUR_NS}, ST_OK, {NOW - HOUR_NS, NOW}},
    {"since counts from the end",
     {.since_ns = SECOND_NS, .to = {true, NOW - 10 * SECOND_NS}},
     ST_OK,
     {NOW - 11 * SECOND_NS, NOW - 10 * SECOND_NS}},
    {"but not from the future",
     {.since_ns = SECOND_NS, .to = {true, NOW + HOUR_NS}},
     ST_OK,
     {NOW - SECOND_NS, NOW + HOUR_NS}},
    {"from wins over since", {.since_ns = SECOND_NS, .from = {true, 5}}, ST_OK, {5, NOW}},
    {"both", {.from = {true, 5}, .to = {true, 6}}, ST_OK, {5, 6}},
    {"an empty range", {.from = {true, 5}, .to = {true, 5}}, ST_OK, {5, 5}},
    {"turned around", {.from = {true, 6}, .to = {true, 5}}, ST_INVALID, {-1, -1}},
    {"far back",
     {.since_ns = INT64_MAX, .to = {true, INT64_MIN + 5}},
     ST_OK,
     {INT64_MIN, INT64_MIN + 5}},
};

Test(cli_range, bounds)
{
    for (size_t i = 0; i < COUNT_OF(range_cases); i++) {
        const struct range_case *c = &range_cases[i];
        struct range r = {-1, -1};

        enum status st = range_bounds(&c->options, NOW, &r, NULL);

        cr_expect_eq(st, c->want, "%s: %s", c->name, status_name(st));
        cr_expect_eq(r.start_ns, c->want_range.start_ns, "%s: %lld", c->name,
                     (long long)r.start_ns);
        cr_expect_eq(r.end_ns, c->want_range.end_ns, "%s: %lld", c->name, (long long)r.end_ns);
    }
}

Test(cli_range, small_numbers_stay_nanoseconds)
{
    struct arena a;
    int64_t ns;

    arena_init(&a, 4096);
    cr_expect(str_eq(range_text(&a, 1772366400000000001), STR("1772366400000000001")));
    cr_expect(str_eq(range_text(&a, 5), STR("00000000005")));
    cr_expect_eq(flags_parse_time(range_text(&a, 5), &ns, NULL), ST_OK);
    cr_expect_eq(ns, 5);
    cr_expect_eq(flags_parse_time(range_text(&a, -5), &ns, NULL), ST_OK);
    cr_expect_eq(ns, -5);
    arena_release(&a);
}

static const struct duration_case {
    int64_t ns;
    struct str want;
} duration_cases[] = {
    {0, STR_INIT("")},
    {HOUR_NS, STR_INIT("3600")},
    {SECOND_NS * 5 / 2, STR_INIT("2.5")},
    {MS_NS, STR_INIT("0.001")},
};

Test(cli_range, durations_are_seconds)
{
    struct arena a;

    arena_init(&a, 4096);
    for (size_t i = 0; i < COUNT_OF(duration_cases); i++) {
        struct str text = range_duration_text(&a, duration_cases[i].ns);
        cr_expect(str_eq(text, duration_cases[i].want), "%.*s", STR_ARG(text));
    }
    arena_release(&a);
}
