#include "query/template.h"

#include <criterion/criterion.h>

#include "base/mem.h"

#include "base/banned.h"

#define ARENA_BYTES (4 * MIB)

struct template_case {
    const char *name;
    struct str text;
    const char *want;
};

/* `want` is every template of the text, `<name>` in front, as its nodes print. */
static const struct template_case good_cases[] = {
    {"text alone", STR_INIT("plain }} { {.x}}"), "<line>plain }} { {.x}}"},
    {"empty", STR_INIT(""), "<line>"},
    {"field", STR_INIT("{{.a}}"), "<line>{{.a}}"},
    {"fields", STR_INIT("{{ .a.b }}"), "<line>{{.a.b}}"},
    {"dollar and its fields", STR_INIT("{{ $ }}{{ $.a.b }}"), "<line>{{$}}{{$.a.b}}"},
    {"TP05", STR_INIT("{{.a | lower | trunc 3}}"), "<line>{{.a | lower | trunc 3}}"},
    {"TP06", STR_INIT("{{ printf \"%-5s|%05.1f\" .a (float64 .b) }}"),
     "<line>{{printf \"%-5s|%05.1f\" .a (float64 .b)}}"},
    {"TP07", STR_INIT("{{if eq .a \"1\"}}one{{else if .b}}b{{else}}none{{end}}"),
     "<line>{{if eq .a \"1\"}}one{{else}}{{if .b}}b{{else}}none{{end}}{{end}}"},
    {"TP08", STR_INIT("{{range $i, $e := fromJson .a}}{{$i}}={{$e}};{{end}}"),
     "<line>{{range $i, $e := fromJson .a}}{{$i}}={{$e}};{{end}}"},
    {"TP10", STR_INIT("{{with .zz}}x{{else}}empty{{end}}"),
     "<line>{{with .zz}}x{{else}}empty{{end}}"},
    {"TP11", STR_INIT("a {{- \" b\" -}} c"), "<line>a{{\" b\"}}c"},
    {"TP12", STR_INIT("{{ $x := add 2 3 }}{{ mul $x 2 }}"), "<line>{{$x := add 2 3}}{{mul $x 2}}"},
    {"TP18", STR_INIT("{{ regexReplaceAll \"(\\\\d+)\" \"a1b22\" \"<${1}>\" }}"),
     "<line>{{regexReplaceAll \"(\\\\d+)\" \"a1b22\" \"<${1}>\"}}"},
    {"line and timestamp", STR_INIT("{{__line__ | upper}} {{__timestamp__}}"),
     "<line>{{__line__ | upper}} {{__timestamp__}}"},
    {"comments", STR_INIT("{{/* c */}}x{{- /* d */ -}} y"), "<line>xy"},
    {"trim over newlines", STR_INIT("a\n\t{{- .x -}}\r\n b"), "<line>a{{.x}}b"},
    {"break and continue", STR_INIT("{{range .}}{{break}}{{continue}}{{end}}"),
     "<line>{{range .}}{{break}}{{continue}}{{end}}"},
    {"else with", STR_INIT("{{with .zz}}x{{else with .y}}z{{else}}empty{{end}}"),
     "<line>{{with .zz}}x{{else}}{{with .y}}z{{else}}empty{{end}}{{end}}"},
    {"definition, call and block",
     STR_INIT("{{define \"x\"}}hi{{.}}{{end}}{{template \"x\" .a}}{{block \"y\" .}}b{{end}}"),
     "<line>{{template \"x\" .a}}{{template \"y\" .}}<y>b<x>hi{{.}}"},
    {"call without data", STR_INIT("{{template \"a\" }}"), "<line>{{template \"a\"}}"},
    {"empty definition gives way", STR_INIT("{{define \"x\"}} {{end}}{{define \"x\"}}b{{end}}"),
     "<line><x>b"},
    {"definition of the main template", STR_INIT("{{define \"line\"}}a{{end}} "), "<line>a"},
    {"field of a pipeline", STR_INIT("{{ (index . \"a\").b.c }}"), "<line>{{(index . \"a\").b.c}}"},
    {"field of a function", STR_INIT("{{lower.x}}"), "<line>{{lower.x}}"},
    {"every constant", STR_INIT("{{print \"a\" `b` 1.5 -3 0x1F 'c' true false nil .}}"),
     "<line>{{print \"a\" `b` 1.5 -3 0x1F 'c' true false nil .}}"},
    {"variable of an if", STR_INIT("{{if $x := .a}}{{$x.b}}{{else if $y := $x}}{{$y}}{{end}}"),
     "<line>{{if $x := .a}}{{$x.b}}{{else}}{{if $y := $x}}{{$y}}{{end}}{{end}}"},
    {"variable seen behind an else", STR_INIT("{{if .a}}{{$x := 1}}{{else}}{{$x}}{{end}}"),
     "<line>{{if .a}}{{$x := 1}}{{else}}{{$x}}{{end}}"},
    {"assignment is not checked", STR_INIT("{{ $x = 5 }}"), "<line>{{$x = 5}}"},
    {"assigning range", STR_INIT("{{range $i, $e = .}}{{end}}"),
     "<line>{{range $i, $e = .}}{{end}}"},
    {"declared value is piped", STR_INIT("{{$x := 1 | print}}"), "<line>{{$x := 1 | print}}"},
    {"variable before a space", STR_INIT("{{$x := .a}}{{print $x .b}}{{$x | print}}"),
     "<line>{{$x := .a}}{{print $x .b}}{{$x | print}}"},
    {"pipe at the end", STR_INIT("{{.x|}}"), "<line>{{.x}}"},
    {"value with arguments", STR_INIT("{{.x $}}"), "<line>{{.x $}}"},
    {"two dots", STR_INIT("{{print . .a}}{{print .a . .b}}"),
     "<line>{{print . .a}}{{print .a . .b}}"},
    {"quoted braces", STR_INIT("{{printf \"{{\"}}"), "<line>{{printf \"{{\"}}"},
    {"nil", STR_INIT("{{nil}}"), "<line>{{nil}}"},
    {"newlines inside", STR_INIT("{{\n.x\n}}"), "<line>{{.x}}"},
    {"unicode name", STR_INIT("{{ .é }}"), "<line>{{.é}}"},
};

