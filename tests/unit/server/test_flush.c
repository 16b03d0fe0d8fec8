/* Flushes whose file calls fail. */
#include <errno.h>
#include <unistd.h>

#include "base/atomic.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum { ARENA_BYTES = 1024 * 1024, PUSH_ARENA_BYTES = 64 * 1024 * 1024 };

static struct counter settled; /* the last record; each test is a process of its own */

static void see_settled(void *context, uint64_t seq, enum status st)
{
    (void)context;
    cr_expect_eq(st, ST_OK);
    counter_set(&settled, seq);
}

static void begin(struct fixture *f)
{
    fixture_prepare(f, "0");
    f->options.settled = see_settled;
    fixture_open(f);
}

/* Its part in the log is over when it returns. */
static void push_line(struct fixture *f)
{
    const struct push_spec spec = {.format = PUSH_JSON, .decompressed_bytes_max = MIB};
    struct push_request request;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    struct str body = STR(
        "{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1772323200000000001\",\"x\"]]}]}");
    REQUIRE_OK(push_decode(&a, &spec, body, &request, NULL));
    struct store_push push = {.tenant = STR("t"), .request = &request, .arena = &a};
    REQUIRE_OK(store_push(f->store, &push, NULL));
    while (counter_get(&settled) < push.ret_seq) {
    }
    arena_release(&a);
}

static void flush_without_sync(struct fixture *f)
{
    struct fault fault = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC};

    push_line(f);
    fault_begin(&fault);
    EXPECT_STATUS("no sync", store_flush(f->store, NULL), ST_IO);
    fault_end();
    cr_expect(fault.hit);
    cr_expect(store_state(f->store).flush_failing);
}

