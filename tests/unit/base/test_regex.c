#include "base/regex.h"

#include "tests/support/any_case.h"
#include "tests/support/expect.h"

#include "base/banned.h"

#define BEGIN "error parsing regexp: "

static const struct error_case {
    struct str pattern;
    const char *want;
} error_cases[] = {
    {STR_INIT("["), BEGIN "missing closing ]: `[`"},
    {STR_INIT("a[b-"), BEGIN "missing closing ]: `[b-`"},
    {STR_INIT("("), BEGIN "missing closing ): `(`"},
    {STR_INIT("a(b"), BEGIN "missing closing ): `a(b`"},
    {STR_INIT("^(?:()$"), BEGIN "missing closing ): `^(?:()$`"},
    {STR_INIT("a)"), BEGIN "unexpected ): `a)`"},
    {STR_INIT(")"), BEGIN "unexpected ): `)`"},
    {STR_INIT("a**"), BEGIN "invalid nested repetition operator: `**`"},
    {STR_INIT("a+?+"), BEGIN "invalid nested repetition operator: `+?+`"},
    {STR_INIT("a{2}{3}"), BEGIN "invalid nested repetition operator: `{2}{3}`"},
    {STR_INIT("(?=x)"), BEGIN "invalid or unsupported Perl syntax: `(?=`"},
    {STR_INIT("(?!x)"), BEGIN "invalid or unsupported Perl syntax: `(?!`"},
    {STR_INIT("(?<=x)"), BEGIN "invalid named capture: `(?<=x)`"},
    {STR_INIT("a(?<!x)b(?<n>y)"), BEGIN "invalid named capture: `(?<!x)b(?<n>`"},
    {STR_INIT("(?<"), BEGIN "invalid or unsupported Perl syntax: `(?<`"},
    {STR_INIT("(?P<"), BEGIN "invalid or unsupported Perl syntax: `(?P`"},
    {STR_INIT("x(?P=n)"), BEGIN "invalid or unsupported Perl syntax: `(?P`"},
    {STR_INIT("(?P>n)"), BEGIN "invalid or unsupported Perl syntax: `(?P`"},
    {STR_INIT("(?P<\u00e9>x)"), BEGIN "invalid named capture: `(?P<\u00e9>`"},
    {STR_INIT("(?<\u00e9>x)"), BEGIN "invalid named capture: `(?<\u00e9>`"},
    {STR_INIT("a**(?<=x)"), BEGIN "invalid nested repetition operator: `**`"},
    {STR_INIT("(?=y)(?<=x)"), BEGIN "invalid or unsupported Perl syntax: `(?=`"},
    {STR_INIT("(?>x)"), BEGIN "invalid or unsupported Perl syntax: `(?>`"},
    {STR_INIT("*"), BEGIN "missing argument to repetition operator: `*`"},
    {STR_INIT("a|+"), BEGIN "missing argument to repetition operator: `+`"},
    {STR_INIT("(?i)*"), BEGIN "missing argument to repetition operator: `*`"},
    {STR_INIT("a{1001}"), BEGIN "invalid repeat count: `{1001}`"},
    {STR_INIT("a{3,2}"), BEGIN "invalid repeat count: `{3,2}`"},
    {STR_INIT("((a{100}){100}){100}"), BEGIN "invalid repeat count: `{100}`"},
    {STR_INIT("a\\"), BEGIN "trailing backslash at end of expression: ``"},
    {STR_INIT("\\8"), BEGIN "invalid escape sequence: `\\8`"},
    {STR_INIT("\\Z"), BEGIN "invalid escape sequence: `\\Z`"},
    {STR_INIT("\\h"), BEGIN "invalid escape sequence: `\\h`"},
    {STR_INIT("\\C"), BEGIN "invalid escape sequence: `\\C`"},
    {STR_INIT("a[\\C]"), BEGIN "invalid escape sequence: `\\C`"},
    {STR_INIT("\\x{110000}"), BEGIN "invalid escape sequence: `\\x{110000`"},
    {STR_INIT("[z-a]"), BEGIN "invalid character class range: `z-a`"},
    {STR_INIT("[a-\\d]"), BEGIN "invalid escape sequence: `\\d`"},
    {STR_INIT("[[:nope:]]"), BEGIN "invalid character class range: `[:nope:]`"},
    {STR_INIT("\\p{Nope}"), BEGIN "invalid character class range: `\\p{Nope}`"},
    {STR_INIT("(?P<a-b>x)"), BEGIN "invalid named capture: `(?P<a-b>`"},
    {STR_INIT("(?P<>x)"), BEGIN "invalid named capture: `(?P<>`"},
    {STR_INIT("(?P<n"), BEGIN "invalid named capture: `(?P<n`"},
    {STR_INIT("(?<a-b>x)"), BEGIN "invalid named capture: `(?<a-b>`"},
    {STR_INIT("x(?<a"), BEGIN "invalid named capture: `(?<a`"},
    {STR_INIT("(?<n>(?<m>x"), BEGIN "missing closing ): `(?<n>(?<m>x`"},
    {STR_INIT("a\xff\xfe"), BEGIN "invalid UTF-8: `\xff\xfe`"},
};

