/*
 * line_blocks.h - the lines of some push bodies, in blocks as chunks have them.
 *
 * What the limits are measured over, so that they are of the very data the server gets.
 */
#ifndef BENCH_LINE_BLOCKS_H
#define BENCH_LINE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/bodies.h"
#include "proto/push.h"

struct line_block {
    struct buf lines; /* one behind the other, of one stream */
    struct buf ends;  /* uint32_t: where each line ends */
    unsigned kind;
};

struct line_blocks {
    struct line_block *items;
    size_t count;
    uint64_t line_bytes;
    uint64_t lines;
};

/* Decode a body; the request borrows body and arena. */
void bodies_decode(struct arena *a, struct str body, bool json, struct push_request *ret_request);

/* Of the first bodies, so many that they have `bytes` bytes of lines, or of all. */
void line_blocks_make(const struct bodies *bodies, uint64_t bytes, struct line_blocks *ret_blocks);
void line_blocks_release(struct line_blocks *s);

static inline size_t line_block_count(const struct line_block *b)
{
    return b->ends.len / sizeof(uint32_t);
}

static inline struct str line_block_line(const struct line_block *b, size_t i)
{
    const uint32_t *ends = (const uint32_t *)(const void *)b->ends.ptr;
    uint32_t begin = i == 0 ? 0 : ends[i - 1];

    return str_make(b->lines.ptr + begin, ends[i] - begin);
}

#endif
