/*
 * The bytes of headers and the names of files: docs/format/wal.md.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

#include "base/banned.h"

enum {
    HEADER_CRC_OFFSET = 20,
    RECORD_CRC_OFFSET = 24,
    FIRST_SEQ = 1, /* a feature */
    WAL_FILES_MAX = 1 << 20,
};

static const char wal_magic[8] = "SKWAL\r\n\x1a";

/* ---- headers ---- */

void wal_put_file_header(struct buf *b, const struct wal_file_header *header)
{
    buf_put(b, str_make(wal_magic, sizeof(wal_magic)));
    buf_put_u16(b, WAL_VERSION);
    buf_put_u16(b, WAL_FILE_HEADER_BYTES);
    buf_put_u32(b, header->has_first_seq ? FIRST_SEQ : 0);
    buf_put_u32(b, 0);
    buf_put_u32(b, 0);
    buf_put_u64(b, header->number);
    buf_put_u32(b, header->salt);
    buf_put_u32(b, header->first_seq);
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

enum status wal_get_file_header(struct str in, struct wal_file_header *ret_header, struct err *err)
{
    struct str header = str_head(in, WAL_FILE_HEADER_BYTES), rest = header, magic;
    struct wal_file_header h;
    uint16_t version, header_bytes;
    uint32_t compatible, incompatible, crc;

    if (!get_bytes(&rest, sizeof(wal_magic), &magic) || !get_u16(&rest, &version) ||
        !get_u16(&rest, &header_bytes) || !get_u32(&rest, &compatible) ||
        !get_u32(&rest, &incompatible) || !get_u32(&rest, &crc) || !get_u64(&rest, &h.number) ||
        !get_u32(&rest, &h.salt) || !get_u32(&rest, &h.first_seq) || rest.len != 0)
        return err_set(err, ST_CORRUPT, "the header is cut short");
    if (!str_eq(magic, str_make(wal_magic, sizeof(wal_magic))) ||
        crc != crc_with_hole(header, HEADER_CRC_OFFSET))
        return err_set(err, ST_CORRUPT, "this is not the header of a log file");
    if (version == 0 || version > WAL_VERSION || header_bytes != WAL_FILE_HEADER_BYTES ||
        incompatible != 0)
        return err_set(err, ST_UNSUPPORTED, "log version %u with features %#x is not known",
                       version, incompatible);
    h.has_first_seq = (compatible & FIRST_SEQ) != 0;
    *ret_header = h;
    return ST_OK;
}

void wal_put_record_header(char to[WAL_RECORD_HEADER_BYTES], const struct wal_record_header *h)
{
    struct buf b = {.ptr = to, .capacity = WAL_RECORD_HEADER_BYTES, .max = WAL_RECORD_HEADER_BYTES};

    buf_put_u32(&b, h->payload_bytes);
    buf_put_u32(&b, h->payload_crc);
    buf_put_u64(&b, h->seq);
    buf_put_u32(&b, h->kind);
    buf_put_u32(&b, h->salt);
    buf_put_u32(&b, crc32c(0, buf_str(&b)));
    ASSERT(!b.failed && b.len == WAL_RECORD_HEADER_BYTES);
}

bool wal_get_record_header(struct str in, struct wal_record_header *ret_header)
{
    struct wal_record_header h;
    struct str rest = in;
    uint32_t crc;

    if (!get_u32(&rest, &h.payload_bytes) || !get_u32(&rest, &h.payload_crc) ||
        !get_u64(&rest, &h.seq) || !get_u32(&rest, &h.kind) || !get_u32(&rest, &h.salt) ||
        !get_u32(&rest, &crc))
        return false;
    if (crc != crc32c(0, str_head(in, RECORD_CRC_OFFSET)) || h.payload_bytes == 0 ||
        h.payload_bytes > WAL_PAYLOAD_BYTES_MAX)
        return false;
    *ret_header = h;
    return true;
}

/* ---- files ---- */

void wal_file_name(uint64_t number, char name[WAL_NAME_BYTES])
{
    (void)snprintf(name, WAL_NAME_BYTES, "%016" PRIx64 ".wal", number);
}

static bool parse_name(const char *name, uint64_t *ret_number)
{
    char canonical[WAL_NAME_BYTES];

    *ret_number = strtoull(name, NULL, 16);
    wal_file_name(*ret_number, canonical);
    return strcmp(name, canonical) == 0;
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

struct listing {
    struct wal_names *names;
    size_t capacity;
};

static enum status note_name(void *context, const char *name, struct err *err)
{
    struct listing *l = context;
    uint64_t number;

    if (!parse_name(name, &number))
        return ST_OK;
    if (l->names->count == WAL_FILES_MAX)
        return err_set(err, ST_LIMIT, "more than %d log files", WAL_FILES_MAX);
    if (l->names->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        uint64_t *wider = mem_grow(l->names->numbers, capacity, sizeof(*wider));
        if (wider == NULL)
            return err_set(err, ST_NOMEM, "no memory for the list of log files");
        l->names->numbers = wider;
        l->capacity = capacity;
    }
    l->names->numbers[l->names->count++] = number;
    return ST_OK;
}

static enum status note_sizes(const char *dir, struct wal_names *names, struct err *err)
{
    int dir_fd = -1;

    names->bytes = mem_new(names->count, sizeof(*names->bytes));
    if (names->bytes == NULL)
        return err_set(err, ST_NOMEM, "no memory for the list of log files");
    enum status st = io_open_dir(dir, &dir_fd, err);
    for (size_t i = 0; i < names->count && st == ST_OK; i++)
        st = file_bytes(dir_fd, names->numbers[i], &names->bytes[i], err);
    if (dir_fd >= 0)
        (void)close(dir_fd);
    return st;
}

enum status wal_list(const char *dir, struct wal_names *ret_names, struct err *err)
{
    struct listing l = {.names = ret_names};

    *ret_names = (struct wal_names){0};
    enum status st = io_list(dir, note_name, &l, err);
    if (st == ST_OK && ret_names->count > 0)
        qsort(ret_names->numbers, ret_names->count, sizeof(uint64_t), compare_numbers);
    return st == ST_OK ? note_sizes(dir, ret_names, err) : st;
}

void wal_names_release(struct wal_names *names)
{
    mem_free(names->numbers);
    mem_free(names->bytes);
    *names = (struct wal_names){0};
}

enum status wal_numbers(const char *dir, uint64_t **ret_numbers, size_t *ret_count, struct err *err)
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
