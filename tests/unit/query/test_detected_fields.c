#include "query/detected_fields.h"

#include <criterion/criterion.h>

#include "query/field_path.h"
#include "query/id_value.h"
#include "tests/support/expect.h"

enum { TEXT_BYTES = 65536 };

#define ARENA_BYTES (16 * MIB)

static const struct type_case {
    const char *value;
    enum field_type want;
} type_cases[] = {
    {"12", FIELD_INT},     {"-1", FIELD_INT},        {"1.5", FIELD_FLOAT},
    {"1e3", FIELD_FLOAT},  {"true", FIELD_BOOLEAN},  {"F", FIELD_BOOLEAN},
    {"yes", FIELD_STRING}, {"15ms", FIELD_DURATION}, {"1h2m", FIELD_DURATION},
    {"1d", FIELD_STRING},  {"10kb", FIELD_BYTES},    {"1.5 GiB", FIELD_BYTES},
    {"", FIELD_STRING},    {"abc", FIELD_STRING},    {"99999999999999999999", FIELD_FLOAT},
};

Test(detected_fields, types)
{
    for (size_t i = 0; i < COUNT_OF(type_cases); i++)
        EXPECT_STR(type_cases[i].value,
                   field_type_text(field_type_of(str_from(type_cases[i].value))),
                   field_type_text(type_cases[i].want));
}

static const struct path_case {
    const char *line, *name;
    const char *want; /* the keys, each with a slash in front; NULL: there is no such member */
} path_cases[] = {
    {"{\"a\":1}", "a", "/a"},
    {"{\"a\":{\"b\":{\"c\":\"x\"}}}", "a_b_c", "/a/b/c"},
    {"{\"weird key-1\":true}", "weird_key_1", "/weird key-1"},
    {"{\"9a\":{\"1\":2}}", "_9a_1", "/9a/1"},
    {"{\"a_b\":{\"x\":1},\"a\":{\"b\":2}}", "a_b", "/a/b"},
    {"{\"a\":{\"b\":2},\"a_b\":3}", "a_b", "/a/b"},
    {"{\"a\":[1],\"b\":null}", "a", NULL},
    {"{\"a\":1}", "a_extracted", NULL},
    {"{\"a\":1}", "ab", NULL},
    {"not json", "a", NULL},
};

struct wanted_path {
    struct str name;
    struct buf *text; /* of the first path to the name */
    size_t visits;
};

static void visit_path(void *context, struct str name, struct name_list path)
{
    struct wanted_path *w = context;

    w->visits++;
    if (!str_eq(name, w->name) || w->text->len > 0)
        return;
    for (size_t i = 0; i < path.count; i++)
        buf_printf(w->text, "/%.*s", STR_ARG(path.names[i]));
}

Test(detected_fields, paths)
{
    for (size_t i = 0; i < COUNT_OF(path_cases); i++) {
        const struct path_case *c = &path_cases[i];
        struct arena a;
        struct buf text;
        struct wanted_path wanted = {str_from(c->name), &text, 0};

        arena_init(&a, ARENA_BYTES);
        buf_init(&text, TEXT_BYTES);
        field_paths_visit(&a, str_from(c->line), visit_path, &wanted);
        EXPECT_STR(c->line, buf_str(&text), str_from(c->want == NULL ? "" : c->want));
        buf_release(&text);
        arena_release(&a);
    }
}

/* What is nested more deeply than anything is followed, and what has too long a name, is not
 * visited. */
Test(detected_fields, limits_of_paths)
{
    struct arena a;
    struct buf line;
    struct wanted_path wanted = {STR(""), &line, 0};

    arena_init(&a, ARENA_BYTES);
    buf_init(&line, TEXT_BYTES);
    for (int i = 0; i < 1000; i++)
        buf_put(&line, STR("{\"a\":"));
    buf_put_char(&line, '1');
    for (int i = 0; i < 1000; i++)
        buf_put_char(&line, '}');
    field_paths_visit(&a, buf_str(&line), visit_path, &wanted);
    cr_expect_eq(wanted.visits, 0);

    buf_reset(&line);
    buf_printf(&line, "{\"a\":{\"%01100d\":1,\"b\":2}}", 0);
    field_paths_visit(&a, buf_str(&line), visit_path, &wanted);
    cr_expect_eq(wanted.visits, 1);
    buf_release(&line);
    arena_release(&a);
}

