#include "query/ipset.h"

#include <criterion/criterion.h>

#include "tests/support/loggen.h"

#include "base/banned.h"

static const struct bad_case {
    const char *name;
    struct str text;
    const char *want;
} bad_cases[] = {
    {"SM47, SM48", STR_INIT("x"), "ip: invalid pattern: \"x\""},
    {"empty", STR_INIT(""), "ip: invalid pattern: \"\""},
    {"leading zero", STR_INIT("010.1.1.1"), "ip: invalid pattern: \"010.1.1.1\""},
    {"three parts", STR_INIT("10.0.0"), "ip: invalid pattern: \"10.0.0\""},
    {"prefix too long", STR_INIT("10.0.0.0/33"), "ip: invalid pattern: \"10.0.0.0/33\""},
    {"prefix of nothing", STR_INIT("/8"), "ip: invalid pattern: \"/8\""},
    {"no prefix length", STR_INIT("10.0.0.0/"), "ip: invalid pattern: \"10.0.0.0/\""},
    {"zero before the length", STR_INIT("10.0.0.0/08"), "ip: invalid pattern: \"10.0.0.0/08\""},
    {"range with blanks", STR_INIT("10.0.0.1 - 10.0.0.2"),
     "ip: invalid pattern: \"10.0.0.1 - 10.0.0.2\""},
    {"range backwards", STR_INIT("10.0.0.2-10.0.0.1"),
     "ip: invalid pattern: \"10.0.0.2-10.0.0.1\""},
    {"range of two families", STR_INIT("10.0.0.1-::1"), "ip: invalid pattern: \"10.0.0.1-::1\""},
    {"quotes are escaped", STR_INIT("\"\n"), "ip: invalid pattern: \"\\\"\\n\""},
    {"zero byte", STR_INIT("10.0.0.1\0x"), "ip: invalid pattern: \"10.0.0.1\\x00x\""},
};

Test(ipset, bad_patterns)
{
    for (size_t i = 0; i < COUNT_OF(bad_cases); i++) {
        struct ipset set;
        struct err err = {.text = ""};

        cr_expect_eq(ipset_compile(bad_cases[i].text, &set, &err), ST_INVALID, "%s",
                     bad_cases[i].name);
        cr_expect_str_eq(err.text, bad_cases[i].want, "%s: %s", bad_cases[i].name, err.text);
    }
}

static const struct search_case {
    const char *name;
    struct str pattern;
    struct str line;
    bool want;
} search_cases[] = {
    {"LF28", STR_INIT("10.1.0.0/16"), STR_INIT("peer=10.1.7.9:443"), true},
    {"LF29", STR_INIT("10.1.0.0/16"), STR_INIT("peer=110.1.7.9"), false},
    {"LF30", STR_INIT("10.1.0.0/16"), STR_INIT("no address"), false},
    {"LF31", STR_INIT("10.0.0.5-10.0.0.9"), STR_INIT("a 10.0.0.9 b"), true},
    {"LF32", STR_INIT("2001:db8::/32"), STR_INIT("from [2001:db8::1]:80"), true},
    {"LF33", STR_INIT("10.0.0.1"), STR_INIT("10.0.0.1."), false},
    {"first of a range", STR_INIT("10.0.0.5-10.0.0.9"), STR_INIT("10.0.0.5"), true},
    {"before a range", STR_INIT("10.0.0.5-10.0.0.9"), STR_INIT("10.0.0.4"), false},
    {"behind a range", STR_INIT("10.0.0.5-10.0.0.9"), STR_INIT("10.0.0.10"), false},
    {"second address of a line", STR_INIT("10.0.0.1"), STR_INIT("1.1.1.1 10.0.0.1"), true},
    {"run with a fifth part", STR_INIT("10.0.0.1"), STR_INIT("1.10.0.0.1"), false},
    {"one character behind a run is passed over", STR_INIT("10.0.0.1"),
     STR_INIT("1.1.1.1x10.0.0.1"), true},
    {"leading zero", STR_INIT("10.1.1.1"), STR_INIT("010.1.1.1"), false},
    {"mapped address is another", STR_INIT("10.0.0.1"), STR_INIT("::ffff:10.0.0.1"), false},
    {"mapped address is itself", STR_INIT("::ffff:10.0.0.1"), STR_INIT("x ::ffff:10.0.0.1"), true},
    {"loopback", STR_INIT("::1"), STR_INIT("[::1]"), true},
    {"upper case", STR_INIT("2001:db8::ff"), STR_INIT("2001:DB8::FF"), true},
    {"whole space", STR_INIT("0.0.0.0/0"), STR_INIT("255.255.255.255"), true},
    {"whole space is one family", STR_INIT("0.0.0.0/0"), STR_INIT("2001:db8::1"), false},
    {"host bits of a prefix", STR_INIT("10.1.2.3/8"), STR_INIT("10.9.9.9"), true},
    {"prefix not on a byte", STR_INIT("10.1.128.0/17"), STR_INIT("10.1.127.255"), false},
    {"end of a prefix", STR_INIT("10.1.128.0/17"), STR_INIT("10.1.255.255"), true},
    {"empty line", STR_INIT("10.0.0.1"), STR_INIT(""), false},
    {"digits at the end", STR_INIT("10.0.0.1"), STR_INIT("x 10"), false},
};

