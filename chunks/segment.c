/*
 * Open files are kept in a table ordered by last use. A reader takes a reference under the lock,
 * reads without it, and gives the reference back; a file that is pushed out of the table while
 * somebody reads it is closed by the last reader.
 *
 * A file that is taken to be written stays in the table until it is synced, cut or removed: else
 * nobody would know that there is something to sync, and were it closed and opened again for its
 * sync, a write error met meanwhile might have gone with the first descriptor. At most half of the
 * table is kept by that: before one more is written, the one used longest ago is synced. If that
 * fails, so does the write, and what is asked of that file next tells it, too.
 */
#include "chunks/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/time.h"

#include "base/banned.h"

enum {
    SEGMENT_VERSION = 1,
    HEADER_FIXED_BYTES = 64,
    HEADER_CRC_OFFSET = 20,
    HEADER_RESERVED_BYTES = 26,
    HEADER_ALIGN = 8,
};

static const char segment_magic[8] = "SKSEG\r\n\x1a";

struct open_file {
    struct segment_name name;
    int fd;
    unsigned users;
    bool evicted;     /* the last user closes it */
    bool written;     /* and not synced */
    bool sync_failed; /* nobody who wrote it knows yet */
    uint64_t last_use;
};

enum use {
    USE_READ, /* or cut: what is cut is synced at once */
    USE_WRITE,
};

struct segments {
    const char *dir;
    int dir_fd;
    struct lock lock; /* for all below */
    struct open_file **files;
    size_t count;
    size_t max;
    size_t written_count;
    uint64_t uses;
};

/* ---- names and headers ---- */

void segment_file_name(struct segment_name name, char file[SEGMENT_FILE_NAME_BYTES])
{
    time_t seconds = (time_t)(time_day_start_ns(name.day) / SECOND_NS);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)snprintf(file, SEGMENT_FILE_NAME_BYTES, "%04d-%02d-%02d-%016" PRIx64 ".seg",
                   tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, name.id);
}

/* Take a file name apart; only one that segment_file_name() makes is good. */
static bool parse_file_name(const char *file, struct segment_name *ret_name)
{
    enum { DATE_BYTES = 10, ID_BYTES = 16 };
    char text[DATE_BYTES + sizeof("T12:00:00Z")], again[SEGMENT_FILE_NAME_BYTES], *end;
    int64_t ns;

    if (strlen(file) != DATE_BYTES + 1 + ID_BYTES + 4)
        return false;
    (void)snprintf(text, sizeof(text), "%.*sT12:00:00Z", (int)DATE_BYTES, file);
    /* At noon: the first day there is begins before the first time, the last ends after the last.
     */
    if (time_parse(str_from(text), &ns) != ST_OK)
        return false;
    struct segment_name name = {.id = strtoull(file + DATE_BYTES + 1, &end, 16),
                                .day = time_day(ns)};
    segment_file_name(name, again);
    if (strcmp(file, again) != 0)
        return false;
    *ret_name = name;
    return true;
}

size_t segment_header_bytes(struct str tenant)
{
    size_t bytes = HEADER_FIXED_BYTES + tenant.len;

    return bytes + ((size_t)-bytes & (HEADER_ALIGN - 1));
}

static void put_header(struct buf *b, struct segment_name name, struct str tenant)
{
    size_t bytes = segment_header_bytes(tenant);

    buf_put(b, str_make(segment_magic, sizeof(segment_magic)));
    buf_put_u16(b, SEGMENT_VERSION);
    buf_put_u16(b, (uint16_t)bytes);
    buf_put_u32(b, 0);
    buf_put_u32(b, 0);
    buf_put_u32(b, 0); /* the checksum, when all is there */
    buf_put_u64(b, name.id);
    buf_put_u32(b, (uint32_t)name.day);
    buf_put_u16(b, (uint16_t)tenant.len);
    buf_put_zeros(b, HEADER_RESERVED_BYTES);
    ASSERT(b->failed || b->len == HEADER_FIXED_BYTES);
    buf_put(b, tenant);
    buf_put_zeros(b, bytes - HEADER_FIXED_BYTES - tenant.len);
    if (!b->failed)
        buf_set_u32(b, HEADER_CRC_OFFSET, crc32c(0, buf_str(b)));
}

static uint32_t header_crc(struct str header)
{
    static const char zeros[sizeof(uint32_t)];

    uint32_t crc = crc32c(0, str_head(header, HEADER_CRC_OFFSET));
    crc = crc32c(crc, str_make(zeros, sizeof(zeros)));
    return crc32c(crc, str_cut(header, HEADER_CRC_OFFSET + sizeof(zeros)));
}

