#include "chunks/wal_reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/io.h"
#include "base/mem.h"
#include "chunks/wal_internal.h"

enum { RECORDS = 5, PAYLOAD_BYTES = 100, HEADER_BYTES = 40, RECORD_BYTES = 28 + PAYLOAD_BYTES };

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
    char name[WAL_NAME_BYTES];
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

    cr_assert_eq(wal_numbers(dir, &numbers, &count, &err), ST_OK, "%s", err.text);
    cr_assert_eq(count, 1);
    wal_file_name(numbers[0], name);
    mem_free(numbers);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
}

static void remove_log(void)
{
    char kept[80];

    (void)snprintf(kept, sizeof(kept), "%s.damaged", path);
    (void)unlink(kept);
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

/* The file as it was made, whatever happened to it. */
static void put_back(struct str sound)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    cr_assert_geq(fd, 0);
    close(fd);
    write_at(0, sound);
}

/* Everything a walk says, as one text: "1@32+124 ..." for a record, "!@32+124" for damage. */
static void walk(struct buf *b)
{
    struct wal_reader *w = NULL;
    struct wal_piece piece;
    uint64_t number = 0;
    enum status st;
    struct err err;

    cr_assert_eq(wal_reader_open(path, &w, &err), ST_OK, "%s", err.text);
    st = wal_reader_header(w, &number, &err);
    buf_printf(b, "%s", st == ST_OK ? "" : "no header ");
    while ((st = wal_reader_next(w, &piece, &err)) != ST_NOT_FOUND) {
        cr_assert(st == ST_OK || st == ST_CORRUPT, "%s", err.text);
        if (st == ST_OK) {
            cr_expect_eq(piece.record.payload.len, PAYLOAD_BYTES);
            buf_printf(b, "%llu", (unsigned long long)piece.record.seq);
        }
        buf_printf(b, "%s@%llu+%llu ", st == ST_OK ? "" : "!", (unsigned long long)piece.offset,
                   (unsigned long long)piece.bytes);
    }
    wal_reader_close(w);
}

#define AT(i) (uint64_t)(HEADER_BYTES + (i)*RECORD_BYTES)

static const struct damage_case {
    const char *name;
    uint64_t offset;
    struct str bytes;
    off_t length; /* the file is cut there; 0: it is not */
    const char *walked;
    const char *replayed; /* sequence numbers, what was cut off, damaged files */
} damage_cases[] = {
    {"sound", 0, STR_INIT(""), 0, "1@40+128 2@168+128 3@296+128 4@424+128 5@552+128 ",
     "1 2 3 4 5 cut 0 damaged 0"},
    {"a payload", AT(1) + 34, STR_INIT("XX"), 0,
     "1@40+128 !@168+128 3@296+128 4@424+128 5@552+128 ", "1 3 4 5 cut 0 damaged 1"},
    {"a header", AT(2) + 4, STR_INIT("XX"), 0, "1@40+128 2@168+128 !@296+128 4@424+128 5@552+128 ",
     "1 2 4 5 cut 0 damaged 1"},
    {"two in a row", AT(1) + 124, STR_INIT("XXXXXXXXXX"), 0,
     "1@40+128 !@168+256 4@424+128 5@552+128 ", "1 4 5 cut 0 damaged 1"},
    {"the header of the file", 3, STR_INIT("X"), 0,
     "no header 1@40+128 2@168+128 3@296+128 4@424+128 5@552+128 ", "1 2 3 4 5 cut 0 damaged 1"},
    {"the header of the file and of the first record", 3,
     STR_INIT("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"), 0, "no header !@40+640 ",
     "cut 0 damaged 1"},
    {"the last record", AT(4) + 50, STR_INIT("X"), 0,
     "1@40+128 2@168+128 3@296+128 4@424+128 !@552+128 ", "1 2 3 4 cut 128 damaged 0"},
    {"cut inside a record", 0, STR_INIT(""), 600,
     "1@40+128 2@168+128 3@296+128 4@424+128 !@552+48 ", "1 2 3 4 cut 48 damaged 0"},
    {"cut inside a record's header", 0, STR_INIT(""), 560,
     "1@40+128 2@168+128 3@296+128 4@424+128 !@552+8 ", "1 2 3 4 cut 8 damaged 0"},
    {"cut inside the header", 0, STR_INIT(""), 10, "no header ", "cut 10 damaged 0"},
    {"empty but for the header", 0, STR_INIT(""), HEADER_BYTES, "", "cut 0 damaged 0"},
};

