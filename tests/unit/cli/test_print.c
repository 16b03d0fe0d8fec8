#include "cli/print.h"

#include <stdlib.h>
#include <time.h>

#include <criterion/criterion.h>

#include "base/time.h"

#define NOON INT64_C(1772366400000000000) /* 2026-03-01T12:00:00Z */

static const struct time_case {
    const char *name;
    const char *tz;
    int64_t ts_ns;
    enum print_zone zone;
    bool fraction;
    const char *want;
} time_cases[] = {
    {"UTC", "CET-1", NOON, PRINT_UTC, false, "2026-03-01T12:00:00Z"},
    {"east", "CET-1", NOON, PRINT_LOCAL, false, "2026-03-01T13:00:00+01:00"},
    {"west, over midnight", "XXX12:30", NOON, PRINT_LOCAL, false, "2026-02-28T23:30:00-12:30"},
    {"a zone that is UTC", "UTC0", NOON, PRINT_LOCAL, false, "2026-03-01T12:00:00Z"},
    {"fraction", "UTC0", NOON + 120000000, PRINT_UTC, true, "2026-03-01T12:00:00.12Z"},
    {"no fraction to print", "UTC0", NOON, PRINT_UTC, true, "2026-03-01T12:00:00Z"},
    {"fraction left out", "CET-1", NOON + 999999999, PRINT_LOCAL, false,
     "2026-03-01T13:00:00+01:00"},
    {"before 1970", "UTC0", -1, PRINT_UTC, false, "1969-12-31T23:59:59Z"},
    {"the first time", "UTC0", INT64_MIN, PRINT_LOCAL, false, "1677-09-21T00:12:43Z"},
    {"the last time", "CET-1", INT64_MAX, PRINT_LOCAL, true, "2262-04-11T23:47:16.854775807Z"},
};

Test(cli_print, times)
{
    for (size_t i = 0; i < COUNT_OF(time_cases); i++) {
        const struct time_case *c = &time_cases[i];
        struct buf b;

        setenv("TZ", c->tz, 1);
        tzset();
        buf_init(&b, 256);
        put_zoned_time(&b, c->ts_ns, c->zone, c->fraction);
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}

static const struct text_case {
    const char *name;
    struct str in;
    const char *want;
    const char *want_json;
} text_cases[] = {
    {"plain", STR_INIT("grüße \xe2\x82\xac"), "grüße \xe2\x82\xac", "grüße \xe2\x82\xac"},
    {"tab stays", STR_INIT("a\tb"), "a\tb", "a\tb"},
    {"escape", STR_INIT("\x1b[31m"), "\\x1b[31m", "\\u001b[31m"},
    {"line ends", STR_INIT("a\r\nb\n"), "a\\r\\nb\\n", "a\\u000d\nb\n"},
    {"zero byte", STR_INIT("a\0b"), "a\\x00b", "a\\u0000b"},
    {"DEL", STR_INIT("\x7f"), "\\x7f", "\\u007f"},
    {"C1", STR_INIT("x\xc2\x9by"), "x\\x9by", "x\\u009by"},
    {"not C1", STR_INIT("\xc2\xa0"), "\xc2\xa0", "\xc2\xa0"},
    {"not UTF-8", STR_INIT("\x9b\xff"), "\\x9b\\xff", "\\ufffd\\ufffd"},
    {"cut short", STR_INIT("a\xe2\x82"), "a\\xe2\\x82", "a\\ufffd\\ufffd"},
    {"empty", STR_INIT(""), "", ""},
};

Test(cli_print, visible)
{
    for (size_t i = 0; i < COUNT_OF(text_cases); i++) {
        const struct text_case *c = &text_cases[i];
        struct buf b;

        buf_init(&b, 256);
        put_visible(&b, c->in);
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_reset(&b);
        put_visible_json(&b, c->in);
        cr_expect(str_eq(buf_str(&b), str_from(c->want_json)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}

Test(cli_print, visible_lines)
{
    struct buf b;

    buf_init(&b, 256);
    put_visible_lines(&b, STR("a\x1b\nb\tc\n\n\x9b"));
    cr_expect(str_eq(buf_str(&b), STR("a\\x1b\nb\tc\n\n\\x9b")), "%.*s", STR_ARG(buf_str(&b)));
    buf_release(&b);
}

Test(cli_print, width_counts_characters)
{
    cr_expect_eq(print_width(STR("")), 0);
    cr_expect_eq(print_width(STR("abc")), 3);
    cr_expect_eq(print_width(STR("gr\xc3\xbc\xc3\x9f"
                                 "e")),
                 5);
}
