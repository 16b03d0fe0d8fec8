#include "query/stage.h"

#include "tests/support/expect.h"
#include "tests/support/stages.h"

static const struct stage_kit kit[] = {
    {STAGE_LINE_FORMAT, stage_line_format_compile},
    {STAGE_LABEL_FORMAT, stage_label_format_compile},
    {STAGE_LABEL_FILTER, stage_label_filter_compile},
    {STAGE_DROP, stage_drop_compile},
};

#define TEMPLATE_ERROR(details) \
    "__error__=\"TemplateFormatErr\", __error_details__=\"template: " details "\""
#define DIVISION_BY_ZERO "error calling mod: runtime error: integer divide by zero"

/* The names are those of the reference's test cases. */
static const struct stage_case reference_cases[] = {
    {"ST01", "| label_format b=a", "{a='1'}", "{b=\"1\"}"},
    {"ST02", "| label_format b=zz", NULL, "{}"},
    {"ST03", "| label_format a=a", "{a='1'}", "{}"},
    {"ST04", "| label_format b=a,c=a", "{a='1'}", "{b=\"1\"}"},
    {"ST05", "| label_format b=`{{.a}}-{{.zz}}`", "{a='1'}", "{a=\"1\", b=\"1-\"}"},
    {"ST06", "| label_format b=a,c=`{{.b}}`", "{a='1'}", "{b=\"1\", c=\"1\"}"},
    {"ST07", "| label_format b=`{{.a}}`,c=`[{{.b}}]`", "{a='1'}", "{a=\"1\", b=\"1\", c=\"[]\"}"},
    {"ST08", "| label_format b=`x`,d=a,c=`{{.d}}`", "{a='1'}", "{b=\"x\", c=\"\", d=\"1\"}"},
    {"ST09", "| label_format a=`{{.a | upper}}`", "{a='q'}", "{a=\"Q\"}"},
    {"ST10", "| label_format a=`{{ mod 1 0 }}`", NULL,
     "{" TEMPLATE_ERROR("label:1:3: executing \\\"label\\\" at <mod 1 0>: " DIVISION_BY_ZERO) "}"},
    {"ST11", "| label_format n=`{{__line__ | len}}`", "héllo {}", "{n=\"6\"}"},
    {"ST12", "| label_format t=`{{__timestamp__ | unixEpochNanos}}`", NULL,
     "{t=\"1700000000123456789\"}"},
    {"TP01", "| line_format `{{.a}}`", "{a='1'}", "1 {a=\"1\"}"},
    {"TP02", "| line_format `{{.zz}}`", NULL, " {}"},
    {"TP03", "| line_format `[{{.zz}}]`", NULL, "[] {}"},
    {"TP04", "| line_format `{{__line__ | upper}}!`", "abc {}", "ABC! {}"},
    {"TP09", "| line_format `{{range $k,$v := .}}{{$k}}:{{$v}} {{end}}`", "{a='1'} + {m='2'}",
     "a:1 m:2  {a=\"1\", m=\"2\"}"},
};

Test(stage_format, reference)
{
    stages_expect(kit, COUNT_OF(kit), reference_cases, COUNT_OF(reference_cases));
}

#define EARLIER_ERROR "{__error__='JSONParserErr', __error_details__='broken'}"
#define HAS_EARLIER_ERROR "__error__=\"JSONParserErr\", __error_details__=\"broken\""

static const struct stage_case more_cases[] = {
    {"a constant", "| line_format `static`", "{a='1'}", "static {a=\"1\"}"},
    {"nothing", "| line_format ``", NULL, " {}"},
    {"the line is left alone", "| line_format `{{ mod 1 0 }}`", "some text {}",
     "{" TEMPLATE_ERROR("line:1:3: executing \\\"line\\\" at <mod 1 0>: " DIVISION_BY_ZERO) "}"},
    {"after what was written already", "| line_format `x{{ mod 1 0 }}`", "some text {}",
     "{" TEMPLATE_ERROR("line:1:4: executing \\\"line\\\" at <mod 1 0>: " DIVISION_BY_ZERO) "}"},
    {"an earlier error is replaced", "| line_format `{{ mod 1 0 }}`", "{} + " EARLIER_ERROR,
     "{" TEMPLATE_ERROR("line:1:3: executing \\\"line\\\" at <mod 1 0>: " DIVISION_BY_ZERO) "}"},
    {"a label that failed stays", "| label_format a=`{{ mod 1 0 }}`, b=`x`", "{a='1'}",
     "{" TEMPLATE_ERROR(
         "label:1:3: executing \\\"label\\\" at <mod 1 0>: " DIVISION_BY_ZERO) ", "
                                                                               "a=\"1\", b=\"x\"}"},
    {"an error alone is no label", "| line_format `{{.__error__}}`", "{} + " EARLIER_ERROR,
     " {" HAS_EARLIER_ERROR "}"},
    {"beside something it is", "| line_format `e={{.__error__}}`", "{} + " EARLIER_ERROR,
     "e=JSONParserErr {" HAS_EARLIER_ERROR "}"},
    {"for labels it always is", "| label_format e=`{{.__error__}}`", "{} + " EARLIER_ERROR,
     "{" HAS_EARLIER_ERROR ", e=\"JSONParserErr\"}"},
    {"the line of the stage before", "| line_format `x` | line_format `{{__line__}}y`", NULL,
     "xy {}"},
    {"no swap", "| label_format a=b, b=a", "{a='1', b='2'}", "{b=\"2\"}"},
    {"rename what another label has", "| label_format msg=app", "{app='api', msg='x'}",
     "{msg=\"api\"}"},
    {"rename metadata", "| label_format b=m", "{} + {m='1'}", "{b=\"1\"}"},
    {"rename what was dropped", "| drop a | label_format b=a", "{a='1'}", "{}"},
    {"an error is not renamed", "| label_format e=__error__", "{} + " EARLIER_ERROR,
     "{" HAS_EARLIER_ERROR "}"},
    {"a label without a value", "| label_format a=`{{.zz}}` | a=``", "{a='1'}", "{a=\"\"}"},
    {"template of a metadata label", "| label_format m=`{{.m}}0`", "{} + {m='1'}", "{m=\"10\"}"},

    {"unclosed line", "| line_format `{{`", NULL,
     "invalid line template: template: line:1: unclosed action"},
    {"unknown function", "| line_format `{{ nofunc .a }}`", NULL,
     "invalid line template: template: line:1: function \"nofunc\" not defined"},
    {"unclosed label", "| label_format a=`{{`", NULL,
     "invalid template for label 'a': template: label:1: unclosed action"},
    {"the error as a name", "| label_format __error__=b", NULL, "__error__ cannot be formatted"},
    {"a name twice", "| label_format a=b, a=c", NULL,
     "multiple label name 'a' not allowed in a single format operation"},
    {"names come before templates", "| label_format a=`{{`, b=c, b=`{{`", NULL,
     "multiple label name 'b' not allowed in a single format operation"},
};

Test(stage_format, beyond_the_reference)
{
    stages_expect(kit, COUNT_OF(kit), more_cases, COUNT_OF(more_cases));
}
