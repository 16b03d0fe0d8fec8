/*
 * stream.h - one stream of a tenant in memory: its labels, its open head and its sealed ones.
 *
 *     entries -> open head --seal--> sealed (waiting for the flusher) --commit--> gone from memory
 *
 * Threads  Everything under the lock of the tenant; the content of a sealed head needs none.
 */
#ifndef SERVER_STORE_STREAM_H
#define SERVER_STORE_STREAM_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "chunks/head.h"
#include "proto/labels.h"

/* clang-format off */
/* Why a head was sealed: the label `reason` of loki_ingester_chunks_flushed_total. */
#define SEAL_REASONS(X)                                                                           \
    X(FULL,    "full")                                                                            \
    X(IDLE,    "idle")                                                                            \
    X(MAX_AGE, "max_age")                                                                         \
    X(FORCED,  "forced")                                                                          \
    X(MEMORY,  "memory") /* all heads together are too large */                                   \
    X(WAL,     "wal")    /* it kept the oldest file of a log that is too large */
/* clang-format on */

enum seal_reason {
#define X(id, name) SEAL_##id,
    SEAL_REASONS(X)
#undef X
        SEAL_REASON_COUNT,
};

const char *seal_reason_name(enum seal_reason reason);

/* A head that gets no more entries and is not in a committed chunk yet. */
struct sealed {
    struct sealed *next; /* newer */
    struct head *head;
    uint64_t seq_first; /* log records its entries come from */
    uint64_t seq_max;
};

struct stream {
    struct str key; /* the labels in stored form; owned, the labels borrow it */
    struct labels labels;
    struct head *head; /* NULL: nothing is open */
    uint64_t head_seq_first;
    int64_t head_opened_ns; /* monotonic */
    int64_t last_append_ns; /* monotonic */
    uint64_t seq_max;       /* the last log record with entries of this stream */
    uint64_t flushed_seq;   /* records up to this one are in committed chunks */
    struct sealed *sealed_first;
    struct sealed *sealed_last;
};

/* `key` is labels in stored form and is copied. NULL when memory runs out. */
struct stream *stream_new(struct str key);
void stream_free(struct stream *s); /* accepts NULL */

/* Close the open head, which must be there. ST_NOMEM: it stays open. */
MUST_CHECK enum status stream_seal(struct stream *s);

/* Take the oldest sealed head off the list and drop it; it is in committed chunks now. */
void stream_drop_sealed(struct stream *s);

/* The first log record whose entries are only in memory; UINT64_MAX when there is none. */
uint64_t stream_oldest_seq(const struct stream *s);

#endif
