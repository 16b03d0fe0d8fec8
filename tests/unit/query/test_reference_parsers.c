#include <criterion/criterion.h>

#include "base/defs.h"
#include "tests/support/reference.h"

/* json. JS22, JS23, JS27, JS29 and JS30 follow quirks. */
static const struct pipeline_case json_cases[] = {
    {"JS01", "| json", "{\"a\":1,\"b\":{\"c\":true,\"d\":\"x\"},\"e\":[1],\"f\":null,\"g\":-1.50}",
     NULL, NULL, "{a=\"1\", b_c=\"true\", b_d=\"x\", g=\"-1.50\"}"},
    {"JS02", "| json", "{\"user-id\":7,\"2x\":1,\"a.b\":2,\"é\":3}", NULL, NULL,
     "{_=\"3\", _2x=\"1\", a_b=\"2\", user_id=\"7\"}"},
    {"JS03", "| json", "{\"o\":{\"1\":\"one\",\"\":\"blank\"}}", NULL, NULL,
     "{o=\"blank\", o_1=\"one\"}"},
    {"JS04", "| json", "{\"svc\":\"api\",\"n\":1}", NULL, NULL, "{n=\"1\", svc_extracted=\"api\"}"},
    {"JS05", "| json", "{\"k\":\"first\",\"k\":\"second\"}", NULL, NULL, "{k=\"first\"}"},
    {"JS06", "| json", "{\"a\":1} tail", NULL, NULL, "{a=\"1\"}"},
    {"JS07", "| json", "  {\"a\":1}", NULL, NULL, "{a=\"1\"}"},
    {"JS08", "| json", "{\"a\":1,", NULL, NULL,
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is array, but can't find closing ']' "
     "symbol\", a=\"1\"}"},
    {"JS09", "| json", "{\"a\":1 \"b\":2}", NULL, NULL, "{" JOBJ ", a=\"1\"}"},
    {"JS10", "| json", "{\"a\":yes}", NULL, NULL,
     "{__error__=\"JSONParserErr\", __error_details__=\"Unknown value type\"}"},
    {"JS11", "| json", "{\"a\":\"open", NULL, NULL,
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is string, but can't find closing "
     "'\\\"' symbol\"}"},
    {"JS12", "| json", "[{\"a\":1}]", NULL, NULL, "{" JOBJ "}"},
    {"JS13", "| json", "", NULL, NULL, "{" JOBJ "}"},
    {"JS14", "| json", "{\"a\":\"t\\u00e9l\\n\\\"q\\\"\"}", NULL, NULL, "{a=\"tél\\n\\\"q\\\"\"}"},
    {"JS15", "| json", "{\"a\":\"bad \\x\"}", NULL, NULL, "{a=\"\"}"},
    {"JS16", "| json", "{\"a\":01,\"b\":-,\"c\":1;2}", NULL, NULL,
     "{a=\"01\", b=\"-\", c=\"1;2\"}"},
    {"JS17", "| json", "{\"a\":\"meta clash\"}", NULL, "{a=\"m\"}",
     "{a=\"m\", a_extracted=\"meta clash\"}"},
    {"JS18", "| json", "{\"svc\":\"j\"}", NULL, "{svc=\"m\"}", "{svc_extracted=\"j\"}"},
    {"JS19", "| json | json", "{\"a\":1}", NULL, NULL, "{a=\"1\"}"},
    {"JS20", "| json | a=\"2\"", "{\"a\":1,\"b\":3}", NULL, NULL, "DROP"},
    {"JS21", "| json | b=\"\"", "{\"a\":1}", NULL, NULL, "{a=\"1\"}"},
    {"JS22", "| json | label_format a=\"9\" | a=\"9\"", "{\"a\":1}", NULL, NULL, "DROP"},
    {"JS23", "| json | drop a | a=\"\"", "{\"a\":1}", NULL, NULL, "DROP"},
    {"JS24", "| json | __error__=\"\"", "oops", NULL, NULL, "DROP"},
    {"JS25", "| json | __error__!=\"\"", "oops", NULL, NULL, "{" JOBJ "}"},
    {"JS26", "| json | drop __error__", "oops", NULL, NULL, "{}"},
    {"JS27", "| json | drop __error__", "{\"a\":1,", NULL, NULL,
     "{__error_details__=\"Value is array, but can't find closing ']' symbol\", a=\"1\"}"},
    {"JS28", "| json | keep nothing", "oops", NULL, NULL, "{" JOBJ "} NO-svc"},
    {"JS29", "| json | __error_details__!=\"\"", "oops", NULL, NULL, "DROP"},
    {"JS30", "| json", "{\"__error__\":\"mine\"}", NULL, NULL, "{__error__=\"mine\"}"},
    {"JS31", "| json x=\"a.b[1].c\"", "{\"a\":{\"b\":[0,{\"c\":\"deep\"}]}}", NULL, NULL,
     "{x=\"deep\"}"},
    {"JS32", "| json x=\"a\", y=\"a.b\", z=\"nope\"", "{\"a\":{\"b\": 2}}", NULL, NULL,
     "{x=\"{\\\"b\\\": 2}\", y=\"2\", z=\"\"}"},
    {"JS33", "| json x=\"[\\\"k y\\\"]\"", "{\"k y\":5}", NULL, NULL, "{x=\"5\"}"},
    {"JS34", "| json svc=\"a\"", "{\"a\":\"dup\"}", NULL, NULL, "{svc_extracted=\"dup\"}"},
    {"JS35", "| json svc=\"nope\"", "{\"a\":\"dup\"}", NULL, NULL, "{}"},
    {"JS36", "| json x=\"a\"", "text", NULL, NULL, "{__error__=\"JSONParserErr\"}"},
    {"JS37", "| json x=\"a\"", " {\"a\":1}", NULL, NULL, "{__error__=\"JSONParserErr\"}"},
    {"JS38", "| json x=\"a\"", "", NULL, NULL, "{}"},
    {"JS39", "| json x=\"n\"", "{\"n\":null}", NULL, NULL, "{x=\"\"}"},
    {"JS40", "| json a", "{\"a\":[1,\"s\"]}", NULL, NULL, "{a=\"[1,\\\"s\\\"]\"}"},
    {"JS41", "| json a=\"b\" | json", "{\"a\":1,\"b\":2}", NULL, NULL, "{a=\"2\", b=\"2\"}"},
    {"JS42", "| json | json a=\"b\"", "{\"a\":1,\"b\":2}", NULL, NULL, "{a=\"2\", b=\"2\"}"},
};

