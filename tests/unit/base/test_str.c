#include "base/str.h"

#include "tests/support/expect.h"

#include "base/banned.h"

static const struct order_case {
    const char *name;
    struct str a;
    struct str b;
    int want; /* sign of the order */
} order_cases[] = {
    {"equal", STR_INIT("abc"), STR_INIT("abc"), 0},
    {"both empty", STR_INIT(""), {NULL, 0}, 0},
    {"empty before anything", STR_INIT(""), STR_INIT("\0"), -1},
    {"prefix before what it begins", STR_INIT("ab"), STR_INIT("abc"), -1},
    {"bytes are unsigned", STR_INIT("\x7f"), STR_INIT("\x80"), -1},
    {"behind a zero byte", STR_INIT("a\0b"), STR_INIT("a\0a"), 1},
};

Test(str, order)
{
    for (size_t i = 0; i < COUNT_OF(order_cases); i++) {
        const struct order_case *c = &order_cases[i];
        int there = str_cmp(c->a, c->b), back = str_cmp(c->b, c->a);

        cr_expect_eq((there > 0) - (there < 0), c->want, "%s: %d", c->name, there);
        cr_expect_eq((back > 0) - (back < 0), -c->want, "%s, swapped: %d", c->name, back);
        cr_expect_eq(str_eq(c->a, c->b), c->want == 0, "%s: str_eq", c->name);
    }
}

static const struct nocase_case {
    const char *name;
    struct str a;
    struct str b;
    bool want;
} nocase_cases[] = {
    {"letters", STR_INIT("WaRn"), STR_INIT("wArN"), true},
    {"not letters", STR_INIT("[1]"), STR_INIT("{1}"), false},
    {"other lengths", STR_INIT("warn"), STR_INIT("warning"), false},
    {"both empty", STR_INIT(""), {NULL, 0}, true},
    {"no folding of other alphabets", STR_INIT("\xc3\x84"), STR_INIT("\xc3\xa4"), false},
    {"equal behind a zero byte", STR_INIT("a\0B"), STR_INIT("A\0b"), true},
    {"unlike behind a zero byte", STR_INIT("a\0b"), STR_INIT("a\0c"), false},
};

Test(str, eq_nocase)
{
    for (size_t i = 0; i < COUNT_OF(nocase_cases); i++) {
        const struct nocase_case *c = &nocase_cases[i];

        cr_expect_eq(str_eq_nocase(c->a, c->b), c->want, "%s", c->name);
    }
}

static const struct find_case {
    const char *name;
    struct str s;
    struct str needle;
    size_t want;
} find_cases[] = {
    {"first of two", STR_INIT("abcabc"), STR_INIT("bc"), 1},
    {"whole", STR_INIT("abc"), STR_INIT("abc"), 0},
    {"longer than the text", STR_INIT("ab"), STR_INIT("abc"), STR_NPOS},
    {"not there", STR_INIT("abc"), STR_INIT("x"), STR_NPOS},
    {"empty needle", STR_INIT("abc"), STR_INIT(""), 0},
    {"empty needle in nothing", {NULL, 0}, {NULL, 0}, 0},
    {"needle in nothing", {NULL, 0}, STR_INIT("a"), STR_NPOS},
    {"zero bytes", STR_INIT("a\0b\0c"), STR_INIT("\0c"), 3},
    {"almost, then right", STR_INIT("aaab"), STR_INIT("aab"), 1},
};

Test(str, find)
{
    for (size_t i = 0; i < COUNT_OF(find_cases); i++) {
        const struct find_case *c = &find_cases[i];
        size_t at = str_find(c->s, c->needle);

        cr_expect_eq(at, c->want, "%s: %zu", c->name, at);
    }
    cr_expect_eq(str_find_char(STR("abca"), 'a'), 0);
    cr_expect_eq(str_find_last_char(STR("abca"), 'a'), 3);
    cr_expect_eq(str_find_char(STR("a\0b"), '\0'), 1);
    cr_expect_eq(str_find_char(STR_NULL, 'a'), STR_NPOS);
    cr_expect_eq(str_find_last_char(STR("abc"), 'x'), STR_NPOS);
}

static const struct edges_case {
    const char *name;
    struct str s;
    struct str edge;
    bool starts;
    bool ends;
} edges_cases[] = {
    {"empty edge", STR_INIT("ab"), STR_INIT(""), true, true},
    {"null in null", {NULL, 0}, {NULL, 0}, true, true},
    {"whole", STR_INIT("ab"), STR_INIT("ab"), true, true},
    {"longer", STR_INIT("ab"), STR_INIT("aab"), false, false},
    {"only in front", STR_INIT("abc"), STR_INIT("ab"), true, false},
    {"only behind", STR_INIT("abc"), STR_INIT("bc"), false, true},
};

Test(str, edges)
{
    for (size_t i = 0; i < COUNT_OF(edges_cases); i++) {
        const struct edges_case *c = &edges_cases[i];

        cr_expect_eq(str_starts(c->s, c->edge), c->starts, "%s: starts", c->name);
        cr_expect_eq(str_ends(c->s, c->edge), c->ends, "%s: ends", c->name);
    }
    EXPECT_STR("head of less", str_head(STR("abc"), 2), STR("ab"));
    EXPECT_STR("head of more", str_head(STR("abc"), 9), STR("abc"));
    EXPECT_STR("cut all", str_cut(STR("abc"), 3), STR(""));
    EXPECT_STR("cut nothing of null", str_cut(STR_NULL, 0), STR(""));
}

Test(str, trim)
{
    EXPECT_STR("both ends", str_trim(STR(" \t\r\n a b \n")), STR("a b"));
    EXPECT_STR("only blanks", str_trim(STR(" \n ")), STR(""));
    EXPECT_STR("no ASCII blanks", str_trim(STR("\v\xc2\xa0")), STR("\v\xc2\xa0"));
    EXPECT_STR("null", str_trim(STR_NULL), STR(""));
}

static const struct split_case {
    const char *name;
    struct str s;
    size_t count;
    struct str pieces[4];
} split_cases[] = {
    {"three", STR_INIT("a,bc,d"), 3, {STR_INIT("a"), STR_INIT("bc"), STR_INIT("d")}},
    {"one", STR_INIT("a"), 1, {STR_INIT("a")}},
    {"empty is one empty piece", STR_INIT(""), 1, {STR_INIT("")}},
    {"separators only", STR_INIT(",,"), 3, {STR_INIT(""), STR_INIT(""), STR_INIT("")}},
    {"null is nothing", {NULL, 0}, 0, {{NULL, 0}}},
};

Test(str, split)
{
    for (size_t i = 0; i < COUNT_OF(split_cases); i++) {
        const struct split_case *c = &split_cases[i];
        struct str rest = c->s, piece = STR("untouched");
        size_t count = 0;

        for (; str_split(&rest, ',', &piece) && count < COUNT_OF(c->pieces); count++)
            EXPECT_STR(c->name, piece, c->pieces[count]);
        cr_expect_eq(count, c->count, "%s: %zu pieces", c->name, count);
        cr_expect_not(str_split(&rest, ',', &piece), "%s: goes on", c->name);
    }
}
