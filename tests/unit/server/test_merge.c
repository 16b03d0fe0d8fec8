/* Merging in a store that runs; what it waits for is a state, never a time. */
#include "server/store/merge.h"

#include <endian.h>
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/crc.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/store/store_internal.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum {
    PUSHES = 9,
    LABEL_BYTES = 2000, /* so that heads of chunks are large */
};

#define START_NS INT64_C(1772323200000000000) /* 2026-03-01T00:00:00Z */

/* ---- a store ---- */

/* A line of the stream, minutes after the start. */
static void push_line_at(struct fixture *f, int minutes, int n)
{
    char app[LABEL_BYTES + 1], values[64];

    (void)snprintf(app, sizeof(app), "%0*d", LABEL_BYTES, 0);
    (void)snprintf(values, sizeof(values), "[\"%lld\",\"line %d\"]",
                   (long long)(START_NS + minutes * MINUTE_NS + n), n);
    REQUIRE_OK(fixture_push(f, STR("t"), app, values));
}

/* The n-th line of the first minute, in a chunk of its own. */
static void push_line(struct fixture *f, int n)
{
    push_line_at(f, 0, n);
    REQUIRE_OK(store_flush(f->store, NULL));
}

static void push_lines(struct fixture *f)
{
    for (int n = 0; n < PUSHES; n++)
        push_line(f, n);
}

static void wait_until_merged(struct fixture *f)
{
    while (store_state(f->store).merge_days_pending > 0)
        fixture_pause();
}

static void wait_until_removed(struct fixture *f)
{
    while (store_state(f->store).segments_dead > 0)
        fixture_pause();
}

/* ---- reading ---- */

static struct selection *select_all(struct fixture *f)
{
    return fixture_select(f, STR("t"), START_NS, START_NS + HOUR_NS);
}

/* Take the lines of a block away from a set of bits. */
static void take_lines(void *context, const struct block *b)
{
    uint64_t *missing = context;

    for (uint32_t k = 0; k < b->count; k++) {
        uint64_t bit = UINT64_C(1) << (b->ts_ns[k] - START_NS);
        cr_expect(*missing & bit, "line %d is there twice", (int)(b->ts_ns[k] - START_NS));
        *missing &= ~bit;
    }
}

/* Read everything and end; every line that was pushed is there once. Returns the runs. */
static size_t read_all(struct fixture *f, struct selection *s, int lines)
{
    uint64_t missing = (UINT64_C(1) << lines) - 1;

    size_t runs = fixture_read(f, s, take_lines, &missing);
    cr_expect_eq(missing, 0, "lines are missing: %#llx", (unsigned long long)missing);
    return runs;
}

/* ---- tests ---- */

