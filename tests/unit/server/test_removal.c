/* Deleted lines leave the disk, whatever fails meanwhile and wherever it is killed. */
#include "server/store/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "server/store/store_internal.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum {
    CHUNKS = 4, /* each has a line that stays and one that goes; one more has only such */
    STAYS = 0x55,
    ALL = 0x3ff,
};

#define START_NS INT64_C(1772323200000000000) /* 2026-03-01T00:00:00Z */

static const char secret[] = "hunter2";

/* ---- a store ---- */

static void prepare(struct fixture *f, const char *interval)
{
    fixture_prepare(f, interval);
    fixture_set(f, "compactor.delete_request_cancel_period", "0s");
    fixture_set(f, "ingester.chunk_encoding", "none");
}

/* Push and flush the values of one stream, as JSON. */
static void push_values(struct fixture *f, const char *app, const char *values)
{
    REQUIRE_OK(fixture_push(f, STR("t"), app, values));
    REQUIRE_OK(store_flush(f->store, NULL));
}

/* Line 2n stays, line 2n + 1 goes, in a chunk of their own; of the last chunk both go. */
static void push_pair(struct fixture *f, int n)
{
    enum { VALUES_BYTES = 256 };
    char values[VALUES_BYTES];

    (void)snprintf(values, sizeof(values), "[\"%lld\",\"%s\"],[\"%lld\",\"password %s\"]",
                   (long long)(START_NS + 2 * n), n == CHUNKS ? secret : "stays",
                   (long long)(START_NS + 2 * n + 1), secret);
    push_values(f, "a", values);
}

static void push_all(struct fixture *f)
{
    for (int n = 0; n <= CHUNKS; n++)
        push_pair(f, n);
}

static void delete_lines(struct fixture *f, const char *query)
{
    const struct delete_wish wish = {STR("t"), str_from(query), START_NS, START_NS + HOUR_NS};
    uint32_t id;

    REQUIRE_OK(store_delete(f->store, &wish, &id, NULL));
}

static void delete_secret(struct fixture *f)
{
    delete_lines(f, "{app=\"a\"} |~ \"hunter[0-9]\"");
}

/* The oldest request, as it is now; its texts are gone. */
static struct delete_request first_request(struct fixture *f)
{
    struct delete_list list = {0};
    struct arena a;

    arena_init(&a, FIXTURE_ARENA_BYTES);
    REQUIRE_OK(store_deletes(f->store, &a, STR("t"), &list, NULL));
    if (list.count == 0)
        cr_assert_fail("there is no request");
    struct delete_request first = list.items[0];
    arena_release(&a);
    return first;
}

static bool is_processed(struct fixture *f)
{
    return first_request(f).processed;
}

/* Every day of the request was gone through, which may not have been enough. */
static void wait_until_swept(struct fixture *f)
{
    enum { ALL_BUT_ONE = 99 };

    while (first_request(f).percent < ALL_BUT_ONE)
        fixture_pause();
}

static void wait_until_processed(struct fixture *f)
{
    while (!is_processed(f))
        fixture_pause();
}

/* ---- looking ---- */

static void note_lines(void *context, const struct block *b)
{
    uint64_t *seen = context;

    for (uint32_t k = 0; k < b->count; k++) {
        uint64_t bit = UINT64_C(1) << (b->ts_ns[k] - START_NS);
        cr_expect((*seen & bit) == 0, "line %d is there twice", (int)(b->ts_ns[k] - START_NS));
        *seen |= bit;
    }
}

static struct selection *select_all(struct fixture *f)
{
    return fixture_select(f, STR("t"), START_NS, START_NS + HOUR_NS);
}

/* The lines that are seen, a bit for each. */
static uint64_t seen_lines(struct fixture *f)
{
    uint64_t seen = 0;

    (void)fixture_read(f, select_all(f), note_lines, &seen);
    return seen;
}

struct search {
    const char *dir;
    size_t files; /* that have it */
};

