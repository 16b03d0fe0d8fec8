/*
 * Queries that want to do harm: whatever the bytes are, the parser answers with a tree or an error,
 * and a tree can be walked.
 */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "query/canon.h"
#include "query/lexer.h"
#include "query/parser.h"
#include "query/pretty.h"

#include "base/banned.h"

#define ARENA_BYTES (256 * MIB)

/* Parse, and walk what comes of it. */
static enum status parse(struct str query, struct err *err)
{
    const struct expr *e = NULL;
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES);
    buf_init(&b, ARENA_BYTES);
    enum status st = logql_parse(&a, query, &e, err);
    if (st == ST_OK) {
        canon_put_expr(&b, e);
        pretty_put_expr(&b, e);
    }
    cr_expect(st == ST_OK || st == ST_INVALID, "%.*s: %s", STR_ARG(str_head(query, 80)),
              status_name(st));
    buf_release(&b);
    arena_release(&a);
    return st;
}

static const struct str valid_queries[] = {
    STR_INIT("{a=\"b\", c!=\"\\x41\", d=~\"e+\", f!~`g`} # c\n |= \"x\" or ip(\"::1\") != \"y\""),
    STR_INIT(
        "{a=\"b\"} | json x=\"y[0]\", z | logfmt --strict --keep-empty v | regexp \"(?P<w>.)\""),
    STR_INIT("{a=\"b\"} | pattern \"<x> <_>\" | unpack | decolorize | line_format \"{{.x}}\""),
    STR_INIT(
        "{a=\"b\"} | label_format x=y,z=\"{{.q}}\" | drop x,y=\"z\" | keep w=~\"v\" |> \"<_>\""),
    STR_INIT("{a=\"b\"} | (c>5 and d<=5m, e=5KB or f=ip(\"10.0.0.0/8\")) g!=-1.5e3 /* c */"),
    STR_INIT("sum by (x, y) (rate({a=\"b\"} | unwrap duration(z) | w=\"v\" [5m] offset -1h)) / 2"),
    STR_INIT("topk(3, count_over_time(({a=\"b\"} |~ \"x\")[1h30m])) without () > bool 1 ^ -2"),
    STR_INIT("quantile_over_time(0.9,{a=\"b\"}[5m] | json | unwrap x) by (z)"),
    STR_INIT("label_replace(vector(1) or vector(2), \"a\", \"$1\", \"c\", \"(.*)\")"),
    STR_INIT("vector(1) * on (a, b) group_left (c) vector(2) unless ignoring () vector(3)"),
};

Test(hostile, prefixes)
{
    for (size_t i = 0; i < COUNT_OF(valid_queries); i++) {
        struct err err = {.text = ""};

        cr_expect_eq(parse(valid_queries[i], &err), ST_OK, "%.*s: %s", STR_ARG(valid_queries[i]),
                     err.text);
        for (size_t len = 0; len < valid_queries[i].len; len++)
            (void)parse(str_head(valid_queries[i], len), &err);
    }
}

/* Each allocation in turn fails: an error, never a wrong tree. */
Test(hostile, no_memory)
{
    enum { ALLOCATIONS_MAX = 1000 };

    for (size_t i = 0; i < COUNT_OF(valid_queries); i++) {
        enum status st = ST_NOMEM;

        for (int64_t n = 1; st != ST_OK; n++) {
            const struct expr *e = NULL;
            struct err err = {.text = ""};
            struct arena a;

            cr_assert_lt(n, ALLOCATIONS_MAX);
            arena_init(&a, ARENA_BYTES);
            mem_fail_after(n);
            st = logql_parse(&a, valid_queries[i], &e, &err);
            mem_fail_after(0);
            cr_expect(st == ST_OK || st == ST_NOMEM || st == ST_LIMIT, "%.*s, allocation %d: %s %s",
                      STR_ARG(valid_queries[i]), (int)n, status_name(st), err.text);
            cr_expect_eq(e != NULL, st == ST_OK);
            arena_release(&a);
        }
    }
}

