/*
 * wal_internal.h - the bytes of the log and the names of its files: shared by wal.c and
 * wal_replay.c.
 */
#ifndef CHUNKS_WAL_INTERNAL_H
#define CHUNKS_WAL_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "chunks/wal.h"

enum {
    WAL_VERSION = 1,
    WAL_FILE_HEADER_BYTES = 32,
    WAL_RECORD_HEADER_BYTES = 24,
    WAL_NAME_BYTES = 32,
};

#define WAL_PAYLOAD_BYTES_MAX ((size_t)1 << 30)

/* "0000000000000001.wal" */
void wal_file_name(uint64_t number, char name[WAL_NAME_BYTES]);

void wal_put_file_header(struct buf *b, uint64_t number);
MUST_CHECK enum status wal_get_file_header(struct str in, uint64_t *ret_number, struct err *err);

struct wal_record_header {
    uint32_t payload_bytes;
    uint32_t payload_crc;
    uint64_t seq;
    uint32_t kind;
};

void wal_put_record_header(char to[WAL_RECORD_HEADER_BYTES], enum wal_kind kind, struct str payload,
                           uint32_t payload_crc, uint64_t seq);

/* False: cut short, or its checksum does not match. */
MUST_CHECK bool wal_get_record_header(struct str in, struct wal_record_header *ret_header);

/* A log file that is read record by record. */
struct wal_cursor {
    int fd;
    uint64_t size;
    uint64_t offset;     /* of the next record */
    uint64_t seq_before; /* of the record before */
    struct buf payload;
};

/* Read the header of the file; the cursor then stands behind it. */
MUST_CHECK enum status wal_cursor_header(struct wal_cursor *c, uint64_t *ret_number,
                                         struct err *err);

/*
 * Read the record at the cursor, which stays where it is. The payload borrows the cursor.
 *
 * ST_CORRUPT  none that is whole begins there
 */
MUST_CHECK enum status wal_cursor_record(struct wal_cursor *c, struct wal_record *ret_record,
                                         struct err *err);

/* Go on behind a record that was read. */
void wal_cursor_advance(struct wal_cursor *c, const struct wal_record *record);

/* The log files of a directory in order of their numbers. */
struct wal_names {
    uint64_t *numbers;
    uint64_t *bytes;
    size_t count;
};

MUST_CHECK enum status wal_list(const char *dir, struct wal_names *ret_names, struct err *err);
void wal_names_release(struct wal_names *names);

#endif
