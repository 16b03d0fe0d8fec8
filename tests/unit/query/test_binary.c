#include <criterion/criterion.h>

#include "base/buf.h"
#include "tests/support/matrix_text.h"

#define C "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p2\", svc=\"web\"} 3 ; {pod=\"p3\", svc=\"db\"} 2"
#define SUM "{svc=\"db\"} 2 ; {svc=\"web\"} 9"
#define DB "{pod=\"p3\", svc=\"db\"} 2"
#define P(x, y, z)                                                                      \
    "{pod=\"p1\", svc=\"web\"} " x " ; {pod=\"p2\", svc=\"web\"} " y " ; {pod=\"p3\", " \
    "svc=\"db\"} " z

#define RIGHT_ERROR                                                                         \
    "ST_INTERNAL: found duplicate series on the right hand-side;many-to-many matching not " \
    "allowed: matching labels must be unique on one side"
#define LEFT_ERROR                                                                         \
    "ST_INTERNAL: found duplicate series on the left hand-side;many-to-many matching not " \
    "allowed: matching labels must be unique on one side"
#define MANY_ERROR                                                                     \
    "ST_INTERNAL: multiple matches for labels: many-to-one matching must be explicit " \
    "(group_left/group_right)"
#define GROUP_ERROR \
    "ST_INTERNAL: multiple matches for labels: grouping labels must ensure unique matches"

