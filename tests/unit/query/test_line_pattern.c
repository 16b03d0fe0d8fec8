#include "query/line_pattern.h"

#include <criterion/criterion.h>

#include "base/buf.h"

#include "base/banned.h"

#define ARENA_BYTES MIB

enum { PARTS_MAX = 16 };

static const struct bad_case {
    const char *name;
    struct str text;
    bool is_filter;
    const char *want;
} bad_cases[] = {
    {"SM13", STR_INIT(""), false,
     "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or "
     "LITERAL"},
    {"SM14", STR_INIT("plain"), false, "at least one capture is required"},
    {"SM15", STR_INIT("<_> x"), false, "at least one capture is required"},
    {"SM16", STR_INIT("<a><b>"), false, "found consecutive capture '<a><b>': invalid expression"},
    {"SM17", STR_INIT("<a> <a>"), false, "duplicate capture name (a): invalid expression"},
    {"RX13", STR_INIT("<a><_>"), false, "found consecutive capture '<a><_>': invalid expression"},
    {"SM49", STR_INIT("<foo>"), true, "named captures are not allowed: found '<foo>'"},
    {"SM50", STR_INIT("<_><_>"), true, "found consecutive capture '<_><_>': invalid expression"},
    {"neighbours before names", STR_INIT("<a><b>"), true,
     "found consecutive capture '<a><b>': invalid expression"},
};

static enum status compile(struct arena *a, struct str text, bool is_filter,
                           struct line_pattern *ret, struct err *err)
{
    return is_filter ? line_pattern_compile_filter(a, text, ret, err)
                     : line_pattern_compile_parser(a, text, ret, err);
}

Test(line_pattern, bad_patterns)
{
    for (size_t i = 0; i < COUNT_OF(bad_cases); i++) {
        struct line_pattern p;
        struct err err = {.text = ""};
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        cr_expect_eq(compile(&a, bad_cases[i].text, bad_cases[i].is_filter, &p, &err), ST_INVALID,
                     "%s", bad_cases[i].name);
        cr_expect_str_eq(err.text, bad_cases[i].want, "%s: %s", bad_cases[i].name, err.text);
        arena_release(&a);
    }
}

static const struct match_case {
    const char *name;
    struct str pattern;
    struct str line;
    bool want;
} match_cases[] = {
    {"LF20", STR_INIT("user <_> login"), STR_INIT("user bob login"), true},
    {"LF21", STR_INIT("user <_> login"), STR_INIT("x: user bob login"), true},
    {"LF22", STR_INIT("user <_> login"), STR_INIT("user bob login ok"), false},
    {"LF23", STR_INIT("user <_>"), STR_INIT("user "), false},
    {"LF24", STR_INIT("<_> done"), STR_INIT("job 7 done"), true},
    {"LF25", STR_INIT("a<_>b"), STR_INIT("a1b2b"), false},
    {"LF26", STR_INIT(""), STR_INIT("x"), false},
    {"LF27", STR_INIT("user <_>"), STR_INIT("admin x"), false},
    {"empty pattern, empty line", STR_INIT(""), STR_INIT(""), true},
    {"empty line", STR_INIT("<_>"), STR_INIT(""), false},
    {"wildcard alone", STR_INIT("<_>"), STR_INIT("x"), true},
    {"wildcard takes something", STR_INIT("<_>x"), STR_INIT("x"), false},
    {"literal alone", STR_INIT("ab"), STR_INIT("xab"), true},
    {"brackets that are text", STR_INIT("<1> <a b> <>"), STR_INIT("<1> <a b> <>"), true},
};

Test(line_pattern, matches)
{
    for (size_t i = 0; i < COUNT_OF(match_cases); i++) {
        const struct match_case *c = &match_cases[i];
        struct line_pattern p;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        cr_assert_eq(line_pattern_compile_filter(&a, c->pattern, &p, NULL), ST_OK, "%s", c->name);
        cr_expect_eq(line_pattern_matches(&p, c->line), c->want, "%s", c->name);
        arena_release(&a);
    }
}

static const struct extract_case {
    const char *name;
    struct str pattern;
    struct str line;
    bool want;
    const char *want_labels; /* name=value, one after another */
} extract_cases[] = {
    {"RX07", STR_INIT("<ip> [<_>] <verb> <rest>"), STR_INIT("1.1.1.1 [x] GET /a b"), true,
     "ip=1.1.1.1;verb=GET;rest=/a b;"},
    {"RX08", STR_INIT("<a>,<b>,<c>"), STR_INIT("1,2"), true, "a=1;b=2;"},
    {"RX09", STR_INIT("id=<id> "), STR_INIT("id=42 x"), true, "id=42;"},
    {"RX10", STR_INIT("id=<id>"), STR_INIT("x id=42"), false, ""},
    {"RX11", STR_INIT("<a> <b>"), STR_INIT(""), false, ""},
    {"RX12", STR_INIT("<svc> <b>"), STR_INIT("api z"), true, "svc=api;b=z;"},
    {"captures may be empty", STR_INIT("<a>,<b>"), STR_INIT(","), true, "a=;b=;"},
    {"only the literal", STR_INIT("x<a>"), STR_INIT("x"), true, "a=;"},
    {"brackets that are text", STR_INIT("<1><a>"), STR_INIT("<1>z"), true, "a=z;"},
    {"open bracket", STR_INIT("<<a>>"), STR_INIT("<z>"), true, "a=z;"},
};

Test(line_pattern, extract)
{
    for (size_t i = 0; i < COUNT_OF(extract_cases); i++) {
        const struct extract_case *c = &extract_cases[i];
        struct str values[PARTS_MAX];
        struct line_pattern p;
        struct arena a;
        struct buf labels;

        arena_init(&a, ARENA_BYTES);
        buf_init(&labels, ARENA_BYTES);
        cr_assert_eq(line_pattern_compile_parser(&a, c->pattern, &p, NULL), ST_OK, "%s", c->name);
        cr_assert_leq(p.count, PARTS_MAX);
        cr_expect_eq(line_pattern_extract(&p, c->line, values), c->want, "%s", c->name);
        for (size_t j = 0; j < p.count; j++) {
            if (values[j].ptr != NULL)
                buf_printf(&labels, "%.*s=%.*s;", STR_ARG(p.parts[j].text), STR_ARG(values[j]));
        }
        cr_expect(str_eq(buf_str(&labels), str_from(c->want_labels)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&labels)));
        buf_release(&labels);
        arena_release(&a);
    }
}