static enum status note_record(void *context, const struct wal_record *r, struct err *err)
{
    (void)err;
    buf_printf(context, "%llu ", (unsigned long long)r->seq);
    return ST_OK;
}

static enum status refuse_second(void *context, const struct wal_record *r, struct err *err)
{
    (void)context;
    return r->seq == 2 ? err_set(err, ST_CORRUPT, "nonsense") : ST_OK;
}

static void replay(struct buf *b)
{
    struct wal_replay result;
    struct err err;

    cr_assert_eq(wal_replay(dir, note_record, b, &result, &err), ST_OK, "%s", err.text);
    buf_printf(b, "cut %llu damaged %llu", (unsigned long long)result.cut_bytes,
               (unsigned long long)result.damaged_files);
}

Test(wal_reader, damage)
{
    struct buf sound, b;

    make_log();
    buf_init(&sound, 1 << 20);
    buf_init(&b, 4096);
    cr_assert_eq(io_file_read(path, &sound, NULL), ST_OK);
    for (size_t i = 0; i < COUNT_OF(damage_cases); i++) {
        const struct damage_case *c = &damage_cases[i];
        buf_reset(&b);
        put_back(buf_str(&sound));
        write_at(c->offset, c->bytes);
        if (c->length > 0)
            cr_assert_eq(truncate(path, c->length), 0);
        walk(&b);
        cr_expect(str_eq(buf_str(&b), str_from(c->walked)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_reset(&b);
        replay(&b);
        cr_expect(str_eq(buf_str(&b), str_from(c->replayed)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
    }
    buf_release(&sound);
    buf_release(&b);
    remove_log();
}

/*
 * What is pushed may look like a record. When the record around it is damaged and the reader looks
 * for the next one, it must not take it for one.
 */
Test(wal_reader, a_record_inside_a_line)
{
    struct wal_record_header inner = {
        .payload_bytes = 4, .seq = 3, .kind = WAL_PUSH, .salt = 12345};
    char header[WAL_RECORD_HEADER_BYTES];
    struct buf b;

    make_log();
    inner.payload_crc = crc32c(0, STR("fake"));
    wal_put_record_header(header, &inner);
    write_at(AT(2) + 40, str_make(header, sizeof(header)));
    write_at(AT(2) + 40 + sizeof(header), STR("fake"));
    buf_init(&b, 4096);
    walk(&b);
    cr_expect(str_eq(buf_str(&b), STR("1@40+128 2@168+128 !@296+128 4@424+128 5@552+128 ")), "%.*s",
              STR_ARG(buf_str(&b)));
    buf_release(&b);
    remove_log();
}

Test(wal_reader, a_payload_that_makes_no_sense)
{
    struct wal_replay result;
    struct err err;

    make_log();
    cr_assert_eq(wal_replay(dir, refuse_second, NULL, &result, &err), ST_OK, "%s", err.text);
    cr_expect_eq(result.records, RECORDS - 1);
    cr_expect_eq(result.seq_max, RECORDS);
    cr_expect_eq(result.damaged_files, 1);
    remove_log();
}

Test(wal_reader, no_file)
{
    struct wal_reader *w = NULL;
    struct err err;

    cr_expect_eq(wal_reader_open("/nonexistent/file.wal", &w, &err), ST_NOT_FOUND);
    cr_expect_null(w);
    wal_reader_close(NULL);
}
