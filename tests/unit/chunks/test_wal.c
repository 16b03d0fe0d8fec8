#include "chunks/wal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/log.h"
#include "chunks/wal_internal.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/files.h"

#include "base/banned.h"

/* ---- a log in a directory, and what it said of its records ---- */

enum {
    RECORDS_MAX = 5000,
    FILE_HEADER = WAL_FILE_HEADER_BYTES,
    HEADER = WAL_RECORD_HEADER_BYTES,
};

struct log {
    char dir[TEST_PATH_BYTES];
    struct wal_options options;
    struct wal *wal;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t settled; /* every record up to here */
    enum status outcomes[RECORDS_MAX];
    bool disorder;
};

static void on_settled(void *context, uint64_t seq, enum status st)
{
    struct log *l = context;

    (void)pthread_mutex_lock(&l->mutex);
    l->disorder = l->disorder || seq <= l->settled || seq >= RECORDS_MAX;
    for (uint64_t s = l->settled + 1; s <= seq && s < RECORDS_MAX; s++)
        l->outcomes[s] = st;
    l->settled = seq;
    (void)pthread_cond_broadcast(&l->changed);
    (void)pthread_mutex_unlock(&l->mutex);
}

static void log_init(struct log *l)
{
    *l = (struct log){.wal = NULL};
    log_level_set(LOG_LEVELS); /* each fault would be told, and there are many */
    files_dir_make(l->dir);
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_cond_init(&l->changed, NULL);
    l->options = (struct wal_options){l->dir, 1 << 20, 1 << 20, on_settled, l};
}

static void log_open(struct log *l, uint64_t next_seq)
{
    struct err err = {.text = ""};

    l->settled = next_seq - 1;
    cr_assert_eq(wal_open(&l->options, next_seq, &l->wal, &err), ST_OK, "%s", err.text);
}

static void log_close(struct log *l)
{
    wal_close(l->wal);
    l->wal = NULL;
}

static void log_release(struct log *l)
{
    log_close(l);
    cr_expect_not(l->disorder, "records were settled out of order");
    files_dir_remove(l->dir);
}

static enum status wait_for(struct log *l, uint64_t seq)
{
    (void)pthread_mutex_lock(&l->mutex);
    while (l->settled < seq)
        (void)pthread_cond_wait(&l->changed, &l->mutex);
    enum status st = l->outcomes[seq];
    (void)pthread_mutex_unlock(&l->mutex);
    return st;
}

/* Queue a record of this text; its number is in *ret_seq. */
static enum status append(struct log *l, struct str text, uint64_t *ret_seq)
{
    struct str payload = mem_str(text);

    enum status st = wal_append(l->wal, WAL_PUSH, payload, ret_seq);
    if (st != ST_OK)
        mem_free((void *)(uintptr_t)payload.ptr);
    return st;
}

/* Append one record and wait for its outcome. */
static enum status push(struct log *l, struct str text)
{
    uint64_t seq = 0;

    enum status st = append(l, text, &seq);
    return st == ST_OK ? wait_for(l, seq) : st;
}

/* ---- replay ---- */

struct replayed {
    struct buf text; /* "1:first 2:second " */
    uint64_t stop_at;
    enum status stop_with;
};

static enum status note_record(void *context, const struct wal_record *r, struct err *err)
{
    struct replayed *to = context;

    if (r->seq == to->stop_at)
        return err_set(err, to->stop_with, "no more of this");
    buf_put_i64(&to->text, (int64_t)r->seq);
    buf_put(&to->text, r->kind == WAL_PUSH ? STR(":") : STR(" (body):"));
    buf_put(&to->text, r->payload);
    buf_put_char(&to->text, ' ');
    return ST_OK;
}

/* Replay, and compare what comes with `want`. */
static struct wal_replay expect_replay(const char *name, const char *dir, const char *want)
{
    struct replayed got = {.stop_at = 0};
    struct wal_replay result = {.records = 77};

    buf_init(&got.text, MIB);
    EXPECT_STATUS(name, wal_replay(dir, note_record, &got, &result, NULL), ST_OK);
    EXPECT_STR(name, buf_str(&got.text), str_from(want));
    buf_release(&got.text);
    return result;
}

Test(wal, append_and_replay)
{
    struct log l;

    log_init(&l);
    struct wal_replay result = expect_replay("empty", l.dir, "");
    cr_expect(result.records == 0 && result.seq_max == 0 && result.bytes == 0);
    log_open(&l, 1);
    cr_expect_eq(wal_next_seq(l.wal), 1);
    EXPECT_STATUS("first", push(&l, STR("first")), ST_OK);
    EXPECT_STATUS("second", push(&l, STR("second")), ST_OK);
    cr_expect_eq(wal_next_seq(l.wal), 3);
    log_close(&l);
    result = expect_replay("two", l.dir, "1:first 2:second ");
    cr_expect(result.records == 2 && result.seq_max == 2 && result.cut_bytes == 0 &&
              result.damaged_files == 0);
    cr_expect_eq(result.bytes, 2 * HEADER + 11);

    log_open(&l, 10);
    EXPECT_STATUS("after a restart", push(&l, STR("third")), ST_OK);
    struct wal_state state = wal_state(l.wal);
    cr_expect(state.files == 2 && state.oldest_seq_max == 9 && !state.failed);
    log_close(&l);
    result = expect_replay("two files", l.dir, "1:first 2:second 10:third ");
    cr_expect_eq(result.seq_max, 10);
    log_release(&l);
}

