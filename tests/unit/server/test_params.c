#include "server/http/params.h"

#include <inttypes.h>

#include "base/time.h"
#include "tests/support/expect.h"

#include "base/banned.h"

enum { ARENA_BYTES = 4 * 1024 * 1024 };

#define NOW (INT64_C(1790000000) * SECOND_NS + 123)

/* ---- decoding ---- */

static const struct decode_case {
    const char *name;
    struct str text;
    enum status st;
    struct str want; /* name=value and a bar for each */
    struct str err;
} decode_cases[] = {
    {"nothing", STR_INIT(""), ST_OK, STR_INIT(""), STR_INIT("")},
    {"one", STR_INIT("a=b"), ST_OK, STR_INIT("a=b|"), STR_INIT("")},
    {"several", STR_INIT("a=b&c=d&a=e"), ST_OK, STR_INIT("a=b|c=d|a=e|"), STR_INIT("")},
    {"no value", STR_INIT("a&b="), ST_OK, STR_INIT("a=|b=|"), STR_INIT("")},
    {"no name", STR_INIT("=x"), ST_OK, STR_INIT("=x|"), STR_INIT("")},
    {"empty parts", STR_INIT("&&a=b&&"), ST_OK, STR_INIT("a=b|"), STR_INIT("")},
    {"the first = counts", STR_INIT("a==b=c"), ST_OK, STR_INIT("a==b=c|"), STR_INIT("")},
    {"escapes", STR_INIT("%61%3d=%7Bx%7d&b=%C3%a4"), ST_OK, STR_INIT("a=={x}|b=\xc3\xa4|"),
     STR_INIT("")},
    {"plus is a blank", STR_INIT("a+b=c+d%2B"), ST_OK, STR_INIT("a b=c d+|"), STR_INIT("")},
    {"zero byte", STR_INIT("a=%00b"), ST_OK, STR_INIT("a=\0b|"), STR_INIT("")},
    {"an escaped separator is none", STR_INIT("a=b%26c%3Bd"), ST_OK, STR_INIT("a=b&c;d|"),
     STR_INIT("")},
    {"semicolon", STR_INIT("a=b;c=d"), ST_INVALID, STR_INIT(""),
     STR_INIT("invalid semicolon separator in query")},
    {"the rest is read all the same", STR_INIT("a=b&c;d&e=f"), ST_INVALID, STR_INIT("a=b|e=f|"),
     STR_INIT("invalid semicolon separator in query")},
    {"bad escape", STR_INIT("a=%zz"), ST_INVALID, STR_INIT(""),
     STR_INIT("invalid URL escape \"%zz\"")},
    {"bad second digit", STR_INIT("a=x%1gy"), ST_INVALID, STR_INIT(""),
     STR_INIT("invalid URL escape \"%1g\"")},
    {"escape cut short", STR_INIT("a=%1"), ST_INVALID, STR_INIT(""),
     STR_INIT("invalid URL escape \"%1\"")},
    {"percent at the end", STR_INIT("a=%"), ST_INVALID, STR_INIT(""),
     STR_INIT("invalid URL escape \"%\"")},
    {"bad name", STR_INIT("%=a"), ST_INVALID, STR_INIT(""), STR_INIT("invalid URL escape \"%\"")},
    {"the first error is told", STR_INIT("a=%xx&b=%yy"), ST_INVALID, STR_INIT(""),
     STR_INIT("invalid URL escape \"%xx\"")},
};

Test(params, decoding)
{
    for (size_t i = 0; i < COUNT_OF(decode_cases); i++) {
        const struct decode_case *c = &decode_cases[i];
        struct err err = {.text = ""};
        struct params p = {NULL, 0, 0};
        struct arena a;
        struct buf got;

        arena_init(&a, ARENA_BYTES);
        buf_init(&got, ARENA_BYTES);
        EXPECT_STATUS(c->name, params_add(&p, &a, c->text, &err), c->st);
        EXPECT_STR(c->name, str_from(err.text), c->err);
        for (size_t k = 0; k < p.count; k++) {
            buf_put(&got, p.items[k].name);
            buf_put_char(&got, '=');
            buf_put(&got, p.items[k].value);
            buf_put_char(&got, '|');
        }
        EXPECT_STR(c->name, buf_str(&got), c->want);
        buf_release(&got);
        arena_release(&a);
    }
}

