/*
 * Reading the log after a start, and what is done about its damage: docs/format/wal.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum { PATH_BYTES_MAX = 8192 };

typedef enum status apply_fn(void *context, const struct wal_record *r, struct err *err);

struct replay {
    const char *dir;
    int dir_fd;
    apply_fn *apply;
    void *context;
    struct wal_replay result;
};

/* The file that is read. */
struct replay_file {
    char name[WAL_NAME_BYTES];
    bool newest;
    bool damaged;
    struct wal_reader *reader;
};

/* Damage that a crash does not explain: tell, and keep the file for a person to look at. */
static void note_damage(struct replay *r, struct replay_file *f, uint64_t offset, uint64_t bytes,
                        const struct err *err)
{
    char kept[WAL_NAME_BYTES + 16];

    LOG(LOG_ERROR, "a log file is damaged", LOG_TEXT("file", f->name), LOG_INT("offset", offset),
        LOG_INT("bytes", bytes), LOG_ERR(err));
    if (f->damaged)
        return;
    f->damaged = true;
    r->result.damaged_files++;
    (void)snprintf(kept, sizeof(kept), "%s.damaged", f->name);
    if (io_linkat(r->dir_fd, f->name, kept) < 0 && errno != EEXIST)
        LOG(LOG_WARN, "cannot keep a copy of a damaged log file", LOG_TEXT("file", f->name));
}

static enum status cut_torn_end(const struct replay *r, const struct replay_file *f, uint64_t bytes,
                                struct err *err)
{
    int fd = io_openat(r->dir_fd, f->name, O_RDWR, 0);

    if (fd < 0)
        return err_errno(err, "open %s", f->name);
    enum status st = io_ftruncate(fd, bytes) < 0 || io_fsync(fd) < 0
                         ? err_errno(err, "cut the torn end of %s", f->name)
                         : ST_OK;
    (void)close(fd);
    return st;
}

static enum status remove_torn_file(struct replay *r, const struct replay_file *f, struct err *err)
{
    r->result.cut_bytes = wal_reader_bytes(f->reader);
    if (io_unlinkat(r->dir_fd, f->name) < 0 || io_fsync(r->dir_fd) < 0)
        return err_errno(err, "remove %s", f->name);
    return ST_OK;
}

static enum status replay_damage(struct replay *r, struct replay_file *f,
                                 const struct wal_piece *piece, struct err *err)
{
    bool at_end = piece->offset + piece->bytes == wal_reader_bytes(f->reader);

    if (!f->newest || !at_end || f->damaged) {
        note_damage(r, f, piece->offset, piece->bytes, err);
        return ST_OK;
    }
    r->result.cut_bytes = piece->bytes;
    return cut_torn_end(r, f, piece->offset, err);
}

/* A record whose checksum is right but whose payload makes no sense is damage like any other. */
static enum status replay_record(struct replay *r, struct replay_file *f,
                                 const struct wal_piece *piece, struct err *err)
{
    enum status st = r->apply(r->context, &piece->record, err);

    r->result.seq_max = MAX_OF(r->result.seq_max, piece->record.seq);
    if (st == ST_CORRUPT) {
        note_damage(r, f, piece->offset, piece->bytes, err);
        return ST_OK;
    }
    r->result.records++;
    r->result.bytes += piece->bytes;
    return st;
}

static enum status replay_file(struct replay *r, struct replay_file *f, struct err *err)
{
    struct wal_piece piece;
    uint64_t number;

    enum status st = wal_reader_header(f->reader, &number, err);
    if (st == ST_CORRUPT && f->newest && wal_reader_bytes(f->reader) <= WAL_FILE_HEADER_BYTES)
        return remove_torn_file(r, f, err);
    if (st == ST_CORRUPT) {
        note_damage(r, f, 0, WAL_FILE_HEADER_BYTES, err);
        st = ST_OK;
    }
    while (st == ST_OK) {
        enum status found = wal_reader_next(f->reader, &piece, err);
        if (found == ST_NOT_FOUND)
            return ST_OK;
        if (found == ST_OK)
            st = replay_record(r, f, &piece, err);
        else if (found == ST_CORRUPT)
            st = replay_damage(r, f, &piece, err);
        else
            st = found;
    }
    return st;
}

static enum status replay_number(struct replay *r, uint64_t number, bool newest, struct err *err)
{
    struct replay_file f = {.newest = newest};
    struct buf path;

    wal_file_name(number, f.name);
    buf_init(&path, PATH_BYTES_MAX);
    buf_printf(&path, "%s/%s%c", r->dir, f.name, '\0');
    enum status st = buf_status(&path, err);
    if (st == ST_OK)
        st = wal_reader_open(path.ptr, &f.reader, err);
    if (st == ST_OK)
        st = replay_file(r, &f, err);
    wal_reader_close(f.reader);
    buf_release(&path);
    return st == ST_OK ? ST_OK : err_prefix(err, st, "%s", f.name);
}

/*
 * The process before may have died between a write and its sync: what was replayed is on the disk
 * by chance only. When the log goes on in a new file this one must be whole; else a power cut would
 * leave damage in the middle of the log.
 */
static enum status sync_newest(const struct replay *r, uint64_t number, struct err *err)
{
    char name[WAL_NAME_BYTES];

    wal_file_name(number, name);
    int fd = io_openat(r->dir_fd, name, O_RDWR, 0);
    if (fd < 0)
        return errno == ENOENT ? ST_OK : err_errno(err, "open %s", name); /* it was removed */
    enum status st =
        io_fsync(fd) < 0 || io_fsync(r->dir_fd) < 0 ? err_errno(err, "sync %s", name) : ST_OK;
    (void)close(fd);
    return st;
}

enum status wal_replay(const char *dir, apply_fn *apply, void *context,
                       struct wal_replay *ret_result, struct err *err)
{
    struct replay r = {.dir = dir, .dir_fd = -1, .apply = apply, .context = context};
    uint64_t *numbers = NULL;
    size_t count = 0;
    struct err unused = {.text = ""};

    err = err == NULL ? &unused : err; /* damage is logged with its reason */
    enum status st = io_open_dir(dir, &r.dir_fd, err);
    if (st != ST_OK)
        return st;
    st = wal_numbers(dir, &numbers, &count, err);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = replay_number(&r, numbers[i], i + 1 == count, err);
    if (st == ST_OK && count > 0)
        st = sync_newest(&r, numbers[count - 1], err);
    mem_free(numbers);
    (void)close(r.dir_fd);
    if (st == ST_OK)
        *ret_result = r.result;
    return st;
}
