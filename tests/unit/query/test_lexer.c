#include "query/lexer.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#include "base/time.h"
#include "query/grammar.h"

#include "base/banned.h"

#define ARENA_BYTES MIB

enum { TOKENS_MAX = 16 };

static const struct token_case {
    const char *name;
    struct str text;
    int want[TOKENS_MAX]; /* up to the 0 at the end */
} token_cases[] = {
    {"nothing", STR_INIT(""), {0}},
    {"blanks and comments", STR_INIT(" \t\r\n# c\n// c\n/* c */ "), {0}},
    {"comment at the end", STR_INIT("x # c"), {TOKEN_IDENTIFIER, 0}},
    {"empty comment", STR_INIT("x #\ny"), {TOKEN_IDENTIFIER, TOKEN_IDENTIFIER, 0}},
    {"slash alone", STR_INIT("x / y"), {TOKEN_IDENTIFIER, TOKEN_DIV, TOKEN_IDENTIFIER, 0}},
    {"other blanks are identifiers", STR_INIT("\u00a0"), {TOKEN_IDENTIFIER, 0}},
    {"unicode name", STR_INIT("größe_1"), {TOKEN_IDENTIFIER, 0}},
    {"signs",
     STR_INIT("@ $ ~ &"),
     {TOKEN_IDENTIFIER, TOKEN_IDENTIFIER, TOKEN_IDENTIFIER, TOKEN_IDENTIFIER, 0}},
    {"character literal", STR_INIT("'a' '\\''"), {TOKEN_IDENTIFIER, TOKEN_IDENTIFIER, 0}},
    {"comparisons",
     STR_INIT("= == != =~ !~ !> > >= < <="),
     {TOKEN_EQ, TOKEN_CMP_EQ, TOKEN_NEQ, TOKEN_RE, TOKEN_NRE, TOKEN_NPA, TOKEN_GT, TOKEN_GTE,
      TOKEN_LT, TOKEN_LTE, 0}},
    {"pipes",
     STR_INIT("| |= |~ |> | ="),
     {TOKEN_PIPE, TOKEN_PIPE_EXACT, TOKEN_PIPE_MATCH, TOKEN_PIPE_PATTERN, TOKEN_PIPE, TOKEN_EQ, 0}},
    {"arithmetic and brackets",
     STR_INIT("+-*/%^(){},."),
     {TOKEN_ADD, TOKEN_SUB, TOKEN_MUL, TOKEN_DIV, TOKEN_MOD, TOKEN_POW, TOKEN_OPEN_PARENTHESIS,
      TOKEN_CLOSE_PARENTHESIS, TOKEN_OPEN_BRACE, TOKEN_CLOSE_BRACE, TOKEN_COMMA, TOKEN_DOT, 0}},
    {"reserved words in any case",
     STR_INIT("By WITHOUT json"),
     {TOKEN_BY, TOKEN_WITHOUT, TOKEN_JSON, 0}},
    {"function before a call",
     STR_INIT("sum(x"),
     {TOKEN_SUM, TOKEN_OPEN_PARENTHESIS, TOKEN_IDENTIFIER, 0}},
    {"function behind odd blanks",
     STR_INIT("Rate \u00a0\n("),
     {TOKEN_RATE, TOKEN_IDENTIFIER, TOKEN_OPEN_PARENTHESIS, 0}},
    {"function before a grouping",
     STR_INIT("sum BY ("),
     {TOKEN_SUM, TOKEN_BY, TOKEN_OPEN_PARENTHESIS, 0}},
    {"function before no grouping",
     STR_INIT("sum by x"),
     {TOKEN_IDENTIFIER, TOKEN_BY, TOKEN_IDENTIFIER, 0}},
    {"function before a longer word",
     STR_INIT("sum byte ("),
     {TOKEN_IDENTIFIER, TOKEN_IDENTIFIER, TOKEN_OPEN_PARENTHESIS, 0}},
    {"function before a comment",
     STR_INIT("sum /**/ ("),
     {TOKEN_IDENTIFIER, TOKEN_OPEN_PARENTHESIS, 0}},
    {"function alone", STR_INIT("ip"), {TOKEN_IDENTIFIER, 0}},
    {"flags", STR_INIT("--strict --keep-empty"), {TOKEN_FUNCTION_FLAG, TOKEN_FUNCTION_FLAG, 0}},
    {"flag ends at a digit", STR_INIT("--strict1"), {TOKEN_FUNCTION_FLAG, TOKEN_NUMBER, 0}},
    {"no flag", STR_INIT("--foo"), {TOKEN_SUB, TOKEN_SUB, TOKEN_IDENTIFIER, 0}},
    {"no flag either",
     STR_INIT("--strict-x"),
     {TOKEN_SUB, TOKEN_SUB, TOKEN_IDENTIFIER, TOKEN_SUB, TOKEN_IDENTIFIER, 0}},
    {"numbers",
     STR_INIT("1 1.5 .5 1e3 0x1p3 1_000 010"),
     {TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER,
      TOKEN_NUMBER, 0}},
    {"two points", STR_INIT("1.2.3"), {TOKEN_NUMBER, TOKEN_NUMBER, 0}},
    {"no duration",
     STR_INIT("1.5d 1h1d"),
     {TOKEN_NUMBER, TOKEN_IDENTIFIER, TOKEN_NUMBER, TOKEN_IDENTIFIER, 0}},
    {"duration and a letter", STR_INIT("5mb"), {TOKEN_DURATION, TOKEN_IDENTIFIER, 0}},
    {"negative number is two tokens", STR_INIT("-5"), {TOKEN_SUB, TOKEN_NUMBER, 0}},
    {"negative day is two tokens", STR_INIT("-1d"), {TOKEN_SUB, TOKEN_DURATION, 0}},
    {"blank behind the sign", STR_INIT("- 5m"), {TOKEN_SUB, TOKEN_DURATION, 0}},
    {"no byte size",
     STR_INIT("5i 5g"),
     {TOKEN_NUMBER, TOKEN_IDENTIFIER, TOKEN_NUMBER, TOKEN_IDENTIFIER, 0}},
    {"closing bracket alone", STR_INIT("]"), {TOKEN_IDENTIFIER, 0}},
};

