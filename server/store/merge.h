/*
 * merge.h - small chunks become large ones in the background.
 *
 *     merger: reads chunks, packs one chunk of them --batch--> flusher: writes, syncs, commits
 *
 * The merger is a thread of the lowest priority that looks, now and then, at the days that got
 * chunks since; it plans (merge_plan.h), reads and packs (merge_pack.h), and changes nothing. What
 * it has made it gives to the flusher, the only writer (I5), which puts it in the place of what it
 * was made of, in one transaction.
 *
 * A selection holds heads whose chunks it leaves out (I4). So no merge may be committed between the
 * moments when a selection takes heads and when its read of the index begins: the merge could have
 * put such a chunk together with others under its chunk_id. merge_hold() and merge_let_go() mark
 * that time; the flusher puts a batch off until every hold is over that began before it had the
 * batch. Later ones do no harm: the heads of the merged chunks were gone by then.
 */
#ifndef SERVER_STORE_MERGE_H
#define SERVER_STORE_MERGE_H

#include <pthread.h>

#include "base/atomic.h"
#include "base/buf.h"
#include "base/lock.h"
#include "base/map.h"
#include "index/index.h"
#include "server/store/merge_survey.h"
#include "server/store/removal.h"

struct hiding;
struct limits;
struct store;

/* A chunk that was made, and what it is made of. */
struct merged_chunk {
    struct str tenant;
    struct chunk_ref ref; /* its place is filled in by the flusher; no entries: nothing is left */
    enum segment_state state; /* of the segment it belongs into */
    size_t begin;             /* of its bytes */
    const struct chunk_ref *from;
    size_t from_count;
};

struct merge_batch {
    struct buf bytes; /* of all chunks */
    struct merged_chunk *chunks;
    size_t count;
    const uint64_t *leaving; /* segments that are being emptied: nothing goes into them */
    size_t leaving_count;
    const struct hiding *hiding; /* what was hidden when it was planned; NULL: no matter */
    const uint32_t *request_ids; /* of delete requests that it was made for */
    size_t request_count;
};

/* What the merger wants of the flusher: commit a batch, or close segments and remove files. */
struct merge_request {
    struct merge_batch *batch;
    struct segment_span closed; /* nothing more is to be added to these */
    struct segment_span dead;   /* nothing is live in these any more; no batch */
};

/* A day of a tenant; a key of a map, so no byte of it is padding. */
struct day_key {
    const char *tenant; /* a tenant has one name, as long as the store lives */
    int64_t day;
};

/* A day of a tenant that has chunks. */
struct merge_day {
    struct day_key key;
    struct str tenant;
    int32_t day;
    int64_t changed_ns; /* monotonic: when chunks were added to it */
    uint64_t changes;   /* how often */
    uint64_t looked;    /* `changes` when it was looked at */
    bool final;         /* everything in it is merged */
    bool failing;       /* the last look failed, and that was said */
    int64_t expires_ns; /* the clock when a chunk of it will be below its floor, by `limits` */
    const struct limits *limits;
};

/* A chunk that cannot be merged with others. */
struct blocked_chunk {
    uint64_t segment_id;
    uint64_t offset;
    bool damaged; /* it stays where it is, too */
};

enum { BLOCKED_CHUNKS_MAX = 256 };

struct merger {
    pthread_t thread;
    bool started;

    /* under the lock of the flusher */
    struct lock_cond wake;
    struct lock_cond answered;
    struct flag stop;
    const struct merge_request *request; /* waits for the flusher */
    bool turned;                         /* `turn` was raised for it */
    enum status status;                  /* of the answer */
    struct err err;
    uint64_t turn;
    uint64_t holds[2]; /* selections that begin, of this turn and of the one before */
    struct merge_day **days;
    size_t day_count;
    size_t day_capacity;
    struct map day_keys;
    struct flag days_missing; /* for want of memory */

    /* the thread's own */
    struct segment_list segments;
    struct removal removal;
    struct blocked_chunk blocked[BLOCKED_CHUNKS_MAX];
    size_t blocked_count;

    struct counter merges; /* chunks made */
    struct counter chunks_merged;
    struct counter bytes_in;
    struct counter bytes_out;
    struct counter failures;
    struct counter chunks_blocked;
    struct counter segments_killed;  /* marked as dead, */
    struct counter segments_removed; /* and their files removed, */
    struct counter segments_gone;    /* those of the first so many that were killed all are */
    struct counter segments_dead;    /* that are still to be removed */
};

/*
 * The thread runs even if merging is off, for what is deleted is removed all the same: then no day
 * is ever looked at, and none is pending.
 */
MUST_CHECK enum status merge_start(struct store *s, struct err *err);

/* Begin nothing more. The thread ends when the flusher has answered what it was asked for. */
void merge_stop(struct store *s);
void merge_join(struct store *s);

/* When nothing runs any more. */
void merge_release(struct store *s);

/* Chunks were added to a day; `tenant` lives as long as the store. By the flusher. */
void merge_note_day(struct store *s, struct str tenant, int32_t day);

/* All days of a tenant are looked at again. */
void merge_note_tenant(struct store *s, struct str tenant);

/* Days that are not merged for good, or where that is not known yet; 0: nothing is left to do. */
uint64_t merge_days_pending(struct store *s);

/* Between these two a selection takes heads and begins its read of the index. */
unsigned merge_hold(struct store *s);
void merge_let_go(struct store *s, unsigned hold);

/* Is there something that the flusher should do now? Its lock is held. */
bool merge_is_waiting(struct store *s);

/* Do it, if there is. By the flusher. */
void merge_serve(struct store *s);

/* Give a request to the flusher and wait for its answer. By the merger. */
MUST_CHECK enum status merge_submit(struct store *s, const struct merge_request *request,
                                    struct err *err);

/*
 * merge_day.c: look at one day. `*ret_again`: there is more to do at once.
 *
 * ST_BUSY  delete requests came or went meanwhile: look again
 */
struct merge_look {
    struct str tenant;
    int32_t day;
    bool final;
    struct segment_span segments; /* of the day */
};

MUST_CHECK enum status merge_day(struct store *s, const struct merge_look *look, bool *ret_again,
                                 struct err *err);

#endif