/* What waits is written before the log is closed. */
Test(wal, close_writes_what_waits)
{
    uint64_t seq = 0;
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    for (size_t i = 0; i < 500; i++)
        REQUIRE_OK(append(&l, STR("x"), &seq));
    log_close(&l);
    cr_expect_eq(l.settled, 500);
    struct replayed got = {.stop_at = 0};
    struct wal_replay result;
    buf_init(&got.text, MIB);
    REQUIRE_OK(wal_replay(l.dir, note_record, &got, &result, NULL));
    cr_expect_eq(result.records, 500);
    buf_release(&got.text);
    log_release(&l);
    wal_close(NULL);
}

/* The next record of a file, with right checksums, behind what `b` holds. */
static void put_record(struct buf *b, struct wal_record_header h, struct str payload)
{
    char header[WAL_RECORD_HEADER_BYTES];

    h.payload_bytes = (uint32_t)payload.len;
    h.payload_crc = crc32c(0, payload);
    wal_put_record_header(header, &h);
    buf_put(b, str_make(header, sizeof(header)));
    buf_put(b, payload);
}

/* From which record on the log is in this file, and newer ones. */
static uint64_t first_seq(const struct log *l, uint64_t number)
{
    char name[WAL_NAME_BYTES], path[TEST_PATH_BYTES];
    struct wal_reader *r = NULL;
    struct wal_piece piece;

    wal_file_name(number, name);
    REQUIRE_OK(wal_reader_open(files_path(path, l->dir, name), &r, NULL));
    REQUIRE_OK(wal_reader_header(r, &number, NULL));
    REQUIRE_OK(wal_reader_next(r, &piece, NULL));
    uint64_t seq = wal_reader_first_seq(r, piece.record.seq);
    wal_reader_close(r);
    return seq;
}

/* What version 1 wrote. */
Test(wal, golden_v1)
{
    char path[TEST_PATH_BYTES];
    struct log l;

    log_init(&l);
    struct str bytes = files_read("tests/golden/wal-v1.bin");
    files_write(files_path(path, l.dir, "0000000000000001.wal"), bytes);
    mem_free((void *)(uintptr_t)bytes.ptr);
    struct wal_replay result = expect_replay("version 1", l.dir, "258:first record 259:\xff\x01 ");
    cr_expect_eq(result.records, 2);
    log_release(&l);
}

Test(wal, golden)
{
    char path[TEST_PATH_BYTES];
    struct buf b;
    struct log l;

    buf_init(&b, 4096);
    wal_put_file_header(
        &b, &(struct wal_file_header){
                .number = 1, .salt = 0x01020304, .has_first_seq = true, .first_seq = 0x0100});
    put_record(&b, (struct wal_record_header){.seq = 0x0102, .kind = WAL_PUSH, .salt = 0x01020304},
               STR("first record"));
    put_record(&b,
               (struct wal_record_header){.seq = 0x0103, .kind = WAL_PUSH_BODY, .salt = 0x01020304},
               STR("\xff\x01"));
    files_expect_golden("wal-v2-first-seq.bin", buf_str(&b));
    buf_release(&b);

    static const char *const written[] = {"wal-v2.bin", "wal-v2-first-seq.bin"};
    for (size_t i = 0; i < COUNT_OF(written); i++) {
        log_init(&l);
        struct str bytes = files_read(files_path(path, "tests/golden", written[i]));
        files_write(files_path(path, l.dir, "0000000000000001.wal"), bytes);
        mem_free((void *)(uintptr_t)bytes.ptr);
        struct wal_replay result =
            expect_replay(written[i], l.dir, "258:first record 259 (body):\xff\x01 ");
        cr_expect_eq(result.records, 2);
        cr_expect_eq(first_seq(&l, 1), i == 0 ? 258 : 256);
        log_release(&l);
    }
}

/* What the process before wrote, and did not come to sync, is synced before the log goes on. */
static int note_last_syncs(struct io_event *event, void *context)
{
    size_t *syncs = context;

    *syncs = event->call == IO_SYNC ? *syncs + 1 : 0;
    return 0;
}

Test(wal, replay_ends_with_syncs)
{
    size_t syncs = 0;
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    REQUIRE_OK(push(&l, STR("one")));
    log_close(&l);
    io_hook_set(note_last_syncs, &syncs);
    (void)expect_replay("one", l.dir, "1:one ");
    io_hook_set(NULL, NULL);
    cr_expect_eq(syncs, 2, "of the file and of its directory; %zu", syncs);
    struct fault f = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC};
    struct replayed got = {.stop_at = 0};
    struct wal_replay result;
    buf_init(&got.text, MIB);
    fault_begin(&f);
    EXPECT_STATUS("no sync", wal_replay(l.dir, note_record, &got, &result, NULL), ST_IO);
    fault_end();
    buf_release(&got.text);
    log_release(&l);
}

/* ---- group commit ---- */

struct slow {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool closed; /* syncs wait while it is */
    size_t syncs;
    size_t waiting;
};

static int wait_in_sync(struct io_event *event, void *context)
{
    struct slow *s = context;

    if (event->call != IO_SYNC)
        return 0;
    (void)pthread_mutex_lock(&s->mutex);
    s->syncs++;
    s->waiting++;
    while (s->closed)
        (void)pthread_cond_wait(&s->opened, &s->mutex);
    s->waiting--;
    (void)pthread_mutex_unlock(&s->mutex);
    return 0;
}

static void slow_begin(struct slow *s)
{
    *s = (struct slow){.closed = true};
    (void)pthread_mutex_init(&s->mutex, NULL);
    (void)pthread_cond_init(&s->opened, NULL);
    io_hook_set(wait_in_sync, s);
}

