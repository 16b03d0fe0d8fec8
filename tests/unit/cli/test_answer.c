#include "cli/answer.h"

#include <criterion/criterion.h>

#define ARENA_BYTES_MAX ((size_t)1 << 20)

/* Rows and streams as one text. */
static void put_page(struct buf *b, const struct page *page)
{
    for (size_t i = 0; i < page->stream_count; i++)
        labels_put_text(b, page->streams[i]);
    for (size_t i = 0; i < page->row_count; i++)
        buf_printf(b, " %lld/%zu/%.*s", (long long)page->rows[i].ts_ns, page->rows[i].stream,
                   STR_ARG(page->rows[i].line));
}

static const struct page_case {
    const char *name;
    struct str in;
    enum status want;
    const char *want_page;
} page_cases[] = {
    {"two streams",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["
              "{\"stream\":{\"b\":\"2\",\"a\":\"1\"},\"values\":[[\"5\",\"x\"],[\"4\",\"y\"]]},"
              "{\"stream\":{},\"values\":[[\"-1\",\"z\"]]}],\"stats\":{}}}"),
     ST_OK, "{a=\"1\", b=\"2\"}{} 5/0/x 4/0/y -1/1/z"},
    {"another order of keys, blanks, a third element",
     STR_INIT(" { \"data\" : { \"result\" : [ { \"values\" : [ [ \"7\" , \"l\" , {\"k\":\"v\"} ] ] "
              ", \"stream\" : {\"a\":\"1\"} } ] , \"resultType\" : \"streams\" } , \"status\" : "
              "\"success\" } "),
     ST_OK, "{a=\"1\"} 7/0/l"},
    {"escapes",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["
              "{\"stream\":{\"a\":\"\\u003c\"},\"values\":[[\"5\",\"\\u003ca\\n\"]]}]}}"),
     ST_OK, "{a=\"<\"} 5/0/<a\n"},
    {"nothing",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[]}}"),
     ST_OK, ""},
    {"a time that is a number",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["
              "{\"stream\":{},\"values\":[[5,\"x\"]]}]}}"),
     ST_INVALID, ""},
    {"no line",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["
              "{\"stream\":{},\"values\":[[\"5\"]]}]}}"),
     ST_INVALID, ""},
    {"a label that is a number",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":["
              "{\"stream\":{\"a\":1},\"values\":[]}]}}"),
     ST_INVALID, ""},
    {"no success", STR_INIT("{\"status\":\"error\",\"data\":{}}"), ST_INVALID, ""},
    {"another API", STR_INIT("{}"), ST_INVALID, ""},
    {"no JSON", STR_INIT("<html>"), ST_INVALID, ""},
    {"empty", STR_INIT(""), ST_INVALID, ""},
    {"cut short", STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"str"), ST_INVALID,
     ""},
};

static enum status read_page(struct str in, struct arena *a, struct page *page, struct err *err)
{
    struct answer answer;
    enum status st = answer_parse(in, a, &answer, err);

    if (st == ST_OK)
        st = answer_page(&answer, a, page, err);
    return st;
}

Test(cli_answer, pages)
{
    for (size_t i = 0; i < COUNT_OF(page_cases); i++) {
        const struct page_case *c = &page_cases[i];
        struct page page = {0};
        struct err err = {.text = ""};
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES_MAX);
        buf_init(&b, 4096);
        enum status st = read_page(c->in, &a, &page, &err);
        cr_expect_eq(st, c->want, "%s: %s, %s", c->name, status_name(st), err.text);
        put_page(&b, &page);
        cr_expect(str_eq(buf_str(&b), str_from(c->want_page)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
        arena_release(&a);
    }
}

Test(cli_answer, names)
{
    struct name_list names;
    struct answer answer;
    struct arena a;
    struct err err;

    arena_init(&a, ARENA_BYTES_MAX);
    cr_assert_eq(
        answer_parse(STR("{\"status\":\"success\",\"data\":[\"a\",\"b\"]}"), &a, &answer, &err),
        ST_OK);
    cr_assert_eq(answer_names(&answer, &a, &names, &err), ST_OK);
    cr_assert_eq(names.count, 2);
    cr_expect(str_eq(names.items[1], STR("b")));

    cr_assert_eq(answer_parse(STR("{\"status\":\"success\"}"), &a, &answer, &err), ST_OK);
    cr_assert_eq(answer_names(&answer, &a, &names, &err), ST_OK, "no data is no name");
    cr_expect_eq(names.count, 0);

    cr_assert_eq(answer_parse(STR("{\"status\":\"success\",\"data\":null}"), &a, &answer, &err),
                 ST_OK);
    cr_assert_eq(answer_names(&answer, &a, &names, &err), ST_OK, "nor is null");

    cr_assert_eq(answer_parse(STR("{\"status\":\"success\",\"data\":[1]}"), &a, &answer, &err),
                 ST_OK);
    cr_expect_eq(answer_names(&answer, &a, &names, &err), ST_INVALID);
    arena_release(&a);
}

Test(cli_answer, series_are_sorted)
{
    struct series_list series;
    struct answer answer;
    struct arena a;
    struct err err;
    struct buf b;

    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&b, 1024);
    cr_assert_eq(answer_parse(STR("{\"status\":\"success\",\"data\":[{\"z\":\"1\",\"a\":\"2\"},"
                                  "{\"a\":\"2\"},{\"a\":\"1\",\"b\":\"9\"},{}]}"),
                              &a, &answer, &err),
                 ST_OK);
    cr_assert_eq(answer_series(&answer, &a, &series, &err), ST_OK, "%s", err.text);
    for (size_t i = 0; i < series.count; i++)
        labels_put_text(&b, series.items[i]);
    cr_expect(str_eq(buf_str(&b), STR("{}{a=\"1\", b=\"9\"}{a=\"2\"}{a=\"2\", z=\"1\"}")), "%.*s",
              STR_ARG(buf_str(&b)));
    buf_release(&b);
    arena_release(&a);
}

