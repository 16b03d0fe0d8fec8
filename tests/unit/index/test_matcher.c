#include "index/matcher.h"

#include "tests/support/expect.h"

#include "base/banned.h"

enum { ARENA_BYTES = 1024 * 1024 };

static const struct accept_case {
    const char *name;
    enum match_op op;
    struct str value;
    struct str label;
    bool want; /* by `=` or `=~`; the negated matcher accepts the opposite */
} accept_cases[] = {
    {"equal", MATCH_EQ, STR_INIT("web"), STR_INIT("web"), true},
    {"case counts", MATCH_EQ, STR_INIT("web"), STR_INIT("Web"), false},
    {"a prefix is not equal", MATCH_EQ, STR_INIT("we"), STR_INIT("web"), false},
    {"a zero byte is a byte", MATCH_EQ, STR_INIT("a\0b"), STR_INIT("a\0c"), false},
    {"equal to nothing, label is missing", MATCH_EQ, STR_INIT(""), STR_INIT(""), true},
    {"equal to nothing, label is there", MATCH_EQ, STR_INIT(""), STR_INIT("x"), false},
    {"no expression in =", MATCH_EQ, STR_INIT(".*"), STR_INIT("web"), false},
    {"whole value", MATCH_RE, STR_INIT("we."), STR_INIT("web"), true},
    {"not the beginning alone", MATCH_RE, STR_INIT("we"), STR_INIT("web"), false},
    {"not the end alone", MATCH_RE, STR_INIT("eb"), STR_INIT("web"), false},
    {"first branch is anchored", MATCH_RE, STR_INIT("we|sql"), STR_INIT("web"), false},
    {"last branch is anchored", MATCH_RE, STR_INIT("sql|eb"), STR_INIT("web"), false},
    {"a branch", MATCH_RE, STR_INIT("web|sql"), STR_INIT("sql"), true},
    {"an empty branch", MATCH_RE, STR_INIT("web|"), STR_INIT(""), true},
    {"anything accepts nothing", MATCH_RE, STR_INIT(".*"), STR_INIT(""), true},
    {"something refuses nothing", MATCH_RE, STR_INIT(".+"), STR_INIT(""), false},
    {"empty expression", MATCH_RE, STR_INIT(""), STR_INIT(""), true},
    {"empty expression, value", MATCH_RE, STR_INIT(""), STR_INIT("x"), false},
    {"dot is a newline too", MATCH_RE, STR_INIT("a.b"), STR_INIT("a\nb"), true},
    {"unless switched off", MATCH_RE, STR_INIT("(?-s)a.b"), STR_INIT("a\nb"), false},
    {"end is the end of the value", MATCH_RE, STR_INIT("a"), STR_INIT("a\n"), false},
    {"own anchors", MATCH_RE, STR_INIT("^web$"), STR_INIT("web"), true},
    {"case switched off", MATCH_RE, STR_INIT("(?i)WEB"), STR_INIT("web"), true},
    {"zero byte in the expression", MATCH_RE, STR_INIT("a\0b.*"), STR_INIT("a\0bc"), true},
    {"what is behind it counts", MATCH_RE, STR_INIT("a\0b"), STR_INIT("a"), false},
    {"literal text", MATCH_RE, STR_INIT("\\Qa.b\\E"), STR_INIT("a.b"), true},
    {"literal text to the end", MATCH_RE, STR_INIT("x\\Qa.b)"), STR_INIT("xa.b)"), true},
    {"and no more than that", MATCH_RE, STR_INIT("\\Qa.b"), STR_INIT("axb"), false},
    {"two runes", MATCH_RE, STR_INIT(".."), STR_INIT("\xc3\xa4\xc3\xb6"), true},
};

Test(matcher, accepts)
{
    for (size_t i = 0; i < COUNT_OF(accept_cases); i++) {
        const struct accept_case *c = &accept_cases[i];
        struct matcher wanted = {.name = STR("l"), .op = c->op, .value = c->value}, m;
        struct err err = {.text = ""};
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        enum status st = matcher_make(&a, &wanted, &m, &err);
        EXPECT_STATUS(c->name, st, ST_OK);
        if (st == ST_OK)
            cr_expect_eq(matcher_accepts(&m, c->label), c->want, "%s", c->name);
        wanted.op = c->op == MATCH_EQ ? MATCH_NEQ : MATCH_NRE;
        st = matcher_make(&a, &wanted, &m, &err);
        EXPECT_STATUS(c->name, st, ST_OK);
        if (st == ST_OK)
            cr_expect_eq(matcher_accepts(&m, c->label), !c->want, "%s, negated", c->name);
        arena_release(&a);
    }
}

static const struct refuse_case {
    const char *name;
    struct str value;
    struct str text;
} refuse_cases[] = {
    {"open group", STR_INIT("("), STR_INIT("error parsing regexp: missing closing ): `(`")},
    {"the group around it is not the user's", STR_INIT("a)|(b"),
     STR_INIT("error parsing regexp: unexpected ): `a)|(b`")},
    {"repeats nothing", STR_INIT("*"),
     STR_INIT("error parsing regexp: missing argument to repetition operator: `*`")},
    {"backslash at the end", STR_INIT("a\\"),
     STR_INIT("error parsing regexp: trailing backslash at end of expression: ``")},
};

