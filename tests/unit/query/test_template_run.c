#include "query/template_run.h"

#include <stdlib.h>
#include <time.h>

#include <criterion/criterion.h>

#include "base/time.h"

#include "base/banned.h"

#define ARENA_BYTES (16 * MIB)
#define LABELS_MAX 8

/* `want` is the text, or the error if `st` is not ST_OK. */
struct run_case {
    const char *name;
    struct str text;
    const char *want;
    enum status st;
};

static const struct label default_labels[] = {
    {STR_INIT("a"), STR_INIT("1")},
    {STR_INIT("b"), STR_INIT("z")},
    {STR_INIT("big"), STR_INIT("ABCDEF")},
    {STR_INIT("j"), STR_INIT("[\"p\",2.5,true,null]")},
    {STR_INIT("n"), STR_INIT("2.25")},
    {STR_INIT("o"), STR_INIT("{\"k\":{\"d\":1},\"a\":\"s\",\"z\":null,\"l\":[1,\"x\"]}")},
};

static const struct template_data data = {
    .labels = {default_labels, COUNT_OF(default_labels)},
    .line = STR_INIT("h\xc3\xa9llo"),
    .ts_ns = 1700000000123456789,
};

/* Run under the name "line" and compare. */
static void check_case(const struct run_case *c, const struct template_data *with)
{
    const struct template *t = NULL;
    struct arena a, scratch;
    struct str text = STR_NULL;
    struct err err = {0};

    arena_init(&a, ARENA_BYTES);
    arena_init(&scratch, ARENA_BYTES);
    enum status st = template_compile(&a, STR("line"), c->text, &t, &err);
    cr_assert_eq(st, ST_OK, "%s: does not compile: %s", c->name, err.text);
    st = template_run(t, with, &scratch, &text, &err);
    cr_expect_eq(st, c->st, "%s: %s: %s", c->name, status_name(st), err.text);
    if (c->st == ST_OK)
        cr_expect(str_eq(text, str_from(c->want)), "%s: got \"%.*s\", want \"%s\"", c->name,
                  STR_ARG(text), c->want);
    else
        cr_expect_str_eq(err.text, c->want, "%s: got %s", c->name, err.text);
    arena_release(&scratch);
    arena_release(&a);
}

static void check_cases(const struct run_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_case(&cases[i], &data);
}

#define GOOD(name, text, want)            \
    {                                     \
        name, STR_INIT(text), want, ST_OK \
    }
#define BAD(name, text, want)                  \
    {                                          \
        name, STR_INIT(text), want, ST_INVALID \
    }

/* The rows of the reference; labels a="1", b="z", n="2.25"... stand for those of each row. */
static const struct run_case reference_cases[] = {
    GOOD("TP01", "{{.a}}", "1"),
    GOOD("TP02", "{{.zz}}", ""),
    GOOD("TP03", "[{{.zz}}]", "[]"),
    GOOD("TP04", "{{__line__ | upper}}!", "H\xc3\x89LLO!"),
    GOOD("TP05", "{{.big | lower | trunc 3}}", "abc"),
    GOOD("TP06", "{{ printf \"%-5s|%05.1f\" .b (float64 .n) }}", "z    |002.2"),
    GOOD("TP07", "{{if eq .a \"2\"}}one{{else if .b}}b{{else}}none{{end}}", "b"),
    GOOD("TP07 one", "{{if eq .a \"1\"}}one{{else if .b}}b{{else}}none{{end}}", "one"),
    GOOD("TP07 none", "{{if eq .b \"1\"}}one{{else if .zz}}b{{else}}none{{end}}", "none"),
    GOOD("TP08", "{{range $i, $e := fromJson .j}}{{$i}}={{$e}};{{end}}",
         "0=p;1=2.5;2=true;3=<no value>;"),
    GOOD("TP10", "{{with .zz}}x{{else}}empty{{end}}", "empty"),
    GOOD("TP11", "a {{- \" b\" -}} c", "a bc"),
    GOOD("TP12", "{{ $x := add 2 3 }}{{ mul $x 2 }}", "10"),
    GOOD("TP13", "{{ div 7 2 }} {{ divf 7 2 }} {{ mod 7 2 }} {{ sub 2 5 }} {{ addf 0.1 0.2 }}",
         "3 3.5 1 -3 0.3"),
    GOOD("TP14",
         "{{ round 2.675 2 }} {{ ceil 1.01 }} {{ floor -1.5 }} {{ max 3 9 2 }} {{ minf 1.5 0.5 }}",
         "2.68 2 -2 9 0.5"),
    GOOD("TP15", "{{ int \"42\" }} {{ int \"4.9\" }} {{ int \"x\" }} {{ float64 \"1e6\" }}",
         "42 4 0 1e+06"),
    GOOD("TP16", "{{ replace \"a\" \"o\" \"banana\" }} {{ Replace \"banana\" \"a\" \"o\" 1 }}",
         "bonono bonana"),
    GOOD("TP17",
         "{{ trimAll \"-\" \"--a--\" }} {{ trimPrefix \"a\" \"abc\" }} {{ TrimRight \"abcc\" "
         "\"c\" }} {{ trim \"  z \" }}",
         "a bc ab z"),
    GOOD("TP18",
         "{{ regexReplaceAll \"(\\\\d+)\" \"a1b22\" \"<${1}>\" }} {{ regexReplaceAllLiteral "
         "\"\\\\d\" \"a1\" \"${0}\" }} {{ count \"a\" \"banana\" }}",
         "a<1>b<22> a${0} 3"),
    GOOD("TP19", "{{ substr 1 3 \"hello\" }} {{ substr -1 2 \"hello\" }} {{ trunc -2 \"hello\" }}",
         "el he lo"),
    GOOD("TP20", "{{ alignLeft 4 \"ab\" }}| {{ alignRight 4 \"ab\" }}| {{ alignRight 1 \"ab\" }}",
         "ab  |   ab| b"),
    GOOD("TP21",
         "{{ b64enc \"hi\" }} {{ b64dec \"aGk\" }} {{ urlencode \"a b/ü\" }} {{ urldecode "
         "\"a%20b+c\" }}",
         "aGk= hi a+b%2F%C3%BC a b c"),
    GOOD("TP22", "{{ bytes \"2KB\" }} {{ duration \"1m30s\" }} {{ duration_seconds \"250ms\" }}",
         "2000 90 0.25"),
    GOOD("TP23",
         "{{ unixToTime \"1700000000\" | date \"2006-01-02T15:04:05Z07:00\" }} {{ toDate "
         "\"2006-01-02\" \"2024-02-29\" | unixEpoch }}",
         "2023-11-14T22:13:20Z 1709164800"),
    GOOD("TP24",
         "{{ contains \"ell\" \"hello\" }} {{ hasPrefix \"he\" \"hello\" }} {{ hasSuffix \"x\" "
         "\"hello\" }} {{ default \"d\" .zz }}",
         "true true false d"),
    GOOD("TP25",
         "{{ indent 2 \"a\" }}|{{ nindent 1 \"b\" }}|{{ repeat 3 \"z\" }}|{{ title \"ab cd\" }}",
         "  a|\n b|zzz|Ab Cd"),
    BAD("TP26", "{{ .a.b }}",
        "template: line:1:5: executing \"line\" at <.a.b>: can't evaluate field b in type string"),
    BAD("TP27", "{{ trunc \"2\" \"x\" }}",
        "template: line:1:9: executing \"line\" at <\"2\">: expected integer; found \"2\""),
    BAD("TP28", "{{ eq 1 1.0 }}",
        "template: line:1:3: executing \"line\" at <eq 1 1.0>: error calling eq: incompatible "
        "types "
        "for comparison: int and float64"),
    GOOD("TP29", "{{ 1000000.0 }} {{ 123456.0 }} {{ 0.00001 }} {{ 1.5 }}",
         "1e+06 123456 1e-05 1.5"),
    GOOD("TP30",
         "{{ index . \"a\" }} {{ len .a }} {{ not .a }} {{ and .a \"x\" }} {{ or .zz \"y\" }}",
         "1 1 false x y"),
    GOOD("TP32", "e={{.__error__}}", "e="),
    GOOD("ST05", "{{.a}}-{{.zz}}", "1-"),
    GOOD("ST09", "{{.b | upper}}", "Z"),
    BAD("ST10", "{{ mod 1 0 }}",
        "template: line:1:3: executing \"line\" at <mod 1 0>: error calling mod: runtime error: "
        "integer divide by zero"),
    GOOD("ST11", "{{__line__ | len}}", "6"),
    GOOD("ST12", "{{__timestamp__ | unixEpochNanos}}", "1700000000123456789"),
};