static void wait_until_syncing(struct slow *s)
{
    for (;;) {
        (void)pthread_mutex_lock(&s->mutex);
        size_t waiting = s->waiting;
        (void)pthread_mutex_unlock(&s->mutex);
        if (waiting > 0)
            return;
        (void)usleep(1000);
    }
}

static void slow_open(struct slow *s)
{
    (void)pthread_mutex_lock(&s->mutex);
    s->closed = false;
    (void)pthread_cond_broadcast(&s->opened);
    (void)pthread_mutex_unlock(&s->mutex);
}

Test(wal, group_commit)
{
    enum { RECORDS = 1000 };
    struct slow slow;
    uint64_t seq = 0;
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    slow_begin(&slow);
    REQUIRE_OK(append(&l, STR("first"), &seq));
    wait_until_syncing(&slow);
    for (size_t i = 0; i < RECORDS; i++)
        REQUIRE_OK(append(&l, STR("while it syncs"), &seq));
    cr_expect_eq(l.settled, 0, "nothing is settled before it is synced");
    slow_open(&slow);
    EXPECT_STATUS("last", wait_for(&l, seq), ST_OK);
    cr_expect_eq(slow.syncs, 2, "%zu syncs", slow.syncs);
    io_hook_set(NULL, NULL);
    log_release(&l);
}

Test(wal, queue_is_bounded)
{
    struct slow slow;
    uint64_t seq = 0, before = 0;
    struct log l;

    log_init(&l);
    l.options.queue_bytes = 10;
    log_open(&l, 1);
    slow_begin(&slow);
    REQUIRE_OK(append(&l, STR("first"), &seq));
    wait_until_syncing(&slow);
    EXPECT_STATUS("one may be larger than all", append(&l, STR("more than ten bytes"), &seq),
                  ST_OK);
    before = seq;
    EXPECT_STATUS("full", append(&l, STR("x"), &seq), ST_BUSY);
    cr_expect_eq(seq, before);
    slow_open(&slow);
    EXPECT_STATUS("second", wait_for(&l, 2), ST_OK);
    EXPECT_STATUS("room again", push(&l, STR("third")), ST_OK);
    io_hook_set(NULL, NULL);
    log_close(&l);
    (void)expect_replay("three", l.dir, "1:first 2:more than ten bytes 3:third ");
    log_release(&l);
}

static void *append_many(void *context)
{
    struct log *l = context;
    uint64_t seq = 0, before = 0;
    bool rising = true;

    for (size_t i = 0; i < 500; i++) {
        rising = rising && append(l, STR("x"), &seq) == ST_OK && seq > before;
        before = seq;
    }
    return rising && wait_for(l, seq) == ST_OK ? l : NULL;
}

Test(wal, many_threads)
{
    pthread_t threads[4];
    struct log l;

    log_init(&l);
    l.options.file_bytes = 5000;
    log_open(&l, 1);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, append_many, &l), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result = NULL;
        (void)pthread_join(threads[i], &result);
        cr_expect_not_null(result, "thread %zu", i);
    }
    log_close(&l);
    struct replayed got = {.stop_at = 0};
    struct wal_replay result;
    buf_init(&got.text, MIB);
    REQUIRE_OK(wal_replay(l.dir, note_record, &got, &result, NULL));
    cr_expect(result.records == 2000 && result.seq_max == 2000);
    buf_release(&got.text);
    log_release(&l);
}

/* ---- files ---- */

/* All records there are can be dropped when the log was turned over. */
Test(wal, turn)
{
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    REQUIRE_OK(wal_turn(l.wal, NULL));
    cr_expect_eq(wal_state(l.wal).files, 1, "there was nothing to turn");
    EXPECT_STATUS("push", push(&l, STR("old")), ST_OK);
    wal_drop(l.wal, 2);
    cr_expect_eq(wal_state(l.wal).files, 1, "the newest stays");
    REQUIRE_OK(wal_turn(l.wal, NULL));
    cr_expect_eq(wal_state(l.wal).files, 2);
    wal_drop(l.wal, 2);
    cr_expect_eq(wal_state(l.wal).files, 1);
    EXPECT_STATUS("push", push(&l, STR("new")), ST_OK);
    log_close(&l);
    (void)expect_replay("what is left", l.dir, "2:new ");
    log_release(&l);
}

/* A file that cannot be made costs nothing but the turn. */
Test(wal, turn_fails)
{
    struct fault fault = {.at = 1, .kinds = 1U << IO_OPEN, .error = ENOSPC};
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    EXPECT_STATUS("push", push(&l, STR("one")), ST_OK);
    fault_begin(&fault);
    cr_expect_neq(wal_turn(l.wal, NULL), ST_OK);
    fault_end();
    EXPECT_STATUS("push", push(&l, STR("two")), ST_OK);
    REQUIRE_OK(wal_turn(l.wal, NULL));
    log_close(&l);
    (void)expect_replay("what is left", l.dir, "1:one 2:two ");
    log_release(&l);
}

/* A log that can have no file yet waits for room; without its directory, or a list, there is none.
 */
Test(wal, opens_while_the_disk_is_full)
{
    static const char *const opened[] = {"directory", "list", "file"};

    for (size_t i = 0; i < COUNT_OF(opened); i++) {
        struct fault fault = {.at = i + 1, .kinds = 1U << IO_OPEN, .error = ENOSPC};
        struct log l;

        log_init(&l);
        fault_begin(&fault);
        enum status st = wal_open(&l.options, 1, &l.wal, NULL);
        fault_end();
        EXPECT_STATUS(opened[i], st, i == 2 ? ST_OK : ST_FULL);
        if (st == ST_OK)
            log_close(&l);
        log_release(&l);
    }
}