Test(lexer, kinds)
{
    for (size_t i = 0; i < COUNT_OF(token_cases); i++) {
        const struct token_case *c = &token_cases[i];
        struct token t = {.kind = -1};
        struct lexer l;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        lexer_init(&l, &a, c->text);
        for (size_t j = 0; j < TOKENS_MAX && t.kind != 0; j++) {
            cr_assert_eq(lexer_next(&l, &t, NULL), ST_OK);
            cr_expect_eq(t.kind, c->want[j], "%s: token %zu is %d", c->name, j, t.kind);
        }
        cr_expect_eq(t.kind, 0, "%s: no end", c->name);
        arena_release(&a);
    }
}

/* The one token of `text`. */
static struct token read_one(struct arena *a, struct str text, struct lexer *l)
{
    struct token t = {.kind = -1};

    lexer_init(l, a, text);
    cr_assert_eq(lexer_next(l, &t, NULL), ST_OK);
    return t;
}

static const struct value_case {
    const char *name;
    struct str text;
    int kind;
    int64_t want; /* nanoseconds or bytes */
} value_cases[] = {
    {"minutes", STR_INIT("5m"), TOKEN_DURATION, 300 * SECOND_NS},
    {"mixed units", STR_INIT("1h30m"), TOKEN_DURATION, 5400 * SECOND_NS},
    {"weeks and days", STR_INIT("1w2d"), TOKEN_DURATION, 9 * DAY_NS},
    {"fraction", STR_INIT("1.5h"), TOKEN_DURATION, 5400 * SECOND_NS},
    {"any order", STR_INIT("1s1h"), TOKEN_DURATION, 3601 * SECOND_NS},
    {"micro sign", STR_INIT("100µs"), TOKEN_DURATION, 100 * US_NS},
    {"negative", STR_INIT("-1h30m"), TOKEN_DURATION, -5400 * SECOND_NS},
    {"negative zero", STR_INIT("-0"), TOKEN_DURATION, 0},
    {"nanoseconds", STR_INIT("7ns"), TOKEN_DURATION, 7},
    {"range", STR_INIT("[5m]"), TOKEN_RANGE, 300 * SECOND_NS},
    {"empty range", STR_INIT("[0]"), TOKEN_RANGE, 0},
    {"bytes", STR_INIT("12B"), TOKEN_BYTES, 12},
    {"kilo", STR_INIT("5KB"), TOKEN_BYTES, 5000},
    {"small k", STR_INIT("5kB"), TOKEN_BYTES, 5000},
    {"kibi", STR_INIT("3KiB"), TOKEN_BYTES, 3072},
    {"no B", STR_INIT("5M"), TOKEN_BYTES, 5000000},
    {"fraction of a size", STR_INIT("1.5GiB"), TOKEN_BYTES, INT64_C(1610612736)},
    {"no bytes at all", STR_INIT("0B"), TOKEN_BYTES, 0},
};

