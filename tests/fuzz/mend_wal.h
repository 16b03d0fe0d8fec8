/*
 * mend_wal.h - make the checksums and salts of a log file right; offsets are those of
 * docs/format/wal.md.
 */
#ifndef TESTS_FUZZ_MEND_WAL_H
#define TESTS_FUZZ_MEND_WAL_H

#include "chunks/wal_internal.h"
#include "tests/fuzz/mend.h"

enum {
    MEND_WAL_CRC = 20,
    MEND_WAL_SALT = 32,
    MEND_PAYLOAD_CRC = 4,
    MEND_RECORD_SALT = 20,
    MEND_RECORD_CRC = 24,
};

static inline void mend_wal(struct buf *b)
{
    size_t at = WAL_FILE_HEADER_BYTES;
    uint32_t salt = mend_get(b, MEND_WAL_SALT);

    mend_own_crc(b, MEND_WAL_CRC, WAL_FILE_HEADER_BYTES);
    while (at + WAL_RECORD_HEADER_BYTES < b->len) {
        size_t payload = at + WAL_RECORD_HEADER_BYTES;
        size_t end = payload + mend_get(b, at);
        if (mend_get(b, at + MEND_RECORD_CRC) == 0) { /* else it stays what it is: damage */
            mend_crc(b, at + MEND_PAYLOAD_CRC, payload, end);
            buf_set_u32(b, at + MEND_RECORD_SALT, salt);
            mend_crc(b, at + MEND_RECORD_CRC, at, at + MEND_RECORD_CRC);
        }
        at = end;
    }
}

#endif