Test(params, first_and_next_value)
{
    struct params p = {NULL, 0, 0};
    struct str value = STR("untouched");
    size_t cursor = 0;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    REQUIRE_OK(params_add(&p, &a, STR("m=1&x=&m=2"), NULL));
    REQUIRE_OK(params_add(&p, &a, STR("m=3&x=9"), NULL));
    EXPECT_STR("first", params_get(&p, STR("m")), STR("1"));
    EXPECT_STR("empty, but first", params_get(&p, STR("x")), STR(""));
    EXPECT_STR("not there", params_get(&p, STR("M")), STR(""));
    for (char want = '1'; want <= '3'; want++) {
        cr_assert(params_next(&p, STR("m"), &cursor, &value));
        EXPECT_STR("next", value, str_make(&want, 1));
    }
    cr_expect_not(params_next(&p, STR("m"), &cursor, &value));
    cr_expect_not(params_next(&p, STR("m"), &cursor, &value));
    EXPECT_STR("the last one stays", value, STR("3"));
    arena_release(&a);
}

/* What a full arena left out is an error, and what is there can be read. */
Test(params, arena_is_full)
{
    size_t full = 0;

    for (size_t max = 0; max < 4000; max += 40) {
        struct params p = {NULL, 0, 0};
        struct arena a;
        struct buf text;
        arena_init(&a, max);
        buf_init(&text, ARENA_BYTES);
        for (int i = 0; i < 30; i++)
            buf_printf(&text, "name%d=value&", i);
        enum status st = params_add(&p, &a, buf_str(&text), NULL);
        cr_expect(st == ST_OK || st == ST_LIMIT, "%s", status_name(st));
        EXPECT_STR("first", params_get(&p, STR("name0")), p.count > 0 ? STR("value") : STR(""));
        full += st == ST_LIMIT;
        buf_release(&text);
        arena_release(&a);
    }
    cr_expect_gt(full, 5);
}

Test(params, how_many_there_may_be)
{
    enum { PARAMS_MAX = 10000 };

    for (int more = 0; more < 2; more++) {
        struct params p = {NULL, 0, 0};
        struct err err = {.text = ""};
        struct buf text;
        struct arena a;
        arena_init(&a, ARENA_BYTES);
        buf_init(&text, ARENA_BYTES);
        for (int i = 0; i < PARAMS_MAX + more; i++)
            buf_put(&text, STR("a&"));
        EXPECT_STATUS("many", params_add(&p, &a, buf_str(&text), &err),
                      more == 0 ? ST_OK : ST_INVALID);
        EXPECT_STR("many", str_from(err.text),
                   more == 0 ? STR("") : STR("more than 10000 parameters"));
        cr_expect_eq(p.count, PARAMS_MAX);
        buf_release(&text);
        arena_release(&a);
    }
}

Test(params, path)
{
    struct str got = STR("untouched");
    struct err err;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    REQUIRE_OK(path_decode(&a, STR("a+b%2Fc%20d"), &got, NULL));
    EXPECT_STR("plus stays in a path", got, STR("a+b/c d"));
    EXPECT_STATUS("bad", path_decode(&a, STR("a%2"), &got, &err), ST_INVALID);
    EXPECT_STR("bad", str_from(err.text), STR("invalid URL escape \"%2\""));
    EXPECT_STR("output", got, STR("a+b/c d"));
    arena_release(&a);
}

/* ---- times ---- */

