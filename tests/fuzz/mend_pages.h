/*
 * mend_pages.h - make the checksums of the records in a file of LMDB right, wherever pages have
 * nodes that lie inside them. The form of pages is that of index/pages.c.
 */
#ifndef TESTS_FUZZ_MEND_PAGES_H
#define TESTS_FUZZ_MEND_PAGES_H

#include "index/index_internal.h"
#include "tests/fuzz/mend.h"

enum {
    MEND_PAGE_BYTES = 4096,
    MEND_PAGE_FLAGS = 10,
    MEND_PAGE_LOWER = 12,
    MEND_PAGE_HEADER = 16,
    MEND_NODE_HEADER = 8,
    MEND_NODES_MAX = 2048,
    MEND_LEAF = 0x02,
    MEND_BIG = 0x01,
    MEND_DUPLICATES = 0x04,
    MEND_DATABASE = 0x02,
};

struct mend_node {
    size_t at; /* in the file */
    uint32_t value_bytes;
    uint16_t flags;
    uint16_t key_bytes;
};

static inline uint16_t mend_u16(const struct buf *b, size_t offset)
{
    return (uint16_t)mend_get(b, offset);
}

/* The node `i` of the page; false: it does not lie in the page. */
static inline bool mend_node_at(const struct buf *b, size_t page, size_t i, struct mend_node *ret)
{
    size_t place = mend_u16(b, page + MEND_PAGE_HEADER + 2 * i);
    struct mend_node n = {.at = page + place};

    if (place + MEND_NODE_HEADER > MEND_PAGE_BYTES)
        return false;
    n.value_bytes = mend_get(b, n.at);
    n.flags = mend_u16(b, n.at + 4);
    n.key_bytes = mend_u16(b, n.at + 6);
    *ret = n;
    return place + MEND_NODE_HEADER + n.key_bytes <= MEND_PAGE_BYTES;
}

/* The checksum at the end of a value, behind what it is of. */
static inline void mend_value(struct buf *b, struct str key, size_t begin, size_t bytes)
{
    if (bytes < RECORD_CRC_BYTES || begin + bytes > b->len)
        return;
    size_t end = begin + bytes - RECORD_CRC_BYTES;
    buf_set_u32(b, end, record_crc(key, str_make(b->ptr + begin, end - begin)));
}

/* The values of one key in the page inside its node. */
static inline void mend_duplicates(struct buf *b, struct str key, size_t begin, size_t bytes)
{
    for (size_t at = MEND_PAGE_HEADER; at + POSTING_BYTES <= bytes; at += POSTING_BYTES)
        mend_value(b, key, begin + at, POSTING_BYTES);
}

static inline void mend_node(struct buf *b, const struct mend_node *n)
{
    size_t value = n->at + MEND_NODE_HEADER + n->key_bytes;

    if (value + n->value_bytes > b->len)
        return;
    struct str key = str_make(b->ptr + n->at + MEND_NODE_HEADER, n->key_bytes);
    if ((n->flags & MEND_BIG) != 0)
        mend_value(b, key, (size_t)mend_get(b, value) * MEND_PAGE_BYTES + MEND_PAGE_HEADER,
                   n->value_bytes);
    else if (n->flags == MEND_DUPLICATES)
        mend_duplicates(b, key, value, n->value_bytes);
    else if (n->flags == 0)
        mend_value(b, key, value, n->value_bytes);
}

/* Every page from `first` on; free lists are no records and must not be among them. */
static inline void mend_pages(struct buf *b, const bool *is_record_page, size_t pages)
{
    struct mend_node n;

    for (size_t p = 0; p < pages && (p + 1) * MEND_PAGE_BYTES <= b->len; p++) {
        size_t page = p * MEND_PAGE_BYTES;
        size_t lower = mend_u16(b, page + MEND_PAGE_LOWER);
        if (!is_record_page[p] || mend_u16(b, page + MEND_PAGE_FLAGS) != MEND_LEAF)
            continue;
        size_t nodes = lower < MEND_PAGE_HEADER ? 0 : (lower - MEND_PAGE_HEADER) / 2;
        for (size_t i = 0; i < MIN_OF(nodes, (size_t)MEND_NODES_MAX); i++) {
            if (mend_node_at(b, page, i, &n))
                mend_node(b, &n);
        }
    }
}

#endif
