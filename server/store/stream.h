/*
 * stream.h - one stream of a tenant in memory: its labels, its open head and its sealed ones.
 *
 *     entries -> open head --seal--> sealed (waiting for the flusher) --commit--> gone from memory
 *
 * A stream is one block of memory, for there may be very many. It goes when nothing of it is in
 * memory any more (streams.h).
 *
 * Threads  Everything under the lock of the tenant; the content of a sealed head needs none.
 */
#ifndef SERVER_STORE_STREAM_H
#define SERVER_STORE_STREAM_H

#include <stdbool.h>
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
    bool continues; /* the last record of the one before: both are committed together */
};

struct stream {
    struct str key;    /* the labels in stored form, behind the positions */
    struct head *head; /* NULL: nothing is open */
    struct sealed *sealed_first;
    uint64_t head_seq_first;
    int64_t head_opened_ns; /* monotonic */
    int64_t last_append_ns; /* monotonic */
    uint64_t seq_max;       /* the last log record with entries of this stream */
    uint64_t flushed_seq;   /* records up to this one are in committed chunks; known of replay */
    uint32_t number;        /* streams.c: its place among the streams of the tenant */
    bool listed;            /* streams.c: it can be found by its labels */
    bool head_continues;    /* the open head has more of the last record of the newest sealed one */
    uint32_t label_count;
    uint32_t positions[]; /* streams.c: for each label where, in the list of its value */
};

/* `key` is labels in stored form and is copied. NULL when memory runs out. */
struct stream *stream_new(struct str key);
void stream_free(struct stream *s); /* accepts NULL */

/* Its own memory, without what is in heads. */
static inline uint64_t stream_bytes(const struct stream *s)
{
    return sizeof(*s) + s->label_count * sizeof(s->positions[0]) + s->key.len;
}

/*
 * Step through the labels, which borrow the stream: `*rest` is stream_pairs() at first. False at
 * the end.
 */
struct str stream_pairs(const struct stream *s);
bool stream_next_pair(struct str *rest, struct label *ret_pair);

/* The value of a label; empty when it is not there. */
struct str stream_label(const struct stream *s, struct str name);

static inline bool stream_has_entries(const struct stream *s)
{
    return s->head != NULL || s->sealed_first != NULL;
}

/* Close the open head, which must be there. ST_NOMEM: it stays open. */
MUST_CHECK enum status stream_seal(struct stream *s);

/* Take the oldest sealed head off the list and drop it; it is in committed chunks now. */
void stream_drop_sealed(struct stream *s);

/*
 * Of the sealed heads the first that cannot be committed yet, since the open head has more of its
 * last record; NULL when there is none.
 */
const struct sealed *stream_unfinished(const struct stream *s);

/* The first log record whose entries are only in memory; UINT64_MAX when there is none. */
uint64_t stream_oldest_seq(const struct stream *s);

#endif
