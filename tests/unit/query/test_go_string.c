#include "query/go_string.h"

#include <criterion/criterion.h>

#include "base/banned.h"

static const struct string_case {
    const char *name;
    struct str text;
    unsigned flags;
    bool want;
    struct str want_value;
} string_cases[] = {
    {"empty", STR_INIT(""), 0, true, STR_INIT("")},
    {"plain", STR_INIT("a'b"), 0, true, STR_INIT("a'b")},
    {"short escapes", STR_INIT("\\a\\b\\f\\n\\r\\t\\v\\\\\\\""), 0, true,
     STR_INIT("\a\b\f\n\r\t\v\\\"")},
    {"numbers", STR_INIT("\\x41\\102\\u0043\\U00000044"), 0, true, STR_INIT("ABCD")},
    {"largest rune", STR_INIT("\\U0010ffff"), 0, true, STR_INIT("\U0010ffff")},
    {"not UTF-8", STR_INIT("a\xff"), 0, true, STR_INIT("a\uFFFD")},
    {"surrogate", STR_INIT("\\ud800"), 0, false, STR_INIT("")},
    {"surrogate that is allowed", STR_INIT("\\ud800"), GO_STRING_SURROGATES, true,
     STR_INIT("\uFFFD")},
    {"too large", STR_INIT("\\U00110000"), 0, false, STR_INIT("")},
    {"large octal", STR_INIT("\\400"), 0, false, STR_INIT("")},
    {"short octal", STR_INIT("\\40"), 0, false, STR_INIT("")},
    {"short hexadecimal", STR_INIT("\\x4"), 0, false, STR_INIT("")},
    {"no hexadecimal", STR_INIT("\\x4g"), 0, false, STR_INIT("")},
    {"other quote", STR_INIT("\\'"), 0, false, STR_INIT("")},
    {"unknown", STR_INIT("\\q"), 0, false, STR_INIT("")},
    {"backslash at the end", STR_INIT("a\\"), 0, false, STR_INIT("")},
    {"zero byte escaped", STR_INIT("\\\0"), 0, false, STR_INIT("")},
};

Test(go_string, put)
{
    for (size_t i = 0; i < COUNT_OF(string_cases); i++) {
        const struct string_case *c = &string_cases[i];
        struct buf b;

        buf_init(&b, 256);
        cr_expect_eq(go_string_put(&b, c->text, c->flags), c->want, "%s", c->name);
        if (c->want) {
            cr_expect(str_eq(buf_str(&b), c->want_value), "%s: %.*s", c->name,
                      STR_ARG(buf_str(&b)));
        }
        buf_release(&b);
    }
}