Test(ipset, search)
{
    for (size_t i = 0; i < COUNT_OF(search_cases); i++) {
        const struct search_case *c = &search_cases[i];
        struct ipset set;

        cr_assert_eq(ipset_compile(c->pattern, &set, NULL), ST_OK, "%s", c->name);
        cr_expect_eq(ipset_search(&set, c->line), c->want, "%s", c->name);
    }
}

static size_t run_of(struct str s, const char *members)
{
    size_t len = 0;

    while (len < s.len && memchr(members, s.ptr[len], strlen(members)) != NULL)
        len++;
    return len;
}

/* The rule, tried at each byte. */
static bool search_slowly(const struct ipset *set, struct str text)
{
    static const char digits[] = "0123456789", hex[] = "0123456789abcdefABCDEF";

    while (text.len > 0) {
        size_t run = 0, number = MIN_OF(run_of(text, hex), (size_t)4);
        struct ipset one;
        bool point = str_find_char(str_head(str_cut(text, 1), 3), '.') != STR_NPOS;
        bool colon = number > 0 ? number < text.len && text.ptr[number] == ':'
                                : str_starts(text, STR("::")) && run_of(str_cut(text, 2), hex) > 0;
        if (run_of(str_head(text, 1), digits) > 0 && point)
            run = run_of(text, "0123456789.");
        else if (colon)
            run = run_of(text, "0123456789abcdefABCDEF:.");
        if (run > 0 && ipset_compile(str_head(text, run), &one, NULL) == ST_OK &&
            ipset_has(set, &one.low))
            return true;
        text = str_cut(text, MIN_OF(run + 1, text.len));
    }
    return false;
}

Test(ipset, search_skips_nothing_that_counts)
{
    static const char *const pieces[] = {"1",  "10", "0", ".0.0.", "1.", ".", ":",
                                         "::", "a",  "x", "::1",   " ",  "f", "abc"};
    struct ipset sets[2];
    struct loggen g;
    size_t found = 0;

    loggen_init(&g, 3);
    cr_assert_eq(ipset_compile(STR("1.0.0.0/8"), &sets[0], NULL), ST_OK);
    cr_assert_eq(ipset_compile(STR("::/0"), &sets[1], NULL), ST_OK);
    for (int i = 0; i < 50000; i++) {
        char text[64];
        size_t len = 0;
        for (uint32_t k = loggen_below(&g, 10); k > 0; k--) {
            const char *piece = pieces[loggen_below(&g, COUNT_OF(pieces))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        struct str line = str_make(text, len);
        bool want = search_slowly(&sets[i % 2], line);
        cr_assert_eq(ipset_search(&sets[i % 2], line), want, "%.*s", STR_ARG(line));
        found += want ? 1 : 0;
    }
    cr_expect_gt(found, 1000, "%zu", found);
}
