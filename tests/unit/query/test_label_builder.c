#include <stdio.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "query/label_builder.h"

enum { MEMORY_BYTES = 8 * 1024 * 1024, TEXT_BYTES = 64 * 1024 };

static const struct label base_pairs[] = {{STR_INIT("app"), STR_INIT("web")},
                                          {STR_INIT("env"), STR_INIT("prod")}};
static const struct labels base = {base_pairs, 2};

struct fixture {
    struct arena scratch;
    struct label_builder b;
    struct buf text;
};

static void begin(struct fixture *f, const struct label_hints *hints, struct labels metadata)
{
    arena_init(&f->scratch, MEMORY_BYTES);
    buf_init(&f->text, TEXT_BYTES);
    label_builder_init(&f->b, &f->scratch, hints);
    label_builder_begin(&f->b, base, metadata);
}

static void end(struct fixture *f)
{
    buf_release(&f->text);
    arena_release(&f->scratch);
}

/* The three categories, then all in one. */
static void expect_labels(struct fixture *f, const char *want)
{
    struct entry_labels l = label_builder_result(&f->b);

    buf_reset(&f->text);
    for (int c = 0; c < LABEL_CATEGORY_COUNT; c++) {
        labels_put_text(&f->text, l.of[c]);
        buf_put_char(&f->text, ' ');
    }
    labels_put_text(&f->text, entry_labels_merge(&f->scratch, &l));
    cr_expect(str_eq(buf_str(&f->text), str_from(want)), "got  %.*s\nwant %s",
              STR_ARG(buf_str(&f->text)), want);
}

#define METADATA(...)                                                          \
    (struct labels)                                                            \
    {                                                                          \
        (const struct label[]){__VA_ARGS__},                                   \
            sizeof((const struct label[]){__VA_ARGS__}) / sizeof(struct label) \
    }
static const struct labels none = {NULL, 0};

Test(label_builder, untouched_labels_are_borrowed)
{
    struct fixture f;

    begin(&f, NULL, none);
    struct entry_labels l = label_builder_result(&f.b);
    cr_expect_eq(l.of[LABEL_OF_STREAM].pairs, base_pairs);
    cr_expect_eq(entry_labels_merge(&f.scratch, &l).pairs, base_pairs);
    end(&f);
}

Test(label_builder, categories)
{
    struct fixture f;

    begin(&f, NULL, METADATA({STR("trace"), STR("t1")}, {STR("app"), STR("meta")}));
    label_builder_set(&f.b, STR("status"), STR("200"));
    label_builder_set(&f.b, STR("level"), STR(""));
    label_builder_delete(&f.b, STR("env"));
    expect_labels(&f, "{app=\"web\"} {app_extracted=\"meta\", trace=\"t1\"} "
                      "{level=\"\", status=\"200\"} {app=\"web\", app_extracted=\"meta\", "
                      "level=\"\", status=\"200\", trace=\"t1\"}");
    label_builder_set(&f.b, STR("trace"), STR("t2")); /* parsed replaces metadata, */
    label_builder_set(&f.b, STR("app"), STR("db"));   /* and the stream's own */
    expect_labels(&f, "{} {app_extracted=\"meta\"} "
                      "{app=\"db\", level=\"\", status=\"200\", trace=\"t2\"} {app=\"db\", "
                      "app_extracted=\"meta\", level=\"\", status=\"200\", trace=\"t2\"}");
    end(&f);
}

Test(label_builder, get_sees_what_is_there_now)
{
    struct fixture f;
    struct str value = STR_NULL;

    begin(&f, NULL, METADATA({STR("trace"), STR("t1")}));
    cr_expect(label_builder_get(&f.b, STR("app"), &value) && str_eq(value, STR("web")));
    cr_expect(label_builder_get(&f.b, STR("trace"), &value) && str_eq(value, STR("t1")));
    cr_expect_not(label_builder_get(&f.b, STR("zz"), &value));
    label_builder_set_error(&f.b, STR("JSONParserErr"), STR("why"));
    cr_expect_not(label_builder_get(&f.b, STR("__error__"), &value));
    label_builder_delete(&f.b, STR("app"));
    cr_expect_not(label_builder_get(&f.b, STR("app"), &value));
    label_builder_set(&f.b, STR("app"), STR(""));
    cr_expect(label_builder_get(&f.b, STR("app"), &value) && value.len == 0);
    end(&f);
}