static const struct template_case bad_cases[] = {
    {"SM57", STR_INIT("{{.x"), "template: line:1: unclosed action"},
    {"SM58", STR_INIT("{{nofunc}}"), "template: line:1: function \"nofunc\" not defined"},
    {"SM59", STR_INIT("{{.a-b}}"), "template: line:1: bad character U+002D '-'"},
    {"SM60", STR_INIT("{{end}}"), "template: line:1: unexpected {{end}}"},
    {"SM61", STR_INIT("{{if .x}}"), "template: line:1: unexpected EOF"},
    {"SM62", STR_INIT("{{$y}}"), "template: line:1: undefined variable \"$y\""},
    {"SM63", STR_INIT("{{"), "template: line:1: unclosed action"},
    {"nothing after the point", STR_INIT("{{."), "template: line:1: illegal number syntax: \".\""},
    {"brace alone", STR_INIT("{{.x}"), "template: line:1: bad character U+007D '}'"},
    {"line of the error", STR_INIT("\n{{if .x}}\n{{foo}}"),
     "template: line:3: function \"foo\" not defined"},
    {"line where the action began", STR_INIT("\n\n{{\n.x\n"),
     "template: line:5: unclosed action started at line:3"},
    {"other error in a longer action", STR_INIT("{{\n.x\n\"a"),
     "template: line:3: unterminated quoted string in action started at line:1"},
    {"break outside", STR_INIT("{{break}}"), "template: line:1: {{break}} outside {{range}}"},
    {"break in a block of a range", STR_INIT("{{range .}}{{block \"y\" .}}{{break}}{{end}}{{end}}"),
     "template: line:1: {{break}} outside {{range}}"},
    {"continue with more", STR_INIT("{{range .}}{{continue 1}}{{end}}"),
     "template: line:1: unexpected \"1\" in {{continue}}"},
    {"if without value", STR_INIT("{{if}}x{{end}}"), "template: line:1: missing value for if"},
    {"declaration without value", STR_INIT("{{$x := }}"),
     "template: line:1: missing value for command"},
    {"open string", STR_INIT("{{\"a}}"), "template: line:1: unterminated quoted string"},
    {"newline in a string", STR_INIT("{{\"a\n\"}}"),
     "template: line:1: unterminated quoted string"},
    {"open raw string", STR_INIT("{{`a}}"), "template: line:1: unterminated raw quoted string"},
    {"open character", STR_INIT("{{'a}}"), "template: line:1: unterminated character constant"},
    {"two characters", STR_INIT("{{'ab'}}"),
     "template: line:1: malformed character constant: 'ab'"},
    {"bad escape", STR_INIT("{{\"\\q\"}}"), "template: line:1: invalid syntax"},
    {"surrogate", STR_INIT("{{\"\\ud800\"}}"), "template: line:1: invalid syntax"},
    {"bad name of a template", STR_INIT("{{template \"\\q\"}}"),
     "template: line:1: invalid syntax"},
    {"number in stage 2", STR_INIT("{{ .a | 5 }}"),
     "template: line:1: non executable command in pipeline stage 2"},
    {"nil in stage 3", STR_INIT("{{ .a | print | nil }}"),
     "template: line:1: non executable command in pipeline stage 3"},
    {"two definitions", STR_INIT("{{define \"x\"}}a{{end}}{{define \"x\"}}b{{end}}"),
     "template: line:1: template: multiple definition of template \"x\""},
    {"definition of the main template and text", STR_INIT("{{define \"line\"}}a{{end}}b"),
     "template: line:1: template: multiple definition of template \"line\""},
    {"two elses", STR_INIT("{{if .a}}{{else}}{{else}}{{end}}"),
     "template: line:1: expected end; found {{else}}"},
    {"if after the else of a with", STR_INIT("{{with .zz}}x{{else if .y}}z{{end}}"),
     "template: line:1: unexpected <if> in input"},
    {"else alone", STR_INIT("{{else}}"), "template: line:1: unexpected {{else}}"},
    {"more behind end", STR_INIT("{{if .x}}{{end 5}}"),
     "template: line:1: unexpected \"5\" in end"},
    {"definition inside", STR_INIT("{{if .a}}{{define \"q\"}}{{end}}{{end}}"),
     "template: line:1: unexpected <define> in command"},
    {"else in a definition", STR_INIT("{{define \"x\"}}a{{else}}b{{end}}"),
     "template: line:1: unexpected {{else}} in define clause"},
    {"open definition", STR_INIT("{{define \"x\"}}a"), "template: line:1: unexpected EOF"},
    {"definition of a word", STR_INIT("{{define x}}{{end}}"),
     "template: line:1: unexpected \"x\" in define clause"},
    {"more behind a definition's name", STR_INIT("{{define \"x\" 1}}{{end}}"),
     "template: line:1: unexpected \"1\" in define clause"},
    {"octal that is none", STR_INIT("{{08}}"), "template: line:1: integer overflow: \"08\""},
    {"complex", STR_INIT("{{1i}}"), "template: line:1: illegal number syntax: \"1i\""},
    {"letter in a number", STR_INIT("{{3x}}"), "template: line:1: bad number syntax: \"3x\""},
    {"field of a constant", STR_INIT("{{true.x}}"),
     "template: line:1: unexpected . after term \"true\""},
    {"field of a string", STR_INIT("{{\"s\".x}}"),
     "template: line:1: unexpected . after term \"\\\"s\\\"\""},
    {"open parenthesis", STR_INIT("{{(1}}"), "template: line:1: unclosed left paren"},
    {"closing parenthesis", STR_INIT("{{)}}"), "template: line:1: unexpected right paren"},
    {"empty parentheses", STR_INIT("{{ ( ) }}"),
     "template: line:1: missing value for parenthesized pipeline"},
    {"other sign", STR_INIT("{{ @ }}"), "template: line:1: unexpected \"@\" in command"},
    {"colon", STR_INIT("{{ : }}"), "template: line:1: expected :="},
    {"not ASCII", STR_INIT("{{ « }}"),
     "template: line:1: unrecognized character in action: U+00AB '«'"},
    {"two variables", STR_INIT("{{ $x, $y := 1 }}"),
     "template: line:1: too many declarations in command"},
    {"three variables", STR_INIT("{{range $x, $y, $z := .}}{{end}}"),
     "template: line:1: too many declarations in range"},
    {"range of variable and number", STR_INIT("{{range $x, 5}}{{end}}"),
     "template: line:1: range can only initialize variables"},
    {"range of variable and nothing", STR_INIT("{{range $x, }}{{end}}"),
     "template: line:1: missing value for range"},
    {"declaration of a field", STR_INIT("{{ .x := 5 }}"),
     "template: line:1: unexpected \":=\" in operand"},
    {"template without name", STR_INIT("{{template}}"),
     "template: line:1: unexpected \"}}\" in template clause"},
    {"template named by a field", STR_INIT("{{template .x}}"),
     "template: line:1: unexpected \".x\" in template clause"},
    {"long token in an error", STR_INIT("{{template abcdefghijklmnop}}"),
     "template: line:1: unexpected \"abcdefghij\"... in template clause"},
    {"open comment", STR_INIT("{{/* unclosed"), "template: line:1: unclosed comment"},
    {"more behind a comment", STR_INIT("{{/* c */ x}}"),
     "template: line:1: comment ends before closing delimiter"},
    {"pipe alone", STR_INIT("{{|}}"), "template: line:1: unexpected \"|\" in command"},
    {"comma", STR_INIT("{{.x,}}"), "template: line:1: unexpected \",\" in operand"},
    {"point at the end", STR_INIT("{{ .x. }}"), "template: line:1: unexpected <.> in operand"},
    {"variable out of its scope", STR_INIT("{{if .a}}{{$x := 1}}{{end}}{{$x}}"),
     "template: line:1: undefined variable \"$x\""},
    {"variable inside a block", STR_INIT("{{$x := 1}}{{block \"y\" .}}{{$x}}{{end}}"),
     "template: line:1: undefined variable \"$x\""},
};