Test(template_run, reference)
{
    check_cases(reference_cases, COUNT_OF(reference_cases));
}

Test(template_run, errors_of_a_pipeline_are_labels)
{
    static const struct label labels[] = {{STR_INIT("__error__"), STR_INIT("JSONParserErr")}};
    struct template_data with = data;

    with.labels = (struct labels){labels, COUNT_OF(labels)};
    check_case(&(struct run_case)GOOD("TP32", "e={{.__error__}}", "e=JSONParserErr"), &with);
}

Test(template_run, label_templates_have_their_name)
{
    const struct template *t;
    struct arena a;
    struct str text;
    struct err err = {0};

    arena_init(&a, ARENA_BYTES);
    cr_assert_eq(template_compile(&a, STR("label"), STR("{{ mod 1 0 }}"), &t, &err), ST_OK);
    cr_expect_eq(template_run(t, &data, &a, &text, &err), ST_INVALID);
    cr_expect_str_eq(err.text, "template: label:1:3: executing \"label\" at <mod 1 0>: error "
                               "calling mod: runtime error: integer divide by zero");
    cr_expect_eq(template_run(t, &data, &a, &text, NULL), ST_INVALID, "without a place for texts");
    arena_release(&a);
}

/* ---- the language ---- */

static const struct run_case language_cases[] = {
    GOOD("TP09", "{{range $k,$v := fromJson .o}}{{$k}}:{{$v}} {{end}}",
         "a:s k:map[d:1] l:[1 x] z:<no value> "),
    GOOD("range over labels", "{{range $k,$v := .}}{{$k}}:{{$v | trunc 1}} {{end}}",
         "a:1 b:z big:A j:[ n:2 o:{ "),
    GOOD("range, one variable is the element", "{{range $v := fromJson \"[7,8]\"}}{{$v}},{{end}}",
         "7,8,"),
    GOOD("range sets dot", "{{range fromJson \"[7,8]\"}}{{.}},{{end}}", "7,8,"),
    GOOD("range over an integer", "{{range 3}}{{.}}{{end}}{{range $i := 2}}{{$i}}{{end}}", "01201"),
    GOOD("range over nothing",
         "{{range 0}}x{{else}}e{{end}}{{range fromJson \"[]\"}}x{{else}}f{{end}}"
         "{{range fromJson \"x\"}}x{{else}}g{{end}}{{range -1}}x{{else}}h{{end}}",
         "efgh"),
    GOOD("break and continue",
         "{{range 9}}{{if eq . 1}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}|",
         "023|"),
    GOOD("break of the inner range",
         "{{range $i := 2}}{{range $j := 5}}{{if eq $j 1}}{{break}}{{end}}{{$i}}{{$j}} "
         "{{end}}{{end}}",
         "00 10 "),
    GOOD("assignment in a range", "{{$s := 0}}{{range 4}}{{$s = add $s .}}{{end}}{{$s}}", "6"),
    GOOD("assigning range",
         "{{$i := 0}}{{$e := 0}}{{range $i, $e = fromJson \"[5,6]\"}}{{end}}"
         "{{$i}}{{$e}}{{range $e = 3}}{{end}}{{$e}}",
         "162"),
    GOOD("variables end with their control", "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}",
         "21"),
    GOOD("variable of an if", "{{if $x := .a}}{{$x}}{{else}}{{$x}}y{{end}}", "1"),
    GOOD("dollar is the root", "{{with .b}}{{.}}{{$.a}}{{end}}{{range 1}}{{$.a}}{{end}}", "z11"),
    GOOD("else with", "{{with .zz}}x{{else with .b}}{{.}}{{else}}e{{end}}", "z"),
    GOOD("definitions",
         "{{define \"x\"}}<{{.}}|{{$}}>{{end}}{{template \"x\" .a}}{{template \"x\"}}"
         "{{block \"y\" .b}}{{.}}{{end}}",
         "<1|1><<no value>|<no value>>z"),
    GOOD("parentheses and pipes", "{{ (print .a .b | upper) | printf \"%s%s\" (.b | title) }}",
         "Z1Z"),
    GOOD("fields of a value", "{{ (fromJson .o).k.d }}{{ (fromJson .o).a }}{{ (fromJson .o).q }}",
         "1s<no value>"),
    GOOD("nothing has every field", "{{ (fromJson \"x\").a.b }}", "<no value>"),
    GOOD("and, or do not evaluate what they need not",
         "{{and .zz (mod 1 0)}}|{{or .a (mod 1 0)}}|{{and .a .b}}|{{or .zz \"\"}}|{{.b | and .a}}|"
         "{{.b | or .zz}}",
         "|1|z||z|z"),
    GOOD("constants", "{{1}} {{-3}} {{0x1F}} {{'a'}} {{1e3}} {{true}} {{\"q\"}} {{`r`}} {{010}}",
         "1 -3 31 97 1000 true q r 8"),
    GOOD("truth of what there is",
         "{{not 0}} {{not 0.0}} {{not \"\"}} {{not (fromJson \"[]\")}} {{not (fromJson \"{}\")}} "
         "{{not "
         "(fromJson \"null\")}} {{not __timestamp__}} {{not 1}} {{not 0.5}} {{not false}} {{not "
         "(fromJson \"[0]\")}}",
         "true true true true true true false false false true false"),
    GOOD("maps print sorted", "{{fromJson .o}}", "map[a:s k:map[d:1] l:[1 x] z:<nil>]"),
    GOOD("labels print",
         "{{template \"m\" .}}{{define \"m\"}}{{len .}} {{slice (print .) 0 8}}{{end}}",
         "6 map[a:1 "),
    GOOD("floats", "{{999999.5}} {{100000.0}} {{1234567.0}} {{0.0001}} {{1e100}} {{-0.5}} {{1e-7}}",
         "999999.5 100000 1.234567e+06 0.0001 1e+100 -0.5 1e-07"),
    GOOD("comments and text", "x{{/* c */}}y", "xy"),
    GOOD("empty", "", ""),
    GOOD("invocations see no variables",
         "{{$x := 1}}{{define \"d\"}}{{$x := 2}}{{$x}}{{end}}"
         "{{template \"d\"}}{{$x}}",
         "21"),
    GOOD("recursion that ends",
         "{{define \"d\"}}{{.}}{{if lt . 5}}{{template \"d\" (int (add . "
         "1))}}{{end}}{{end}}{{template "
         "\"d\" 1}}",
         "12345"),
    BAD("undefined template", "{{template \"q\"}}",
        "template: line:1:11: executing \"line\" at <{{template \"q\"}}>: template \"q\" not "
        "defined"),
    BAD("range over a string", "{{range .b}}{{end}}",
        "template: line:1:8: executing \"line\" at <.b>: range can't iterate over z"),
    BAD("range over a bool", "{{range true}}{{end}}",
        "template: line:1:8: executing \"line\" at <true>: range can't iterate over true"),
    BAD("range over an integer, two variables", "{{range $i, $e := 3}}{{end}}",
        "template: line:1:18: executing \"line\" at <3>: can't use 3 to iterate over more than one "
        "variable"),
    BAD("field of a boxed value", "{{ (fromJson .o).a.b }}",
        "template: line:1:13: executing \"line\" at <.o>: can't evaluate field b in "
        "type interface {}"),
    BAD("field of null", "{{ (fromJson .o).z.b }}",
        "template: line:1:13: executing \"line\" at <.o>: nil pointer evaluating "
        "interface {}.b"),
    BAD("field of an integer", "{{$x := 1}}{{$x.y}}",
        "template: line:1:15: executing \"line\" at <$x.y>: can't evaluate field y in type int"),
    BAD("field with arguments", "{{.a 1}}",
        "template: line:1:2: executing \"line\" at <.a>: a is not a method but has arguments"),
    BAD("value with arguments", "{{$x := 1}}{{$x 2}}",
        "template: line:1:13: executing \"line\" at <$x>: can't give argument to non-function $x"),
    BAD("string with arguments", "{{\"s\" 1}}",
        "template: line:1:2: executing \"line\" at <\"s\">: can't give argument to non-function "
        "\"s\""),
    BAD("pipe into parentheses", "{{1 | (print 2)}}",
        "template: line:1:2: executing \"line\" at <1>: can't give argument to non-function print "
        "2"),
    BAD("nil", "{{nil}}", "template: line:1:2: executing \"line\" at <nil>: nil is not a command"),
    BAD("assignment to nothing", "{{$x = 1}}",
        "template: line:1:7: executing \"line\" at <1>: undefined variable: $x"),
    BAD("variable that was not set", "{{if .zz}}{{end}}{{and .zz ($y := 1)}}{{$y}}",
        "template: line:1:40: executing \"line\" at <$y>: undefined variable: $y"),
    BAD("too large an integer", "{{18446744073709551615}}",
        "template: line:1:2: executing \"line\" at <18446744073709551615>: 18446744073709551615 "
        "overflows int"),
    BAD("line and column", "x\ny {{ lower }}",
        "template: line:2:5: executing \"line\" at <lower>: wrong number of args for lower: want 1 "
        "got 0"),
    BAD("in a definition", "{{define \"d\"}}{{.x}}{{end}}{{template \"d\" 1}}",
        "template: line:1:16: executing \"d\" at <.x>: can't evaluate field x in type int"),
};

