/*
 * A file of the write-ahead log, as it is and with its checksums and salts mended: its pieces cover
 * the whole file, and its records written to a file of their own are read again.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "chunks/wal_internal.h"
#include "tests/fuzz/mend_wal.h"

#include "base/banned.h"

/* ---- reading ---- */

struct reading {
    struct buf records; /* as a log file of their own */
    uint64_t count;
    bool damaged;
};

static void take_record(struct reading *r, const struct wal_record *record)
{
    char header[WAL_RECORD_HEADER_BYTES];
    struct wal_record_header h = {
        .payload_bytes = (uint32_t)record->payload.len,
        .payload_crc = crc32c(0, record->payload),
        .seq = record->seq,
        .kind = (uint32_t)record->kind,
    };

    wal_put_record_header(header, &h);
    buf_put(&r->records, str_make(header, sizeof(header)));
    buf_put(&r->records, record->payload);
    r->count++;
}

static void read_pieces(struct wal_reader *w, struct reading *r)
{
    struct err err = {.text = ""};
    struct wal_piece piece;
    uint64_t number, seq = 0, end = WAL_FILE_HEADER_BYTES;
    enum status st = wal_reader_header(w, &number, &err);

    ASSERT(st == ST_OK || ((st == ST_CORRUPT || st == ST_UNSUPPORTED) && err.text[0] != '\0'));
    if (st == ST_UNSUPPORTED)
        return;
    r->damaged = st != ST_OK;
    for (st = ST_OK; st != ST_NOT_FOUND;) {
        st = wal_reader_next(w, &piece, &err);
        if (st == ST_NOT_FOUND)
            break;
        ASSERT(st == ST_OK || st == ST_CORRUPT);
        ASSERT(piece.offset == end && piece.bytes > 0);
        end += piece.bytes;
        if (st == ST_CORRUPT) {
            r->damaged = true;
            continue;
        }
        ASSERT(piece.record.seq > seq &&
               (piece.record.kind == WAL_PUSH || piece.record.kind == WAL_PUSH_BODY));
        seq = piece.record.seq;
        take_record(r, &piece.record);
    }
    ASSERT(end == MAX_OF(wal_reader_bytes(w), (uint64_t)WAL_FILE_HEADER_BYTES));
}

static void read_file(struct str bytes, struct reading *r)
{
    char path[64];
    struct wal_reader *w = NULL;
    int fd = memfd_create("wal", 0);

    ASSERT(fd >= 0 && io_write_all(fd, bytes, 0, NULL) == ST_OK);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ASSERT(wal_reader_open(path, &w, NULL) == ST_OK);
    (void)close(fd);
    buf_init(&r->records, FUZZ_MEMORY_BYTES);
    wal_put_file_header(&r->records, &(struct wal_file_header){.number = 1});
    read_pieces(w, r);
    wal_reader_close(w);
}

static void check_file(struct str bytes)
{
    struct reading once = {0}, again = {0};

    read_file(bytes, &once);
    read_file(buf_str(&once.records), &again);
    ASSERT(!again.damaged && again.count == once.count);
    ASSERT(str_eq(buf_str(&once.records), buf_str(&again.records)));
    buf_release(&once.records);
    buf_release(&again.records);
}

void fuzz_input(struct str in)
{
    struct buf mended;

    check_file(in);
    buf_init(&mended, FUZZ_MEMORY_BYTES);
    buf_put(&mended, in);
    mend_wal(&mended);
    check_file(buf_str(&mended));
    buf_release(&mended);
}