static const struct time_case {
    const char *name;
    struct str text;
    int64_t want_ns;
    struct str err; /* empty: it is good */
} time_cases[] = {
    {"absent", STR_INIT(""), 77, STR_INIT("")},
    {"zero", STR_INIT("0"), 0, STR_INIT("")},
    {"seconds", STR_INIT("1700000000"), 1700000000 * SECOND_NS, STR_INIT("")},
    {"ten digits", STR_INIT("4000000000"), 4000000000 * SECOND_NS, STR_INIT("")},
    {"the sign is a character", STR_INIT("-1000000000"), -1000000000, STR_INIT("")},
    {"negative seconds", STR_INIT("-5"), -5 * SECOND_NS, STR_INIT("")},
    {"eleven digits are nanoseconds", STR_INIT("10000000000"), 10000000000, STR_INIT("")},
    {"milliseconds are taken for nanoseconds", STR_INIT("1700000000000"), 1700000000000,
     STR_INIT("")},
    {"nanoseconds", STR_INIT("1700000000000000001"), 1700000000000000001, STR_INIT("")},
    {"largest", STR_INIT("9223372036854775807"), INT64_MAX, STR_INIT("")},
    {"too large", STR_INIT("9223372036854775808"), 0,
     STR_INIT("strconv.ParseInt: parsing \"9223372036854775808\": value out of range")},
    {"too many seconds", STR_INIT("9999999999"), 0, STR_INIT("time 9999999999 is out of range")},
    {"fraction", STR_INIT("1700000000.5"), 1700000000 * SECOND_NS + 500 * MS_NS, STR_INIT("")},
    {"fraction to milliseconds", STR_INIT("1700000000.1234567"),
     1700000000 * SECOND_NS + 123 * MS_NS, STR_INIT("")},
    {"rounded up", STR_INIT("1.9996"), 2 * SECOND_NS, STR_INIT("")},
    {"exponent", STR_INIT("1.7e9"), 1700000000 * SECOND_NS, STR_INIT("")},
    {"exponent without a point", STR_INIT("17e8"), 0,
     STR_INIT("strconv.ParseInt: parsing \"17e8\": invalid syntax")},
    {"point at the end", STR_INIT("5."), 5 * SECOND_NS, STR_INIT("")},
    {"negative fraction", STR_INIT("-1.5"), -1500 * MS_NS, STR_INIT("")},
    {"fraction too large", STR_INIT("1.0e10"), 0, STR_INIT("time 1.0e10 is out of range")},
    {"RFC 3339", STR_INIT("2026-11-20T00:00:00Z"), 1795132800 * SECOND_NS, STR_INIT("")},
    {"with milliseconds", STR_INIT("2026-11-20T00:00:00.123Z"),
     1795132800 * SECOND_NS + 123 * MS_NS, STR_INIT("")},
    {"with a zone", STR_INIT("2026-11-20T02:00:00.5+02:00"), 1795132800 * SECOND_NS + 500 * MS_NS,
     STR_INIT("")},
    {"date alone", STR_INIT("2026-11-20"), 0,
     STR_INIT("strconv.ParseInt: parsing \"2026-11-20\": invalid syntax")},
    {"word", STR_INIT("xx"), 0, STR_INIT("strconv.ParseInt: parsing \"xx\": invalid syntax")},
    {"quoted as Go does", STR_INIT("a\"\n\0"), 0,
     STR_INIT("strconv.ParseInt: parsing \"a\\\"\\n\\x00\": invalid syntax")},
    {"blank", STR_INIT(" 5"), 0, STR_INIT("strconv.ParseInt: parsing \" 5\": invalid syntax")},
};

Test(params, times)
{
    for (size_t i = 0; i < COUNT_OF(time_cases); i++) {
        const struct time_case *c = &time_cases[i];
        struct err err = {.text = ""};
        int64_t ns = -1;

        enum status st = params_time(c->text, 77, &ns, &err);
        EXPECT_STATUS(c->name, st, c->err.len == 0 ? ST_OK : ST_INVALID);
        EXPECT_STR(c->name, str_from(err.text), c->err);
        if (st == ST_OK)
            cr_expect_eq(ns, c->want_ns, "%s: %" PRId64, c->name, ns);
        else
            cr_expect_eq(ns, -1, "%s: output changed", c->name);
    }
}