#define METRIC_BODY                                                                             \
    "{\"status\":\"success\",\"warnings\":[\"partial \\u001b[31m\"],\"data\":{\"resultType\":"  \
    "\"matrix\",\"result\":[{\"metric\":{\"a\":\"1\"},\"values\":[[1795218540.015,\"0."         \
    "10000000001\"]"                                                                            \
    "]},{\"metric\":{},\"values\":[]}],\"stats\":{\"summary\":{\"execTime\":0.25,\"splits\":0," \
    "\"more\":{\"n\":7}},\"flag\":false}}}"

static const char metric_shown[] = "[\n"
                                   "  {\n"
                                   "    \"metric\": {\n"
                                   "      \"a\": \"1\"\n"
                                   "    },\n"
                                   "    \"values\": [\n"
                                   "      [\n"
                                   "        1795218540.015,\n"
                                   "        \"0.10000000001\"\n"
                                   "      ]\n"
                                   "    ]\n"
                                   "  },\n"
                                   "  {\n"
                                   "    \"metric\": {},\n"
                                   "    \"values\": []\n"
                                   "  }\n"
                                   "]\n";

Test(cli_answer, metric)
{
    struct answer answer;
    struct arena a;
    struct err err;
    struct buf b;

    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&b, 4096);
    cr_assert_eq(answer_parse(STR(METRIC_BODY), &a, &answer, &err), ST_OK, "%s", err.text);
    cr_expect(str_eq(answer.kind, STR("matrix")));
    cr_expect_eq(answer_put_result(&b, &answer, &a, &err), ST_OK);
    cr_expect(str_eq(buf_str(&b), str_from(metric_shown)), "%.*s", STR_ARG(buf_str(&b)));

    buf_reset(&b);
    answer_put_warnings(&b, &answer, &a);
    cr_expect(str_eq(buf_str(&b), STR("warning: partial \\x1b[31m\n")));

    buf_reset(&b);
    answer_put_stats(&b, &answer, &a);
    cr_expect(str_eq(buf_str(&b), STR("summary.execTime: 0.25\nsummary.more.n: 7\n")), "%.*s",
              STR_ARG(buf_str(&b)));
    buf_release(&b);
    arena_release(&a);
}

static const struct lines_case {
    const char *name;
    struct str in;
    enum status want;
    const char *want_lines;
} lines_cases[] = {
    {"matrix", STR_INIT(METRIC_BODY), ST_OK,
     "{\"metric\":{\"a\":\"1\"},\"values\":[[1795218540.015,\"0.10000000001\"]]}\n"
     "{\"metric\":{},\"values\":[]}\n"},
    {"vector",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
              " {\"metric\": {\"app\": \"web\"}, \"value\": [1772370001, \"55296\"]} ]}}"),
     ST_OK, "{\"metric\":{\"app\":\"web\"},\"value\":[1772370001,\"55296\"]}\n"},
    {"scalar",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":"
              "[ 1772370000, \"13\" ]}}"),
     ST_OK, "[1772370000,\"13\"]\n"},
    {"nothing",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}"), ST_OK,
     ""},
    {"no list",
     STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":{}}}"),
     ST_INVALID, NULL},
    {"no result", STR_INIT("{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\"}}"),
     ST_INVALID, NULL},
};

Test(cli_answer, metric_lines)
{
    for (size_t i = 0; i < COUNT_OF(lines_cases); i++) {
        const struct lines_case *c = &lines_cases[i];
        struct answer answer;
        struct arena a;
        struct err err;
        struct buf b;

        arena_init(&a, ARENA_BYTES_MAX);
        buf_init(&b, 4096);
        cr_assert_eq(answer_parse(c->in, &a, &answer, &err), ST_OK, "%s: %s", c->name, err.text);
        cr_expect_eq(answer_put_result_lines(&b, &answer, &a, &err), c->want, "%s", c->name);
        if (c->want_lines != NULL)
            cr_expect(str_eq(buf_str(&b), str_from(c->want_lines)), "%s: %.*s", c->name,
                      STR_ARG(buf_str(&b)));
        buf_release(&b);
        arena_release(&a);
    }
}