enum status segment_header_parse(struct str bytes, struct segment_header *ret_header,
                                 struct err *err)
{
    struct str rest = bytes, magic;
    uint16_t version, header_bytes, tenant_bytes;
    uint32_t compatible, incompatible, crc, day;
    struct segment_header h;

    if (!get_bytes(&rest, sizeof(segment_magic), &magic) || !get_u16(&rest, &version) ||
        !get_u16(&rest, &header_bytes) || !get_u32(&rest, &compatible) ||
        !get_u32(&rest, &incompatible) || !get_u32(&rest, &crc) || !get_u64(&rest, &h.name.id) ||
        !get_u32(&rest, &day) || !get_u16(&rest, &tenant_bytes) ||
        !str_eq(magic, str_make(segment_magic, sizeof(segment_magic))))
        return err_set(err, ST_CORRUPT, "this is not the header of a segment");
    if (header_bytes > MIN_OF(bytes.len, (size_t)SEGMENT_HEADER_BYTES_MAX) ||
        header_bytes < HEADER_FIXED_BYTES + tenant_bytes ||
        crc != header_crc(str_head(bytes, header_bytes)))
        return err_set(err, ST_CORRUPT, "the header of a segment is damaged");
    if (version != SEGMENT_VERSION || incompatible != 0)
        return err_set(err, ST_UNSUPPORTED, "segment version %u with features %#x is not known",
                       version, incompatible);
    h.name.day = (int32_t)day;
    h.header_bytes = header_bytes;
    h.tenant = str_make(bytes.ptr + HEADER_FIXED_BYTES, tenant_bytes);
    *ret_header = h;
    return ST_OK;
}

struct listing {
    struct segment_name *names;
    size_t count;
    size_t capacity;
};

static enum status note_file(void *context, const char *file, struct err *err)
{
    struct listing *l = context;
    struct segment_name name;

    if (!parse_file_name(file, &name))
        return ST_OK;
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        struct segment_name *wider = mem_grow(l->names, capacity, sizeof(*wider));
        if (wider == NULL)
            return err_set(err, ST_NOMEM, "no memory for the list of segments");
        l->names = wider;
        l->capacity = capacity;
    }
    l->names[l->count++] = name;
    return ST_OK;
}

int segment_name_compare(const void *a, const void *b)
{
    const struct segment_name *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

enum status segments_list(const char *dir, struct segment_name **ret_names, size_t *ret_count,
                          struct err *err)
{
    struct listing l = {0};

    enum status st = io_list(dir, note_file, &l, err);
    if (st != ST_OK) {
        mem_free(l.names);
        return st;
    }
    if (l.count > 0)
        qsort(l.names, l.count, sizeof(*l.names), segment_name_compare);
    *ret_names = l.names;
    *ret_count = l.count;
    return ST_OK;
}

/* ---- open files ---- */

enum status segments_open(const char *dir, size_t open_max, struct segments **ret_s,
                          struct err *err)
{
    struct segments *s = mem_new(1, sizeof(*s));

    if (s == NULL)
        return err_set(err, ST_NOMEM, "no memory for segments");
    ASSERT(open_max >= SEGMENTS_OPEN_MIN);
    s->dir = dir;
    s->dir_fd = -1;
    s->max = open_max;
    lock_init(&s->lock, LOCK_RANK_SEGMENTS);
    s->files = mem_new(open_max, sizeof(struct open_file *));
    enum status st =
        s->files == NULL ? err_set(err, ST_NOMEM, "no memory for segments") : io_mkdir(dir, err);
    if (st == ST_OK)
        st = io_open_dir(dir, &s->dir_fd, err);
    if (st != ST_OK) {
        segments_close(s);
        return st;
    }
    *ret_s = s;
    return ST_OK;
}

static void file_free(struct open_file *f)
{
    (void)close(f->fd);
    mem_free(f);
}

void segments_close(struct segments *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        ASSERT(s->files[i]->users == 0);
        file_free(s->files[i]);
    }
    mem_free(s->files);
    if (s->dir_fd >= 0)
        (void)close(s->dir_fd);
    lock_release(&s->lock);
    mem_free(s);
}

/* Take the file at `i` out of the table. */
static void evict(struct segments *s, size_t i)
{
    struct open_file *f = s->files[i];

    lock_assert_held(&s->lock);
    s->files[i] = s->files[--s->count];
    s->written_count -= f->written ? 1 : 0;
    f->evicted = true;
    if (f->users == 0)
        file_free(f);
}

static struct open_file *find(struct segments *s, struct segment_name name, size_t *ret_i)
{
    lock_assert_held(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        if (s->files[i]->name.id == name.id) {
            *ret_i = i;
            return s->files[i];
        }
    }
    return NULL;
}

