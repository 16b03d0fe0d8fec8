/*
 * array_source.h - a source for the engine that is made of an array of entries.
 *
 * Entries of one stream are cut into runs of `run_entries` in the order of the array; each run is
 * sorted by time and cut into blocks of `block_entries`. The same entry may stand in several runs,
 * as it does in a head and in a chunk.
 */
#ifndef TESTS_SUPPORT_ARRAY_SOURCE_H
#define TESTS_SUPPORT_ARRAY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/entry.h"
#include "query/source.h"

struct array_entry {
    struct labels stream;
    struct entry entry;
};

struct array_source {
    struct source source; /* first */
    const struct array_entry *entries;
    size_t count;
    size_t run_entries;
    size_t block_entries;
    size_t blocks_loaded; /* by all queries so far */
    bool has_filters;     /* may_contain() tells the truth; else it is always true */
    bool no_totals;       /* totals() knows nothing, as for heads */
    size_t damaged_block; /* the n-th load (from 1) fails with ST_CORRUPT; 0: none */
};

void array_source_init(struct array_source *s, const struct array_entry *entries, size_t count);

#endif
