#include <criterion/criterion.h>

#include "base/defs.h"
#include "tests/support/reference.h"

/* Order, limits and groups of lines. */
static const struct query_case log_cases[] = {
    {"LQ01", 'L', "0..10/1", "{svc=~\"a|b\"}",
     "streams: {svc=\"a\"} [4 \"k=1 z\"] [2 \"k=2 y\"] [1 \"k=1 x\"] ; {svc=\"b\"} [3 \"k=1 w\"]"},
    {"LQ02", 'L', "0..10/1 dir=forward", "{svc=~\"a|b\"}",
     "streams: {svc=\"a\"} [1 \"k=1 x\"] [2 \"k=2 y\"] [4 \"k=1 z\"] ; {svc=\"b\"} [3 \"k=1 w\"]"},
    {"LQ03", 'L', "0..10/1 limit=2", "{svc=~\"a|b\"}",
     "streams: {svc=\"a\"} [4 \"k=1 z\"] ; {svc=\"b\"} [3 \"k=1 w\"]"},
    {"LQ04", 'L', "0..10/1 limit=2 dir=forward", "{svc=~\"a|b\"}",
     "streams: {svc=\"a\"} [1 \"k=1 x\"] [2 \"k=2 y\"]"},
    {"LQ05", 'L', "2..4/1", "{svc=~\"a|b\"}",
     "streams: {svc=\"a\"} [2 \"k=2 y\"] ; {svc=\"b\"} [3 \"k=1 w\"]"},
    {"LQ06", 'L', "0..10/1", "{svc=~\"a|b\"} | logfmt",
     "streams: {k=\"1\", svc=\"a\"} [4 \"k=1 z\"] [1 \"k=1 x\"] ; {k=\"1\", svc=\"b\"} [3 \"k=1 "
     "w\"] ; {k=\"2\", svc=\"a\"} [2 \"k=2 y\"]"},
    {"LQ07", 'L', "0..10/1", "{svc=~\"a|b\"} | logfmt | keep k",
     "streams: {k=\"1\"} [4 \"k=1 z\"] [3 \"k=1 w\"] [1 \"k=1 x\"] ; {k=\"2\"} [2 \"k=2 y\"]"},
    {"LQ08", 'L', "0..10/1 dir=forward", "{svc=~\"a|b\"} | logfmt | k=\"1\" | drop svc",
     "streams: {k=\"1\"} [1 \"k=1 x\"] [3 \"k=1 w\"] [4 \"k=1 z\"]"},
    {"LQ09", 'L', "0..10/1 limit=3", "{svc=~\"a|b\"} | logfmt | line_format \"{{.k}}\" | drop k",
     "streams: {svc=\"a\"} [4 \"1\"] [2 \"2\"] ; {svc=\"b\"} [3 \"1\"]"},
    {"LQ10", 'L', "0..10/1 interval=2 dir=forward", "{svc=\"a\"}",
     "streams: {svc=\"a\"} [1 \"k=1 x\"] [4 \"k=1 z\"]"},
    {"LQ11", 'L', "0..10/1", "{svc=\"nope\"}", "streams: empty"},
};