/* After a sync that failed nothing is added to the file: its pages may be gone. */
Test(flush, failed_sync_of_a_segment)
{
    struct fixture f;

    begin(&f);
    push_line(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(fixture_segment_files(&f), 1);
    flush_without_sync(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(fixture_segment_files(&f), 2, "what was committed stays, the rest is new");
    push_line(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(fixture_segment_files(&f), 2);
    fixture_end(&f);
}

/* One that holds nothing is made anew, with another file behind the same name. */
Test(flush, failed_sync_of_a_new_segment)
{
    struct fixture f;

    begin(&f);
    flush_without_sync(&f);
    cr_expect_eq(fixture_segment_files(&f), 0);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(fixture_segment_files(&f), 1);
    fixture_end(&f);
}

/* A write to a segment fails, and the next flush does not: how many segments there are then. */
static void expect_files_after_failed_write(int error, enum status want, size_t files)
{
    struct fault fault = {.at = 1, .error = error, .kinds = 1U << IO_WRITE};
    struct fixture f;

    begin(&f);
    push_line(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    push_line(&f);
    fault_begin(&fault);
    EXPECT_STATUS("failed write", store_flush(f.store, NULL), want);
    fault_end();
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(fixture_segment_files(&f), files);
    fixture_end(&f);
}

/* A file that cannot be written is not tried again. */
Test(flush, failed_write_of_a_segment)
{
    expect_files_after_failed_write(EIO, ST_IO, 2);
}

/* On a full disk it is, for there the next file could not be made either. */
Test(flush, write_to_a_full_disk)
{
    expect_files_after_failed_write(ENOSPC, ST_FULL, 1);
}

static void lose_all(const char *path)
{
    cr_assert_eq(unlink(path), 0);
}

static void lose_a_byte(const char *path)
{
    struct str file = files_read(path);

    files_write(path, str_head(file, file.len - 1));
    mem_free((void *)(uintptr_t)file.ptr);
}

/* A segment that is not there, or not all of it, when the store is opened gets no more chunks. */
Test(flush, lost_segment)
{
    static void (*const losses[])(const char *path) = {lose_all, lose_a_byte};

    for (size_t i = 0; i < COUNT_OF(losses); i++) {
        char path[TEST_PATH_BYTES];
        struct fixture f;
        begin(&f);
        push_line(&f);
        REQUIRE_OK(store_flush(f.store, NULL));
        store_close(f.store, 0);
        losses[i](files_path(path, f.segments, "2026-03-01-0000000000000001.seg"));
        fixture_open(&f);
        push_line(&f);
        REQUIRE_OK(store_flush(f.store, NULL));
        fixture_reopen(&f);
        cr_expect_eq(store_state(f.store).heads, 0);
        (void)files_path(path, f.segments, "2026-03-01-0000000000000002.seg");
        cr_expect_eq(access(path, F_OK), 0);
        fixture_end(&f);
    }
}

/* ---- what there is no memory for ---- */

#define FIRST_NS INT64_C(1772323200000000001)

/* One record of a stream {app="APP"}, in two parts; the times go down. */
static void push_entries(struct fixture *f, const char *app, size_t count, struct str line)
{
    struct label label = {STR("app"), str_from(app)};
    struct push_stream parts[2] = {{.labels = {&label, 1}}, {.labels = {&label, 1}}};
    struct push_request request = {.streams = parts, .stream_count = COUNT_OF(parts)};
    struct entry *entries = mem_new(count, sizeof(*entries));
    struct arena a;

    arena_init(&a, PUSH_ARENA_BYTES);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){FIRST_NS + (int64_t)(count - i), line, {NULL, 0}};
    parts[0].entries = entries;
    parts[0].entry_count = count / 3 * 2;
    parts[1].entries = entries + parts[0].entry_count;
    parts[1].entry_count = count - parts[0].entry_count;
    struct store_push push = {.tenant = STR("t"), .request = &request, .arena = &a};
    REQUIRE_OK(store_push(f->store, &push, NULL));
    while (counter_get(&settled) < push.ret_seq) {
    }
    arena_release(&a);
    mem_free(entries);
}

static void add_entries(void *context, const struct block *b)
{
    *(size_t *)context += b->count;
}

/* Of all streams. */
static size_t count_entries(struct fixture *f)
{
    size_t count = 0;

    (void)fixture_read(f, fixture_select(f, STR("t"), 0, INT64_MAX), add_entries, &count);
    return count;
}

static size_t log_files(const struct fixture *f)
{
    char dir[TEST_PATH_BYTES];

    return files_count(files_path(dir, f->dir, "wal"), ".wal");
}

/*
 * A head that cannot be packed stays where it is; others are flushed, in its batch and later, and
 * files of the log that hold nothing of it go.
 */
Test(flush, a_head_without_memory_keeps_nothing_back)
{
    enum { BEFORE = 20, FEW = 3, MANY = 50000, LINE_BYTES = 4000, LARGE_BYTES = MIB };
    static char text[LINE_BYTES];
    struct fixture f;

    memset(text, 'x', sizeof(text));
    fixture_prepare(&f, "0");
    fixture_set(&f, "wal.file_size", "64KB");
    f.options.settled = see_settled;
    fixture_open(&f);
    for (int i = 0; i < 4; i++) /* the same each time */
        push_entries(&f, "before", BEFORE, str_make(text, sizeof(text)));
    size_t files = log_files(&f);
    push_entries(&f, "many", MANY, STR(""));
    push_entries(&f, "behind", FEW, STR("line"));

    mem_fail_large(LARGE_BYTES); /* its entries take 32 bytes each */
    EXPECT_STATUS("many", store_flush(f.store, NULL), ST_LIMIT);
    cr_expect_eq(store_state(f.store).heads, 1, "%d", (int)store_state(f.store).heads);
    cr_expect_lt(log_files(&f), files);
    push_entries(&f, "many", FEW, STR("its younger heads wait, too"));
    push_entries(&f, "later", FEW, STR("line"));
    EXPECT_STATUS("again", store_flush(f.store, NULL), ST_LIMIT);
    cr_expect_eq(store_state(f.store).heads, 2, "%d", (int)store_state(f.store).heads);

    mem_fail_after(0);
    fixture_reopen(&f);
    cr_expect_eq(count_entries(&f), BEFORE + MANY + 3 * FEW);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(store_state(f.store).heads, 0);
    cr_expect_eq(count_entries(&f), BEFORE + MANY + 3 * FEW);
    fixture_end(&f);
}

/* ---- records that are more than a head may have ---- */

enum { BIG_LINES = 273, BIG_LINE_BYTES = 250 * 1000 };

_Static_assert(BIG_LINES / 3 * 2 * BIG_LINE_BYTES < HEAD_BYTES_MAX &&
                   BIG_LINES * BIG_LINE_BYTES > HEAD_BYTES_MAX,
               "the second part of the record goes on in another head");

static void push_much(struct fixture *f)
{
    static char text[BIG_LINE_BYTES];

    memset(text, 'x', sizeof(text));
    push_entries(f, "much", BIG_LINES, str_make(text, sizeof(text)));
}

Test(flush, a_record_of_several_heads)
{
    struct fixture f;

    begin(&f);
    push_much(&f);
    cr_expect_eq(store_state(f.store).chunks_created, 2);
    cr_expect_eq(count_entries(&f), BIG_LINES);
    fixture_reopen(&f);
    cr_expect_eq(count_entries(&f), BIG_LINES);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(store_state(f.store).heads, 0);
    fixture_reopen(&f);
    cr_expect_eq(store_state(f.store).heads, 0, "it is flushed as a whole");
    cr_expect_eq(count_entries(&f), BIG_LINES);
    fixture_end(&f);
}

static void push_and_flush(void *context, struct fault *kill)
{
    struct fixture *f = context;

    fixture_open(f);
    kill->kinds = 1U << IO_COMMIT_BEGIN | 1U << IO_COMMIT_END;
    fault_begin(kill); /* the flusher begins at once */
    push_much(f);
    enum status st = store_flush(f->store, NULL);
    fault_end();
    REQUIRE_OK(st);
    store_close(f->store, 0);
}

/* The index says of a stream how many records are flushed, so all heads of one are, or none. */
Test(flush, heads_of_one_record_are_committed_together)
{
    bool killed = true;

    for (uint64_t at = 1; killed; at++) {
        struct fixture f;
        fixture_prepare(&f, "0");
        f.options.settled = see_settled;
        killed = fault_kills(push_and_flush, &f, at);
        fixture_open(&f);
        size_t count = count_entries(&f);
        cr_expect(count == BIG_LINES || (killed && count == 0), "killed at call %d: %zu", (int)at,
                  count); /* none: it was not in the log either */
        fixture_end(&f);
    }
}
