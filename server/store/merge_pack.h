/*
 * merge_pack.h - read chunks of one stream and day, and pack one chunk of them.
 *
 * The chunk holds what a query would find in those it is made of: entries by time, equal times in
 * the order of the chunk_ids, what is there twice once. Nothing is changed on disk.
 *
 * Threads  One thread at a time per packer.
 */
#ifndef SERVER_STORE_MERGE_PACK_H
#define SERVER_STORE_MERGE_PACK_H

#include "base/arena.h"
#include "base/buf.h"
#include "chunks/chunk.h"
#include "chunks/segment.h"
#include "index/index.h"
#include "server/store/hide.h"

struct merge_packer {
    struct segments *segments; /* borrowed */
    struct block_memory memory;
    struct buf stored;  /* as read from a segment */
    struct arena arena; /* of one merge */
    struct arena hider_arena;
    struct hider hider;
};

MUST_CHECK enum status merge_packer_init(struct merge_packer *p, struct segments *segments,
                                         struct err *err);
void merge_packer_release(struct merge_packer *p);

struct merge_sources {
    const struct chunk_ref *refs; /* by chunk_id */
    size_t count;
    enum codec codec;
    int level;
    size_t block_bytes;
    const struct hiding *hiding; /* what is left out; NULL: nothing */
};

/*
 * Append the chunk to `out`; `*ret_ref` is what the index is to say of it, but for its place. When
 * everything is left out there is no chunk, and `*ret_ref` has no entries.
 *
 * On failure `*ret_bad` is the index of the source that is to blame, or `count`: none is.
 *
 * ST_CORRUPT      it is damaged
 * ST_UNSUPPORTED  it repeats entries of another one in another order: merged they would come out
 *                 differently
 */
MUST_CHECK enum status merge_pack(struct merge_packer *p, const struct merge_sources *sources,
                                  struct buf *out, struct chunk_ref *ret_ref, size_t *ret_bad,
                                  struct err *err);

/* Read the head of a chunk; it is made in `a`. ST_CORRUPT: it is damaged. */
MUST_CHECK enum status merge_head(struct merge_packer *p, struct arena *a,
                                  const struct chunk_ref *ref, struct chunk_head *ret_head,
                                  struct err *err);

/* Append the bytes of a chunk as they are. ST_CORRUPT: its head is damaged. */
MUST_CHECK enum status merge_copy(struct merge_packer *p, const struct chunk_ref *ref,
                                  struct buf *out, struct err *err);

#endif