static const struct binary_case {
    const char *name;
    const char *query;
    const char *left, *right;
    const char *want;
} binary_cases[] = {
    /* a number and a vector */
    {"VB20", "@ + 1", C, "", P("7", "4", "3")},
    {"VB21", "1 - @", "", C, P("-5", "-2", "-1")},
    {"VB22", "@ / 0", C, "", P("NaN", "NaN", "NaN")},
    {"VB23", "@ % 4", C, "", P("2", "3", "2")},
    {"VB24", "2 ^ @", "", C, P("64", "8", "4")},
    {"VB25", "@ > 2", C, "", "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p2\", svc=\"web\"} 3"},
    {"VB26", "2 < @", "", C, "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p2\", svc=\"web\"} 3"},
    {"VB27", "@ > bool 2", C, "", P("1", "1", "0")},
    {"VB28", "@ == 3", C, "", "{pod=\"p2\", svc=\"web\"} 3"},
    {"VB29", "@ != bool 3", C, "", P("1", "0", "1")},
    {"VB50", "vector(3) > 5", "{} 3", "", ""},
    {"VB60", "@ * 60", "{svc=\"db\"} 0.5", "", "{svc=\"db\"} 30"},
    {"VB67", "@ > 0", "{} _ 1 1 _", "", "{} _ 1 1 _"},
    {"VB68", "@ == bool 1", "{a=\"b\"} _ 1 2 _", "", "{a=\"b\"} _ 1 0 _"},
    {"bool before a number", "2 < bool @", "", "{} 1 2 3", "{} 0 0 1"},
    {"number less a vector, at once kept and not", "2 >= @", "", "{} 1 2 3", "{} 1 2 _"},
    {"zero is not positive", "0 / @", "", "{} 0 -0 5", "{} NaN NaN 0"},
    {"infinite modulo", "@ % 3", "{} Inf -7 NaN", "", "{} NaN -1 NaN"},
    {"modulo of zero", "5 % @", "", "{} 0", "{} NaN"},
    {"NaN is not equal", "@ == 1", "{} NaN 1", "", "{} _ 1"},
    {"but different", "@ != 1", "{} NaN 1", "", "{} NaN _"},
    {"and not less", "@ <= bool 1", "{} NaN 1", "", "{} 0 1"},
    {"bool means nothing to arithmetic", "@ + bool 1", "{} 1", "", "{} 2"},
    {"the metric name and empty labels stay", "@ + 1", "{__name__=\"n\", a=\"EMPTY\"} 1", "",
     "{__name__=\"n\", a=\"\"} 2"},

    /* one to one */
    {"VB30", "@ + @", C, C, P("12", "6", "4")},
    {"VB31", "@ / on(pod) @", C, C, "{pod=\"p1\"} 1 ; {pod=\"p2\"} 1 ; {pod=\"p3\"} 1"},
    {"VB32", "@ / on(svc) @", C, SUM, MANY_ERROR},
    {"VB35", "@ + on(svc) @", C, C, RIGHT_ERROR},
    {"VB48", "vector(1) + vector(2)", "{} 1", "{} 2", "{} 3"},
    {"VB61", "@ / ignoring(svc) @", "{svc=\"web\"} 9", "{} 11", "{} 0.8181818181818182"},
    {"operands keep their order", "@ - @", "{} 5", "{} 3", "{} 2"},
    {"what does not match vanishes", "@ + @", "{a=\"1\"} 1 1 _ ; {a=\"2\"} 1 1 1",
     "{a=\"1\"} _ 1 1 ; {a=\"3\"} 1 1 1", "{a=\"1\"} _ 2 _"},
    {"nothing on the left", "@ + @", "", "{a=\"1\"} 1", ""},
    {"nothing on the right", "@ + @", "{a=\"1\"} 1", "", ""},
    {"comparison keeps the left", "@ > @", "{} 5 1", "{} 3 3", "{} 5 _"},
    {"comparison with bool", "@ > bool @", "{} 5 1", "{} 3 3", "{} 1 0"},
    {"on nothing", "@ + on() @", "{a=\"1\"} 1", "{b=\"1\"} 2", "{} 3"},
    {"ignoring what differs", "@ + ignoring(b, c) @", "{a=\"1\", b=\"1\"} 1",
     "{a=\"1\", c=\"1\"} 2", "{a=\"1\"} 3"},
    {"on a label that both lack", "@ + on(z) @", "{a=\"1\"} 1", "{b=\"1\"} 2", "{} 3"},
    {"an empty label is none", "@ + @", "{a=\"EMPTY\", b=\"1\"} 1", "{b=\"1\"} 2", "{b=\"1\"} 3"},
    {"one side unique though nothing matches", "@ + on(a) @", "{a=\"9\"} 1",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 1", RIGHT_ERROR},
    {"other side need not be unique without a match", "@ + on(a) @",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 1", "{a=\"2\"} 1", ""},
    {"twice, but never at once, right", "@ + on(a) @", "{a=\"1\"} 1 2 3",
     "{a=\"1\", b=\"1\"} 10 _ _ ; {a=\"1\", b=\"2\"} _ 20 _", "{a=\"1\"} 11 22 _"},
    {"twice, but never at once, left", "@ + on(a) @",
     "{a=\"1\", b=\"1\"} 1 _ ; {a=\"1\", b=\"2\"} _ 2", "{a=\"1\"} 10 20", "{a=\"1\"} 11 22"},
    {"twice at once, but not where the right is", "@ + on(a) @",
     "{a=\"1\", b=\"1\"} 1 1 ; {a=\"1\", b=\"2\"} 2 _", "{a=\"1\"} _ 20", "{a=\"1\"} _ 21"},
    {"earliest step, right first", "@ + on(a) @", "{a=\"1\", b=\"1\"} _ 1 ; {a=\"1\", b=\"2\"} _ 1",
     "{a=\"1\"} 1 1 ; {a=\"2\", b=\"1\"} 1 _ ; {a=\"2\", b=\"2\"} 1 _", RIGHT_ERROR},
    {"earliest step, left first", "@ + on(a) @", "{a=\"1\", b=\"1\"} 1 _ ; {a=\"1\", b=\"2\"} 1 _",
     "{a=\"1\"} 1 1 ; {a=\"2\", b=\"1\"} _ 1 ; {a=\"2\", b=\"2\"} _ 1", MANY_ERROR},
    {"same step, right first", "@ + on(a) @", "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 1",
     "{a=\"1\"} 1 ; {a=\"2\", b=\"1\"} 1 ; {a=\"2\", b=\"2\"} 1", RIGHT_ERROR},
    {"an error although it does not hold", "@ > on(a) @",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 1", "{a=\"1\"} 5", MANY_ERROR},
    {"the same labels twice", "@ + @", "{a=\"1\"} 1", "{a=\"1\"} 1 ; {a=\"1\"} 2", RIGHT_ERROR},
    {"the same labels twice, left", "@ + @", "{a=\"1\"} 1 ; {a=\"1\"} 2", "{a=\"1\"} 1",
     MANY_ERROR},

    /* many to one */
    {"VB33", "@ / on(svc) group_left @", C, SUM,
     P("0.6666666666666666", "0.3333333333333333", "1")},
    {"VB34", "@ - on(svc) group_right @", SUM, C, P("3", "6", "0")},
    {"VB36", "@ * on(svc) group_left(zz) @", C, SUM, P("54", "27", "4")},
    {"group_left ignoring", "@ / ignoring(pod) group_left @", C, SUM,
     P("0.6666666666666666", "0.3333333333333333", "1")},
    {"included", "@ + on(a) group_left(c) @", "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 2",
     "{a=\"1\", c=\"x\"} 10", "{a=\"1\", b=\"1\", c=\"x\"} 11 ; {a=\"1\", b=\"2\", c=\"x\"} 12"},
    {"included over what is there", "@ + on(a) group_left(c) @", "{a=\"1\", c=\"old\"} 1",
     "{a=\"1\", c=\"new\"} 2", "{a=\"1\", c=\"new\"} 3"},
    {"taken away", "@ + on(a) group_left(c) @", "{a=\"1\", c=\"old\"} 1", "{a=\"1\"} 2",
     "{a=\"1\"} 3"},
    {"included twice", "@ + on(a) group_left(c, c) @", "{a=\"1\"} 1", "{a=\"1\", c=\"x\"} 2",
     "{a=\"1\", c=\"x\"} 3"},
    {"included with group_right", "@ - on(a) group_right(c) @", "{a=\"1\", c=\"x\"} 10",
     "{a=\"1\", b=\"1\"} 1", "{a=\"1\", b=\"1\", c=\"x\"} 9"},
    {"included from one after the other", "@ + on(a) group_left(c) @", "{a=\"1\"} 1 2 3 4",
     "{a=\"1\", c=\"x\"} 10 _ _ 40 ; {a=\"1\", c=\"y\"} _ _ 30 _",
     "{a=\"1\", c=\"x\"} 11 _ _ 44 ; {a=\"1\", c=\"y\"} _ _ 33 _"},
    {"the same included from both", "@ + on(a) group_left(c) @", "{a=\"1\"} 1 2",
     "{a=\"1\", b=\"1\", c=\"x\"} 10 _ ; {a=\"1\", b=\"2\", c=\"x\"} _ 20",
     "{a=\"1\", c=\"x\"} 11 22"},
    {"labels do not tell apart", "@ + on(a) group_left(b) @",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 2", "{a=\"1\"} 10", GROUP_ERROR},
    {"nor here, though never at once", "@ + on(a) group_left(b) @",
     "{a=\"1\", b=\"1\"} 1 _ ; {a=\"1\", b=\"2\"} _ 2", "{a=\"1\"} 10 10", "{a=\"1\"} 11 12"},
    {"not told apart, and not holding", "@ > on(a) group_left(b) @",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 2", "{a=\"1\"} 10", GROUP_ERROR},
    {"one side not unique", "@ + on(a) group_left @", "{a=\"1\"} 1",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 1", RIGHT_ERROR},
    {"one side not unique, the left", "@ + on(a) group_right @",
     "{a=\"1\", b=\"1\"} 1 ; {a=\"1\", b=\"2\"} 1", "{a=\"1\"} 1", LEFT_ERROR},
    {"group_right keeps the left value", "@ > on(a) group_right @", "{a=\"1\"} 5",
     "{a=\"1\", b=\"1\"} 3 ; {a=\"1\", b=\"2\"} 7", "{a=\"1\", b=\"1\"} 5"},

    /* sets */
    {"VB37", "@ and on(svc) @", C, DB, DB},
    {"VB38", "@ unless on(svc) @", C, DB,
     "{pod=\"p1\", svc=\"web\"} 6 ; {pod=\"p2\", svc=\"web\"} 3"},
    {"VB39", "@ or @", DB, C, C},
    {"VB40", "@ or vector(0)", "", "{} 0", "{} 0"},
    {"VB42", "@ and @", "", C, ""},
    {"VB49", "vector(1) or vector(2)", "{} 1", "{} 2", "{} 1"},
    {"VB66", "@ or vector(0)", "{pod=\"p3\"} _ 1 1 _", "{} 0 0 0 0",
     "{} 0 0 0 0 ; {pod=\"p3\"} _ 1 1 _"},
    {"and nothing", "@ and @", C, "", ""},
    {"unless nothing", "@ unless @", C, "", C},
    {"or nothing", "@ or @", C, "", C},
    {"and at each step", "@ and @", "{a=\"1\"} 1 2 3", "{a=\"1\"} _ 9 _", "{a=\"1\"} _ 2 _"},
    {"unless at each step", "@ unless @", "{a=\"1\"} 1 2 3", "{a=\"1\"} _ 9 _", "{a=\"1\"} 1 _ 3"},
    {"or goes on in one series", "@ or @", "{a=\"1\"} 1 _ 3", "{a=\"1\"} 10 20 30",
     "{a=\"1\"} 1 20 3"},
    {"or keeps the labels of the right", "@ or on(a) @", "{a=\"1\", b=\"1\"} 1 _",
     "{a=\"1\", c=\"1\"} 10 20 ; {a=\"2\"} 5 5",
     "{a=\"1\", b=\"1\"} 1 _ ; {a=\"1\", c=\"1\"} _ 20 ; {a=\"2\"} 5 5"},
    {"or keeps both of the right", "@ or on(a) @", "{a=\"1\", b=\"1\"} 1 _",
     "{a=\"1\", b=\"1\"} 10 20 ; {a=\"1\", b=\"2\"} 11 21",
     "{a=\"1\", b=\"1\"} 1 20 ; {a=\"1\", b=\"2\"} _ 21"},
    {"or of the same labels twice", "@ or @", "", "{a=\"1\"} 1 ; {a=\"1\"} 1",
     "{a=\"1\"} 1 ; {a=\"1\"} 1"},
    {"many on both sides of and", "@ and on(a) @",
     "{a=\"1\", b=\"1\"} 1 1 ; {a=\"1\", b=\"2\"} 2 2",
     "{a=\"1\", b=\"3\"} 5 _ ; {a=\"1\", b=\"4\"} 6 _",
     "{a=\"1\", b=\"1\"} 1 _ ; {a=\"1\", b=\"2\"} 2 _"},
    {"and of NaN", "@ and @", "{} NaN", "{} NaN", "{} NaN"},
    {"empty labels stay in sets", "@ and @", "{a=\"EMPTY\"} 1", "{} 1", "{a=\"\"} 1"},
    {"group_left means nothing to sets", "@ and on(a) group_left(c) @", "{a=\"1\", b=\"1\"} 1",
     "{a=\"1\", c=\"1\"} 1", "{a=\"1\", b=\"1\"} 1"},
    {"on nothing in a set", "@ and on() vector(1)", "{a=\"1\"} 1", "{} 1", "{a=\"1\"} 1"},

    /* what is sorted */
    {"number and sorted", "1 + @", "", "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2",
     "ordered: {a=\"2\"} 2 ; {a=\"1\"} 3"},
    {"sorted and more", "@ or @", "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2", "{a=\"9\"} 3 ; {a=\"8\"} 4",
     "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2 ; {a=\"8\"} 4 ; {a=\"9\"} 3"},
    {"more and sorted", "@ or @", "{a=\"9\"} 3 ; {a=\"8\"} 4", "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2",
     "ordered: {a=\"8\"} 4 ; {a=\"9\"} 3 ; {a=\"2\"} 1 ; {a=\"1\"} 2"},
    {"sorted, of which some", "@ and @", "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2",
     "{a=\"1\"} 1 ; {a=\"2\"} 1", "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2"},
    {"sorted on the many side", "@ * on() group_left @", "ordered: {a=\"2\"} 1 ; {a=\"1\"} 2",
     "{} 2", "ordered: {a=\"2\"} 2 ; {a=\"1\"} 4"},
    {"sorted on the one side", "@ * on(a) @", "{a=\"2\"} 1 ; {a=\"1\"} 2",
     "ordered: {a=\"2\"} 2 ; {a=\"1\"} 2", "{a=\"1\"} 4 ; {a=\"2\"} 2"},

    /* label_replace */
    {"VB43", "label_replace(@,\"s\",\"$1\",\"svc\",\"(.).*\")", SUM, "",
     "{s=\"d\", svc=\"db\"} 2 ; {s=\"w\", svc=\"web\"} 9"},
    {"VB44", "label_replace(@,\"s\",\"x-${1}y\",\"svc\",\"w(.*)\")", SUM, "",
     "{s=\"x-eby\", svc=\"web\"} 9 ; {svc=\"db\"} 2"},
    {"VB46", "label_replace(vector(1),\"env\",\"eu\",\"none\",\"\")", "{} 1", "", "{env=\"eu\"} 1"},
    {"anchored", "label_replace(@,\"s\",\"x\",\"a\",\"b\")", "{a=\"abc\"} 1", "", "{a=\"abc\"} 1"},
    {"replaced in place", "label_replace(@,\"a\",\"z\",\"a\",\"x\")", "{a=\"x\", b=\"1\"} 1", "",
     "{a=\"z\", b=\"1\"} 1"},
    {"an empty result takes away", "label_replace(@,\"a\",\"\",\"b\",\"1\")",
     "{a=\"x\", b=\"1\"} 1", "", "{b=\"1\"} 1"},
    {"names", "label_replace(@,\"d\",\"${y}-$x.\",\"a\",\"(?P<x>.)(?P<y>.)\")", "{a=\"12\"} 1", "",
     "{a=\"12\", d=\"2-1.\"} 1"},
    {"all of it", "label_replace(@,\"d\",\"$0!\",\"a\",\".*\")", "{a=\"12\"} 1", "",
     "{a=\"12\", d=\"12!\"} 1"},
    {"names are long", "label_replace(@,\"d\",\"<$1x>\",\"a\",\"(.*)\")", "{a=\"1\"} 1", "",
     "{a=\"1\", d=\"<>\"} 1"},
    {"letters of any script", "label_replace(@,\"d\",\"<$1ä>\",\"a\",\"(.*)\")", "{a=\"1\"} 1", "",
     "{a=\"1\", d=\"<>\"} 1"},
    {"dollars", "label_replace(@,\"d\",\"$$1 $ ${ ${1 $\",\"a\",\"(.*)\")", "{a=\"1\"} 1", "",
     "{a=\"1\", d=\"$1 $ ${ ${1 $\"} 1"},
    {"groups that are not there",
     "label_replace(@,\"d\",\"<$2$9$name$01${123456789012}>\",\"a\","
     "\"(.)\")",
     "{a=\"1\"} 1", "", "{a=\"1\", d=\"<>\"} 1"},
    {"a group that took no part", "label_replace(@,\"d\",\"<$1>\",\"a\",\"(x)?1\")", "{a=\"1\"} 1",
     "", "{a=\"1\", d=\"<>\"} 1"},
    {"of two with one name the one that took part",
     "label_replace(@,\"d\",\"$n\",\"a\",\"(?P<n>x)|(?P<n>1)\")", "{a=\"1\"} 1", "",
     "{a=\"1\", d=\"1\"} 1"},
    {"the same in the end", "label_replace(@,\"a\",\"x\",\"a\",\".*\")",
     "{a=\"1\"} 1 ; {a=\"2\"} 1", "", "{a=\"x\"} 1 ; {a=\"x\"} 1"},
    {"empty labels go with a match", "label_replace(@,\"d\",\"x\",\"a\",\"1\")",
     "{a=\"1\", e=\"EMPTY\"} 1 ; {a=\"2\", e=\"EMPTY\"} 1", "",
     "{a=\"1\", d=\"x\"} 1 ; {a=\"2\", e=\"\"} 1"},
};

Test(binary, operations)
{
    for (size_t i = 0; i < COUNT_OF(binary_cases); i++) {
        const struct binary_case *c = &binary_cases[i];
        struct buf out;

        buf_init(&out, MIB);
        matrix_operate(&out, c->query, c->left, c->right);

        cr_expect(str_eq(buf_str(&out), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}
