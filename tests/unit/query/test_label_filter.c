#include "query/label_filter.h"

#include "query/parser.h"
#include "tests/support/expect.h"
#include "tests/support/stages.h"

#define LABEL_FILTER_ERROR(details) \
    "__error__=\"LabelFilterErr\", __error_details__=\"" details "\""

static const struct stage_kit kit[] = {
    {STAGE_LABEL_FILTER, stage_label_filter_compile},
    {STAGE_DROP, stage_drop_compile},
};

/* The names are those of the reference's test cases. */
static const struct stage_case reference_cases[] = {
    {"LB01", "| v=`x`", "{v='x'}", "{v=\"x\"}"},
    {"LB02", "| v=`x`", "{v='xy'}", "DROP"},
    {"LB03", "| v!=`x`", NULL, "{}"},
    {"LB04", "| v=``", NULL, "{}"},
    {"LB05", "| v!=``", NULL, "DROP"},
    {"LB06", "| v=~`ab+`", "{v='abb'}", "{v=\"abb\"}"},
    {"LB07", "| v=~`ab+`", "{v='xabb'}", "DROP"},
    {"LB08", "| v=~`warn.*`", "{v='prewarning'}", "{v=\"prewarning\"}"},
    {"LB09", "| v=~`warn.+`", "{v='prewarning'}", "DROP"},
    {"LB10", "| v=~`cat|car`", "{v='scar'}", "DROP"},
    {"LB11", "| v=~`info|information`", "{v='misinformation'}", "{v=\"misinformation\"}"},
    {"LB12", "| v=~`dog|cat`", "{v='hotdog'}", "DROP"},
    {"LB13", "| v=~``", "{v='anything'}", "{v=\"anything\"}"},
    {"LB14", "| v=~`.*`", NULL, "{}"},
    {"LB15", "| v=~`.+`", NULL, "DROP"},
    {"LB16", "| v!~`warn.*`", "{v='prewarning'}", "DROP"},
    {"LB17", "| v=~`(?i)WARN`", "{v='warn'}", "{v=\"warn\"}"},
    {"LB18", "| v>10", "{v='10.5'}", "{v=\"10.5\"}"},
    {"LB19", "| v>10", "{v='1e1'}", "DROP"},
    {"LB20", "| v>=10", "{v='1e1'}", "{v=\"1e1\"}"},
    {"LB21", "| v==2", "{v='2.0'}", "{v=\"2.0\"}"},
    {"LB22", "| v=2", "{v='2.0'}", "{v=\"2.0\"}"},
    {"LB23", "| v!=2", "{v='NaN'}", "{v=\"NaN\"}"},
    {"LB24", "| v>1", "{v='ten'}",
     "{" LABEL_FILTER_ERROR(
         "strconv.ParseFloat: parsing \\\"ten\\\": invalid syntax") ", v=\"ten\"}"},
    {"LB25", "| v>1", NULL, "DROP"},
    {"LB26", "| v>1", "{v=''}", "DROP"},
    {"LB27", "| v<-1", "{v='-2'}", "{v=\"-2\"}"},
    {"LB28", "| v>1s", "{v='1500ms'}", "{v=\"1500ms\"}"},
    {"LB29", "| v>1s", "{v='2'}",
     "{" LABEL_FILTER_ERROR("time: missing unit in duration \\\"2\\\"") ", v=\"2\"}"},
    {"LB30", "| v>1s", "{v='1d'}",
     "{" LABEL_FILTER_ERROR("time: unknown unit \\\"d\\\" in duration \\\"1d\\\"") ", v=\"1d\"}"},
    {"LB31", "| v<1d", "{v='23h'}", "{v=\"23h\"}"},
    {"LB32", "| v==90s", "{v='1m30s'}", "{v=\"1m30s\"}"},
    {"LB33", "| v>1KB", "{v='1KiB'}", "{v=\"1KiB\"}"},
    {"LB34", "| v>1KB", "{v='1,001'}", "{v=\"1,001\"}"},
    {"LB35", "| v>1KB", "{v='1.5 kb'}", "{v=\"1.5 kb\"}"},
    {"LB36", "| v>1KB", "{v='lots'}",
     "{" LABEL_FILTER_ERROR(
         "strconv.ParseFloat: parsing \\\"\\\": invalid syntax") ", v=\"lots\"}"},
    {"LB37", "| v<=2MiB", "{v='2097152'}", "{v=\"2097152\"}"},
    {"LB38", "| v=`1` and w=`2`", "{v='1', w='2'}", "{v=\"1\", w=\"2\"}"},
    {"LB39", "| v=`1` or w=`9`", "{v='1', w='2'}", "{v=\"1\", w=\"2\"}"},
    {"LB40", "| v=`1` , w=`9`", "{v='1', w='2'}", "DROP"},
    {"LB41", "| v=`9` or v=`1` , w=`9`", "{v='1', w='2'}", "DROP"},
    {"LB42", "| (v=`9` or v=`1`) , w=`2`", "{v='1', w='2'}", "{v=\"1\", w=\"2\"}"},
    {"LB43", "| v>1 or w=`2`", "{v='x', w='2'}",
     "{" LABEL_FILTER_ERROR(
         "strconv.ParseFloat: parsing \\\"x\\\": invalid syntax") ", v=\"x\", w=\"2\"}"},
    {"LB44", "| w=`2` or v>1", "{v='x', w='2'}", "{v=\"x\", w=\"2\"}"},
    {"LB45", "| v>1 and w=`3`", "{v='x', w='2'}", "DROP"},
    {"LB46", "| v>1 | __error__=``", "{v='x'}", "DROP"},
    {"LB47", "| v>1 | __error__=`LabelFilterErr`", "{v='x'}",
     "{" LABEL_FILTER_ERROR("strconv.ParseFloat: parsing \\\"x\\\": invalid syntax") ", v=\"x\"}"},
    {"LB48", "| v=ip(`10.0.0.0/8`)", "{v='10.9.8.7'}", "{v=\"10.9.8.7\"}"},
    {"LB49", "| v!=ip(`10.0.0.0/8`)", "{v='none'}", "{v=\"none\"}"},
    {"LB50", "| v!=ip(`10.0.0.0/8`)", NULL, "DROP"},
    {"LB51", "| tid=`t9`", "{} + {tid='t9'}", "{tid=\"t9\"}"},
    {"LB52", "| svc=`web`", "{svc='web'} + {svc='meta'}", "{svc=\"web\", svc_extracted=\"meta\"}"},
    {"LB53", "| svc_extracted=`meta`", "{svc='web'} + {svc='meta'}",
     "{svc=\"web\", svc_extracted=\"meta\"}"},
};