/* logfmt. */
static const struct pipeline_case logfmt_cases[] = {
    {"FM01", "| logfmt", "a=1 b=\"x y\" c= d flag e=\"\"", NULL, NULL, "{a=\"1\", b=\"x y\"}"},
    {"FM02", "| logfmt --keep-empty", "a=1 c= d e=\"\"", NULL, NULL,
     "{a=\"1\", c=\"\", d=\"\", e=\"\"}"},
    {"FM03", "| logfmt", "a=1 a=2", NULL, NULL, "{a=\"1\"}"},
    {"FM04", "| logfmt", "x-y=1 9z=2 u.v=3", NULL, NULL, "{_9z=\"2\", u_v=\"3\", x_y=\"1\"}"},
    {"FM05", "| logfmt", "a=b=c d=1", NULL, NULL, "{d=\"1\"}"},
    {"FM06", "| logfmt --strict", "a=b=c d=1", NULL, NULL,
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 4 : "
     "unexpected '='\"}"},
    {"FM07", "| logfmt --strict", "ok=1 q=\"open", NULL, NULL,
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 13 : "
     "unterminated quoted value\", ok=\"1\"}"},
    {"FM08", "| logfmt", "ok=1 q=\"open", NULL, NULL, "{ok=\"1\"}"},
    {"FM09", "| logfmt --strict", "=v a=1", NULL, NULL,
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 1 : "
     "unexpected '='\"}"},
    {"FM10", "| logfmt", "a=\"q\\\"uote\\n\\u0041\" b='x'", NULL, NULL,
     "{a=\"q\\\"uote\\nA\", b=\"'x'\"}"},
    {"FM11", "| logfmt", "a = 1", NULL, NULL, "{}"},
    {"FM12", "| logfmt", "svc=api n=2", NULL, NULL, "{n=\"2\", svc_extracted=\"api\"}"},
    {"FM13", "| logfmt", "n=2", NULL, "{n=\"m\"}", "{n=\"m\", n_extracted=\"2\"}"},
    {"FM14", "| logfmt --strict | __error__=\"\"", "a=b=c", NULL, NULL, "DROP"},
    {"FM15", "| logfmt | a=\"2\"", "a=1 b=2", NULL, NULL, "DROP"},
    {"FM16", "| logfmt", "m=\"x\"y=1", NULL, NULL, "{m=\"x\", y=\"1\"}"},
    {"FM17", "| logfmt a", "a=1 b=2", NULL, NULL, "{a=\"1\"}"},
    {"FM18", "| logfmt x=\"b\"", "a=1 b=2", NULL, NULL, "{x=\"2\"}"},
    {"FM19", "| logfmt x=\"zz\"", "a=1", NULL, NULL, "{x=\"\"}"},
    {"FM20", "| logfmt a", "a=1 a=2", NULL, NULL, "{a=\"2\"}"},
    {"FM21", "| logfmt svc=\"b\"", "b=2", NULL, NULL, "{svc_extracted=\"2\"}"},
    {"FM22", "| logfmt --strict a", "a=1 b=x\"", NULL, NULL,
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 8 : "
     "unexpected '\\\"'\", a=\"1\"}"},
    {"FM23", "| logfmt x=\"a_b\"", "a-b=1", NULL, NULL, "{x=\"1\"}"},
};

