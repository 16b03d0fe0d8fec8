/*
 * wal_internal.h - the bytes of the log: shared by the half that writes and the half that reads.
 */
#ifndef CHUNKS_WAL_INTERNAL_H
#define CHUNKS_WAL_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "chunks/wal.h"
#include "chunks/wal_reader.h"

enum {
    WAL_VERSION = 2, /* 1 is the same without WAL_PUSH_BODY */
    WAL_RECORD_HEADER_BYTES = 28,
};

#define WAL_PAYLOAD_BYTES_MAX ((size_t)1 << 30)

struct wal_file_header {
    uint64_t number;
    uint32_t salt;
    bool has_first_seq; /* older files have not */
    uint32_t first_seq; /* its low half: records below it are in older files, or failed */
};

void wal_put_file_header(struct buf *b, const struct wal_file_header *header);

/* ST_CORRUPT, or ST_UNSUPPORTED for a version or feature of another program. */
MUST_CHECK enum status wal_get_file_header(struct str in, struct wal_file_header *ret_header,
                                           struct err *err);

struct wal_record_header {
    uint32_t payload_bytes;
    uint32_t payload_crc;
    uint64_t seq;
    uint32_t kind;
    uint32_t salt;
};

void wal_put_record_header(char to[WAL_RECORD_HEADER_BYTES], const struct wal_record_header *h);

/* False: cut short, or its checksum does not match. */
MUST_CHECK bool wal_get_record_header(struct str in, struct wal_record_header *ret_header);

/* The log files of a directory in order of their numbers. */
struct wal_names {
    uint64_t *numbers;
    uint64_t *bytes;
    size_t count;
};

MUST_CHECK enum status wal_list(const char *dir, struct wal_names *ret_names, struct err *err);
void wal_names_release(struct wal_names *names);

#endif
