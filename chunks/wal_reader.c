#include "chunks/wal_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum { WINDOW_BYTES = 256 * 1024 };

struct wal_reader {
    int fd;
    uint64_t size;
    uint64_t offset;     /* of the next record */
    uint64_t seq_before; /* of the record before */
    bool has_salt;       /* else no record can be told from bytes that look like one */
    uint32_t salt;
    bool has_first_seq;
    uint32_t first_seq; /* its low half */
    struct buf payload;
    struct buf window; /* bytes that are searched for a record */
};

enum status wal_reader_open(const char *path, struct wal_reader **ret_reader, struct err *err)
{
    struct wal_reader *r = mem_new(1, sizeof(*r));

    if (r == NULL)
        return err_set(err, ST_NOMEM, "no memory to read %s", path);
    buf_init(&r->payload, WAL_PAYLOAD_BYTES_MAX);
    buf_init(&r->window, WINDOW_BYTES);
    r->fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);
    enum status st =
        r->fd < 0 ? err_errno(err, "open %s", path) : io_file_size(r->fd, &r->size, err);
    if (st != ST_OK) {
        wal_reader_close(r);
        return st;
    }
    *ret_reader = r;
    return ST_OK;
}

void wal_reader_close(struct wal_reader *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        (void)close(r->fd);
    buf_release(&r->payload);
    buf_release(&r->window);
    mem_free(r);
}

uint64_t wal_reader_bytes(const struct wal_reader *r)
{
    return r->size;
}

/* ---- the header ---- */

static enum status read_record_header(const struct wal_reader *r, struct wal_record_header *ret,
                                      struct err *err)
{
    char bytes[WAL_RECORD_HEADER_BYTES];

    if (r->size - r->offset < sizeof(bytes))
        return err_set(err, ST_CORRUPT, "a record is cut short");
    enum status st = io_read_all(r->fd, bytes, sizeof(bytes), r->offset, err);
    if (st == ST_OK && !wal_get_record_header(str_make(bytes, sizeof(bytes)), ret))
        st = err_set(err, ST_CORRUPT, "the header of a record is damaged");
    return st;
}

static enum status read_header(struct wal_reader *r, struct wal_file_header *ret, struct err *err)
{
    char bytes[WAL_FILE_HEADER_BYTES];

    if (r->size < sizeof(bytes))
        return err_set(err, ST_CORRUPT, "the header is cut short");
    enum status st = io_read_all(r->fd, bytes, sizeof(bytes), 0, err);
    return st == ST_OK ? wal_get_file_header(str_make(bytes, sizeof(bytes)), ret, err) : st;
}

enum status wal_reader_header(struct wal_reader *r, uint64_t *ret_number, struct err *err)
{
    struct wal_file_header header;
    struct wal_record_header record;

    enum status st = read_header(r, &header, err);
    r->offset = MIN_OF(r->size, (uint64_t)WAL_FILE_HEADER_BYTES);
    if (st == ST_OK) {
        r->has_salt = true;
        r->salt = header.salt;
        r->has_first_seq = header.has_first_seq;
        r->first_seq = header.first_seq;
        *ret_number = header.number;
    } else if (st == ST_CORRUPT && read_record_header(r, &record, NULL) == ST_OK) {
        r->has_salt = true;
        r->salt = record.salt;
    }
    return st;
}

uint64_t wal_reader_first_seq(const struct wal_reader *r, uint64_t seq)
{
    return r->has_first_seq ? seq - (uint32_t)((uint32_t)seq - r->first_seq) : seq;
}

/* ---- records ---- */

static enum status check_record_header(const struct wal_reader *r,
                                       const struct wal_record_header *h, struct err *err)
{
    if (!r->has_salt || h->salt != r->salt)
        return err_set(err, ST_CORRUPT, "a record is of another file");
    if (h->seq <= r->seq_before || (h->kind != WAL_PUSH && h->kind != WAL_PUSH_BODY))
        return err_set(err, ST_CORRUPT, "a record is out of order");
    if (h->payload_bytes > r->size - r->offset - WAL_RECORD_HEADER_BYTES)
        return err_set(err, ST_CORRUPT, "a record is cut short");
    return ST_OK;
}

