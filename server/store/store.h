/*
 * store.h - the whole store: push, select, labels, flush.
 *
 * Everything a server keeps goes through here; nothing above knows of the index, of chunks or of
 * the log. docs/architecture.md says how the parts work together and names the invariants I1 to I8.
 *
 * Threads  Every call may come from any thread. store_push() waits for no disk; the other calls
 * may.
 */
#ifndef SERVER_STORE_STORE_H
#define SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "config/config.h"
#include "index/matcher.h"
#include "proto/labels.h"
#include "proto/push.h"
#include "query/source.h"
#include "server/store/delete_list.h"
#include "server/store/tenant.h"

struct store;

struct store_options {
    const struct config *config; /* stays valid as long as the store */
    /*
     * Called by the log's thread: every push up to `seq` that was not settled before is durable
     * (ST_OK), or was not stored.
     */
    void (*settled)(void *context, uint64_t seq, enum status st);
    void *context;
};

/*
 * Open the data directory (making it if it is not there), repair what a crash left, replay the log.
 *
 * ST_BUSY  another process has the directory
 */
MUST_CHECK enum status store_open(const struct store_options *options, struct store **ret_store,
                                  struct err *err);

/*
 * Flush what is in memory if that is possible in `flush_ns`, then close: what is not flushed by
 * then is in the log. All other calls have returned. A flush or a merge that takes longer is given
 * up at the next file call, or commit of the index, that returns. Accepts NULL.
 */
void store_close(struct store *s, int64_t flush_ns);

/*
 * Give up what is being flushed or merged: calls that wait for it end with ST_CANCELLED, and
 * nothing more is flushed. Only to let the calls that run end before store_close().
 */
void store_abandon(struct store *s);

/* From now on these limits count; `config` stays valid as long as the store. */
void store_set_config(struct store *s, const struct config *config);

/* ---- push ---- */

struct store_push {
    struct str tenant;
    struct push_request *request; /* reduced to what was accepted */
    struct str body;              /* what was decoded, if it is plain protobuf; else empty */
    struct arena *arena;
    struct flag *gone;   /* set when nobody waits for the answer any more; or NULL */
    uint64_t ret_seq;    /* not 0: the push is stored once this is settled */
    struct str ret_text; /* what was refused and why, uncut, in the arena; empty: nothing was */
};

/*
 * Validate a push and take what is acceptable. When that is not all of it the status is not ST_OK
 * and `err` says what was refused; if `ret_seq` is not 0 the rest has been taken nevertheless, and
 * the answer waits for it all the same.
 *
 * ST_EMPTY, ST_INVALID, ST_LIMIT  without `ret_seq`: nothing was taken
 * ST_BUSY, ST_FULL  overloaded, or the disk is full: nothing was taken, the client should come
 *                   again
 * ST_CANCELLED      nobody waits any more: nothing was taken
 */
MUST_CHECK enum status store_push(struct store *s, struct store_push *p, struct err *err);

/*
 * Do the heads hold so much more than they should that clients had better wait for the flusher?
 * False while flushing fails: waiting would not help.
 */
bool store_is_behind(struct store *s);

/* ---- reading ---- */

/* For the engine. */
struct source *store_source(struct store *s);

struct label_request {
    struct str tenant;
    struct matcher_list matchers; /* none: all streams */
    struct str name;              /* of the label whose values are wanted; empty: the names */
    int64_t start_ns;             /* whole days count, and everything in memory */
    int64_t end_ns;
};

struct str_set {
    struct str *items; /* ascending, each once */
    size_t count;
};

/* The names or values of the labels of the streams that match. */
MUST_CHECK enum status store_labels(struct store *s, struct query_context *q,
                                    const struct label_request *request, struct str_set *ret_set,
                                    struct err *err);

struct series_request {
    struct str tenant;
    const struct matcher_list *selectors; /* a stream that any of them accepts is wanted */
    size_t selector_count;                /* 0: all */
    int64_t start_ns;
    int64_t end_ns;
};

struct labels_list {
    struct labels *items;
    size_t count;
};

