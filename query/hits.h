/*
 * hits.h - the best `limit` entries of a log query: the newest (backward) or the oldest.
 *
 * Entries are offered in any order; the collection keeps the best ones, each once, and tells which
 * times could still get in, so that blocks that cannot are never read. The order is: time; then,
 * where times are equal, the hash of the stream's labels, the labels; within a stream the order of
 * arrival (reversed when backward).
 *
 * Ownership  Lines, metadata and labels of what is kept are copied; the rest is not touched.
 */
#ifndef QUERY_HITS_H
#define QUERY_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"
#include "query/label_builder.h"
#include "query/source.h"

struct hit {
    int64_t ts_ns;
    const struct source_stream *stream;
    uint64_t order;    /* of its run, */
    uint64_t position; /* and within the run's blocks: later is higher */
    struct str line;   /* as stored, like the metadata: what tells doubles */
    struct labels metadata;
    struct str shown;           /* what the stages made of the line, */
    struct entry_labels labels; /* and of the labels */
};

struct kept_hit;

struct hits {
    struct kept_hit **heap; /* the worst one first */
    size_t count;
    size_t limit;
    bool backward;
    struct kept_hit **buckets; /* by stream, time and line: to find doubles */
    size_t bucket_count;
    uint64_t bytes; /* copied */
    uint64_t bytes_max;
    uint64_t duplicates; /* offered again */
};

/* `limit` >= 1. */
MUST_CHECK enum status hits_init(struct hits *h, size_t limit, bool backward, uint64_t bytes_max);
void hits_release(struct hits *h);

/* The worst time that an entry may have to get in; it only gets better. */
int64_t hits_bound_ns(const struct hits *h);

/*
 * Keep `hit` if it is among the best so far.
 *
 * ST_LIMIT  the copies would take more than `bytes_max`       ST_NOMEM
 */
MUST_CHECK enum status hits_offer(struct hits *h, const struct hit *hit);

/* Bring what was kept into order, the best first; no more offers afterwards. */
void hits_sort(struct hits *h);

/* After hits_sort(): the i-th one. */
const struct hit *hits_at(const struct hits *h, size_t i);

#endif
