/*
 * index.h - the label index: streams, label pairs, postings and chunk references, in LMDB.
 *
 * The key spaces are specified in docs/format/index.md. One thread (the flusher) writes, in
 * batches: a batch is one transaction, its puts are sorted by key. Readers see the state of the
 * last commit and never wait; a read must end soon, because pages it may need are not reused
 * meanwhile.
 *
 * Ownership  What a read returns lives in the arena it was begun with, unless it says that it
 * borrows the read: then it is valid until index_read_end().
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "index/matcher.h"
#include "index/postings.h"
#include "proto/labels.h"

struct index;
struct index_read;
struct index_batch;

/* Where a chunk lies. */
struct chunk_ref {
    uint64_t stream_id;
    uint64_t chunk_id;
    uint64_t segment_id;
    int32_t day;
    uint32_t head_bytes;
    uint32_t chunk_bytes;
    uint32_t entries;
    uint64_t offset;
    int64_t min_ns;
    int64_t max_ns;
    uint64_t line_bytes;
    uint64_t metadata_bytes;
    uint8_t level; /* of the codec it was packed with by a merge; 0: it was flushed */
};

/* Part of the format. */
enum segment_state {
    SEGMENT_FLUSHED = 0, /* chunks as they were flushed */
    SEGMENT_MERGED = 1,  /* chunks that merges have finished with */
    SEGMENT_DEAD = 2,    /* nothing in it counts any more; the file may be gone already */
};

struct segment_ref {
    uint64_t id;
    int32_t day;
    uint64_t committed_bytes;
    struct str tenant; /* borrows the read */
    enum segment_state state;
};

/*
 * Read the whole file of the index, which nobody may have open: are its pages such that LMDB can
 * open it, and is every record as it was written? Costs what reading the file costs.
 *
 * ST_OK           it is sound
 * ST_NOT_FOUND    there is none, or an empty one
 * ST_UNSUPPORTED  it is of version 1, whose records have no checksums
 * ST_CORRUPT      it must not be opened; `err` says where the damage is
 */
MUST_CHECK enum status index_check(const char *dir, struct err *err);

/*
 * `dir` is made if it is not there. What is there is checked first, with the statuses of
 * index_check(). ST_UNSUPPORTED: the index is of another version.
 */
MUST_CHECK enum status index_open(const char *dir, uint64_t map_bytes, struct index **ret_index,
                                  struct err *err);

/*
 * Open an index that exists, unchecked, for reading only: nothing but LMDB's lock file is made or
 * changed, and a server may have it open. For tools.
 */
MUST_CHECK enum status index_open_to_read(const char *dir, struct index **ret_index,
                                          struct err *err);

/* Accepts NULL. */
void index_close(struct index *ix);

/* Records that were met since the start whose checksum did not match. */
uint64_t index_damaged_records(struct index *ix);

/*
 * Let go of the pages of the index that were looked at: they stay in the cache of the system, and
 * no longer count as memory of this process.
 */
void index_unmap_pages(struct index *ix);

/*
 * Bytes of the file of the index that are in use. The file never shrinks: what is taken away makes
 * room in it, which is filled before the file grows, and does not count. Goes through the list of
 * that room, which has a record for each transaction that made some.
 */
MUST_CHECK enum status index_used_bytes(struct index *ix, uint64_t *ret_bytes, struct err *err);

/* Numbers that the next process goes on with: all higher than any that was ever committed. */
struct index_counters {
    uint64_t next_segment;
    uint64_t next_chunk;
    uint64_t seq; /* the highest sequence number that was ever flushed */
};

MUST_CHECK enum status index_counters(struct index *ix, struct index_counters *ret_counters,
                                      struct err *err);

/* ---- reading ---- */

MUST_CHECK enum status index_read_begin(struct index *ix, struct arena *a,
                                        struct index_read **ret_read, struct err *err);
void index_read_end(struct index_read *r); /* accepts NULL */

/*
 * What selects streams and chunks may go through millions of records: from now on it asks `check`
 * now and then, and ends with its status if that is not ST_OK.
 */