Test(wal, rotation_and_drop)
{
    struct log l;

    log_init(&l);
    l.options.file_bytes = FILE_HEADER + 2 * (HEADER + 4); /* two records */
    log_open(&l, 1);
    for (size_t i = 0; i < 5; i++)
        EXPECT_STATUS("push", push(&l, STR("text")), ST_OK);
    struct wal_state state = wal_state(l.wal);
    cr_expect(state.files == 3 && state.oldest_seq_max == 2, "%" PRIu64 " files", state.files);
    cr_expect_eq(state.bytes, 3 * FILE_HEADER + 5 * (HEADER + 4));
    cr_expect_eq(wal_seq_beyond(l.wal, state.bytes), 0);
    cr_expect_eq(wal_seq_beyond(l.wal, state.bytes - 1), 2);
    cr_expect_eq(wal_seq_beyond(l.wal, state.bytes - l.options.file_bytes), 2);
    cr_expect_eq(wal_seq_beyond(l.wal, state.bytes - l.options.file_bytes - 1), 4);
    cr_expect_eq(wal_seq_beyond(l.wal, 0), 4, "the newest stays");
    wal_drop(l.wal, 2);
    cr_expect_eq(files_count(l.dir, ".wal"), 3, "record 2 is still needed");
    wal_drop(l.wal, 3);
    cr_expect_eq(files_count(l.dir, ".wal"), 2);
    cr_expect_eq(wal_state(l.wal).oldest_seq_max, 4);
    wal_drop(l.wal, 1000);
    cr_expect_eq(files_count(l.dir, ".wal"), 1, "the newest stays");
    cr_expect_eq(wal_state(l.wal).oldest_seq_max, 0);
    log_close(&l);
    (void)expect_replay("what is left", l.dir, "5:text ");

    log_open(&l, 6);
    EXPECT_STATUS("push", push(&l, STR("more")), ST_OK);
    cr_expect_eq(wal_state(l.wal).oldest_seq_max, 5,
                 "files of before count up to the first number");
    wal_drop(l.wal, 6);
    log_close(&l);
    (void)expect_replay("only the new", l.dir, "6:more ");
    log_release(&l);
}

/* ---- the torn end of the newest file ---- */

struct example {
    struct log log;
    char file[TEST_PATH_BYTES]; /* the newest */
    struct str bytes;
    size_t last; /* where its last record begins */
    uint32_t salt;
};

/* Three records in one file. */
static void example_init(struct example *x)
{
    log_init(&x->log);
    log_open(&x->log, 1);
    EXPECT_STATUS("one", push(&x->log, STR("one")), ST_OK);
    EXPECT_STATUS("two", push(&x->log, STR("two")), ST_OK);
    EXPECT_STATUS("three", push(&x->log, STR("three")), ST_OK);
    log_close(&x->log);
    x->bytes = files_read(files_path(x->file, x->log.dir, "0000000000000001.wal"));
    x->last = x->bytes.len - HEADER - 5;
    struct wal_file_header header;
    REQUIRE_OK(wal_get_file_header(x->bytes, &header, NULL));
    x->salt = header.salt;
}

static void example_release(struct example *x)
{
    mem_free((void *)(uintptr_t)x->bytes.ptr);
    log_release(&x->log);
}

/* Replay a file of these bytes: the first two records come, and the rest is cut off. */
static void expect_cut(struct example *x, struct str bytes, const char *name)
{
    files_write(x->file, bytes);
    struct wal_replay result = expect_replay(name, x->log.dir, "1:one 2:two ");
    cr_expect_eq(result.cut_bytes, bytes.len - x->last, "%s: %" PRIu64, name, result.cut_bytes);
    cr_expect_eq(result.damaged_files, 0, "%s", name);
    struct str left = files_read(x->file);
    EXPECT_STR(name, left, str_head(x->bytes, x->last));
    mem_free((void *)(uintptr_t)left.ptr);
}

Test(wal, torn_at_every_byte)
{
    struct example x;

    example_init(&x);
    for (size_t len = x.last; len < x.bytes.len; len++)
        expect_cut(&x, str_head(x.bytes, len), "cut");
    example_release(&x);
}

Test(wal, last_record_flipped_at_every_byte)
{
    struct example x;

    example_init(&x);
    char *bytes = (char *)(uintptr_t)x.bytes.ptr;
    for (size_t at = x.last; at < x.bytes.len; at++) {
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
        expect_cut(&x, x.bytes, "flipped");
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
    }
    example_release(&x);
}

Test(wal, something_behind_the_last_record)
{
    static const struct str tails[] = {
        STR_INIT("x"), STR_INIT("\0\0\0\0\0\0\0\0"),
        STR_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        STR_INIT("garbage garbage garbage garbage")};
    struct example x;

    example_init(&x);
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        struct buf b;
        buf_init(&b, 4096);
        buf_put(&b, x.bytes);
        buf_put(&b, tails[i]);
        files_write(x.file, buf_str(&b));
        struct wal_replay result = expect_replay("tail", x.log.dir, "1:one 2:two 3:three ");
        cr_expect_eq(result.cut_bytes, tails[i].len, "tail %zu", i);
        buf_release(&b);
    }
    example_release(&x);
}

