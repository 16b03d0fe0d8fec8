/*
 * mend.h - make checksums right, so that a fuzzer gets behind them.
 */
#ifndef TESTS_FUZZ_MEND_H
#define TESTS_FUZZ_MEND_H

#include "base/crc.h"
#include "tests/fuzz/fuzz.h"

/* The u32 at `offset`, or 0 where there is none. */
static inline uint32_t mend_get(const struct buf *b, size_t offset)
{
    uint32_t v = 0;

    if (offset <= b->len && b->len - offset >= sizeof(v)) {
        struct str field = str_cut(buf_str(b), offset);
        ASSERT(get_u32(&field, &v));
    }
    return v;
}

/* The checksum of [begin, end) goes to `offset`; nothing happens when one of them lies outside. */
static inline void mend_crc(struct buf *b, size_t offset, size_t begin, size_t end)
{
    if (offset + sizeof(uint32_t) > b->len || begin > end || end > b->len)
        return;
    struct str bytes = str_cut(str_head(buf_str(b), end), begin);
    buf_set_u32(b, offset, crc32c(0, bytes));
}

/* The same for a checksum that stands inside [begin, end) and counts itself as zero. */
static inline void mend_inner_crc(struct buf *b, size_t offset, size_t begin, size_t end)
{
    if (offset + sizeof(uint32_t) > b->len || begin > end || end > b->len)
        return;
    buf_set_u32(b, offset, 0);
    mend_crc(b, offset, begin, end);
}

/* The same for [0, end). */
static inline void mend_own_crc(struct buf *b, size_t offset, size_t end)
{
    mend_inner_crc(b, offset, 0, end);
}

#endif