/* Of the files that are written, or of the others, the one that was used longest ago. */
static size_t find_oldest(struct segments *s, bool written)
{
    size_t oldest = s->count;

    lock_assert_held(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        if (s->files[i]->written == written &&
            (oldest == s->count || s->files[i]->last_use < s->files[oldest]->last_use))
            oldest = i;
    }
    ASSERT(oldest < s->count);
    return oldest;
}

/* The file gets a user. Nothing may come between its being found and its being written. */
static void use(struct segments *s, struct open_file *f, enum use how)
{
    lock_assert_held(&s->lock);
    f->users++;
    f->last_use = ++s->uses;
    s->written_count += how == USE_WRITE && !f->written ? 1 : 0;
    f->written |= how == USE_WRITE;
}

/* Put a freshly opened file into the table; if another thread was faster, its file wins. */
static struct open_file *adopt(struct segments *s, struct segment_name name, enum use how, int fd)
{
    struct open_file *f = mem_new(1, sizeof(*f)), *there;
    size_t i;

    if (f == NULL) {
        (void)close(fd);
        return NULL;
    }
    *f = (struct open_file){.name = name, .fd = fd};
    lock_take(&s->lock);
    there = find(s, name, &i);
    if (there == NULL) {
        if (s->count == s->max)
            evict(s, find_oldest(s, false));
        s->files[s->count++] = f;
        there = f;
    } else {
        file_free(f);
    }
    use(s, there, how);
    lock_give(&s->lock);
    return there;
}

static enum status take_file(struct segments *s, struct segment_name name, enum use how,
                             int extra_flags, struct open_file **ret_file, struct err *err)
{
    char file[SEGMENT_FILE_NAME_BYTES];
    size_t i;

    lock_take(&s->lock);
    struct open_file *f = find(s, name, &i);
    if (f != NULL)
        use(s, f, how);
    lock_give(&s->lock);
    if (f == NULL) {
        segment_file_name(name, file);
        int fd = io_openat(s->dir_fd, file, O_RDWR | extra_flags, 0640);
        if (fd < 0)
            return err_errno(err, "open %s/%s", s->dir, file);
        f = adopt(s, name, how, fd);
        if (f == NULL)
            return err_set(err, ST_NOMEM, "no memory for an open segment");
    }
    *ret_file = f;
    return ST_OK;
}

static void give_file(struct segments *s, struct open_file *f)
{
    lock_take(&s->lock);
    ASSERT(f->users > 0);
    bool last = --f->users == 0 && f->evicted;
    lock_give(&s->lock);
    if (last)
        file_free(f);
}

/* Say which file an error speaks of. */
static enum status name_error(struct err *err, enum status st, struct segment_name name)
{
    char file[SEGMENT_FILE_NAME_BYTES];

    segment_file_name(name, file);
    return err_prefix(err, st, "%s", file);
}

/* ---- what is written ---- */

/* Only the thread that writes changes it; others look, for what to evict. */
static void forget_written(struct segments *s, struct open_file *f)
{
    lock_take(&s->lock);
    s->written_count -= f->written ? 1 : 0;
    f->written = false;
    lock_give(&s->lock);
}

static enum status sync_file(struct segments *s, struct open_file *f, struct err *err)
{
    if (f->sync_failed)
        return err_set(err, ST_IO, "a sync has failed");
    if (io_fdatasync(f->fd) < 0)
        return err_errno(err, "sync");
    forget_written(s, f);
    return ST_OK;
}

/* Before a file is written that is not yet: sync one, if as many are as may be. */
static enum status sync_one(struct segments *s, struct segment_name name, struct err *err)
{
    struct open_file *oldest = NULL;
    size_t i;

    lock_take(&s->lock);
    const struct open_file *f = find(s, name, &i);
    if ((f == NULL || !f->written) && s->written_count >= s->max / 2)
        oldest = s->files[find_oldest(s, true)]; /* it stays: it is written */
    lock_give(&s->lock);
    enum status st = oldest == NULL ? ST_OK : sync_file(s, oldest, err);
    if (st == ST_OK)
        return ST_OK;
    oldest->sync_failed = true;
    st = name_error(err, st, oldest->name);
    return name_error(err, st, name);
}

static enum status take_to_write(struct segments *s, struct segment_name name, int extra_flags,
                                 struct open_file **ret_file, struct err *err)
{
    enum status st = sync_one(s, name, err);

    return st == ST_OK ? take_file(s, name, USE_WRITE, extra_flags, ret_file, err) : st;
}

/* ---- calls ---- */