static const struct bounds_case {
    const char *name;
    struct str text;
    int64_t start_ns;
    int64_t end_ns;
    struct str err;
} bounds_cases[] = {
    {"the last hour", STR_INIT(""), NOW - HOUR_NS, NOW, STR_INIT("")},
    {"both", STR_INIT("start=5&end=6"), 5 * SECOND_NS, 6 * SECOND_NS, STR_INIT("")},
    {"turned around is not refused here", STR_INIT("start=6&end=5"), 6 * SECOND_NS, 5 * SECOND_NS,
     STR_INIT("")},
    {"start alone", STR_INIT("start=5"), 5 * SECOND_NS, NOW, STR_INIT("")},
    {"an hour before an end in the past", STR_INIT("end=1600000000"),
     1600000000 * SECOND_NS - HOUR_NS, 1600000000 * SECOND_NS, STR_INIT("")},
    {"an hour before now", STR_INIT("end=4000000000"), NOW - HOUR_NS, 4000000000 * SECOND_NS,
     STR_INIT("")},
    {"since", STR_INIT("since=1m30s"), NOW - 90 * SECOND_NS, NOW, STR_INIT("")},
    {"since in milliseconds", STR_INIT("since=250ms"), NOW - 250 * MS_NS, NOW, STR_INIT("")},
    {"since in days", STR_INIT("since=2d1h"), NOW - 49 * HOUR_NS, NOW, STR_INIT("")},
    {"since nothing", STR_INIT("since=0"), NOW, NOW, STR_INIT("")},
    {"start beats since", STR_INIT("start=5&since=1m"), 5 * SECOND_NS, NOW, STR_INIT("")},
    {"before all time", STR_INIT("end=-9223372036854775808&since=1s"), INT64_MIN, INT64_MIN,
     STR_INIT("")},
    {"bad start", STR_INIT("start=xx"), 0, 0,
     STR_INIT("could not parse 'start' parameter: strconv.ParseInt: parsing \"xx\": invalid "
              "syntax")},
    {"bad end", STR_INIT("end=xx"), 0, 0,
     STR_INIT("could not parse 'end' parameter: strconv.ParseInt: parsing \"xx\": invalid "
              "syntax")},
    {"bad since", STR_INIT("since=xx"), 0, 0,
     STR_INIT("could not parse 'since' parameter: not a valid duration string: \"xx\"")},
    {"since without a unit", STR_INIT("since=5"), 0, 0,
     STR_INIT("could not parse 'since' parameter: not a valid duration string: \"5\"")},
    {"since with a fraction", STR_INIT("since=1.5h"), 0, 0,
     STR_INIT("could not parse 'since' parameter: unknown unit \".\" in duration \"1.5h\"")},
    {"since in the wrong order", STR_INIT("since=1m1h"), 0, 0,
     STR_INIT("could not parse 'since' parameter: not a valid duration string: \"1m1h\"")},
    {"bad since beside a start", STR_INIT("start=5&since=xx"), 0, 0,
     STR_INIT("could not parse 'since' parameter: not a valid duration string: \"xx\"")},
};

/* The parameters of a query string, as long as the arena lives. */
static struct params params_of(struct arena *a, struct str text)
{
    struct params p = {NULL, 0, 0};

    arena_init(a, ARENA_BYTES);
    REQUIRE_OK(params_add(&p, a, text, NULL));
    return p;
}

Test(params, bounds)
{
    for (size_t i = 0; i < COUNT_OF(bounds_cases); i++) {
        const struct bounds_case *c = &bounds_cases[i];
        int64_t start_ns = -1, end_ns = -1;
        struct err err = {.text = ""};
        struct arena a;

        struct params p = params_of(&a, c->text);
        enum status st = params_bounds(&p, NOW, &start_ns, &end_ns, &err);
        EXPECT_STATUS(c->name, st, c->err.len == 0 ? ST_OK : ST_INVALID);
        EXPECT_STR(c->name, str_from(err.text), c->err);
        cr_expect_eq(start_ns, st == ST_OK ? c->start_ns : -1, "%s: %" PRId64, c->name, start_ns);
        cr_expect_eq(end_ns, st == ST_OK ? c->end_ns : -1, "%s: %" PRId64, c->name, end_ns);
        arena_release(&a);
    }
}

/* ---- ranges ---- */

#define POINTS                                                                                   \
    STR_INIT("exceeded maximum resolution of 11,000 points per time series. Try increasing the " \
             "value of the step parameter")
#define NO_STEP                                                                                \
    STR_INIT("zero or negative query resolution step widths are not accepted. Try a positive " \
             "integer")
#define NOT_A_DURATION(text) STR_INIT("cannot parse \"" text "\" to a valid duration")
#define TOO_LONG(text) STR_INIT("cannot parse \"" text "\" to a valid duration. It overflows int64")
#define BEFORE STR_INIT("end timestamp must not be before or equal to start time")

