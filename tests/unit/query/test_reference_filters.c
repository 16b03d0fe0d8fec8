#include <criterion/criterion.h>

#include "base/defs.h"
#include "tests/support/reference.h"

/* Line filters. LF10, LF19, LF21 and LF35 follow quirks. */
static const struct pipeline_case line_filter_cases[] = {
    {"LF01", "|= \"GET\"", "GET /x 200", NULL, NULL, "{}"},
    {"LF02", "|= \"get\"", "GET /x 200", NULL, NULL, "DROP"},
    {"LF03", "!= \"GET\"", "POST /x", NULL, NULL, "{}"},
    {"LF04", "|= \"\"", "", NULL, NULL, "{}"},
    {"LF05", "!= \"\"", "abc", NULL, NULL, "DROP"},
    {"LF06", "|= \"a\" or \"b\"", "xxb", NULL, NULL, "{}"},
    {"LF07", "|= \"a\" or \"b\" |= \"c\"", "ab", NULL, NULL, "DROP"},
    {"LF08", "!= \"a\" or \"b\"", "xxb", NULL, NULL, "DROP"},
    {"LF09", "!= \"a\" or \"b\"", "xyz", NULL, NULL, "{}"},
    {"LF10", "|= \"\" or \"zz\"", "abc", NULL, NULL, "DROP"},
    {"LF11", "|~ \"err(or)?s\"", "3 errors", NULL, NULL, "{}"},
    {"LF12", "|~ \"(?i)ERRORS\"", "3 errors", NULL, NULL, "{}"},
    {"LF13", "|~ `^\\d+$`", "12345", NULL, NULL, "{}"},
    {"LF14", "|~ \"a.c\"", "a\nc", NULL, NULL, "DROP"},
    {"LF15", "|~ \"(?s)a.c\"", "a\nc", NULL, NULL, "{}"},
    {"LF16", "!~ \"4[0-9]{2}\"", "code 404", NULL, NULL, "DROP"},
    {"LF17", "|~ \".+\"", "", NULL, NULL, "DROP"},
    {"LF18", "!~ \".*\"", "abc", NULL, NULL, "DROP"},
    {"LF19", "|~ \"warn|\"", "abc", NULL, NULL, "DROP"},
    {"LF20", "|> \"user <_> login\"", "user bob login", NULL, NULL, "{}"},
    {"LF21", "|> \"user <_> login\"", "x: user bob login", NULL, NULL, "{}"},
    {"LF22", "|> \"user <_> login\"", "user bob login ok", NULL, NULL, "DROP"},
    {"LF23", "|> \"user <_>\"", "user ", NULL, NULL, "DROP"},
    {"LF24", "|> \"<_> done\"", "job 7 done", NULL, NULL, "{}"},
    {"LF25", "|> \"a<_>b\"", "a1b2b", NULL, NULL, "DROP"},
    {"LF26", "|> \"\"", "x", NULL, NULL, "DROP"},
    {"LF27", "!> \"user <_>\"", "admin x", NULL, NULL, "{}"},
    {"LF28", "|= ip(\"10.1.0.0/16\")", "peer=10.1.7.9:443", NULL, NULL, "{}"},
    {"LF29", "|= ip(\"10.1.0.0/16\")", "peer=110.1.7.9", NULL, NULL, "DROP"},
    {"LF30", "!= ip(\"10.1.0.0/16\")", "no address", NULL, NULL, "{}"},
    {"LF31", "|= ip(\"10.0.0.5-10.0.0.9\")", "a 10.0.0.9 b", NULL, NULL, "{}"},
    {"LF32", "|= ip(\"2001:db8::/32\")", "from [2001:db8::1]:80", NULL, NULL, "{}"},
    {"LF33", "|= ip(\"10.0.0.1\")", "10.0.0.1.", NULL, NULL, "DROP"},
    {"LF34", "|~ ip(\"10.0.0.1\")", "x", NULL, NULL,
     "ERROR 400 parse error : stage '|~ ip(\"10.0.0.1\")' : ip: invalid operation"},
    {"LF35", "| decolorize |= \"red\"", "\x1b[31mre\x1b[0md", NULL, NULL, "DROP"},
    {"LF36", "| label_format z=\"1\" |= \"ok\"", "ok", NULL, NULL, "{z=\"1\"}"},
    {"LF37", "| line_format \"new\" |= \"old\"", "old", NULL, NULL, "DROP"},
    {"LF38", "| line_format \"new\" |= \"new\"", "old", NULL, NULL, "line=\"new\" {}"},
};

