/*
 * label_index.h - numbers for label sets: equal sets have the same number.
 *
 * Numbers are 0, 1, 2 ... in the order in which the sets came, so they are places in an array of
 * whatever belongs to a set.
 *
 * Ownership  The texts of the sets are copied into the arena; the table itself has to be released.
 */
#ifndef QUERY_LABEL_INDEX_H
#define QUERY_LABEL_INDEX_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "proto/labels.h"

#define LABEL_INDEX_NONE ((size_t)-1)

struct label_index {
    struct arena *arena;
    struct map numbers;
    struct buf key;
    size_t count;
};

void label_index_init(struct label_index *x, struct arena *a);
void label_index_release(struct label_index *x);

/* The number of `l`, a new one if it was not there: that is what `count` was before. */
MUST_CHECK enum status label_index_add(struct label_index *x, struct labels l, size_t *ret_number,
                                       struct err *err);

/* The number of `l`, or LABEL_INDEX_NONE. */
MUST_CHECK enum status label_index_find(struct label_index *x, struct labels l, size_t *ret_number,
                                        struct err *err);

#endif