/* A crash while the file was made: it holds no record that was acknowledged. */
Test(wal, header_that_is_torn)
{
    struct example x;

    example_init(&x);
    for (size_t len = 0; len < WAL_FILE_HEADER_BYTES; len++) {
        files_write(x.file, str_head(x.bytes, len));
        struct wal_replay result = expect_replay("header", x.log.dir, "");
        cr_expect_eq(result.cut_bytes, len);
        cr_expect_not(files_exists(x.file), "%zu bytes are left", len);
    }
    char zeros[WAL_FILE_HEADER_BYTES] = "";
    files_write(x.file, str_make(zeros, sizeof(zeros)));
    (void)expect_replay("zeros", x.log.dir, "");
    cr_expect_not(files_exists(x.file));
    example_release(&x);
}

/* The header is synced before any record is written: behind a bad one it is no torn end. */
Test(wal, header_that_is_damaged)
{
    char kept[TEST_PATH_BYTES];
    struct example x;

    example_init(&x);
    char *bytes = (char *)(uintptr_t)x.bytes.ptr;
    bytes[9] = (char)(bytes[9] ^ 1);
    files_write(x.file, x.bytes);
    struct wal_replay result = expect_replay("damaged", x.log.dir, "1:one 2:two 3:three ");
    cr_expect(result.damaged_files == 1 && result.cut_bytes == 0);
    cr_expect(files_exists(files_path(kept, x.log.dir, "0000000000000001.wal.damaged")));
    log_open(&x.log, 9);
    EXPECT_STATUS("goes on", push(&x.log, STR("nine")), ST_OK);
    log_close(&x.log);
    (void)expect_replay("what is new", x.log.dir, "1:one 2:two 3:three 9:nine ");
    example_release(&x);
}

/* ---- damage elsewhere ---- */

Test(wal, earlier_file_is_damaged)
{
    struct example x;
    char path[TEST_PATH_BYTES];

    example_init(&x);
    log_open(&x.log, 4);
    EXPECT_STATUS("four", push(&x.log, STR("four")), ST_OK);
    log_close(&x.log);
    char *bytes = (char *)(uintptr_t)x.bytes.ptr;
    for (size_t at = 0; at < x.bytes.len; at++) {
        const char *want = at < FILE_HEADER                      ? "1:one 2:two 3:three 4:four "
                           : at < FILE_HEADER + (HEADER + 3)     ? "2:two 3:three 4:four "
                           : at < FILE_HEADER + 2 * (HEADER + 3) ? "1:one 3:three 4:four "
                                                                 : "1:one 2:two 4:four ";
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
        files_write(x.file, x.bytes);
        struct wal_replay result = expect_replay("damaged", x.log.dir, want);
        cr_expect(result.damaged_files == 1 && result.cut_bytes == 0, "byte %zu", at);
        files_path(path, x.log.dir, "0000000000000001.wal.damaged");
        struct str kept = files_read(path);
        EXPECT_STR("kept", kept, x.bytes);
        mem_free((void *)(uintptr_t)kept.ptr);
        cr_assert_eq(unlink(path), 0);
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
    }
    example_release(&x);
}

Test(wal, earlier_file_is_cut)
{
    struct example x;

    example_init(&x);
    log_open(&x.log, 4);
    EXPECT_STATUS("four", push(&x.log, STR("four")), ST_OK);
    log_close(&x.log);
    for (size_t len = FILE_HEADER; len < x.bytes.len; len++) {
        size_t records = (len - FILE_HEADER) / (HEADER + 3);
        bool whole = (len - FILE_HEADER) % (HEADER + 3) == 0 && records < 3;
        files_write(x.file, str_head(x.bytes, len));
        struct wal_replay result = expect_replay("cut", x.log.dir,
                                                 records == 0   ? "4:four "
                                                 : records == 1 ? "1:one 4:four "
                                                                : "1:one 2:two 4:four ");
        cr_expect_eq(result.damaged_files, whole ? 0 : 1, "cut to %zu", len);
    }
    example_release(&x);
}

/* Records with right checksums that no log of ours holds. */
static const struct forged_case {
    const char *name;
    const char *want;
    uint64_t seq;
    uint32_t kind;
    bool wrong_salt;
} forged_cases[] = {
    {"the next", "1:one 2:two 3:three 4:forged ", 4, 1, false},
    {"a gap in the numbers", "1:one 2:two 3:three 1000:forged ", 1000, 1, false},
    {"a number again", "1:one 2:two 3:three ", 3, 1, false},
    {"a lower number", "1:one 2:two 3:three ", 1, 1, false},
    {"number 0", "1:one 2:two 3:three ", 0, 1, false},
    {"a body", "1:one 2:two 3:three 4 (body):forged ", 4, 2, false},
    {"an unknown kind", "1:one 2:two 3:three ", 4, 3, false},
    {"kind 0", "1:one 2:two 3:three ", 4, 0, false},
    {"of another file", "1:one 2:two 3:three ", 4, 1, true},
};

Test(wal, forged_records)
{
    struct example x;

    example_init(&x);
    for (size_t i = 0; i < COUNT_OF(forged_cases); i++) {
        const struct forged_case *c = &forged_cases[i];
        struct buf b;
        buf_init(&b, 4096);
        buf_put(&b, x.bytes);
        put_record(&b,
                   (struct wal_record_header){
                       .seq = c->seq, .kind = c->kind, .salt = c->wrong_salt ? ~x.salt : x.salt},
                   STR("forged"));
        files_write(x.file, buf_str(&b));
        (void)expect_replay(c->name, x.log.dir, c->want);
        buf_release(&b);
    }
    example_release(&x);
}

