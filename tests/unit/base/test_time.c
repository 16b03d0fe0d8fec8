#include "base/time.h"

#include "base/num.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

#define UNTOUCHED INT64_C(-77)

/* ---- RFC 3339 ---- */

static const struct parse_case {
    const char *name;
    struct str text;
    enum status want_st;
    int64_t want_ns;
} parse_cases[] = {
    {"epoch", STR_INIT("1970-01-01T00:00:00Z"), ST_OK, 0},
    {"fraction", STR_INIT("2026-11-20T23:50:00.123456789Z"), ST_OK, INT64_C(1795218600123456789)},
    {"short fraction", STR_INIT("1970-01-01T00:00:00.5Z"), ST_OK, 500000000},
    {"more digits than there are", STR_INIT("1970-01-01T00:00:00.1234567899Z"), ST_OK, 123456789},
    {"east", STR_INIT("1970-01-01T02:00:00+02:00"), ST_OK, 0},
    {"west", STR_INIT("1969-12-31T18:30:00-05:30"), ST_OK, 0},
    {"before the epoch", STR_INIT("1969-12-31T23:59:59.999999999Z"), ST_OK, -1},
    {"leap day", STR_INIT("2024-02-29T00:00:00Z"), ST_OK, INT64_C(1709164800) * SECOND_NS},
    {"leap day of 2000", STR_INIT("2000-02-29T00:00:00Z"), ST_OK, INT64_C(951782400) * SECOND_NS},
    {"first year", STR_INIT("1678-01-01T00:00:00Z"), ST_OK, INT64_C(-9214560000) * SECOND_NS},
    {"last year", STR_INIT("2261-12-31T23:59:59Z"), ST_OK, INT64_C(9214646399) * SECOND_NS},
    {"largest", STR_INIT("2262-04-11T23:47:16.854775807Z"), ST_OK, INT64_MAX},
    {"one more", STR_INIT("2262-04-11T23:47:16.854775808Z"), ST_LIMIT, UNTOUCHED},
    {"long ago", STR_INIT("1066-10-14T09:00:00Z"), ST_LIMIT, UNTOUCHED},
    {"year 0", STR_INIT("0000-01-01T00:00:00Z"), ST_LIMIT, UNTOUCHED},
    {"year 9999", STR_INIT("9999-12-31T23:59:59Z"), ST_LIMIT, UNTOUCHED},
    {"no leap day", STR_INIT("2023-02-29T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"no leap day in 2100", STR_INIT("2100-02-29T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"month 0", STR_INIT("2023-00-01T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"month 13", STR_INIT("2023-13-01T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"day 0", STR_INIT("2023-01-00T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"31 June", STR_INIT("2023-06-31T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"hour 24", STR_INIT("2023-06-01T24:00:00Z"), ST_INVALID, UNTOUCHED},
    {"minute 60", STR_INIT("2023-06-01T23:60:00Z"), ST_INVALID, UNTOUCHED},
    {"leap second", STR_INIT("2016-12-31T23:59:60Z"), ST_INVALID, UNTOUCHED},
    {"no zone", STR_INIT("2023-06-01T00:00:00"), ST_INVALID, UNTOUCHED},
    {"zone without colon", STR_INIT("2023-06-01T00:00:00+0200"), ST_INVALID, UNTOUCHED},
    {"small letters", STR_INIT("2023-06-01t00:00:00z"), ST_INVALID, UNTOUCHED},
    {"blank for T", STR_INIT("2023-06-01 00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"point without digits", STR_INIT("2023-06-01T00:00:00.Z"), ST_INVALID, UNTOUCHED},
    {"date alone", STR_INIT("2023-06-01"), ST_INVALID, UNTOUCHED},
    {"something behind", STR_INIT("2023-06-01T00:00:00Zx"), ST_INVALID, UNTOUCHED},
    {"one digit", STR_INIT("2023-6-01T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"five digits", STR_INIT("12023-06-01T00:00:00Z"), ST_INVALID, UNTOUCHED},
    {"empty", STR_INIT(""), ST_INVALID, UNTOUCHED},
};

Test(time, parse)
{
    for (size_t i = 0; i < COUNT_OF(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        int64_t ns = UNTOUCHED;

        EXPECT_STATUS(c->name, time_parse(c->text, &ns), c->want_st);
        cr_expect_eq(ns, c->want_ns, "%s: %" PRId64, c->name, ns);
    }
}

static const struct put_case {
    int64_t ns;
    enum time_format format;
    struct str want;
} put_cases[] = {
    {0, TIME_SECONDS, STR_INIT("1970-01-01T00:00:00Z")},
    {0, TIME_MILLIS, STR_INIT("1970-01-01T00:00:00.000Z")},
    {0, TIME_NANOS, STR_INIT("1970-01-01T00:00:00Z")},
    {999999999, TIME_SECONDS, STR_INIT("1970-01-01T00:00:00Z")},
    {999999999, TIME_MILLIS, STR_INIT("1970-01-01T00:00:00.999Z")},
    {120000000, TIME_NANOS, STR_INIT("1970-01-01T00:00:00.12Z")},
    {1, TIME_NANOS, STR_INIT("1970-01-01T00:00:00.000000001Z")},
    {-1, TIME_SECONDS, STR_INIT("1969-12-31T23:59:59Z")},
    {-1, TIME_NANOS, STR_INIT("1969-12-31T23:59:59.999999999Z")},
    {INT64_MAX, TIME_NANOS, STR_INIT("2262-04-11T23:47:16.854775807Z")},
    {INT64_MIN, TIME_NANOS, STR_INIT("1677-09-21T00:12:43.145224192Z")},
};

Test(time, put)
{
    for (size_t i = 0; i < COUNT_OF(put_cases); i++) {
        struct buf b;

        buf_init(&b, 64);
        time_put(&b, put_cases[i].ns, put_cases[i].format);
        EXPECT_STR("put", buf_str(&b), put_cases[i].want);
        buf_release(&b);
    }
}

Test(time, put_and_parse)
{
    struct random r = random_begin();
    unsigned wrong = 0;
    struct buf b;

    buf_init(&b, 64);
    for (size_t i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)random_u64(&r), again = 0;
        ns -= ns % (random_below(&r, 2) == 0 ? 1 : MS_NS);
        if (ns < INT64_MIN + DAY_NS)
            continue; /* in 1677 */
        buf_reset(&b);
        time_put(&b, ns, TIME_NANOS);
        wrong += time_parse(buf_str(&b), &again) != ST_OK || again != ns;
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
    buf_release(&b);
}

/* ---- days and clocks ---- */

static const struct day_case {
    int64_t ns;
    int32_t day;
    int64_t start_ns;
} day_cases[] = {
    {0, 0, 0},
    {DAY_NS - 1, 0, 0},
    {DAY_NS, 1, DAY_NS},
    {-1, -1, -DAY_NS},
    {-DAY_NS, -1, -DAY_NS},
    {-DAY_NS - 1, -2, -2 * DAY_NS},
    {INT64_MAX, 106751, 106751 * DAY_NS},
    {INT64_MIN, -106752, INT64_MIN}, /* the day begins before the first time there is */
};

Test(time, days)
{
    for (size_t i = 0; i < COUNT_OF(day_cases); i++) {
        const struct day_case *c = &day_cases[i];

        cr_expect_eq(time_day(c->ns), c->day, "%" PRId64 ": %d", c->ns, time_day(c->ns));
        cr_expect_eq(time_day_start_ns(c->day), c->start_ns, "%d", c->day);
    }
    cr_expect_eq(time_day_start_ns(INT32_MIN), INT64_MIN);
    cr_expect_eq(time_day_start_ns(INT32_MAX), INT64_MAX);
}

Test(time, fake_clock)
{
    int64_t before = time_now_ns(), mono = time_mono_ns(), cpu = time_cpu_ns();

    time_fake_set(42);
    cr_expect_eq(time_now_ns(), 42);
    cr_expect_eq(time_mono_ns(), 42);
    time_fake_set(0);
    cr_expect_geq(time_now_ns(), before);
    cr_expect_geq(time_mono_ns(), mono);
    cr_expect_geq(time_cpu_ns(), cpu);
}

/* ---- durations to text ---- */

static const struct duration_put_case {
    int64_t ns;
    struct str go;
    struct str prometheus;
} duration_put_cases[] = {
    {0, STR_INIT("0s"), STR_INIT("0s")},
    {1, STR_INIT("1ns"), STR_INIT("0s")},
    {1500, STR_INIT("1.5\xc2\xb5s"), STR_INIT("0s")},
    {100 * MS_NS, STR_INIT("100ms"), STR_INIT("100ms")},
    {1001 * US_NS, STR_INIT("1.001ms"), STR_INIT("1ms")},
    {1500 * MS_NS, STR_INIT("1.5s"), STR_INIT("1s500ms")},
    {90 * SECOND_NS, STR_INIT("1m30s"), STR_INIT("1m30s")},
    {HOUR_NS, STR_INIT("1h0m0s"), STR_INIT("1h")},
    {HOUR_NS + 1, STR_INIT("1h0m0.000000001s"), STR_INIT("1h")},
    {960 * HOUR_NS, STR_INIT("960h0m0s"), STR_INIT("40d")},
    {721 * HOUR_NS, STR_INIT("721h0m0s"), STR_INIT("30d1h")},
    {7 * DAY_NS, STR_INIT("168h0m0s"), STR_INIT("1w")},
    {365 * DAY_NS, STR_INIT("8760h0m0s"), STR_INIT("1y")},
    {366 * DAY_NS, STR_INIT("8784h0m0s"), STR_INIT("366d")},
    {-90 * SECOND_NS, STR_INIT("-1m30s"), STR_INIT("-1m30s")},
    {INT64_MAX, STR_INIT("2562047h47m16.854775807s"), STR_INIT("106751d23h47m16s854ms")},
    {INT64_MIN, STR_INIT("-2562047h47m16.854775808s"), STR_INIT("-106751d23h47m16s854ms")},
};

Test(time, duration_put)
{
    for (size_t i = 0; i < COUNT_OF(duration_put_cases); i++) {
        const struct duration_put_case *c = &duration_put_cases[i];
        struct buf b;

        buf_init(&b, 64);
        duration_put_go(&b, c->ns);
        EXPECT_STR("go", buf_str(&b), c->go);
        buf_reset(&b);
        duration_put_prometheus(&b, c->ns);
        EXPECT_STR("prometheus", buf_str(&b), c->prometheus);
        buf_release(&b);
    }
}

/* ---- durations from text ---- */

static const struct duration_case {
    struct str text;
    enum status want_st;
    int64_t want_ns;
    const char *want_text;
} prometheus_cases[] = {
    {STR_INIT("0"), ST_OK, 0, ""},
    {STR_INIT("0s"), ST_OK, 0, ""},
    {STR_INIT("5m"), ST_OK, 5 * MINUTE_NS, ""},
    {STR_INIT("1h30m"), ST_OK, 90 * MINUTE_NS, ""},
    {STR_INIT("1y2w3d4h5m6s7ms"), ST_OK,
     (365 + 14 + 3) * DAY_NS + 4 * HOUR_NS + 5 * MINUTE_NS + 6 * SECOND_NS + 7 * MS_NS, ""},
    {STR_INIT("2500ms"), ST_OK, 2500 * MS_NS, ""},
    {STR_INIT("292y"), ST_OK, 292 * 365 * DAY_NS, ""},
    {STR_INIT("300y"), ST_LIMIT, 0, "duration out of range"},
    {STR_INIT("292y24w3d23h47m16s854ms"), ST_OK, INT64_MAX / MS_NS *MS_NS, ""},
    {STR_INIT("292y24w3d23h47m16s855ms"), ST_LIMIT, 0, "duration out of range"},
    {STR_INIT("9223372036854775808ms"), ST_LIMIT, 0, "duration out of range"},
    {STR_INIT(""), ST_INVALID, 0, "empty duration string"},
    {STR_INIT("5"), ST_INVALID, 0, "not a valid duration string: \"5\""},
    {STR_INIT("00"), ST_INVALID, 0, "not a valid duration string: \"00\""},
    {STR_INIT("m"), ST_INVALID, 0, "not a valid duration string: \"m\""},
    {STR_INIT("-5m"), ST_INVALID, 0, "not a valid duration string: \"-5m\""},
    {STR_INIT(" 5m "), ST_INVALID, 0, "not a valid duration string: \" 5m \""},
    {STR_INIT("5s5m"), ST_INVALID, 0, "not a valid duration string: \"5s5m\""},
    {STR_INIT("1m1m"), ST_INVALID, 0, "not a valid duration string: \"1m1m\""},
    {STR_INIT("1ms1s"), ST_INVALID, 0, "not a valid duration string: \"1ms1s\""},
    {STR_INIT("5m3"), ST_INVALID, 0, "not a valid duration string: \"5m3\""},
    {STR_INIT("5minutes"), ST_INVALID, 0, "unknown unit \"minutes\" in duration \"5minutes\""},
    {STR_INIT("1.5m"), ST_INVALID, 0, "unknown unit \".\" in duration \"1.5m\""},
    {STR_INIT("100ns"), ST_INVALID, 0, "unknown unit \"ns\" in duration \"100ns\""},
    {STR_INIT("1\"m"), ST_INVALID, 0, "unknown unit \"\\\"m\" in duration \"1\\\"m\""},
    {STR_INIT("1\n"), ST_INVALID, 0, "unknown unit \"\\n\" in duration \"1\\n\""},
    {STR_INIT("\xff"), ST_INVALID, 0, "not a valid duration string: \"\\xff\""},
    {STR_INIT("99999999999999999999m"), ST_INVALID, 0,
     "not a valid duration string: \"99999999999999999999m\""},
};

static const struct duration_case go_cases[] = {
    {STR_INIT("0"), ST_OK, 0, ""},
    {STR_INIT("-0"), ST_OK, 0, ""},
    {STR_INIT("5m"), ST_OK, 5 * MINUTE_NS, ""},
    {STR_INIT("+1.5h"), ST_OK, 90 * MINUTE_NS, ""},
    {STR_INIT("-1h30m"), ST_OK, -90 * MINUTE_NS, ""},
    {STR_INIT("1s1h1s"), ST_OK, HOUR_NS + 2 * SECOND_NS, ""},
    {STR_INIT("100us"), ST_OK, 100 * US_NS, ""},
    {STR_INIT("100\xc2\xb5s"), ST_OK, 100 * US_NS, ""},
    {STR_INIT("100\xce\xbcs"), ST_OK, 100 * US_NS, ""},
    {STR_INIT(".5s"), ST_OK, 500 * MS_NS, ""},
    {STR_INIT("5.s"), ST_OK, 5 * SECOND_NS, ""},
    {STR_INIT("1.9ns"), ST_OK, 1, ""},
    {STR_INIT("0.3333333333333333333h"), ST_OK, 20 * MINUTE_NS, ""},
    {STR_INIT("0.100000000000000000000h"), ST_OK, 6 * MINUTE_NS, ""},
    {STR_INIT("9223372036854775807ns"), ST_OK, INT64_MAX, ""},
    {STR_INIT("-9223372036854775808ns"), ST_OK, INT64_MIN, ""},
    {STR_INIT("9223372036854775808ns"), ST_INVALID, 0,
     "time: invalid duration \"9223372036854775808ns\""},
    {STR_INIT("-9223372036854775809ns"), ST_INVALID, 0,
     "time: invalid duration \"-9223372036854775809ns\""},
    {STR_INIT("3000000h"), ST_INVALID, 0, "time: invalid duration \"3000000h\""},
    {STR_INIT("2562047h2562047h"), ST_INVALID, 0, "time: invalid duration \"2562047h2562047h\""},
    {STR_INIT(""), ST_INVALID, 0, "time: invalid duration \"\""},
    {STR_INIT("-"), ST_INVALID, 0, "time: invalid duration \"-\""},
    {STR_INIT("+-5s"), ST_INVALID, 0, "time: invalid duration \"+-5s\""},
    {STR_INIT("."), ST_INVALID, 0, "time: invalid duration \".\""},
    {STR_INIT(".s"), ST_INVALID, 0, "time: invalid duration \".s\""},
    {STR_INIT("s"), ST_INVALID, 0, "time: invalid duration \"s\""},
    {STR_INIT("5"), ST_INVALID, 0, "time: missing unit in duration \"5\""},
    {STR_INIT("5m3"), ST_INVALID, 0, "time: missing unit in duration \"5m3\""},
    {STR_INIT("1d"), ST_INVALID, 0, "time: unknown unit \"d\" in duration \"1d\""},
    {STR_INIT("1 h"), ST_INVALID, 0, "time: unknown unit \" h\" in duration \"1 h\""},
    {STR_INIT("1H"), ST_INVALID, 0, "time: unknown unit \"H\" in duration \"1H\""},
    {STR_INIT("1\"h"), ST_INVALID, 0, "time: unknown unit \"\\\"h\" in duration \"1\\\"h\""},
    {STR_INIT("1\xc2\xb5"), ST_INVALID, 0,
     "time: unknown unit \"\\xc2\\xb5\" in duration \"1\\xc2\\xb5\""},
    {STR_INIT("1\t"), ST_INVALID, 0, "time: unknown unit \"\\x09\" in duration \"1\\x09\""},
};

typedef enum status parse_fn(struct str s, int64_t *ret_ns, struct err *err);

static void expect_duration(const struct duration_case *c, parse_fn *parse)
{
    struct err err = {.text = ""};
    int64_t ns = UNTOUCHED;
    char *name = expect_shown(c->text);

    EXPECT_STATUS(name, parse(c->text, &ns, &err), c->want_st);
    cr_expect_eq(ns, c->want_st == ST_OK ? c->want_ns : UNTOUCHED, "%s: %" PRId64, name, ns);
    cr_expect_str_eq(err.text, c->want_text, "%s: %s", name, err.text);
    mem_free(name);
}

Test(time, duration_parse_prometheus)
{
    for (size_t i = 0; i < COUNT_OF(prometheus_cases); i++)
        expect_duration(&prometheus_cases[i], duration_parse_prometheus);
}

Test(time, duration_parse_go)
{
    for (size_t i = 0; i < COUNT_OF(go_cases); i++)
        expect_duration(&go_cases[i], duration_parse_go);
}

Test(time, durations_read_back)
{
    struct random r = random_begin();
    unsigned wrong = 0;
    struct buf b;

    buf_init(&b, 64);
    for (size_t i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(random_u64(&r) >> (1 + random_below(&r, 63))), again = 0;
        buf_reset(&b);
        duration_put_go(&b, ns);
        wrong += duration_parse_go(buf_str(&b), &again, NULL) != ST_OK || again != ns;
        buf_reset(&b);
        duration_put_prometheus(&b, ns);
        wrong += duration_parse_prometheus(buf_str(&b), &again, NULL) != ST_OK ||
                 again != ns / MS_NS * MS_NS;
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
    buf_release(&b);
}