/* Each byte of a valid query in turn becomes something else. */
Test(hostile, damaged_bytes)
{
    static const char others[] = "\0\"`({[|=-'\\\xff";

    for (size_t i = 0; i < COUNT_OF(valid_queries); i++) {
        for (size_t at = 0; at < valid_queries[i].len; at++) {
            char text[512];
            struct err err;

            cr_assert_lt(valid_queries[i].len, sizeof(text));
            memcpy(text, valid_queries[i].ptr, valid_queries[i].len);
            text[at] = others[(at + i) % (sizeof(others) - 1)];
            (void)parse(str_make(text, valid_queries[i].len), &err);
        }
    }
}

static const struct deep_case {
    const char *name;
    const char *open;
    const char *middle;
    const char *close;
    enum status want;
    enum status want_small; /* of a few repetitions */
} deep_cases[] = {
    {"parentheses round a number", "(", "1", ")", ST_OK, ST_OK},
    {"parentheses round a selector", "(", "{a=\"b\"}", ")", ST_OK, ST_OK},
    {"parentheses that stay open", "(", "", "", ST_INVALID, ST_INVALID},
    {"parentheses round a range", "rate((((((", "{a=\"b\"}[1m]", "))))))", ST_INVALID, ST_INVALID},
    {"aggregations", "sum(", "vector(1)", ")", ST_INVALID, ST_OK},
    {"powers", "vector(2)^", "2", "", ST_INVALID, ST_OK},
    {"sums", "vector(1)+", "1", "", ST_INVALID, ST_OK},
    {"sums of numbers", "1+", "1", "", ST_OK, ST_OK},
    {"label filters by comma", "", "{a=\"b\"}|c=1", ",c=1", ST_INVALID, ST_OK},
    {"label filters in a row", "", "{a=\"b\"}|c=1", " c=1", ST_INVALID, ST_OK},
    {"label filters by or", "", "{a=\"b\"}|c=1", " or c=1", ST_INVALID, ST_OK},
    {"label filters in parentheses", "", "{a=\"b\"}|", "(", ST_INVALID, ST_INVALID},
    {"alternatives of a line filter", "", "{a=\"b\"}|=\"x\"", " or \"\"", ST_OK, ST_OK},
    {"alternatives of a negative one", "", "{a=\"b\"}!=\"x\"", " or \"\"", ST_OK, ST_OK},
    {"stages", "", "{a=\"b\"}", "|json", ST_OK, ST_OK},
    {"matchers", "{a=\"b\",", "", "", ST_INVALID, ST_INVALID},
    {"function words", "sum ", "", "", ST_INVALID, ST_INVALID},
    {"brackets", "[", "", "", ST_INVALID, ST_INVALID},
    {"quotes", "\"", "", "", ST_INVALID, ST_INVALID},
    {"minus signs", "-", "", "", ST_INVALID, ST_INVALID},
    {"comments", "/**/", "1", "", ST_OK, ST_OK},
    {"digits", "1", "", "", ST_INVALID, ST_OK},
    {"digits of durations", "1h", "", "", ST_INVALID, ST_INVALID},
};

/* As many repetitions as a query may hold, or `few`. */
static void put_deep(struct buf *b, const struct deep_case *c, size_t few)
{
    size_t piece = strlen(c->open) + strlen(c->close);
    size_t times = (QUERY_BYTES_MAX - 1 - strlen(c->middle)) / piece;

    times = few > 0 ? few : times;
    for (size_t i = 0; i < times; i++)
        buf_put(b, str_from(c->open));
    buf_put(b, str_from(c->middle));
    for (size_t i = 0; i < times; i++)
        buf_put(b, str_from(c->close));
}

