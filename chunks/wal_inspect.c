#include "chunks/wal_inspect.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum { WINDOW_BYTES = 256 * 1024 };

_Static_assert((int)WAL_INSPECT_NAME_BYTES == (int)WAL_NAME_BYTES, "one form of names");
_Static_assert((int)WAL_INSPECT_HEADER_BYTES == (int)WAL_FILE_HEADER_BYTES, "one form of headers");

struct wal_inspect {
    struct wal_cursor at;
    struct buf window; /* bytes that are searched for a record */
};

enum status wal_inspect_open(const char *path, struct wal_inspect **ret_w, struct err *err)
{
    struct wal_inspect *w = mem_new(1, sizeof(*w));

    if (w == NULL)
        return err_set(err, ST_NOMEM, "no memory to read %s", path);
    buf_init(&w->at.payload, WAL_PAYLOAD_BYTES_MAX);
    buf_init(&w->window, WINDOW_BYTES);
    w->at.offset = WAL_FILE_HEADER_BYTES;
    w->at.fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);
    enum status st =
        w->at.fd < 0 ? err_errno(err, "open %s", path) : io_file_size(w->at.fd, &w->at.size, err);
    if (st != ST_OK) {
        wal_inspect_close(w);
        return st;
    }
    *ret_w = w;
    return ST_OK;
}

void wal_inspect_close(struct wal_inspect *w)
{
    if (w == NULL)
        return;
    if (w->at.fd >= 0)
        (void)close(w->at.fd);
    buf_release(&w->at.payload);
    buf_release(&w->window);
    mem_free(w);
}

uint64_t wal_inspect_bytes(const struct wal_inspect *w)
{
    return w->at.size;
}

enum status wal_inspect_header(struct wal_inspect *w, uint64_t *ret_number, struct err *err)
{
    return wal_cursor_header(&w->at, ret_number, err);
}

/* ---- past damage ---- */

/* The first place from `offset` on, inside the window there, that looks like the header of one. */
static enum status search_window(struct wal_inspect *w, uint64_t offset, uint64_t *ret_offset)
{
    struct wal_record_header h;
    struct str in = buf_str(&w->window);

    for (; in.len >= WAL_RECORD_HEADER_BYTES; in = str_cut(in, 1), offset++) {
        if (!wal_get_record_header(str_head(in, WAL_RECORD_HEADER_BYTES), &h))
            continue;
        *ret_offset = offset;
        return ST_OK;
    }
    *ret_offset = offset;
    return ST_NOT_FOUND;
}

static enum status read_window(struct wal_inspect *w, uint64_t offset, struct err *err)
{
    size_t bytes = (size_t)MIN_OF(w->at.size - offset, (uint64_t)WINDOW_BYTES);

    buf_reset(&w->window);
    char *to = buf_reserve(&w->window, bytes);
    if (to == NULL)
        return err_set(err, ST_NOMEM, "no memory to search a log file");
    enum status st = io_read_all(w->at.fd, to, bytes, offset, err);
    if (st == ST_OK)
        buf_advance(&w->window, bytes);
    return st;
}

/* Put the cursor on the next whole record from its place on, or on the end of the file. */
static enum status find_record(struct wal_inspect *w, struct err *err)
{
    struct wal_record record;

    while (w->at.size - w->at.offset >= WAL_RECORD_HEADER_BYTES) {
        enum status st = read_window(w, w->at.offset, err);
        if (st != ST_OK)
            return st;
        /* Where nothing was found, the next window begins with what was too short for a header. */
        if (search_window(w, w->at.offset, &w->at.offset) != ST_OK)
            continue;
        st = wal_cursor_record(&w->at, &record, NULL);
        if (st != ST_CORRUPT)
            return st;
        w->at.offset++;
    }
    w->at.offset = w->at.size;
    return ST_OK;
}

enum status wal_inspect_next(struct wal_inspect *w, struct wal_piece *ret_piece, struct err *err)
{
    struct wal_piece piece = {.offset = w->at.offset};

    if (w->at.offset >= w->at.size)
        return ST_NOT_FOUND;
    enum status st = wal_cursor_record(&w->at, &piece.record, err);
    if (st == ST_OK) {
        wal_cursor_advance(&w->at, &piece.record);
    } else if (st == ST_CORRUPT) {
        w->at.offset++;
        enum status found = find_record(w, err);
        st = found == ST_OK ? ST_CORRUPT : found;
    }
    piece.bytes = w->at.offset - piece.offset;
    if (st == ST_OK || st == ST_CORRUPT)
        *ret_piece = piece;
    return st;
}

/* ---- files ---- */

enum status wal_inspect_list(const char *dir, uint64_t **ret_numbers, size_t *ret_count,
                             struct err *err)
{
    struct wal_names names;

    enum status st = wal_list(dir, &names, err);
    if (st == ST_OK) {
        *ret_numbers = names.numbers;
        *ret_count = names.count;
        names.numbers = NULL;
    }
    wal_names_release(&names);
    return st;
}

void wal_inspect_name(uint64_t number, char name[WAL_INSPECT_NAME_BYTES])
{
    wal_file_name(number, name);
}