static enum status search_file(void *context, const char *name, struct err *err)
{
    struct search *s = context;
    char path[TEST_PATH_BYTES];

    (void)err;
    if (name[0] == '.')
        return ST_OK;
    struct str bytes = files_read(files_path(path, s->dir, name));
    if (memmem(bytes.ptr, bytes.len, secret, strlen(secret)) != NULL)
        s->files++;
    mem_free((void *)(uintptr_t)bytes.ptr);
    return ST_OK;
}

static size_t files_with_secret_in(const struct fixture *f, const char *part)
{
    char dir[TEST_PATH_BYTES];
    struct search s = {.dir = files_path(dir, f->dir, part)};

    REQUIRE_OK(io_list(dir, search_file, &s, NULL));
    return s.files;
}

static size_t files_with_secret(const struct fixture *f)
{
    return files_with_secret_in(f, "segments") + files_with_secret_in(f, "wal");
}

static void wait_until_quiet(struct fixture *f)
{
    while (store_state(f->store).merge_days_pending + store_state(f->store).segments_dead > 0)
        fixture_pause();
}

static void expect_clean(struct fixture *f, const char *what, int n)
{
    wait_until_processed(f);
    uint64_t seen = seen_lines(f);
    cr_expect_eq(seen, STAYS, "%s %d: lines %#llx", what, n, (unsigned long long)seen);
    cr_expect_eq(files_with_secret(f), 0, "%s %d: it is still on the disk", what, n);
}

/* ---- tests ---- */

static void check_removal(const char *interval)
{
    struct fixture f;

    prepare(&f, interval);
    fixture_open(&f);
    push_all(&f);
    cr_expect_eq(seen_lines(&f), ALL);
    cr_expect_gt(files_with_secret(&f), 0);
    delete_secret(&f);
    cr_expect_eq(seen_lines(&f), STAYS);
    expect_clean(&f, "interval", 0);
    wait_until_quiet(&f);
    cr_expect_eq(fixture_segment_files(&f), 1);
    fixture_reopen(&f);
    cr_expect_eq(seen_lines(&f), STAYS);
    fixture_end(&f);
}

Test(removal, with_merging)
{
    check_removal("1ms");
}

Test(removal, without_merging)
{
    check_removal("0");
}

/* A selection that began before sees what is hidden no more, and reads what it has found. */
Test(removal, while_files_are_read)
{
    struct fixture f;

    prepare(&f, "1ms");
    fixture_open(&f);
    push_all(&f);
    struct selection *s = select_all(&f);
    delete_secret(&f);
    wait_until_swept(&f);
    cr_expect_gt(store_state(f.store).segments_dead, 0);
    cr_expect(!is_processed(&f), "its files are still read");
    s->end(s);
    expect_clean(&f, "read", 0);
    fixture_end(&f);
}

static int keep_oldest_segment(struct io_event *event, void *context)
{
    uint64_t *tries = context;

    if (event->call != IO_UNLINK || strstr(event->name, "-0000000000000001.seg") == NULL)
        return 0;
    (void)__atomic_add_fetch(tries, 1, __ATOMIC_RELAXED);
    return EPERM;
}

/* One file of those that a request is about stays: that the others are gone is not enough. */
Test(removal, file_that_stays)
{
    uint64_t tries = 0;
    struct fixture f;

    prepare(&f, "0");
    f.config.settings.segment_max_bytes = 1; /* each chunk has its own */
    fixture_open(&f);
    push_all(&f);
    io_hook_set(keep_oldest_segment, &tries);
    delete_secret(&f);
    wait_until_swept(&f);
    while (store_state(f.store).segments_removed < CHUNKS)
        fixture_pause();
    uint64_t before = __atomic_load_n(&tries, __ATOMIC_RELAXED);
    while (__atomic_load_n(&tries, __ATOMIC_RELAXED) < before + 2)
        fixture_pause();
    cr_expect(!is_processed(&f));
    cr_expect_eq(store_state(f.store).segments_dead, 1);
    cr_expect_eq(files_with_secret(&f), 1);
    io_hook_set(NULL, NULL);
    expect_clean(&f, "file", 0);
    fixture_end(&f);
}