Test(template_run, language)
{
    check_cases(language_cases, COUNT_OF(language_cases));
}

/* ---- arguments ---- */

static const struct run_case argument_cases[] = {
    GOOD("integral float as integer", "{{trunc 2.0 \"abc\"}}", "ab"),
    GOOD("boxed string", "{{lower (index (fromJson `[\"X\"]`) 0)}}", "x"),
    GOOD("variadic", "{{add}} {{add 1}} {{add 1 2 3}} {{max 1}} {{print}}", "0 1 6 1 "),
    GOOD("round with a limit", "{{round 1.45 1 0.6}} {{round 1.45 1 0.4}}", "1.4 1.5"),
    BAD("too many", "{{lower .a .b}}",
        "template: line:1:2: executing \"line\" at <lower>: wrong number of args for lower: want 1 "
        "got 2"),
    BAD("piped one too many", "{{.a | lower .b}}",
        "template: line:1:7: executing \"line\" at <lower>: wrong number of args for lower: want 1 "
        "got 2"),
    BAD("too few of a variadic", "{{eq}}",
        "template: line:1:2: executing \"line\" at <eq>: wrong number of args for eq: want at "
        "least 1 "
        "got 0"),
    BAD("function as an argument", "{{print lower}}",
        "template: line:1:8: executing \"line\" at <lower>: wrong number of args for lower: want 1 "
        "got 0"),
    BAD("integer for a string", "{{lower 5}}",
        "template: line:1:8: executing \"line\" at <5>: expected string; found 5"),
    BAD("bool for a string", "{{lower true}}",
        "template: line:1:8: executing \"line\" at <true>: expected string; found true"),
    BAD("string for a float", "{{round 1 1 \"x\"}}",
        "template: line:1:12: executing \"line\" at <\"x\">: expected float; found \"x\""),
    BAD("fraction for an integer", "{{trunc 1.5 .a}}",
        "template: line:1:8: executing \"line\" at <1.5>: expected integer; found 1.5"),
    BAD("int64 for an int", "{{trunc (add 1 1) .a}}",
        "template: line:1:15: executing \"line\" at <1>: wrong type for value; expected int; got "
        "int64"),
    BAD("piped integer for a string", "{{1 | lower}}",
        "template: line:1:6: executing \"line\" at <lower>: wrong type for value; expected string; "
        "got int"),
    BAD("null for a string", "{{range fromJson `[null]`}}{{lower .}}{{end}}",
        "template: line:1:35: executing \"line\" at <.>: wrong type for value; expected string; "
        "got "
        "interface {}"),
    BAD("no value for a string", "{{fromJson `null` | lower}}",
        "template: line:1:20: executing \"line\" at <lower>: invalid value; expected string"),
    BAD("nil for a string", "{{lower nil}}",
        "template: line:1:8: executing \"line\" at <nil>: cannot assign nil to string"),
    BAD("string for a time", "{{unixEpoch .a}}",
        "template: line:1:12: executing \"line\" at <.a>: wrong type for value; expected "
        "time.Time; "
        "got string"),
    BAD("constant for a time", "{{unixEpoch \"x\"}}",
        "template: line:1:12: executing \"line\" at <\"x\">: can't handle \"x\" for arg of type "
        "time.Time"),
    BAD("dot for a string", "{{lower .}}",
        "template: line:1:8: executing \"line\" at <.>: wrong type for value; expected string; got "
        "map[string]string"),
};

Test(template_run, arguments)
{
    check_cases(argument_cases, COUNT_OF(argument_cases));
}

/* ---- functions of text/template ---- */

/* An error of a function `f`, called at column 2. */
#define FAILS(name, f, args, reason)                                                       \
    {                                                                                      \
        name, STR_INIT("{{" f " " args "}}"),                                              \
            "template: line:1:2: executing \"line\" at <" f " " args ">: error calling " f \
            ": " reason,                                                                   \
            ST_INVALID                                                                     \
    }

