/*
 * The reading half of the log: the forms of docs/format/wal.md, and what is done about damage.
 */
#include "chunks/wal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum {
    HEADER_CRC_OFFSET = 20,
    RECORD_CRC_OFFSET = 20,
    WAL_FILES_MAX = 1 << 20,
};

static const char wal_magic[8] = "SKWAL\r\n\x1a";

/* ---- forms ---- */

void wal_file_name(uint64_t number, char name[WAL_NAME_BYTES])
{
    (void)snprintf(name, WAL_NAME_BYTES, "%016" PRIx64 ".wal", number);
}

void wal_put_file_header(struct buf *b, uint64_t number)
{
    buf_put(b, str_make(wal_magic, sizeof(wal_magic)));
    buf_put_u16(b, WAL_VERSION);
    buf_put_u16(b, WAL_FILE_HEADER_BYTES);
    buf_put_u32(b, 0);
    buf_put_u32(b, 0);
    buf_put_u32(b, 0);
    buf_put_u64(b, number);
    if (!b->failed)
        buf_set_u32(b, HEADER_CRC_OFFSET, crc32c(0, buf_str(b)));
}

/* The checksum of `in` with the four bytes at `crc_offset` as zero. */
static uint32_t crc_with_hole(struct str in, size_t crc_offset)
{
    static const char zeros[sizeof(uint32_t)];

    uint32_t crc = crc32c(0, str_head(in, crc_offset));
    crc = crc32c(crc, str_make(zeros, sizeof(zeros)));
    return crc32c(crc, str_cut(in, crc_offset + sizeof(zeros)));
}

enum status wal_get_file_header(struct str in, uint64_t *ret_number, struct err *err)
{
    struct str header = str_head(in, WAL_FILE_HEADER_BYTES), rest = header, magic;
    uint16_t version, header_bytes;
    uint32_t compatible, incompatible, crc;
    uint64_t number;

    if (!get_bytes(&rest, sizeof(wal_magic), &magic) || !get_u16(&rest, &version) ||
        !get_u16(&rest, &header_bytes) || !get_u32(&rest, &compatible) ||
        !get_u32(&rest, &incompatible) || !get_u32(&rest, &crc) || !get_u64(&rest, &number))
        return err_set(err, ST_CORRUPT, "the header is cut short");
    if (!str_eq(magic, str_make(wal_magic, sizeof(wal_magic))) ||
        crc != crc_with_hole(header, HEADER_CRC_OFFSET))
        return err_set(err, ST_CORRUPT, "this is not the header of a log file");
    if (version != WAL_VERSION || header_bytes != WAL_FILE_HEADER_BYTES || incompatible != 0)
        return err_set(err, ST_UNSUPPORTED, "log version %u with features %#x is not known",
                       version, incompatible);
    *ret_number = number;
    return ST_OK;
}

void wal_put_record_header(char to[WAL_RECORD_HEADER_BYTES], enum wal_kind kind, struct str payload,
                           uint32_t payload_crc, uint64_t seq)
{
    struct buf b;

    buf_init(&b, WAL_RECORD_HEADER_BYTES);
    b.ptr = to;
    b.capacity = WAL_RECORD_HEADER_BYTES;
    buf_put_u32(&b, (uint32_t)payload.len);
    buf_put_u32(&b, payload_crc);
    buf_put_u64(&b, seq);
    buf_put_u32(&b, (uint32_t)kind);
    buf_put_u32(&b, crc32c(0, buf_str(&b)));
    ASSERT(!b.failed && b.len == WAL_RECORD_HEADER_BYTES);
}

bool wal_get_record_header(struct str in, struct wal_record_header *ret_header)
{
    struct wal_record_header h;
    struct str rest = in;
    uint32_t crc;

    if (!get_u32(&rest, &h.payload_bytes) || !get_u32(&rest, &h.payload_crc) ||
        !get_u64(&rest, &h.seq) || !get_u32(&rest, &h.kind) || !get_u32(&rest, &crc))
        return false;
    if (crc != crc32c(0, str_head(in, RECORD_CRC_OFFSET)) || h.payload_bytes == 0 ||
        h.payload_bytes > WAL_PAYLOAD_BYTES_MAX)
        return false;
    *ret_header = h;
    return true;
}

/* ---- files ---- */

