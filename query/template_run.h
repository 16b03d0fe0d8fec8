/*
 * template_run.h - evaluate a compiled template for one entry.
 *
 * Values are Go's: nil, bool, int, float64, string, list, map, time. They live in the scratch arena
 * of the entry, and so does everything a function makes.
 */
#ifndef QUERY_TEMPLATE_RUN_H
#define QUERY_TEMPLATE_RUN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"
#include "query/ast.h"
#include "query/template.h"

/* What a template may ask for. */
struct template_data {
    struct labels labels; /* dot: ascending, errors among them */
    struct str line;      /* __line__ */
    int64_t ts_ns;        /* __timestamp__ */
};

/*
 * Run it; the text is in `scratch`.
 *
 * ST_INVALID  `err` has Go's text, without a prefix:
 *             `template: line:1:3: executing "line" at <mod 1 0>: error calling mod: ...`
 * ST_LIMIT    the arena is full, or the template takes too many steps, calls itself too deeply or
 *             writes too much; `err` says which
 */
MUST_CHECK enum status template_run(const struct template *t, const struct template_data *data,
                                    struct arena *scratch, struct str *ret_text, struct err *err);

/*
 * The labels a template reads, as far as the reference looks for them: the first names of the field
 * chains (`.a.b` reads `a`) in the main template, in `a`, each once.
 *
 * ST_LIMIT  the arena is full
 */
MUST_CHECK enum status template_fields(const struct template *t, struct arena *a,
                                       struct name_list *ret_names, struct err *err);

/* Is it exactly `{{.name}}`? Then the value of the label is all it gives. */
bool template_is_field(const struct template *t, struct str *ret_name);

#endif