Test(label_filter, reference)
{
    stages_expect(kit, COUNT_OF(kit), reference_cases, COUNT_OF(reference_cases));
}

#define NOT_A_NUMBER(shown) \
    LABEL_FILTER_ERROR("strconv.ParseFloat: parsing " shown ": invalid syntax")
#define EARLIER_ERROR "{__error__='JSONParserErr', __error_details__='broken'}"
#define HAS_EARLIER_ERROR "__error__=\"JSONParserErr\", __error_details__=\"broken\""

static const struct stage_case more_cases[] = {
    {"a blank details value", "| __error_details__=``", "{} + " EARLIER_ERROR,
     "{" HAS_EARLIER_ERROR "}"},
    {"details cannot be filtered", "| __error_details__=`broken`", "{} + " EARLIER_ERROR, "DROP"},
    {"error by expression", "| __error__=~`JSON.+`", "{} + " EARLIER_ERROR,
     "{" HAS_EARLIER_ERROR "}"},
    {"the error is no number", "| __error__>1", "{} + " EARLIER_ERROR, "DROP"},
    {"an error does not save a missing label", "| v>1", "{} + " EARLIER_ERROR, "DROP"},
    {"nor a small one", "| v>1", "{v='1'} + " EARLIER_ERROR, "DROP"},
    {"an earlier error stays", "| v>1", "{v='x'} + " EARLIER_ERROR,
     "{" HAS_EARLIER_ERROR ", v=\"x\"}"},
    {"an error goes by ip", "| v=ip(`10.0.0.0/8`)", "{} + " EARLIER_ERROR,
     "{" HAS_EARLIER_ERROR "}"},
    {"ip of another net", "| v=ip(`10.0.0.0/8`)", "{v='192.168.0.1'}", "DROP"},
    {"ip inside of a text", "| v!=ip(`10.0.0.0/8`)", "{v='from 10.1.1.1 on'}", "DROP"},
    {"ip that is none", "| v=ip(`x`)", NULL, "ip: invalid pattern: \"x\""},
    {"ip that is none, deep inside", "| v=`1` or (w=`1` and v=ip(`x`))", NULL,
     "ip: invalid pattern: \"x\""},
    {"and looks at both", "| (w=`3` and v>1) or w=`2`", "{v='x', w='2'}",
     "{" NOT_A_NUMBER("\\\"x\\\"") ", v=\"x\", w=\"2\"}"},

    {"hexadecimal", "| v>5", "{v='0x1f'}", "{" NOT_A_NUMBER("\\\"0x1f\\\"") ", v=\"0x1f\"}"},
    {"size for a number", "| v=1e7", "{v='22MB'}",
     "{" NOT_A_NUMBER("\\\"22MB\\\"") ", v=\"22MB\"}"},
    {"blank", "| v>5", "{v=' 6'}", "{" NOT_A_NUMBER("\\\" 6\\\"") ", v=\" 6\"}"},
    {"quotes", "| v>5", "{v='a \"b\"'}",
     "{" NOT_A_NUMBER("\\\"a \\\\\\\"b\\\\\\\"\\\"") ", v=\"a \\\"b\\\"\"}"},
    {"too large", "| v>5", "{v='1e400'}",
     "{" LABEL_FILTER_ERROR(
         "strconv.ParseFloat: parsing \\\"1e400\\\": value out of range") ", v=\"1e400\"}"},
    {"infinity", "| v>5", "{v='+Inf'}", "{v=\"+Inf\"}"},
    {"NaN is not larger", "| v>5", "{v='NaN'}", "DROP"},
    {"nor as large", "| v>=5", "{v='NaN'}", "DROP"},
    {"nor smaller", "| v<5", "{v='NaN'}", "DROP"},
    {"nor as small", "| v<=5", "{v='NaN'}", "DROP"},
    {"nor the same", "| v==5", "{v='NaN'}", "DROP"},
    {"not larger than itself", "| v>5", "{v='5'}", "DROP"},
    {"at most itself", "| v<=5", "{v='5'}", "{v=\"5\"}"},
    {"at least more", "| v>=5", "{v='6'}", "{v=\"6\"}"},
    {"not smaller than itself", "| v<5", "{v='5'}", "DROP"},
    {"negative duration", "| v<0s", "{v='-1ms'}", "{v=\"-1ms\"}"},
    {"duration with a fraction", "| v!=1500ms", "{v='1.5s'}", "DROP"},
    {"negative size", "| v<1KB", "{v='-5B'}", "{" NOT_A_NUMBER("\\\"\\\"") ", v=\"-5B\"}"},
    {"unknown size", "| v<1KB", "{v='5 bits'}",
     "{" LABEL_FILTER_ERROR("unhandled size name: bits") ", v=\"5 bits\"}"},
    {"size in metadata", "| v>1KB", "{} + {v='2KB'}", "{v=\"2KB\"}"},

    {"point takes no newline", "| v=~`a.+b`", "{v='a\\nb'}", "DROP"},
    {"unless it is told to", "| v=~`(?s)a.+b`", "{v='a\\nb'}", "{v=\"a\\nb\"}"},
    {"alternatives are anchored as one", "| v=~`x+|y+`", "{v='xy'}", "DROP"},
    {"dollar is the end of all", "| v=~`ab+`", "{v='abb\\n'}", "DROP"},
    {"expression that ends quoted", "| v=~`\\Qa+b`", "{v='a+b'}", "{v=\"a+b\"}"},
    {"which is anchored too", "| v=~`\\Qa+b`", "{v='a+bb'}", "DROP"},
    {"zero byte", "| v=~\"a\\x00+b\"", "{v='a\\x00b'}", "{v=\"a\\x00b\"}"},
    {"zero byte in a text", "| v=~\"a\\x00b\"", "{v='a\\x00c'}", "DROP"},
    {"empty alternative counts for nothing", "| v=~`warn|`", NULL, "DROP"},
    {"not always", "| v!~`.*`", "{v='x'}", "DROP"},
    {"none of them", "| v!~`info|debug`", "{v='debug'}", "DROP"},
    {"something else", "| v!~`info|debug`", "{v='error'}", "{v=\"error\"}"},
    {"two that begin alike", "| v=~`w.*|e.*`", "{v='new'}", "{v=\"new\"}"},
    {"any case is the whole value", "| v=~`(?i)WARN`", "{v='warned'}", "DROP"},
    {"any case inside", "| v=~`(?i).*warn.*`", "{v='preWARNing'}", "{v=\"preWARNing\"}"},
    {"any case of signs", "| v=~`(?i)a\\.b`", "{v='A.B'}", "{v=\"A.B\"}"},
    {"which stand for themselves", "| v=~`(?i)a\\.b`", "{v='AxB'}", "DROP"},
    {"any case of letters with accents", "| v=~`(?i).*été.*`", "{v='L’ÉTÉ'}", "{v=\"L’ÉTÉ\"}"},
    {"any case of a newline", "| v=~`(?i)a\\nb`", "{v='A\\nB'}", "{v=\"A\\nB\"}"},
};

