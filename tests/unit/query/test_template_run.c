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