/* The label sets of the streams that match and may have entries in the range, as labels_cmp(). */
MUST_CHECK enum status store_series(struct store *s, struct query_context *q,
                                    const struct series_request *request,
                                    struct labels_list *ret_list, struct err *err);

/* ---- deleting ---- */

struct delete_wish {
    struct str tenant;
    struct str query; /* a log query: the lines that it keeps are deleted */
    int64_t start_ns; /* both inclusive */
    int64_t end_ns;
};

/*
 * Hide everything that is there now and that the wish names, for good; it goes from the disk in the
 * background. On ST_OK that is durable, and no answer that begins later shows it.
 *
 * ST_INVALID    the query is no log query, is too long, or does not compile
 * ST_LIMIT      the tenant, or the store, has too many requests that are not processed; or there
 *               are too many tenants
 * anything else: it may have been made all the same
 */
MUST_CHECK enum status store_delete(struct store *s, const struct delete_wish *wish,
                                    uint32_t *ret_id, struct err *err);

/* The requests of a tenant, oldest first, copied into `a`. */
MUST_CHECK enum status store_deletes(struct store *s, struct arena *a, struct str tenant,
                                     struct delete_list *ret_list, struct err *err);

/*
 * Forget a request: what it has hidden and is still on disk can be seen again.
 *
 * ST_NOT_FOUND  no such request of the tenant
 * ST_INVALID    it is processed; or, without `force`, lines may have gone from the disk
 * anything else: it is still in force, but perhaps not after a restart
 */
MUST_CHECK enum status store_cancel_delete(struct store *s, struct str tenant, uint32_t id,
                                           bool force, struct err *err);

/* ---- care ---- */

/* Write everything that is in memory now to chunks; returns when that is committed, or has failed.
 */
MUST_CHECK enum status store_flush(struct store *s, struct err *err);

struct store_state {
    uint64_t head_bytes;   /* memory of open and sealed heads */
    uint64_t stream_bytes; /* of the streams they belong to */
    uint64_t heads;
    uint64_t wal_bytes;
    uint64_t wal_files;
    bool wal_failed;    /* for good: no push is acknowledged until a restart */
    bool flush_failing; /* the last flush failed and will be tried again */
    uint64_t chunks_created;
    uint64_t sealed[SEAL_REASON_COUNT]; /* heads, by the reason why they were flushed */
    uint64_t chunks_flushed;            /* committed */
    uint64_t flushes_failed;
    uint64_t corrupt_blocks; /* met by queries */
    uint64_t merges;         /* chunks that were made of others, */
    uint64_t chunks_merged;  /* and of how many */
    uint64_t merge_bytes_in;
    uint64_t merge_bytes_out;
    uint64_t merges_failed;
    uint64_t chunks_unmergeable; /* damaged, or their order would change */
    uint64_t segments_removed;
    uint64_t segments_dead;      /* that are still to be removed */
    uint64_t merge_days_pending; /* 0: nothing is left to merge */
    uint64_t deletes_pending;    /* delete requests that should go from the disk by now */
    int64_t delete_oldest_ns;    /* for how long the oldest of them should; 0: none does */
    uint64_t data_bytes;         /* segments, log, used pages of the index; only with a limit */
    uint64_t streams_forgotten;  /* that left the index with their last chunk */
    uint64_t days_expired;       /* dropped because they were too old, of one tenant each */
    uint64_t days_dropped;       /* dropped for want of room, of all tenants */
    uint64_t bytes_dropped;      /* of segments of both */
    bool full;                   /* there is no room: pushes are refused until there is */
    uint64_t replayed_records;
    uint64_t damaged_files;         /* of the log, at start */
    bool index_rebuilt;             /* at start, because it could not be used */
    uint64_t index_damaged_records; /* met since the start */
    uint64_t damaged_places;        /* of segments, met when the index was made from them */
    uint64_t mended_heads;          /* of chunks, met by queries: one byte was wrong */
};

struct store_state store_state(struct store *s);

/* Visit every tenant that is known since the start; `visit` must not call the store. */
void store_each_tenant(struct store *s, void (*visit)(void *context, struct tenant *t),
                       void *context);

#endif