Test(wal, another_version)
{
    struct replayed got = {.stop_at = 0};
    struct wal_replay result = {.records = 77};
    struct err err = {.text = ""};
    struct example x;

    example_init(&x);
    char *bytes = (char *)(uintptr_t)x.bytes.ptr;
    bytes[8] = 3;
    memset(bytes + 20, 0, 4);
    uint32_t crc = crc32c(0, str_make(bytes, WAL_FILE_HEADER_BYTES));
    for (size_t i = 0; i < 4; i++)
        bytes[20 + i] = (char)(unsigned char)(crc >> (8 * i));
    files_write(x.file, x.bytes);
    buf_init(&got.text, 1000);
    EXPECT_STATUS("version 3", wal_replay(x.log.dir, note_record, &got, &result, &err),
                  ST_UNSUPPORTED);
    cr_expect_str_eq(err.text, "0000000000000001.wal: log version 3 with features 0 is not known",
                     "%s", err.text);
    cr_expect_eq(result.records, 77);
    struct str left = files_read(x.file);
    EXPECT_STR("untouched", left, x.bytes);
    mem_free((void *)(uintptr_t)left.ptr);
    buf_release(&got.text);
    example_release(&x);
}

/* A status of whoever applies the records ends the replay, and nothing is cut for it. */
static const struct stop_case {
    enum status st;
    uint64_t at;
} stop_cases[] = {
    {ST_NOMEM, 2},
    {ST_IO, 3},
    {ST_NOT_FOUND, 3},
    {ST_NOMEM, 4},
};

Test(wal, apply_that_fails)
{
    struct example x;

    example_init(&x);
    log_open(&x.log, 4);
    EXPECT_STATUS("four", push(&x.log, STR("four")), ST_OK);
    log_close(&x.log);
    for (size_t i = 0; i < COUNT_OF(stop_cases); i++) {
        struct replayed got = {.stop_at = stop_cases[i].at, .stop_with = stop_cases[i].st};
        struct wal_replay result = {.records = 77};
        struct err err = {.text = ""};
        buf_init(&got.text, 1000);
        EXPECT_STATUS("apply", wal_replay(x.log.dir, note_record, &got, &result, &err),
                      stop_cases[i].st);
        cr_expect(str_ends(str_from(err.text), STR("no more of this")), "%s", err.text);
        cr_expect_eq(result.records, 77);
        buf_release(&got.text);
        (void)expect_replay("all is still there", x.log.dir, "1:one 2:two 3:three 4:four ");
    }
    example_release(&x);
}

Test(wal, strangers_are_left_alone)
{
    static const char *const strangers[] = {"0000000000000001.wal.damaged", "1.wal",
                                            "000000000000000g.wal", "notes.txt", "x.tmp"};
    char path[TEST_PATH_BYTES];
    struct log l;

    log_init(&l);
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        files_write(files_path(path, l.dir, strangers[i]), STR("garbage"));
    struct wal_replay result = expect_replay("strangers", l.dir, "");
    cr_expect_eq(result.damaged_files, 0);
    log_open(&l, 1);
    EXPECT_STATUS("push", push(&l, STR("x")), ST_OK);
    log_close(&l);
    for (size_t i = 0; i < COUNT_OF(strangers); i++)
        cr_expect(files_exists(files_path(path, l.dir, strangers[i])), "%s", strangers[i]);
    log_release(&l);
}

/* ---- failing disks ---- */

/* A write that fails is cut off: its record is lost, those before and after are not. */
static const struct write_fault {
    const char *name;
    int error;
    enum status want;
    size_t write_max;
    uint64_t at;
} write_faults[] = {
    {"full", ENOSPC, ST_FULL, 0, 1},
    {"quota", EDQUOT, ST_FULL, 0, 1},
    {"I/O error", EIO, ST_IO, 0, 1},
    {"full after half a header", ENOSPC, ST_FULL, 10, 2},
    {"full after the header", ENOSPC, ST_FULL, HEADER, 2},
    {"full before the last byte", ENOSPC, ST_FULL, 1, HEADER + 4},
};

Test(wal, write_that_fails)
{
    for (size_t i = 0; i < COUNT_OF(write_faults); i++) {
        const struct write_fault *c = &write_faults[i];
        struct fault f = {
            .at = c->at, .error = c->error, .kinds = 1U << IO_WRITE, .write_max = c->write_max};
        struct log l;

        log_init(&l);
        log_open(&l, 1);
        EXPECT_STATUS(c->name, push(&l, STR("first")), ST_OK);
        fault_begin(&f);
        EXPECT_STATUS(c->name, push(&l, STR("lost")), c->want);
        cr_expect(f.hit, "%s", c->name);
        fault_end();
        EXPECT_STATUS(c->name, push(&l, STR("third")), ST_OK);
        cr_expect_not(wal_state(l.wal).failed, "%s", c->name);
        uint64_t files = c->want == ST_FULL ? 1 : 2; /* another one may be sound */
        cr_expect_eq(wal_state(l.wal).files, files, "%s", c->name);
        cr_expect_eq(wal_state(l.wal).bytes, files * FILE_HEADER + 2 * HEADER + 10, "%s", c->name);
        log_close(&l);
        (void)expect_replay(c->name, l.dir, "1:first 3:third ");
        log_release(&l);
    }
}