Test(merge, one_chunk_is_left)
{
    struct fixture f;

    fixture_begin(&f, "1ms");
    push_lines(&f);
    wait_until_merged(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES), 1);
    push_line(&f, PUSHES);
    wait_until_merged(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    fixture_reopen(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    fixture_end(&f);
}

/* While a selection that began before is on its way, nothing is merged; later ones do not count. */
Test(merge, waits_for_selections)
{
    struct fixture f;

    fixture_begin(&f, "1ms");
    unsigned hold = merge_hold(f.store);
    push_lines(&f);
    for (int i = 0; i < 50; i++) {
        unsigned later = merge_hold(f.store);
        fixture_pause();
        merge_let_go(f.store, later);
    }
    cr_expect_eq(store_state(f.store).merges, 0, "it was merged in spite of the selection");
    push_line(&f, PUSHES); /* flushes go on */
    unsigned later = merge_hold(f.store);
    merge_let_go(f.store, hold);
    while (store_state(f.store).merges == 0)
        fixture_pause(); /* not for ever, in spite of the later one */
    merge_let_go(f.store, later);
    wait_until_merged(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    fixture_end(&f);
}

/* A selection reads what it has found, whatever is merged meanwhile. */
Test(merge, keeps_files_that_are_read)
{
    struct fixture f;

    fixture_begin(&f, "1ms");
    for (int n = 0; n < PUSHES; n += 3) {
        push_line(&f, n);
        push_line(&f, n + 1);
        struct selection *s = select_all(&f);
        push_line(&f, n + 2);
        wait_until_merged(&f);
        uint64_t dead = store_state(f.store).segments_dead;
        cr_expect_gt(dead, 0, "%d: nothing waits for the selection", n);
        (void)read_all(&f, s, n + 2);
        wait_until_removed(&f);
        cr_expect_eq(read_all(&f, select_all(&f), n + 3), 1);
    }
    fixture_end(&f);
}

/* More dead segments than may wait for a selection: those that were in no place go after it. */
Test(merge, more_files_that_are_read_than_may_wait)
{
    enum { SEGMENTS = 300, DEAD_MAX = 256 };
    struct fixture f;

    fixture_prepare(&f, "1ms");
    f.config.settings.segment_max_bytes = 1; /* each chunk has its own */
    fixture_open(&f);
    unsigned hold = merge_hold(f.store);
    for (int n = 0; n < SEGMENTS; n++)
        push_line(&f, n);
    struct selection *s = select_all(&f);
    merge_let_go(f.store, hold);
    while (store_state(f.store).segments_dead < DEAD_MAX)
        fixture_pause();
    cr_expect_gt(fixture_segment_files(&f), SEGMENTS);
    s->end(s);
    wait_until_merged(&f);
    wait_until_removed(&f);
    cr_expect_eq(fixture_segment_files(&f), 1);
    fixture_end(&f);
}

/* ---- stops ---- */

static bool has_request(struct store *s)
{
    lock_take(&s->flusher.lock);
    bool has = s->merger.request != NULL;
    lock_give(&s->flusher.lock);
    return has;
}

static void *close_store(void *context)
{
    struct fixture *f = context;

    store_close(f->store, 1);
    return NULL;
}

/* A stop gives a flush up when its time is over, even if the merger waits behind it. */
Test(merge, does_not_delay_a_stop, .timeout = 60)
{
    struct stall stall = {.call = IO_COMMIT_BEGIN};
    pthread_t closing;
    struct fixture f;

    fixture_begin(&f, "1ms");
    unsigned hold = merge_hold(f.store);
    push_lines(&f);
    while (!has_request(f.store))
        fixture_pause();
    push_line_at(&f, 0, PUSHES);
    stall_begin(&stall);
    EXPECT_STATUS("flush", flusher_force(f.store, 1, NULL), ST_TIMEOUT);
    while (!flag_get(&stall.reached))
        fixture_pause();
    merge_let_go(f.store, hold);
    cr_assert_eq(pthread_create(&closing, NULL, close_store, &f), 0);
    while (!flag_get(&f.store->flusher.abandon))
        fixture_pause();
    flag_set(&stall.over);
    (void)pthread_join(closing, NULL);
    fault_end();
    fixture_open(&f);
    (void)read_all(&f, select_all(&f), PUSHES + 1);
    fixture_end(&f);
}

/* ---- failures ---- */

/* Whichever file call fails, nothing is lost, and what failed is done later. */
Test(merge, failures)
{
    enum { CALLS_MAX = 200 };
    static const int errors[] = {EIO, ENOSPC, EMFILE};

    for (uint64_t at = 1, hit = 1; hit != 0 && at < CALLS_MAX; at++) {
        struct fault fault = {.at = at, .error = errors[at % COUNT_OF(errors)]};
        struct fixture f;

        fixture_begin(&f, "1ms");
        unsigned hold = merge_hold(f.store);
        push_lines(&f);
        fault_begin(&fault);
        merge_let_go(f.store, hold);
        wait_until_merged(&f); /* again, if need be */
        fault_end();
        hit = fault.hit ? 1 : 0;
        /* A call that failed once is no damage. */
        cr_expect_eq(store_state(f.store).chunks_unmergeable, 0, "call %d", (int)at);
        cr_expect_eq(read_all(&f, select_all(&f), PUSHES), 1, "call %d", (int)at);
        fixture_reopen(&f);
        wait_until_merged(&f);
        (void)read_all(&f, select_all(&f), PUSHES);
        fixture_end(&f);
    }
}

/* Files that cannot be removed cost their room, not the merges behind them. */
Test(merge, goes_on_though_files_stay)
{
    struct fault fault = {
        .at = 1, .times = UINT64_C(1) << 40, .kinds = 1U << IO_UNLINK, .error = EACCES};
    struct fixture f;

    fixture_begin(&f, "1ms");
    fault_begin(&fault);
    push_lines(&f);
    wait_until_merged(&f);
    cr_expect_gt(store_state(f.store).segments_dead, 0);
    uint64_t merges = store_state(f.store).merges;
    push_line(&f, PUSHES);
    wait_until_merged(&f);
    cr_expect_gt(store_state(f.store).merges, merges);
    fault_end();
    wait_until_removed(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    fixture_end(&f);
}

/* Whichever allocation fails, nothing is lost, and no chunk is taken for damaged. */
Test(merge, no_memory)
{
    enum { ALLOCATIONS_MAX = 160 };

    for (int64_t n = 1; n < ALLOCATIONS_MAX; n++) {
        struct fixture f;

        fixture_begin(&f, "1ms");
        unsigned hold = merge_hold(f.store);
        push_lines(&f);
        mem_fail_after(n);
        merge_let_go(f.store, hold);
        wait_until_merged(&f); /* again, if need be */
        mem_fail_after(0);
        cr_expect_eq(store_state(f.store).chunks_unmergeable, 0, "allocation %d", (int)n);
        cr_expect_eq(read_all(&f, select_all(&f), PUSHES), 1, "allocation %d", (int)n);
        fixture_end(&f);
    }
}

/* A flush is done without memory to note the day: it is looked at all the same, now or later. */
Test(merge, no_memory_for_a_day)
{
    enum { ALLOCATIONS_MAX = 120 };
    static const char *const intervals[] = {"1h", "1ms"};

    for (int64_t n = 1; n < ALLOCATIONS_MAX; n++) {
        for (size_t i = 0; i < COUNT_OF(intervals); i++) {
            struct fixture f;

            fixture_begin(&f, intervals[i]);
            REQUIRE_OK(fixture_push(&f, STR("t"), "a", "[\"1772323200000000000\",\"line\"]"));
            mem_fail_after(n);
            enum status st = store_flush(f.store, NULL);
            mem_fail_after(0);
            if (st == ST_OK && i == 0)
                cr_expect_eq(store_state(f.store).merge_days_pending, 1, "allocation %d", (int)n);
            else if (st == ST_OK)
                wait_until_merged(&f);
            fixture_end(&f);
        }
    }
}

/* Cut the first record of a chunk in the index; its checksum is right, so the start believes it. */
static void damage_index(const struct fixture *f)
{
    enum { MAP_BYTES = 1 << 26, DATABASES = 16, CUT_BYTES = 8, CRC_BYTES = 4 };
    char path[TEST_PATH_BYTES];
    MDB_cursor *cursor;
    MDB_val k, v;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi chunks;

    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_set_mapsize(env, MAP_BYTES), 0);
    cr_assert_eq(mdb_env_set_maxdbs(env, DATABASES), 0);
    cr_assert_eq(mdb_env_open(env, files_path(path, f->dir, "index"), 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, "chunks", 0, &chunks), 0);
    cr_assert_eq(mdb_cursor_open(txn, chunks, &cursor), 0);
    cr_assert_eq(mdb_cursor_get(cursor, &k, &v, MDB_FIRST), 0);
    char bytes[CUT_BYTES + CRC_BYTES];
    memcpy(bytes, v.mv_data, CUT_BYTES);
    uint32_t crc =
        htole32(crc32c(crc32c(0, str_make(k.mv_data, k.mv_size)), str_make(bytes, CUT_BYTES)));
    memcpy(bytes + CUT_BYTES, &crc, CRC_BYTES);
    v = (MDB_val){sizeof(bytes), bytes};
    cr_assert_eq(mdb_cursor_put(cursor, &k, &v, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* A day whose records are damaged costs nothing but its own merges. */
Test(merge, damaged_day)
{
    enum { FAILURES_MAX = 1000 };
    const int day = (int)(DAY_NS / MINUTE_NS);
    struct fixture f;

    fixture_prepare(&f, "0");
    fixture_open(&f);
    for (int n = 0; n < 4; n++) {
        push_line_at(&f, n % 2 * day + n, n);
        REQUIRE_OK(store_flush(f.store, NULL));
    }
    store_close(f.store, 0);
    damage_index(&f);
    fixture_set(&f, "compactor.compaction_interval", "1ms");
    fixture_open(&f);
    while (store_state(f.store).merges == 0 && store_state(f.store).merges_failed < FAILURES_MAX)
        fixture_pause();
    cr_expect_eq(store_state(f.store).merges, 1, "the second day is not merged");
    fixture_end(&f);
}

/* ---- kills ---- */

static void merge_until_killed(void *context, struct fault *kill)
{
    struct fixture *f = context;

    fixture_open(f);
    unsigned hold = merge_hold(f->store);
    push_lines(f);
    fault_begin(kill);
    merge_let_go(f->store, hold);
    wait_until_merged(f);
    wait_until_removed(f);
}

/* Wherever a merge is killed, the next start finds every line once, and goes on. */
Test(merge, kills)
{
    enum { FILES_MAX = 2 }; /* one of what was merged, and one for the next flush */
    bool killed = true;
    uint64_t n = 1;

    for (; killed; n++) {
        struct fixture f;

        fixture_prepare(&f, "1ms");
        killed = fault_kills(merge_until_killed, &f, n);
        fixture_open(&f);
        (void)read_all(&f, select_all(&f), PUSHES);
        wait_until_merged(&f);
        wait_until_removed(&f);
        cr_expect_eq(read_all(&f, select_all(&f), PUSHES), 1, "killed at call %d", (int)n);
        cr_expect_leq(fixture_segment_files(&f), (size_t)FILES_MAX, "killed at call %d", (int)n);
        cr_expect_eq(store_state(f.store).chunks_unmergeable, 0);
        fixture_end(&f);
    }
    cr_expect_gt(n, (uint64_t)PUSHES, "it was never killed");
}

/* A process that merges, and is killed while it reads what was merged away. */
static void merge_and_die(void *context, struct fault *kill)
{
    struct fixture *f = context;

    (void)kill;
    fixture_open(f);
    push_lines(f);
    (void)select_all(f);
    push_line(f, PUSHES);
    while (store_state(f->store).segments_dead == 0)
        fixture_pause();
    (void)raise(SIGKILL);
}

/* What is dead goes at the start, even if nothing is merged any more. */
Test(merge, dead_segments_without_merging)
{
    struct fixture f;

    fixture_prepare(&f, "1ms");
    cr_assert(fault_kills(merge_and_die, &f, 0));
    size_t files = fixture_segment_files(&f);
    fixture_set(&f, "compactor.compaction_interval", "0");
    fixture_open(&f);
    cr_expect_eq(store_state(f.store).segments_dead, 0);
    cr_expect_lt(fixture_segment_files(&f), files);
    (void)read_all(&f, select_all(&f), PUSHES + 1);
    fixture_end(&f);
}
