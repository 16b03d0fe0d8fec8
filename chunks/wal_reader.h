/*
 * wal_reader.h - read a log file record by record, and past its damage. Nothing is changed.
 *
 * Threads  One at a time per object. A file may be growing meanwhile: what came after it was opened
 *          is not seen.
 */
#ifndef CHUNKS_WAL_READER_H
#define CHUNKS_WAL_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chunks/wal.h"

enum {
    WAL_NAME_BYTES = 32,
    WAL_FILE_HEADER_BYTES = 40, /* a shorter file was torn before anything was in it */
};

/* "0000000000000001.wal" */
void wal_file_name(uint64_t number, char name[WAL_NAME_BYTES]);

/* The numbers of the log files of a directory, ascending. Free with mem_free(). */
MUST_CHECK enum status wal_numbers(const char *dir, uint64_t **ret_numbers, size_t *ret_count,
                                   struct err *err);

struct wal_reader;

MUST_CHECK enum status wal_reader_open(const char *path, struct wal_reader **ret_reader,
                                       struct err *err);
void wal_reader_close(struct wal_reader *r); /* accepts NULL */

uint64_t wal_reader_bytes(const struct wal_reader *r);

/*
 * Read the header of the file: the first call. Its number, or:
 *
 * ST_CORRUPT      it is damaged; records may still be read
 * ST_UNSUPPORTED  another program wrote the file
 */
MUST_CHECK enum status wal_reader_header(struct wal_reader *r, uint64_t *ret_number,
                                         struct err *err);

/*
 * The number from which on every record that did not fail is in this file or a newer one. `seq` is
 * that of the first record in these, and what it is taken for if the header does not tell.
 */
uint64_t wal_reader_first_seq(const struct wal_reader *r, uint64_t seq);

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
MUST_CHECK enum status wal_reader_next(struct wal_reader *r, struct wal_piece *ret_piece,
                                       struct err *err);

#endif