static bool parse_name(const char *name, uint64_t *ret_number)
{
    char *end;

    if (strlen(name) != 20 || strcmp(name + 16, ".wal") != 0)
        return false;
    *ret_number = strtoull(name, &end, 16);
    return end == name + 16;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static enum status file_bytes(int dir_fd, uint64_t number, uint64_t *ret_bytes, struct err *err)
{
    char name[WAL_NAME_BYTES];

    wal_file_name(number, name);
    int fd = io_openat(dir_fd, name, O_RDONLY, 0);
    if (fd < 0)
        return err_errno(err, "open %s", name);
    enum status st = io_file_size(fd, ret_bytes, err);
    (void)close(fd);
    return st;
}

enum status wal_list(const char *dir, struct wal_names *ret_names, struct err *err)
{
    size_t capacity = 0;
    uint64_t number;
    enum status st = ST_OK;
    DIR *d = opendir(dir);

    *ret_names = (struct wal_names){0};
    if (d == NULL)
        return err_errno(err, "open directory %s", dir);
    for (struct dirent *entry = readdir(d); entry != NULL && st == ST_OK; entry = readdir(d)) {
        if (!parse_name(entry->d_name, &number))
            continue;
        if (ret_names->count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            uint64_t *numbers = mem_grow(ret_names->numbers, capacity, sizeof(*numbers));
            if (numbers == NULL || capacity > WAL_FILES_MAX) {
                st = err_set(err, ST_NOMEM, "too many files in %s", dir);
                break;
            }
            ret_names->numbers = numbers;
        }
        ret_names->numbers[ret_names->count++] = number;
    }
    if (st == ST_OK) {
        if (ret_names->count > 0)
            qsort(ret_names->numbers, ret_names->count, sizeof(number), compare_numbers);
        ret_names->bytes = mem_new(ret_names->count, sizeof(*ret_names->bytes));
        if (ret_names->bytes == NULL)
            st = err_set(err, ST_NOMEM, "no memory for the list of log files");
    }
    for (size_t i = 0; i < ret_names->count && st == ST_OK; i++)
        st = file_bytes(dirfd(d), ret_names->numbers[i], &ret_names->bytes[i], err);
    (void)closedir(d);
    return st;
}

void wal_names_release(struct wal_names *names)
{
    mem_free(names->numbers);
    mem_free(names->bytes);
    *names = (struct wal_names){0};
}

/* ---- reading one file ---- */

typedef enum status apply_fn(void *context, const struct wal_record *r, struct err *err);

struct file_reader {
    struct wal_cursor at;
    apply_fn *apply; /* NULL: only check */
    void *context;
    struct wal_replay *result;
};

enum status wal_cursor_record(struct wal_cursor *c, struct wal_record *ret_record, struct err *err)
{
    char bytes[WAL_RECORD_HEADER_BYTES];
    struct wal_record_header h;

    ASSERT(c->offset <= c->size);
    if (c->size - c->offset < sizeof(bytes))
        return err_set(err, ST_CORRUPT, "a record is cut short");
    enum status st = io_read_all(c->fd, bytes, sizeof(bytes), c->offset, err);
    if (st != ST_OK)
        return st;
    if (!wal_get_record_header(str_make(bytes, sizeof(bytes)), &h))
        return err_set(err, ST_CORRUPT, "the header of a record is damaged");
    if (h.payload_bytes > c->size - c->offset - sizeof(bytes))
        return err_set(err, ST_CORRUPT, "a record is cut short");

    buf_reset(&c->payload);
    char *to = buf_reserve(&c->payload, h.payload_bytes);
    if (to == NULL)
        return err_set(err, ST_NOMEM, "no memory for a record of %u bytes", h.payload_bytes);
    st = io_read_all(c->fd, to, h.payload_bytes, c->offset + sizeof(bytes), err);
    if (st != ST_OK)
        return st;
    struct str payload = str_make(to, h.payload_bytes);
    if (crc32c(0, payload) != h.payload_crc)
        return err_set(err, ST_CORRUPT, "the checksum of a record does not match");
    if (h.seq <= c->seq_before || h.kind != WAL_PUSH)
        return err_set(err, ST_CORRUPT, "a record is out of order");
    *ret_record = (struct wal_record){h.seq, (enum wal_kind)h.kind, payload};
    return ST_OK;
}

void wal_cursor_advance(struct wal_cursor *c, const struct wal_record *record)
{
    c->offset += WAL_RECORD_HEADER_BYTES + record->payload.len;
    c->seq_before = record->seq;
}

enum status wal_cursor_header(struct wal_cursor *c, uint64_t *ret_number, struct err *err)
{
    char bytes[WAL_FILE_HEADER_BYTES];

    if (c->size < sizeof(bytes))
        return err_set(err, ST_CORRUPT, "the header is cut short");
    enum status st = io_read_all(c->fd, bytes, sizeof(bytes), 0, err);
    if (st == ST_OK)
        st = wal_get_file_header(str_make(bytes, sizeof(bytes)), ret_number, err);
    c->offset = sizeof(bytes);
    return st;
}

/* Go through the whole file; `r->at.offset` is how far it is sound. */
static enum status read_file(struct file_reader *r, struct err *err)
{
    struct wal_record record;
    uint64_t number;

    enum status st = wal_cursor_header(&r->at, &number, err);
    if (st != ST_OK) {
        r->at.offset = 0;
        return st;
    }
    while (r->at.offset < r->at.size) {
        st = wal_cursor_record(&r->at, &record, err);
        if (st == ST_OK && r->apply != NULL)
            st = r->apply(r->context, &record, err);
        if (st != ST_OK)
            return st;
        wal_cursor_advance(&r->at, &record);
        r->result->records++;
        r->result->seq_max = MAX_OF(r->result->seq_max, record.seq);
    }
    return ST_OK;
}

enum status wal_verify(const char *path, struct wal_replay *ret_result, struct err *err)
{
    struct wal_replay result = {0};
    struct file_reader r = {.result = &result};

    r.at.fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);
    if (r.at.fd < 0)
        return err_errno(err, "open %s", path);
    buf_init(&r.at.payload, WAL_PAYLOAD_BYTES_MAX);
    enum status st = io_file_size(r.at.fd, &r.at.size, err);
    if (st == ST_OK)
        st = read_file(&r, err);
    if (st != ST_OK)
        st = err_prefix(err, st, "%s: offset %" PRIu64, path, r.at.offset);
    result.bytes = r.at.size;
    buf_release(&r.at.payload);
    (void)close(r.at.fd);
    *ret_result = result;
    return st;
}

