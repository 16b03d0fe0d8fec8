/*
 * answer_bare.h - the answers that have no envelope: those about the index and about fields.
 *
 * Ownership  What is made lives in the arena or borrows the body.
 * Errors     ST_INVALID: this is not JSON, or another answer; ST_LIMIT: the arena is too small.
 */
#ifndef CLI_ANSWER_BARE_H
#define CLI_ANSWER_BARE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct index_stats {
    uint64_t streams;
    uint64_t chunks;
    uint64_t bytes;
    uint64_t entries;
};

/* Numbers that the server does not give are 0. */
MUST_CHECK enum status answer_index_stats(struct str body, struct arena *a,
                                          struct index_stats *ret_stats, struct err *err);

struct field {
    struct str label;
    struct str type; /* "int", "duration" */
    uint64_t cardinality;
    struct str json; /* all the server tells of it */
};

struct field_list {
    struct field *items;
    size_t count;
    size_t capacity;
};

/* The detected fields, by name. None is a list of none. */
MUST_CHECK enum status answer_fields(struct str body, struct arena *a, struct field_list *ret_list,
                                     struct err *err);

#endif