static void put_template(struct buf *b, const struct template *t)
{
    for (size_t i = 0; i < t->definition_count; i++) {
        const struct template_definition *d = &t->definitions[i];
        buf_printf(b, "<%.*s>", STR_ARG(d->name));
        for (size_t j = 0; j < d->body.count; j++)
            template_put_node(b, d->body.nodes[j]);
    }
}

Test(template, good_templates)
{
    for (size_t i = 0; i < COUNT_OF(good_cases); i++) {
        const struct template_case *c = &good_cases[i];
        const struct template *t = NULL;
        struct err err = {.text = ""};
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES);
        buf_init(&b, ARENA_BYTES);
        enum status st = template_compile(&a, STR("line"), c->text, &t, &err);
        cr_expect_eq(st, ST_OK, "%s: %s", c->name, err.text);
        if (st == ST_OK)
            put_template(&b, t);
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
        arena_release(&a);
    }
}

Test(template, bad_templates)
{
    for (size_t i = 0; i < COUNT_OF(bad_cases); i++) {
        const struct template_case *c = &bad_cases[i];
        const struct template *t = NULL;
        struct err err = {.text = ""};
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        cr_expect_eq(template_compile(&a, STR("line"), c->text, &t, &err), ST_INVALID, "%s",
                     c->name);
        cr_expect_null(t, "%s", c->name);
        cr_expect_str_eq(err.text, c->want, "%s: %s", c->name, err.text);
        arena_release(&a);
    }
}