static const struct label stream_labels[] = {{STR_INIT("app"), STR_INIT("web")}};
static const struct label trace[] = {{STR_INIT("trace_id"), STR_INIT("7")}};
static const struct label parsed_a[] = {{STR_INIT("a"), STR_INIT("1")}};

static const struct result_row rows[] = {
    {.line = STR_INIT("{\"app\":\"x\",\"size\":\"10kb\",\"o\":{\"n\":1}}"), .metadata = {trace, 1}},
    {.line = STR_INIT("size=10KB took=5ms"), .metadata = {trace, 1}},
    {.line = STR_INIT("{\"size\":\"3B"), .parsed = {parsed_a, 1}},
};

static void put_field(struct buf *b, const struct detected_field *f)
{
    buf_printf(b, "%.*s %.*s %zu%s%s", STR_ARG(f->name), STR_ARG(field_type_text(f->type)),
               f->values.count, f->by_json ? " json" : "", f->by_logfmt ? " logfmt" : "");
    for (size_t i = 0; i < f->path.count; i++)
        buf_printf(b, "/%.*s", STR_ARG(f->path.names[i]));
    buf_put_char(b, '\n');
}

static const struct detect_case {
    const char *name;
    const char *only;
    size_t fields_max, values_max;
    const char *want;
} detect_cases[] = {
    {"all", "", 100, 100,
     "a int 1 logfmt\napp_extracted string 1 json/app\no_n int 1 json/o/n\n"
     "size bytes 2 json logfmt/size\ntook duration 1 logfmt\ntrace_id int 1\n"},
    {"the first ones", "", 1, 100, "trace_id int 1\n"},
    {"sizes in one form", "size", 1, 100, "size bytes 1 json logfmt/size\n"},
    {"no such field", "b", 1, 100, ""},
};

Test(detected_fields, detector)
{
    for (size_t i = 0; i < COUNT_OF(detect_cases); i++) {
        const struct detect_case *c = &detect_cases[i];
        const struct result_stream stream = {.labels = {stream_labels, 1}};
        const struct detected_field **fields = NULL;
        struct field_detector d;
        struct arena a;
        struct buf text;
        size_t count = 0;

        arena_init(&a, ARENA_BYTES);
        buf_init(&text, TEXT_BYTES);
        REQUIRE_OK(field_detector_init(&d, &a, NULL));
        d.only = str_from(c->only);
        d.fields_max = c->fields_max;
        d.values_max = c->values_max;
        for (size_t j = 0; j < COUNT_OF(rows); j++)
            REQUIRE_OK(field_detector_add(&d, &stream, &rows[j], NULL));
        REQUIRE_OK(field_detector_fields(&d, &fields, &count, NULL));
        for (size_t j = 0; j < count; j++)
            put_field(&text, fields[j]);
        EXPECT_STR(c->name, buf_str(&text), str_from(c->want));
        field_detector_release(&d);
        buf_release(&text);
        arena_release(&a);
    }
}

static const struct id_case {
    const char *value;
    bool want;
} id_cases[] = {
    {"12", true},
    {"-1.5", true},
    {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", true},
    {"6BA7B8109DAD11D180B400C04FD430C8", true},
    {"{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", true},
    {"URN:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", true},
    {"6ba7b810-9dad-11d1-80b4-00c04fd430c", false},
    {"6ba7b810x9dad-11d1-80b4-00c04fd430c8", false},
    {"gba7b810-9dad-11d1-80b4-00c04fd430c8", false},
    {"prod", false},
    {"", false},
    {"{}", false},
};

Test(detected_fields, ids)
{
    for (size_t i = 0; i < COUNT_OF(id_cases); i++)
        cr_expect_eq(value_is_id(str_from(id_cases[i].value)), id_cases[i].want, "%s",
                     id_cases[i].value);
}
