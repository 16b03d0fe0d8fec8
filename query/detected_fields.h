/*
 * detected_fields.h - what fields a sample of lines has: structured metadata, labels that the query
 * parsed, and what `json` or, where that fails, `logfmt` makes of the line.
 *
 * Entries are added one by one; everything that is kept is copied into the arena.
 */
#ifndef QUERY_DETECTED_FIELDS_H
#define QUERY_DETECTED_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "query/ast.h"
#include "query/result.h"
#include "query/stage.h"

/* clang-format off */
/* What the values of a field look like: the first that fits. */
#define FIELD_TYPES(X)                                                                            \
    X(INT,      "int")                                                                            \
    X(FLOAT,    "float")                                                                          \
    X(BOOLEAN,  "boolean")                                                                        \
    X(DURATION, "duration") /* as Go writes it */                                                 \
    X(BYTES,    "bytes")    /* with a unit */                                                     \
    X(STRING,   "string")
/* clang-format on */

enum field_type {
#define X(name, text) FIELD_##name,
    FIELD_TYPES(X)
#undef X
};

struct str field_type_text(enum field_type type);
enum field_type field_type_of(struct str value);

struct detected_field {
    struct str name;
    enum field_type type; /* of the value that was added last */
    struct map values;    /* distinct: text -> the text, a struct str */
    bool by_json;         /* which parsers have found it */
    bool by_logfmt;
    struct name_list path; /* the keys of `json`; empty: it is not known */
};

struct field_detector {
    struct arena *arena;
    struct arena scratch;
    struct map map; /* name -> struct detected_field */
    size_t fields_max;
    struct str only;   /* the one field that is wanted; empty: all */
    size_t values_max; /* of that field */
    bool wants_paths;  /* a field of the row that is added has none yet */
    struct stage json;
    struct stage logfmt;
};

/* field_detector_release() follows in any case; it frees the values of the fields, too. */
MUST_CHECK enum status field_detector_init(struct field_detector *d, struct arena *a,
                                           struct err *err);
void field_detector_release(struct field_detector *d);

/*
 * Add what one row has. Fields beyond `fields_max` are left out. Sizes among the values of the only
 * field are brought into one form, so that they can stand in a query.
 *
 * ST_LIMIT, ST_NOMEM
 */
MUST_CHECK enum status field_detector_add(struct field_detector *d,
                                          const struct result_stream *stream,
                                          const struct result_row *row, struct err *err);

/* All fields by name, in the arena. */
MUST_CHECK enum status field_detector_fields(const struct field_detector *d,
                                             const struct detected_field ***ret_fields,
                                             size_t *ret_count, struct err *err);

#endif
