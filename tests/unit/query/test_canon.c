#include "query/canon.h"

#include <criterion/criterion.h>

#include "query/parser.h"

#include "base/banned.h"

#define ARENA_BYTES (8 * MIB)

enum { TEXT_BYTES_MAX = 4096 };

struct canon_case {
    const char *name;
    struct str query;
    const char *want;
};

static const struct canon_case canon_cases[] = {
    {"PO01", STR_INIT("{svc=\"a\",env!=\"b\",x=~\"c|d\",y!~\"e.*\"}"),
     "{svc=\"a\", env!=\"b\", x=~\"c|d\", y!~\"e.*\"}"},
    {"PO02", STR_INIT("{ svc = \"a\" }   # trailing comment"), "{svc=\"a\"}"},
    {"PO03", STR_INIT("{svc=\"a\"} // c-style works too"), "{svc=\"a\"}"},
    {"PO04", STR_INIT("({svc=\"a\"} |= \"x\")"), "{svc=\"a\"} |= \"x\""},
    {"PO05", STR_INIT("{svc=\"a\"}|=\"x\"|~`\\d+`!=\"z\"!~\"w\"|>\"<_> a\"!>\"b\""),
     "{svc=\"a\"} |= \"x\" |~ \"\\\\d+\" != \"z\" !~ \"w\" |> \"<_> a\" !> \"b\""},
    {"PO06", STR_INIT("{svc=\"a\"} |= \"x\" or \"y\" or ip(\"10.0.0.0/8\")"),
     "{svc=\"a\"} |= \"x\" or \"y\" or ip(\"10.0.0.0/8\")"},
    {"PO07", STR_INIT("{svc=\"a\"} != \"x\" or \"y\""), "{svc=\"a\"} != \"x\" != \"y\""},
    {"PO08", STR_INIT("{svc=\"a\"} |= \"\\x41\\u00e9\\101\\n\""), "{svc=\"a\"} |= \"AéA\\n\""},
    {"PO09",
     STR_INIT("{sum=\"1\", rate=\"2\", ip=\"3\", duration=\"4\", variants=\"5\", of=\"6\"}"),
     "{sum=\"1\", rate=\"2\", ip=\"3\", duration=\"4\", variants=\"5\", of=\"6\"}"},
    {"PO10", STR_INIT("{svc=\"a\"} | a=\"1\" or b=\"2\" and c=\"3\""),
     "{svc=\"a\"} | ( a=\"1\" or ( b=\"2\" , c=\"3\" ) )"},
    {"PO11", STR_INIT("{svc=\"a\"} | a=\"1\" and b=\"2\" or c=\"3\""),
     "{svc=\"a\"} | ( ( a=\"1\" , b=\"2\" ) or c=\"3\" )"},
    {"PO12", STR_INIT("{svc=\"a\"} | a=\"1\" , b=\"2\" or c=\"3\""),
     "{svc=\"a\"} | ( a=\"1\" , ( b=\"2\" or c=\"3\" ) )"},
    {"PO13", STR_INIT("{svc=\"a\"} | a=\"1\" or b=\"2\" , c=\"3\""),
     "{svc=\"a\"} | ( a=\"1\" or ( b=\"2\" , c=\"3\" ) )"},
    {"PO14", STR_INIT("{svc=\"a\"} | a=\"1\" b=\"2\""), "{svc=\"a\"} | ( a=\"1\" , b=\"2\" )"},
    {"PO15", STR_INIT("{svc=\"a\"} | a=\"1\" AND b=\"2\" OR c=\"3\""),
     "{svc=\"a\"} | ( ( a=\"1\" , b=\"2\" ) or c=\"3\" )"},
    {"PO16", STR_INIT("{svc=\"a\"} | a=5 | b=5m | c=5KB | d=1e3 | e=-5 | f=-5m | g=.5 | h=1_000"),
     "{svc=\"a\"} | a==5 | b==5m0s | c==5.0kB | d==1000 | e==-5 | f==-5m0s | g==0.5 | h==1000"},
    {"PO17", STR_INIT("{svc=\"a\"} | a=1h30m | b=1.5h | c=1w2d | d=1y | e=100us | f=1s1h"),
     "{svc=\"a\"} | a==1h30m0s | b==1h30m0s | c==216h0m0s | d==8760h0m0s | e==100µs | f==1h0m1s"},
    {"PO18", STR_INIT("{svc=\"a\"} | a=3KiB | b=5M | c=1.5GiB | d=12345B"),
     "{svc=\"a\"} | a==3.1kB | b==5.0MB | c==1.6GB | d==12kB"},
    {"PO19", STR_INIT("{svc=\"a\"} | a=~\"x+\" | b!~\"x+\" | c=~\"lit\" | d=ip(\"::1\")"),
     "{svc=\"a\"} | a=~`x+` | b!~\"x+\" | c=~\"lit\" | d=ip(\"::1\")"},
    {"PO20", STR_INIT("{svc=\"a\"} | json | logfmt --strict --keep-empty | unpack | decolorize"),
     "{svc=\"a\"} | json | logfmt --strict --keep-empty | unpack | decolorize"},
    {"PO21", STR_INIT("{svc=\"a\"} | json a=\"b.c[0]\", d | logfmt --strict x=\"y\", z"),
     "{svc=\"a\"} | json a=\"b.c[0]\",d=\"d\" | logfmt --strict x=\"y\",z=\"z\""},
    {"PO22", STR_INIT("{svc=\"a\"} | regexp \"(?P<m>a)\" | pattern \"<x> <_>\""),
     "{svc=\"a\"} | regexp \"(?P<m>a)\" | pattern \"<x> <_>\""},
    {"PO23", STR_INIT("{svc=\"a\"} | line_format `{{.x}}` | label_format y=x,z=\"{{.q}}\""),
     "{svc=\"a\"} | line_format \"{{.x}}\" | label_format y=x,z=\"{{.q}}\""},
    {"PO24", STR_INIT("{svc=\"a\"} | drop a,b=\"c\",d=~\"e\" | keep f"),
     "{svc=\"a\"} | drop a,b=\"c\",d=~\"e\" | keep f"},
    {"PO25", STR_INIT("SUM(RATE({svc=\"a\"}[5m])) BY (x)"), "sum by (x)(rate({svc=\"a\"}[5m]))"},
    {"PO26", STR_INIT("sum by (a,b) (rate({svc=\"a\"}[1h30m]))"),
     "sum by (a,b)(rate({svc=\"a\"}[1h30m]))"},
    {"PO27", STR_INIT("sum without () (rate({svc=\"a\"}[5m]))"),
     "sum without ()(rate({svc=\"a\"}[5m]))"},
    {"PO28", STR_INIT("sum by () (rate({svc=\"a\"}[5m]))"), "sum(rate({svc=\"a\"}[5m]))"},
    {"PO29", STR_INIT("topk(3,rate({svc=\"a\"}[5m])) by (x)"),
     "topk by (x)(3,rate({svc=\"a\"}[5m]))"},
    {"PO30", STR_INIT("rate(({svc=\"a\"} | json)[5m])"), "rate({svc=\"a\"} | json[5m])"},
    {"PO31", STR_INIT("rate({svc=\"a\"}[5m] | json)"), "rate({svc=\"a\"} | json[5m])"},
    {"PO32", STR_INIT("rate({svc=\"a\"}[5m] offset 1m | json)"),
     "rate({svc=\"a\"} | json[5m] offset 1m0s)"},
    {"PO33", STR_INIT("rate({svc=\"a\"}[5m] offset -5m)"), "rate({svc=\"a\"}[5m] offset -5m0s)"},
    {"PO34", STR_INIT("rate({svc=\"a\"}[0])"), "rate({svc=\"a\"}[0s])"},
    {"PO35", STR_INIT("sum_over_time({svc=\"a\"} | unwrap x | y=\"1\" | z=\"2\" [5m] offset 1m)"),
     "sum_over_time({svc=\"a\"} | unwrap x | y=\"1\" | z=\"2\"[5m] offset 1m0s)"},
    {"PO36", STR_INIT("avg_over_time(({svc=\"a\"} | unwrap duration(x))[90s]) without (q)"),
     "avg_over_time({svc=\"a\"} | unwrap duration(x)[1m30s]) without (q)"},
    {"PO37", STR_INIT("quantile_over_time(0.99,{svc=\"a\"} | unwrap bytes(x) [5m]) by (z)"),
     "quantile_over_time(0.99,{svc=\"a\"} | unwrap bytes(x)[5m]) by (z)"},
    {"PO38", STR_INIT("label_replace(rate({svc=\"a\"}[5m]),\"x\",\"$1\",\"y\",\"(.*)\")"),
     "label_replace(rate({svc=\"a\"}[5m]),\"x\",\"$1\",\"y\",\"(.*)\")"},
    {"PO39", STR_INIT("1 + 2 * 3 ^ 2 % 5 - 1"), "3"},
    {"PO40", STR_INIT("vector(1) or vector(2) and vector(3) unless vector(4)"),
     "(vector(1.000000) or ((vector(2.000000) and vector(3.000000)) unless vector(4.000000)))"},
    {"PO41", STR_INIT("vector(1) + vector(2) == vector(3) * vector(4)"),
     "((vector(1.000000) + vector(2.000000)) == (vector(3.000000) * vector(4.000000)))"},
    {"PO42", STR_INIT("vector(2) ^ vector(3) ^ vector(4)"),
     "(vector(2.000000) ^ (vector(3.000000) ^ vector(4.000000)))"},
    {"PO43", STR_INIT("vector(1) - vector(2) - vector(3)"),
     "((vector(1.000000) - vector(2.000000)) - vector(3.000000))"},
    {"PO44", STR_INIT("vector(1) < bool vector(2) < 3"),
     "((vector(1.000000) < bool vector(2.000000)) < 3)"},
    {"PO45", STR_INIT("rate({svc=\"a\"}[1m]) / on (x) group_left (y) rate({svc=\"b\"}[1m])"),
     "(rate({svc=\"a\"}[1m]) / on (x) group_left (y) rate({svc=\"b\"}[1m]))"},
    {"PO46", STR_INIT("rate({svc=\"a\"}[1m]) * ignoring (x,z) group_right rate({svc=\"b\"}[1m])"),
     "(rate({svc=\"a\"}[1m]) * ignoring (x,z) group_right rate({svc=\"b\"}[1m]))"},
    {"PO47", STR_INIT("rate({svc=\"a\"}[1m])-1"), "(rate({svc=\"a\"}[1m]) - 1)"},
    {"PO48", STR_INIT("1--1"), "2"},
    {"PO49", STR_INIT("0x1p3"), "8"},
    {"PO50", STR_INIT("010"), "10"},
    {"PO51", STR_INIT("sum(1)"), "sum(1)"},
};