typedef enum status index_check_fn(void *context);

void index_read_watch(struct index_read *r, index_check_fn *check, void *context);

/*
 * Has every read (of any process) that runs now the batch of this number? Then nobody sees what
 * that batch took away. True also where nothing reads.
 */
bool index_reads_have(struct index *ix, uint64_t batch_number);

/*
 * The streams of a tenant whose labels all matchers accept; no matcher: all. An unknown tenant has
 * none.
 */
MUST_CHECK enum status index_match(struct index_read *r, struct str tenant,
                                   struct matcher_list matchers, struct postings *ret_streams,
                                   struct err *err);

/* The labels of a stream (they borrow the read) and how far it is flushed. ST_NOT_FOUND: no such
 * id. */
MUST_CHECK enum status index_stream(struct index_read *r, uint64_t stream_id,
                                    struct labels *ret_labels, uint64_t *ret_flushed_seq);

/* Find a stream by its labels. ST_NOT_FOUND: it has never been flushed. */
MUST_CHECK enum status index_find_stream(struct index_read *r, struct str tenant,
                                         struct labels labels, uint64_t *ret_stream_id,
                                         uint64_t *ret_flushed_seq);

/*
 * The nearest day that has chunks of the tenant, from `day` on, forward or backward.
 * ST_NOT_FOUND: there is none.
 */
MUST_CHECK enum status index_nearest_day(struct index_read *r, struct str tenant, int32_t day,
                                         bool backward, int32_t *ret_day);

struct chunk_range {
    struct str tenant;
    int32_t day;
    int64_t start_ns; /* both inclusive */
    int64_t end_ns;
};

struct chunk_ref_list {
    struct chunk_ref *refs;
    size_t count;
};

/* The chunks of these streams that overlap the range, by stream, then time. */
MUST_CHECK enum status index_chunks(struct index_read *r, const struct chunk_range *range,
                                    struct postings streams, struct chunk_ref_list *ret_list,
                                    struct err *err);

/*
 * Call `visit` for each chunk of a tenant and day whose stream is at or behind `stream_id`, by
 * stream, then time. A status of `visit` ends it.
 */
struct day_walk {
    struct str tenant;
    int32_t day;
    uint64_t stream_id;
    enum status (*visit)(void *context, const struct chunk_ref *ref);
    void *context;
};

MUST_CHECK enum status index_walk_day(struct index_read *r, const struct day_walk *walk);

/*
 * Call `visit` for each label pair of a tenant (of one label if `name` is not empty) that had
 * chunks between the two days, both inclusive; pairs of one name come together. The views borrow
 * the read. A status of `visit` ends it.
 */
typedef enum status index_pair_fn(void *context, struct str name, struct str value);

struct pair_range {
    struct str tenant;
    struct str name;
    bool names_only; /* one pair of each name will do */
    int32_t first_day;
    int32_t last_day;
};

MUST_CHECK enum status index_pairs(struct index_read *r, const struct pair_range *range,
                                   index_pair_fn *visit, void *context);

/* Every segment. ST_NOT_FOUND ends the list: start with `*cursor` = 0. */
MUST_CHECK enum status index_next_segment(struct index_read *r, uint64_t *cursor,
                                          struct segment_ref *ret_segment);

/* Bytes of a segment that could not be read when the index was made from segments. */
struct segment_damage {
    uint64_t segment_id;
    uint64_t offset;
    uint64_t bytes;
    int32_t day;
    struct str tenant; /* borrows the read */
};

/* Every damage, by segment and offset. ST_NOT_FOUND ends the list: start with a zeroed cursor. */
struct damage_cursor {
    uint64_t segment_id;
    uint64_t offset;
};

MUST_CHECK enum status index_next_damage(struct index_read *r, struct damage_cursor *cursor,
                                         struct segment_damage *ret_damage);

/* Where a walk through all chunk references stands; zeroed it is before the first. */
struct chunk_cursor {
    char key[64];
    size_t key_bytes;
};