Test(lexer, values)
{
    for (size_t i = 0; i < COUNT_OF(value_cases); i++) {
        const struct value_case *c = &value_cases[i];
        struct lexer l;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        struct token t = read_one(&a, c->text, &l);
        int64_t value = c->kind == TOKEN_BYTES ? (int64_t)t.bytes : t.duration_ns;

        cr_expect_eq(t.kind, c->kind, "%s: %d", c->name, t.kind);
        cr_expect_eq(value, c->want, "%s: %" PRId64, c->name, value);
        cr_expect_null(l.problem.ptr, "%s", c->name);
        arena_release(&a);
    }
}

static const struct text_case {
    const char *name;
    struct str text;
    struct str want;
} text_cases[] = {
    {"identifier", STR_INIT("abc "), STR_INIT("abc")},
    {"number", STR_INIT("1_000"), STR_INIT("1_000")},
    {"plain string", STR_INIT("\"a b\""), STR_INIT("a b")},
    {"empty string", STR_INIT("\"\""), STR_INIT("")},
    {"short escapes", STR_INIT("\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\""),
     STR_INIT("\a\b\f\n\r\t\v\\\"")},
    {"numbered escapes", STR_INIT("\"\\x41\\101\\u00e9\\U0001F600\""), STR_INIT("AAé😀")},
    {"bytes", STR_INIT("\"\\x80\\377\""), STR_INIT("\x80\xff")},
    {"surrogates", STR_INIT("\"\\ud800\\udfff\""), STR_INIT("\uFFFD\uFFFD")},
    {"zero byte", STR_INIT("\"\\x00\""), STR_INIT("\0")},
    {"verbatim", STR_INIT("`a\\n\n\"b\"`"), STR_INIT("a\\n\n\"b\"")},
};

Test(lexer, texts)
{
    for (size_t i = 0; i < COUNT_OF(text_cases); i++) {
        const struct text_case *c = &text_cases[i];
        struct lexer l;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        struct token t = read_one(&a, c->text, &l);

        cr_expect(str_eq(t.text, c->want), "%s: %.*s", c->name, STR_ARG(t.text));
        cr_expect_null(l.problem.ptr, "%s", c->name);
        arena_release(&a);
    }
}