Test(label_builder, errors_join_the_labels)
{
    static const struct label_hints preserving = {.preserve_errors = true};
    struct fixture f;

    begin(&f, NULL, none);
    label_builder_set_error(&f.b, STR("JSONParserErr"), STR("why"));
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {__error__=\"JSONParserErr\", "
                      "__error_details__=\"why\"} {__error__=\"JSONParserErr\", "
                      "__error_details__=\"why\", app=\"web\", env=\"prod\"}");
    label_builder_clear_error(&f.b);
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {} {app=\"web\", env=\"prod\"}");
    label_builder_set(&f.b, STR("a"), STR("1")); /* details come to light beside a change */
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {__error_details__=\"why\", a=\"1\"} "
                      "{__error_details__=\"why\", a=\"1\", app=\"web\", env=\"prod\"}");
    label_builder_clear_error_details(&f.b);
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {a=\"1\"} "
                      "{a=\"1\", app=\"web\", env=\"prod\"}");
    end(&f);

    begin(&f, &preserving, METADATA({STR("__error__"), STR("mine")}));
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {__error__=\"mine\"} "
                      "{__error__=\"mine\", app=\"web\", env=\"prod\"}");
    label_builder_set_error(&f.b, STR("LabelFilterErr"), STR("why"));
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {__error__=\"LabelFilterErr\", "
                      "__error_details__=\"why\"} {__error__=\"LabelFilterErr\", "
                      "__error_details__=\"why\", app=\"web\", env=\"prod\"}");
    label_builder_clear_error_details(&f.b);
    label_builder_set_parser_error(&f.b, STR("E"), STR(""));
    expect_labels(&f, "{app=\"web\", env=\"prod\"} {} {__error__=\"E\", "
                      "__preserve_error__=\"true\"} {__error__=\"E\", "
                      "__preserve_error__=\"true\", app=\"web\", env=\"prod\"}");
    end(&f);
}

Test(label_builder, clashes_and_first_values)
{
    struct fixture f;
    struct str name = STR("app");

    begin(&f, NULL, METADATA({STR("trace"), STR("t1")}));
    cr_assert(label_builder_wants(&f.b, &name));
    cr_expect(str_eq(name, STR("app_extracted")));
    cr_expect_eq(label_builder_extract(&f.b, name, STR("1")), EXTRACTED_MORE);
    name = STR("app");
    cr_expect_not(label_builder_wants(&f.b, &name), "the first value wins");
    label_builder_delete(&f.b, STR("app_extracted"));
    cr_expect_not(label_builder_wants(&f.b, &name), "even if it was deleted");
    name = STR("trace");
    cr_expect(label_builder_wants(&f.b, &name) && str_eq(name, STR("trace_extracted")));
    name = STR("other");
    cr_expect(label_builder_wants(&f.b, &name) && str_eq(name, STR("other")));
    end(&f);
}

static bool is_one(const struct label_filter *filter, struct label_builder *b)
{
    struct str value = STR_NULL;

    (void)filter;
    return label_builder_get(b, STR("a"), &value) && str_eq(value, STR("1"));
}

