#include "query/pretty.h"

#include <criterion/criterion.h>

#include "query/canon.h"
#include "query/parser.h"
#include "tests/support/expect.h"

#define ARENA_BYTES (8 * MIB)

enum { TEXT_BYTES_MAX = 16384 };

static void put(struct str query, void (*put_expr)(struct buf *b, const struct expr *e),
                struct buf *b)
{
    const struct expr *e = NULL;
    struct err err = {.text = ""};
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    enum status st = logql_parse(&a, query, &e, &err);
    cr_expect_eq(st, ST_OK, "%.*s: %s", STR_ARG(query), err.text);
    if (st == ST_OK)
        put_expr(b, e);
    arena_release(&a);
}

/* 60 bytes of a selector, and a rate of 64 that needs a second of its kind to be long. */
#define LONG "{app=\"web\", namespace=\"production\", cluster=\"eu-central-1\"}"
#define RATE "rate(" LONG "[5m])"

static const struct pretty_case {
    const char *name;
    const char *query;
    const char *want;
} pretty_cases[] = {
    {"short", "sum(rate({app=\"a\"}|json|x=5[5m]))by(x)",
     "sum by (x)(rate({app=\"a\"} | json | x==5[5m]))"},
    {"100 bytes fit",
     "{app=\"a\"} |= "
     "\"12345678901234567890123456789012345678901234567890123456789012345678901234567"
     "89012345\"",
     "{app=\"a\"} |= "
     "\"12345678901234567890123456789012345678901234567890123456789012345678901234567"
     "89012345\""},
    {"101 bytes do not",
     "{app=\"a\"} |= "
     "\"12345678901234567890123456789012345678901234567890123456789012345678901234567"
     "890123456\"",
     "{app=\"a\"}\n  |= "
     "\"123456789012345678901234567890123456789012345678901234567890123456789012345"
     "67890123456\""},
    {"a stage a line", LONG " | json | line_format \"{{.message}}\" | drop __error__",
     LONG "\n  | json\n  | line_format \"{{.message}}\"\n  | drop __error__"},
    {"line filters in a row share a line",
     LONG " |= \"one\" != \"two\" | json |~ \"three\" or \"four\"",
     LONG "\n  |= \"one\" != \"two\"\n  | json\n  |~ \"three\" or \"four\""},
    {"as many of them as fit, then one a line",
     LONG " |= \"1234567890123456789012345678901234567890\" |= \"1234567890123456789012345678901234"
          "567890\" |= \"12345678901234567890\" |= \"x\"",
     LONG "\n  |= \"1234567890123456789012345678901234567890\" |= \"1234567890123456789012345678901"
          "234567890\"\n  |= \"12345678901234567890\"\n  |= \"x\""},
    {"aggregation", "topk by (app, job) (5, sum without (pod) (" RATE "))",
     "topk by (app, job)(\n  5,\n  sum without (pod)(" RATE ")\n)"},
    {"empty groupings",
     "sum by () (sum without () (sum by (aaaaaaaaaa, bbbbbbbbbbbbbb) (" RATE ")))",
     "sum(\n  sum without ()(\n    sum by (aaaaaaaaaa, bbbbbbbbbbbbbb)(\n      " RATE
     "\n    )\n  )\n)"},
    {"range aggregation",
     "quantile_over_time(0.99, " LONG
     " | json | unwrap duration(took) | __error__=\"\" [1h] offset 90m) by (app)",
     "quantile_over_time(\n  0.99,\n  " LONG
     " | json\n    | unwrap duration(took)\n    | __error__=\"\" [1h] offset 1h30m\n) by (app)"},
    {"an offset backward",
     "sum(count_over_time(" LONG " |= \""
     "1234567890123456789"
     "\" [5m] offset -1h))",
     "sum(\n  count_over_time(\n    " LONG
     " |= \"1234567890123456789\" [5m] offset -1h0m0s\n  )\n)"},
    {"operation", "sum(" RATE ") / on (app) group_left (job) sum(" RATE ")",
     "  sum(" RATE ")\n/ on (app) group_left (job)\n  sum(" RATE ")"},
    {"a blank where group_left would be", RATE " > bool on (app, job) " RATE,
     "  " RATE "\n> bool on (app, job) \n  " RATE},
    {"decolorize is not indented",
     "count_over_time(" LONG " | json | decolorize | logfmt | line_format \"{{.level}} {{.msg}}\" "
     "[5m])",
     "count_over_time(\n  " LONG "\n    | json\n| decolorize\n    | logfmt\n"
     "    | line_format \"{{.level}} {{.msg}}\" [5m]\n)"},
    {"no names behind group_left", RATE " * ignoring (a) group_left () (vector(1) + vector(2))",
     "  " RATE "\n* ignoring (a) group_left ()\n  (vector(1.000000) + vector(2.000000))"},
    {"operand that binds tighter", RATE " * " RATE " > bool 5",
     "    " RATE "\n  *\n    " RATE "\n> bool\n  5"},
    {"operand that binds less", "(" RATE " + " RATE ") * 2",
     "  (\n      " RATE "\n    +\n      " RATE "\n  )\n*\n  2"},
    {"operand on the right", "2 - (" RATE " - " RATE ")",
     "  2\n-\n  (\n      " RATE "\n    -\n      " RATE "\n  )"},
    {"powers group to the right", RATE " ^ " RATE " ^ " RATE,
     "  " RATE "\n^\n    " RATE "\n  ^\n    " RATE},
    {"replacement", "label_replace(" RATE ", \"destination\", \"$1\", \"source\", \"(.*)\")",
     "label_replace(\n  " RATE ",\n  \"destination\",\n  \"$1\",\n  \"source\",\n  \"(.*)\"\n)"},
};

/* The text is as wanted, and says the same as the query. */
Test(pretty, queries)
{
    for (size_t i = 0; i < COUNT_OF(pretty_cases); i++) {
        const struct pretty_case *c = &pretty_cases[i];
        struct buf text, before, after;

        buf_init(&text, TEXT_BYTES_MAX);
        buf_init(&before, TEXT_BYTES_MAX);
        buf_init(&after, TEXT_BYTES_MAX);
        put(str_from(c->query), pretty_put_expr, &text);
        EXPECT_STR(c->name, buf_str(&text), str_from(c->want));
        put(str_from(c->query), canon_put_expr, &before);
        put(buf_str(&text), canon_put_expr, &after);
        EXPECT_STR(c->name, buf_str(&after), buf_str(&before));
        buf_release(&after);
        buf_release(&before);
        buf_release(&text);
    }
}