Test(regex, error_texts)
{
    for (size_t i = 0; i < COUNT_OF(error_cases); i++) {
        struct regex *re = NULL;
        struct err err = {.text = ""};

        EXPECT_STATUS(error_cases[i].want, regex_compile(error_cases[i].pattern, &re, &err),
                      ST_INVALID);
        EXPECT_STR("text", str_from(err.text), str_from(error_cases[i].want));
        cr_expect_null(re);
    }
}

static struct regex *compile(struct str pattern)
{
    struct regex *re = NULL;
    struct err err = {.text = ""};

    cr_assert_eq(regex_compile(pattern, &re, &err), ST_OK, "%.*s: %s", STR_ARG(pattern), err.text);
    return re;
}

static const struct search_case {
    const char *name;
    struct str pattern;
    struct str text;
    bool want;
} search_cases[] = {
    {"anywhere", STR_INIT("b"), STR_INIT("abc"), true},
    {"not there", STR_INIT("x"), STR_INIT("abc"), false},
    {"empty pattern", {NULL, 0}, STR_INIT("abc"), true},
    {"nothing in nothing", {NULL, 0}, {NULL, 0}, true},
    {"anchored", STR_INIT("^b"), STR_INIT("abc"), false},
    {"a dot is no newline", STR_INIT("a.b"), STR_INIT("a\nb"), false},
    {"unless asked for", STR_INIT("(?s)a.b"), STR_INIT("a\nb"), true},
    {"end of text only", STR_INIT("a$"), STR_INIT("a\nb"), false},
    {"end of line", STR_INIT("(?m)a$"), STR_INIT("a\nb"), true},
    {"a newline at the end counts", STR_INIT("a$"), STR_INIT("a\n"), false},
    {"end of text as an escape", STR_INIT("a\\z"), STR_INIT("ba"), true},
    {"case", STR_INIT("(?i)STRASSE"), STR_INIT("strasse"), true},
    {"Unicode case", STR_INIT("(?i)\xc3\xa4"), STR_INIT("\xc3\x84"), true},
    {"digits are ASCII", STR_INIT("\\d"), STR_INIT("\xd9\xa3"), false},
    {"blanks without \\v", STR_INIT("\\s"), STR_INIT("\v"), false},
    {"classes by name", STR_INIT("^\\p{Greek}+$"), STR_INIT("\xcf\x89\xcf\x89"), true},
    {"no count in front of a comma", STR_INIT("^a{,2}$"), STR_INIT("a{,2}"), true},
    {"a thousand times", STR_INIT("^a{1000}$"), STR_INIT("aa"), false},
    {"quoted", STR_INIT("\\Qa.b\\E"), STR_INIT("axb"), false},
    {"quoted named group", STR_INIT("^\\Q(?<n>\\E$"), STR_INIT("(?<n>"), true},
    {"quoted \\C", STR_INIT("^\\Q\\C\\E$"), STR_INIT("\\C"), true},
    {"a quoted backslash before its end", STR_INIT("^\\Q\\\\E(?<n>a)$"), STR_INIT("\\a"), true},
    {"a named group in a class is none", STR_INIT("^[(?<n>]+$"), STR_INIT("(?<n>"), true},
    {"a bracket first in a class", STR_INIT("^[](?<n>]+$"), STR_INIT("](?<n>"), true},
    {"a class in a class", STR_INIT("^[[:alpha:](?<n>]+$"), STR_INIT("ab(?<n>"), true},
    {"an escaped bracket", STR_INIT("\\[(?<n>a)"), STR_INIT("[a"), true},
    {"zero byte", STR_INIT("a\0b"), STR_INIT("xa\0b"), true},
    {"zero byte that differs", STR_INIT("a\0b"), STR_INIT("a\0c"), false},
    {"invalid bytes are one character each", STR_INIT("^a..b$"),
     STR_INIT("a\xff\xfe"
              "b"),
     true},
    {"cut sequences too", STR_INIT("^...$"), STR_INIT("a\xe2\x82"), true},
    {"no more than that", STR_INIT("^.$"), STR_INIT("\xe2\x82"), false},
    {"as U+FFFD", STR_INIT("^\xef\xbf\xbd$"), STR_INIT("\xff"), true},
    {"not in a class that lacks it", STR_INIT("^[^x]$"), STR_INIT("\xff"), true},
    {"valid around them", STR_INIT("b$"),
     STR_INIT("\xff\xff"
              "b"),
     true},
};

