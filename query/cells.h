/*
 * cells.h - sums by row and step: one cell for each pair that has entries.
 *
 * A row is whatever the caller groups entries by. Cells are found by a hash map: steps may be many
 * and most of them empty.
 */
#ifndef QUERY_CELLS_H
#define QUERY_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "query/source.h"

struct cell {
    struct {
        const void *row;
        int64_t bucket_ns;
    } key; /* its bytes are the key in the map */
    struct source_totals totals;
};

struct cells {
    struct arena *arena;
    struct map map;
    struct cell **sorted; /* after cells_sort(): those of a row together, in order of time */
    size_t count;
};

void cells_init(struct cells *c, struct arena *a);
void cells_release(struct cells *c);

/* Add to the cell of a row and step. */
MUST_CHECK enum status cells_add(struct cells *c, const void *row, int64_t bucket_ns,
                                 const struct source_totals *t, struct err *err);

/* Bring all cells into order. */
MUST_CHECK enum status cells_sort(struct cells *c, struct err *err);

/* After cells_sort(): the cells of a row. */
struct cell **cells_of(const struct cells *c, const void *row, size_t *ret_count);

static inline void totals_add(struct source_totals *to, const struct source_totals *t)
{
    to->entries += t->entries;
    to->line_bytes += t->line_bytes;
    to->metadata_bytes += t->metadata_bytes;
}

#endif