static const struct problem_case {
    const char *name;
    struct str text;
    const char *want;
    size_t line;
    size_t column;
} problem_cases[] = {
    {"open string", STR_INIT("  \"a"), "literal not terminated", 1, 3},
    {"escaped quote at the end", STR_INIT("\"a\\\""), "literal not terminated", 1, 1},
    {"newline in a string", STR_INIT("\"a\nb\""), "literal not terminated", 1, 1},
    {"open verbatim string", STR_INIT("\n`a"), "literal not terminated", 2, 1},
    {"unknown escape", STR_INIT("\"\\q\""), "invalid char escape", 1, 1},
    {"other quote escaped", STR_INIT("\"\\'\""), "invalid char escape", 1, 1},
    {"short hexadecimal escape", STR_INIT("\"\\x4\""), "invalid char escape", 1, 1},
    {"short octal escape", STR_INIT("\"\\18\""), "invalid char escape", 1, 1},
    {"large octal escape", STR_INIT("\"\\400\""), "invalid syntax", 1, 1},
    {"large rune", STR_INIT("\"\\U00110000\""), "invalid syntax", 1, 1},
    {"two characters", STR_INIT("'ab'"), "invalid char literal", 1, 1},
    {"no character", STR_INIT("''"), "invalid char literal", 1, 1},
    {"open comment", STR_INIT("é /* x"), "comment not terminated", 1, 3},
    {"not UTF-8 in a string", STR_INIT("\"\xff\""), "invalid UTF-8 encoding", 1, 1},
    {"not UTF-8 behind a token", STR_INIT("a\xff"), "invalid UTF-8 encoding", 1, 1},
    {"octal digit", STR_INIT("08"), "invalid digit '8' in octal literal", 1, 1},
    {"octal digit with prefix", STR_INIT("0o9"), "invalid digit '9' in octal literal", 1, 1},
    {"binary digit", STR_INIT("0b12"), "invalid digit '2' in binary literal", 1, 1},
    {"no hexadecimal digits", STR_INIT("0x"), "hexadecimal literal has no digits", 1, 1},
    {"hexadecimal point", STR_INIT("0x1.8"), "hexadecimal mantissa requires a 'p' exponent", 1, 1},
    {"octal point", STR_INIT("0o1.5"), "invalid radix point in octal literal", 1, 1},
    {"empty exponent", STR_INIT("1e+"), "exponent has no digits", 1, 1},
    {"wrong exponent", STR_INIT("1p3"), "'p' exponent requires hexadecimal mantissa", 1, 1},
    {"wrong exponent of an octal", STR_INIT("0o1e1"), "'e' exponent requires decimal mantissa", 1,
     1},
    {"underscore at the end", STR_INIT("1_"), "'_' must separate successive digits", 1, 1},
    {"two underscores", STR_INIT("1__0"), "'_' must separate successive digits", 1, 1},
    {"underscore at a point", STR_INIT("1_.5"), "'_' must separate successive digits", 1, 1},
    {"open range", STR_INIT(" [5m"), "missing closing ']' in duration", 0, 2},
    {"unknown unit", STR_INIT("[5x]"), "unknown unit \"x\" in duration \"5x\"", 0, 1},
};

Test(lexer, problems)
{
    for (size_t i = 0; i < COUNT_OF(problem_cases); i++) {
        const struct problem_case *c = &problem_cases[i];
        struct token t = {.kind = -1};
        struct lexer l;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        lexer_init(&l, &a, c->text);
        for (size_t j = 0; j < TOKENS_MAX && t.kind != 0; j++)
            cr_assert_eq(lexer_next(&l, &t, NULL), ST_OK);

        cr_expect(str_eq(l.problem, str_from(c->want)), "%s: %.*s", c->name, STR_ARG(l.problem));
        cr_expect_eq(l.problem_line, c->line, "%s: line %zu", c->name, l.problem_line);
        cr_expect_eq(l.problem_column, c->column, "%s: column %zu", c->name, l.problem_column);
        arena_release(&a);
    }
}

static const struct place_case {
    const char *name;
    struct str text;
    size_t token; /* counted from 0 */
    size_t line;
    size_t column;
} place_cases[] = {
    {"columns count characters", STR_INIT("é x"), 1, 1, 3},
    {"lines", STR_INIT("a\n\n  b"), 1, 3, 3},
    {"end behind blanks", STR_INIT("a  "), 1, 1, 4},
    {"end behind a newline", STR_INIT("a\n"), 1, 2, 1},
    {"end of nothing", STR_INIT(""), 0, 0, 0},
    {"behind a byte order mark",
     STR_INIT("\xef\xbb\xbf"
              "a"),
     0, 1, 2},
    {"operator of two characters", STR_INIT("a |= b"), 1, 0, 3},
    {"operator of one character", STR_INIT("a = b"), 1, 1, 3},
    {"behind an operator", STR_INIT("a |= b"), 2, 1, 6},
    {"duration", STR_INIT("a 5m"), 1, 0, 3},
    {"number", STR_INIT("a 5"), 1, 1, 3},
};

Test(lexer, places)
{
    for (size_t i = 0; i < COUNT_OF(place_cases); i++) {
        const struct place_case *c = &place_cases[i];
        struct token t = {.kind = -1};
        struct lexer l;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        lexer_init(&l, &a, c->text);
        for (size_t j = 0; j <= c->token; j++)
            cr_assert_eq(lexer_next(&l, &t, NULL), ST_OK);

        cr_expect_eq(t.line, c->line, "%s: line %zu", c->name, t.line);
        cr_expect_eq(t.column, c->column, "%s: column %zu", c->name, t.column);
        arena_release(&a);
    }
}
