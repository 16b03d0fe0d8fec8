/*
 * doubles.h - which entries of a stream have been met already.
 *
 * A run holds each of its entries once. The same entry may be in two runs of a stream, when it was
 * pushed twice, but then the times of the runs overlap. So only entries in such overlaps are
 * remembered, by time and a keyed hash; everywhere else there is nothing to do.
 */
#ifndef QUERY_DOUBLES_H
#define QUERY_DOUBLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/entry.h"
#include "query/source.h"

struct overlap;
struct seen_entry;

struct doubles {
    struct arena arena;       /* of one stream */
    struct buf bytes;         /* of one entry */
    struct overlap *overlaps; /* ascending, apart from each other */
    size_t overlap_count;
    struct seen_entry *seen; /* open addressing; a power of two */
    size_t seen_count;
    size_t seen_capacity;
};

/* What it remembers counts against the maximum of `parent`. */
void doubles_init(struct doubles *d, struct arena *parent);
void doubles_release(struct doubles *d);

/* From now on it is about the stream of these runs. They are brought in order of time. */
MUST_CHECK enum status doubles_begin(struct doubles *d, struct source_run *runs, size_t count);

/* May entries between these times be doubles? Then their lines are needed. */
bool doubles_possible(const struct doubles *d, int64_t min_ns, int64_t max_ns);

/*
 * Has the entry been met? It has from now on.
 *
 * ST_LIMIT  there are too many to remember
 */
MUST_CHECK enum status doubles_check(struct doubles *d, const struct entry *e, bool *ret_met);

#endif
