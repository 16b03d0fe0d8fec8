#include "query/template_constant.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#include "base/banned.h"

#define ARENA_BYTES MIB

static const struct number_case {
    const char *text;
    bool is_float;
    bool has_int;
    int64_t int_value;
    double float_value;
    const char *want_error; /* NULL: it is a number */
} number_cases[] = {
    {"0", false, true, 0, 0, NULL},
    {"42", false, true, 42, 42, NULL},
    {"-3", false, true, -3, -3, NULL},
    {"+4", false, true, 4, 4, NULL},
    {"0x1F", false, true, 31, 31, NULL},
    {"0b11", false, true, 3, 3, NULL},
    {"0o17", false, true, 15, 15, NULL},
    {"017", false, true, 15, 15, NULL},
    {"1_000", false, true, 1000, 1000, NULL},
    {"0x_1f", false, true, 31, 31, NULL},
    {"0x1e", false, true, 30, 30, NULL},
    {"1.0", true, true, 1, 1, NULL},
    {"1.5", true, false, 0, 1.5, NULL},
    {".5", true, false, 0, .5, NULL},
    {"1e3", true, true, 1000, 1000, NULL},
    {"1e30", true, false, 0, 1e30, NULL},
    {"0x1p-2", true, false, 0, .25, NULL},
    {"-9223372036854775808", false, true, INT64_MIN, -0x1p63, NULL},
    {"9223372036854775807", false, true, INT64_MAX, 0x1p63, NULL},
    {"9223372036854775808", false, false, 0, 0x1p63, NULL},
    {"99999999999999999999", false, false, 0, 0, "integer overflow: \"99999999999999999999\""},
    {"-9223372036854775809", false, false, 0, 0, "integer overflow: \"-9223372036854775809\""},
    {"08", false, false, 0, 0, "integer overflow: \"08\""},
    {".", false, false, 0, 0, "illegal number syntax: \".\""},
    {"+", false, false, 0, 0, "illegal number syntax: \"+\""},
    {"1__0", false, false, 0, 0, "illegal number syntax: \"1__0\""},
    {"1_", false, false, 0, 0, "illegal number syntax: \"1_\""},
    {"1e", false, false, 0, 0, "illegal number syntax: \"1e\""},
    {"0x", false, false, 0, 0, "illegal number syntax: \"0x\""},
    {"1i", false, false, 0, 0, "illegal number syntax: \"1i\""},
    {"1+2i", false, false, 0, 0, "illegal number syntax: \"1+2i\""},
};

Test(template_constant, numbers)
{
    for (size_t i = 0; i < COUNT_OF(number_cases); i++) {
        const struct number_case *c = &number_cases[i];
        struct template_number n = {.int_value = 0};
        struct err err = {.text = ""};

        enum status st = template_read_number(str_from(c->text), &n, &err);

        cr_expect_eq(st, c->want_error == NULL ? ST_OK : ST_INVALID, "%s", c->text);
        cr_expect_str_eq(err.text, c->want_error == NULL ? "" : c->want_error, "%s: %s", c->text,
                         err.text);
        cr_expect_eq(n.is_float_constant, c->is_float, "%s", c->text);
        cr_expect_eq(n.has_int, c->has_int, "%s", c->text);
        cr_expect_eq(n.int_value, c->int_value, "%s: %" PRId64, c->text, n.int_value);
        cr_expect_eq(n.float_value, c->float_value, "%s: %g", c->text, n.float_value);
    }
}

static const struct char_case {
    const char *text;
    int64_t want;
    const char *want_error;
} char_cases[] = {
    {"'a'", 'a', NULL},
    {"'é'", 0xe9, NULL},
    {"'\\n'", '\n', NULL},
    {"'\\''", '\'', NULL},
    {"'\\x80'", 0x80, NULL},
    {"'\\u00e9'", 0xe9, NULL},
    {"''", 0, "invalid syntax"},
    {"'\\\"'", 0, "invalid syntax"},
    {"'ab'", 0, "malformed character constant: 'ab'"},
};

Test(template_constant, characters)
{
    for (size_t i = 0; i < COUNT_OF(char_cases); i++) {
        const struct char_case *c = &char_cases[i];
        struct template_number n = {.int_value = 0};
        struct err err = {.text = ""};

        enum status st = template_read_char(str_from(c->text), &n, &err);

        cr_expect_eq(st, c->want_error == NULL ? ST_OK : ST_INVALID, "%s", c->text);
        cr_expect_eq(n.int_value, c->want, "%s: %" PRId64, c->text, n.int_value);
        cr_expect_str_eq(err.text, c->want_error == NULL ? "" : c->want_error, "%s: %s", c->text,
                         err.text);
    }
}

static const struct string_case {
    const char *name;
    struct str text;
    enum status want;
    struct str want_value;
} string_cases[] = {
    {"escapes", STR_INIT("\"a\\n\""), ST_OK, STR_INIT("a\n")},
    {"empty", STR_INIT("\"\""), ST_OK, STR_INIT("")},
    {"raw", STR_INIT("`a\\n`"), ST_OK, STR_INIT("a\\n")},
    {"raw and empty", STR_INIT("``"), ST_OK, STR_INIT("")},
    {"raw without carriage returns", STR_INIT("`a\r\nb`"), ST_OK, STR_INIT("a\nb")},
    {"bad escape", STR_INIT("\"\\q\""), ST_INVALID, STR_INIT("untouched")},
};

Test(template_constant, strings)
{
    for (size_t i = 0; i < COUNT_OF(string_cases); i++) {
        const struct string_case *c = &string_cases[i];
        struct str value = STR("untouched");
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        cr_expect_eq(template_read_string(&a, c->text, &value, NULL), c->want, "%s", c->name);
        cr_expect(str_eq(value, c->want_value), "%s: %.*s", c->name, STR_ARG(value));
        arena_release(&a);
    }
}