static const struct range_case {
    const char *name;
    struct str text; /* behind "start=0&" */
    struct range_params want;
    struct str err;
} range_cases[] = {
    {"step of an hour",
     STR_INIT("end=3600"),
     {0, HOUR_NS, 14 * SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"step of a short range",
     STR_INIT("end=499"),
     {0, 499 * SECOND_NS, SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"step of two seconds",
     STR_INIT("end=500"),
     {0, 500 * SECOND_NS, 2 * SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"empty range", STR_INIT("end=0"), {0, 0, SECOND_NS, 0, 100, true}, STR_INIT("")},
    {"step as Grafana sends it",
     STR_INIT("end=60&step=2500ms"),
     {0, MINUTE_NS, 2500 * MS_NS, 0, 100, true},
     STR_INIT("")},
    {"step in seconds",
     STR_INIT("end=60&step=15"),
     {0, MINUTE_NS, 15 * SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"step with a fraction",
     STR_INIT("end=60&step=2.5"),
     {0, MINUTE_NS, 2500 * MS_NS, 0, 100, true},
     STR_INIT("")},
    {"step with an exponent",
     STR_INIT("end=60&step=1e1"),
     {0, MINUTE_NS, 10 * SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"step of two units",
     STR_INIT("end=60&step=1m30s"),
     {0, MINUTE_NS, 90 * SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"as many points as there may be",
     STR_INIT("end=11000&step=1"),
     {0, 11000 * SECOND_NS, SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"whole points count",
     STR_INIT("end=11000.999&step=1"),
     {0, 11000 * SECOND_NS + 999 * MS_NS, SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"interval",
     STR_INIT("end=60&interval=1m"),
     {0, MINUTE_NS, SECOND_NS, MINUTE_NS, 100, true},
     STR_INIT("")},
    {"interval in seconds",
     STR_INIT("end=60&interval=0.5"),
     {0, MINUTE_NS, SECOND_NS, 500 * MS_NS, 100, true},
     STR_INIT("")},
    {"limit", STR_INIT("end=60&limit=7"), {0, MINUTE_NS, SECOND_NS, 0, 7, true}, STR_INIT("")},
    {"largest limit",
     STR_INIT("end=60&limit=4294967295"),
     {0, MINUTE_NS, SECOND_NS, 0, UINT32_MAX, true},
     STR_INIT("")},
    {"forward",
     STR_INIT("end=60&direction=forward"),
     {0, MINUTE_NS, SECOND_NS, 0, 100, false},
     STR_INIT("")},
    {"direction in capitals",
     STR_INIT("end=60&direction=FORWARD"),
     {0, MINUTE_NS, SECOND_NS, 0, 100, false},
     STR_INIT("")},
    {"backward",
     STR_INIT("end=60&direction=Backward"),
     {0, MINUTE_NS, SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"end before start", STR_INIT("end=-1"), {0}, BEFORE},
    {"limit zero", STR_INIT("limit=0&end=60"), {0}, STR_INIT("limit must be a positive value")},
    {"negative limit",
     STR_INIT("limit=-1&end=60"),
     {0},
     STR_INIT("limit must be a positive value")},
    {"limit of letters",
     STR_INIT("limit=abc&end=60"),
     {0},
     STR_INIT("strconv.Atoi: parsing \"abc\": invalid syntax")},
    {"limit with a fraction",
     STR_INIT("limit=1.5&end=60"),
     {0},
     STR_INIT("strconv.Atoi: parsing \"1.5\": invalid syntax")},
    {"limit too large",
     STR_INIT("limit=99999999999&end=60"),
     {0},
     STR_INIT("limit value 99999999999 is out of range [0, 4294967295]")},
    {"limit of 33 bits",
     STR_INIT("limit=4294967296&end=60"),
     {0},
     STR_INIT("limit value 4294967296 is out of range [0, 4294967295]")},
    {"limit of 65 bits",
     STR_INIT("limit=99999999999999999999&end=60"),
     {0},
     STR_INIT("strconv.Atoi: parsing \"99999999999999999999\": value out of range")},
    {"bad direction", STR_INIT("direction=up&end=60"), {0}, STR_INIT("invalid direction 'up'")},
    {"step with a fraction and a unit", STR_INIT("step=1.5s&end=60"), {0}, NOT_A_DURATION("1.5s")},
    {"step of words", STR_INIT("step=a%22b&end=60"), {0}, NOT_A_DURATION("a\\\"b")},
    {"step zero", STR_INIT("step=0&end=60"), {0}, NO_STEP},
    {"step zero as a duration", STR_INIT("step=0s&end=60"), {0}, NO_STEP},
    {"negative step", STR_INIT("step=-1&end=60"), {0}, NO_STEP},
    {"step too long", STR_INIT("step=1e10&end=60"), {0}, TOO_LONG("1e10")},
    {"endless step", STR_INIT("step=%2BInf&end=60"), {0}, TOO_LONG("+Inf")},
    {"one point too many", STR_INIT("step=1&end=11001"), {0}, POINTS},
    {"step of nearly nothing", STR_INIT("step=0.0000000001&end=60"), {0}, NO_STEP},
    {"points of all time", STR_INIT("step=1&end=9223372036854775807"), {0}, POINTS},
    {"bad interval", STR_INIT("interval=x&end=60"), {0}, NOT_A_DURATION("x")},
    {"negative interval", STR_INIT("interval=-1&end=60"), {0}, STR_INIT("interval must be >= 0")},
    /* what is checked first */
    {"bounds before limit",
     STR_INIT("end=x&limit=0"),
     {0},
     STR_INIT("could not parse 'end' parameter: strconv.ParseInt: parsing \"x\": invalid syntax")},
    {"order before limit", STR_INIT("end=-1&limit=0"), {0}, BEFORE},
    {"limit before direction",
     STR_INIT("end=60&direction=up&limit=0"),
     {0},
     STR_INIT("limit must be a positive value")},
    {"direction before step",
     STR_INIT("end=60&step=0&direction=up"),
     {0},
     STR_INIT("invalid direction 'up'")},
    {"step before points", STR_INIT("end=11001&step=-1"), {0}, NO_STEP},
    {"points before interval", STR_INIT("end=11001&interval=-1&step=1"), {0}, POINTS},
};

static void expect_range(const char *name, const struct range_params *got,
                         const struct range_params *want)
{
    cr_expect(got->start_ns == want->start_ns && got->end_ns == want->end_ns, "%s: times", name);
    cr_expect_eq(got->step_ns, want->step_ns, "%s: step %" PRId64, name, got->step_ns);
    cr_expect_eq(got->interval_ns, want->interval_ns, "%s: interval %" PRId64, name,
                 got->interval_ns);
    cr_expect_eq(got->limit, want->limit, "%s: limit %" PRIu64, name, got->limit);
    cr_expect_eq(got->backward, want->backward, "%s: direction", name);
}

Test(params, ranges)
{
    static const struct range_params untouched = {-1, -1, -1, -1, 7777, false};

    for (size_t i = 0; i < COUNT_OF(range_cases); i++) {
        const struct range_case *c = &range_cases[i];
        struct range_params range = untouched;
        struct err err = {.text = ""};
        struct arena a;
        struct buf text;

        buf_init(&text, ARENA_BYTES);
        buf_put(&text, STR("start=0&"));
        buf_put(&text, c->text);
        struct params p = params_of(&a, buf_str(&text));
        enum status st = params_range(&p, NOW, &range, &err);
        EXPECT_STATUS(c->name, st, c->err.len == 0 ? ST_OK : ST_INVALID);
        EXPECT_STR(c->name, str_from(err.text), c->err);
        expect_range(c->name, &range, st == ST_OK ? &c->want : &untouched);
        arena_release(&a);
        buf_release(&text);
    }
}

static const struct instant_case {
    const char *name;
    struct str text;
    struct range_params want;
    struct str err;
} instant_cases[] = {
    {"now", STR_INIT(""), {NOW, NOW, SECOND_NS, 0, 100, true}, STR_INIT("")},
    {"Save & test of Grafana",
     STR_INIT("time=4000000000&direction=backward"),
     {4000000000 * SECOND_NS, 4000000000 * SECOND_NS, SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"limit and direction",
     STR_INIT("time=5&limit=9&direction=forward"),
     {5 * SECOND_NS, 5 * SECOND_NS, SECOND_NS, 0, 9, false},
     STR_INIT("")},
    {"no bounds and steps",
     STR_INIT("time=5&start=x&end=y&step=0&interval=-1"),
     {5 * SECOND_NS, 5 * SECOND_NS, SECOND_NS, 0, 100, true},
     STR_INIT("")},
    {"bad time",
     STR_INIT("time=xx&limit=0"),
     {0},
     STR_INIT("strconv.ParseInt: parsing \"xx\": invalid syntax")},
    {"bad limit",
     STR_INIT("limit=0&direction=up"),
     {0},
     STR_INIT("limit must be a positive value")},
    {"bad direction", STR_INIT("direction=up"), {0}, STR_INIT("invalid direction 'up'")},
};

Test(params, instants)
{
    for (size_t i = 0; i < COUNT_OF(instant_cases); i++) {
        const struct instant_case *c = &instant_cases[i];
        struct range_params range = {0};
        struct err err = {.text = ""};
        struct arena a;

        struct params p = params_of(&a, c->text);
        EXPECT_STATUS(c->name, params_instant(&p, NOW, &range, &err),
                      c->err.len == 0 ? ST_OK : ST_INVALID);
        EXPECT_STR(c->name, str_from(err.text), c->err);
        expect_range(c->name, &range, &c->want);
        arena_release(&a);
    }
}
