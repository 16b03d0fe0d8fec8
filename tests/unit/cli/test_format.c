#include "cli/format.h"

#include <criterion/criterion.h>

#define ARENA_BYTES_MAX ((size_t)1 << 20)
#define NOON INT64_C(1772366400000000000)

static const struct label pairs_a[] = {{STR_INIT("app"), STR_INIT("x")},
                                       {STR_INIT("host"), STR_INIT("a")}};
static const struct label pairs_b[] = {{STR_INIT("app"), STR_INIT("x")},
                                       {STR_INIT("host"), STR_INIT("bbb")},
                                       {STR_INIT("pod"), STR_INIT("p")}};
static const struct label pairs_c[] = {{STR_INIT("app"), STR_INIT("unused")}};

static struct labels streams[] = {{pairs_a, 2}, {pairs_b, 3}, {pairs_c, 1}};
static struct row rows[] = {{NOON, 0, 0, STR_INIT("one")},
                            {NOON + 1500000000, 1, 1, STR_INIT("t\x1bwo\n")}};

static const struct format_case {
    const char *name;
    struct format format;
    const char *want;
} format_cases[] = {
    {"default",
     {.zone = PRINT_UTC},
     "2026-03-01T12:00:00Z {host=\"a\"}            one\n"
     "2026-03-01T12:00:01Z {host=\"bbb\", pod=\"p\"} t\x1bwo\n\n"},
    {"default on a terminal",
     {.zone = PRINT_UTC, .terminal = true},
     "2026-03-01T12:00:00Z {host=\"a\"}            one\n"
     "2026-03-01T12:00:01Z {host=\"bbb\", pod=\"p\"} t\\x1bwo\\n\n"},
    {"no labels",
     {.zone = PRINT_UTC, .no_labels = true},
     "2026-03-01T12:00:00Z one\n2026-03-01T12:00:01Z t\x1bwo\n\n"},
    {"common labels too",
     {.zone = PRINT_UTC, .include_common = true},
     "2026-03-01T12:00:00Z {app=\"x\", host=\"a\"}            one\n"
     "2026-03-01T12:00:01Z {app=\"x\", host=\"bbb\", pod=\"p\"} t\x1bwo\n\n"},
    {"included labels, common or not",
     {.zone = PRINT_UTC, .include = {.items = {STR_INIT("app"), STR_INIT("pod")}, .count = 2}},
     "2026-03-01T12:00:00Z {app=\"x\"}          one\n"
     "2026-03-01T12:00:01Z {app=\"x\", pod=\"p\"} t\x1bwo\n\n"},
    {"excluded labels",
     {.zone = PRINT_UTC, .exclude = {.items = {STR_INIT("host")}, .count = 1}},
     "2026-03-01T12:00:00Z {}        one\n"
     "2026-03-01T12:00:01Z {pod=\"p\"} t\x1bwo\n\n"},
    {"a column of fixed width",
     {.zone = PRINT_UTC, .labels_length = 12},
     "2026-03-01T12:00:00Z {host=\"a\"}   one\n"
     "2026-03-01T12:00:01Z {host=\"bbb\", pod=\"p\"} t\x1bwo\n\n"},
    {"raw", {.output = PRINT_RAW, .terminal = true}, "one\nt\x1bwo\n\n"},
    {"jsonl has all labels",
     {.output = PRINT_JSONL, .zone = PRINT_UTC},
     "{\"labels\":{\"app\":\"x\",\"host\":\"a\"},\"line\":\"one\","
     "\"timestamp\":\"2026-03-01T12:00:00Z\"}\n"
     "{\"labels\":{\"app\":\"x\",\"host\":\"bbb\",\"pod\":\"p\"},\"line\":\"t\\u001bwo\\n\","
     "\"timestamp\":\"2026-03-01T12:00:01.5Z\"}\n"},
    {"jsonl without one label",
     {.output = PRINT_JSONL,
      .zone = PRINT_UTC,
      .exclude = {.items = {STR_INIT("app"), STR_INIT("pod")}, .count = 2}},
     "{\"labels\":{\"host\":\"a\"},\"line\":\"one\",\"timestamp\":\"2026-03-01T12:00:00Z\"}\n"
     "{\"labels\":{\"host\":\"bbb\"},\"line\":\"t\\u001bwo\\n\","
     "\"timestamp\":\"2026-03-01T12:00:01.5Z\"}\n"},
};

static const struct page page = {
    .streams = streams, .stream_count = 3, .rows = rows, .row_count = COUNT_OF(rows)};

Test(cli_format, rows)
{
    for (size_t i = 0; i < COUNT_OF(format_cases); i++) {
        const struct format_case *c = &format_cases[i];
        struct labels common;
        struct str *texts;
        struct arena a;
        struct buf b;
        struct err err;

        arena_init(&a, ARENA_BYTES_MAX);
        buf_init(&b, 4096);
        cr_assert_eq(format_common(&page, &a, &common, &err), ST_OK);
        cr_assert_eq(format_streams(&c->format, &page, common, &a, &texts, &err), ST_OK);
        for (size_t j = 0; j < page.row_count; j++)
            format_put_row(&b, &c->format, texts[page.rows[j].stream], &page.rows[j]);
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s:\n%.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
        arena_release(&a);
    }
}

Test(cli_format, common_labels_are_of_streams_with_rows)
{
    const struct page empty = {.streams = streams, .stream_count = 3};
    struct labels common;
    struct arena a;

    arena_init(&a, ARENA_BYTES_MAX);
    cr_assert_eq(format_common(&page, &a, &common, NULL), ST_OK);
    cr_assert_eq(common.count, 1, "the stream without rows has another app");
    cr_expect(str_eq(common.pairs[0].name, STR("app")));
    cr_assert_eq(format_common(&empty, &a, &common, NULL), ST_OK);
    cr_expect_eq(common.count, 0);
    arena_release(&a);
}

Test(cli_format, colours_are_on_labels_only)
{
    const struct format f = {.zone = PRINT_UTC, .terminal = true, .colours = true};
    struct labels common;
    struct str *texts;
    struct arena a;
    struct buf b;
    struct err err;

    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&b, 4096);
    cr_assert_eq(format_common(&page, &a, &common, &err), ST_OK);
    cr_assert_eq(format_streams(&f, &page, common, &a, &texts, &err), ST_OK);
    format_put_row(&b, &f, texts[1], &rows[1]);
    size_t begin = str_find(buf_str(&b), STR("m{host=\"bbb\", pod=\"p\"}\x1b[0m t\\x1bwo"));
    cr_assert_neq(begin, STR_NPOS, "%.*s", STR_ARG(buf_str(&b)));
    cr_expect(str_starts(buf_str(&b), STR("2026-03-01T12:00:01Z \x1b[")));
    buf_release(&b);
    arena_release(&a);
}
