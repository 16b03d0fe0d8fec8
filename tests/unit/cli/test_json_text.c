#include "cli/json_text.h"

#include <criterion/criterion.h>

#define ARENA_BYTES_MAX ((size_t)1 << 20)

static const struct text_case {
    const char *name;
    struct str in;
    const char *want_line;
    const char *want_indented;
} text_cases[] = {
    {"a number keeps its digits", STR_INIT(" 1.500e3 "), "1.500e3", "1.500e3"},
    {"empty", STR_INIT("[ { } , [ ] ]"), "[{},[]]", "[\n  {},\n  []\n]"},
    {"both", STR_INIT("{ \"a\" : [ 1 ,\n2 ] , \"b\" : null }"), "{\"a\":[1,2],\"b\":null}",
     "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": null\n}"},
    {"texts", STR_INIT("[\"a b\\u0063\",{\"\\u0061\":\"\\n\"}]"),
     "[\"a b\\u0063\",{\"a\":\"\\n\"}]", "[\n  \"a b\\u0063\",\n  {\n    \"a\": \"\\n\"\n  }\n]"},
};

Test(cli_json_text, forms)
{
    for (size_t i = 0; i < COUNT_OF(text_cases); i++) {
        const struct text_case *c = &text_cases[i];
        struct json j;
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES_MAX);
        buf_init(&b, 4096);
        json_init(&j, c->in, &a, NULL);
        json_text_put_line(&b, &j);
        json_finish(&j);
        cr_expect_eq(json_status(&j), ST_OK, "%s", c->name);
        cr_expect(str_eq(buf_str(&b), str_from(c->want_line)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));

        buf_reset(&b);
        json_init(&j, c->in, &a, NULL);
        json_text_put_indented(&b, &j);
        cr_expect(str_eq(buf_str(&b), str_from(c->want_indented)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
        arena_release(&a);
    }
}

Test(cli_json_text, wrong_text_shows_in_the_reader)
{
    static const struct str wrong[] = {STR_INIT("[1,"), STR_INIT("{\"a\"}"), STR_INIT("tru"),
                                       STR_INIT("")};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct json j;
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES_MAX);
        buf_init(&b, 4096);
        json_init(&j, wrong[i], &a, NULL);
        json_text_put_line(&b, &j);
        cr_expect_neq(json_status(&j), ST_OK, "%.*s", STR_ARG(wrong[i]));
        json_init(&j, wrong[i], &a, NULL);
        cr_expect_eq(json_text_take(&j).len, 0);
        buf_release(&b);
        arena_release(&a);
    }
}

/* As deep as the reader goes, and deeper. */
Test(cli_json_text, depth)
{
    struct json j;
    struct arena a;
    struct buf deep, b;

    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&deep, 4096);
    buf_init(&b, 65536);
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        buf_put_char(&deep, '[');
    json_init(&j, buf_str(&deep), &a, NULL);
    json_text_put_indented(&b, &j);
    cr_expect_eq(json_status(&j), ST_INVALID);
    buf_release(&deep);
    buf_release(&b);
    arena_release(&a);
}

Test(cli_json_text, take)
{
    struct json j;
    struct arena a;

    arena_init(&a, ARENA_BYTES_MAX);
    json_init(&j, STR(" [ 1, {\"a\" : 2} ] "), &a, NULL);
    json_enter_array(&j);
    cr_assert(json_next_item(&j));
    cr_expect(str_eq(json_text_take(&j), STR("1")));
    cr_assert(json_next_item(&j));
    cr_expect(str_eq(json_text_take(&j), STR("{\"a\" : 2}")));
    cr_expect_not(json_next_item(&j));
    arena_release(&a);
}
