/*
 * store_internal.h - the insides of the store: shared by the files of server/store/ only.
 */
#ifndef SERVER_STORE_STORE_INTERNAL_H
#define SERVER_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "base/map.h"
#include "chunks/segment.h"
#include "chunks/wal.h"
#include "index/index.h"
#include "server/store/deletes.h"
#include "server/store/hide.h"
#include "server/store/merge.h"
#include "server/store/open_segments.h"
#include "server/store/space.h"
#include "server/store/store.h"
#include "server/store/wal_push.h"

struct dropped;      /* drop.h */
struct segment_walk; /* chunks/segment_walk.h */

enum { STORE_PATH_BYTES = 4096 };

/* A segment that nothing in the index refers to any more. */
struct dead_segment {
    struct segment_name name;
    uint64_t batch_number; /* reads that have this batch do not need the file */
    uint64_t number;       /* how many were killed before it */
    bool told;             /* that its file cannot be removed */
};

enum { DEAD_SEGMENTS_MAX = 256 };

struct flusher {
    pthread_t thread;
    bool started;
    struct lock lock; /* for all below */
    struct lock_cond wake;
    struct lock_cond done;
    bool stop;
    struct flag abandon; /* what is running ends, as if it had failed; nothing more is begun */
    bool woken;
    uint64_t forced;    /* flushes of everything that were asked for */
    uint64_t completed; /* of them */
    enum status last_status;
    struct err last_err;

    /* the thread's own */
    struct open_segments segments;
    int64_t next_round_ns; /* when it goes through all streams again, whatever happens */
    int64_t next_retry_ns; /* after a failure */
    uint64_t next_segment;
    struct dead_segment dead[DEAD_SEGMENTS_MAX]; /* oldest first */
    size_t dead_count;
    bool broken; /* see flush.c */
};

struct store {
    struct source source; /* first, so that it can be cast back */
    struct store_options options;
    char dir[STORE_PATH_BYTES];
    char *segments_dir;
    char *wal_dir;
    int lock_fd; /* holds the data directory */
    struct index *index;
    struct segments *segments;
    struct wal *wal;
    struct flusher flusher;
    struct merger merger;
    struct deletes deletes;
    struct hide_table hidden; /* what the delete requests hide */
    struct space space;

    struct lock lock; /* for the three below */
    struct map tenants;
    struct tenant *newest_tenant;
    const struct config *config; /* whose limits count */

    struct counter next_chunk;
    struct counter head_bytes;   /* memory of all heads */
    struct counter stream_bytes; /* of the streams they belong to: streams.h */
    struct flag has_full;        /* a head is full */
    struct counter heads;
    struct counter chunks_created;
    struct counter sealed[SEAL_REASON_COUNT];
    struct counter chunks_flushed;
    struct counter flushes_failed;
    struct counter corrupt_blocks;
    struct flag flush_failing;
    uint64_t replayed_records;
    uint64_t damaged_files;
    bool index_rebuilt;
    struct counter mended_heads;
    struct segment_damage *damages; /* that the index knows; unchanged after the start */
    size_t damage_count;
};

static inline const struct settings *store_settings(const struct store *s)
{
    return &s->options.config->settings;
}

/* The memory of heads and streams. */
static inline uint64_t store_memory(struct store *s)
{
    return counter_get(&s->head_bytes) + counter_get(&s->stream_bytes);
}

/* That above which the largest are flushed. */
uint64_t store_memory_target(struct store *s);

/* The tenant of this name; made if `create`. NULL: there is none, or no memory for it. */
struct tenant *store_tenant(struct store *s, struct str name, bool create);

/*
 * The tenant of a request that has something to keep. It is made if there are not too many: whoever
 * asks chooses the name, and a tenant stays.
 *
 * ST_LIMIT  there are ingester.max_tenants others      ST_NOMEM
 */
MUST_CHECK enum status store_admit_tenant(struct store *s, struct str name,
                                          struct tenant **ret_tenant, struct err *err);

/* The limits of a tenant as they are now. */
const struct limits *store_limits(struct store *s, struct str tenant);

/* A read of the index that is selecting ends when the query does, with ST_TIMEOUT or ST_CANCELLED.
 */
void store_watch_read(struct index_read *r, struct query_context *q);

/*
 * Find or make the stream of these labels. The tenant's lock is held.
 *
 * ST_LIMIT  the tenant has `streams_max` streams already (0: any number)      ST_NOMEM
 */
MUST_CHECK enum status store_stream(struct store *s, struct tenant *t, struct str key,
                                    uint64_t streams_max, struct stream **ret_stream);

