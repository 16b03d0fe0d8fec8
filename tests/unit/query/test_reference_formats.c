#include <criterion/criterion.h>

#include "base/defs.h"
#include "tests/support/reference.h"

/* label_format, drop, keep, decolorize. ST08 follows a quirk. */
static const struct pipeline_case label_cases[] = {
    {"ST01", "| label_format b=a", "l", "{a=\"1\"}", NULL, "{b=\"1\"}"},
    {"ST02", "| label_format b=zz", "l", NULL, NULL, "{}"},
    {"ST03", "| label_format a=a", "l", "{a=\"1\"}", NULL, "{}"},
    {"ST04", "| label_format b=a,c=a", "l", "{a=\"1\"}", NULL, "{b=\"1\"}"},
    {"ST05", "| label_format b=\"{{.a}}-{{.zz}}\"", "l", "{a=\"1\"}", NULL, "{a=\"1\", b=\"1-\"}"},
    {"ST06", "| label_format b=a,c=\"{{.b}}\"", "l", "{a=\"1\"}", NULL, "{b=\"1\", c=\"1\"}"},
    {"ST07", "| label_format b=\"{{.a}}\",c=\"[{{.b}}]\"", "l", "{a=\"1\"}", NULL,
     "{a=\"1\", b=\"1\", c=\"[]\"}"},
    {"ST08", "| label_format b=\"x\",d=a,c=\"{{.d}}\"", "l", "{a=\"1\"}", NULL,
     "{b=\"x\", c=\"\", d=\"1\"}"},
    {"ST09", "| label_format a=\"{{.a | upper}}\"", "l", "{a=\"q\"}", NULL, "{a=\"Q\"}"},
    {"ST10", "| label_format a=\"{{ mod 1 0 }}\"", "l", NULL, NULL,
     "{__error__=\"TemplateFormatErr\", __error_details__=\"template: label:1:3: executing "
     "\\\"label\\\" at <mod 1 0>: error calling mod: runtime error: integer divide by zero\"}"},
    {"ST11", "| label_format n=\"{{__line__ | len}}\"", "héllo", NULL, NULL, "{n=\"6\"}"},
    {"ST12", "| label_format t=\"{{__timestamp__ | unixEpochNanos}}\"", "l", NULL, NULL,
     "{t=\"1700000000123456789\"}"},
    {"ST13", "| drop a", "l", "{a=\"1\"}", NULL, "{}"},
    {"ST14", "| drop a=\"2\"", "l", "{a=\"1\"}", NULL, "{a=\"1\"}"},
    {"ST15", "| drop a=~\"1|2\",b", "l", "{a=\"1\", b=\"2\"}", NULL, "{}"},
    {"ST16", "| drop a=~\"1.*\"", "l", "{a=\"01x\"}", NULL, "{a=\"01x\"}"},
    {"ST17", "| drop tid", "l", NULL, "{tid=\"1\"}", "{}"},
    {"ST18", "| drop svc | logfmt", "svc=x", NULL, NULL, "{svc_extracted=\"x\"} NO-svc"},
    {"ST19", "| keep a", "l", "{a=\"1\", b=\"2\"}", NULL, "{a=\"1\"} NO-svc"},
    {"ST20", "| keep a=\"2\"", "l", "{a=\"1\", b=\"2\"}", NULL, "{} NO-svc"},
    {"ST21", "| keep a, tid", "l", "{a=\"1\"}", "{o=\"p\", tid=\"t\"}",
     "{a=\"1\", tid=\"t\"} NO-svc"},
    {"ST22", "| decolorize", "\x1b[1;31mred\x1b[0m ok", NULL, NULL, "line=\"red ok\" {}"},
    {"ST23", "| logfmt | drop a | logfmt", "a=1 b=2", NULL, NULL, "{b=\"2\"}"},
};