/* Label filters. LB08, LB11, LB13 and LB16 follow quirks; an empty stream label (LB26) is none. */
static const struct pipeline_case label_filter_cases[] = {
    {"LB01", "| v=\"x\"", "l", "{v=\"x\"}", NULL, "{v=\"x\"}"},
    {"LB02", "| v=\"x\"", "l", "{v=\"xy\"}", NULL, "DROP"},
    {"LB03", "| v!=\"x\"", "l", NULL, NULL, "{}"},
    {"LB04", "| v=\"\"", "l", NULL, NULL, "{}"},
    {"LB05", "| v!=\"\"", "l", NULL, NULL, "DROP"},
    {"LB06", "| v=~\"ab+\"", "l", "{v=\"abb\"}", NULL, "{v=\"abb\"}"},
    {"LB07", "| v=~\"ab+\"", "l", "{v=\"xabb\"}", NULL, "DROP"},
    {"LB08", "| v=~\"warn.*\"", "l", "{v=\"prewarning\"}", NULL, "{v=\"prewarning\"}"},
    {"LB09", "| v=~\"warn.+\"", "l", "{v=\"prewarning\"}", NULL, "DROP"},
    {"LB10", "| v=~\"cat|car\"", "l", "{v=\"scar\"}", NULL, "DROP"},
    {"LB11", "| v=~\"info|information\"", "l", "{v=\"misinformation\"}", NULL,
     "{v=\"misinformation\"}"},
    {"LB12", "| v=~\"dog|cat\"", "l", "{v=\"hotdog\"}", NULL, "DROP"},
    {"LB13", "| v=~\"\"", "l", "{v=\"anything\"}", NULL, "{v=\"anything\"}"},
    {"LB14", "| v=~\".*\"", "l", NULL, NULL, "{}"},
    {"LB15", "| v=~\".+\"", "l", NULL, NULL, "DROP"},
    {"LB16", "| v!~\"warn.*\"", "l", "{v=\"prewarning\"}", NULL, "DROP"},
    {"LB17", "| v=~\"(?i)WARN\"", "l", "{v=\"warn\"}", NULL, "{v=\"warn\"}"},
    {"LB18", "| v>10", "l", "{v=\"10.5\"}", NULL, "{v=\"10.5\"}"},
    {"LB19", "| v>10", "l", "{v=\"1e1\"}", NULL, "DROP"},
    {"LB20", "| v>=10", "l", "{v=\"1e1\"}", NULL, "{v=\"1e1\"}"},
    {"LB21", "| v==2", "l", "{v=\"2.0\"}", NULL, "{v=\"2.0\"}"},
    {"LB22", "| v=2", "l", "{v=\"2.0\"}", NULL, "{v=\"2.0\"}"},
    {"LB23", "| v!=2", "l", "{v=\"NaN\"}", NULL, "{v=\"NaN\"}"},
    {"LB24", "| v>1", "l", "{v=\"ten\"}", NULL,
     "{__error__=\"LabelFilterErr\", __error_details__=\"strconv.ParseFloat: parsing \\\"ten\\\": "
     "invalid syntax\", v=\"ten\"}"},
    {"LB25", "| v>1", "l", NULL, NULL, "DROP"},
    {"LB26", "| v>1", "l", "{v=\"\"}", NULL, "DROP"},
    {"LB27", "| v<-1", "l", "{v=\"-2\"}", NULL, "{v=\"-2\"}"},
    {"LB28", "| v>1s", "l", "{v=\"1500ms\"}", NULL, "{v=\"1500ms\"}"},
    {"LB29", "| v>1s", "l", "{v=\"2\"}", NULL,
     "{__error__=\"LabelFilterErr\", __error_details__=\"time: missing unit in duration "
     "\\\"2\\\"\", v=\"2\"}"},
    {"LB30", "| v>1s", "l", "{v=\"1d\"}", NULL,
     "{__error__=\"LabelFilterErr\", __error_details__=\"time: unknown unit \\\"d\\\" in duration "
     "\\\"1d\\\"\", v=\"1d\"}"},
    {"LB31", "| v<1d", "l", "{v=\"23h\"}", NULL, "{v=\"23h\"}"},
    {"LB32", "| v==90s", "l", "{v=\"1m30s\"}", NULL, "{v=\"1m30s\"}"},
    {"LB33", "| v>1KB", "l", "{v=\"1KiB\"}", NULL, "{v=\"1KiB\"}"},
    {"LB34", "| v>1KB", "l", "{v=\"1,001\"}", NULL, "{v=\"1,001\"}"},
    {"LB35", "| v>1KB", "l", "{v=\"1.5 kb\"}", NULL, "{v=\"1.5 kb\"}"},
    {"LB36", "| v>1KB", "l", "{v=\"lots\"}", NULL,
     "{__error__=\"LabelFilterErr\", __error_details__=\"strconv.ParseFloat: parsing \\\"\\\": "
     "invalid syntax\", v=\"lots\"}"},
    {"LB37", "| v<=2MiB", "l", "{v=\"2097152\"}", NULL, "{v=\"2097152\"}"},
    {"LB38", "| v=\"1\" and w=\"2\"", "l", "{v=\"1\", w=\"2\"}", NULL, "{v=\"1\", w=\"2\"}"},
    {"LB39", "| v=\"1\" or w=\"9\"", "l", "{v=\"1\", w=\"2\"}", NULL, "{v=\"1\", w=\"2\"}"},
    {"LB40", "| v=\"1\" , w=\"9\"", "l", "{v=\"1\", w=\"2\"}", NULL, "DROP"},
    {"LB41", "| v=\"9\" or v=\"1\" , w=\"9\"", "l", "{v=\"1\", w=\"2\"}", NULL, "DROP"},
    {"LB42", "| (v=\"9\" or v=\"1\") , w=\"2\"", "l", "{v=\"1\", w=\"2\"}", NULL,
     "{v=\"1\", w=\"2\"}"},
    {"LB43", "| v>1 or w=\"2\"", "l", "{v=\"x\", w=\"2\"}", NULL,
     "{__error__=\"LabelFilterErr\", __error_details__=\"strconv.ParseFloat: parsing \\\"x\\\": "
     "invalid syntax\", v=\"x\", w=\"2\"}"},
    {"LB44", "| w=\"2\" or v>1", "l", "{v=\"x\", w=\"2\"}", NULL, "{v=\"x\", w=\"2\"}"},
    {"LB45", "| v>1 and w=\"3\"", "l", "{v=\"x\", w=\"2\"}", NULL, "DROP"},
    {"LB46", "| v>1 | __error__=\"\"", "l", "{v=\"x\"}", NULL, "DROP"},
    {"LB47", "| v>1 | __error__=\"LabelFilterErr\"", "l", "{v=\"x\"}", NULL,
     "{__error__=\"LabelFilterErr\", __error_details__=\"strconv.ParseFloat: parsing \\\"x\\\": "
     "invalid syntax\", v=\"x\"}"},
    {"LB48", "| v=ip(\"10.0.0.0/8\")", "l", "{v=\"10.9.8.7\"}", NULL, "{v=\"10.9.8.7\"}"},
    {"LB49", "| v!=ip(\"10.0.0.0/8\")", "l", "{v=\"none\"}", NULL, "{v=\"none\"}"},
    {"LB50", "| v!=ip(\"10.0.0.0/8\")", "l", NULL, NULL, "DROP"},
    {"LB51", "| tid=\"t9\"", "l", NULL, "{tid=\"t9\"}", "{tid=\"t9\"}"},
    {"LB52", "| svc=\"web\"", "l", NULL, "{svc=\"meta\"}", "{svc_extracted=\"meta\"}"},
    {"LB53", "| svc_extracted=\"meta\"", "l", NULL, "{svc=\"meta\"}", "{svc_extracted=\"meta\"}"},
};

Test(reference_filters, line_filters)
{
    check_pipelines(line_filter_cases, COUNT_OF(line_filter_cases));
}

Test(reference_filters, label_filters)
{
    check_pipelines(label_filter_cases, COUNT_OF(label_filter_cases));
}