/* Take a stream that has no entries out of memory. The tenant's lock is held. */
void store_drop_stream(struct store *s, struct tenant *t, struct stream *stream);

/*
 * Append entries whose log record is `seq` to the head of a stream of `t`. The tenant's lock is
 * held.
 *
 * ST_NOMEM  some of them are missing: the push must not be acknowledged
 */
MUST_CHECK enum status store_append(struct store *s, struct tenant *t, struct stream *stream,
                                    const struct push_stream *from, uint64_t seq);

/* Is its open head to be sealed as soon as a record ends? */
bool store_is_full(const struct store *s, const struct stream *stream);

/* Seal the open head of a stream, if it has one; the lock is held. A failure leaves it open. */
void store_seal(struct store *s, struct stream *stream, enum seal_reason reason);

/* repair.c: open the index; one that cannot be trusted is made again before. */
MUST_CHECK enum status store_open_index(struct store *s, struct err *err);
MUST_CHECK enum status store_load_damage(struct store *s, struct err *err);
void store_free_damage(struct store *s);

/* Open the file of a segment to walk through it. */
MUST_CHECK enum status store_walk_segment(const struct store *s, struct segment_name name,
                                          struct segment_walk *w, struct err *err);

/*
 * False: the file of this name is that of another segment, and must be left as it is. `*ret_bytes`
 * is its length, 0 if it cannot be opened.
 */
bool store_segment_is_itself(const struct store *s, struct segment_name name, uint64_t *ret_bytes);

/* How many places of segments cannot be read that may have held entries of a tenant and these days.
 */
uint64_t store_segment_damage(const struct store *s, struct str tenant, int32_t first_day,
                              int32_t last_day);

/* The same, and files of the log. */
uint64_t store_damage(const struct store *s, struct str tenant, int32_t first_day,
                      int32_t last_day);

/* How many bytes of a segment cannot be read: it stays, for a person to look at. */
uint64_t store_damage_bytes(const struct store *s, uint64_t segment_id);

/* recover.c: cut segments, replay the log; `*ret_next_seq` is the first number for new records. */
MUST_CHECK enum status store_recover(struct store *s, uint64_t *ret_next_seq, struct err *err);

/* flusher.c: load the segments that may be appended to. */
MUST_CHECK enum status flusher_open(struct store *s, struct err *err);

/*
 * Before the log is open and the flusher started: flush what it would for want of memory, and
 * forget streams without entries.
 */
MUST_CHECK enum status flusher_relieve(struct store *s, struct err *err);

MUST_CHECK enum status flusher_start(struct store *s, struct err *err);
void flusher_stop(struct store *s);

/* Let the flusher look at the streams now instead of within a second. */
void flusher_look(struct store *s);
MUST_CHECK enum status flusher_force(struct store *s, int64_t timeout_ns, struct err *err);

/* flush.c: write a batch of sealed heads to chunks and commit them. */
struct flush_item {
    struct tenant *tenant;
    struct stream *stream;
    const struct sealed *sealed;
    struct labels labels; /* flush_items() fills them in; gone when it returns */
};

MUST_CHECK enum status flush_items(struct store *s, struct flush_item *items, size_t count,
                                   struct err *err);

/*
 * Commit a batch if `st` says that it could be made, with the new lengths of segments; else it is
 * given up.
 */
MUST_CHECK enum status flush_finish_batch(struct store *s, struct index_batch *batch,
                                          enum status st, struct err *err);

/*
 * Write what a merge has made and put it in the place of what it was made of. When that fails
 * nothing has happened.
 *
 * ST_BUSY  what is hidden is not what it was when the merge was planned
 */
MUST_CHECK enum status flush_merged(struct store *s, struct merge_batch *b, struct err *err);

/* Add nothing more to a segment. */
void flush_close_segment(struct store *s, uint64_t id);

/*
 * Mark segments as dead in which no chunk was live when they had these committed lengths; one that
 * has another by now stays as it is. What was done is added to `*dropped`, also when it is not all.
 *
 * ST_BUSY  queries read so many dead segments that there is no place for more: try again later
 */
MUST_CHECK enum status flush_kill_segments(struct store *s, struct segment_span segments,
                                           struct dropped *dropped, struct err *err);

/*
 * Remove the files of dead segments that no read needs any more. One that cannot be removed is no
 * failure: it is told once, keeps its place, and is tried again by each later call.
 */
MUST_CHECK enum status flush_bury_segments(struct store *s, struct err *err);

#endif