/* Read the record at the offset, which stays where it is. ST_CORRUPT: none begins there. */
static enum status read_record(struct wal_reader *r, struct wal_record *ret_record, struct err *err)
{
    struct wal_record_header h;

    enum status st = read_record_header(r, &h, err);
    if (st == ST_OK)
        st = check_record_header(r, &h, err);
    if (st != ST_OK)
        return st;
    buf_reset(&r->payload);
    char *to = buf_reserve(&r->payload, h.payload_bytes);
    if (to == NULL)
        return err_set(err, ST_NOMEM, "no memory for a record of %u bytes", h.payload_bytes);
    st = io_read_all(r->fd, to, h.payload_bytes, r->offset + WAL_RECORD_HEADER_BYTES, err);
    if (st != ST_OK)
        return st;
    struct str payload = str_make(to, h.payload_bytes);
    if (crc32c(0, payload) != h.payload_crc)
        return err_set(err, ST_CORRUPT, "the checksum of a record does not match");
    *ret_record = (struct wal_record){h.seq, (enum wal_kind)h.kind, payload};
    return ST_OK;
}

/* ---- past damage ---- */

/* The first place from `offset` on, inside the window there, that is a record's header. */
static enum status search_window(const struct wal_reader *r, uint64_t offset, uint64_t *ret_offset)
{
    struct wal_record_header h;
    struct str in = buf_str(&r->window);

    for (; in.len >= WAL_RECORD_HEADER_BYTES; in = str_cut(in, 1), offset++) {
        if (!wal_get_record_header(str_head(in, WAL_RECORD_HEADER_BYTES), &h) || h.salt != r->salt)
            continue; /* what anybody may write into a line, so it must not cost more than this */
        *ret_offset = offset;
        return ST_OK;
    }
    *ret_offset = offset;
    return ST_NOT_FOUND;
}

static enum status read_window(struct wal_reader *r, struct err *err)
{
    size_t bytes = (size_t)MIN_OF(r->size - r->offset, (uint64_t)WINDOW_BYTES);

    buf_reset(&r->window);
    char *to = buf_reserve(&r->window, bytes);
    if (to == NULL)
        return err_set(err, ST_NOMEM, "no memory to search a log file");
    enum status st = io_read_all(r->fd, to, bytes, r->offset, err);
    if (st == ST_OK)
        buf_advance(&r->window, bytes);
    return st;
}

/* Go to the next whole record, or to the end of the file. */
static enum status find_record(struct wal_reader *r, struct err *err)
{
    struct wal_record record;

    while (r->has_salt && r->size - r->offset >= WAL_RECORD_HEADER_BYTES) {
        enum status st = read_window(r, err);
        if (st != ST_OK)
            return st;
        /* Where nothing was found, the next window begins with what was too short for a header. */
        if (search_window(r, r->offset, &r->offset) != ST_OK)
            continue;
        st = read_record(r, &record, NULL);
        if (st != ST_CORRUPT)
            return st;
        r->offset++;
    }
    r->offset = r->size;
    return ST_OK;
}

enum status wal_reader_next(struct wal_reader *r, struct wal_piece *ret_piece, struct err *err)
{
    struct wal_piece piece = {.offset = r->offset};

    if (r->offset >= r->size)
        return ST_NOT_FOUND;
    enum status st = read_record(r, &piece.record, err);
    if (st == ST_OK) {
        r->offset += WAL_RECORD_HEADER_BYTES + piece.record.payload.len;
        r->seq_before = piece.record.seq;
    } else if (st == ST_CORRUPT) {
        r->offset++;
        enum status found = find_record(r, err);
        st = found == ST_OK ? ST_CORRUPT : found;
    }
    piece.bytes = r->offset - piece.offset;
    if (st == ST_OK || st == ST_CORRUPT)
        *ret_piece = piece;
    return st;
}