/* The files of segments, and how many there were at most. */
struct file_counts {
    pthread_mutex_t mutex;
    int now;
    int most;
};

static int count_segments(struct io_event *event, void *context)
{
    struct file_counts *c = context;
    bool made = event->call == IO_OPEN && (event->flags & O_CREAT) != 0;

    if ((!made && event->call != IO_UNLINK) || strstr(event->name, ".seg") == NULL)
        return 0;
    (void)pthread_mutex_lock(&c->mutex);
    c->now += made ? 1 : -1;
    c->most = MAX_OF(c->most, c->now);
    (void)pthread_mutex_unlock(&c->mutex);
    return 0;
}

/* Segments are given up on the way, so that a day does not take its room twice. */
Test(removal, room_that_it_takes)
{
    enum { SEGMENTS = 20, MORE_MAX = 2 };
    struct file_counts counts = {
        .mutex = PTHREAD_MUTEX_INITIALIZER, .now = SEGMENTS, .most = SEGMENTS};
    struct fixture f;

    prepare(&f, "0");
    f.config.settings.segment_max_bytes = 1; /* each chunk has its own */
    fixture_open(&f);
    for (int n = 0; n < SEGMENTS; n++)
        push_pair(&f, n);
    io_hook_set(count_segments, &counts);
    delete_secret(&f);
    wait_until_processed(&f);
    io_hook_set(NULL, NULL);
    cr_expect_eq(counts.now, SEGMENTS - 1, "of one nothing stays");
    cr_expect_leq(counts.most, SEGMENTS + MORE_MAX);
    cr_expect_eq(files_with_secret(&f), 0);
    fixture_end(&f);
}

static int refuse_new_segments(struct io_event *event, void *context)
{
    (void)context;
    return event->call == IO_OPEN && (event->flags & O_CREAT) != 0 &&
                   strstr(event->name, ".seg") != NULL
               ? ENOSPC
               : 0;
}

/* A day that there is no room to write again is not in the way of one that only gives room back. */
Test(removal, full_disk, .timeout = 60)
{
    const struct delete_wish wish = {STR("t"), STR("{app=\"a\"} |= \"hunter\""), START_NS,
                                     START_NS + 2 * DAY_NS};
    struct fixture f;
    uint32_t id;

    prepare(&f, "0");
    fixture_open(&f);
    push_pair(&f, 0);
    push_values(&f, "a", "[\"1772409600000000000\",\"hunter2\"]"); /* a day later */
    cr_assert_eq(files_with_secret_in(&f, "segments"), 2);
    io_hook_set(refuse_new_segments, NULL);
    REQUIRE_OK(store_delete(f.store, &wish, &id, NULL));
    while (store_state(f.store).segments_removed == 0)
        fixture_pause();
    cr_expect(!is_processed(&f));
    cr_expect_eq(files_with_secret_in(&f, "segments"), 1);
    cr_expect_eq(seen_lines(&f), 1);
    store_close(f.store, 0);
    io_hook_set(NULL, NULL);
    fixture_open(&f);
    wait_until_processed(&f);
    cr_expect_eq(seen_lines(&f), 1);
    cr_expect_eq(files_with_secret(&f), 0);
    fixture_end(&f);
}