static enum status write_header(struct segments *s, struct open_file *f, struct str tenant,
                                uint64_t *ret_bytes, struct err *err)
{
    struct buf header;

    buf_init(&header, SEGMENT_HEADER_BYTES_MAX);
    put_header(&header, f->name, tenant);
    enum status st = buf_status(&header, err);
    if (st == ST_OK && io_ftruncate(f->fd, 0) < 0)
        st = err_errno(err, "empty the file");
    if (st == ST_OK)
        st = io_write_all(f->fd, buf_str(&header), 0, err);
    if (st == ST_OK)
        *ret_bytes = header.len;
    else
        forget_written(s, f); /* it holds nothing */
    buf_release(&header);
    return st;
}

enum status segments_create(struct segments *s, struct segment_name name, struct str tenant,
                            uint64_t *ret_bytes, struct err *err)
{
    struct open_file *f = NULL;

    enum status st = take_to_write(s, name, O_CREAT, &f, err);
    if (st != ST_OK)
        return st;
    st = write_header(s, f, tenant, ret_bytes, err);
    give_file(s, f);
    return st == ST_OK ? ST_OK : name_error(err, st, name);
}

enum status segments_write(struct segments *s, struct segment_name name, struct str bytes,
                           uint64_t offset, struct err *err)
{
    struct open_file *f = NULL;

    enum status st = take_to_write(s, name, 0, &f, err);
    if (st != ST_OK)
        return st;
    st = io_write_all(f->fd, bytes, offset, err);
    give_file(s, f);
    return st == ST_OK ? ST_OK : name_error(err, st, name);
}

enum status segments_sync(struct segments *s, struct segment_name name, struct err *err)
{
    size_t i;

    lock_take(&s->lock);
    struct open_file *f = find(s, name, &i);
    bool written = f != NULL && f->written; /* then it stays */
    lock_give(&s->lock);
    if (!written)
        return ST_OK;
    enum status st = sync_file(s, f, err);
    return st == ST_OK ? ST_OK : name_error(err, st, name);
}

enum status segments_read(struct segments *s, struct segment_range range, char *to, struct err *err)
{
    struct open_file *f = NULL;

    enum status st = take_file(s, range.name, USE_READ, 0, &f, err);
    if (st != ST_OK)
        return st;
    st = io_read_all(f->fd, to, range.bytes, range.offset, err);
    give_file(s, f);
    return st == ST_OK ? ST_OK : name_error(err, st, range.name);
}

enum status segments_cut(struct segments *s, struct segment_name name, uint64_t committed_bytes,
                         struct err *err)
{
    struct open_file *f = NULL;
    uint64_t bytes;

    enum status st = take_file(s, name, USE_READ, 0, &f, err);
    if (st != ST_OK)
        return st;
    st = io_file_size(f->fd, &bytes, err);
    if (st == ST_OK && bytes < committed_bytes)
        st = err_set(err, ST_CORRUPT, "%" PRIu64 " bytes are missing", committed_bytes - bytes);
    if (st == ST_OK && bytes > committed_bytes &&
        (io_ftruncate(f->fd, committed_bytes) < 0 || io_fdatasync(f->fd) < 0))
        st = err_errno(err, "cut to %" PRIu64 " bytes", committed_bytes);
    if (st == ST_OK && f->sync_failed)
        st = err_set(err, ST_IO, "a sync has failed");
    f->sync_failed = false;
    forget_written(s, f);
    give_file(s, f);
    return st == ST_OK ? ST_OK : name_error(err, st, name);
}

enum status segments_remove(struct segments *s, struct segment_name name, struct err *err)
{
    char file[SEGMENT_FILE_NAME_BYTES];
    size_t i;

    lock_take(&s->lock);
    if (find(s, name, &i) != NULL)
        evict(s, i);
    lock_give(&s->lock);
    segment_file_name(name, file);
    if (io_unlinkat(s->dir_fd, file) == 0)
        return ST_OK;
    if (errno != ENOENT)
        return err_errno(err, "remove %s/%s", s->dir, file);
    /*
     * It was removed before. If the sync of the directory failed then, the system may have dropped
     * that change, and the next sync would succeed without it: so it is made once more.
     */
    int fd = io_openat(s->dir_fd, file, O_WRONLY | O_CREAT, 0640);
    if (fd < 0)
        return err_errno(err, "make and remove %s/%s", s->dir, file);
    (void)close(fd);
    return io_unlinkat(s->dir_fd, file) == 0 ? ST_OK : err_errno(err, "remove %s/%s", s->dir, file);
}

enum status segments_sync_names(struct segments *s, struct err *err)
{
    return io_fsync(s->dir_fd) < 0 ? err_errno(err, "sync %s", s->dir) : ST_OK;
}