/* The name is the caller's: SM63 is about a label. */
Test(template, name_in_errors)
{
    const struct template *t = NULL;
    struct err err = {.text = ""};
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    cr_expect_eq(template_compile(&a, STR("label"), STR("{{"), &t, &err), ST_INVALID);
    cr_expect_str_eq(err.text, "template: label:1: unclosed action");
    arena_release(&a);
}

/* The operand `index` of the first action's first command, or the command itself for -1. */
static const struct place_case {
    const char *name;
    struct str text;
    int index;
    const char *want_place;
    const char *want_node;
} place_cases[] = {
    {"ST10", STR_INIT("{{ mod 1 0 }}"), -1, "line:1:3", "mod 1 0"},
    {"TP26", STR_INIT("{{ .a.b }}"), 0, "line:1:5", ".a.b"},
    {"TP27", STR_INIT("{{ trunc \"2\" \"x\" }}"), 1, "line:1:9", "\"2\""},
    {"TP28", STR_INIT("{{ eq 1 1.0 }}"), -1, "line:1:3", "eq 1 1.0"},
    {"second line", STR_INIT("{{\nprint (.a | lower) }}"), 1, "line:2:7", ".a | lower"},
    {"columns are bytes", STR_INIT("{{ print `é` .a }}"), 2, "line:1:14", ".a"},
    {"chain", STR_INIT("{{ (.a).b }}"), 0, "line:1:7", "(.a).b"},
};

Test(template, places_of_nodes)
{
    for (size_t i = 0; i < COUNT_OF(place_cases); i++) {
        const struct place_case *c = &place_cases[i];
        const struct template *t = NULL;
        struct arena a;
        struct buf place, text;

        arena_init(&a, ARENA_BYTES);
        buf_init(&place, ARENA_BYTES);
        buf_init(&text, ARENA_BYTES);
        cr_assert_eq(template_compile(&a, STR("line"), c->text, &t, NULL), ST_OK, "%s", c->name);
        const struct template_node *action = t->definitions[0].body.nodes[0];
        const struct template_node *node = action->control.pipeline->pipeline.commands.nodes[0];
        if (c->index >= 0)
            node = node->command.nodes[c->index];
        template_put_place(&place, t, node);
        template_put_node(&text, node);

        cr_expect(str_eq(buf_str(&place), str_from(c->want_place)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&place)));
        cr_expect(str_eq(buf_str(&text), str_from(c->want_node)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&text)));
        buf_release(&text);
        buf_release(&place);
        arena_release(&a);
    }
}