/* What the table above leaves open. */
static const struct canon_case more_cases[] = {
    {"no matchers in a range", STR_INIT("absent_over_time({a=\"b\"}[5m])"),
     "absent_over_time({a=\"b\"}[5m])"},
    {"flags in one order", STR_INIT("{a=\"b\"} | logfmt --keep-empty --strict x"),
     "{a=\"b\"} | logfmt --strict --keep-empty x=\"x\""},
    {"negative chain with an address", STR_INIT("{a=\"b\"} != \"x\" or ip(\"::1\")"),
     "{a=\"b\"} != \"x\" != ip(\"::1\")"},
    {"address inside a chain", STR_INIT("{a=\"b\"} |= ip(\"::1\") or \"x\" or \"y\""),
     "{a=\"b\"} |= ip(\"::1\") or \"x\" or \"y\""},
    {"label is not an address", STR_INIT("{a=\"b\"} | c != ip(\"::1\")"),
     "{a=\"b\"} | c!=ip(\"::1\")"},
    {"expressions that stay", STR_INIT("{a=\"b\"} | c=~\"x+\" | c=~\"`+\" | c!~\"x+\""),
     "{a=\"b\"} | c=~`x+` | c=~\"`+\" | c!~\"x+\""},
    {"expression with a zero", STR_INIT("{a=\"b\"} | c=~\"x+\\000\""),
     "{a=\"b\"} | c=~\"x+\\x00\""},
    {"expressions that are simplified", STR_INIT("{a=\"b\"} | c=~\"x.*\" | c=~\"x|yz\""),
     "{a=\"b\"} | c=~\"x.*\" | c=~\"x|yz\""},
    {"comparisons", STR_INIT("{a=\"b\"} | c>1 | c>=1 | c<1 | c<=1 | c!=1"),
     "{a=\"b\"} | c>1 | c>=1 | c<1 | c<=1 | c!=1"},
    {"large number in a filter", STR_INIT("{a=\"b\"} | c > 1e21"),
     "{a=\"b\"} | c>1000000000000000000000"},
    {"large literal", STR_INIT("123456789"), "1.23456789e+08"},
    {"literal with an exponent below zero", STR_INIT("0.00001"), "1e-05"},
    {"plain literals", STR_INIT("0.0001"), "0.0001"},
    {"infinite", STR_INIT("1e300 * 1e300"), "+Inf"},
    {"division by zero", STR_INIT("1 / 0"), "NaN"},
    {"comparison of literals", STR_INIT("2 > bool 1"), "1"},
    {"remainder", STR_INIT("-7 % 3"), "-1"},
    {"grouping of nothing", STR_INIT("max_over_time({a=\"b\"} | unwrap x [1m]) by ()"),
     "max_over_time({a=\"b\"} | unwrap x[1m]) by ()"},
    {"on without a group", STR_INIT("vector(1) > bool on (x) vector(2)"),
     "(vector(1.000000) > bool on (x)  vector(2.000000))"},
    {"group without labels", STR_INIT("vector(1) + on() group_left () vector(2)"),
     "(vector(1.000000) + on () group_left vector(2.000000))"},
    {"escapes", STR_INIT("{a=\"\\x00\\\"\\u00e9\\ud800\"}"), "{a=\"\\x00\\\"é\uFFFD\"}"},
    {"bytes that are no text", STR_INIT("{a=\"\\x80\"}"), "{a=\"\\x80\"}"},
    {"signs that are no operators", STR_INIT("{@=\"b\"}"), "{@=\"b\"}"},
    {"character literals", STR_INIT("{'x'=\"b\"}"), "{'x'=\"b\"}"},
    {"conversions", STR_INIT("sum_over_time({a=\"b\"} | unwrap duration_seconds(x) [1m])"),
     "sum_over_time({a=\"b\"} | unwrap duration_seconds(x)[1m])"},
    {"range with everything behind",
     STR_INIT("sum_over_time({a=\"b\"}[1m] offset 1h | json | unwrap x)"),
     "sum_over_time({a=\"b\"} | json | unwrap x[1m] offset 1h0m0s)"},
};

