/*
 * lines.h - a block of nothing but lines.
 */
#ifndef TESTS_SUPPORT_LINES_H
#define TESTS_SUPPORT_LINES_H

#include "base/buf.h"
#include "proto/entry.h"

enum { LINES_MAX = 10000 };

struct lines {
    struct buf text;
    uint32_t ends[LINES_MAX];
    uint32_t count;
};

static inline void lines_init(struct lines *l)
{
    buf_init(&l->text, 64 * MIB);
    l->count = 0;
}

/* What was put into the text since the last line ended is a line. */
static inline void lines_end(struct lines *l)
{
    ASSERT(l->count < LINES_MAX && !l->text.failed);
    l->ends[l->count++] = (uint32_t)buf_str(&l->text).len;
}

static inline struct block lines_block(const struct lines *l)
{
    return (struct block){.count = l->count, .line_ends = l->ends, .lines = buf_str(&l->text)};
}

#endif
