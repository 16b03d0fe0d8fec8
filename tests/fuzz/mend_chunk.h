/*
 * mend_chunk.h - make the checksums of a chunk right; offsets are those of docs/format/chunk.md.
 */
#ifndef TESTS_FUZZ_MEND_CHUNK_H
#define TESTS_FUZZ_MEND_CHUNK_H

#include "chunks/chunk.h"
#include "tests/fuzz/mend.h"

enum {
    MEND_CHUNK_BYTES = 8,
    MEND_HEAD_BYTES = 12,
    MEND_HEAD_CRC = 16,
    MEND_BLOCK_COUNT = 20,
    MEND_ROW_BYTES = 104,
    MEND_ROW_COLUMNS = 24,
    MEND_COLUMN_BYTES = 16,
    MEND_COLUMN_STORED = 4,
    MEND_COLUMN_CRC = 12,
};

/* The columns of one block of the chunk at `chunk`. */
static inline void mend_row(struct buf *b, size_t chunk, size_t row)
{
    for (size_t i = 0; i <= CHUNK_COLUMNS; i++) { /* the filter is the last one */
        size_t column = row + MEND_ROW_COLUMNS + i * MEND_COLUMN_BYTES;
        size_t begin = chunk + mend_get(b, column);
        size_t bytes = mend_get(b, column + MEND_COLUMN_STORED);
        mend_crc(b, column + MEND_COLUMN_CRC, begin, begin + bytes);
    }
}

/* Rows stand at the end of the head. */
static inline void mend_chunk(struct buf *b, size_t chunk)
{
    size_t head_bytes = mend_get(b, chunk + MEND_HEAD_BYTES);
    size_t rows = mend_get(b, chunk + MEND_BLOCK_COUNT);
    size_t end = chunk + head_bytes;

    if (end > b->len)
        return;
    for (size_t i = 1; i <= rows && i * MEND_ROW_BYTES <= head_bytes; i++)
        mend_row(b, chunk, end - i * MEND_ROW_BYTES);
    mend_inner_crc(b, chunk + MEND_HEAD_CRC, chunk, end);
}

#endif
