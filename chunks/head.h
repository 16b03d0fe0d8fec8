/*
 * head.h - the open chunk of one stream: its newest entries, in memory.
 *
 * Entries are appended in any order of time and never move or change. So a reader needs no lock: it
 * takes a view under the lock of the writer, which is a reference and the number of rows there are,
 * and reads those rows later while the writer goes on appending. A head becomes one chunk (or
 * several, one for each day) when it is sealed; `chunk_id` is the name of both.
 *
 * Ownership  A head copies what it is given. It is freed when its last reference goes.
 * Threads    head_append() by one thread at a time (the tenant lock); views by anybody.
 */
#ifndef CHUNKS_HEAD_H
#define CHUNKS_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "chunks/chunk.h"
#include "proto/entry.h"

struct head;
struct head_piece;

/*
 * A head that takes as much memory gets no more entries, so that there is always enough to pack it:
 * that takes up to eleven times as much, for a pair of metadata has 3 bytes and becomes 32.
 */
enum { HEAD_BYTES_MAX = 64 * 1024 * 1024 };

/* What a writer (who holds the lock) may ask. */
struct head_size {
    uint64_t entries;
    uint64_t line_bytes;
    uint64_t memory_bytes; /* all of it, spare room included */
    int64_t min_ns;        /* only with entries */
    int64_t max_ns;
};

/* NULL when memory runs out. */
struct head *head_new(uint64_t chunk_id);
void head_ref(struct head *h);
void head_unref(struct head *h); /* accepts NULL */

uint64_t head_chunk_id(const struct head *h);
struct head_size head_size(const struct head *h);

/* Does it get no more entries? */
bool head_is_full(const struct head *h);

/*
 * Append entries, until the head is full; the metadata of each is sorted by name. Those that borrow
 * the same pairs cost the least. `*ret_added`: how many were added, the first of them.
 *
 * ST_NOMEM  only those that fit were added
 */
MUST_CHECK enum status head_append(struct head *h, const struct entry *entries, size_t count,
                                   size_t *ret_added);

/*
 * Bring entries in order of time; equal times stay in the order they have. `scratch` memory comes
 * from `a`. ST_LIMIT: the arena is full.
 */
MUST_CHECK enum status entries_sort(struct arena *a, struct chunk_entries *entries);

/*
 * Of sorted entries, keep the first of those with the same time, line and metadata (the same
 * pointer), in place. ST_LIMIT: the arena is full.
 */
MUST_CHECK enum status entries_drop_doubles(struct arena *a, struct chunk_entries *entries);

/* The rows that were there when the view was taken. Holds a reference; head_view_release() drops
 * it. */
struct head_view {
    struct head *head;
    struct head_size size;
    uint32_t set_count;            /* of metadata */
    const struct head_piece *last; /* rows of this piece count up to `last_used` */
    uint32_t last_used;
};

/* The caller holds the writer's lock. */
struct head_view head_view(struct head *h);
void head_view_release(struct head_view *v);

/*
 * The entries with start_ns <= time <= end_ns, as an array in `a`. Lines and metadata borrow the
 * head and the arena.
 *
 * ST_LIMIT  the arena is full
 */
MUST_CHECK enum status head_view_entries(const struct head_view *v, struct arena *a,
                                         int64_t start_ns, int64_t end_ns,
                                         struct chunk_entries *ret_entries);

/*
 * Copy as many of `entries` as fit into one block of at most `block_bytes` of lines, at least one;
 * how many were taken is the count of the block. The result borrows `m` and the entries' metadata.
 */
MUST_CHECK enum status head_block(struct block_memory *m, struct chunk_entries entries,
                                  size_t block_bytes, struct block *ret_block);

#endif