/* A file tells of records that failed before it: they are in no older one. */
Test(wal, first_seq_after_writes_that_fail)
{
    struct fault f = {.at = 1, .times = 2, .error = ENOSPC, .kinds = 1U << IO_WRITE};
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    EXPECT_STATUS("first", push(&l, STR("1")), ST_OK);
    fault_begin(&f);
    EXPECT_STATUS("lost", push(&l, STR("2")), ST_FULL);
    EXPECT_STATUS("lost", push(&l, STR("3")), ST_FULL);
    fault_end();
    REQUIRE_OK(wal_turn(l.wal, NULL));
    EXPECT_STATUS("fourth", push(&l, STR("4")), ST_OK);
    log_close(&l);
    cr_expect_eq(first_seq(&l, 2), 2);
    log_release(&l);
}

/* After a failed sync of the directory nobody knows whether a removal is on the disk. */
static int note_names(struct io_event *event, void *context)
{
    struct buf *b = context;

    if (event->call == IO_OPEN || event->call == IO_UNLINK)
        buf_printf(b, "%s %s, ", event->call == IO_OPEN ? "make" : "remove", event->name);
    if (event->call == IO_SYNC)
        buf_put(b, STR("sync, "));
    return 0;
}

Test(wal, removal_once_more_after_a_sync_that_failed)
{
    struct fault f = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC};
    struct buf calls;
    struct log l;
    uint64_t gone = 0;

    log_init(&l);
    log_open(&l, 1);
    EXPECT_STATUS("first", push(&l, STR("1")), ST_OK);
    REQUIRE_OK(wal_turn(l.wal, NULL));
    EXPECT_STATUS("second", push(&l, STR("2")), ST_OK);
    wal_drop(l.wal, 2);
    fault_begin(&f);
    EXPECT_STATUS("failed", wal_gone_seq(l.wal, &gone, NULL), ST_IO);
    fault_end();

    buf_init(&calls, 4096);
    io_hook_set(note_names, &calls);
    REQUIRE_OK(wal_gone_seq(l.wal, &gone, NULL));
    EXPECT_STR("once more", buf_str(&calls),
               STR("remove 0000000000000001.wal, make 0000000000000001.wal, sync, sync, "
                   "remove 0000000000000001.wal, sync, "));
    buf_reset(&calls);
    REQUIRE_OK(wal_gone_seq(l.wal, &gone, NULL));
    io_hook_set(NULL, NULL);
    EXPECT_STR("and not again", buf_str(&calls), STR("sync, "));
    cr_expect_eq(gone, 1);
    buf_release(&calls);
    log_release(&l);
}

struct turning {
    struct wal *wal;
    pthread_t caller;
    bool began;
    enum status status; /* of the new file */
};

/* The caller is about to sync the directory: before that the log begins a file, and fails to. */
static int turn_in_vain(struct io_event *event, void *context)
{
    struct turning *t = context;
    struct stat st;

    if (event->call != IO_SYNC || fstat(event->fd, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    if (pthread_equal(pthread_self(), t->caller) == 0)
        return EIO;
    if (!t->began) {
        t->began = true;
        t->status = wal_turn(t->wal, NULL);
    }
    return 0;
}

/* Who met the error took it away: the sync that succeeds behind it says nothing. */
Test(wal, sync_of_names_that_fails_elsewhere)
{
    struct turning t = {.caller = pthread_self()};
    uint64_t gone = 0;
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    EXPECT_STATUS("first", push(&l, STR("1")), ST_OK);
    REQUIRE_OK(wal_turn(l.wal, NULL));
    EXPECT_STATUS("second", push(&l, STR("2")), ST_OK);
    wal_drop(l.wal, 2);
    t.wal = l.wal;
    io_hook_set(turn_in_vain, &t);
    EXPECT_STATUS("meanwhile", wal_gone_seq(l.wal, &gone, NULL), ST_IO);
    io_hook_set(NULL, NULL);
    EXPECT_STATUS("new file", t.status, ST_IO);
    cr_expect_eq(gone, 0);
    REQUIRE_OK(wal_gone_seq(l.wal, &gone, NULL));
    cr_expect_eq(gone, 1);
    log_release(&l);
}

Test(wal, sync_that_fails_is_final)
{
    struct fault f = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC};
    uint64_t seq = 77;
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    EXPECT_STATUS("before", push(&l, STR("before")), ST_OK);
    fault_begin(&f);
    EXPECT_STATUS("sync", push(&l, STR("unknown")), ST_IO);
    fault_end();
    cr_expect(wal_state(l.wal).failed);
    EXPECT_STATUS("afterwards", append(&l, STR("refused"), &seq), ST_IO);
    cr_expect_eq(seq, 77);
    log_close(&l);
    struct replayed got = {.stop_at = 0};
    struct wal_replay result;
    buf_init(&got.text, 1000);
    REQUIRE_OK(wal_replay(l.dir, note_record, &got, &result, NULL));
    cr_expect(str_starts(buf_str(&got.text), STR("1:before ")));
    buf_release(&got.text);
    log_open(&l, result.seq_max + 1);
    EXPECT_STATUS("after a restart", push(&l, STR("works")), ST_OK);
    log_release(&l);
}

/* What waits behind a sync that fails fails too. */
Test(wal, batch_behind_a_failed_sync)
{
    struct slow slow;
    uint64_t first = 0, second = 0;
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    slow_begin(&slow);
    REQUIRE_OK(append(&l, STR("first"), &first));
    wait_until_syncing(&slow);
    REQUIRE_OK(append(&l, STR("second"), &second));
    struct fault f = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC, .times = 100};
    (void)pthread_mutex_init(&f.mutex, NULL);
    fault_begin(&f); /* for the sync of the second batch; the first is inside its own */
    slow_open(&slow);
    EXPECT_STATUS("first", wait_for(&l, first), ST_OK);
    EXPECT_STATUS("second", wait_for(&l, second), ST_IO);
    fault_end();
    log_release(&l);
}