static const struct run_case builtin_cases[] = {
    GOOD("eq", "{{eq 1 2 1}} {{eq \"a\" \"b\"}} {{eq true true}} {{eq 1.5 1.5}} {{eq (add 1) 1}}",
         "true false true true true"),
    GOOD("eq of nil", "{{eq nil nil}} {{eq nil 1}} {{eq (fromJson \"x\") nil}} {{ne nil \"\"}}",
         "true false true true"),
    GOOD("eq of times", "{{eq __timestamp__ __timestamp__}}", "true"),
    GOOD("less and greater",
         "{{lt 1 2}} {{lt \"a\" \"b\"}} {{le 2 2}} {{gt 1.5 1.0}} {{ge 1 2}} {{gt 1 1}}",
         "true true true true false false"),
    FAILS("eq alone", "eq", "1", "missing argument for comparison"),
    FAILS("eq of string and int", "eq", "\"1\" 1",
          "incompatible types for comparison: string and int"),
    FAILS("eq of maps", "eq", ". .",
          "non-comparable type map[a:1 b:z big:ABCDEF j:[\"p\",2.5,true,null] n:2.25 "
          "o:{\"k\":{\"d\":1},\"a\":\"s\",\"z\":null,\"l\":[1,\"x\"]}]: map[string]string"),
    FAILS("lt of string and int", "lt", "\"1\" 1", "incompatible types for comparison"),
    FAILS("lt of bools", "lt", "true false", "invalid type for comparison"),
    FAILS("lt of nil", "lt", "nil 1", "invalid type for comparison"),
    GOOD("index",
         "{{index .a 0}} {{index (fromJson .o) \"k\" \"d\"}} {{index (fromJson .j) 1}} {{index 5}} "
         "[{{index . \"none\"}}] {{index (fromJson .o) \"none\"}}",
         "49 1 2.5 5 [] <no value>"),
    FAILS("index of nil", "index", "nil", "index of untyped nil"),
    FAILS("index of null", "index", "(fromJson `[null]`) 0 0", "index of nil pointer"),
    FAILS("index of an integer", "index", "1 0", "can't index item of type int"),
    FAILS("index out of range", "index", "\"ab\" 3", "index out of range: 3"),
    FAILS("index below zero", "index", "\"ab\" -1", "index out of range: -1"),
    FAILS("index at the end", "index", "\"ab\" 2", "reflect: string index out of range"),
    FAILS("index at the end of a list", "index", "(fromJson `[1]`) 1",
          "reflect: slice index out of range"),
    FAILS("index by a string", "index", "\"ab\" \"x\"",
          "cannot index slice/array with type string"),
    FAILS("index by nil", "index", "\"ab\" nil", "cannot index slice/array with nil"),
    FAILS("key that is no string", "index", ". 1", "value has type int; should be string"),
    FAILS("key that is nil", "index", ". nil", "value is nil; should be of type string"),
    GOOD("slice",
         "{{slice \"abc\" 1}} {{slice \"abc\" 1 2}} {{slice \"abc\"}} {{slice (fromJson .j) 0 2}} "
         "{{slice (fromJson .j) 1 2 3}}",
         "bc b abc [p 2.5] [2.5]"),
    FAILS("slice backwards", "slice", "\"abc\" 2 1", "invalid slice index: 2 > 1"),
    FAILS("slice too far", "slice", "\"abc\" 4", "index out of range: 4"),
    FAILS("slice with capacity", "slice", "\"abc\" 1 2 3", "cannot 3-index slice a string"),
    FAILS("slice with too many", "slice", "\"abc\" 1 2 3 4", "too many slice indexes: 4"),
    FAILS("slice of a map", "slice", ".", "can't slice item of type map[string]string"),
    FAILS("slice of nil", "slice", "nil", "slice of untyped nil"),
    GOOD("len", "{{len \"h\xc3\xa9\"}} {{len .}} {{len (fromJson .j)}} {{len (fromJson .o)}}",
         "3 6 4 4"),
    FAILS("len of an integer", "len", "3", "len of type int"),
    FAILS("len of nil", "len", "nil", "reflect: call of reflect.Value.Type on zero Value"),
    GOOD("print",
         "{{print 1 2 \"a\" \"b\" 3 4}}|{{print nil nil}}|{{print .a .b}}|{{print true false}}",
         "1 2ab3 4|<nil> <nil>|1z|true false"),
    GOOD("println", "{{println 1 \"a\" nil}}{{println}}", "1 a <nil>\n\n"),
    GOOD("html", "{{html \"<a href='x'>&\\\"\\x00\"}} {{html nil}} {{html 1 2}} {{html \"a\" nil}}",
         "&lt;a href=&#39;x&#39;&gt;&amp;&#34;\xef\xbf\xbd &lt;no value&gt; 1 2 a&lt;no value&gt;"),
    GOOD("js", "{{js \"it's <&=> \\\"x\\\\ \\n \xc3\xa9 \\u200b\"}}",
         "it\\'s \\u003C\\u0026\\u003D\\u003E \\\"x\\\\ \\u000A \xc3\xa9 \\u200B"),
    GOOD("urlquery", "{{urlquery \"a b&c\" 1}}", "a+b%26c1"),
    FAILS("call of a string", "call", "\"x\" 1", "non-function \"x\" of type string"),
    FAILS("call of nil", "call", "nil", "call of nil"),
    BAD("call of a piped string", "{{.b | call}}",
        "template: line:1:7: executing \"line\" at <call>: error calling call: non-function z of "
        "type "
        "string"),
};

Test(template_run, builtins)
{
    check_cases(builtin_cases, COUNT_OF(builtin_cases));
}

/* ---- printf ---- */

static const struct run_case printf_cases[] = {
    GOOD("strings",
         "{{printf \"%s|%5s|%-5s|%.2s|%q|%x|%X|% x|%#x|%# X|%v\" \"ab\" \"ab\" \"ab\" \"abc\" "
         "\"a\\\"b\" "
         "\"hi\" \"hi\" \"hi\" \"hi\" \"hi\" \"v\"}}",
         "ab|   ab|ab   |ab|\"a\\\"b\"|6869|6869|68 69|0x6869|0X68 0X69|v"),
    GOOD("width counts runes", "{{printf \"%3s|%.1s|%05s\" \"\xc3\xa9\" \"\xc3\xa9x\" \"ab\"}}",
         "  \xc3\xa9|\xc3\xa9|000ab"),
    GOOD("backquotes", "{{printf \"%#q %#q\" \"ab\" \"a`b\"}}", "`ab` \"a`b\""),
    GOOD(
        "integers",
        "{{printf \"%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%#o|%O|%b|%#b|%c|%U|%#U|%q\" 42 42 42 42 "
        "42 42 255 255 255 8 8 8 5 5 97 97 97 97}}",
        "42|   42|42   |00042|+42| 42|ff|FF|0xff|10|010|0o10|101|0b101|a|U+0061|U+0061 'a'|'a'"),
    GOOD("negative integers",
         "{{printf \"%d|%06d|%x|%.4d|%8.4d|%.0d|%-06d|\" -42 -42 -255 -7 -7 0 -7}}",
         "-42|-00042|-ff|-0007|   -0007||-7    |"),
    GOOD("floats",
         "{{printf \"%f|%.2f|%8.3f|%-8.1f|%08.2f|%+.1f|%e|%.1E|%g|%G|%.3g|%v|%6.2f%%\" 1.5 2.345 "
         "3.14159 "
         "2.5 -3.14159 2.0 1234.5 1234.5 1e21 1e-7 1234.5 0.1 99.5}}",
         "1.500000|2.35|   3.142|2.5     "
         "|-0003.14|+2.0|1.234500e+03|1.2E+03|1e+21|1E-07|1.23e+03|0.1| "
         "99.50%"),
    GOOD("special floats",
         "{{printf \"%v|%5v|%+v|%05.1f|%f\" (float64 \"inf\") (float64 \"nan\") (float64 \"inf\") "
         "(float64 \"-inf\") (float64 \"nan\")}}",
         "+Inf|  NaN|+Inf| -Inf|NaN"),
    GOOD("floats in other bases", "{{printf \"%x %X %b\" 1.5 0.1 1.0}}",
         "0x1.8p+00 0X1.999999999999AP-04 4503599627370496p-52"),
    GOOD("long precision", "{{len (printf \"%.2000f\" 0.5)}} {{len (printf \"%.2000e\" 0.5)}}",
         "2002 2006"),
    GOOD("bools", "{{printf \"%t|%v|%6t|%d\" true false true true}}",
         "true|false|  true|%!d(bool=true)"),
    GOOD("types",
         "{{printf \"%T %T %T %T %T %T %T %T %T %T\" 1 1.5 \"s\" true nil . (fromJson .o) "
         "(fromJson .j) (add "
         "1) __timestamp__}}",
         "int float64 string bool <nil> map[string]string map[string]interface {} []interface {} "
         "int64 "
         "time.Time"),
    GOOD("containers",
         "{{printf \"%v|%d|%s|%q|%5v\" (fromJson \"[1,true]\") (fromJson \"[1]\") (fromJson "
         "`{\"a\":\"b\"}`) (fromJson `[\"a\"]`) (fromJson \"[1,2]\")}}",
         "[1 true]|[%!d(float64=1)]|map[a:b]|[\"a\"]|[    1     2]"),
    GOOD("as in a program",
         "{{printf \"%#v %#v %#v %#v %#v\" \"a\" 1 (fromJson `[\"a\",null]`) (fromJson "
         "`{\"k\":1,\"l\":2}`) true}}",
         "\"a\" 1 []interface {}{\"a\", <nil>} map[string]interface {}{\"k\":1, \"l\":2} true"),
    GOOD("times",
         "{{printf \"%s|%.4v|%d\" __timestamp__ __timestamp__ (toDate \"2006\" \"2024\")}}",
         "2023-11-14 22:13:20.123456789 +0000 UTC|2023|%!d(time.Time=2024-01-01 00:00:00 +0000 "
         "UTC)"),
    GOOD("bytes of a string",
         "{{printf \"%v %c %T\" (index \"a\" 0) (index \"a\" 0) (index \"a\" 0)}}", "97 a uint8"),
    GOOD("stars", "{{printf \"%*d|%-*d|%.*f|%*d\" 5 42 5 42 2 3.14159 -4 7}}",
         "   42|42   |3.14|7   "),
    GOOD("chosen arguments", "{{printf \"%[2]s %[1]s %s %[3]*.[2]*[1]f\" \"a\" \"b\"}}",
         "b a b %!(BADWIDTH)%!(BADPREC)%!f(BADINDEX)"),
    GOOD("misuse", "{{printf \"%d %s %z\" \"s\" 5 1}}", "%!d(string=s) %!s(int=5) %!z(int=1)"),
    GOOD("misuse keeps the width", "{{printf \"%5d\" \"ab\"}}", "%!d(string=   ab)"),
    GOOD("missing", "{{printf \"%s %s\" \"a\"}}", "a %!s(MISSING)"),
    GOOD("extra", "{{printf \"%s\" \"a\" \"b\" 3 nil}}", "a%!(EXTRA string=b, int=3, <nil>)"),
    GOOD("no verb", "{{printf \"a%\"}} {{printf \"%5\" 1}}",
         "a%!(NOVERB) %!(NOVERB)%!(EXTRA int=1)"),
    GOOD("bad index", "{{printf \"%[5]d\" 1}} {{printf \"%[x]d\" 1}} {{printf \"%[1\" 1}}",
         "%!d(BADINDEX) %!d(BADINDEX) %!(NOVERB)"),
    GOOD("nil", "{{printf \"%v %s %d\" nil nil nil}}", "<nil> %!s(<nil>) %!d(<nil>)"),
    GOOD("too wide", "{{printf \"%999999999d\" 5}}", "%!(NOVERB)%!(EXTRA int=5)"),
    GOOD("too wide a star", "{{printf \"%*d\" 10000000 5}}", "%!(BADWIDTH)5"),
    GOOD("too precise a star", "{{printf \"%.*f\" 10000000 5.0}}", "%!(BADPREC)5.000000"),
    GOOD("percent", "{{printf \"100%%\"}}", "100%"),
};

