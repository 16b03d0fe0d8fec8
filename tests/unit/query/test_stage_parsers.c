/* What the parsers make of lines; names such as JS01 are those of the reference. */
#include "query/parser.h"
#include "query/stage.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

#define ARENA_BYTES (256 * MIB)

enum { STAGES_MAX = 4 };

static const struct {
    stage_compile *compile;
} compilers[] = {
    [STAGE_JSON] = {stage_json_compile},     [STAGE_JSON_EXPR] = {stage_json_expr_compile},
    [STAGE_LOGFMT] = {stage_logfmt_compile}, [STAGE_LOGFMT_EXPR] = {stage_logfmt_expr_compile},
    [STAGE_REGEXP] = {stage_regexp_compile}, [STAGE_PATTERN] = {stage_pattern_compile},
    [STAGE_UNPACK] = {stage_unpack_compile},
};

/* A pipeline and one entry, which belongs to the stream {svc="s"}. */
struct fixture {
    struct arena arena, scratch;
    struct stage stages[STAGES_MAX];
    size_t count;
    struct entry_state entry;
    bool kept;
};

static const struct label stream_pairs[] = {{STR_INIT("svc"), STR_INIT("s")}};

static enum status compile(struct fixture *f, const char *stages, struct err *err)
{
    const struct expr *query = NULL;

    arena_init(&f->arena, ARENA_BYTES);
    struct str text = arena_printf(&f->arena, "{svc=\"s\"} %s", stages);
    enum status st = logql_parse(&f->arena, text, &query, err);
    f->count = st == ST_OK ? query->log.stage_count : 0;
    for (size_t i = 0; i < f->count && st == ST_OK; i++) {
        const struct stage_expr *expr = &query->log.stages[i];
        st = compilers[expr->kind].compile(&f->arena, expr, &f->stages[i], err);
    }
    return st;
}

static void setup(struct fixture *f, const char *stages, const struct label_hints *hints)
{
    struct err err = {.text = ""};

    *f = (struct fixture){.kept = true};
    enum status st = compile(f, stages, &err);
    cr_assert_eq(st, ST_OK, "%s: %s", stages, err.text);
    arena_init(&f->scratch, ARENA_BYTES);
    f->entry.scratch = &f->scratch;
    label_builder_init(&f->entry.labels, &f->scratch, hints);
}

static void teardown(struct fixture *f)
{
    arena_release(&f->scratch);
    arena_release(&f->arena);
}

static void run(struct fixture *f, struct str line, struct labels metadata)
{
    arena_reset(&f->scratch);
    label_builder_begin(&f->entry.labels, (struct labels){stream_pairs, COUNT_OF(stream_pairs)},
                        metadata);
    f->entry.line = line;
    f->kept = true;
    for (size_t i = 0; i < f->count && f->kept; i++)
        f->kept = f->stages[i].run(&f->stages[i], &f->entry);
}

/* What the stages added, without the labels of the stream. */
static struct labels added(struct fixture *f)
{
    struct entry_labels all = label_builder_result(&f->entry.labels);

    all.of[LABEL_OF_STREAM] = (struct labels){NULL, 0};
    return entry_labels_merge(&f->scratch, &all);
}

static void expect_added(struct fixture *f, const char *name, const char *want)
{
    struct buf b;

    buf_init(&b, ARENA_BYTES);
    labels_put_text(&b, added(f));
    EXPECT_STR(name, buf_str(&b), str_from(want));
    buf_release(&b);
}

struct row {
    const char *name;
    const char *stages;
    struct str line;
    const char *metadata; /* NULL: none */
    struct str new_line;  /* `ptr` NULL: the same */
    const char *want;
};

static void check_row(const struct row *r)
{
    struct labels metadata = {NULL, 0};
    struct fixture f;

    setup(&f, r->stages, NULL);
    if (r->metadata != NULL)
        REQUIRE_OK(labels_parse(&f.arena, str_from(r->metadata), &metadata, NULL));
    run(&f, r->line, metadata);
    cr_expect(f.kept && !f.scratch.failed, "%s", r->name);
    expect_added(&f, r->name, r->want);
    EXPECT_STR(r->name, f.entry.line, r->new_line.ptr == NULL ? r->line : r->new_line);
    teardown(&f);
}