Test(template, definitions)
{
    const struct template *t = NULL;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    cr_assert_eq(template_compile(&a, STR("line"), STR("a{{block \"b\" .}}c{{end}}"), &t, NULL),
                 ST_OK);
    cr_expect_eq(template_find(t, STR("line")), &t->definitions[0]);
    cr_assert_not_null(template_find(t, STR("b")));
    cr_expect_eq(template_find(t, STR("b"))->body.count, 1);
    cr_expect_null(template_find(t, STR("x")));
    arena_release(&a);
}

Test(template, functions)
{
    enum template_function f = TEMPLATE_FUNCTION_AND;

    cr_expect(template_function_find(STR("ToUpper"), &f));
    cr_expect_eq(f, TEMPLATE_FUNCTION_TO_UPPER);
    cr_expect_not(template_function_find(STR("toupper"), &f));
    cr_expect_eq(f, TEMPLATE_FUNCTION_TO_UPPER, "the output was touched");
    cr_expect(str_eq(template_function_name(TEMPLATE_FUNCTION_LINE), STR("__line__")));
}

/* Each allocation in turn fails: an error, never a wrong tree. */
Test(template, no_memory)
{
    enum { ALLOCATIONS_MAX = 1000 };

    for (size_t i = 0; i < COUNT_OF(good_cases); i++) {
        enum status st = ST_NOMEM;

        for (int64_t n = 1; st != ST_OK; n++) {
            const struct template *t = NULL;
            struct err err = {.text = ""};
            struct arena a;

            cr_assert_lt(n, ALLOCATIONS_MAX);
            arena_init(&a, ARENA_BYTES);
            mem_fail_after(n);
            st = template_compile(&a, STR("line"), good_cases[i].text, &t, &err);
            mem_fail_after(0);
            cr_expect(st == ST_OK || st == ST_NOMEM || st == ST_LIMIT, "%s, allocation %d: %s",
                      good_cases[i].name, (int)n, err.text);
            cr_expect_eq(t != NULL, st == ST_OK);
            arena_release(&a);
        }
    }
}

/* Every beginning of a template compiles or is refused. */
Test(template, prefixes)
{
    for (size_t i = 0; i < COUNT_OF(good_cases); i++) {
        for (size_t len = 0; len < good_cases[i].text.len; len++) {
            const struct template *t = NULL;
            struct err err;
            struct arena a;

            arena_init(&a, ARENA_BYTES);
            enum status st =
                template_compile(&a, STR("line"), str_head(good_cases[i].text, len), &t, &err);
            cr_expect(st == ST_OK || st == ST_INVALID, "%s, %zu bytes", good_cases[i].name, len);
            arena_release(&a);
        }
    }
}

static const struct deep_case {
    const char *name;
    const char *open;
    enum status want;
} deep_cases[] = {
    {"if", "{{if .x}}", ST_INVALID},
    {"else if", "{{if .x}}{{else if .x}}", ST_INVALID},
    {"parentheses", "{{(((((((((((((((((((((((((((((((((((((((((((((((((((((((", ST_INVALID},
    {"blocks", "{{block \"a\" .}}", ST_INVALID},
    {"actions in a row", "{{.x}}\n", ST_OK},
    {"pipes in a row", "{{.x|print|print|print|print}}", ST_OK},
};

Test(template, deep_nesting)
{
    enum { TIMES = 5000 };

    for (size_t i = 0; i < COUNT_OF(deep_cases); i++) {
        const struct template *t = NULL;
        struct arena a;
        struct buf b;

        arena_init(&a, 16 * MIB);
        buf_init(&b, 16 * MIB);
        for (size_t j = 0; j < TIMES; j++)
            buf_put(&b, str_from(deep_cases[i].open));
        cr_expect_eq(template_compile(&a, STR("line"), buf_str(&b), &t, NULL), deep_cases[i].want,
                     "%s", deep_cases[i].name);
        buf_release(&b);
        arena_release(&a);
    }
}

Test(template, nesting_up_to_the_limit)
{
    const struct template *t = NULL;
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES);
    buf_init(&b, ARENA_BYTES);
    for (int i = 0; i < TEMPLATE_DEPTH_MAX; i++)
        buf_put(&b, STR("{{if .x}}"));
    for (int i = 0; i < TEMPLATE_DEPTH_MAX; i++)
        buf_put(&b, STR("{{end}}"));
    cr_expect_eq(template_compile(&a, STR("line"), buf_str(&b), &t, NULL), ST_OK);
    buf_release(&b);
    arena_release(&a);
}
