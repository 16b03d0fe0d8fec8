#include "server/store/retention.h"

#include "base/time.h"
#include "tests/support/expect.h"

#include "base/banned.h"

static const int64_t now_ns = 1700000000 * SECOND_NS;

/* ---- the floor of a stream ---- */

static const struct floor_case {
    const char *name;
    struct str period; /* limits.retention_period */
    struct str rules;  /* limits.retention_stream */
    struct str labels;
    int64_t want_age; /* of the floor; -1: it has none */
} floor_cases[] = {
    {"for ever", STR_INIT("0s"), STR_INIT(""), STR_INIT("{a=\"b\"}"), -1},
    {"one for all", STR_INIT("36h"), STR_INIT(""), STR_INIT("{a=\"b\"}"), 36 * HOUR_NS},
    {"to the minute", STR_INIT("1m"), STR_INIT(""), STR_INIT("{a=\"b\"}"), MINUTE_NS},
    {"longer than time", STR_INIT("292y"), STR_INIT(""), STR_INIT("{a=\"b\"}"), 292 * 365 * DAY_NS},
    {"a rule that matches", STR_INIT("36h"), STR_INIT("{a=\"b\"} 1 1h"), STR_INIT("{a=\"b\"}"),
     HOUR_NS},
    {"a rule that does not", STR_INIT("36h"), STR_INIT("{a=\"c\"} 1 1h"), STR_INIT("{a=\"b\"}"),
     36 * HOUR_NS},
    {"all matchers count", STR_INIT("36h"), STR_INIT("{a=\"b\", c=\"d\"} 1 1h"),
     STR_INIT("{a=\"b\"}"), 36 * HOUR_NS},
    {"a label that is missing", STR_INIT("36h"), STR_INIT("{c!=\"d\"} 1 1h"), STR_INIT("{a=\"b\"}"),
     HOUR_NS},
    {"an expression matches all of a value", STR_INIT("36h"), STR_INIT("{a=~\"b|c\"} 1 1h"),
     STR_INIT("{a=\"bc\"}"), 36 * HOUR_NS},
    {"the highest priority", STR_INIT("36h"),
     STR_INIT("{a=\"b\"} 1 1h; {a=~\".+\"} 3 2h; {a=\"b\"} 2 3h"), STR_INIT("{a=\"b\"}"),
     2 * HOUR_NS},
    {"the first of equal ones", STR_INIT("36h"), STR_INIT("{a=~\"b\"} 1 5h; {a=\"b\"} 1 1h"),
     STR_INIT("{a=\"b\"}"), 5 * HOUR_NS},
    {"a priority below 0", STR_INIT("36h"), STR_INIT("{a=\"b\"} -7 1h"), STR_INIT("{a=\"b\"}"),
     HOUR_NS},
    {"a rule for ever", STR_INIT("36h"), STR_INIT("{a=\"b\"} 1 0s"), STR_INIT("{a=\"b\"}"), -1},
    {"a rule where all else is for ever", STR_INIT("0s"), STR_INIT("{a=\"b\"} 1 1h"),
     STR_INIT("{a=\"c\"}"), -1},
};

static void set_limits(struct config *c, struct str period, struct str rules)
{
    REQUIRE_OK(config_init(c, NULL));
    REQUIRE_OK(config_set(c, STR("limits.retention_period"), period, NULL));
    REQUIRE_OK(config_set(c, STR("limits.retention_stream"), rules, NULL));
}

Test(retention, floor_of_a_stream)
{
    for (size_t i = 0; i < COUNT_OF(floor_cases); i++) {
        const struct floor_case *k = &floor_cases[i];
        struct labels labels;
        struct config c;
        struct arena a;

        set_limits(&c, k->period, k->rules);
        arena_init(&a, MIB);
        REQUIRE_OK(labels_parse(&a, k->labels, &labels, NULL));
        cr_expect_eq(retention_floor_ns(&c.limits, labels, now_ns),
                     k->want_age < 0 ? INT64_MIN : now_ns - k->want_age, "%s", k->name);
        arena_release(&a);
        config_release(&c);
    }
}

/* ---- what is below all floors ---- */

static const struct least_case {
    const char *name;
    struct str period;
    struct str rules;
    int64_t want_age;
} least_cases[] = {
    {"for ever", STR_INIT("0s"), STR_INIT(""), -1},
    {"one for all", STR_INIT("36h"), STR_INIT(""), 36 * HOUR_NS},
    {"shorter ones", STR_INIT("36h"), STR_INIT("{a=\"b\"} 1 1h"), 36 * HOUR_NS},
    {"a longer one", STR_INIT("36h"), STR_INIT("{a=\"b\"} 1 37h; {a=\"c\"} 1 1h"), 37 * HOUR_NS},
    {"one for ever", STR_INIT("36h"), STR_INIT("{a=\"b\"} 1 0s"), -1},
    {"all else for ever", STR_INIT("0s"), STR_INIT("{a=\"b\"} 1 1h"), -1},
};

Test(retention, least_floor)
{
    for (size_t i = 0; i < COUNT_OF(least_cases); i++) {
        const struct least_case *k = &least_cases[i];
        struct config c;

        set_limits(&c, k->period, k->rules);
        cr_expect_eq(retention_least_floor_ns(&c.limits, now_ns),
                     k->want_age < 0 ? INT64_MIN : now_ns - k->want_age, "%s", k->name);
        config_release(&c);
    }
}