/* A merge does not put chunks on both sides of a request together, and does so afterwards. */
Test(removal, later_lines_stay)
{
    struct fixture f;

    prepare(&f, "1ms");
    fixture_set(&f, "compactor.delete_request_cancel_period", "1h");
    fixture_open(&f);
    push_pair(&f, 0);
    push_pair(&f, 1);
    delete_secret(&f);
    push_pair(&f, 2);
    push_pair(&f, 3);
    wait_until_quiet(&f);
    cr_expect_eq(seen_lines(&f), 0xf5);
    store_close(f.store, 0);
    fixture_set(&f, "compactor.delete_request_cancel_period", "0s");
    fixture_open(&f);
    wait_until_processed(&f);
    cr_expect_eq(seen_lines(&f), 0xf5);
    wait_until_quiet(&f);
    cr_expect_eq(seen_lines(&f), 0xf5);
    fixture_end(&f);
}

struct cancelling {
    struct fixture *f;
    uint32_t id;
    enum status status;
    struct flag done;
};

static int cancel_by_force(struct io_event *event, void *context)
{
    struct cancelling *c = context;

    if (event->call != IO_READ || flag_get(&c->done))
        return 0;
    c->status = store_cancel_delete(c->f->store, STR("t"), c->id, true, NULL);
    flag_set(&c->done);
    return 0;
}

/* A request is cancelled while its lines are being taken off the disk: what is there stays. */
Test(removal, cancelled_by_force)
{
    struct cancelling c = {.status = ST_BUSY};
    struct fixture f;

    prepare(&f, "0");
    fixture_set(&f, "compactor.delete_request_cancel_period", "1h");
    fixture_open(&f);
    push_all(&f);
    delete_secret(&f);
    c.f = &f;
    c.id = first_request(&f).id;
    io_hook_set(cancel_by_force, &c);
    time_fake_set(time_now_ns() + HOUR_NS);
    while (!flag_get(&c.done))
        fixture_go_on();
    io_hook_set(NULL, NULL);
    REQUIRE_OK(c.status);
    delete_lines(&f, "{app=\"b\"}");
    time_fake_set(time_now_ns() + HOUR_NS);
    while (!is_processed(&f))
        fixture_go_on();
    cr_expect_eq(seen_lines(&f), ALL);
    time_fake_set(0);
    fixture_end(&f);
}

struct damage {
    const char *dir;
    void (*apply)(char *bytes, size_t len);
};

static enum status damage_file(void *context, const char *name, struct err *err)
{
    const struct damage *d = context;
    char path[TEST_PATH_BYTES];

    (void)err;
    if (name[0] == '.')
        return ST_OK;
    struct str bytes = files_read(files_path(path, d->dir, name));
    char *copy = (char *)(uintptr_t)bytes.ptr;
    d->apply(copy, bytes.len);
    files_write(path, bytes);
    mem_free(copy);
    return ST_OK;
}

/* Of a store that is closed. */
static void damage_segments(const struct fixture *f, void (*apply)(char *bytes, size_t len))
{
    struct damage d = {f->segments, apply};

    REQUIRE_OK(io_list(f->segments, damage_file, &d, NULL));
}

static void damage_line(char *bytes, size_t len)
{
    char *line = memmem(bytes, len, "stays", strlen("stays"));

    if (line != NULL)
        *line = 'x';
}

/* The last line of the file is not what it was. */
static void damage_end(char *bytes, size_t len)
{
    enum { FROM_END = 40 };

    bytes[len - FROM_END] ^= 1;
}

/* A damaged chunk keeps a request from being processed, and goes with one that hides all of it. */
Test(removal, damaged_chunk)
{
    struct fixture f;

    prepare(&f, "0");
    fixture_open(&f);
    push_all(&f);
    store_close(f.store, 0);
    damage_segments(&f, damage_line);
    fixture_set(&f, "compactor.compaction_interval", "1ms");
    fixture_open(&f);
    delete_secret(&f);
    wait_until_swept(&f);
    wait_until_quiet(&f);
    cr_expect(!is_processed(&f), "the damaged chunk still has the lines");
    cr_expect_eq(files_with_secret_in(&f, "segments"), 1);
    fixture_reopen(&f);
    delete_lines(&f, "{app=\"a\"}");
    wait_until_processed(&f);
    wait_until_quiet(&f);
    cr_expect_eq(files_with_secret(&f), 0);
    cr_expect_eq(fixture_segment_files(&f), 0);
    fixture_end(&f);
}