Test(regex, search)
{
    for (size_t i = 0; i < COUNT_OF(search_cases); i++) {
        const struct search_case *c = &search_cases[i];
        struct regex *re = compile(c->pattern);

        cr_expect_eq(regex_search(re, c->text), c->want, "%s", c->name);
        regex_free(re);
    }
    regex_free(NULL);
}

static const struct match_case {
    const char *name;
    struct str pattern;
    struct str text;
    bool want;
    struct str groups[3]; /* null: took no part */
} match_cases[] = {
    {"groups",
     STR_INIT("(a)(b)"),
     STR_INIT("xaby"),
     true,
     {STR_INIT("ab"), STR_INIT("a"), STR_INIT("b")}},
    {"one that took no part",
     STR_INIT("(a)|(b)"),
     STR_INIT("b"),
     true,
     {STR_INIT("b"), {NULL, 0}, STR_INIT("b")}},
    {"fewer groups than asked for",
     STR_INIT("a"),
     STR_INIT("a"),
     true,
     {STR_INIT("a"), {NULL, 0}, {NULL, 0}}},
    {"empty group",
     STR_INIT("(x*)a"),
     STR_INIT("a"),
     true,
     {STR_INIT("a"), STR_INIT(""), {NULL, 0}}},
    {"the first alternative",
     STR_INIT("(a|ab)(c|)"),
     STR_INIT("abc"),
     true,
     {STR_INIT("a"), STR_INIT("a"), STR_INIT("")}},
    {"not greedy",
     STR_INIT("(a+?)(a*)"),
     STR_INIT("aaa"),
     true,
     {STR_INIT("aaa"), STR_INIT("a"), STR_INIT("aa")}},
    {"none", STR_INIT("(a)"), STR_INIT("b"), false, {{NULL, 0}, {NULL, 0}, {NULL, 0}}},
    {"across invalid bytes",
     STR_INIT("a(.)(b)"),
     STR_INIT("xa\xff"
              "b"),
     true,
     {STR_INIT("a\xff"
               "b"),
      STR_INIT("\xff"), STR_INIT("b")}},
    {"behind invalid bytes",
     STR_INIT("(\xc3\xa9)(b)"),
     STR_INIT("\xff\xc3\xa9"
              "b"),
     true,
     {STR_INIT("\xc3\xa9"
               "b"),
      STR_INIT("\xc3\xa9"), STR_INIT("b")}},
    {"up to the end, whatever stands there",
     STR_INIT("a(.*)()"),
     STR_INIT("a\xff"
              "b"),
     true,
     {STR_INIT("a\xff"
               "b"),
      STR_INIT("\xff"
               "b"),
      STR_INIT("")}},
    {"leftmost, even if it is invalid",
     STR_INIT("([^x])()"),
     STR_INIT("\xff"
              "a"),
     true,
     {STR_INIT("\xff"), STR_INIT("\xff"), STR_INIT("")}},
};

