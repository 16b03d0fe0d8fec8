/*
 * result.h - the answer to a query, before it is written as JSON.
 */
#ifndef QUERY_RESULT_H
#define QUERY_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"
#include "query/hits.h"

enum result_kind {
    RESULT_STREAMS,
    RESULT_SCALAR,
    RESULT_VECTOR,
    RESULT_MATRIX,
};

/* One line of a stream, with what is shown beside it when labels are asked for by category. */
struct result_row {
    int64_t ts_ns;
    struct str line;
    struct labels metadata;
    struct labels parsed;
};

struct result_stream {
    struct labels labels;
    struct result_row *rows;
    size_t count;
};

struct sample {
    int64_t ts_ns;
    double value;
};

struct series {
    struct labels labels;
    struct sample *samples; /* one in a vector */
    size_t count;
};

struct result {
    enum result_kind kind;
    struct result_stream *streams; /* RESULT_STREAMS, in order of their labels' text */
    size_t stream_count;
    struct series *series; /* the other kinds */
    size_t series_count;
    struct hits hits; /* holds lines and metadata of streams */
};

/* Frees the lines; everything else is in the arena. */
void result_release(struct result *r);

/*
 * Group sorted hits into streams by their labels: all of them or, with `categorize`, those of the
 * stream only, with structured metadata and parsed labels staying with the row.
 */
MUST_CHECK enum status result_group(struct result *r, struct arena *a, bool categorize,
                                    struct err *err);

#endif
