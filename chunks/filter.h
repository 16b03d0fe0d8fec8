/*
 * filter.h - tells without unpacking a block that a text is in none of its lines.
 *
 * The bytes are specified in docs/format/chunk.md. A filter may err only in one way: it lets a text
 * through that is not there. It is asked for any piece of a line, not for whole words only, and
 * knows no difference between upper and lower case of ASCII letters.
 *
 * Threads  One thread at a time per builder.
 */
#ifndef CHUNKS_FILTER_H
#define CHUNKS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    FILTER_GRAM_BYTES = 4,   /* a shorter text may be anywhere */
    FILTER_PLACES = 1 << 15, /* that a gram can have */
    FILTER_BYTES_MIN = 64,   /* for so small a block none is worth its while */
    FILTER_BYTES_MAX = FILTER_PLACES / 8,
    FILTER_BYTES_UNIT = 8, /* sizes are multiples of it */
};

/* The lines of one block as they are seen. */
struct filter_builder {
    unsigned char seen[FILTER_PLACES]; /* 1: a gram of this place was there */
};

void filter_begin(struct filter_builder *f);
void filter_add(struct filter_builder *f, struct str line);

/*
 * Append the filter of what was added, of at most `bytes_max` bytes, and return its size; 0 and
 * nothing when it would be too small or too full to tell anything.
 */
size_t filter_put(const struct filter_builder *f, size_t bytes_max, struct buf *out);

/* False: `text` is no part of any line that was added. An empty filter lets everything through. */
bool filter_may_contain(struct str filter, struct str text);

#endif
