/*
 * merge_plan.h - which chunks of a stream and day are merged into one.
 *
 * Only neighbours in the order of their chunk_ids are merged, so that entries of equal time keep
 * the order in which they came. A chunk is finished when it is packed with the level of merges and
 * half as large as a chunk may get; it is never packed again.
 *
 * While entries still come to the day, only what is worth it is merged: what makes a finished
 * chunk, or eight chunks and more of about one size, so that an entry is packed again once for
 * every eightfold growth at most. At last, when the day is quiet, all that are left are merged, and
 * whatever is in a segment that is to be emptied leaves it.
 */
#ifndef SERVER_STORE_MERGE_PLAN_H
#define SERVER_STORE_MERGE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk, as far as the plan needs it. */
struct plan_chunk {
    uint64_t weight; /* memory its entries take when it is unpacked */
    bool at_level;   /* packed with the level of merges, or a higher one */
    bool blocked;    /* must stay as and where it is: a border that no merge crosses */
    bool alone;      /* such a border, too, but it may be moved */
    bool stranded;   /* its segment is to be emptied */
    bool border;     /* it must not be merged with those before it */
};

struct plan_rules {
    uint64_t weight_max; /* of a merged chunk; one above four times that is not packed again */
    bool final;          /* the day is quiet */
};

/* Chunks [begin, begin + count) become one. */
struct plan_run {
    size_t begin;
    size_t count;
    bool move;     /* one chunk, whose bytes go to another segment as they are */
    bool finished; /* pack with the level of merges: it will not be merged again before the end */
};

/* `chunks` are those of one stream and day by chunk_id; `runs` has room for `count`. */
size_t merge_plan(const struct plan_rules *rules, const struct plan_chunk *chunks, size_t count,
                  struct plan_run *runs);

#endif