Test(template_run, formats)
{
    check_cases(printf_cases, COUNT_OF(printf_cases));
}

/* ---- strings ---- */

static const struct run_case text_cases[] = {
    GOOD("case",
         "{{lower \"\xc3\x89\xc4\xb0\xff\"}} {{upper \"\xc3\xa9\xc3\x9f\xd1\x8f\xc3\xbf\"}} "
         "{{ToLower \"AB\"}} {{ToUpper \"ab\"}}",
         "\xc3\xa9i\xef\xbf\xbd \xc3\x89\xc3\x9f\xd0\xaf\xc5\xb8 ab AB"),
    GOOD("title", "{{title \"ab-cd e_f g1h \xc3\xa9\xc3\xa8\xe2\x80\x94x \xe2\x80\x83y 'q\"}}",
         "Ab-Cd E_f G1h \xc3\x89\xc3\xa8\xe2\x80\x94x \xe2\x80\x83Y 'Q"),
    GOOD("trim",
         "[{{trim \"\\t\xc2\xa0 a \\n\xe2\x80\x83\"}}] [{{TrimSpace \"  \"}}] [{{trim \"\"}}]",
         "[a] [] []"),
    GOOD("sets",
         "{{Trim \"xaxbx\" \"x\"}} {{TrimLeft \"xyax\" \"yx\"}} {{TrimRight \"xa\xc3\xa9\" "
         "\"\xc3\xa9\"}} {{trimAll "
         "\"\" \"a\"}} [{{trimAll \"a\" \"aaa\"}}]",
         "axb ax xa a []"),
    GOOD("prefix and suffix",
         "{{TrimPrefix \"aab\" \"a\"}} {{TrimSuffix \"abb\" \"b\"}} {{trimSuffix \"b\" \"ab\"}} "
         "{{trimPrefix \"x\" \"ab\"}} {{trimSuffix \"abc\" \"c\"}}",
         "ab ab a ab c"),
    GOOD("replace",
         "{{replace \"a\" \"\" \"banana\"}} {{replace \"\" \"-\" \"a\xc3\xa9\"}} {{Replace \"aaa\" "
         "\"a\" \"b\" "
         "-1}} {{Replace \"aaa\" \"a\" \"b\" 0}} {{Replace \"aaa\" \"a\" \"b\" 2}} {{Replace "
         "\"ab\" \"\" \"-\" 2}}",
         "bnn -a-\xc3\xa9- bbb aaa bba -a-b"),
    GOOD("contains",
         "{{contains \"\" \"a\"}} {{contains \"b\" \"a\"}} {{hasPrefix \"\" \"\"}} {{hasSuffix "
         "\"a\" \"ba\"}}",
         "true false true true"),
    GOOD("substr",
         "[{{substr 0 0 \"ab\"}}] {{substr 1 -1 \"abc\"}} {{substr 1 99 \"abc\"}} {{substr 3 -1 "
         "\"abc\"}}",
         "[] bc bc "),
    FAILS("substr behind the end", "substr", "4 -1 \"abc\"",
          "runtime error: slice bounds out of range [4:3]"),
    FAILS("substr backwards", "substr", "2 1 \"abc\"",
          "runtime error: slice bounds out of range [2:1]"),
    FAILS("substr without start", "substr", "-1 9 \"abc\"",
          "runtime error: slice bounds out of range [:9] with length 3"),
    FAILS("substr without anything", "substr", "-1 -2 \"abc\"",
          "runtime error: slice bounds out of range [:-2]"),
    GOOD("trunc",
         "{{trunc 9 \"ab\"}} {{trunc -9 \"ab\"}} {{trunc 0 \"ab\"}} {{trunc -2 \"ab\"}} {{trunc -1 "
         "\"ab\"}}",
         "ab ab  ab b"),
    GOOD("trunc cuts a rune", "{{trunc 1 \"\xc3\xa9\"}}", "\xc3"),
    GOOD("align",
         "{{alignLeft 2 \"\xc3\xa9\xc3\xa8x\"}}|{{alignRight 2 \"\xc3\xa9\xc3\xa8x\"}}|{{alignLeft "
         "-1 \"ab\"}}|{{alignRight -1 "
         "\"ab\"}}|{{alignLeft 0 \"ab\"}}|{{alignRight 3 \"\xc3\xa9\"}}|",
         "\xc3\xa9\xc3\xa8|\xc3\xa8x|ab|ab||  \xc3\xa9|"),
    GOOD("indent", "{{indent 2 \"a\\nb\\n\"}}|{{nindent 1 \"a\\nb\"}}|{{indent 0 \"a\\nb\"}}",
         "  a\n  b\n  |\n a\n b|a\nb"),
    GOOD("repeat", "[{{repeat 0 \"x\"}}] {{repeat 2 \"ab\"}} [{{repeat 1000000000 \"\"}}]",
         "[] abab []"),
    FAILS("repeat below zero", "repeat", "-1 \"x\"", "strings: negative Repeat count"),
    FAILS("indent below zero", "indent", "-1 \"x\"", "strings: negative Repeat count"),
    FAILS("nindent below zero", "nindent", "-1 \"x\"", "strings: negative Repeat count"),
    GOOD("default",
         "{{default 1 0}} {{default \"d\" nil}} {{default \"d\" false}} {{default \"d\" (fromJson "
         "\"[]\")}} "
         "{{default \"d\" \"x\"}} {{default \"d\"}} {{.zz | default \"e\"}} {{default 1 2 3}}",
         "1 d d d x d e 2"),
    GOOD("regexes",
         "{{regexReplaceAll \"a*\" \"baaac\" \"x\"}} {{regexReplaceAll \"(?P<n>.)(.)\" \"abcd\" "
         "\"$n$2-${n}x$1W$$$\"}} {{regexReplaceAll \"^.\" \"aaa\" \"b\"}} {{regexReplaceAll \"b\" "
         "\"abab\" \"\"}}",
         "xbxcx ab-ax$$cd-cx$$ baa aa"),
    GOOD("groups that are not there",
         "[{{regexReplaceAll \"(a)|(b)\" \"ab\" \"<$1,$2,$3,$x,${y}>\"}}]", "[<a,,,,><,b,,,>]"),
    GOOD("malformed groups", "{{regexReplaceAll \"a\" \"a\" \"${ $- ${1 $\"}}", "${ $- ${1 $"),
    GOOD("word boundaries see what is before",
         "{{regexReplaceAll `\\b\\w` \"ab cd\" \"X\"}} {{count `\\bb` \"bb b\"}}", "Xb Xd 2"),
    GOOD("counts",
         "{{count \"a*\" \"baaac\"}} {{count \"\" \"\xc3\xa9x\"}} {{count \"x\" \"\"}} {{count "
         "\"^\" \"\"}}",
         "3 3 0 1"),
    GOOD("not UTF-8",
         "{{count \".\" \"\\xff\\xfea\"}} {{regexReplaceAll \"[^a]\" \"\\xff\\xc3\xc3\xa9"
         "a\" \"-\"}}",
         "3 ---a"),
    GOOD("made expressions",
         "{{regexReplaceAll (print \"a\" \"+\") \"baab\" \"x\"}} {{$r := \"b\"}}{{count $r "
         "\"bab\"}}",
         "bxb 2"),
    FAILS("not an expression", "count", "\"(\" \"a\"",
          "error parsing regexp: missing closing ): `(`"),
    FAILS("not an expression either", "regexReplaceAll", "\"a**\" \"a\" \"b\"",
          "error parsing regexp: invalid nested repetition operator: `**`"),
    GOOD("URLs", "{{urlencode \"a-b_c.d~e/?=&%\"}} {{urldecode \"%C3%bc+%25\"}}",
         "a-b_c.d~e%2F%3F%3D%26%25 \xc3\xbc %"),
    FAILS("bad escape", "urldecode", "\"a%zz\"", "invalid URL escape \"%zz\""),
    FAILS("short escape", "urldecode", "\"a%2\"", "invalid URL escape \"%2\""),
    GOOD("base64",
         "[{{b64enc \"\"}}] {{b64enc \"f\"}} {{b64enc \"fo\"}} {{b64enc \"foo\"}} {{b64enc "
         "\"\\xff\\xfe\\xfd\"}}",
         "[] Zg== Zm8= Zm9v //79"),
    GOOD("base64 back",
         "[{{b64dec \"\"}}] {{b64dec \"Zg==\"}} {{b64dec \"Zm8=\"}} {{b64dec \"Zm9v\"}} {{b64dec "
         "\"Zm9\\nv\"}} {{b64dec "
         "\"Zg\"}}",
         "[] f fo foo foo f"),
    GOOD("not base64",
         "{{b64dec \"a$b=\"}}|{{b64dec \"a\"}}|{{b64dec \"Zg==Zg==\"}}|{{b64dec \"Zg=x\"}}",
         "illegal base64 data at input byte 1|illegal base64 data at input byte 1|illegal base64 "
         "data at input "
         "byte 4|illegal base64 data at input byte 3"),
    GOOD("JSON",
         "{{fromJson \"5\"}} {{fromJson `\"a\\u00e9\"`}} {{fromJson `{\"b\":1,\"a\":2,\"b\":3}`}} "
         "{{fromJson `[1,{\"a\":[]}]`}} "
         "{{fromJson \"true\"}}",
         "5 a\xc3\xa9 map[a:2 b:3] [1 map[a:[]]] true"),
    GOOD("not JSON",
         "{{fromJson \"{\"}} {{fromJson \"\"}} {{fromJson \"1 2\"}} {{fromJson \"null\"}} "
         "{{fromJson \"01\"}} {{fromJson \"1e999\"}}",
         "<no value> <no value> <no value> <no value> <no value> <no value>"),
};

