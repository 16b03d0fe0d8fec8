/*
 * wal_inspect.h - look into log files without changing them, and past their damage: for tools.
 *
 * Replaying stops at the first damage; here reading goes on with the next record that is whole.
 *
 * Threads  One at a time per object. A file may be growing meanwhile: what came after it was opened
 *          is not seen.
 */
#ifndef CHUNKS_WAL_INSPECT_H
#define CHUNKS_WAL_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunks/wal.h"

struct wal_inspect;

MUST_CHECK enum status wal_inspect_open(const char *path, struct wal_inspect **ret_w,
                                        struct err *err);
void wal_inspect_close(struct wal_inspect *w); /* accepts NULL */

uint64_t wal_inspect_bytes(const struct wal_inspect *w);

/* The number in the header. ST_CORRUPT, ST_UNSUPPORTED: it cannot be used; records may still. */
MUST_CHECK enum status wal_inspect_header(struct wal_inspect *w, uint64_t *ret_number,
                                          struct err *err);

/* A record, or damage, and where it lies. */
struct wal_piece {
    uint64_t offset;
    uint64_t bytes;
    struct wal_record record; /* valid until the next call */
};

/*
 * The next piece of the file.
 *
 * ST_CORRUPT    the piece is damage, as far as the next whole record or the end of the file
 * ST_NOT_FOUND  the end
 */
MUST_CHECK enum status wal_inspect_next(struct wal_inspect *w, struct wal_piece *ret_piece,
                                        struct err *err);

/* The numbers of the log files of a directory, ascending. Free with mem_free(). */
MUST_CHECK enum status wal_inspect_list(const char *dir, uint64_t **ret_numbers, size_t *ret_count,
                                        struct err *err);

enum {
    WAL_INSPECT_NAME_BYTES = 32,
    WAL_INSPECT_HEADER_BYTES = 32, /* a shorter file was torn before anything was in it */
};

/* "0000000000000001.wal" */
void wal_inspect_name(uint64_t number, char name[WAL_INSPECT_NAME_BYTES]);

#endif
