/*
 * stage.h - what the targets of the parser stages share: a stage, run on a line, and what must be
 * true of the labels that come of it whatever the line is.
 */
#ifndef TESTS_FUZZ_STAGE_H
#define TESTS_FUZZ_STAGE_H

#include "query/stage.h"
#include "tests/fuzz/fuzz.h"

/* Names are valid, unique and ascending. */
static inline void stage_check_labels(struct labels l)
{
    for (size_t i = 0; i < l.count; i++) {
        ASSERT(label_name_valid(l.pairs[i].name));
        ASSERT(i == 0 || str_cmp(l.pairs[i - 1].name, l.pairs[i].name) < 0);
    }
}

/* All labels of `in` after the stage, made in `a`; `*ret_line` is the line as the stage left it. */
static inline struct labels stage_run(struct arena *a, const struct stage *s,
                                      const struct label_hints *hints, struct str in,
                                      struct str *ret_line)
{
    static const struct label stream[] = {{STR_INIT("b"), STR_INIT("stream")}};
    static const struct label metadata[] = {{STR_INIT("m"), STR_INIT("metadata")}};
    struct entry_state e = {.line = in, .scratch = a};

    label_builder_init(&e.labels, a, hints);
    label_builder_begin(&e.labels, (struct labels){stream, COUNT_OF(stream)},
                        (struct labels){metadata, COUNT_OF(metadata)});
    ASSERT(s->run(s, &e)); /* without filters nothing is dropped */
    struct entry_labels all = label_builder_result(&e.labels);
    struct labels l = entry_labels_merge(a, &all);
    ASSERT(!a->failed);
    stage_check_labels(l);
    ASSERT(str_eq(labels_get(l, STR("b")), STR("stream")));
    *ret_line = e.line;
    return l;
}

/*
 * With hints a stage finds some of the labels it finds without, and nothing else. A line with an
 * error may have more behind it, which only who skips the error comes to.
 */
static inline void stage_check_hints(struct arena *a, const struct stage *s, struct str in,
                                     struct labels all)
{
    static const struct str names[] = {STR_INIT("a"), STR_INIT("a_b"), STR_INIT("b_extracted")};
    struct label_hints hints = {.restricted = true};
    struct str line;

    if (labels_has(all, STR("__error__")))
        return;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        label_table_put(a, &hints.required, names[i], STR_NULL);
    struct labels some = stage_run(a, s, &hints, in, &line);
    for (size_t i = 0; i < some.count; i++) {
        struct label pair = some.pairs[i];
        ASSERT(labels_has(all, pair.name));
        ASSERT(str_eq(labels_get(all, pair.name), pair.value));
    }
    for (size_t i = 0; i < COUNT_OF(names); i++)
        ASSERT(labels_has(some, names[i]) == labels_has(all, names[i]));
}

#endif