/* When even the cut fails nobody knows what stands there: final as well. */
Test(wal, cut_that_fails_is_final)
{
    struct fault f = {.at = 2,
                      .times = 2,
                      .error = EIO,
                      .write_max = 10,
                      .kinds = 1U << IO_WRITE | 1U << IO_TRUNCATE};
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    fault_begin(&f);
    EXPECT_STATUS("write", push(&l, STR("lost")), ST_IO);
    fault_end();
    cr_expect(wal_state(l.wal).failed);
    EXPECT_STATUS("afterwards", push(&l, STR("refused")), ST_IO);
    log_close(&l);
    struct wal_replay result = expect_replay("half a record", l.dir, "");
    cr_expect_eq(result.cut_bytes, 10);
    log_release(&l);
}

/* The next file cannot be made: that batch fails, the one after it tries again. */
Test(wal, rotation_that_fails)
{
    for (uint64_t n = 1; n <= 4; n++) { /* open, write, sync, sync */
        struct fault f = {.at = n, .error = ENOSPC};
        struct log l;
        log_init(&l);
        l.options.file_bytes = 1;
        log_open(&l, 1);
        EXPECT_STATUS("first", push(&l, STR("first")), ST_OK);
        fault_begin(&f);
        EXPECT_STATUS("second", push(&l, STR("second")), ST_FULL);
        fault_end();
        cr_expect_eq(files_count(l.dir, ".wal"), 1, "call %" PRIu64, n);
        EXPECT_STATUS("third", push(&l, STR("third")), ST_OK);
        log_close(&l);
        (void)expect_replay("rotation", l.dir, "1:first 3:third ");
        log_release(&l);
    }
}

Test(wal, open_that_fails)
{
    struct wal *wal = NULL;
    struct err err = {.text = ""};
    bool hit = true;
    struct log l;

    log_init(&l);
    for (uint64_t n = 1; hit; n++) {
        struct fault f = {.at = n, .error = EIO};
        fault_begin(&f);
        enum status st = wal_open(&l.options, 1, &wal, &err);
        fault_end();
        hit = f.hit;
        EXPECT_STATUS("open", st, hit ? ST_IO : ST_OK);
        if (!hit)
            wal_close(wal);
        cr_expect_eq(files_count(l.dir, ".wal"), hit ? 0 : 1, "call %" PRIu64, n);
    }
    l.options.dir = "/nowhere";
    EXPECT_STATUS("no directory", wal_open(&l.options, 1, &wal, &err), ST_NOT_FOUND);
    log_release(&l);
}

/* A full disk does not keep a log from being opened; the first record that finds room has its file.
 */
Test(wal, open_on_a_full_disk)
{
    struct fault f = {.at = 1, .times = 2, .error = ENOSPC, .kinds = 1U << IO_WRITE};
    struct log l;

    log_init(&l);
    log_open(&l, 1);
    EXPECT_STATUS("before", push(&l, STR("before")), ST_OK);
    log_close(&l);
    fault_begin(&f);
    log_open(&l, 2);
    cr_expect(wal_is_full(l.wal));
    wal_note_room(l.wal);
    EXPECT_STATUS("still full", push(&l, STR("lost")), ST_FULL);
    fault_end();
    cr_expect(wal_is_full(l.wal));
    cr_expect_eq(files_count(l.dir, ".wal"), 1);
    wal_note_room(l.wal);
    EXPECT_STATUS("room", push(&l, STR("third")), ST_OK);
    cr_expect_not(wal_is_full(l.wal));
    cr_expect_eq(wal_state(l.wal).waiting_bytes, 0);
    log_close(&l);
    (void)expect_replay("full", l.dir, "1:before 3:third ");
    log_release(&l);
}

Test(wal, nth_allocation_fails)
{
    enum status st = ST_NOMEM;
    struct log l;

    log_init(&l);
    for (int64_t n = 1; st != ST_OK && n < 50; n++) {
        mem_fail_after(n);
        st = wal_open(&l.options, 1, &l.wal, NULL);
        mem_fail_after(0);
        cr_expect(st == ST_OK || st == ST_NOMEM, "allocation %" PRId64 ": %s", n, status_name(st));
    }
    struct str payload = mem_str(STR("mine"));
    uint64_t seq = 77;
    mem_fail_after(1);
    EXPECT_STATUS("append", wal_append(l.wal, WAL_PUSH, payload, &seq), ST_NOMEM);
    mem_fail_after(0);
    cr_expect_eq(seq, 77);
    EXPECT_STR("still the caller's", payload, STR("mine"));
    mem_free((void *)(uintptr_t)payload.ptr);
    EXPECT_STATUS("again", push(&l, STR("one")), ST_OK);
    log_close(&l);

    st = ST_NOMEM;
    for (int64_t n = 1; st != ST_OK && n < 50; n++) {
        struct replayed got = {.stop_at = 0};
        struct wal_replay result;
        buf_init(&got.text, 1000);
        (void)!buf_reserve(&got.text, 100);
        mem_fail_after(n);
        st = wal_replay(l.dir, note_record, &got, &result, NULL);
        mem_fail_after(0);
        cr_expect(st == ST_OK || st == ST_NOMEM, "allocation %" PRId64 ": %s", n, status_name(st));
        buf_release(&got.text);
    }
    (void)expect_replay("nothing is cut for that", l.dir, "1:one ");
    log_release(&l);
}