Test(template_run, strings)
{
    check_cases(text_cases, COUNT_OF(text_cases));
}

/* ---- numbers ---- */

static const struct run_case number_cases[] = {
    GOOD("to integers",
         "{{int \"0x10\"}} {{int \"010\"}} {{int \"0b11\"}} {{int \"-5.9\"}} {{int \".5\"}} {{int "
         "\"1.x\"}} {{int \"08\"}} "
         "{{int \"1e3\"}} {{int 2.9}} {{int -2.9}} {{int true}} {{int nil}} {{int "
         "\"99999999999999999999\"}} {{int \"\"}} "
         "{{int __timestamp__}}",
         "16 8 3 -5 0 0 0 0 2 -2 1 0 0 0 0"),
    GOOD("to floats",
         "{{float64 \"1.5\"}} {{float64 \"x\"}} {{float64 2}} {{float64 true}} {{float64 nil}} "
         "{{float64 \"1e999\"}}",
         "1.5 0 2 1 0 0"),
    GOOD("integers",
         "{{add 1.9 1.9}} {{add \"2\" \"3.7\"}} {{sub 2 5}} {{mul 2 3 4}} {{div -7 2}} {{mod -7 "
         "2}} {{mul 7}}",
         "2 5 -3 24 -3 -1 7"),
    GOOD("integers wrap around",
         "{{add 9223372036854775807 1}} {{div -9223372036854775808 -1}} {{mod -9223372036854775808 "
         "-1}}",
         "-9223372036854775808 -9223372036854775808 0"),
    FAILS("div by zero", "div", "1 \"x\"", "runtime error: integer divide by zero"),
    GOOD("extremes",
         "{{max 1 \"5\" 2.5}} {{min 3 \"-1\"}} {{maxf 1 \"2.5\"}} {{minf 1.5}} {{maxf (float64 "
         "\"nan\") 1}} {{maxf (float64 "
         "\"nan\") (float64 \"inf\")}} {{minf 1 (float64 \"-inf\")}} {{max -5 -3}}",
         "5 -1 2.5 1.5 NaN +Inf -Inf -3"),
    GOOD("decimals",
         "{{addf 0.1 0.2 0.3}} {{addf}} {{addf 1.5}} {{subf 1 0.9}} {{subf 0.3 0.1 0.2}} {{mulf "
         "1.1 1.1}} {{mulf -2 0.5}} {{divf 1 "
         "3}} {{divf 2 3}} {{divf -2 3}} {{divf 10 4 2.5}} {{divf 0 7}}",
         "0.6 0 1.5 0.1 0 1.21 -1 0.3333333333333333 0.6666666666666667 -0.6666666666666667 1 0"),
    GOOD("decimals of very different size",
         "{{addf 1e300 1e-300}} {{subf 1e300 1e300}} {{mulf 1e300 1e300}} {{mulf 1e-300 1e-300}} "
         "{{divf 1e-300 "
         "7}} {{divf 1e22 7}} {{subf 100 0.001}} {{addf 99.5 0.5}} {{addf -1 0.25}}",
         "1e+300 0 +Inf 0 0 1.4285714285714287e+21 99.999 100 -0.75"),
    GOOD("halves of a decimal go up",
         "{{divf 1e-16 2}} {{divf -1e-16 2}} {{divf 0.9e-16 2}} {{divf 1.5e-16 1}}",
         "1e-16 -1e-16 0 2e-16"),
    FAILS("decimal division by zero", "divf", "1 0", "decimal division by 0"),
    FAILS("decimal of NaN", "addf", "1 \"nan\"", "Cannot create a Decimal from NaN"),
    FAILS("decimal of infinity", "mulf", "\"-inf\" 1", "Cannot create a Decimal from -Inf"),
    GOOD("rounding",
         "{{round -1.5 0}} {{round 2.5 0}} {{round 123.456 -1}} {{round \"3.14159\" 3}} {{ceil "
         "-1.5}} {{floor \"2.7\"}} {{ceil \"x\"}}",
         "-2 3 120 3.142 -1 2 0"),
    GOOD("units",
         "{{bytes \"1.5KiB\"}} {{bytes \"5\"}} {{duration \"-1.5h\"}} {{duration \"0\"}} "
         "{{duration \"1ns\"}}",
         "1536 5 -5400 0 1e-09"),
    FAILS("bad bytes", "bytes", "\"5 apples\"", "unhandled size name: apples"),
    FAILS("bad duration", "duration", "\"5 apples\"",
          "time: unknown unit \" apples\" in duration \"5 apples\""),
};

Test(template_run, numbers)
{
    check_cases(number_cases, COUNT_OF(number_cases));
}