Test(regex, match)
{
    for (size_t i = 0; i < COUNT_OF(match_cases); i++) {
        const struct match_case *c = &match_cases[i];
        struct regex *re = compile(c->pattern);
        struct str groups[3] = {STR("?"), STR("?"), STR("?")};

        cr_expect_eq(regex_match(re, c->text, groups, COUNT_OF(groups)), c->want, "%s", c->name);
        for (size_t g = 0; g < COUNT_OF(groups) && c->want; g++) {
            EXPECT_STR(c->name, groups[g], c->groups[g]);
            cr_expect_eq(groups[g].ptr == NULL, c->groups[g].ptr == NULL, "%s: group %zu", c->name,
                         g);
            if (groups[g].ptr != NULL)
                cr_expect(groups[g].ptr >= c->text.ptr &&
                              groups[g].ptr + groups[g].len <= c->text.ptr + c->text.len,
                          "%s: group %zu is no view of the text", c->name, g);
        }
        regex_free(re);
    }
}

Test(regex, group_names)
{
    struct regex *re = compile(STR("(?P<first>a)(b)(?<third_3>c)(?:d)"));

    cr_assert_eq(regex_group_count(re), 3);
    EXPECT_STR("P form", regex_group_name(re, 1), STR("first"));
    EXPECT_STR("without a name", regex_group_name(re, 2), STR(""));
    EXPECT_STR("short form", regex_group_name(re, 3), STR("third_3"));
    regex_free(re);
}

Test(regex, more_groups_than_are_kept)
{
    enum { GROUPS = 300 };
    static struct str groups[GROUPS + 1];
    struct buf pattern, text;

    buf_init(&pattern, 4096);
    buf_init(&text, 4096);
    for (size_t i = 0; i < GROUPS; i++) {
        buf_put(&pattern, STR("(a)"));
        buf_put_char(&text, 'a');
    }
    struct regex *re = compile(buf_str(&pattern));
    cr_expect_eq(regex_group_count(re), GROUPS);
    cr_expect(regex_match(re, buf_str(&text), groups, COUNT_OF(groups)));
    cr_expect_eq(groups[0].len, GROUPS);
    EXPECT_STR("group 200", groups[200], STR("a"));
    cr_expect_null(groups[GROUPS].ptr);
    regex_free(re);
    buf_release(&pattern);
    buf_release(&text);
}

/* Go lets several groups have one name. */
Test(regex, groups_of_one_name)
{
    struct regex *re = compile(STR("(?P<n>a)(b)(?<n>c)(?P<m>d)[(?P<n>]\\(\\Q(?P<n>\\E(?P<n>e)"));
    struct str groups[6];

    cr_assert_eq(regex_group_count(re), 5);
    EXPECT_STR("first", regex_group_name(re, 1), STR("n"));
    EXPECT_STR("none", regex_group_name(re, 2), STR(""));
    EXPECT_STR("second", regex_group_name(re, 3), STR("n"));
    EXPECT_STR("other", regex_group_name(re, 4), STR("m"));
    EXPECT_STR("third", regex_group_name(re, 5), STR("n"));
    cr_expect(regex_match(re, STR("abcd?((?P<n>e"), groups, COUNT_OF(groups)));
    EXPECT_STR("match of the second", groups[3], STR("c"));
    EXPECT_STR("match of the third", groups[5], STR("e"));
    regex_free(re);
}