/* regexp, pattern, unpack. */
static const struct pipeline_case other_cases[] = {
    {"RX01", "| regexp `(?P<m>[A-Z]+) (?P<p>\\S+)`", "GET /a 200", NULL, NULL,
     "{m=\"GET\", p=\"/a\"}"},
    {"RX02", "| regexp `(?P<m>\\d+)`", "none", NULL, NULL, "{}"},
    {"RX03", "| regexp `(?P<a>x)?y`", "y", NULL, NULL, "{a=\"\"}"},
    {"RX04", "| regexp `(?P<svc>\\w+)`", "api", NULL, NULL, "{svc_extracted=\"api\"}"},
    {"RX05", "| regexp `(?P<n>\\d)`", "7 8", NULL, "{n=\"m\"}", "{n=\"m\", n_extracted=\"7\"}"},
    {"RX06", "| logfmt | regexp `a=(?P<a>.*)`", "a=1 z", NULL, NULL, "{a=\"1\"}"},
    {"RX07", "| pattern \"<ip> [<_>] <verb> <rest>\"", "1.1.1.1 [x] GET /a b", NULL, NULL,
     "{ip=\"1.1.1.1\", rest=\"/a b\", verb=\"GET\"}"},
    {"RX08", "| pattern \"<a>,<b>,<c>\"", "1,2", NULL, NULL, "{a=\"1\", b=\"2\"}"},
    {"RX09", "| pattern \"id=<id> \"", "id=42 x", NULL, NULL, "{id=\"42\"}"},
    {"RX10", "| pattern \"id=<id>\"", "x id=42", NULL, NULL, "{}"},
    {"RX11", "| pattern \"<a> <b>\"", "", NULL, NULL, "{}"},
    {"RX12", "| pattern \"<svc> <b>\"", "api z", NULL, NULL, "{b=\"z\", svc_extracted=\"api\"}"},
    {"RX13", "| pattern \"<a><_>\"", "x", NULL, NULL,
     "ERROR 400 parse error : invalid pattern parser: found consecutive capture '<a><_>': invalid "
     "expression"},
    {"RX14", "| unpack", "{\"pod\":\"p1\",\"n\":5,\"_entry\":\"hello \\\"w\\\"\"}", NULL, NULL,
     "line=\"hello \\\"w\\\"\" {pod=\"p1\"}"},
    {"RX15", "| unpack", "{\"pod\":\"p1\"}", NULL, NULL, "{}"},
    {"RX16", "| unpack", "{\"svc\":\"api\",\"a b\":\"c\",\"_entry\":\"e\"}", NULL, NULL,
     "line=\"e\" {a_b=\"c\", svc_extracted=\"api\"}"},
    {"RX17", "| unpack", "plain", NULL, NULL,
     "{__error__=\"JSONParserErr\", __error_details__=\"expecting json object(6), but it is "
     "not\"}"},
    {"RX18", "| unpack", "", NULL, NULL, "{}"},
    {"RX19", "| unpack", "{\"pod\":\"p1\",\"_entry\":7}", NULL, NULL, "{}"},
    {"RX20", "| unpack |= \"inner\"", "{\"_entry\":\"inner\"}", NULL, NULL, "line=\"inner\" {}"},
    {"RX21", "| unpack | logfmt", "{\"_entry\":\"k=v\"}", NULL, NULL, "line=\"k=v\" {k=\"v\"}"},
    {"RX22", "| unpack | pod=\"p2\"", "{\"pod\":\"p1\",\"_entry\":\"x\"}", NULL, NULL, "DROP"},
};

Test(reference_parsers, json)
{
    check_pipelines(json_cases, COUNT_OF(json_cases));
}

Test(reference_parsers, logfmt)
{
    check_pipelines(logfmt_cases, COUNT_OF(logfmt_cases));
}

Test(reference_parsers, other)
{
    check_pipelines(other_cases, COUNT_OF(other_cases));
}
