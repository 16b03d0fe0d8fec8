#include "cli/lines.h"

#include <criterion/criterion.h>

enum { PIECES_MAX = 6, LINE_BYTES_MAX = 8 };

static const struct lines_case {
    const char *name;
    struct str pieces[PIECES_MAX];
    const char *want; /* lines, each with `|` behind it; the last one without a newline with `$` */
    uint64_t want_too_long;
} lines_cases[] = {
    {"nothing", {STR_INIT("")}, "", 0},
    {"whole lines", {STR_INIT("a\nb\n")}, "a|b|", 0},
    {"a last line without an end", {STR_INIT("a\nb")}, "a|b$", 0},
    {"empty lines", {STR_INIT("\n\na\n\n")}, "||a||", 0},
    {"in pieces", {STR_INIT("a"), STR_INIT("b"), STR_INIT("c\nd"), STR_INIT("\n")}, "abc|d|", 0},
    {"the end alone", {STR_INIT("ab"), STR_INIT("\n"), STR_INIT("\n")}, "ab||", 0},
    {"blanks and carriage returns stay", {STR_INIT(" a \r\n")}, " a \r|", 0},
    {"the longest", {STR_INIT("12345678\n")}, "12345678|", 0},
    {"the longest in pieces", {STR_INIT("1234"), STR_INIT("5678\n")}, "12345678|", 0},
    {"too long", {STR_INIT("123456789\nb\n")}, "b|", 1},
    {"too long in pieces", {STR_INIT("12345"), STR_INIT("6789"), STR_INIT("0\nb\n")}, "b|", 1},
    {"too long at the end", {STR_INIT("a\n123456789")}, "a|", 1},
    {"two too long", {STR_INIT("123456789\n"), STR_INIT("1234567890\nx")}, "x$", 2},
};

static void put_lines(struct buf *b, struct lines *l)
{
    struct str line;

    while (lines_next(l, &line)) {
        buf_put(b, line);
        buf_put_char(b, '|');
    }
}

Test(cli_lines, pieces)
{
    for (size_t i = 0; i < COUNT_OF(lines_cases); i++) {
        const struct lines_case *c = &lines_cases[i];
        struct lines l;
        struct str line;
        struct buf b;

        buf_init(&b, 256);
        lines_init(&l, LINE_BYTES_MAX);
        for (size_t j = 0; j < PIECES_MAX && c->pieces[j].ptr != NULL; j++) {
            lines_feed(&l, c->pieces[j]);
            put_lines(&b, &l);
        }
        if (lines_last(&l, &line)) {
            buf_put(&b, line);
            buf_put_char(&b, '$');
        }
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        cr_expect_eq(l.too_long, c->want_too_long, "%s", c->name);
        cr_expect_not(lines_last(&l, &line), "%s: the last line comes once", c->name);
        lines_release(&l);
        buf_release(&b);
    }
}

Test(cli_lines, any_byte)
{
    static const char bytes[] = {'a', '\0', (char)0xff, '\r', '\t', '\n', '\0', '\n'};
    struct lines l;
    struct str line;

    lines_init(&l, 64);
    lines_feed(&l, str_make(bytes, sizeof(bytes)));
    cr_assert(lines_next(&l, &line));
    cr_expect(str_eq(line, str_make(bytes, 5)));
    cr_assert(lines_next(&l, &line));
    cr_expect(str_eq(line, str_make("\0", 1)));
    cr_expect_not(lines_next(&l, &line));
    lines_release(&l);
}