/* Arguments of stages that are looked at when the query is run; before any line is. */
static const struct query_case stage_cases[] = {
    {"SM43", 'L', "0..10/1", "{svc=\"a\"} |~ \"(\"",
     "ERROR 400 parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"},
    {"SM44", 'L', "0..10/1", "{svc=\"a\"} !~ \"a**\"",
     "ERROR 400 parse error : stage '!~ \"a**\"' : error parsing regexp: invalid nested repetition "
     "operator: `**`"},
    {"SM45", 'L', "0..10/1", "{svc=\"a\"} |~ \"(?=x)\"",
     "ERROR 400 parse error : stage '|~ \"(?=x)\"' : error parsing regexp: invalid or unsupported "
     "Perl syntax: `(?=`"},
    {"SM46", 'L', "0..10/1", "{svc=\"a\"} |~ ip(\"1.1.1.1\")",
     "ERROR 400 parse error : stage '|~ ip(\"1.1.1.1\")' : ip: invalid operation"},
    {"SM47", 'L', "0..10/1", "{svc=\"a\"} |= ip(\"x\")",
     "ERROR 400 parse error : stage '|= ip(\"x\")' : ip: invalid pattern: \"x\""},
    {"SM48", 'L', "0..10/1", "{svc=\"a\"} | x = ip(\"x\")",
     "ERROR 400 parse error : stage '| x=ip(\"x\")' : ip: invalid pattern: \"x\""},
    {"SM49", 'L', "0..10/1", "{svc=\"a\"} |> \"<foo>\"",
     "ERROR 400 parse error : stage '|> \"<foo>\"' : named captures are not allowed: found "
     "'<foo>'"},
    {"SM50", 'L', "0..10/1", "{svc=\"a\"} |> \"<_><_>\"",
     "ERROR 400 parse error : stage '|> \"<_><_>\"' : found consecutive capture '<_><_>': invalid "
     "expression"},
    {"SM51", 'L', "0..10/1", "{svc=\"a\"} | json x=\"a..b\"",
     "ERROR 400 parse error : stage '| json x=\"a..b\"' : cannot parse expression [a..b]: syntax "
     "error: unexpected DOT, expecting FIELD"},
    {"SM52", 'L', "0..10/1", "{svc=\"a\"} | json x=\"a[\"",
     "ERROR 400 parse error : stage '| json x=\"a[\"' : cannot parse expression [a[]: syntax "
     "error: unexpected $end, expecting STRING or INDEX"},
    {"SM53", 'L', "0..10/1", "{svc=\"a\"} | json x=\"a b\"",
     "ERROR 400 parse error : stage '| json x=\"a b\"' : cannot parse expression [a b]: syntax "
     "error: unexpected FIELD"},
    {"SM54", 'L', "0..10/1", "{svc=\"a\"} | json x=\"\"",
     "ERROR 400 parse error : stage '| json x=\"\"' : cannot parse expression []: syntax error: "
     "unexpected $end, expecting LSB or FIELD"},
    {"SM55", 'L', "0..10/1", "{svc=\"a\"} | logfmt x=\"a b\"",
     "ERROR 400 parse error : stage '| logfmt x=\"a b\"' : cannot parse expression [a b]: syntax "
     "error: unexpected KEY"},
    {"SM56", 'L', "0..10/1", "{svc=\"a\"} | logfmt x=\"a-b\"",
     "ERROR 400 parse error : stage '| logfmt x=\"a-b\"' : cannot parse expression [a-b]: "
     "unexpected char -"},
    {"SM57", 'L', "0..10/1", "{svc=\"a\"} | line_format \"{{.x\"",
     "ERROR 400 parse error : stage '| line_format \"{{.x\"' : invalid line template: template: "
     "line:1: unclosed action"},
    {"SM58", 'L', "0..10/1", "{svc=\"a\"} | line_format \"{{nofunc}}\"",
     "ERROR 400 parse error : stage '| line_format \"{{nofunc}}\"' : invalid line template: "
     "template: line:1: function \"nofunc\" not defined"},
    {"SM59", 'L', "0..10/1", "{svc=\"a\"} | line_format \"{{.a-b}}\"",
     "ERROR 400 parse error : stage '| line_format \"{{.a-b}}\"' : invalid line template: "
     "template: line:1: bad character U+002D '-'"},
    {"SM60", 'L', "0..10/1", "{svc=\"a\"} | line_format \"{{end}}\"",
     "ERROR 400 parse error : stage '| line_format \"{{end}}\"' : invalid line template: template: "
     "line:1: unexpected {{end}}"},
    {"SM61", 'L', "0..10/1", "{svc=\"a\"} | line_format \"{{if .x}}\"",
     "ERROR 400 parse error : stage '| line_format \"{{if .x}}\"' : invalid line template: "
     "template: line:1: unexpected EOF"},
    {"SM62", 'L', "0..10/1", "{svc=\"a\"} | line_format \"{{$y}}\"",
     "ERROR 400 parse error : stage '| line_format \"{{$y}}\"' : invalid line template: template: "
     "line:1: undefined variable \"$y\""},
    {"SM63", 'L', "0..10/1", "{svc=\"a\"} | label_format x=\"{{\"",
     "ERROR 400 parse error : stage '| label_format x=\"{{\"' : invalid template for label 'x': "
     "template: label:1: unclosed action"},
    {"SM64", 'L', "0..10/1", "{svc=\"a\"} | label_format x=y,x=z",
     "ERROR 400 parse error : stage '| label_format x=y,x=z' : multiple label name 'x' not allowed "
     "in a single format operation"},
    {"SM65", 'L', "0..10/1", "{svc=\"a\"} | label_format __error__=y",
     "ERROR 400 parse error : stage '| label_format __error__=y' : __error__ cannot be formatted"},
};

Test(reference_logs, logs)
{
    check_queries(log_cases, COUNT_OF(log_cases));
}

Test(reference_logs, stages)
{
    check_queries(stage_cases, COUNT_OF(stage_cases));
}