/* Patterns that cost other engines their lives are compiled or refused, and matched in time. */
Test(regex, hostile_patterns)
{
    static const struct str parts[] = {STR_INIT("("), STR_INIT("(a*)*"), STR_INIT("[a-z]{900}"),
                                       STR_INIT("(?:a|a?)+"), STR_INIT("\\pL")};
    char text[2000];

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct regex *re = NULL;
        struct err err = {.text = ""};
        struct buf pattern;
        buf_init(&pattern, MIB);
        for (size_t n = 0; n < 3000; n++)
            buf_put(&pattern, parts[i]);
        if (regex_compile(buf_str(&pattern), &re, &err) == ST_OK)
            (void)regex_search(re, str_make(text, sizeof(text)));
        else
            cr_expect(str_starts(str_from(err.text), STR(BEGIN)), "%zu: %s", i, err.text);
        regex_free(re);
        buf_release(&pattern);
    }
}

Test(regex, counts_against_the_arena)
{
    const struct regex *re = NULL;
    size_t small, large, count = 0;
    struct arena a;

    arena_init(&a, 64 * MIB);
    cr_assert_eq(regex_compile_in(&a, STR("a+b"), &re, NULL), ST_OK);
    cr_expect(regex_search(re, STR("xaab")));
    small = a.used_bytes;
    cr_assert_eq(regex_compile_in(&a, STR("\\pL{20}"), &re, NULL), ST_OK);
    large = a.used_bytes - small;
    cr_expect_gt(small, 128 * KIB);
    cr_expect_gt(large, 8 * MIB);
    cr_expect_eq(regex_compile_in(&a, STR("("), &re, NULL), ST_INVALID);
    while (regex_compile_in(&a, STR("a+b"), &re, NULL) == ST_OK)
        count++;
    cr_expect(a.failed);
    cr_expect_lt(count, 64 * MIB / small);
    arena_release(&a);
}

/* ---- what a match needs ---- */

static const struct need_case {
    struct str pattern;
    struct str text; /* all that is known to be there */
    bool want;
} need_cases[] = {
    {STR_INIT("error"), STR_INIT("an error"), true},
    {STR_INIT("error"), STR_INIT("an ERROR"), true}, /* case is not known */
    {STR_INIT("error"), STR_INIT("an err or"), false},
    {STR_INIT("^error$"), STR_INIT("an error"), true},
    {STR_INIT("error.*refused"), STR_INIT("refused error"), true}, /* nor is order */
    {STR_INIT("error.*refused"), STR_INIT("error"), false},
    {STR_INIT("error|refused"), STR_INIT("refused"), true},
    {STR_INIT("error|refused"), STR_INIT("accepted"), false},
    {STR_INIT("(?:error)?"), STR_INIT("accepted"), true},
    {STR_INIT("(error)+"), STR_INIT("accepted"), false},
    {STR_INIT("user-[0-9]+ (in|out)side"), STR_INIT("user-77 inside"), true},
    {STR_INIT("user-[0-9]+ (in|out)side"), STR_INIT("user-77 beside"), false},
    {STR_INIT("a[0-9]+b"), STR_INIT("nothing"), true}, /* too short to be asked for */
    {STR_INIT(".*"), STR_INIT(""), true},
    {STR_INIT("\\pL{20}needle"), STR_INIT("nothing"), true}, /* too large to be looked at */
    {STR_INIT("(?i)TIMEOUT"), STR_INIT("a Timeout"), true},
    {STR_INIT("(?i)TIMEOUT"), STR_INIT("a time out"), false},
    /* what else k, s and i match, or are made of */
    {STR_INIT("(?i)kelvinkelvin"), STR_INIT("\u212aelvin\u212aelvin"), true},
    {STR_INIT("(?i)strasse"), STR_INIT("\u017ftra\u017f\u017fe"), true},
    {STR_INIT("(?s:.)(?i:kelvin)"), STR_INIT(" \u212aelvin"), true},
    {STR_INIT("[\u212a]elvin"), STR_INIT("\u212aelvin"), true},
    {STR_INIT("\\x{212a}elvin"), STR_INIT("\u212aelvin"), true},
    {STR_INIT("[\\x{130}\\x{131}]stanbul"), STR_INIT("\u0130stanbul"), true},
    {STR_INIT("\\460stanbul"), STR_INIT("\u0130stanbul"), true},
    {STR_INIT("(?i)stra\u00dfe"), STR_INIT("stra\u1e9ee"), true},
    {STR_INIT("Stra\u00dfe"), STR_INIT("Stra\u00dfe"), true},
    {STR_INIT("Stra\u00dfenbahn"), STR_INIT("Stra\u00dfe"), false},
    {STR_INIT("bytes\ufffdafter"),
     STR_INIT("bytes\xff\x61"
              "fter"),
     true},
    {STR_INIT("(?P<all>(?P<again>needle))"), STR_INIT("needle"), true},
    {STR_INIT("(?<all>needle)|(?<all>thread)"), STR_INIT("need"), false},
    {STR_INIT("\\Qa.b*c\\E"), STR_INIT("a.b*c"), true},
    {STR_INIT("\\Qa.b*c\\E"), STR_INIT("axbbc"), false},
};