static const struct row json_rows[] = {
    {"JS01",
     "| json",
     STR_INIT("{\"a\":1,\"b\":{\"c\":true,\"d\":\"x\"},\"e\":[1],\"f\":null,\"g\":-1.50}"),
     NULL,
     {NULL, 0},
     "{a=\"1\", b_c=\"true\", b_d=\"x\", g=\"-1.50\"}"},
    {"JS02",
     "| json",
     STR_INIT("{\"user-id\":7,\"2x\":1,\"a.b\":2,\"\303\251\":3}"),
     NULL,
     {NULL, 0},
     "{_=\"3\", _2x=\"1\", a_b=\"2\", user_id=\"7\"}"},
    {"JS03",
     "| json",
     STR_INIT("{\"o\":{\"1\":\"one\",\"\":\"blank\"}}"),
     NULL,
     {NULL, 0},
     "{o=\"blank\", o_1=\"one\"}"},
    {"JS04",
     "| json",
     STR_INIT("{\"svc\":\"api\",\"n\":1}"),
     NULL,
     {NULL, 0},
     "{n=\"1\", svc_extracted=\"api\"}"},
    {"JS05",
     "| json",
     STR_INIT("{\"k\":\"first\",\"k\":\"second\"}"),
     NULL,
     {NULL, 0},
     "{k=\"first\"}"},
    {"JS06", "| json", STR_INIT("{\"a\":1} tail"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"JS07", "| json", STR_INIT("  {\"a\":1}"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"JS08",
     "| json",
     STR_INIT("{\"a\":1,"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is array, but can't find closing ']' "
     "symbol\", a=\"1\"}"},
    {"JS09",
     "| json",
     STR_INIT("{\"a\":1 \"b\":2}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find "
     "closing '}' symbol\", a=\"1\"}"},
    {"JS10",
     "| json",
     STR_INIT("{\"a\":yes}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Unknown value type\"}"},
    {"JS11",
     "| json",
     STR_INIT("{\"a\":\"open"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is string, but can't find closing "
     "'\\\"' symbol\"}"},
    {"JS12",
     "| json",
     STR_INIT("[{\"a\":1}]"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find "
     "closing '}' symbol\"}"},
    {"JS13",
     "| json",
     STR_INIT(""),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find "
     "closing '}' symbol\"}"},
    {"JS14",
     "| json",
     STR_INIT("{\"a\":\"t\\u00e9l\\n\\\"q\\\"\"}"),
     NULL,
     {NULL, 0},
     "{a=\"t\303\251l\\n\\\"q\\\"\"}"},
    {"JS15", "| json", STR_INIT("{\"a\":\"bad \\x\"}"), NULL, {NULL, 0}, "{a=\"\"}"},
    {"JS16",
     "| json",
     STR_INIT("{\"a\":01,\"b\":-,\"c\":1;2}"),
     NULL,
     {NULL, 0},
     "{a=\"01\", b=\"-\", c=\"1;2\"}"},
    {"JS17",
     "| json",
     STR_INIT("{\"a\":\"meta clash\"}"),
     "{a=\"m\"}",
     {NULL, 0},
     "{a=\"m\", a_extracted=\"meta clash\"}"},
    {"JS18",
     "| json",
     STR_INIT("{\"svc\":\"j\"}"),
     "{svc=\"m\"}",
     {NULL, 0},
     "{svc_extracted=\"j\"}"},
    {"JS19", "| json | json", STR_INIT("{\"a\":1}"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"JS30",
     "| json",
     STR_INIT("{\"__error__\":\"mine\"}"),
     NULL,
     {NULL, 0},
     "{__error__=\"mine\"}"},
    /* Names. */
    {"blank keys on the way",
     "| json",
     STR_INIT("{\"\":{\"1a\":{\" \":\"x\"}},\"a\":{\"\":{\"b\":1}}}"),
     NULL,
     {NULL, 0},
     "{_1a=\"x\", a_b=\"1\"}"},
    {"blank key", "| json", STR_INIT("{\"\":1,\" \":2,\"a\":3}"), NULL, {NULL, 0}, "{a=\"3\"}"},
    {"blanks around a key", "| json", STR_INIT("{\" a b \":1}"), NULL, {NULL, 0}, "{a_b=\"1\"}"},
    {"escapes in a key", "| json", STR_INIT("{\"a\\u0062\\n\":1}"), NULL, {NULL, 0}, "{ab=\"1\"}"},
    {"bad escape in a key",
     "| json",
     STR_INIT("{\"z\":1,\"a\\x\":1}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Encountered an invalid escape sequence in "
     "a string\", z=\"1\"}"},
    {"nested clash",
     "| json",
     STR_INIT("{\"s\":{\"vc\":1}}"),
     "{s_vc=\"m\"}",
     {NULL, 0},
     "{s_vc=\"m\", s_vc_extracted=\"1\"}"},
    {"keys that become one name",
     "| json",
     STR_INIT("{\"a\":{\"b\":1},\"a_b\":2}"),
     NULL,
     {NULL, 0},
     "{a_b=\"1\"}"},
    /* Values. */
    {"every escape",
     "| json",
     STR_INIT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00\"}"),
     NULL,
     {NULL, 0},
     "{a=\"\\\"\\\\/\\b\\f\\n\\r\\tA\360\237\230\200\"}"},
    {"lone surrogate",
     "| json",
     STR_INIT("{\"a\":\"x\\ud83d\",\"b\":\"\\ude00\",\"c\":\"\\ud83d\\u0041\"}"),
     NULL,
     {NULL, 0},
     "{a=\"\", b=\"\", c=\"\"}"},
    {"short escapes",
     "| json",
     STR_INIT("{\"a\":\"\\u12\",\"b\":\"\\u12g4\"}"),
     NULL,
     {NULL, 0},
     "{a=\"\", b=\"\"}"},
    {"no UTF-8",
     "| json",
     STR_INIT("{\"a\":\"x\377y\\ufffdz\357\277\275\"}"),
     NULL,
     {NULL, 0},
     "{a=\"x y z \"}"},
    {"raw control characters",
     "| json",
     STR_INIT("{\"a\":\"x\ty\"}"),
     NULL,
     {NULL, 0},
     "{a=\"x\\ty\"}"},
    {"brackets in strings",
     "| json",
     STR_INIT("{\"o\":{\"a\":\"}{][\\\"}\"},\"b\":[\"]\"],\"c\":2}"),
     NULL,
     {NULL, 0},
     "{c=\"2\", o_a=\"}{][\\\"}\"}"},
    {"blanks everywhere",
     "| json",
     STR_INIT(" { \"a\" : 1 ,\t\"b\"\n:\r\"x\" } "),
     NULL,
     {NULL, 0},
     "{a=\"1\", b=\"x\"}"},
    {"comma before the brace", "| json", STR_INIT("{\"a\":1 , }"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"empty object", "| json", STR_INIT("{ }"), NULL, {NULL, 0}, "{}"},
    {"words cut short",
     "| json",
     STR_INIT("{\"a\":1,\"b\":tru}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Unknown value type\", a=\"1\"}"},
    {"undefined",
     "| json",
     STR_INIT("{\"b\":undefined}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Unknown value type\"}"},
    /* Lines that were cut short. */
    {"in a nested object",
     "| json",
     STR_INIT("{\"a\":1,\"o\":{\"b\":2,\"c\":"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find "
     "closing '}' symbol\", a=\"1\"}"},
    {"in an array",
     "| json",
     STR_INIT("{\"a\":1,\"o\":[1,2"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is array, but can't find closing ']' "
     "symbol\", a=\"1\"}"},
    {"behind a value",
     "| json",
     STR_INIT("{\"a\":1 "),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is array, but can't find closing ']' "
     "symbol\", a=\"1\"}"},
    {"behind the brace",
     "| json",
     STR_INIT("{"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Malformed JSON error\"}"},
    {"in a key",
     "| json",
     STR_INIT("{\"a"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Malformed JSON error\"}"},
    {"behind a key",
     "| json",
     STR_INIT("{\"a\" "),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Malformed JSON error\"}"},
    {"behind the colon",
     "| json",
     STR_INIT("{\"a\": "),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Malformed JSON error\"}"},
    {"behind a backslash",
     "| json",
     STR_INIT("{\"a\":\"x\\"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is string, but can't find closing "
     "'\\\"' symbol\"}"},
    {"broken inside of a whole object",
     "| json",
     STR_INIT("{\"o\":{\"b\":2 \"c\":3},\"a\":1}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find "
     "closing '}' symbol\", o_b=\"2\"}"},
};

static const struct row json_expr_rows[] = {
    {"JS31",
     "| json x=\"a.b[1].c\"",
     STR_INIT("{\"a\":{\"b\":[0,{\"c\":\"deep\"}]}}"),
     NULL,
     {NULL, 0},
     "{x=\"deep\"}"},
    {"JS32",
     "| json x=\"a\", y=\"a.b\", z=\"nope\"",
     STR_INIT("{\"a\":{\"b\": 2}}"),
     NULL,
     {NULL, 0},
     "{x=\"{\\\"b\\\": 2}\", y=\"2\", z=\"\"}"},
    {"JS33", "| json x=\"[\\\"k y\\\"]\"", STR_INIT("{\"k y\":5}"), NULL, {NULL, 0}, "{x=\"5\"}"},
    {"JS34",
     "| json svc=\"a\"",
     STR_INIT("{\"a\":\"dup\"}"),
     NULL,
     {NULL, 0},
     "{svc_extracted=\"dup\"}"},
    {"JS35", "| json svc=\"nope\"", STR_INIT("{\"a\":\"dup\"}"), NULL, {NULL, 0}, "{}"},
    {"JS36", "| json x=\"a\"", STR_INIT("text"), NULL, {NULL, 0}, "{__error__=\"JSONParserErr\"}"},
    {"JS37",
     "| json x=\"a\"",
     STR_INIT(" {\"a\":1}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\"}"},
    {"JS38", "| json x=\"a\"", STR_INIT(""), NULL, {NULL, 0}, "{}"},
    {"JS39", "| json x=\"n\"", STR_INIT("{\"n\":null}"), NULL, {NULL, 0}, "{x=\"\"}"},
    {"JS40", "| json a", STR_INIT("{\"a\":[1,\"s\"]}"), NULL, {NULL, 0}, "{a=\"[1,\\\"s\\\"]\"}"},
    {"JS41",
     "| json a=\"b\" | json",
     STR_INIT("{\"a\":1,\"b\":2}"),
     NULL,
     {NULL, 0},
     "{a=\"2\", b=\"2\"}"},
    {"JS42",
     "| json | json a=\"b\"",
     STR_INIT("{\"a\":1,\"b\":2}"),
     NULL,
     {NULL, 0},
     "{a=\"2\", b=\"2\"}"},
    {"value of each kind",
     "| json s=\"s\", n=\"n\", t=\"t\", o=\"o\", a=\"a\"",
     STR_INIT("{\"s\":\"x\\ny\",\"n\":1.0,\"t\":true,\"o\":{\"q\":\"\\n\"},\"a\":[\"\\\"\"]}"),
     NULL,
     {NULL, 0},
     "{a=\"[\\\"\\\"\\\"]\", n=\"1.0\", o=\"{\\\"q\\\":\\\"\\\\n\\\"}\", s=\"x\\ny\", t=\"true\"}"},
    {"root array",
     "| json x=\"[1]\", y=\"[2][0]\"",
     STR_INIT("[1,\"a\\u0062\",[7]]"),
     NULL,
     {NULL, 0},
     "{x=\"ab\", y=\"7\"}"},
    {"no such index", "| json x=\"a[5]\"", STR_INIT("{\"a\":[1]}"), NULL, {NULL, 0}, "{x=\"\"}"},
    {"object in an array",
     "| json x=\"a[1].b.c\"",
     STR_INIT("{\"a\":[{\"b\":{\"c\":1}},{\"z\":{\"b\":0},\"b\":{\"c\":2}}]}"),
     NULL,
     {NULL, 0},
     "{x=\"2\"}"},
    {"the same key elsewhere",
     "| json x=\"a.b\"",
     STR_INIT("{\"b\":1,\"z\":{\"a\":{\"b\":2}},\"a\":{\"c\":{\"b\":3},\"b\":4}}"),
     NULL,
     {NULL, 0},
     "{x=\"4\"}"},
    {"a key again",
     "| json x=\"a.b\"",
     STR_INIT("{\"a\":1,\"a\":{\"b\":2}}"),
     NULL,
     {NULL, 0},
     "{x=\"2\"}"},
    {"one id twice",
     "| json x=\"b\", x=\"a\"",
     STR_INIT("{\"a\":1,\"b\":2}"),
     NULL,
     {NULL, 0},
     "{x=\"2\"}"},
    {"cut short",
     "| json x=\"u.n\", y=\"z\"",
     STR_INIT("{\"t\":1,\"u\":{\"n\":\"ann\","),
     NULL,
     {NULL, 0},
     "{x=\"ann\", y=\"\"}"},
    {"missing comma",
     "| json x=\"b\"",
     STR_INIT("{\"a\":1 \"b\":2}"),
     NULL,
     {NULL, 0},
     "{x=\"2\"}"},
    {"cut short in the value",
     "| json x=\"a\"",
     STR_INIT("{\"a\":\"op"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is string, but can't find closing "
     "'\\\"' symbol\", x=\"\"}"},
    {"key without an object",
     "| json x=\"a\"",
     STR_INIT("\"a\":1"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Malformed JSON error\", x=\"\"}"},
    {"zero bytes",
     "| json x=\"a\"",
     STR_INIT("{\0\"a\":\0 1}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Unknown value type\", x=\"\"}"},
};

static const struct row logfmt_rows[] = {
    {"FM01",
     "| logfmt",
     STR_INIT("a=1 b=\"x y\" c= d flag e=\"\""),
     NULL,
     {NULL, 0},
     "{a=\"1\", b=\"x y\"}"},
    {"FM02",
     "| logfmt --keep-empty",
     STR_INIT("a=1 c= d e=\"\""),
     NULL,
     {NULL, 0},
     "{a=\"1\", c=\"\", d=\"\", e=\"\"}"},
    {"FM03", "| logfmt", STR_INIT("a=1 a=2"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"FM04",
     "| logfmt",
     STR_INIT("x-y=1 9z=2 u.v=3"),
     NULL,
     {NULL, 0},
     "{_9z=\"2\", u_v=\"3\", x_y=\"1\"}"},
    {"FM05", "| logfmt", STR_INIT("a=b=c d=1"), NULL, {NULL, 0}, "{d=\"1\"}"},
    {"FM06",
     "| logfmt --strict",
     STR_INIT("a=b=c d=1"),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 4 : "
     "unexpected '='\"}"},
    {"FM07",
     "| logfmt --strict",
     STR_INIT("ok=1 q=\"open"),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 13 : "
     "unterminated quoted value\", ok=\"1\"}"},
    {"FM08", "| logfmt", STR_INIT("ok=1 q=\"open"), NULL, {NULL, 0}, "{ok=\"1\"}"},
    {"FM09",
     "| logfmt --strict",
     STR_INIT("=v a=1"),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 1 : "
     "unexpected '='\"}"},
    {"FM10",
     "| logfmt",
     STR_INIT("a=\"q\\\"uote\\n\\u0041\" b='x'"),
     NULL,
     {NULL, 0},
     "{a=\"q\\\"uote\\nA\", b=\"'x'\"}"},
    {"FM11", "| logfmt", STR_INIT("a = 1"), NULL, {NULL, 0}, "{}"},
    {"FM12",
     "| logfmt",
     STR_INIT("svc=api n=2"),
     NULL,
     {NULL, 0},
     "{n=\"2\", svc_extracted=\"api\"}"},
    {"FM13", "| logfmt", STR_INIT("n=2"), "{n=\"m\"}", {NULL, 0}, "{n=\"m\", n_extracted=\"2\"}"},
    {"FM16", "| logfmt", STR_INIT("m=\"x\"y=1"), NULL, {NULL, 0}, "{m=\"x\", y=\"1\"}"},
    {"FM17", "| logfmt a", STR_INIT("a=1 b=2"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"FM18", "| logfmt x=\"b\"", STR_INIT("a=1 b=2"), NULL, {NULL, 0}, "{x=\"2\"}"},
    {"FM19", "| logfmt x=\"zz\"", STR_INIT("a=1"), NULL, {NULL, 0}, "{x=\"\"}"},
    {"FM20", "| logfmt a", STR_INIT("a=1 a=2"), NULL, {NULL, 0}, "{a=\"2\"}"},
    {"FM21", "| logfmt svc=\"b\"", STR_INIT("b=2"), NULL, {NULL, 0}, "{svc_extracted=\"2\"}"},
    {"FM22",
     "| logfmt --strict a",
     STR_INIT("a=1 b=x\""),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 8 : "
     "unexpected '\\\"'\", a=\"1\"}"},
    {"FM23", "| logfmt x=\"a_b\"", STR_INIT("a-b=1"), NULL, {NULL, 0}, "{x=\"1\"}"},
    {"control characters separate",
     "| logfmt",
     STR_INIT("a=1\tb=2\001c=3"),
     NULL,
     {NULL, 0},
     "{a=\"1\", b=\"2\", c=\"3\"}"},
    {"flag",
     "| logfmt --keep-empty",
     STR_INIT("flag a=1"),
     NULL,
     {NULL, 0},
     "{a=\"1\", flag=\"\"}"},
    {"strict: bad escape",
     "| logfmt --strict",
     STR_INIT("a=1 b=\"x\\q\" c=2"),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 12 : invalid "
     "quoted value\", a=\"1\"}"},
    {"bad escape",
     "| logfmt",
     STR_INIT("a=1 b=\"x\\q\"c=2"),
     NULL,
     {NULL, 0},
     "{a=\"1\", c=\"2\"}"},
    {"strict: control character beside an escape",
     "| logfmt --strict",
     STR_INIT("b=\"x\t\\n\""),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 9 : invalid "
     "quoted value\"}"},
    {"control character alone",
     "| logfmt --strict",
     STR_INIT("b=\"x\t\""),
     NULL,
     {NULL, 0},
     "{b=\"x\\t\"}"},
    {"escapes",
     "| logfmt --strict",
     STR_INIT("b=\"\\'\\/\\ud83d\\ude00\\ud83d\""),
     NULL,
     {NULL, 0},
     "{b=\"'/\360\237\230\200 \"}"},
    {"strict: bad key",
     "| logfmt --strict",
     STR_INIT("a=1 \377=2"),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 6 : invalid "
     "key\", a=\"1\"}"},
    {"strict: bad key alone",
     "| logfmt --strict",
     STR_INIT("a=1 x\357\277\275"),
     NULL,
     {NULL, 0},
     "{__error__=\"LogfmtParserErr\", __error_details__=\"logfmt syntax error at pos 9 : invalid "
     "key\", a=\"1\"}"},
    {"bad key", "| logfmt", STR_INIT("\377=\"2 b=3\" c=4"), NULL, {NULL, 0}, "{c=\"4\"}"},
    {"no UTF-8",
     "| logfmt",
     STR_INIT("a=x\377y b=\"\357\277\275\""),
     NULL,
     {NULL, 0},
     "{a=\"x y\", b=\" \"}"},
    {"other letters",
     "| logfmt",
     STR_INIT("\303\251t\303\251=\303\251"),
     NULL,
     {NULL, 0},
     "{_t_=\"\303\251\"}"},
    {"expression: no UTF-8", "| logfmt a", STR_INIT("a=x a=x\377y"), NULL, {NULL, 0}, "{a=\"\"}"},
    {"expression: an id as a key",
     "| logfmt x=\"a\"",
     STR_INIT("a=1 x=2"),
     NULL,
     {NULL, 0},
     "{x=\"2\"}"},
    {"expression: one id twice",
     "| logfmt x=\"a\", x=\"b\"",
     STR_INIT("b=2 a=1"),
     NULL,
     {NULL, 0},
     "{x=\"2\"}"},
    {"expression: swapped",
     "| logfmt a=\"b\", b=\"a\"",
     STR_INIT("a=1 b=2"),
     NULL,
     {NULL, 0},
     "{a=\"2\", b=\"1\"}"},
    {"expression: clash with metadata",
     "| logfmt a",
     STR_INIT("a=1"),
     "{a=\"m\"}",
     {NULL, 0},
     "{a=\"m\", a_extracted=\"1\"}"},
};

static const struct row other_rows[] = {
    {"RX01",
     "| regexp `(?P<m>[A-Z]+) (?P<p>\\S+)`",
     STR_INIT("GET /a 200"),
     NULL,
     {NULL, 0},
     "{m=\"GET\", p=\"/a\"}"},
    {"RX02", "| regexp `(?P<m>\\d+)`", STR_INIT("none"), NULL, {NULL, 0}, "{}"},
    {"RX03", "| regexp `(?P<a>x)?y`", STR_INIT("y"), NULL, {NULL, 0}, "{a=\"\"}"},
    {"RX04",
     "| regexp `(?P<svc>\\w+)`",
     STR_INIT("api"),
     NULL,
     {NULL, 0},
     "{svc_extracted=\"api\"}"},
    {"RX05",
     "| regexp `(?P<n>\\d)`",
     STR_INIT("7 8"),
     "{n=\"m\"}",
     {NULL, 0},
     "{n=\"m\", n_extracted=\"7\"}"},
    {"RX06", "| logfmt | regexp `a=(?P<a>.*)`", STR_INIT("a=1 z"), NULL, {NULL, 0}, "{a=\"1\"}"},
    {"RX07",
     "| pattern \"<ip> [<_>] <verb> <rest>\"",
     STR_INIT("1.1.1.1 [x] GET /a b"),
     NULL,
     {NULL, 0},
     "{ip=\"1.1.1.1\", rest=\"/a b\", verb=\"GET\"}"},
    {"RX08", "| pattern \"<a>,<b>,<c>\"", STR_INIT("1,2"), NULL, {NULL, 0}, "{a=\"1\", b=\"2\"}"},
    {"RX09", "| pattern \"id=<id> \"", STR_INIT("id=42 x"), NULL, {NULL, 0}, "{id=\"42\"}"},
    {"RX10", "| pattern \"id=<id>\"", STR_INIT("x id=42"), NULL, {NULL, 0}, "{}"},
    {"RX11", "| pattern \"<a> <b>\"", STR_INIT(""), NULL, {NULL, 0}, "{}"},
    {"RX12",
     "| pattern \"<svc> <b>\"",
     STR_INIT("api z"),
     NULL,
     {NULL, 0},
     "{b=\"z\", svc_extracted=\"api\"}"},
    {"RX14", "| unpack", STR_INIT("{\"pod\":\"p1\",\"n\":5,\"_entry\":\"hello \\\"w\\\"\"}"), NULL,
     STR_INIT("hello \"w\""), "{pod=\"p1\"}"},
    {"RX15", "| unpack", STR_INIT("{\"pod\":\"p1\"}"), NULL, {NULL, 0}, "{}"},
    {"RX16", "| unpack", STR_INIT("{\"svc\":\"api\",\"a b\":\"c\",\"_entry\":\"e\"}"), NULL,
     STR_INIT("e"), "{a_b=\"c\", svc_extracted=\"api\"}"},
    {"RX17",
     "| unpack",
     STR_INIT("plain"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"expecting json object(6), but it is "
     "not\"}"},
    {"RX18", "| unpack", STR_INIT(""), NULL, {NULL, 0}, "{}"},
    {"RX19", "| unpack", STR_INIT("{\"pod\":\"p1\",\"_entry\":7}"), NULL, {NULL, 0}, "{}"},
    {"RX21", "| unpack | logfmt", STR_INIT("{\"_entry\":\"k=v\"}"), NULL, STR_INIT("k=v"),
     "{k=\"v\"}"},
    {"groups without names",
     "| regexp `(\\w) (?P<a>\\w) (?P<_1>\\w)`",
     STR_INIT("x y z"),
     NULL,
     {NULL, 0},
     "{_1=\"z\", a=\"y\"}"},
    {"empty line", "| regexp `(?P<a>.*)`", STR_INIT(""), NULL, {NULL, 0}, "{a=\"\"}"},
    {"empty captures",
     "| pattern \"<a>-<b>-<c>\"",
     STR_INIT("--"),
     NULL,
     {NULL, 0},
     "{a=\"\", b=\"\", c=\"\"}"},
    {"keys of packed labels", "| unpack",
     STR_INIT("{\"1a\":\"x\",\"a\":\"1\",\"a\":\"2\",\"_entry\":\"e\"}"), NULL, STR_INIT("e"),
     "{_1a=\"x\", a=\"2\"}"},
    {"packed, blank in front",
     "| unpack",
     STR_INIT(" {\"_entry\":\"e\"}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"expecting json object(6), but it is "
     "not\"}"},
    {"packed, cut short",
     "| unpack",
     STR_INIT("{\"_entry\":\"e\",\"a\":\"b"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is string, but can't find closing "
     "'\\\"' symbol\"}"},
    {"packed, bad escape",
     "| unpack",
     STR_INIT("{\"_entry\":\"\\x\"}"),
     NULL,
     {NULL, 0},
     "{__error__=\"JSONParserErr\", __error_details__=\"Encountered an invalid escape sequence in "
     "a string\"}"},
    {"packed, empty line", "| unpack", STR_INIT("{\"_entry\":\"\",\"a\":\"b\"}"), NULL,
     STR_INIT(""), "{a=\"b\"}"},
};

Test(stage_parsers, json)
{
    for (size_t i = 0; i < COUNT_OF(json_rows); i++)
        check_row(&json_rows[i]);
}

Test(stage_parsers, json_with_expressions)
{
    for (size_t i = 0; i < COUNT_OF(json_expr_rows); i++)
        check_row(&json_expr_rows[i]);
}

Test(stage_parsers, logfmt)
{
    for (size_t i = 0; i < COUNT_OF(logfmt_rows); i++)
        check_row(&logfmt_rows[i]);
}

Test(stage_parsers, regexp_pattern_unpack)
{
    for (size_t i = 0; i < COUNT_OF(other_rows); i++)
        check_row(&other_rows[i]);
}

static const struct {
    const char *stages;
    const char *want;
} bad_arguments[] = {
    {"| json x=\"a\", y=\"a..b\"",
     "cannot parse expression [a..b]: syntax error: unexpected DOT, expecting FIELD"},
    {"| logfmt x=\"a\", y=\"a-b\"", "cannot parse expression [a-b]: unexpected char -"},
};

Test(stage_parsers, bad_arguments)
{
    for (size_t i = 0; i < COUNT_OF(bad_arguments); i++) {
        struct err err = {.text = ""};
        struct fixture f;

        EXPECT_STATUS(bad_arguments[i].stages, compile(&f, bad_arguments[i].stages, &err),
                      ST_INVALID);
        cr_expect_str_eq(err.text, bad_arguments[i].want);
        arena_release(&f.arena);
    }
}

/* ---- hints ---- */

/* Early filters of these tests pass unless the label is "bad". */
static bool is_not_bad(const struct label_filter *filter, struct label_builder *b)
{
    struct str value = STR_NULL;

    (void)filter;
    return !label_builder_get(b, STR("level"), &value) || !str_eq(value, STR("bad"));
}

static const struct early_filter early = {STR_INIT("level"), is_not_bad, NULL};

static const struct hint_row {
    const char *name;
    const char *stages;
    struct str line;
    struct str required[3]; /* up to a null one */
    bool is_dropped;
    const char *want;
} hint_rows[] = {
    /* Nothing is wanted: no labels, no errors, the same line. */
    {"json, nothing", "| json", STR_INIT("oops"), {{NULL, 0}}, false, "{}"},
    {"json x, nothing", "| json x=\"a\"", STR_INIT("oops"), {{NULL, 0}}, false, "{}"},
    {"logfmt, nothing", "| logfmt --strict", STR_INIT("="), {{NULL, 0}}, false, "{}"},
    {"logfmt x, nothing", "| logfmt --strict x=\"a\"", STR_INIT("="), {{NULL, 0}}, false, "{}"},
    {"pattern, nothing", "| pattern \"<a>\"", STR_INIT("x"), {{NULL, 0}}, false, "{}"},
    {"unpack, nothing", "| unpack", STR_INIT("{\"_entry\":\"e\"}"), {{NULL, 0}}, false, "{}"},
    {"regexp, nothing", "| regexp `(?P<a>.)`", STR_INIT("x"), {{NULL, 0}}, false, "{}"},
    /* Some labels are. */
    {"json, one", "| json", STR_INIT("{\"a\":1,\"b\":2}"), {STR_INIT("b")}, false, "{b=\"2\"}"},
    {"json stops", "| json", STR_INIT("{\"a\":1,\"b\":2"), {STR_INIT("a")}, false, "{a=\"1\"}"},
    {"json goes on",
     "| json",
     STR_INIT("{\"a\":1,"),
     {STR_INIT("b")},
     false,
     "{__error__=\"JSONParserErr\", __error_details__=\"Value is array, but can't find closing "
     "']' symbol\"}"},
    {"json, prefix",
     "| json",
     STR_INIT("{\"x\":{\"y\" 1},\"o\":{\"z\":0,\"p\":{\"q\":1}}}"),
     {STR_INIT("o_p_q")},
     false,
     "{o_p_q=\"1\"}"},
    {"json stops inside",
     "| json",
     STR_INIT("{\"o\":{\"z\":0,\"p\":{\"q\":1,!}!}!}"),
     {STR_INIT("o_p_q")},
     false,
     "{o_p_q=\"1\"}"},
    {"json, clash is not the name",
     "| json",
     STR_INIT("{\"svc\":1,\"a\":2,!"),
     {STR_INIT("svc"), STR_INIT("svc_extracted"), STR_INIT("a")},
     false,
     "{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but can't find "
     "closing '}' symbol\", a=\"2\", svc_extracted=\"1\"}"},
    {"json twice", "| json | json", STR_INIT("{\"a\":1,!"), {STR_INIT("a")}, false, "{a=\"1\"}"},
    {"logfmt, one", "| logfmt", STR_INIT("a=1 b=2"), {STR_INIT("b")}, false, "{b=\"2\"}"},
    {"logfmt stops", "| logfmt --strict", STR_INIT("a=1 ="), {STR_INIT("a")}, false, "{a=\"1\"}"},
    {"pattern, one", "| pattern \"<a> <b>\"", STR_INIT("1 2"), {STR_INIT("b")}, false, "{b=\"2\"}"},
    {"regexp, one",
     "| regexp `(?P<a>.)(?P<b>.)`",
     STR_INIT("12"),
     {STR_INIT("b")},
     false,
     "{b=\"2\"}"},
    {"unpack, one",
     "| unpack",
     STR_INIT("{\"a\":\"1\",\"b\":\"2\",\"_entry\":\"e\"}"),
     {STR_INIT("b")},
     false,
     "{b=\"2\"}"},
    {"expressions set all",
     "| json x=\"a\", y=\"b\" | logfmt z=\"a\"",
     STR_INIT("{\"a\":1,\"b\":2}"),
     {STR_INIT("q")},
     false,
     "{x=\"1\", y=\"2\", z=\"\"}"},
    /* A label fails its filter. */
    {"json drops", "| json", STR_INIT("{\"level\":\"bad\",!"), {STR_INIT("level")}, true, NULL},
    {"json drops inside",
     "| json",
     STR_INIT("{\"\":{\"level\":\"bad\",\"b\":2}}"),
     {STR_INIT("level")},
     true,
     NULL},
    {"json keeps",
     "| json",
     STR_INIT("{\"level\":\"x\"}"),
     {STR_INIT("level")},
     false,
     "{level=\"x\"}"},
    {"logfmt drops", "| logfmt", STR_INIT("level=bad"), {STR_INIT("level")}, true, NULL},
    {"regexp drops", "| regexp `(?P<level>bad)`", STR_INIT("bad"), {STR_INIT("level")}, true, NULL},
    {"pattern drops", "| pattern \"<level> \"", STR_INIT("bad"), {STR_INIT("level")}, true, NULL},
    {"unpack drops",
     "| unpack",
     STR_INIT("{\"level\":\"bad\",\"_entry\":\"e\"}"),
     {STR_INIT("level")},
     true,
     NULL},
    {"expressions do not drop",
     "| json level=\"l\"",
     STR_INIT("{\"l\":\"bad\"}"),
     {STR_INIT("level")},
     false,
     "{level=\"bad\"}"},
};

static void check_hints(const struct hint_row *r)
{
    struct label required[COUNT_OF(r->required)];
    struct label_hints hints = {.restricted = true, .early = &early, .early_count = 1};
    struct fixture f;

    hints.required.pairs = required;
    for (size_t i = 0; i < COUNT_OF(required) && r->required[i].ptr != NULL; i++)
        required[hints.required.count++] = (struct label){r->required[i], STR_NULL};
    setup(&f, r->stages, &hints);
    run(&f, r->line, (struct labels){NULL, 0});
    cr_expect_eq(f.kept, !r->is_dropped, "%s", r->name);
    if (!r->is_dropped)
        expect_added(&f, r->name, r->want);
    if (hints.required.count == 0)
        EXPECT_STR(r->name, f.entry.line, r->line);
    teardown(&f);
}

Test(stage_parsers, hints)
{
    for (size_t i = 0; i < COUNT_OF(hint_rows); i++)
        check_hints(&hint_rows[i]);
}

Test(stage_parsers, errors_are_marked_to_be_kept)
{
    struct label_hints hints = {.preserve_errors = true};
    struct fixture f;

    setup(&f, "| json x=\"a\"", &hints);
    run(&f, STR("oops"), (struct labels){NULL, 0});
    expect_added(&f, "preserved", "{__error__=\"JSONParserErr\", __preserve_error__=\"true\"}");
    teardown(&f);
}

/* ---- hostile lines ---- */

static const char *const all_stages[] = {
    "| json",
    "| json x=\"a.b[1].c\", y=\"[0][0]\"",
    "| logfmt --strict --keep-empty",
    "| logfmt a, x=\"b\"",
    "| regexp `(?P<a>\\S+)=(?P<b>.*)`",
    "| pattern \"<a>:<b>,\"",
    "| unpack",
};

/* Run every stage on a copy of `line` of just its size, for the address sanitizer. */
static void run_all(const char *name, struct str line)
{
    struct str copy = mem_str(line);
    char *exact = mem_bytes(line.len);

    memcpy(exact, copy.ptr, copy.len);
    for (size_t i = 0; i < COUNT_OF(all_stages); i++) {
        struct fixture f;
        setup(&f, all_stages[i], NULL);
        run(&f, str_make(exact, line.len), (struct labels){NULL, 0});
        struct labels got = added(&f);
        for (size_t k = 0; k < got.count; k++) {
            bool good = label_name_valid(got.pairs[k].name) &&
                        (k == 0 || str_cmp(got.pairs[k - 1].name, got.pairs[k].name) < 0);
            cr_assert(good, "%s: %s: label %zu", name, all_stages[i], k);
        }
        cr_expect(f.kept && !f.scratch.failed, "%s: %s", name, all_stages[i]);
        teardown(&f);
    }
    mem_free(exact);
    mem_free((void *)(uintptr_t)copy.ptr);
}

static void put_times(struct buf *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_put(b, str_from(text));
}

static const struct {
    const char *name;
    const char *head;
    const char *unit;
    size_t times;
    const char *tail;
} long_lines[] = {
    {"deep objects", "", "{\"a\":", 100000, "1"},
    {"deep objects, closed", "{\"a\":", "{\"a\":1,\"b\":{}}", 1, "}"},
    {"deep arrays", "{\"a\":", "[", 1000000, ""},
    {"deep arrays alone", "", "[", 1000000, "]"},
    {"long key", "{\"", "k", 1000000, "\":1}"},
    {"long key, nested", "{\"a\":{\"", "k", 1000000, "\":1}}"},
    {"long prefix", "{\"", "k", 1000000, "\":{\"a\":1}}"},
    {"long key of signs", "{\"", "-", 1000000, "\":1}"},
    {"long key with escapes", "{\"", "\\u0041", 100000, "\":1}"},
    {"long value", "{\"a\":\"", "\\n", 500000, "\"}"},
    {"long open string", "{\"a\":\"", "x", 1000000, ""},
    {"long number", "{\"a\":", "1", 1000000, "}"},
    {"backslashes", "{\"a\":\"", "\\", 1000001, "\"}"},
    {"backslashes in logfmt", "a=\"", "\\", 1000001, "\""},
    {"braces", "{", "}", 1000000, "\"a\":[1]"},
    {"quotes", "", "\"", 1000000, ""},
    {"equals signs", "a", "=", 1000000, ""},
    {"commas", "{", ",", 1000000, "}"},
    {"colons", "", ":", 1000000, ""},
    {"one pair again and again", "", "a=b ", 250000, ""},
    {"one member again and again", "{", "\"a\":1,", 150000, "}"},
    {"no UTF-8", "{\"a\":\"", "\xff", 1000000, "\"}"},
};

Test(stage_parsers, long_lines)
{
    for (size_t i = 0; i < COUNT_OF(long_lines); i++) {
        struct buf b;
        buf_init(&b, 4 * MIB);
        put_times(&b, long_lines[i].head, 1);
        put_times(&b, long_lines[i].unit, long_lines[i].times);
        put_times(&b, long_lines[i].tail, 1);
        run_all(long_lines[i].name, buf_str(&b));
        buf_release(&b);
    }
}

/* Objects around a label, up to more than a walk goes into; all are closed. */
Test(stage_parsers, depth)
{
    static const struct {
        size_t objects;
        bool is_found;
    } cases[] = {{1, true}, {2, true}, {64, true}, {65, false}, {1000, false}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        struct buf b;
        buf_init(&b, MIB);
        put_times(&b, "{\"a\":", cases[i].objects - 1);
        put_times(&b, "{\"b\":1", 1);
        put_times(&b, "}", cases[i].objects);
        setup(&f, "| json", NULL);
        run(&f, buf_str(&b), (struct labels){NULL, 0});
        struct labels got = added(&f);
        cr_expect_eq(got.count, cases[i].is_found ? 1 : 0, "%zu objects: %zu labels",
                     cases[i].objects, got.count);
        teardown(&f);
        buf_release(&b);
    }
}

Test(stage_parsers, many_keys)
{
    enum { KEYS = 5000 };
    struct fixture f;
    struct buf b;

    buf_init(&b, MIB);
    buf_put_char(&b, '{');
    for (int i = 0; i < KEYS; i++)
        buf_printf(&b, "\"key%d\":%d,", i, i);
    buf_put_char(&b, '}');
    setup(&f, "| json", NULL);
    run(&f, buf_str(&b), (struct labels){NULL, 0});
    struct labels got = added(&f);
    cr_expect_eq(got.count, KEYS);
    EXPECT_STR("a key", labels_get(got, STR("key4711")), STR("4711"));
    teardown(&f);
    buf_release(&b);
}

/* Any bytes that look a bit like the real thing. */
Test(stage_parsers, garbage)
{
    static const char *const words[] = {"{", "}",    "[",   "]",  "\"",     "\\", ":",    ",",
                                        "a", "=",    " ",   "\t", "\"a\"",  "1",  "true", "null",
                                        "b", "\xff", "\\u", "0",  "_entry", "c"};
    struct random r = random_begin();

    for (size_t i = 0; i < 3000; i++) {
        struct buf b;
        buf_init(&b, KIB);
        buf_put(&b, i % 2 == 0 ? STR("{\"a\":") : STR("a="));
        for (size_t k = random_below(&r, 30); k > 0; k--)
            buf_put(&b, str_from(words[random_below(&r, COUNT_OF(words))]));
        run_all("garbage", buf_str(&b));
        buf_release(&b);
    }
}

/* What does not fit is said by the scratch memory, not by a crash. */
Test(stage_parsers, little_memory)
{
    static const char line[] = "{\"a-b\":\"\\n\",\"o\":{\"p\":\"\\t\"},\"_entry\":\"\\n\"}";

    for (size_t i = 0; i < COUNT_OF(all_stages); i++) {
        struct fixture f;
        setup(&f, all_stages[i], NULL);
        for (int64_t n = 1; n <= 3; n++) {
            arena_release(&f.scratch);
            mem_fail_after(n);
            run(&f, str_from(line), (struct labels){NULL, 0});
            (void)added(&f);
            mem_fail_after(0);
        }
        teardown(&f);
    }
}
