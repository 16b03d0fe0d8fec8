#include "chunks/wal_inspect.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

enum { RECORDS = 5, PAYLOAD_BYTES = 100, HEADER_BYTES = 32, RECORD_BYTES = 24 + PAYLOAD_BYTES };

static char dir[] = "/tmp/skald-test-XXXXXX";
static char path[64];

static void settled(void *context, uint64_t seq, enum status st)
{
    (void)context;
    (void)seq;
    (void)st;
}

/* A log of one file with RECORDS records, numbered from 1, each of PAYLOAD_BYTES. */
static void make_log(void)
{
    const struct wal_options options = {
        .dir = dir, .file_bytes = 1 << 20, .queue_bytes = 1 << 20, .settled = settled};
    struct wal *wal = NULL;
    uint64_t *numbers = NULL, seq;
    char name[WAL_INSPECT_NAME_BYTES];
    size_t count = 0;
    struct err err;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(wal_open(&options, 1, &wal, &err), ST_OK, "%s", err.text);
    for (int i = 0; i < RECORDS; i++) {
        struct buf b;
        buf_init(&b, PAYLOAD_BYTES);
        for (int j = 0; j < PAYLOAD_BYTES; j++)
            buf_put_u8(&b, (uint8_t)('a' + i));
        cr_assert_eq(wal_append(wal, WAL_PUSH, buf_detach(&b), &seq), ST_OK);
    }
    wal_close(wal);

    cr_assert_eq(wal_inspect_list(dir, &numbers, &count, &err), ST_OK, "%s", err.text);
    cr_assert_eq(count, 1);
    wal_inspect_name(numbers[0], name);
    mem_free(numbers);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
}

static void remove_log(void)
{
    (void)unlink(path);
    (void)rmdir(dir);
}

static void write_at(uint64_t offset, struct str bytes)
{
    int fd = open(path, O_WRONLY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(io_write_all(fd, bytes, offset, NULL), ST_OK);
    close(fd);
}

/* Everything a walk says, as one text: "1@32+124 ..." for a record, "!@32+124" for damage. */
static void walk(struct buf *b)
{
    struct wal_inspect *w = NULL;
    struct wal_piece piece;
    uint64_t number = 0;
    enum status st;
    struct err err;

    cr_assert_eq(wal_inspect_open(path, &w, &err), ST_OK, "%s", err.text);
    st = wal_inspect_header(w, &number, &err);
    buf_printf(b, "%s", st == ST_OK ? "" : "no header ");
    while ((st = wal_inspect_next(w, &piece, &err)) != ST_NOT_FOUND) {
        cr_assert(st == ST_OK || st == ST_CORRUPT, "%s", err.text);
        if (st == ST_OK) {
            cr_expect_eq(piece.record.payload.len, PAYLOAD_BYTES);
            buf_printf(b, "%llu", (unsigned long long)piece.record.seq);
        }
        buf_printf(b, "%s@%llu+%llu ", st == ST_OK ? "" : "!", (unsigned long long)piece.offset,
                   (unsigned long long)piece.bytes);
    }
    wal_inspect_close(w);
}

#define AT(i) (uint64_t)(HEADER_BYTES + (i)*RECORD_BYTES)

static const struct damage_case {
    const char *name;
    uint64_t offset;
    struct str bytes;
    off_t length; /* the file is cut there; 0: it is not */
    const char *want;
} damage_cases[] = {
    {"sound", 0, STR_INIT(""), 0, "1@32+124 2@156+124 3@280+124 4@404+124 5@528+124 "},
    {"a payload", AT(1) + 30, STR_INIT("XX"), 0,
     "1@32+124 !@156+124 3@280+124 4@404+124 5@528+124 "},
    {"a header", AT(2) + 4, STR_INIT("XX"), 0, "1@32+124 2@156+124 !@280+124 4@404+124 5@528+124 "},
    {"two in a row", AT(1) + 120, STR_INIT("XXXXXXXXXX"), 0,
     "1@32+124 !@156+248 4@404+124 5@528+124 "},
    {"the header of the file", 3, STR_INIT("X"), 0,
     "no header 1@32+124 2@156+124 3@280+124 4@404+124 5@528+124 "},
    {"cut inside a record", 0, STR_INIT(""), 600,
     "1@32+124 2@156+124 3@280+124 4@404+124 !@528+72 "},
    {"cut inside a record's header", 0, STR_INIT(""), 530,
     "1@32+124 2@156+124 3@280+124 4@404+124 !@528+2 "},
    {"cut inside the header", 0, STR_INIT(""), 10, "no header "},
    {"empty but for the header", 0, STR_INIT(""), 32, ""},
};

Test(wal_inspect, damage)
{
    struct buf sound, b;

    make_log();
    buf_init(&sound, 1 << 20);
    buf_init(&b, 4096);
    cr_assert_eq(io_file_read(path, &sound, NULL), ST_OK);
    for (size_t i = 0; i < COUNT_OF(damage_cases); i++) {
        const struct damage_case *c = &damage_cases[i];
        buf_reset(&b);
        write_at(0, buf_str(&sound));
        write_at(c->offset, c->bytes);
        if (c->length > 0)
            cr_assert_eq(truncate(path, c->length), 0);
        walk(&b);
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
    }
    buf_release(&sound);
    buf_release(&b);
    remove_log();
}

Test(wal_inspect, no_file)
{
    struct wal_inspect *w = NULL;
    struct err err;

    cr_expect_eq(wal_inspect_open("/nonexistent/file.wal", &w, &err), ST_NOT_FOUND);
    cr_expect_null(w);
    wal_inspect_close(NULL);
}