/*
 * The next of all chunk references, by tenant, day, stream and time; the tenant borrows the read.
 * The walk may go on in a later read with the same cursor.
 *
 * ST_NOT_FOUND  the end     ST_CORRUPT  a record that makes no sense; the walk ends there
 */
MUST_CHECK enum status index_next_chunk(struct index_read *r, struct chunk_cursor *cursor,
                                        struct chunk_ref *ret_ref, struct str *ret_tenant);

/* A stream with a chunk on a day, as a chunk reference has it. */
struct stream_claim {
    struct str tenant;
    struct labels labels;
    uint64_t stream_id;
    int32_t day;
};

/*
 * Would a query find the stream: by its labels, by each of its label pairs, among all streams, and
 * do its pairs cover the day? For tools. ST_CORRUPT: `err` says what is missing.
 */
MUST_CHECK enum status index_check_stream(struct index_read *r, const struct stream_claim *claim,
                                          struct err *err);

/* ---- writing: one batch at a time, by one thread ---- */

MUST_CHECK enum status index_batch_begin(struct index *ix, struct index_batch **ret_batch,
                                         struct err *err);

/*
 * The id of a stream; a new one gets the next number. `labels` are canonical and stay valid until
 * the batch ends. index_batch_flushed() follows for every stream, else a new one has no labels.
 */
MUST_CHECK enum status index_batch_stream(struct index_batch *b, struct str tenant,
                                          struct labels labels, uint64_t *ret_stream_id,
                                          struct err *err);

/*
 * Everything of the stream up to `seq` is in chunks of this or earlier batches, and the stream has
 * chunks on the days from `first_day` to `last_day`.
 */
struct stream_flush {
    struct str tenant;
    struct labels labels;
    uint64_t stream_id;
    uint64_t seq;
    int32_t first_day;
    int32_t last_day;
};

MUST_CHECK enum status index_batch_flushed(struct index_batch *b, const struct stream_flush *f,
                                           struct err *err);

MUST_CHECK enum status index_batch_chunk(struct index_batch *b, struct str tenant,
                                         const struct chunk_ref *ref, struct err *err);

/*
 * Take away a reference that is in the index as committed, exactly so. A chunk that is put under
 * the same key in this batch counts, whatever the order of the two calls.
 *
 * ST_NOT_FOUND  it is not there, or is another one: the batch must not be committed
 */
MUST_CHECK enum status index_batch_remove_chunk(struct index_batch *b, struct str tenant,
                                                const struct chunk_ref *ref, struct err *err);

MUST_CHECK enum status index_batch_segment(struct index_batch *b, const struct segment_ref *segment,
                                           struct err *err);

MUST_CHECK enum status index_batch_damage(struct index_batch *b,
                                          const struct segment_damage *damage, struct err *err);

/* Forget a segment, and its damage. */
void index_batch_remove_segment(struct index_batch *b, uint64_t id);

/*
 * Streams without chunks leave the index, unless they were flushed after record `seq_max` of the
 * log: their flushed sequence numbers are still needed. A call looks at `streams_max` streams from
 * `next_stream` on, 0 at first; `at_end` is set behind the last one. One transaction of its own.
 */
struct index_forget {
    uint64_t seq_max;
    size_t streams_max;
    uint64_t next_stream;
    uint64_t forgotten;
    uint64_t kept; /* for the log */
    bool at_end;
};

MUST_CHECK enum status index_forget_streams(struct index *ix, struct index_forget *job,
                                            struct err *err);

/* The number of this batch among all; a read that begins after the commit has it, or a higher one.
 */
uint64_t index_batch_number(const struct index_batch *b);

/* What index_counters() will say, unless it already says more. */
void index_batch_counters(struct index_batch *b, struct index_counters counters);

/* Both end the batch and free it. After ST_OK everything in it is durable, after anything else
 * nothing. */
MUST_CHECK enum status index_batch_commit(struct index_batch *b, struct err *err);
void index_batch_abort(struct index_batch *b); /* accepts NULL */

#endif