/* ---- times; the zone of the server is UTC unless a test sets it ---- */

static const struct run_case time_cases[] = {
    GOOD("print", "{{__timestamp__}}", "2023-11-14 22:13:20.123456789 +0000 UTC"),
    GOOD("every piece",
         "{{date \"2006 06|01 1 Jan January|02 2 _2 002 __2|Mon Monday|15 03 3 PM pm|04 4|05 "
         "5|.000 .999999999 ,000 .00|MST -0700 "
         "-07:00 -07 Z0700 Z07:00 Z07 -070000 -07:00:00 Z070000 Z07:00:00\" __timestamp__}}",
         "2023 23|11 11 Nov November|14 14 14 318 318|Tue Tuesday|22 10 10 PM pm|13 13|20 20|.123 "
         ".123456789 ,123 .12|UTC +0000 +00:00 "
         "+00 Z Z Z +000000 +00:00:00 Z Z"),
    GOOD("small numbers",
         "{{toDate \"2006-01-02 15:04:05\" \"2024-03-05 00:07:09\" | date \"1 2 _2 __2 002|3 4 5 "
         "pm|.000 .999 x\"}}",
         "3 5  5  65 065|12 7 9 am|.000  x"),
    GOOD("what is no piece", "{{date \"Month Jane .05 x1y 7 8 9 _2006 .0004\" __timestamp__}}",
         "Month Jane .20 x11y 7 8 9 _2023 .0013"),
    GOOD("date of seconds",
         "{{date \"2006-01-02\" 86400}} {{date \"2006\" (add 0 1)}} {{date \"2006\" -1}}",
         "1970-01-02 1970 1969"),
    GOOD("toDate",
         "{{toDate \"2006-01-02T15:04:05Z07:00\" \"2024-02-29T12:00:00.5+02:00\"}}|{{toDate \"Jan "
         "_2 2006 3:04PM\" \"feb  3 2024 "
         "1:05PM\"}}|{{toDate \"02/Jan/2006:15:04:05 -0700\" \"29/Feb/2024:01:02:03 -0130\" | "
         "unixEpoch}}",
         "2024-02-29 12:00:00.5 +0200 +0200|2024-02-03 13:05:00 +0000 UTC|1709173923"),
    GOOD("toDate of parts",
         "{{toDate \"06 002\" \"70 032\"}}|{{toDate \"06\" \"68\" | date \"2006\"}}|{{toDate "
         "\"15:04\" \"23:59\"}}|{{toDate \".000 5\" "
         "\".120 7\" | unixEpochNanos}}",
         "1970-02-01 00:00:00 +0000 UTC|2068|0000-01-01 23:59:00 +0000 UTC|-6826986971751345152"),
    GOOD("toDate fails",
         "{{toDate \"2006\" \"x\"}}|{{toDate \"2006-01-02\" \"2023-02-29\" | unixEpoch}}|{{toDate "
         "\"2006\" \"2024x\" | unixEpoch}}|{{toDate "
         "\"15\" \"24\" | unixEpoch}}|{{toDate \"01\" \"13\" | unixEpoch}}|{{toDate \"-07:00\" "
         "\"+1:00\" | unixEpoch}}",
         "0001-01-01 00:00:00 +0000 "
         "UTC|-62135596800|-62135596800|-62135596800|-62135596800|-62135596800"),
    GOOD("names of zones",
         "{{toDate \"2006 MST\" \"2024 UTC\"}}|{{toDate \"2006 MST\" \"2024 CEST\"}}|{{toDate "
         "\"2006 MST\" \"2024 x\" | unixEpoch}}",
         "2024-01-01 00:00:00 +0000 UTC|2024-01-01 00:00:00 +0000 CEST|-62135596800"),
    GOOD("zones",
         "{{toDateInZone \"2006-01-02 15\" \"Europe/Berlin\" \"2024-07-01 12\"}}|{{toDateInZone "
         "\"2006-01-02 15\" \"Europe/Berlin\" "
         "\"2024-01-01 12\"}}|{{toDateInZone \"2006-01-02 15\" \"Asia/Kolkata\" \"2024-01-01 12\" "
         "| unixEpoch}}",
         "2024-07-01 12:00:00 +0200 CEST|2024-01-01 12:00:00 +0100 CET|1704090600"),
    GOOD("zones in the far future",
         "{{toDateInZone \"2006-01-02 15\" \"Europe/Berlin\" \"2060-07-01 12\"}}|{{toDateInZone "
         "\"2006-01-02 15\" "
         "\"America/New_York\" \"2045-01-01 12\"}}|{{toDateInZone \"2006-01-02 15\" \"Asia/Tokyo\" "
         "\"2060-07-01 12\"}}",
         "2060-07-01 12:00:00 +0200 CEST|2045-01-01 12:00:00 -0500 EST|2060-07-01 12:00:00 +0900 "
         "JST"),
    GOOD("zones in the past", "{{toDateInZone \"2006\" \"Europe/Berlin\" \"1800\" | unixEpoch}}",
         "-5364665608"),
    GOOD("unknown zones",
         "{{toDateInZone \"2006\" \"No/Where\" \"2024\"}}|{{toDateInZone \"2006\" "
         "\"../../etc/passwd\" \"2024\"}}|{{toDateInZone "
         "\"2006\" \"\" \"2024\"}}|{{toDateInZone \"2006\" \"zone.tab\" \"2024\"}}|{{toDateInZone "
         "\"2006\" \"Local\" \"2024\"}}",
         "2024-01-01 00:00:00 +0000 UTC|2024-01-01 00:00:00 +0000 UTC|2024-01-01 00:00:00 +0000 "
         "UTC|2024-01-01 00:00:00 +0000 UTC|2024-01-01 "
         "00:00:00 +0000 UTC"),
    GOOD("unixToTime",
         "{{unixToTime \"19675\" | unixEpoch}} {{unixToTime \"1700000000123\" | unixEpochMillis}} "
         "{{unixToTime \"1700000000123456\" | "
         "unixEpochNanos}} {{unixToTime \"1700000000123456789\" | unixEpochNanos}} {{unixToTime "
         "\"-1234\" | unixEpoch}}",
         "1699920000 1700000000123 1700000000123456000 1700000000123456789 -106617600"),
    FAILS("unixToTime of a word", "unixToTime", "\"abcde\"",
          "unable to parse time 'abcde': strconv.ParseInt: parsing \"abcde\": invalid syntax"),
    FAILS("unixToTime of a large number", "unixToTime", "\"9999999999999999999\"",
          "unable to parse time '9999999999999999999': strconv.ParseInt: parsing "
          "\"9999999999999999999\": value out of range"),
    FAILS("unixToTime of another length", "unixToTime", "\"123\"",
          "unable to parse time '123': %!w(<nil>)"),
    GOOD("epochs",
         "{{unixEpoch __timestamp__}} {{unixEpochMillis __timestamp__}} {{unixEpochNanos "
         "__timestamp__}}",
         "1700000000 1700000000123 1700000000123456789"),
};

Test(template_run, times)
{
    check_cases(time_cases, COUNT_OF(time_cases));
}

Test(template_run, now)
{
    time_fake_set(INT64_C(1700000000123456789));
    check_case(
        &(struct run_case)GOOD(
            "now",
            "{{now | date \"2006-01-02 15:04:05.000\"}} {{date \"2006\" \"x\"}} {{unixEpoch now}}",
            "2023-11-14 22:13:20.123 2023 1700000000"),
        &data);
}

Test(template_run, before_the_epoch)
{
    struct template_data with = data;

    with.ts_ns = -1;
    check_case(&(struct run_case)GOOD("ts", "{{__timestamp__}} {{unixEpochMillis __timestamp__}}",
                                      "1969-12-31 23:59:59.999999999 +0000 UTC -1"),
               &with);
}

