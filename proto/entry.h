/*
 * entry.h - one log entry, and a block of entries as columns.
 *
 * These are the nouns that cross the borders of the layers: the push decoder makes entries, chunks
 * are made of them, and both heads and chunks give blocks to the query engine.
 */
#ifndef PROTO_ENTRY_H
#define PROTO_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "proto/labels.h"

/* Views are borrowed. */
struct entry {
    int64_t ts_ns;
    struct str line;
    struct labels metadata; /* structured metadata, canonical */
};

/*
 * Entries of one stream in ascending order of time, equal times in order of arrival. Line i is the
 * bytes [line_ends[i - 1], line_ends[i]) of `lines`, the first begins at 0; nothing stands between
 * lines, so the whole block can be searched as one piece.
 */
struct block {
    uint32_t count;
    const int64_t *ts_ns;
    const uint32_t *line_ends;
    struct str lines;
    const uint32_t *sets;          /* for each entry the index of its metadata */
    const struct labels *metadata; /* the distinct sets */
    uint32_t metadata_count;
};

/* Has no bytes, but its length, where the lines were not loaded. */
static inline struct str block_line(const struct block *b, uint32_t i)
{
    uint32_t begin = i == 0 ? 0 : b->line_ends[i - 1];

    return str_make(b->lines.ptr == NULL ? NULL : b->lines.ptr + begin, b->line_ends[i] - begin);
}

/* None where it was not loaded. */
static inline struct labels block_metadata(const struct block *b, uint32_t i)
{
    return b->sets == NULL ? (struct labels){0} : b->metadata[b->sets[i]];
}

#endif
