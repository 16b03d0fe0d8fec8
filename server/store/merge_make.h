/*
 * merge_make.h - chunks that the merger has made, gathered and given to the flusher in batches.
 *
 * Threads  The merger only.
 */
#ifndef SERVER_STORE_MERGE_MAKE_H
#define SERVER_STORE_MERGE_MAKE_H

#include "server/store/merge.h"
#include "server/store/merge_pack.h"

struct merge_maker {
    struct store *store;
    struct str tenant;
    struct merge_packer packer;
    enum codec flush_codec; /* of chunks that are not finished */
    struct merge_batch batch;
    struct merged_chunk *chunks; /* of the batch */
    bool removes;                /* what it makes are no merges */
    uint64_t sources;            /* that its chunks are made of, */
    uint64_t bytes_in;           /* and how large they are */
};

/* merge_maker_release() follows in any case. */
MUST_CHECK enum status merge_maker_init(struct merge_maker *m, struct store *s, struct str tenant,
                                        struct err *err);
void merge_maker_release(struct merge_maker *m);

/*
 * A chunk whose bytes were appended to those of the batch; `from` stays as long as the batch. When
 * there is enough of them they are submitted.
 */
MUST_CHECK enum status merge_maker_add(struct merge_maker *m, const struct merged_chunk *chunk,
                                       struct err *err);

/* Let the flusher commit what there is. On failure it is thrown away. */
MUST_CHECK enum status merge_maker_submit(struct merge_maker *m, struct err *err);

/* A status that only damage has: it will be the same the next time. */
static inline bool merge_is_damage(enum status st)
{
    return st == ST_CORRUPT || st == ST_NOT_FOUND;
}

/*
 * What the status of reading a chunk means. The file of one that was listed may be gone because its
 * day was dropped since: then that is ST_BUSY, and not damage.
 */
MUST_CHECK enum status merge_maker_judge(const struct merge_maker *m, const struct chunk_ref *ref,
                                         enum status st, struct err *err);

#endif
