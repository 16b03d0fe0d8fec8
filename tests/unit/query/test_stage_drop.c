#include "query/stage.h"

#include "tests/support/expect.h"
#include "tests/support/stages.h"

static const struct stage_kit kit[] = {
    {STAGE_DROP, stage_drop_compile},
    {STAGE_KEEP, stage_keep_compile},
    {STAGE_LABEL_FILTER, stage_label_filter_compile},
};

#define EARLIER_ERROR "{__error__='JSONParserErr', __error_details__='broken'}"
#define ERROR_NAME "__error__=\"JSONParserErr\""
#define ERROR_DETAILS "__error_details__=\"broken\""

/* ST13 to ST21 are the names of the reference's test cases. */
static const struct stage_case cases[] = {
    {"ST13", "| drop a", "{a='1'}", "{}"},
    {"ST14", "| drop a=`2`", "{a='1'}", "{a=\"1\"}"},
    {"ST15", "| drop a=~`1|2`,b", "{a='1', b='2'}", "{}"},
    {"ST16", "| drop a=~`1.*`", "{a='01x'}", "{a=\"01x\"}"},
    {"ST17", "| drop tid", "{svc='web'} + {tid='1'}", "{svc=\"web\"}"},
    {"ST19", "| keep a", "{a='1', b='2', svc='web'}", "{a=\"1\"}"},
    {"ST20", "| keep a=`2`", "{a='1', b='2', svc='web'}", "{}"},
    {"ST21", "| keep a, tid", "{a='1', svc='web'} + {tid='t', o='p'}", "{a=\"1\", tid=\"t\"}"},

    {"drop nothing", "| drop zz", "{a='1'}", "{a=\"1\"}"},
    {"drop all but one value", "| drop a!=`1`", "{a='1'}", "{a=\"1\"}"},
    {"drop other values", "| drop a!~`1|2`", "{a='3', b='3'}", "{b=\"3\"}"},
    {"point takes a newline", "| drop a=~`1.+2`", "{a='1\\n2'}", "{}"},
    {"not simplified", "| keep a=~`(?i)X`", "{a='x', b='1'}", "{a=\"x\"}"},
    {"keep by expression", "| keep a=~`in.*`, b", "{a='info', b='1', c='2'}",
     "{a=\"info\", b=\"1\"}"},
    {"keep what is anchored", "| keep a=~`in.*`", "{a='main'}", "{}"},
    {"any condition keeps", "| keep a=`1`, a=`2`", "{a='2'}", "{a=\"2\"}"},
    {"keep the error", "| keep a", "{a='1', b='2'} + " EARLIER_ERROR,
     "{" ERROR_NAME ", " ERROR_DETAILS ", a=\"1\"}"},
    {"keep the mark of errors", "| keep a", "{a='1'} + {__preserve_error__='true', b='2'}",
     "{__preserve_error__=\"true\", a=\"1\"}"},

    {"drop the error", "| drop __error__", "{a='1'} + " EARLIER_ERROR, "{a=\"1\"}"},
    {"details alone show beside a change", "| drop __error__, b", "{a='1', b='2'} + " EARLIER_ERROR,
     "{" ERROR_DETAILS ", a=\"1\"}"},
    {"which a missing label is not", "| drop __error__, zz", "{a='1'} + " EARLIER_ERROR,
     "{a=\"1\"}"},
    {"unless a matcher takes it", "| drop __error__, zz=``", "{a='1'} + " EARLIER_ERROR,
     "{" ERROR_DETAILS ", a=\"1\"}"},
    {"drop the details", "| drop __error_details__", "{a='1'} + " EARLIER_ERROR,
     "{" ERROR_NAME ", a=\"1\"}"},
    {"drop both", "| drop __error__, __error_details__", "{a='1'} + " EARLIER_ERROR, "{a=\"1\"}"},
    {"drop this error", "| drop __error__=`JSONParserErr`, __error_details__=~`bro.*`",
     "{a='1'} + " EARLIER_ERROR, "{a=\"1\"}"},
    {"but no other", "| drop __error__=`LogfmtParserErr`, __error_details__=`x`",
     "{a='1'} + " EARLIER_ERROR, "{" ERROR_NAME ", " ERROR_DETAILS ", a=\"1\"}"},
    {"a dropped error is none", "| drop __error__ | __error__=``", "{a='1'} + " EARLIER_ERROR,
     "{a=\"1\"}"},
    {"a dropped label is empty", "| drop a | a=``", "{a='1'}", "{}"},
};

Test(stage_drop, cases)
{
    stages_expect(kit, COUNT_OF(kit), cases, COUNT_OF(cases));
}

/* ST18, ST23: what was dropped is not extracted again. */
Test(stage_drop, dropped_names_are_remembered)
{
    static const struct label base[] = {{STR_INIT("svc"), STR_INIT("web")}};
    struct label_condition conditions[] = {{.name = STR("svc")}, {.name = STR("a")}};
    struct stage_expr expr = {.kind = STAGE_DROP};
    struct stage stage;
    struct arena scratch;
    struct str svc = STR("svc"), a = STR("a");

    expr.names.conditions = conditions;
    expr.names.count = COUNT_OF(conditions);
    arena_init(&scratch, MIB);
    struct entry_state e = {.scratch = &scratch};
    label_builder_init(&e.labels, &scratch, NULL);
    label_builder_begin(&e.labels, (struct labels){base, 1}, (struct labels){NULL, 0});
    label_builder_set(&e.labels, a, STR("1"));
    REQUIRE_OK(stage_drop_compile(NULL, &expr, &stage, NULL));
    cr_expect(stage.run(&stage, &e));
    cr_expect_not(label_builder_wants(&e.labels, &a));
    cr_expect(label_builder_wants(&e.labels, &svc));
    EXPECT_STR("clash", svc, STR("svc_extracted"));
    arena_release(&scratch);
}