/* The file of delete requests of a store that is closed: one that is to hide all up to a chunk. */
static void write_request(const struct fixture *f, uint64_t chunk_max)
{
    struct delete_request request = {.id = 1,
                                     .tenant = STR("t"),
                                     .query = STR("{app=\"a\"}"),
                                     .start_ns = START_NS,
                                     .end_ns = START_NS + HOUR_NS,
                                     .created_ns = START_NS,
                                     .chunk_max = chunk_max};
    const struct delete_list list = {&request, 1};

    fixture_write_deletes(f, &list);
}

/*
 * Chunks that came before and after a request are merged when it is processed, and it is in force
 * again when the index was made anew: it is not about any line of such a chunk.
 */
Test(removal, damaged_chunk_that_is_younger)
{
    struct fixture f;

    prepare(&f, "1ms");
    fixture_open(&f);
    push_all(&f);
    wait_until_quiet(&f);
    store_close(f.store, 0);
    cr_assert_eq(fixture_segment_files(&f), 1);
    damage_segments(&f, damage_end);
    write_request(&f, 1);
    fixture_open(&f);
    wait_until_processed(&f);
    wait_until_quiet(&f);
    cr_expect_eq(fixture_segment_files(&f), 1, "what can be read of it is lost");
    fixture_end(&f);
}

/* Chunks below the floor of their stream go, those of other streams of the day stay. */
Test(removal, expired_chunks)
{
    struct fixture f;

    prepare(&f, "0");
    fixture_open(&f);
    push_all(&f);
    push_values(&f, "b", "[\"1772323200000000010\",\"stays\"]"); /* START_NS + 10 */
    store_close(f.store, 0);
    fixture_set(&f, "compactor.compaction_interval", "1ms");
    fixture_set(&f, "limits.retention_stream", "{app=\"a\"} 1 24h");
    fixture_open(&f);
    cr_expect_eq(seen_lines(&f), 1 << 10);
    wait_until_quiet(&f);
    cr_expect_eq(seen_lines(&f), 1 << 10);
    cr_expect_eq(files_with_secret_in(&f, "segments"), 0);
    fixture_end(&f);
}

/* The same without merges: what stays leaves the segment, for nobody else would empty it. */
Test(removal, expired_chunks_without_merges)
{
    struct fixture f;

    prepare(&f, "0");
    fixture_set(&f, "limits.retention_stream", "{app=\"a\"} 1 24h");
    fixture_open(&f);
    push_all(&f);
    push_values(&f, "b", "[\"1772323200000000010\",\"stays\"]"); /* START_NS + 10 */
    cr_expect_eq(seen_lines(&f), 1 << 10);
    while (files_with_secret_in(&f, "segments") > 0)
        fixture_pause();
    cr_expect_eq(seen_lines(&f), 1 << 10);
    fixture_reopen(&f);
    cr_expect_eq(seen_lines(&f), 1 << 10);
    fixture_end(&f);
}

/* Without its youngest lines a chunk may be below the floor, long before it would have been. */
Test(removal, expired_by_a_request, .timeout = 60)
{
    const int64_t floor_ns = START_NS + HOUR_NS / 2, young_ns = START_NS + HOUR_NS - MINUTE_NS;
    char rule[64], values[128];
    struct fixture f;

    (void)snprintf(rule, sizeof(rule), "{app=\"a\"} 1 %llds",
                   (long long)((time_now_ns() - floor_ns) / SECOND_NS));
    (void)snprintf(values, sizeof(values), "[\"%lld\",\"old\"],[\"%lld\",\"%s\"]",
                   (long long)START_NS, (long long)young_ns, secret);
    prepare(&f, "1ms");
    fixture_set(&f, "limits.retention_stream", rule);
    fixture_open(&f);
    push_values(&f, "a", values);
    wait_until_quiet(&f);
    cr_expect_eq(fixture_segment_files(&f), 1);
    delete_secret(&f);
    while (fixture_segment_files(&f) > 0)
        fixture_pause();
    fixture_end(&f);
}