/* line_format and templates. TP31 follows a quirk. */
static const struct pipeline_case template_cases[] = {
    {"TP01", "| line_format `{{.a}}`", "l", "{a=\"1\"}", NULL, "line=\"1\" {a=\"1\"}"},
    {"TP02", "| line_format `{{.zz}}`", "l", NULL, NULL, "line=\"\" {}"},
    {"TP03", "| line_format `[{{.zz}}]`", "l", NULL, NULL, "line=\"[]\" {}"},
    {"TP04", "| line_format `{{__line__ | upper}}!`", "abc", NULL, NULL, "line=\"ABC!\" {}"},
    {"TP05", "| line_format `{{.a | lower | trunc 3}}`", "l", "{a=\"ABCDEF\"}", NULL,
     "line=\"abc\" {a=\"ABCDEF\"}"},
    {"TP06", "| line_format `{{ printf \"%-5s|%05.1f\" .a (float64 .b) }}`", "l",
     "{a=\"x\", b=\"2.25\"}", NULL, "line=\"x    |002.2\" {a=\"x\", b=\"2.25\"}"},
    {"TP07", "| line_format `{{if eq .a \"1\"}}one{{else if .b}}b{{else}}none{{end}}`", "l",
     "{b=\"z\"}", NULL, "line=\"b\" {b=\"z\"}"},
    {"TP08", "| line_format `{{range $i, $e := fromJson .a}}{{$i}}={{$e}};{{end}}`", "l",
     "{a=\"[\\\"p\\\",2.5,true,null]\"}", NULL,
     "line=\"0=p;1=2.5;2=true;3=<no value>;\" {a=\"[\\\"p\\\",2.5,true,null]\"}"},
    {"TP09", "| line_format `{{range $k,$v := .}}{{$k}}:{{$v}} {{end}}`", "l", "{a=\"1\"}", NULL,
     "line=\"a:1 svc:web \" {a=\"1\"}"},
    {"TP10", "| line_format `{{with .zz}}x{{else}}empty{{end}}`", "l", NULL, NULL,
     "line=\"empty\" {}"},
    {"TP11", "| line_format `a {{- \" b\" -}} c`", "l", NULL, NULL, "line=\"a bc\" {}"},
    {"TP12", "| line_format `{{ $x := add 2 3 }}{{ mul $x 2 }}`", "l", NULL, NULL,
     "line=\"10\" {}"},
    {"TP13",
     "| line_format `{{ div 7 2 }} {{ divf 7 2 }} {{ mod 7 2 }} {{ sub 2 5 }} {{ addf 0.1 0.2 }}`",
     "l", NULL, NULL, "line=\"3 3.5 1 -3 0.3\" {}"},
    {"TP14",
     "| line_format `{{ round 2.675 2 }} {{ ceil 1.01 }} {{ floor -1.5 }} {{ max 3 9 2 }} {{ minf "
     "1.5 0.5 }}`",
     "l", NULL, NULL, "line=\"2.68 2 -2 9 0.5\" {}"},
    {"TP15",
     "| line_format `{{ int \"42\" }} {{ int \"4.9\" }} {{ int \"x\" }} {{ float64 \"1e6\" }}`",
     "l", NULL, NULL, "line=\"42 4 0 1e+06\" {}"},
    {"TP16",
     "| line_format `{{ replace \"a\" \"o\" \"banana\" }} {{ Replace \"banana\" \"a\" \"o\" 1 }}`",
     "l", NULL, NULL, "line=\"bonono bonana\" {}"},
    {"TP17",
     "| line_format `{{ trimAll \"-\" \"--a--\" }} {{ trimPrefix \"a\" \"abc\" }} {{ TrimRight "
     "\"abcc\" \"c\" }} {{ trim \"  z \" }}`",
     "l", NULL, NULL, "line=\"a bc ab z\" {}"},
    {"TP18",
     "| line_format `{{ regexReplaceAll \"(\\\\d+)\" \"a1b22\" \"<${1}>\" }} {{ "
     "regexReplaceAllLiteral \"\\\\d\" \"a1\" \"${0}\" }} {{ count \"a\" \"banana\" }}`",
     "l", NULL, NULL, "line=\"a<1>b<22> a${0} 3\" {}"},
    {"TP19",
     "| line_format `{{ substr 1 3 \"hello\" }} {{ substr -1 2 \"hello\" }} {{ trunc -2 \"hello\" "
     "}}`",
     "l", NULL, NULL, "line=\"el he lo\" {}"},
    {"TP20",
     "| line_format `{{ alignLeft 4 \"ab\" }}| {{ alignRight 4 \"ab\" }}| {{ alignRight 1 \"ab\" "
     "}}`",
     "l", NULL, NULL, "line=\"ab  |   ab| b\" {}"},
    {"TP21",
     "| line_format `{{ b64enc \"hi\" }} {{ b64dec \"aGk\" }} {{ urlencode \"a b/ü\" }} {{ "
     "urldecode \"a%20b+c\" }}`",
     "l", NULL, NULL, "line=\"aGk= hi a+b%2F%C3%BC a b c\" {}"},
    {"TP22",
     "| line_format `{{ bytes \"2KB\" }} {{ duration \"1m30s\" }} {{ duration_seconds \"250ms\" "
     "}}`",
     "l", NULL, NULL, "line=\"2000 90 0.25\" {}"},
    {"TP23",
     "| line_format `{{ unixToTime \"1700000000\" | date \"2006-01-02T15:04:05Z07:00\" }} {{ "
     "toDate \"2006-01-02\" \"2024-02-29\" | unixEpoch }}`",
     "l", NULL, NULL, "line=\"2023-11-14T22:13:20Z 1709164800\" {}"},
    {"TP24",
     "| line_format `{{ contains \"ell\" \"hello\" }} {{ hasPrefix \"he\" \"hello\" }} {{ "
     "hasSuffix \"x\" \"hello\" }} {{ default \"d\" .zz }}`",
     "l", NULL, NULL, "line=\"true true false d\" {}"},
    {"TP25",
     "| line_format `{{ indent 2 \"a\" }}|{{ nindent 1 \"b\" }}|{{ repeat 3 \"z\" }}|{{ title \"ab "
     "cd\" }}`",
     "l", NULL, NULL, "line=\"  a|\\n b|zzz|Ab Cd\" {}"},
    {"TP26", "| line_format `{{ .a.b }}`", "l", "{a=\"1\"}", NULL,
     "{__error__=\"TemplateFormatErr\", __error_details__=\"template: line:1:5: executing "
     "\\\"line\\\" at <.a.b>: can't evaluate field b in type string\", a=\"1\"}"},
    {"TP27", "| line_format `{{ trunc \"2\" \"x\" }}`", "l", NULL, NULL,
     "{__error__=\"TemplateFormatErr\", __error_details__=\"template: line:1:9: executing "
     "\\\"line\\\" at <\\\"2\\\">: expected integer; found \\\"2\\\"\"}"},
    {"TP28", "| line_format `{{ eq 1 1.0 }}`", "l", NULL, NULL,
     "{__error__=\"TemplateFormatErr\", __error_details__=\"template: line:1:3: executing "
     "\\\"line\\\" at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and "
     "float64\"}"},
    {"TP29", "| line_format `{{ 1000000.0 }} {{ 123456.0 }} {{ 0.00001 }} {{ 1.5 }}`", "l", NULL,
     NULL, "line=\"1e+06 123456 1e-05 1.5\" {}"},
    {"TP30",
     "| line_format `{{ index . \"a\" }} {{ len .a }} {{ not .a }} {{ and .a \"x\" }} {{ or .zz "
     "\"y\" }}`",
     "l", "{a=\"1\"}", NULL, "line=\"1 1 false x y\" {a=\"1\"}"},
    {"TP31", "| json | line_format \"{{.__error__}}\"", "bad", NULL, NULL, "line=\"\" {" JOBJ "}"},
    {"TP32", "| json | line_format \"e={{.__error__}}\"", "bad", NULL, NULL,
     "line=\"e=JSONParserErr\" {" JOBJ "}"},
};

Test(reference_formats, labels)
{
    check_pipelines(label_cases, COUNT_OF(label_cases));
}

Test(reference_formats, templates)
{
    check_pipelines(template_cases, COUNT_OF(template_cases));
}