Test(label_filter, beyond_the_reference)
{
    stages_expect(kit, COUNT_OF(kit), more_cases, COUNT_OF(more_cases));
}

/* ---- what no query text of a table gives ---- */

struct fixture {
    struct arena query;
    struct arena scratch;
    const struct label_filter *filter;
    struct label_builder labels;
};

static void set_up(struct fixture *f, struct str stage)
{
    struct str text;
    const struct expr *e;

    arena_init(&f->query, 64 * MIB);
    arena_init(&f->scratch, 64 * MIB);
    text = arena_printf(&f->query, "{svc=\"web\"} | %.*s", STR_ARG(stage));
    REQUIRE_OK(logql_parse(&f->query, text, &e, NULL));
    REQUIRE_OK(label_filter_compile(&f->query, e->log.stages[0].label_filter, &f->filter, NULL));
    label_builder_init(&f->labels, &f->scratch, NULL);
    label_builder_begin(&f->labels, (struct labels){NULL, 0}, (struct labels){NULL, 0});
}

static void tear_down(struct fixture *f)
{
    arena_release(&f->scratch);
    arena_release(&f->query);
}

/* A label of the stream without a value is missing, a parsed one is there. */
Test(label_filter, empty_parsed_label)
{
    struct fixture f;

    set_up(&f, STR("v > 1"));
    label_builder_set(&f.labels, STR("v"), STR(""));
    cr_expect(label_filter_passes(f.filter, &f.labels));
    EXPECT_STR("error", f.labels.error, STR("LabelFilterErr"));
    EXPECT_STR("details", f.labels.error_details,
               STR("strconv.ParseFloat: parsing \"\": invalid syntax"));
    tear_down(&f);
}

