#include "query/unwrap.h"

#include <math.h>

#include "tests/support/expect.h"

static const struct unwrap_case {
    const char *name;
    enum unwrap_conversion conversion;
    struct str value;
    bool is_sample;
    double want;
    const char *details; /* NULL: no error */
} cases[] = {
    {"number", UNWRAP_NONE, STR_INIT("1.5"), true, 1.5, NULL},
    {"exponent", UNWRAP_NONE, STR_INIT("7.703e-01"), true, 0.7703, NULL},
    {"infinity", UNWRAP_NONE, STR_INIT("-inf"), true, -INFINITY, NULL},
    {"empty", UNWRAP_NONE, STR_INIT(""), false, 0, NULL},
    {"text", UNWRAP_NONE, STR_INIT("abc"), true, 0,
     "strconv.ParseFloat: parsing \"abc\": invalid syntax"},
    {"too large", UNWRAP_NONE, STR_INIT("1e400"), true, INFINITY,
     "strconv.ParseFloat: parsing \"1e400\": value out of range"},
    {"too small", UNWRAP_NONE, STR_INIT("-1e400"), true, -INFINITY,
     "strconv.ParseFloat: parsing \"-1e400\": value out of range"},
    {"zero byte", UNWRAP_NONE, STR_INIT("1\0"), true, 0,
     "strconv.ParseFloat: parsing \"1\\x00\": invalid syntax"},
    {"bytes", UNWRAP_BYTES, STR_INIT("1.5KiB"), true, 1536, NULL},
    {"decimal bytes", UNWRAP_BYTES, STR_INIT("1,001 kB"), true, 1001000, NULL},
    {"no bytes", UNWRAP_BYTES, STR_INIT(""), false, 0, NULL},
    {"other unit", UNWRAP_BYTES, STR_INIT("5 bits"), true, 0, "unhandled size name: bits"},
    {"too many bytes", UNWRAP_BYTES, STR_INIT("16EiB"), true, 0, "too large: 16EiB"},
    {"duration", UNWRAP_DURATION, STR_INIT("1h1m1.5s"), true, 3661.5, NULL},
    {"duration of a second name", UNWRAP_DURATION_SECONDS, STR_INIT("250ms"), true, 0.25, NULL},
    {"negative duration", UNWRAP_DURATION, STR_INIT("-1.5s"), true, -1.5, NULL},
    {"long duration", UNWRAP_DURATION, STR_INIT("2562047h47m16.854775807s"), true,
     9223372036.8547758, NULL},
    {"days", UNWRAP_DURATION, STR_INIT("1d"), true, 0,
     "time: unknown unit \"d\" in duration \"1d\""},
    {"no unit", UNWRAP_DURATION_SECONDS, STR_INIT("12"), true, 0,
     "time: missing unit in duration \"12\""},
};

static void expect_error(const char *name, const struct label_builder *b, const char *details)
{
    bool failed = details != NULL;

    EXPECT_STR(name, b->error, failed ? STR("SampleExtractionErr") : STR(""));
    EXPECT_STR(name, b->error_details, failed ? str_from(details) : STR(""));
}

Test(unwrap, values)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct unwrap_case *c = &cases[i];
        struct unwrap_expr u = {.label = STR("v"), .conversion = c->conversion};
        struct label_builder b;
        struct arena scratch;
        double value = 0;

        arena_init(&scratch, MIB);
        label_builder_init(&b, &scratch, NULL);
        label_builder_begin(&b, (struct labels){NULL, 0}, (struct labels){NULL, 0});
        cr_expect_not(unwrap_value(&u, &b, &value), "%s: no label", c->name);
        label_builder_set(&b, STR("v"), c->value);
        cr_expect_eq(unwrap_value(&u, &b, &value), c->is_sample, "%s", c->name);
        cr_expect_eq(value, c->want, "%s: %.17g", c->name, value);
        expect_error(c->name, &b, c->details);
        arena_release(&scratch);
    }
}

/* It replaces an earlier error, and a label of the stream will do. */
Test(unwrap, error_of_stream_label)
{
    static const struct label base[] = {{STR_INIT("v"), STR_INIT("x")}};
    struct unwrap_expr u = {.label = STR("v")};
    struct label_builder b;
    struct arena scratch;
    double value = 1;

    arena_init(&scratch, MIB);
    label_builder_init(&b, &scratch, NULL);
    label_builder_begin(&b, (struct labels){base, 1}, (struct labels){NULL, 0});
    label_builder_set_error(&b, STR("JSONParserErr"), STR("broken"));
    cr_expect(unwrap_value(&u, &b, &value));
    cr_expect_eq(value, 0);
    expect_error("replaced", &b, "strconv.ParseFloat: parsing \"x\": invalid syntax");
    arena_release(&scratch);
}