Test(matcher, refused_expressions)
{
    for (size_t i = 0; i < COUNT_OF(refuse_cases); i++) {
        const struct refuse_case *c = &refuse_cases[i];
        struct matcher wanted = {.name = STR("l"), .op = MATCH_RE, .value = c->value};
        struct matcher m = {.name = STR("untouched")};
        struct err err;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        EXPECT_STATUS(c->name, matcher_make(&a, &wanted, &m, &err), ST_INVALID);
        EXPECT_STR(c->name, str_from(err.text), c->text);
        EXPECT_STR(c->name, m.name, STR("untouched"));
        wanted.op = MATCH_NEQ;
        EXPECT_STATUS(c->name, matcher_make(&a, &wanted, &m, NULL), ST_OK);
        arena_release(&a);
    }
}

Test(matcher, arena_is_full)
{
    struct matcher wanted = {.name = STR("l"), .op = MATCH_RE, .value = STR("a.*b")}, m;
    enum status st = ST_LIMIT;
    size_t full = 0;

    for (size_t max = 0; st != ST_OK; max += 8) {
        struct arena a;
        arena_init(&a, max);
        st = matcher_make(&a, &wanted, &m, NULL);
        full += st == ST_LIMIT;
        cr_assert(st == ST_OK || st == ST_LIMIT, "%s", status_name(st));
        arena_release(&a);
    }
    cr_expect_gt(full, 0);
}

Test(matcher, texts)
{
    static const char *const want[] = {"=", "!=", "=~", "!~"};

    for (size_t i = 0; i < COUNT_OF(want); i++)
        EXPECT_STR(want[i], match_op_text((enum match_op)i), str_from(want[i]));
}

static const struct values_case {
    const char *name;
    enum match_op op;
    struct str value;
    bool known;
    size_t count;
    struct str first;
} values_cases[] = {
    {"equal", MATCH_EQ, STR_INIT("a|b.*"), true, 1, STR_INIT("a|b.*")},
    {"equal to nothing", MATCH_EQ, STR_INIT(""), true, 1, STR_INIT("")},
    {"one text", MATCH_RE, STR_INIT("host-3"), true, 1, STR_INIT("host-3")},
    {"alternatives, ascending", MATCH_RE, STR_INIT("c|a b|b"), true, 3, STR_INIT("a b")},
    {"each once", MATCH_RE, STR_INIT("b|a|b|a"), true, 2, STR_INIT("a")},
    {"an empty one at the end", MATCH_RE, STR_INIT("b|a|"), true, 3, STR_INIT("")},
    {"an empty one at the beginning", MATCH_RE, STR_INIT("|a"), true, 2, STR_INIT("")},
    {"nothing", MATCH_RE, STR_INIT(""), true, 1, STR_INIT("")},
    {"a dot", MATCH_RE, STR_INIT("a.b|c"), false, 0, STR_INIT("")},
    {"escaped", MATCH_RE, STR_INIT("a\\.b"), false, 0, STR_INIT("")},
    {"a group", MATCH_RE, STR_INIT("(a|b)c"), false, 0, STR_INIT("")},
    {"repeated", MATCH_RE, STR_INIT("a*"), false, 0, STR_INIT("")},
    {"a flag", MATCH_RE, STR_INIT("(?i)a"), false, 0, STR_INIT("")},
    {"anchors", MATCH_RE, STR_INIT("^a$"), false, 0, STR_INIT("")},
    {"a zero byte", MATCH_RE, STR_INIT("a\0b"), false, 0, STR_INIT("")},
    {"beyond ASCII", MATCH_RE, STR_INIT("\xef\xbf\xbd"), false, 0, STR_INIT("")},
    {"not equal", MATCH_NEQ, STR_INIT("a"), false, 0, STR_INIT("")},
    {"not one of", MATCH_NRE, STR_INIT("a|b"), false, 0, STR_INIT("")},
};

/* And whatever is told to be accepted is accepted. */
Test(matcher, values_known_at_a_glance)
{
    for (size_t i = 0; i < COUNT_OF(values_cases); i++) {
        const struct values_case *c = &values_cases[i];
        struct matcher wanted = {.name = STR("l"), .op = c->op, .value = c->value}, m;
        struct matcher_values got = {.count = 0};
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        REQUIRE_OK(matcher_make(&a, &wanted, &m, NULL));
        cr_expect_eq(matcher_values(&a, &m, &got), c->known, "%s", c->name);
        cr_expect_eq(got.count, c->count, "%s: %zu", c->name, got.count);
        for (size_t k = 0; k < got.count; k++)
            cr_expect(matcher_accepts(&m, got.items[k]), "%s: value %zu", c->name, k);
        if (c->known)
            EXPECT_STR(c->name, got.items[0], c->first);
        arena_release(&a);
    }
}