/* What is too long to be looked at is an error like any other, and the details stay short. */
Test(label_filter, long_values)
{
    static const char *const stages[] = {"v > 1",         "v > 1s",       "v > 1KB",
                                         "v=ip(`::1/8`)", "v=~`a+b+`",    "v=~`(?i).*ab.*`",
                                         "v=~`.*ab.*`",   "v!~`(a|b)*c`", "v=`a`"};
    static const char pieces[] = {'1', 'a', '.', ':', '"', '\0', '\xff'};
    enum { BYTES = 1 << 20 };

    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        for (size_t j = 0; j < COUNT_OF(pieces); j++) {
            struct fixture f;

            set_up(&f, str_from(stages[i]));
            char *value = arena_bytes(&f.query, BYTES);
            memset(value, pieces[j], BYTES);
            label_builder_set(&f.labels, STR("v"), str_make(value, BYTES));
            (void)label_filter_passes(f.filter, &f.labels);
            cr_expect_lt(f.labels.error_details.len, (size_t)ERR_TEXT_BYTES, "%s", stages[i]);
            cr_expect_not(f.scratch.failed, "%s", stages[i]);
            tear_down(&f);
        }
    }
}

/* As deep as the parser lets a filter be. */
Test(label_filter, deep)
{
    enum { LEAVES = AST_DEPTH_MAX };
    struct fixture f;
    struct buf text;

    buf_init(&text, MIB);
    for (int i = 1; i < LEAVES; i++)
        buf_put(&text, STR("v=`1` or "));
    buf_put(&text, STR("v=`2`"));
    set_up(&f, buf_str(&text));
    label_builder_set(&f.labels, STR("v"), STR("2"));
    cr_expect(label_filter_passes(f.filter, &f.labels));
    label_builder_set(&f.labels, STR("v"), STR("3"));
    cr_expect_not(label_filter_passes(f.filter, &f.labels));
    buf_release(&text);
    tear_down(&f);
}

Test(label_filter, out_of_memory)
{
    const struct label_filter *filter;
    struct fixture f;
    struct arena small;
    struct str line = STR("v=~`a+` or v=~`b` or v > 1 or v=ip(`::1`)");
    const struct expr *e;
    struct err err;

    set_up(&f, line);
    struct str text = arena_printf(&f.query, "{svc=\"web\"} | %.*s", STR_ARG(line));
    REQUIRE_OK(logql_parse(&f.query, text, &e, NULL));
    arena_init(&small, 16);
    cr_expect_eq(label_filter_compile(&small, e->log.stages[0].label_filter, &filter, &err),
                 ST_LIMIT);
    arena_release(&small);

    label_builder_set(&f.labels, STR("v"), STR("x"));
    f.scratch.max_bytes = f.scratch.used_bytes;
    f.scratch.next = f.scratch.end;
    (void)label_filter_passes(f.filter, &f.labels);
    cr_expect(f.scratch.failed);
    tear_down(&f);
}
