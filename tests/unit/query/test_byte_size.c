#include "query/byte_size.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#include "base/banned.h"

#define UNTOUCHED UINT64_C(77)

static const struct parse_case {
    const char *name;
    struct str text;
    uint64_t want;
    const char *want_error; /* NULL: there is a size */
} parse_cases[] = {
    {"plain number", STR_INIT("42"), 42, NULL},
    {"unit in any case", STR_INIT("1kib"), 1024, NULL},
    {"blank before the unit", STR_INIT("1.5 kb"), 1500, NULL},
    {"blank behind the unit", STR_INIT("5 MB "), 5000000, NULL},
    {"commas", STR_INIT("1,001"), 1001, NULL},
    {"fraction is cut", STR_INIT("1.9B"), 1, NULL},
    {"half a unit name", STR_INIT("2Mi"), 2097152, NULL},
    {"exbibytes", STR_INIT("2EiB"), UINT64_C(2) << 60, NULL},
    {"largest unit", STR_INIT("15e"), UINT64_C(15000000000000000000), NULL},
    {"no number", STR_INIT("lots"), UNTOUCHED, "strconv.ParseFloat: parsing \"\": invalid syntax"},
    {"empty", STR_INIT(""), UNTOUCHED, "strconv.ParseFloat: parsing \"\": invalid syntax"},
    {"sign", STR_INIT("-1"), UNTOUCHED, "strconv.ParseFloat: parsing \"\": invalid syntax"},
    {"two points", STR_INIT("1.2.3B"), UNTOUCHED,
     "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax"},
    {"unknown unit", STR_INIT("1 Quux"), UNTOUCHED, "unhandled size name: quux"},
    {"bits of a byte", STR_INIT("1bib"), UNTOUCHED, "unhandled size name: bib"},
    {"too large", STR_INIT("19EB"), UNTOUCHED, "too large: 19EB"},
};

Test(byte_size, parse)
{
    for (size_t i = 0; i < COUNT_OF(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        struct err err = {.text = ""};
        uint64_t bytes = UNTOUCHED;

        enum status st = byte_size_parse(c->text, &bytes, &err);

        cr_expect_eq(st, c->want_error == NULL ? ST_OK : ST_INVALID, "%s", c->name);
        cr_expect_eq(bytes, c->want, "%s: %" PRIu64, c->name, bytes);
        cr_expect_str_eq(err.text, c->want_error == NULL ? "" : c->want_error, "%s: %s", c->name,
                         err.text);
    }
}

static const struct put_case {
    uint64_t bytes;
    const char *want;
} put_cases[] = {
    {0, "0B"},          {5, "5B"},          {12, "12B"},           {999, "999B"},
    {1000, "1.0kB"},    {3072, "3.1kB"},    {12345, "12kB"},       {9999, "10kB"},
    {999999, "1000kB"}, {5000000, "5.0MB"}, {1610612736, "1.6GB"}, {UINT64_MAX, "18EB"},
};

Test(byte_size, put)
{
    for (size_t i = 0; i < COUNT_OF(put_cases); i++) {
        struct buf b;

        buf_init(&b, 64);
        byte_size_put(&b, put_cases[i].bytes);
        cr_expect(str_eq(buf_str(&b), str_from(put_cases[i].want)), "%s: %.*s", put_cases[i].want,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}