Test(label_builder, hints_restrict_and_end_entries)
{
    struct label required[] = {{STR("a"), STR_NULL}, {STR("b_c"), STR_NULL}};
    struct early_filter early[] = {{STR("a"), is_one, NULL}};
    struct label_hints hints = {.restricted = true,
                                .required = {.pairs = required, .count = 2},
                                .early = early,
                                .early_count = 1};
    struct label_hints nothing = {.restricted = true};
    struct str name = STR("zz");
    struct fixture f;

    begin(&f, &hints, none);
    cr_expect(label_builder_wants_any(&f.b));
    cr_expect_not(label_builder_wants(&f.b, &name));
    cr_expect(label_builder_wants_prefix(&f.b, STR("b_")));
    cr_expect_not(label_builder_wants_prefix(&f.b, STR("c_")));
    cr_expect_eq(label_builder_extract(&f.b, STR("a"), STR("1")), EXTRACTED_MORE);
    cr_expect_eq(label_builder_extract(&f.b, STR("b_c"), STR("2")), EXTRACTED_ALL);
    cr_expect_not(label_builder_wants_any(&f.b), "all that is wanted is there");
    end(&f);

    begin(&f, &hints, none);
    cr_expect_eq(label_builder_extract(&f.b, STR("a"), STR("2")), EXTRACTED_DROP);
    end(&f);

    begin(&f, &nothing, none);
    cr_expect_not(label_builder_wants_any(&f.b));
    end(&f);
}

/* What may not be wanted is not wanted, whatever becomes of the key. */
Test(label_builder, keys_that_no_name_is_made_of)
{
    static const char *const parts[] = {"a", "b_c", "1", "_", "-", " ", "\xc2\xa0", "\xff", "app"};
    struct label required[] = {{STR("a_b_c"), STR_NULL},
                               {STR("_1"), STR_NULL},
                               {STR("app_extracted"), STR_NULL},
                               {STR("___a"), STR_NULL}};
    struct label_hints hints = {.restricted = true,
                                .required = {.pairs = required, .count = COUNT_OF(required)}};
    size_t wanted = 0, refused = 0;
    struct fixture f;

    begin(&f, &hints, none);
    for (size_t i = 0; i < 9 * 9 * 9 * 9; i++) {
        buf_reset(&f.text);
        for (size_t k = 0, rest = i; k < 4; k++, rest /= 9)
            buf_put(&f.text, str_from(rest % 9 == 8 && k > 0 ? "" : parts[rest % 9]));
        struct str key = buf_str(&f.text), name = label_name_sanitize(&f.scratch, key);
        bool wants = name.len > 0 && label_builder_wants(&f.b, &name);
        cr_assert(!wants || label_builder_may_want(&f.b, key), "%.*s", STR_ARG(key));
        wanted += wants ? 1 : 0;
        refused += label_builder_may_want(&f.b, key) ? 0 : 1;
    }
    cr_expect_gt(wanted, 20);
    cr_expect_gt(refused, 700, "%zu", refused);
    cr_expect_not(label_builder_may_want(&f.b, STR("b")));
    cr_expect(label_builder_may_want(&f.b, STR("app")), "as app_extracted");
    end(&f);
}

Test(label_builder, names_of_keys)
{
    static const struct {
        struct str key, name;
    } cases[] = {
        {STR_INIT("plain_1"), STR_INIT("plain_1")},
        {STR_INIT("user-id"), STR_INIT("user_id")},
        {STR_INIT("2x"), STR_INIT("_2x")},
        {STR_INIT(" a b "), STR_INIT("a_b")},
        {STR_INIT("\xc3\xa9"), STR_INIT("_")},
        {STR_INIT("\xff\xfe"), STR_INIT("__")},
        {STR_INIT(" \xc2\xa0 "), STR_INIT("")},
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("\xc2\xa0"
                  "a\xe2\x80\x83"),
         STR_INIT("a")},
    };
    struct arena a;

    arena_init(&a, MEMORY_BYTES);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str got = label_name_sanitize(&a, cases[i].key);
        cr_expect(str_eq(got, cases[i].name), "case %zu: %.*s", i, STR_ARG(got));
    }
    arena_release(&a);
}

Test(label_builder, memory_is_bounded)
{
    struct arena scratch;
    struct label_builder b;
    char name[32];

    arena_init(&scratch, 16 * 1024);
    label_builder_init(&b, &scratch, NULL);
    label_builder_begin(&b, base, none);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "l%d", i);
        label_builder_set(&b, arena_str(&scratch, str_from(name)), STR("v"));
    }
    (void)label_builder_result(&b);
    cr_expect(scratch.failed);
    arena_release(&scratch);
}
