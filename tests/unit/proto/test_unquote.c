#include "proto/unquote.h"

#include "tests/support/expect.h"

#include "base/banned.h"

static const struct unquote_case {
    const char *name;
    struct str in;
    size_t len; /* 0: refused */
    struct str want;
} unquote_cases[] = {
    {"double quotes", STR_INIT("\"abc\" rest"), 5, STR_INIT("abc")},
    {"single quotes", STR_INIT("'abc'"), 5, STR_INIT("abc")},
    {"backquotes", STR_INIT("`a\\nb`"), 6, STR_INIT("a\\nb")},
    {"empty", STR_INIT("\"\""), 2, STR_INIT("")},
    {"other quotes inside", STR_INIT("\"a'b`c\""), 7, STR_INIT("a'b`c")},
    {"short escapes", STR_INIT("\"\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"\""), 22,
     STR_INIT("\a\b\f\n\r\t\v\\'\"")},
    {"escaped quote of its own", STR_INIT("'it\\'s'"), 7, STR_INIT("it's")},
    {"octal", STR_INIT("\"\\101\\000\\377\""), 14, STR_INIT("A\0\xff")},
    {"hexadecimal", STR_INIT("\"\\x41\\x80\\xfF\""), 14, STR_INIT("A\x80\xff")},
    {"four digits", STR_INIT("\"\\u00e9\\u4e16\""), 14, STR_INIT("\xc3\xa9\xe4\xb8\x96")},
    {"eight digits", STR_INIT("\"\\U0001f600\""), 12, STR_INIT("\xf0\x9f\x98\x80")},
    {"largest rune", STR_INIT("\"\\U0010ffff\""), 12, STR_INIT("\xf4\x8f\xbf\xbf")},
    {"surrogates are U+FFFD", STR_INIT("\"\\ud800\\udfff\""), 14,
     STR_INIT("\xef\xbf\xbd\xef\xbf\xbd")},
    {"bytes that are no UTF-8 stay", STR_INIT("\"a\xff\\n\""), 6, STR_INIT("a\xff\n")},
    {"zero byte stays", STR_INIT("\"a\0b\""), 5, STR_INIT("a\0b")},
    {"newline in backquotes", STR_INIT("`a\nb`"), 5, STR_INIT("a\nb")},
    {"escaped backslash before the end", STR_INIT("\"a\\\\\"\""), 5, STR_INIT("a\\")},
    {"nothing", STR_INIT(""), 0, {NULL, 0}},
    {"null", {NULL, 0}, 0, {NULL, 0}},
    {"no quote", STR_INIT("abc"), 0, {NULL, 0}},
    {"zero byte for a quote", STR_INIT("\0abc\0"), 0, {NULL, 0}},
    {"no end", STR_INIT("\"abc"), 0, {NULL, 0}},
    {"another end", STR_INIT("\"abc'"), 0, {NULL, 0}},
    {"escaped end", STR_INIT("\"abc\\\""), 0, {NULL, 0}},
    {"backslash at the end", STR_INIT("\"abc\\"), 0, {NULL, 0}},
    {"quote alone", STR_INIT("\""), 0, {NULL, 0}},
    {"newline in double quotes", STR_INIT("\"a\nb\""), 0, {NULL, 0}},
    {"newline in single quotes", STR_INIT("'a\nb'"), 0, {NULL, 0}},
    {"escaped newline", STR_INIT("\"a\\\nb\""), 0, {NULL, 0}},
    {"unknown escape", STR_INIT("\"\\q\""), 0, {NULL, 0}},
    {"escaped zero byte", STR_INIT("\"\\\0\""), 0, {NULL, 0}},
    {"two octal digits", STR_INIT("\"\\01\""), 0, {NULL, 0}},
    {"octal eight", STR_INIT("\"\\081\""), 0, {NULL, 0}},
    {"octal above a byte", STR_INIT("\"\\400\""), 0, {NULL, 0}},
    {"one hexadecimal digit", STR_INIT("\"\\x4\""), 0, {NULL, 0}},
    {"no hexadecimal digit", STR_INIT("\"\\xzz\""), 0, {NULL, 0}},
    {"three of four", STR_INIT("\"\\u00e\""), 0, {NULL, 0}},
    {"behind the last rune", STR_INIT("\"\\U00110000\""), 0, {NULL, 0}},
    {"32 bits", STR_INIT("\"\\Uffffffff\""), 0, {NULL, 0}},
};

Test(unquote, cases)
{
    for (size_t i = 0; i < COUNT_OF(unquote_cases); i++) {
        const struct unquote_case *c = &unquote_cases[i];
        struct str value = STR("untouched");
        struct arena a;
        size_t len = 77;

        arena_init(&a, 64 * KIB);
        EXPECT_STATUS(c->name, unquote(&a, c->in, &len, &value), c->len == 0 ? ST_INVALID : ST_OK);
        cr_expect_eq(len, c->len == 0 ? 77 : c->len, "%s: %zu bytes", c->name, len);
        EXPECT_STR(c->name, value, c->len == 0 ? STR("untouched") : c->want);
        arena_release(&a);
    }
}

Test(unquote, borrows_what_has_no_escapes)
{
    struct arena a;
    struct str in = STR("\"abc\""), value;
    size_t len;

    arena_init(&a, 0);
    REQUIRE_OK(unquote(&a, in, &len, &value));
    cr_expect_eq(value.ptr, in.ptr + 1);
    EXPECT_STATUS("no room for the others", unquote(&a, STR("\"\\n\""), &len, &value), ST_LIMIT);
    EXPECT_STR("untouched", value, STR("abc"));
    arena_release(&a);
}

Test(unquote, truncated_at_every_byte)
{
    struct str whole = STR("\"a\\101\\x41\\u00e9\\U0001f600\\n\\\"b\"");
    struct arena a;
    struct str value;
    size_t len;

    arena_init(&a, 64 * KIB);
    REQUIRE_OK(unquote(&a, whole, &len, &value));
    cr_expect_eq(len, whole.len);
    for (size_t cut = 0; cut < whole.len; cut++)
        EXPECT_STATUS("cut", unquote(&a, str_head(whole, cut), &len, &value), ST_INVALID);
    arena_release(&a);
}
