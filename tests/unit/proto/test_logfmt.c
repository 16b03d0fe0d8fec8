#include "proto/logfmt.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { PAIRS_MAX = 4 };

static const struct logfmt_case {
    const char *name;
    struct str line;
    struct logfmt_pair pairs[PAIRS_MAX]; /* up to one with a null key */
    size_t bad;                          /* strict: offset of the offending byte, or STR_NPOS */
    size_t strict_pairs;                 /* how many come before it */
} logfmt_cases[] = {
    {"pairs",
     STR_INIT("a=1 b=two"),
     {{STR_INIT("a"), STR_INIT("1"), false, false}, {STR_INIT("b"), STR_INIT("two"), false, false}},
     STR_NPOS,
     0},
    {"nothing", STR_INIT(""), {{{NULL, 0}, {NULL, 0}, false, false}}, STR_NPOS, 0},
    {"null", {NULL, 0}, {{{NULL, 0}, {NULL, 0}, false, false}}, STR_NPOS, 0},
    {"only blanks", STR_INIT(" \t\n\x01 "), {{{NULL, 0}, {NULL, 0}, false, false}}, STR_NPOS, 0},
    {"every byte up to the blank separates",
     STR_INIT("\0a=1\x1f"
              "b=2\n"),
     {{STR_INIT("a"), STR_INIT("1"), false, false}, {STR_INIT("b"), STR_INIT("2"), false, false}},
     STR_NPOS,
     0},
    {"key alone",
     STR_INIT("flag a= "),
     {{STR_INIT("flag"), STR_INIT(""), false, false}, {STR_INIT("a"), STR_INIT(""), false, false}},
     STR_NPOS,
     0},
    {"equals sign at the end",
     STR_INIT("a="),
     {{STR_INIT("a"), STR_INIT(""), false, false}},
     STR_NPOS,
     0},
    {"quoted",
     STR_INIT("a=\"b c\" d=1"),
     {{STR_INIT("a"), STR_INIT("b c"), true, false}, {STR_INIT("d"), STR_INIT("1"), false, false}},
     STR_NPOS,
     0},
    {"quoted, empty",
     STR_INIT("a=\"\""),
     {{STR_INIT("a"), STR_INIT(""), true, false}},
     STR_NPOS,
     0},
    {"quoted, with escapes",
     STR_INIT("a=\"b\\\"c\\\\\""),
     {{STR_INIT("a"), STR_INIT("b\\\"c\\\\"), true, true}},
     STR_NPOS,
     0},
    {"the next pair at once",
     STR_INIT("m=\"x\"y=1"),
     {{STR_INIT("m"), STR_INIT("x"), true, false}, {STR_INIT("y"), STR_INIT("1"), false, false}},
     STR_NPOS,
     0},
    {"a value that is no UTF-8",
     STR_INIT("a=\xfe"),
     {{STR_INIT("a"), STR_INIT("\xfe"), false, false}},
     STR_NPOS,
     0},
    {"backslash outside of quotes",
     STR_INIT("a=b\\c"),
     {{STR_INIT("a"), STR_INIT("b\\c"), false, false}},
     STR_NPOS,
     0},
    {"equals sign for a key",
     STR_INIT("a=1 =x b=2"),
     {{STR_INIT("a"), STR_INIT("1"), false, false}, {STR_INIT("b"), STR_INIT("2"), false, false}},
     4,
     1},
    {"quote for a key",
     STR_INIT("\"x\" b=2"),
     {{STR_INIT("b"), STR_INIT("2"), false, false}},
     0,
     0},
    {"quote in a key",
     STR_INIT("a\"b=1 c=2"),
     {{STR_INIT("c"), STR_INIT("2"), false, false}},
     1,
     0},
    {"equals sign in a value",
     STR_INIT("a=b=c d=1"),
     {{STR_INIT("d"), STR_INIT("1"), false, false}},
     3,
     0},
    {"two equals signs",
     STR_INIT("a==b d=1"),
     {{STR_INIT("d"), STR_INIT("1"), false, false}},
     2,
     0},
    {"quote in a value",
     STR_INIT("a=b\"c d=1"),
     {{STR_INIT("d"), STR_INIT("1"), false, false}},
     3,
     0},
    {"quote without an end",
     STR_INIT("a=1 b=\"c d=1"),
     {{STR_INIT("a"), STR_INIT("1"), false, false}},
     12,
     1},
    {"quote without an end, escaped",
     STR_INIT("b=\"c\\\""),
     {{{NULL, 0}, {NULL, 0}, false, false}},
     6,
     0},
    {"backslash at the end", STR_INIT("b=\"c\\"), {{{NULL, 0}, {NULL, 0}, false, false}}, 5, 0},
};

static size_t pair_count(const struct logfmt_case *c)
{
    size_t count = 0;

    while (count < PAIRS_MAX && c->pairs[count].key.ptr != NULL)
        count++;
    return count;
}

static void expect_pairs(const struct logfmt_case *c, bool strict)
{
    bool fails = strict && c->bad != STR_NPOS;
    size_t want = fails ? c->strict_pairs : pair_count(c), count = 0;
    struct logfmt_pair pair;
    struct logfmt l;

    logfmt_init(&l, c->line, strict);
    for (; logfmt_next(&l, &pair) && count < PAIRS_MAX; count++) {
        const struct logfmt_pair *p = &c->pairs[count];
        if (count >= want)
            continue;
        EXPECT_STR(c->name, pair.key, p->key);
        EXPECT_STR(c->name, pair.value, p->value);
        cr_expect_eq(pair.quoted, p->quoted, "%s: quoted", c->name);
        cr_expect_eq(pair.escapes, p->escapes, "%s: escapes", c->name);
    }
    cr_expect_eq(count, want, "%s, strict %d: %zu pairs", c->name, strict, count);
    cr_expect_eq(l.fault != LOGFMT_OK, fails, "%s, strict %d: failed", c->name, strict);
    if (fails)
        cr_expect_eq(l.bad, c->bad, "%s: bad at %zu", c->name, l.bad);
    cr_expect_not(logfmt_next(&l, &pair), "%s: goes on", c->name);
}

Test(logfmt, lenient)
{
    for (size_t i = 0; i < COUNT_OF(logfmt_cases); i++)
        expect_pairs(&logfmt_cases[i], false);
}

Test(logfmt, strict)
{
    for (size_t i = 0; i < COUNT_OF(logfmt_cases); i++)
        expect_pairs(&logfmt_cases[i], true);
}

/* Whatever the line, the scanner ends, and its views lie inside, one behind the other. */
Test(logfmt, garbage)
{
    static const char alphabet[] = "ab=\"\\ \n";
    struct random r = random_begin();
    unsigned wrong = 0;

    for (size_t i = 0; i < 50000; i++) {
        size_t len = random_below(&r, 24);
        char *line = mem_bytes(len); /* of just this size, for the address sanitizer */
        struct logfmt_pair pair;
        struct logfmt l;
        for (size_t at = 0; at < len; at++)
            line[at] = alphabet[random_below(&r, sizeof(alphabet) - 1)];
        const char *before = line;
        logfmt_init(&l, str_make(line, len), i % 2 == 0);
        while (logfmt_next(&l, &pair)) {
            wrong += pair.key.len == 0 || pair.key.ptr < before || l.at > len;
            wrong += pair.value.len > 0 && pair.value.ptr + pair.value.len > line + len;
            before = pair.key.ptr + pair.key.len;
        }
        wrong += l.fault == LOGFMT_OK && l.at != len;
        mem_free(line);
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
}