Test(hostile, deep_nesting)
{
    enum { FEW = 50 };

    for (size_t i = 0; i < COUNT_OF(deep_cases); i++) {
        const struct deep_case *c = &deep_cases[i];
        struct err err = {.text = ""};
        struct buf b;

        buf_init(&b, MIB);
        put_deep(&b, c, 0);
        cr_expect_eq(parse(buf_str(&b), &err), c->want, "%s: %s", c->name, err.text);
        buf_reset(&b);
        put_deep(&b, c, FEW);
        cr_expect_eq(parse(buf_str(&b), &err), c->want_small, "%s: %s", c->name, err.text);
        buf_release(&b);
    }
}

/* A selector of `bytes` bytes. */
static enum status parse_long(size_t bytes, struct err *err)
{
    struct buf b;

    buf_init(&b, MIB);
    buf_put(&b, STR("{a=\""));
    while (b.len < bytes - STR("\"}").len)
        buf_put_char(&b, 'x');
    buf_put(&b, STR("\"}"));
    enum status st = parse(buf_str(&b), err);
    buf_release(&b);
    return st;
}

Test(hostile, length)
{
    struct err err = {.text = ""};

    cr_expect_eq(parse_long(QUERY_BYTES_MAX - 1, &err), ST_OK, "%s", err.text);
    cr_expect_eq(parse_long(QUERY_BYTES_MAX, &err), ST_INVALID);
    cr_expect_str_eq(err.text, "parse error : input size too long (131072 > 131072)");
}

/* The trees of expressions may be AST_DEPTH_MAX deep and no deeper. */
Test(hostile, depth_limit)
{
    struct err err = {.text = ""};
    struct buf b;

    for (int depth = AST_DEPTH_MAX; depth <= AST_DEPTH_MAX + 1; depth++) {
        buf_init(&b, MIB);
        for (int i = 1; i < depth; i++)
            buf_put(&b, STR("sum("));
        buf_put(&b, STR("vector(1)"));
        for (int i = 1; i < depth; i++)
            buf_put_char(&b, ')');
        cr_expect_eq(parse(buf_str(&b), &err), depth == AST_DEPTH_MAX ? ST_OK : ST_INVALID, "%d",
                     depth);
        buf_release(&b);
    }
    cr_expect_str_eq(err.text, "parse error : the query is nested deeper than 1000 levels");
}

static const char *const soup[] = {
    "{",
    "}",
    "(",
    ")",
    "[5m]",
    "[",
    "]",
    ",",
    ".",
    "=",
    "!=",
    "=~",
    "!~",
    "|",
    "|=",
    "|~",
    "|>",
    "!>",
    "==",
    ">",
    ">=",
    "<",
    "<=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "a",
    "b",
    "\"x\"",
    "`y`",
    "\"(\"",
    "'c'",
    "5",
    "1.5",
    "0x10",
    "5m",
    "-1h",
    "5KB",
    "by",
    "without",
    "sum",
    "topk",
    "rate",
    "json",
    "logfmt",
    "--strict",
    "regexp",
    "pattern",
    "\"<a>\"",
    "unpack",
    "unwrap",
    "bytes",
    "or",
    "and",
    "unless",
    "bool",
    "on",
    "ignoring",
    "group_left",
    "offset",
    "drop",
    "keep",
    "ip",
    "vector",
    "label_replace",
    "line_format",
    "label_format",
    "decolorize",
    "{a=\"b\"}",
    "rate({a=\"b\"}[1m])",
    "#",
    "/*",
    "\n",
    "\xff",
    "é",
};

/* A fixed sequence: xorshift, so that a failure comes again. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

Test(hostile, token_soup)
{
    enum { ROUNDS = 20000, TOKENS_MAX = 24 };
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    for (int round = 0; round < ROUNDS; round++) {
        size_t count = 1 + next_random(&state) % TOKENS_MAX;
        struct err err;
        struct buf b;

        buf_init(&b, MIB);
        for (size_t i = 0; i < count; i++) {
            buf_put(&b, str_from(soup[next_random(&state) % COUNT_OF(soup)]));
            if (next_random(&state) % 2 == 0)
                buf_put_char(&b, ' ');
        }
        (void)parse(buf_str(&b), &err);
        buf_release(&b);
    }
}
