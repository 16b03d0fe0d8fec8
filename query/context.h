/*
 * context.h - one query while it runs: its memory, its limits, what it has read.
 *
 * Long loops call query_check(): it is cheap, and it is what makes a query end at its deadline or
 * soon after its client has gone.
 */
#ifndef QUERY_CONTEXT_H
#define QUERY_CONTEXT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/err.h"

/* What a query has done; the numbers of `stats` in an answer. */
struct query_stats {
    uint64_t streams;
    uint64_t head_chunks;
    uint64_t chunk_refs;    /* chunks in the range, by the index */
    uint64_t chunks_opened; /* of which so many heads were read */
    uint64_t compressed_bytes;
    uint64_t decompressed_bytes; /* of lines */
    uint64_t decompressed_lines;
    uint64_t decompressed_metadata_bytes;
    uint64_t head_bytes;
    uint64_t head_lines;
    uint64_t head_metadata_bytes;
    uint64_t duplicates;
    uint64_t post_filter_lines;
    uint64_t entries_returned;
    uint64_t corrupt_blocks; /* left out because they are damaged */
    uint64_t series_limit;   /* further series than so many were left out; 0: none were */
    int64_t index_ns;        /* time spent on finding chunks */
    int64_t read_ns;         /* time spent on reading and unpacking them */
};

struct query_context {
    struct arena *arena;    /* of the request */
    uint64_t memory_max;    /* for what does not fit an arena: rows that come and go */
    int64_t deadline_ns;    /* monotonic */
    struct flag *cancelled; /* set when the client is gone; may be NULL */
    struct query_stats stats;
};

/* ST_OK, ST_CANCELLED or ST_TIMEOUT, with the texts that clients know. */
MUST_CHECK enum status query_check(const struct query_context *q, struct err *err);

/*
 * The same for the `n`-th entry of many: most of the time it does nothing, but it looks after each
 * long line, which alone may take a while.
 */
static inline enum status query_check_entry(const struct query_context *q, uint32_t n,
                                            size_t line_bytes, struct err *err)
{
    enum { EVERY_ENTRIES = 64, LONG_LINE_BYTES = 4096 };

    if (n % EVERY_ENTRIES != 0 && line_bytes < LONG_LINE_BYTES)
        return ST_OK;
    return query_check(q, err);
}

/*
 * A context for one more thread of the query: an arena of its own that shares the maximum of the
 * query's, and stats that begin at zero. query_context_join() adds these and frees the arena.
 */
struct query_context query_context_fork(struct query_context *q, struct arena *arena);
void query_context_join(struct query_context *q, struct query_context *part);

/*
 * For a run or block that could not be read. Damage costs what it hit, not the query: it is
 * counted, for the answer to carry a warning, and ST_OK returned. Any other status is returned.
 */
MUST_CHECK enum status query_forgive_damage(struct query_context *q, enum status st);

#endif
