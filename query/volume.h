/*
 * volume.h - how much is stored: entries and bytes of the streams that a selector matches.
 *
 * No line is read. Chunks that lie in the range as a whole are summed up as the index knows them;
 * of the others the times, lengths and metadata of their entries are read.
 *
 * An entry that lies in two chunks, as it does when it was pushed again after the first was
 * flushed, counts in both; one that was pushed twice into one chunk counts once.
 */
#ifndef QUERY_VOLUME_H
#define QUERY_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "index/matcher.h"
#include "query/context.h"
#include "query/source.h"

/* A part of what a run holds. */
struct volume_part {
    const struct source_stream *stream;
    bool begins_run;   /* the first part of its run */
    int64_t bucket_ns; /* the entries have bucket <= time < bucket + step; `start_ns` without steps
                        */
    struct source_totals totals;
};

struct volume_request {
    struct source *source;
    struct query_context *q;
    struct str tenant;
    struct matcher_list matchers; /* none: everything */
    int64_t start_ns;             /* start <= time < end */
    int64_t end_ns;
    int64_t step_ns; /* buckets begin at multiples of it; 0: there is one */
    enum status (*add)(void *context, const struct volume_part *part, struct err *err);
    void *context;
};

/*
 * Give everything in the range to `add`, in no order. Damaged blocks are left out and counted in
 * the statistics of the query.
 *
 * ST_TIMEOUT, ST_CANCELLED, ST_LIMIT   the query's own end; and what `add` returns
 */
MUST_CHECK enum status volume_walk(const struct volume_request *request, struct err *err);

struct volume_counts {
    uint64_t streams;
    uint64_t chunks; /* heads in memory are chunks, too */
    uint64_t entries;
    uint64_t bytes;
};

/* Sum everything up: a request without `add`, `context` and steps. */
MUST_CHECK enum status volume_count(const struct volume_request *request,
                                    struct volume_counts *ret_counts, struct err *err);

/*
 * The bytes of an answer. Loki counts lines, two references of 4 bytes for each pair of structured
 * metadata, and the texts of pairs once a chunk. What is summed up here is the text of every pair;
 * half of it comes nearest to Loki's number for all that agents send.
 */
static inline uint64_t volume_bytes(const struct source_totals *t)
{
    return t->line_bytes + t->metadata_bytes / 2;
}

#endif