/* The test has a process of its own, so the zone may be set. */
Test(template_run, zone_of_the_server)
{
    (void)setenv("TZ", "Europe/Berlin", 1);
    tzset();
    check_case(
        &(struct run_case)GOOD("local",
                               "{{__timestamp__}}|{{date \"15:04 MST -07\" "
                               "__timestamp__}}|{{toDate \"2006-01-02 15\" \"2024-07-01 12\"}}|"
                               "{{toDate \"2006-01-02 MST\" \"2024-07-01 CEST\" | "
                               "unixEpoch}}|{{toDate \"2006-01-02T15Z07:00\" "
                               "\"2024-07-01T12+02:00\"}}",
                               "2023-11-14 23:13:20.123456789 +0100 CET|23:13 CET +01|2024-07-01 "
                               "12:00:00 +0200 CEST|1719784800|"
                               "2024-07-01 12:00:00 +0200 CEST"),
        &data);
}

/* ---- limits ---- */

#define LIMITED(name, text, want)            \
    {                                        \
        name, STR_INIT(text), want, ST_LIMIT \
    }

static const struct run_case limit_cases[] = {
    LIMITED("repeat", "{{repeat 1000000000 \"x\"}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("repeat of much", "{{repeat 9223372036854775807 \"xyz\"}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("indent", "{{indent 999999999 \"a\"}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("alignLeft", "{{alignLeft 99999999999 \"a\"}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("alignRight", "{{alignRight 99999999999 \"a\"}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("printf", "{{printf \"%1000000d%1000000d\" 1 2}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("printf of floats", "{{printf \"%.1000000f%01000000.0f\" 1.0 2.0}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("doubling", "{{$x := repeat 1000 \"x\"}}{{range 64}}{{$x = print $x $x}}{{end}}",
            "a text that a template makes is longer than 1048576 bytes"),
    LIMITED("output", "{{$x := repeat 1000000 \"x\"}}{{$x}}{{$x}}",
            "a template writes more than 1048576 bytes"),
    LIMITED("output of text", "{{range 99999999}}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{end}}",
            "a template writes more than 1048576 bytes"),
    LIMITED("steps", "{{range 9223372036854775807}}{{end}}", "a template takes too many steps"),
    LIMITED("steps that look at texts",
            "{{$x := repeat 1000000 \"x\"}}{{range 9223372036854775807}}{{if contains \"y\" "
            "$x}}{{end}}{{end}}",
            "a template takes too many steps"),
    LIMITED("expressions",
            "{{range 9223372036854775807}}{{$n := count (print \"a\" \"b\") \"x\"}}{{end}}",
            "a template takes too many steps"),
    LIMITED("matches in a long text", "{{count \"x\" (repeat 1000000 \"x\")}}",
            "a template takes too many steps"),
    GOOD("matches in a long line", "{{count \"x\" (repeat 60000 \"x\")}}", "60000"),
    LIMITED("zones",
            "{{range 9223372036854775807}}{{$n := toDateInZone \"2006\" \"Europe/Berlin\" "
            "\"2024\"}}{{end}}",
            "a template takes too many steps"),
    LIMITED("recursion", "{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}",
            "a template calls itself too deeply"),
    LIMITED("wide recursion",
            "{{define \"x\"}}{{if true}}{{range 2}}{{with 1}}{{template \"x\" (print (print (print "
            "1)))}}{{end}}{{end}}{{end}}{{end}}{{template \"x\"}}",
            "a template calls itself too deeply"),
    LIMITED("memory", "{{$x := repeat 1000000 \"x\"}}{{range 99}}{{$y := print . $x}}{{end}}",
            "the request needs more than its memory budget of 16777216 bytes"),
    GOOD("lists are the arena's", "{{len (fromJson (print \"[\" (repeat 50000 \"1,\") \"1]\"))}}",
         "50001"),
    GOOD("JSON nests", "{{fromJson (repeat 100000 \"[\")}}", "<no value>"),
};

Test(template_run, limits)
{
    check_cases(limit_cases, COUNT_OF(limit_cases));
}

Test(template_run, a_full_arena_is_a_limit)
{
    static const struct str texts[] = {
        STR_INIT("{{upper .big}}"),
        STR_INIT("{{fromJson .o}}"),
        STR_INIT("{{__timestamp__}}"),
        STR_INIT("{{$x := 1}}{{$x}}"),
        STR_INIT("{{html .big 1}}"),
        STR_INIT("{{add 1 2 3 4 5 6 7}}"),
        STR_INIT("{{toDate \"06\" \"06\"}}"),
        STR_INIT("{{call (print \"x\")}}"),
        STR_INIT("plain"),
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const struct template *t;
        struct arena a, scratch;
        struct str text = STR("untouched");
        struct err err = {0};

        arena_init(&a, ARENA_BYTES);
        arena_init(&scratch, 16);
        cr_assert_eq(template_compile(&a, STR("line"), texts[i], &t, &err), ST_OK);
        cr_expect_eq(template_run(t, &data, &scratch, &text, &err), ST_LIMIT, "%.*s: %s",
                     STR_ARG(texts[i]), err.text);
        cr_expect(str_eq(text, STR("untouched")));
        arena_release(&scratch);
        arena_release(&a);
    }
}

/* ---- what a template reads ---- */

static const struct run_case field_cases[] = {
    GOOD("each once", "{{.a}}{{.b.c}}{{.a}}", "a,b,"),
    GOOD("everywhere",
         "{{if .a}}{{.b}}{{else}}{{range .c}}{{.d}}{{end}}{{end}}{{with .e | printf .f (print "
         ".g)}}{{end}}{{$x := .h}}",
         "a,b,c,d,e,f,g,h,"),
    GOOD("none", "x{{__line__}}{{.}}{{\"s\"}}{{1}}", ""),
    GOOD("what the reference does not see",
         "{{$.a}}{{(print .b).c}}{{define \"d\"}}{{.e}}{{end}}{{template \"d\" .f}}", ""),
};

Test(template_run, fields)
{
    for (size_t i = 0; i < COUNT_OF(field_cases); i++) {
        const struct run_case *c = &field_cases[i];
        const struct template *t;
        struct name_list names = {NULL, 0};
        struct arena a;
        struct buf all;
        struct err err = {0};

        arena_init(&a, ARENA_BYTES);
        buf_init(&all, ERR_TEXT_BYTES);
        cr_assert_eq(template_compile(&a, STR("line"), c->text, &t, &err), ST_OK, "%s: %s", c->name,
                     err.text);
        cr_assert_eq(template_fields(t, &a, &names, &err), ST_OK);
        for (size_t j = 0; j < names.count; j++)
            buf_printf(&all, "%.*s,", STR_ARG(names.names[j]));
        cr_expect(str_eq(buf_str(&all), str_from(c->want)), "%s: got %.*s", c->name,
                  STR_ARG(buf_str(&all)));
        buf_release(&all);
        arena_release(&a);
    }
}

static const struct run_case is_field_cases[] = {
    GOOD("field", "{{.a}}", "a"),
    GOOD("with blanks", "{{- .a -}}", "a"),
    GOOD("with a comment", "{{/* c */}}{{.a}}", "a"),
    GOOD("text before", " {{.a}}", NULL),
    GOOD("text alone", "a", NULL),
    GOOD("two", "{{.a}}{{.b}}", NULL),
    GOOD("chain", "{{.a.b}}", NULL),
    GOOD("pipe", "{{.a | lower}}", NULL),
    GOOD("arguments", "{{.a 1}}", NULL),
    GOOD("declaration", "{{$x := .a}}", NULL),
    GOOD("dot", "{{.}}", NULL),
    GOOD("if", "{{if .a}}{{end}}", NULL),
    GOOD("empty", "", NULL),
};

Test(template_run, is_field)
{
    for (size_t i = 0; i < COUNT_OF(is_field_cases); i++) {
        const struct run_case *c = &is_field_cases[i];
        const struct template *t;
        struct str name = STR("untouched");
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        cr_assert_eq(template_compile(&a, STR("line"), c->text, &t, NULL), ST_OK, "%s", c->name);
        cr_expect_eq(template_is_field(t, &name), c->want != NULL, "%s", c->name);
        cr_expect(str_eq(name, c->want != NULL ? str_from(c->want) : STR("untouched")), "%s",
                  c->name);
        arena_release(&a);
    }
}
