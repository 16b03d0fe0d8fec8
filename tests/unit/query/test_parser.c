#include "query/parser.h"

#include <criterion/criterion.h>

#include "query/lexer.h"

#include "base/banned.h"

#define ARENA_BYTES (8 * MIB)

#define SELECTOR_RULE                                                                        \
    "queries require at least one regexp or equality matcher that does not have an "         \
    "empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but " \
    "app=~\".+\" will"

struct error_case {
    const char *name;
    struct str query;
    const char *want;
};

static const struct error_case syntax_cases[] = {
    {"SE01", STR_INIT("{svc=\"a\""),
     "parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,"},
    {"SE02", STR_INIT("{svc=\"a\",}"),
     "parse error at line 1, col 10: syntax error: unexpected }, expecting IDENTIFIER"},
    {"SE03", STR_INIT("{svc=a}"),
     "parse error at line 1, col 6: syntax error: unexpected IDENTIFIER, expecting STRING"},
    {"SE04", STR_INIT("{svc='a'}"),
     "parse error at line 1, col 6: syntax error: unexpected IDENTIFIER, expecting STRING"},
    {"SE05", STR_INIT("{svc}"),
     "parse error at line 1, col 5: syntax error: unexpected }, expecting = or =~ or !~ or !="},
    {"SE06", STR_INIT("{\"svc\"=\"a\"}"),
     "parse error at line 1, col 2: syntax error: unexpected STRING, expecting IDENTIFIER or }"},
    {"SE07", STR_INIT("{svc==\"a\"}"),
     "parse error at line 0, col 5: syntax error: unexpected ==, expecting = or =~ or !~ or !="},
    {"SE08", STR_INIT("{svc=\"a\" or b=\"c\"}"),
     "parse error at line 1, col 10: syntax error: unexpected or, expecting } or ,"},
    {"SE09", STR_INIT("{svc-x=\"a\"}"),
     "parse error at line 1, col 5: syntax error: unexpected -, expecting = or =~ or !~ or !="},
    {"SE10", STR_INIT("{json=\"a\"}"),
     "parse error at line 1, col 2: syntax error: unexpected json, expecting IDENTIFIER or }"},
    {"SE11", STR_INIT("{by=\"a\"}"),
     "parse error at line 1, col 2: syntax error: unexpected by, expecting IDENTIFIER or }"},
    {"SE12", STR_INIT("{svc=\"a\"}}"), "parse error at line 1, col 10: syntax error: unexpected }"},
    {"SE13", STR_INIT("{svc=\"a\"} {b=\"c\"}"),
     "parse error at line 1, col 11: syntax error: unexpected {"},
    {"SE14", STR_INIT("{svc=\"a\"} |= "),
     "parse error at line 1, col 14: syntax error: unexpected $end, expecting STRING or ip"},
    {"SE15", STR_INIT("{svc=\"a\"} |= err"),
     "parse error at line 1, col 14: syntax error: unexpected IDENTIFIER, expecting STRING or ip"},
    {"SE16", STR_INIT("{svc=\"a\"} |= \"x\" or"),
     "parse error at line 1, col 20: syntax error: unexpected $end, expecting STRING or ip"},
    {"SE17", STR_INIT("{svc=\"a\"} |= \"x\" or |= \"y\""),
     "parse error at line 0, col 21: syntax error: unexpected |=, expecting STRING or ip"},
    {"SE18", STR_INIT("{svc=\"a\"} |= ip"),
     "parse error at line 1, col 14: syntax error: unexpected IDENTIFIER, expecting STRING or ip"},
    {"SE19", STR_INIT("{svc=\"a\"} =~ \"x\""),
     "parse error at line 0, col 11: syntax error: unexpected =~"},
    {"SE20", STR_INIT("{svc=\"a\"} \"x\""),
     "parse error at line 1, col 11: syntax error: unexpected STRING"},
    {"SE21", STR_INIT("{svc=\"a\"} |"),
     "parse error at line 1, col 12: syntax error: unexpected $end"},
    {"SE22", STR_INIT("{svc=\"a\"} || json"),
     "parse error at line 1, col 12: syntax error: unexpected |"},
    {"SE23", STR_INIT("{svc=\"a\"} | foo"),
     "parse error at line 1, col 16: syntax error: unexpected $end"},
    {"SE24", STR_INIT("{svc=\"a\"} | x="),
     "parse error at line 1, col 15: syntax error: unexpected $end"},
    {"SE25", STR_INIT("{svc=\"a\"} | x==\"5\""),
     "parse error at line 1, col 16: syntax error: unexpected STRING"},
    {"SE26", STR_INIT("{svc=\"a\"} | x>\"5\""),
     "parse error at line 1, col 15: syntax error: unexpected STRING"},
    {"SE27", STR_INIT("{svc=\"a\"} | x>abc"),
     "parse error at line 1, col 15: syntax error: unexpected IDENTIFIER"},
    {"SE28", STR_INIT("{svc=\"a\"} | x=~5"),
     "parse error at line 1, col 16: syntax error: unexpected NUMBER, expecting STRING"},
    {"SE29", STR_INIT("{svc=\"a\"} | x=~y"),
     "parse error at line 1, col 16: syntax error: unexpected IDENTIFIER, expecting STRING"},
    {"SE30", STR_INIT("{svc=\"a\"} | x>5 5"),
     "parse error at line 1, col 17: syntax error: unexpected NUMBER"},
    {"SE31", STR_INIT("{svc=\"a\"} | x>5m 5m"),
     "parse error at line 0, col 18: syntax error: unexpected DURATION"},
    {"SE32", STR_INIT("{svc=\"a\"} | x=\"1\" and"),
     "parse error at line 1, col 22: syntax error: unexpected $end, expecting IDENTIFIER or ("},
    {"SE33", STR_INIT("{svc=\"a\"} | (x=\"1\""),
     "parse error at line 1, col 19: syntax error: unexpected $end"},
    {"SE34", STR_INIT("{svc=\"a\"} | x == ip(\"1.1.1.1\")"),
     "parse error at line 1, col 18: syntax error: unexpected ip"},
    {"SE35", STR_INIT("{svc=\"a\"} | x > - 5m"),
     "parse error at line 0, col 19: syntax error: unexpected DURATION, expecting NUMBER"},
    {"SE36", STR_INIT("{svc=\"a\"} | x > 5mb"),
     "parse error at line 1, col 20: syntax error: unexpected $end"},
    {"SE37", STR_INIT("{svc=\"a\"} | x > 1.5d"),
     "parse error at line 1, col 21: syntax error: unexpected $end"},
    {"SE38", STR_INIT("{svc=\"a\"} | json a=5"),
     "parse error at line 1, col 20: syntax error: unexpected NUMBER, expecting STRING"},
    {"SE39", STR_INIT("{svc=\"a\"} | json --strict"),
     "parse error at line 0, col 18: syntax error: unexpected FUNCTION_FLAG"},
    {"SE40", STR_INIT("{svc=\"a\"} | logfmt --foo"),
     "parse error at line 1, col 22: syntax error: unexpected IDENTIFIER, expecting NUMBER"},
    {"SE41", STR_INIT("{svc=\"a\"} | logfmt a=b"),
     "parse error at line 1, col 22: syntax error: unexpected IDENTIFIER, expecting STRING"},
    {"SE42", STR_INIT("{svc=\"a\"} | regexp"),
     "parse error at line 1, col 19: syntax error: unexpected $end, expecting STRING"},
    {"SE43", STR_INIT("{svc=\"a\"} | line_format x"),
     "parse error at line 1, col 25: syntax error: unexpected IDENTIFIER, expecting STRING"},
    {"SE44", STR_INIT("{svc=\"a\"} | label_format a"),
     "parse error at line 1, col 27: syntax error: unexpected $end, expecting ="},
    {"SE45", STR_INIT("{svc=\"a\"} | label_format a=5"),
     "parse error at line 1, col 28: syntax error: unexpected NUMBER, expecting IDENTIFIER or "
     "STRING"},
    {"SE46", STR_INIT("{svc=\"a\"} | label_format a=b,"),
     "parse error at line 1, col 30: syntax error: unexpected $end, expecting IDENTIFIER"},
    {"SE47", STR_INIT("{svc=\"a\"} | drop"),
     "parse error at line 1, col 17: syntax error: unexpected $end, expecting IDENTIFIER"},
    {"SE48", STR_INIT("{svc=\"a\"} | keep a=5"),
     "parse error at line 1, col 20: syntax error: unexpected NUMBER, expecting STRING"},
    {"SE49", STR_INIT("{svc=\"a\"} | unwrap x"),
     "parse error at line 1, col 13: syntax error: unexpected unwrap"},
    {"SE50", STR_INIT("{svc=\"a\"}[5m]"),
     "parse error at line 0, col 10: syntax error: unexpected RANGE"},
    {"SE51", STR_INIT("({svc=\"a\"}) |= \"x\""),
     "parse error at line 0, col 13: syntax error: unexpected |="},
    {"SE52", STR_INIT("rate({svc=\"a\"})"),
     "parse error at line 1, col 15: syntax error: unexpected )"},
    {"SE53", STR_INIT("rate()"),
     "parse error at line 1, col 6: syntax error: unexpected ), expecting NUMBER or { or ("},
    {"SE54", STR_INIT("rate(5)"),
     "parse error at line 1, col 7: syntax error: unexpected ), expecting ,"},
    {"SE55", STR_INIT("rate"), "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    {"SE56", STR_INIT("rate({svc=\"a\"}[5m]"),
     "parse error at line 1, col 19: syntax error: unexpected $end, expecting )"},
    {"SE57", STR_INIT("rate({svc=\"a\"}[5m]) offset 5m"),
     "parse error at line 1, col 21: syntax error: unexpected offset"},
    {"SE58", STR_INIT("rate({svc=\"a\"} offset 5m [5m])"),
     "parse error at line 1, col 16: syntax error: unexpected offset"},
    {"SE59", STR_INIT("rate({svc=\"a\"}[5m] offset 5)"),
     "parse error at line 1, col 27: syntax error: unexpected NUMBER, expecting DURATION"},
    {"SE60", STR_INIT("rate({svc=\"a\"}[5m] offset -1d)"),
     "parse error at line 1, col 27: syntax error: unexpected -, expecting DURATION"},
    {"SE61", STR_INIT("rate({svc=\"a\"} |= \"x\" [5m] |= \"y\")"),
     "parse error at line 0, col 28: syntax error: unexpected |=, expecting )"},
    {"SE62", STR_INIT("rate({svc=\"a\"} | unwrap [5m])"),
     "parse error at line 0, col 25: syntax error: unexpected RANGE, expecting IDENTIFIER or "
     "BYTES_CONV or DURATION_CONV or DURATION_SECONDS_CONV"},
    {"SE63", STR_INIT("rate({svc=\"a\"} | unwrap foo(x)[5m])"),
     "parse error at line 1, col 28: syntax error: unexpected (, expecting RANGE or |"},
    {"SE64", STR_INIT("rate({svc=\"a\"} | unwrap x | json [5m])"),
     "parse error at line 1, col 29: syntax error: unexpected json, expecting IDENTIFIER or ("},
    {"SE65", STR_INIT("rate(vector(1))"),
     "parse error at line 1, col 6: syntax error: unexpected VECTOR, expecting NUMBER or { or ("},
    {"SE66", STR_INIT("sum()"), "parse error at line 1, col 5: syntax error: unexpected )"},
    {"SE67", STR_INIT("sum({svc=\"a\"})"),
     "parse error at line 1, col 14: syntax error: unexpected )"},
    {"SE68", STR_INIT("sum(rate({svc=\"a\"}[5m])"),
     "parse error at line 1, col 24: syntax error: unexpected $end"},
    {"SE69", STR_INIT("sum by svc (rate({svc=\"a\"}[5m]))"),
     "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    {"SE70", STR_INIT("sum by (svc,) (rate({svc=\"a\"}[5m]))"),
     "parse error at line 1, col 13: syntax error: unexpected ), expecting IDENTIFIER"},
    {"SE71", STR_INIT("sum by (\"svc\") (rate({svc=\"a\"}[5m]))"),
     "parse error at line 1, col 9: syntax error: unexpected STRING, expecting IDENTIFIER or )"},
    {"SE72", STR_INIT("sum by (a) (rate({svc=\"a\"}[5m])) by (b)"),
     "parse error at line 1, col 34: syntax error: unexpected by"},
    {"SE73", STR_INIT("foo(rate({svc=\"a\"}[5m]))"),
     "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    {"SE74", STR_INIT("variants(rate({svc=\"a\"}[5m])) of ({svc=\"a\"}[5m])"),
     "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    {"SE75", STR_INIT("topk(-1,rate({svc=\"a\"}[5m]))"),
     "parse error at line 1, col 8: syntax error: unexpected ,"},
    {"SE76", STR_INIT("quantile_over_time(-0.5,{svc=\"a\"} | unwrap x [5m])"),
     "parse error at line 1, col 20: syntax error: unexpected -, expecting NUMBER or { or ("},
    {"SE77", STR_INIT("label_replace(rate({svc=\"a\"}[5m]),\"a\",\"b\",\"c\")"),
     "parse error at line 1, col 46: syntax error: unexpected ), expecting ,"},
    {"SE78", STR_INIT("label_replace(vector(1),a,\"b\",\"c\",\"d\")"),
     "parse error at line 1, col 25: syntax error: unexpected IDENTIFIER, expecting STRING"},
    {"SE79", STR_INIT("vector(abc)"),
     "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting NUMBER"},
    {"SE80", STR_INIT("vector(-1)"),
     "parse error at line 1, col 8: syntax error: unexpected -, expecting NUMBER"},
    {"SE81", STR_INIT("-vector(1)"),
     "parse error at line 1, col 2: syntax error: unexpected VECTOR, expecting NUMBER"},
    {"SE82", STR_INIT("-(1)"),
     "parse error at line 1, col 2: syntax error: unexpected (, expecting NUMBER"},
    {"SE83", STR_INIT("1 +"), "parse error at line 1, col 4: syntax error: unexpected $end"},
    {"SE84", STR_INIT("Inf"), "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    {"SE85", STR_INIT("rate({svc=\"a\"}[5m]) bool > 1"),
     "parse error at line 1, col 21: syntax error: unexpected bool"},
    {"SE86", STR_INIT("rate({svc=\"a\"}[5m]) + on x rate({svc=\"b\"}[5m])"),
     "parse error at line 1, col 26: syntax error: unexpected IDENTIFIER, expecting ("},
    {"SE87", STR_INIT("rate({svc=\"a\"}[5m]) + group_left rate({svc=\"b\"}[5m])"),
     "parse error at line 1, col 23: syntax error: unexpected group_left"},
};

static const struct error_case lexical_cases[] = {
    {"LX01", STR_INIT(""), "parse error : syntax error: unexpected $end"},
    {"LX02", STR_INIT("   "), "parse error at line 1, col 4: syntax error: unexpected $end"},
    {"LX03", STR_INIT("{svc=\"a"), "parse error at line 1, col 6: literal not terminated"},
    {"LX04", STR_INIT("{svc=`a"), "parse error at line 1, col 6: literal not terminated"},
    {"LX05", STR_INIT("{svc=\"a\nb\"}"), "parse error at line 1, col 6: literal not terminated"},
    {"LX06", STR_INIT("{svc=\"a\\qb\"}"), "parse error at line 1, col 6: invalid char escape"},
    {"LX07", STR_INIT("{svc=\"a\\'b\"}"), "parse error at line 1, col 6: invalid char escape"},
    {"LX08", STR_INIT("{svc=\"\\777\"}"), "parse error at line 1, col 6: invalid syntax"},
    {"LX09", STR_INIT("{svc='ab'}"), "parse error at line 1, col 6: invalid char literal"},
    {"LX10", STR_INIT("{svc=\"a\"} /* x"), "parse error at line 1, col 11: comment not terminated"},
    {"LX11", STR_INIT("08"), "parse error at line 1, col 1: invalid digit '8' in octal literal"},
    {"LX12", STR_INIT("5EB"), "parse error at line 1, col 1: exponent has no digits"},
    {"LX13", STR_INIT("rate({svc=\"a\"}[5m)"),
     "parse error at line 0, col 15: missing closing ']' in duration"},
    {"LX14", STR_INIT("rate({svc=\"a\"}[5minutes])"),
     "parse error at line 0, col 15: unknown unit \"minutes\" in duration \"5minutes\""},
    {"LX15", STR_INIT("rate({svc=\"a\"}[ 5m ])"),
     "parse error at line 0, col 15: not a valid duration string: \" 5m \""},
    {"LX16", STR_INIT("rate({svc=\"a\"}[1.5m])"),
     "parse error at line 0, col 15: unknown unit \".\" in duration \"1.5m\""},
    {"LX17", STR_INIT("rate({svc=\"a\"}[5])"),
     "parse error at line 0, col 15: not a valid duration string: \"5\""},
    {"LX18", STR_INIT("rate({svc=\"a\"}[])"),
     "parse error at line 0, col 15: empty duration string"},
    {"LX19", STR_INIT("rate({svc=\"a\"}[-5m])"),
     "parse error at line 0, col 15: not a valid duration string: \"-5m\""},
    {"LX20", STR_INIT("rate({svc=\"a\"}[5s5m])"),
     "parse error at line 0, col 15: not a valid duration string: \"5s5m\""},
    {"LX21", STR_INIT("rate({svc=\"a\"}[100ns])"),
     "parse error at line 0, col 15: unknown unit \"ns\" in duration \"100ns\""},
    {"LX22", STR_INIT("rate({svc=\"a\"}[300y])"),
     "parse error at line 0, col 15: duration out of range"},
    {"LX23", STR_INIT("\n\n{svc=\"a\"} |= x"),
     "parse error at line 3, col 14: syntax error: unexpected IDENTIFIER, expecting STRING or ip"},
};

static const struct error_case semantic_cases[] = {
    {"SM01", STR_INIT("{}"), "parse error : " SELECTOR_RULE},
    {"SM02", STR_INIT("{svc=\"\"}"), "parse error : " SELECTOR_RULE},
    {"SM03", STR_INIT("{svc=~\".*\"}"), "parse error : " SELECTOR_RULE},
    {"SM04", STR_INIT("{svc!=\"a\"}"), "parse error : " SELECTOR_RULE},
    {"SM05", STR_INIT("rate({svc=\"\"}[5m])"), "parse error : " SELECTOR_RULE},
    {"SM06", STR_INIT("{svc=~\"[\"}"),
     "parse error : error parsing regexp: missing closing ]: `[`"},
    {"SM07", STR_INIT("{svc=\"a\"} | x=~\"(\""),
     "parse error : error parsing regexp: missing closing ): `(`"},
    {"SM08", STR_INIT("{svc=\"a\"} | x>0x10"),
     "parse error : unable to parse literal as a float: strconv.ParseFloat: parsing \"0x10\": "
     "invalid syntax"},
    {"SM09", STR_INIT("{svc=\"a\"} | regexp \"(\""),
     "parse error : invalid regexp parser: error parsing regexp: missing closing ): `(`"},
    {"SM10", STR_INIT("{svc=\"a\"} | regexp \"nocapture\""),
     "parse error : invalid regexp parser: at least one named capture must be supplied"},
    {"SM11", STR_INIT("{svc=\"a\"} | regexp \"(?P<a>x)(?P<a>y)\""),
     "parse error : invalid regexp parser: duplicate extracted label name 'a'"},
    {"SM12", STR_INIT("{svc=\"a\"} | regexp \"(?P<a-b>x)\""),
     "parse error : invalid regexp parser: error parsing regexp: invalid named capture: "
     "`(?P<a-b>`"},
    {"SM13", STR_INIT("{svc=\"a\"} | pattern \"\""),
     "parse error : invalid pattern parser: parse error at line 1, col 1: syntax error: unexpected "
     "$end, expecting IDENTIFIER or LITERAL"},
    {"SM14", STR_INIT("{svc=\"a\"} | pattern \"plain\""),
     "parse error : invalid pattern parser: at least one capture is required"},
    {"SM15", STR_INIT("{svc=\"a\"} | pattern \"<_> x\""),
     "parse error : invalid pattern parser: at least one capture is required"},
    {"SM16", STR_INIT("{svc=\"a\"} | pattern \"<a><b>\""),
     "parse error : invalid pattern parser: found consecutive capture '<a><b>': invalid "
     "expression"},
    {"SM17", STR_INIT("{svc=\"a\"} | pattern \"<a> <a>\""),
     "parse error : invalid pattern parser: duplicate capture name (a): invalid expression"},
    {"SM18", STR_INIT("{svc=\"a\"} + 1"),
     "parse error : unexpected type for left leg of binary operation (+): *syntax.MatchersExpr"},
    {"SM19", STR_INIT("1 + {svc=\"a\"}"),
     "parse error : unexpected type for right leg of binary operation (+): *syntax.MatchersExpr"},
    {"SM20", STR_INIT("{svc=\"a\"} | drop x>5"),
     "parse error : unexpected type for left leg of binary operation (>): *syntax.PipelineExpr"},
    {"SM21", STR_INIT("1 or 2"),
     "parse error : unexpected literal for left leg of logical/set binary operation (or): "
     "1.000000"},
    {"SM22", STR_INIT("vector(1) and 2"),
     "parse error : unexpected literal for right leg of logical/set binary operation (and): "
     "2.000000"},
    {"SM23", STR_INIT("vector(1) or {svc=\"a\"}"),
     "parse error : unexpected type for right leg of binary operation (or): *syntax.MatchersExpr"},
    {"SM24", STR_INIT("0b11"),
     "parse error : unable to parse literal as a float: strconv.ParseFloat: parsing \"0b11\": "
     "invalid syntax"},
    {"SM25", STR_INIT("1e400"),
     "parse error : unable to parse literal as a float: strconv.ParseFloat: parsing \"1e400\": "
     "value out of range"},
    {"SM26", STR_INIT("vector(1e400)"),
     "parse error : unable to parse vectorExpr as a float: strconv.ParseFloat: parsing \"1e400\": "
     "value out of range"},
    {"SM27", STR_INIT("max_over_time({svc=\"a\"}[5m])"),
     "parse error : invalid aggregation max_over_time without unwrap"},
    {"SM28", STR_INIT("count_over_time({svc=\"a\"} | unwrap x [5m])"),
     "parse error : invalid aggregation count_over_time with unwrap"},
    {"SM29", STR_INIT("bytes_rate({svc=\"a\"} | unwrap x [5m])"),
     "parse error : invalid aggregation bytes_rate with unwrap"},
    {"SM30", STR_INIT("quantile_over_time({svc=\"a\"} | unwrap x [5m])"),
     "parse error : parameter required for operation quantile_over_time"},
    {"SM31", STR_INIT("quantile_over_time(0.5,{svc=\"a\"}[5m])"),
     "parse error : invalid aggregation quantile_over_time without unwrap"},
    {"SM32", STR_INIT("sum_over_time(5,{svc=\"a\"} | unwrap x [5m])"),
     "parse error : parameter 5 not supported for operation sum_over_time"},
    {"SM33", STR_INIT("rate({svc=\"a\"}[5m]) by (x)"),
     "parse error : grouping not allowed for rate aggregation"},
    {"SM34", STR_INIT("sum_over_time({svc=\"a\"} | unwrap x [5m]) by (x)"),
     "parse error : grouping not allowed for sum_over_time aggregation"},
    {"SM35", STR_INIT("absent_over_time({svc=\"a\"}[5m]) by (x)"),
     "parse error : grouping not allowed for absent_over_time aggregation"},
    {"SM36", STR_INIT("topk(rate({svc=\"a\"}[5m]))"),
     "parse error : parameter required for operation topk"},
    {"SM37", STR_INIT("topk(0,rate({svc=\"a\"}[5m]))"),
     "parse error : invalid parameter (must be greater than 0) topk(0"},
    {"SM38", STR_INIT("topk(1.5,rate({svc=\"a\"}[5m]))"),
     "parse error : invalid parameter topk(1.5,"},
    {"SM39", STR_INIT("sum(2,rate({svc=\"a\"}[5m]))"),
     "parse error : unsupported parameter for operation sum(2,"},
    {"SM40", STR_INIT("sort(rate({svc=\"a\"}[5m])) by (x)"),
     "parse error : sort and sort_desc doesn't allow grouping by "},
    {"SM41", STR_INIT("approx_topk by (x) (2,rate({svc=\"a\"}[5m]))"),
     "parse error : grouping not allowed for approx_topk aggregation"},
    {"SM42", STR_INIT("label_replace(rate({svc=\"a\"}[5m]),\"a\",\"b\",\"c\",\"(\")"),
     "parse error : invalid regex in label_replace: error parsing regexp: missing closing ): "
     "`^(?:()$`"},
};

/* Which of several errors is reported, and what the tables above leave open. */
static const struct error_case choice_cases[] = {
    {"a recovery that ends the query", STR_INIT("{a=\"b\" c=\"d\"} | x=~\"(\""),
     "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting } or ,"},
    {"a refusal behind a recovered selector", STR_INIT("{a=\"b\" | x=~\"(\""),
     "parse error : error parsing regexp: missing closing ): `(`"},
    {"recovery skips tokens in a range", STR_INIT("rate({a=\"b\" \"c\"} | x=~\"(\" [5m])"),
     "parse error : error parsing regexp: missing closing ): `(`"},
    {"recovery behind a comma", STR_INIT("{a=\"b\"} | label_format a=b, | regexp \"x\""),
     "parse error : invalid regexp parser: at least one named capture must be supplied"},
    {"recovery, then a number", STR_INIT("{a=\"b\" | x > 0x10"),
     "parse error : unable to parse literal as a float: strconv.ParseFloat: parsing \"0x10\": "
     "invalid syntax"},
    {"recovery, then a pattern", STR_INIT("{a=\"b\" | pattern \"x\""),
     "parse error : invalid pattern parser: at least one capture is required"},
    {"recovery that finds nothing", STR_INIT("{a=\"b\" | json | x=~\"y\""),
     "parse error at line 1, col 8: syntax error: unexpected |, expecting } or ,"},
    {"a refusal replaces a lexical error", STR_INIT("{a=\"b\"} | x=08 | y=~\"(\""),
     "parse error : error parsing regexp: missing closing ): `(`"},
    {"a lexical error is not forgotten", STR_INIT("{a=\"b\"} | x=08"),
     "parse error at line 1, col 13: invalid digit '8' in octal literal"},
    {"the first error counts", STR_INIT("{a=} \"\\q\""),
     "parse error at line 1, col 4: syntax error: unexpected }, expecting STRING"},
    {"own error before that of a leg", STR_INIT("1 or ({a=\"b\"} + 1)"),
     "parse error : unexpected literal for left leg of logical/set binary operation (or): "
     "1.000000"},
    {"left leg before right leg", STR_INIT("rate({a=\"\"}[1m]) + topk(rate({a=\"b\"}[1m]))"),
     "parse error : " SELECTOR_RULE},
    {"parameter before child", STR_INIT("topk(rate({a=\"\"}[1m]))"),
     "parse error : parameter required for operation topk"},
    {"sort grouping before child", STR_INIT("sort(rate({a=\"\"}[1m])) by (x)"),
     "parse error : sort and sort_desc doesn't allow grouping by "},
    {"range error before selector", STR_INIT("count_over_time({a=\"\"} | unwrap x [1m])"),
     "parse error : invalid aggregation count_over_time with unwrap"},
    {"parameter of quantile", STR_INIT("quantile_over_time(0x1,{a=\"b\"} | unwrap x [1m])"),
     "parse error : invalid parameter for operation quantile_over_time: strconv.ParseFloat: "
     "parsing \"0x1\": invalid syntax"},
    {"drop with a bad expression", STR_INIT("{a=\"b\"} | drop c=~\"[\""),
     "parse error : error parsing regexp: missing closing ]: `[`"},
    {"a literal has no selector", STR_INIT("label_replace(1,\"a\",\"b\",\"c\",\"d\")"),
     "parse error : " SELECTOR_RULE},
    {"negative zero is a duration", STR_INIT("-0"),
     "parse error at line 0, col 1: syntax error: unexpected DURATION"},
    {"bracket is an identifier", STR_INIT("{a=\"b\"]"),
     "parse error at line 1, col 7: syntax error: unexpected IDENTIFIER, expecting } or ,"},
    {"not UTF-8 in front", STR_INIT("\xff"), "parse error : invalid UTF-8 encoding"},
    {"zero byte", STR_INIT("{a=\"b\"}\0"), "parse error at line 1, col 7: invalid character NUL"},
    {"byte order mark alone", STR_INIT("\xef\xbb\xbf"),
     "parse error at line 1, col 2: syntax error: unexpected $end"},
};

static void check_errors(const struct error_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct expr *e = NULL;
        struct err err = {.text = ""};
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        enum status st = logql_parse(&a, cases[i].query, &e, &err);

        cr_expect_eq(st, ST_INVALID, "%s: %s", cases[i].name, status_name(st));
        cr_expect_null(e, "%s: the output was touched", cases[i].name);
        cr_expect_str_eq(err.text, cases[i].want, "%s: %s", cases[i].name, err.text);
        arena_release(&a);
    }
}

Test(parser, syntax_errors)
{
    check_errors(syntax_cases, COUNT_OF(syntax_cases));
}

Test(parser, lexical_errors)
{
    check_errors(lexical_cases, COUNT_OF(lexical_cases));
}

Test(parser, semantic_errors)
{
    check_errors(semantic_cases, COUNT_OF(semantic_cases));
}

Test(parser, choice_of_error)
{
    check_errors(choice_cases, COUNT_OF(choice_cases));
}

static const struct selector_case {
    const char *name;
    struct str query;
    size_t want_count;
    const char *want;     /* NULL: it is good */
    const char *want_any; /* the same where everything may be selected */
} selector_cases[] = {
    {"two matchers", STR_INIT("{a=\"b\", c!~\"d\"}"), 2, NULL, NULL},
    {"parentheses", STR_INIT("({a=\"b\"})"), 1, NULL, NULL},
    {"nothing", STR_INIT("{}"), 0, "parse error : " SELECTOR_RULE, NULL},
    {"blanks", STR_INIT("{ }"), 0, "parse error : " SELECTOR_RULE, NULL},
    {"everything", STR_INIT("{a=~\".*\"}"), 1, "parse error : " SELECTOR_RULE, NULL},
    {"with a filter", STR_INIT("{a=\"b\"} |= \"x\""), 0, "only label matchers are supported",
     "only label matchers are supported"},
    {"a metric", STR_INIT("rate({a=\"b\"}[1m])"), 0, "only label matchers are supported",
     "only label matchers are supported"},
    {"a bad metric", STR_INIT("topk(vector(1))"), 0,
     "parse error : parameter required for operation topk", "only label matchers are supported"},
    {"no query", STR_INIT("{a="), 0,
     "parse error at line 1, col 4: syntax error: unexpected $end, expecting STRING",
     "parse error at line 1, col 4: syntax error: unexpected $end, expecting STRING"},
};

static void check_selector(const struct selector_case *c, bool any)
{
    const char *want = any ? c->want_any : c->want;
    struct matcher *matchers = NULL;
    struct err err = {.text = ""};
    size_t count = SIZE_MAX;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    enum status st = any ? logql_parse_any_selector(&a, c->query, &matchers, &count, &err)
                         : logql_parse_selector(&a, c->query, &matchers, &count, &err);

    cr_expect_eq(st, want == NULL ? ST_OK : ST_INVALID, "%s: %s", c->name, status_name(st));
    cr_expect_eq(count, want == NULL ? c->want_count : SIZE_MAX, "%s: %zu", c->name, count);
    cr_expect_str_eq(err.text, want == NULL ? "" : want, "%s: %s", c->name, err.text);
    arena_release(&a);
}

Test(parser, selectors)
{
    for (size_t i = 0; i < COUNT_OF(selector_cases); i++) {
        check_selector(&selector_cases[i], false);
        check_selector(&selector_cases[i], true);
    }
}

/* The text may go away once it is parsed. */
Test(parser, owns_its_text)
{
    char text[] = "{a=\"b\"} |= \"needle\"";
    const struct expr *e = NULL;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    cr_assert_eq(logql_parse(&a, str_from(text), &e, NULL), ST_OK);
    memset(text, 'x', sizeof(text));

    cr_assert_eq(e->kind, EXPR_LOG);
    cr_assert_eq(e->log.stage_count, 1);
    cr_expect(str_eq(e->log.matchers[0].name, STR("a")));
    cr_expect(str_eq(e->log.stages[0].line_filter.alternatives[0].text, STR("needle")));
    arena_release(&a);
}

/* Regular expressions of selectors are compiled, those of label filters are left to others. */
Test(parser, expressions_of_matchers)
{
    const struct expr *e = NULL;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    cr_assert_eq(logql_parse(&a, STR("{a=~\"b|c\"} | d=~\"e\" | drop f=~\"g\" | keep h"), &e, NULL),
                 ST_OK);

    cr_expect(matcher_accepts(&e->log.matchers[0], STR("c")));
    cr_expect_null(e->log.stages[0].label_filter->matcher.re);
    cr_expect(e->log.stages[1].names.conditions[0].has_matcher);
    cr_expect(matcher_accepts(&e->log.stages[1].names.conditions[0].matcher, STR("g")));
    cr_expect_not(e->log.stages[2].names.conditions[0].has_matcher);
    arena_release(&a);
}

Test(parser, small_arena)
{
    const struct expr *e = NULL;
    struct err err = {.text = ""};
    struct arena a;
    enum status st = ST_LIMIT;

    for (size_t bytes = 64; st != ST_OK; bytes += 64) {
        cr_assert_leq(bytes, ARENA_BYTES);
        arena_init(&a, bytes);
        st = logql_parse(&a, STR("sum by (x) (rate({a=\"b\"} | json | c > 5 [5m])) / 2"), &e, &err);
        cr_expect(st == ST_OK || st == ST_LIMIT, "%zu bytes: %s %s", bytes, status_name(st),
                  err.text);
        arena_release(&a);
    }
}