/* Whichever file call fails, it is done later. */
Test(removal, failures, .timeout = 300)
{
    enum { CALLS_MAX = 300 };
    static const int errors[] = {EIO, ENOSPC, EMFILE};

    bool hit = true;
    for (uint64_t at = 1; hit && at < CALLS_MAX; at++) {
        struct fault fault = {.at = at, .error = errors[at % COUNT_OF(errors)]};
        struct fixture f;

        prepare(&f, "1ms");
        fixture_open(&f);
        unsigned hold = merge_hold(f.store);
        push_all(&f);
        delete_secret(&f);
        fault_begin(&fault);
        merge_let_go(f.store, hold);
        while (!is_processed(&f) && !fault.hit)
            fixture_pause();
        fault_end();
        hit = fault.hit;
        cr_expect_eq(seen_lines(&f), STAYS, "call %d", (int)at);
        fixture_reopen(&f);
        expect_clean(&f, "call", (int)at);
        fixture_end(&f);
    }
}

/* ---- an index that is lost ---- */

static void lose_index(struct fixture *f)
{
    char index[TEST_PATH_BYTES], path[TEST_PATH_BYTES];

    store_close(f->store, 0);
    (void)files_path(index, f->dir, "index");
    cr_assert_eq(unlink(files_path(path, index, "data.mdb")), 0);
}

/* The log files of a store stay, whoever removes them. */
static int keep_log(struct io_event *event, void *context)
{
    (void)context;
    return event->call == IO_UNLINK && strstr(event->name, ".wal") != NULL ? EACCES : 0;
}

/* As long as the log has the lines of a request their chunks stay, for they tell what is flushed.
 */
Test(removal, log_that_stays_and_index_that_is_lost)
{
    struct fixture f;

    prepare(&f, "1ms");
    fixture_open(&f);
    push_all(&f);
    io_hook_set(keep_log, NULL);
    delete_lines(&f, "{app=\"a\"}");
    cr_expect_eq(seen_lines(&f), 0);
    while (store_state(f.store).merges_failed == 0)
        fixture_pause();
    lose_index(&f);
    io_hook_set(NULL, NULL);
    fixture_open(&f);
    cr_expect_eq(seen_lines(&f), 0, "they are back");
    fixture_end(&f);
}

/* ---- kills ---- */

/* A process that removes what is deleted and dies at its n-th file call, or ends when it is done.
 */
static void remove_until_killed(void *context, struct fault *kill)
{
    struct fixture *f = context;

    fixture_open(f);
    unsigned hold = merge_hold(f->store);
    push_all(f);
    delete_secret(f);
    fault_begin(kill);
    merge_let_go(f->store, hold);
    wait_until_processed(f);
}

/* Wherever it is killed, deleted lines never come back, the others are there once. */
Test(removal, kills, .timeout = 300)
{
    enum { FILES_MAX = 2 };
    bool killed = true;
    uint64_t n = 1;

    for (; killed; n++) {
        struct fixture f;

        prepare(&f, "1ms");
        killed = fault_kills(remove_until_killed, &f, n);
        fixture_open(&f);
        cr_expect_eq(seen_lines(&f), STAYS, "killed at call %d", (int)n);
        expect_clean(&f, "killed at call", (int)n);
        wait_until_quiet(&f);
        cr_expect_eq(seen_lines(&f), STAYS, "killed at call %d", (int)n);
        cr_expect_leq(fixture_segment_files(&f), (size_t)FILES_MAX, "killed at call %d", (int)n);
        fixture_end(&f);
    }
    cr_expect_gt(n, (uint64_t)CHUNKS, "it was never killed");
}
