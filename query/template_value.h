/*
 * template_value.h - what the expressions of a template give: Go's values.
 *
 * Values are small and copied; what they point to lives in the scratch arena of the run, in the
 * template or in the entry, and never changes.
 */
#ifndef QUERY_TEMPLATE_VALUE_H
#define QUERY_TEMPLATE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"

enum template_value_kind {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_INT64, /* what arithmetic gives: no `int`, where a function wants one */
    VALUE_UINT8, /* a byte of a string */
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_LABELS, /* a map of strings: the dot of the main template */
    VALUE_MAP,    /* an object of JSON */
    VALUE_TIME,
};

struct template_value;

struct template_values {
    const struct template_value *items;
    size_t count;
};

/* Keys are unique and ascending. */
struct template_map {
    const struct str *keys;
    const struct template_value *values;
    size_t count;
};

/* An instant, and the zone it is shown in. */
struct template_time {
    int64_t seconds; /* since the Unix epoch; may lie before it */
    int32_t ns;      /* 0 to 999999999 */
    int32_t offset_s;
    struct str zone; /* "UTC", "CET"; empty: it has only an offset */
};

struct template_value {
    enum template_value_kind kind;
    bool boxed; /* it was taken out of a list or map that may hold anything: errors show that */
    union {
        bool truth;
        int64_t integer;
        double number;
        struct str string;
        struct template_values list;
        struct labels labels;
        struct template_map map;
        const struct template_time *time;
    };
};

static inline struct template_value value_of_bool(bool truth)
{
    return (struct template_value){.kind = VALUE_BOOL, .truth = truth};
}

static inline struct template_value value_of_int(int64_t integer)
{
    return (struct template_value){.kind = VALUE_INT, .integer = integer};
}

static inline struct template_value value_of_int64(int64_t integer)
{
    return (struct template_value){.kind = VALUE_INT64, .integer = integer};
}

static inline struct template_value value_of_float(double number)
{
    return (struct template_value){.kind = VALUE_FLOAT, .number = number};
}

static inline struct template_value value_of_string(struct str string)
{
    return (struct template_value){.kind = VALUE_STRING, .string = string};
}

bool value_is_integer(const struct template_value *v);

/* false, 0, nil and what is empty are false. */
bool value_truth(const struct template_value *v);

/* "int", "map[string]interface {}"; of nil "<nil>". */
const char *value_type(const struct template_value *v);

/* The same, where being boxed counts: "interface {}". */
const char *value_static_type(const struct template_value *v);

/*
 * The value of a key; of one that is not there, what Go has as the zero value: nil, or the empty
 * string of labels. `v` is labels or a map.
 */
struct template_value value_get(const struct template_value *v, struct str key);

/* Elements of a string (bytes), list, labels or map; false for other kinds. */
bool value_count(const struct template_value *v, size_t *ret);

/* Item `i` of a list, byte `i` of a string. */
struct template_value value_item(const struct template_value *v, size_t i);

/*
 * a == b, a < b.
 *
 * ST_INVALID  these cannot be compared; `err` has the reason
 */
MUST_CHECK enum status value_equals(const struct template_value *a, const struct template_value *b,
                                    bool *ret, struct err *err);
MUST_CHECK enum status value_less(const struct template_value *a, const struct template_value *b,
                                  bool *ret, struct err *err);

#endif