/* ---- replay ---- */

/* Keep the damaged file `name` for a person to look at. */
static void keep_damaged(int dir_fd, const char *name)
{
    char kept[WAL_NAME_BYTES + 16];

    (void)snprintf(kept, sizeof(kept), "%s.damaged", name);
    if (linkat(dir_fd, name, dir_fd, kept, 0) < 0 && errno != EEXIST)
        LOG(LOG_WARN, "cannot keep a copy of a damaged log file", LOG_TEXT("file", name));
}

/* The end of the newest file is torn: cut it off, or the file as a whole if not even its header is
 * there. */
static enum status cut_torn_end(int dir_fd, const char *name, const struct file_reader *r,
                                struct err *err)
{
    if (r->at.offset == 0) {
        if (io_unlinkat(dir_fd, name) < 0 || io_fsync(dir_fd) < 0)
            return err_errno(err, "remove %s", name);
        return ST_OK;
    }
    if (io_ftruncate(r->at.fd, r->at.offset) < 0 || io_fsync(r->at.fd) < 0)
        return err_errno(err, "cut the torn end of %s", name);
    return ST_OK;
}

static enum status replay_file(int dir_fd, uint64_t number, bool is_newest, struct file_reader *r,
                               struct err *err)
{
    char name[WAL_NAME_BYTES];

    wal_file_name(number, name);
    r->at.fd = io_openat(dir_fd, name, O_RDWR, 0);
    if (r->at.fd < 0)
        return err_errno(err, "open %s", name);
    enum status st = io_file_size(r->at.fd, &r->at.size, err);
    if (st == ST_OK)
        st = read_file(r, err);
    if (st == ST_CORRUPT && is_newest) {
        r->result->cut_bytes = r->at.size - r->at.offset;
        st = cut_torn_end(dir_fd, name, r, err);
    } else if (st == ST_CORRUPT) {
        LOG(LOG_ERROR, "a log file is damaged, the rest of it is lost", LOG_TEXT("file", name),
            LOG_INT("offset", r->at.offset), LOG_ERR(err));
        keep_damaged(dir_fd, name);
        r->result->damaged_files++;
        st = ST_OK;
    } else if (st != ST_OK) {
        st = err_prefix(err, st, "%s", name);
    }
    r->result->bytes += r->at.offset;
    (void)close(r->at.fd);
    return st;
}

enum status wal_replay(const char *dir, apply_fn *apply, void *context,
                       struct wal_replay *ret_result, struct err *err)
{
    struct wal_replay result = {0};
    struct file_reader r = {.apply = apply, .context = context, .result = &result};
    struct wal_names names;
    int dir_fd = -1;

    enum status st = io_open_dir(dir, &dir_fd, err);
    if (st != ST_OK)
        return st;
    st = wal_list(dir, &names, err);
    buf_init(&r.at.payload, WAL_PAYLOAD_BYTES_MAX);
    for (size_t i = 0; i < names.count && st == ST_OK; i++)
        st = replay_file(dir_fd, names.numbers[i], i + 1 == names.count, &r, err);
    buf_release(&r.at.payload);
    wal_names_release(&names);
    (void)close(dir_fd);
    if (st == ST_OK)
        *ret_result = result;
    return st;
}