static bool put_canon(struct str query, struct buf *b)
{
    const struct expr *e = NULL;
    struct err err = {.text = ""};
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    enum status st = logql_parse(&a, query, &e, &err);
    cr_expect_eq(st, ST_OK, "%.*s: %s", STR_ARG(query), err.text);
    if (st == ST_OK)
        canon_put_expr(b, e);
    arena_release(&a);
    return st == ST_OK;
}

static void check_canon(const struct canon_case *c)
{
    struct buf text, again;

    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&again, TEXT_BYTES_MAX);
    if (put_canon(c->query, &text)) {
        cr_expect(str_eq(buf_str(&text), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&text)));
    }
    bool is_number = str_eq(buf_str(&text), STR("NaN")) || str_eq(buf_str(&text), STR("+Inf"));
    if (!is_number && put_canon(buf_str(&text), &again)) {
        cr_expect(str_eq(buf_str(&text), buf_str(&again)), "%s, again: %.*s", c->name,
                  STR_ARG(buf_str(&again)));
    }
    buf_release(&again);
    buf_release(&text);
}

Test(canon, queries)
{
    for (size_t i = 0; i < COUNT_OF(canon_cases); i++)
        check_canon(&canon_cases[i]);
}

Test(canon, more_queries)
{
    for (size_t i = 0; i < COUNT_OF(more_cases); i++)
        check_canon(&more_cases[i]);
}

Test(canon, stage)
{
    const struct expr *e = NULL;
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES);
    buf_init(&b, TEXT_BYTES_MAX);
    cr_assert_eq(logql_parse(&a, STR("{a=\"b\"} |~ \"(\" | label_format x=\"{{\", y=z"), &e, NULL),
                 ST_OK);
    canon_put_stage(&b, &e->log.stages[0]);
    cr_expect(str_eq(buf_str(&b), STR("|~ \"(\"")), "%.*s", STR_ARG(buf_str(&b)));
    buf_reset(&b);
    canon_put_stage(&b, &e->log.stages[1]);
    cr_expect(str_eq(buf_str(&b), STR("| label_format x=\"{{\",y=z")), "%.*s",
              STR_ARG(buf_str(&b)));
    buf_release(&b);
    arena_release(&a);
}
