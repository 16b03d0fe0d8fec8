#include "cli/answer_bare.h"

#include <inttypes.h>

#include <criterion/criterion.h>

#include "base/buf.h"

#define ARENA_BYTES_MAX ((size_t)1 << 20)

static const struct bare_case {
    const char *name;
    struct str in;
    enum status want;
    const char *want_text;
} stats_cases[] = {
    {"as recorded", STR_INIT("{\"streams\":3,\"chunks\":4,\"bytes\":21410,\"entries\":185}"), ST_OK,
     "3 4 21410 185"},
    {"another order, more keys, blanks",
     STR_INIT(" { \"more\" : [1, {}] , \"entries\" : 7 , \"bytes\" : 18446744073709551615 } "),
     ST_OK, "0 0 18446744073709551615 7"},
    {"nothing", STR_INIT("{}"), ST_OK, "0 0 0 0"},
    {"a text", STR_INIT("{\"streams\":\"3\"}"), ST_INVALID, NULL},
    {"negative", STR_INIT("{\"streams\":-3}"), ST_INVALID, NULL},
    {"a fraction", STR_INIT("{\"streams\":1.5}"), ST_INVALID, NULL},
    {"too large", STR_INIT("{\"bytes\":18446744073709551616}"), ST_INVALID, NULL},
    {"a list", STR_INIT("[]"), ST_INVALID, NULL},
    {"more behind it", STR_INIT("{} {}"), ST_INVALID, NULL},
    {"no JSON", STR_INIT("<html>"), ST_INVALID, NULL},
    {"cut short", STR_INIT("{\"streams\":3"), ST_INVALID, NULL},
    {"empty", STR_INIT(""), ST_INVALID, NULL},
};

/* All numbers as one text. */
static enum status read_stats(struct str in, struct arena *a, struct buf *b, struct err *err)
{
    struct index_stats s = {.streams = 99};
    enum status st = answer_index_stats(in, a, &s, err);

    if (st == ST_OK)
        buf_printf(b, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, s.streams, s.chunks, s.bytes,
                   s.entries);
    return st;
}

static const struct bare_case field_cases[] = {
    {"as recorded, by name",
     STR_INIT("{\"fields\":[{\"label\":\"size\",\"type\":\"bytes\",\"cardinality\":4,\"parsers\":["
              "\"json\"],\"jsonPath\":[\"size\"]},{\"label\":\"detected_level\",\"type\":\"string\""
              ",\"cardinality\":1,\"parsers\":null}],\"limit\":1000}"),
     ST_OK,
     "detected_level/string/1 {\"label\":\"detected_level\",\"type\":\"string\",\"cardinality\":1,"
     "\"parsers\":null}\n"
     "size/bytes/4 {\"label\":\"size\",\"type\":\"bytes\",\"cardinality\":4,\"parsers\":[\"json\"],"
     "\"jsonPath\":[\"size\"]}\n"},
    {"another order, escapes, blanks",
     STR_INIT("{\"limit\":1, \"fields\" : [ {\"cardinality\" : 2, \"label\":\"\\u0061\\n\"} ] }"),
     ST_OK, "a\n//2 {\"cardinality\" : 2, \"label\":\"\\u0061\\n\"}\n"},
    {"nothing", STR_INIT("{}"), ST_OK, ""},
    {"null", STR_INIT("{\"fields\":null,\"limit\":1000}"), ST_OK, ""},
    {"no field", STR_INIT("{\"fields\":[7]}"), ST_INVALID, NULL},
    {"a name that is a number", STR_INIT("{\"fields\":[{\"label\":7}]}"), ST_INVALID, NULL},
    {"a cardinality that is a text", STR_INIT("{\"fields\":[{\"cardinality\":\"7\"}]}"), ST_INVALID,
     NULL},
    {"an object", STR_INIT("{\"fields\":{}}"), ST_INVALID, NULL},
    {"cut short", STR_INIT("{\"fields\":[{\"label\":\"a\"}"), ST_INVALID, NULL},
    {"no JSON", STR_INIT("404 page not found"), ST_INVALID, NULL},
};

static enum status read_fields(struct str in, struct arena *a, struct buf *b, struct err *err)
{
    struct field_list list = {.count = 99};
    enum status st = answer_fields(in, a, &list, err);

    for (size_t i = 0; i < list.count && st == ST_OK; i++) {
        const struct field *f = &list.items[i];
        buf_printf(b, "%.*s/%.*s/%" PRIu64 " %.*s\n", STR_ARG(f->label), STR_ARG(f->type),
                   f->cardinality, STR_ARG(f->json));
    }
    return st;
}

static void check(const struct bare_case *c,
                  enum status (*read)(struct str, struct arena *, struct buf *, struct err *))
{
    struct err err = {.text = ""};
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&b, 4096);
    enum status st = read(c->in, &a, &b, &err);
    cr_expect_eq(st, c->want, "%s: %s, %s", c->name, status_name(st), err.text);
    if (c->want_text != NULL)
        cr_expect(str_eq(buf_str(&b), str_from(c->want_text)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
    else
        cr_expect(str_starts(str_from(err.text), STR("the answer of the server")), "%s: %s",
                  c->name, err.text);
    buf_release(&b);
    arena_release(&a);
}

Test(cli_answer_bare, index_stats)
{
    for (size_t i = 0; i < COUNT_OF(stats_cases); i++)
        check(&stats_cases[i], read_stats);
}

Test(cli_answer_bare, fields)
{
    for (size_t i = 0; i < COUNT_OF(field_cases); i++)
        check(&field_cases[i], read_fields);
}