Test(regex, may_match)
{
    for (size_t i = 0; i < COUNT_OF(need_cases); i++) {
        const struct need_case *c = &need_cases[i];
        struct regex *re = compile(c->pattern);
        struct str text = c->text;

        cr_expect_eq(regex_may_match(re, any_case_contains, &text), c->want, "%.*s in %.*s",
                     STR_ARG(c->pattern), STR_ARG(text));
        if (regex_search(re, text))
            cr_expect(c->want, "%.*s matches %.*s", STR_ARG(c->pattern), STR_ARG(text));
        regex_free(re);
    }
}

/* The sets of texts one of which is needed, as "a|b c". */
static const struct {
    struct str pattern;
    const char *want;
} set_cases[] = {
    {STR_INIT("needle[0-9]+x"), "needle"},
    {STR_INIT("err.*TimeOut"), "timeout err"},
    {STR_INIT("status=[45]\\d\\d"), "status=4|status=5"},
    {STR_INIT("(abc|de)[x-z]+"), "de|abc"},
    {STR_INIT("(ab|cd)x*(efg|h)"), "ab|cd"},
    {STR_INIT("(?i)disk.?Full"), "full di"},
    {STR_INIT("\xc3\xa4xyz+"), "xy"},
    {STR_INIT("a.c"), ""},
    {STR_INIT("(foo)?bar*|"), ""},
    {STR_INIT("[0-9]{3}-[0-9]{4}"), ""},
    {STR_INIT("(?:aa|bb|cc|dd|ee|ff|gg|hh|ii|jj|kk|ll|mm|nn|oo|pp|qq)\\d"), ""}, /* 17 */
};

Test(regex, needs_cost_what_is_compiled)
{
    struct regex *small = compile(STR("a+b")), *larger = compile(STR("(error|warn|fatal){20}"));
    struct regex *too_large = compile(STR("\\pL{20}"));

    cr_expect_gt(regex_needs_bytes(small), regex_work_bytes(small));
    cr_expect_gt(regex_needs_bytes(larger), regex_needs_bytes(small));
    cr_expect_eq(regex_needs_bytes(too_large), 0, "nobody looks for its needs");
    cr_expect_eq(regex_need_count(too_large), 0);
    regex_free(small);
    regex_free(larger);
    regex_free(too_large);
}

Test(regex, needs)
{
    for (size_t i = 0; i < COUNT_OF(set_cases); i++) {
        struct regex *re = compile(set_cases[i].pattern);
        struct buf text;

        buf_init(&text, KIB);
        for (size_t set = 0; set < regex_need_count(re); set++) {
            for (size_t k = 0; k < regex_need_size(re, set); k++) {
                if (set > 0 || k > 0)
                    buf_put_char(&text, k > 0 ? '|' : ' ');
                buf_put(&text, regex_need(re, set, k));
            }
        }
        EXPECT_STR(set_cases[i].pattern.ptr, buf_str(&text), str_from(set_cases[i].want));
        buf_release(&text);
        regex_free(re);
    }
}

/* Long ones are not looked at, for it would take long. */
Test(regex, may_match_a_long_pattern)
{
    static char pattern[5000];
    struct str text = STR("b");

    memset(pattern, 'a', sizeof(pattern));
    struct regex *re = compile(str_make(pattern, sizeof(pattern)));
    cr_expect(regex_may_match(re, any_case_contains, &text));
    regex_free(re);
}
