/* Merging in a store that runs; what it waits for is a state, never a time. */
#include "server/store/merge.h"

#include <endian.h>
#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/store/store.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/files.h"

#include "base/banned.h"

enum {
    ARENA_BYTES = 64 * 1024 * 1024,
    PUSHES = 9,
    LABEL_BYTES = 2000, /* so that heads of chunks are large */
};

#define START_NS INT64_C(1772323200000000000) /* 2026-03-01T00:00:00Z */

/* ---- a store ---- */

struct fixture {
    char dir[TEST_PATH_BYTES];
    struct config config;
    struct store *store;
    struct arena arena;
    struct query_context q;
};

static void see_settled(void *context, uint64_t seq, enum status st)
{
    (void)context;
    (void)seq;
    (void)st;
}

static void fixture_open(struct fixture *f)
{
    const struct store_options options = {.config = &f->config, .settled = see_settled};
    struct err err;

    cr_assert_eq(store_open(&options, &f->store, &err), ST_OK, "%s", err.text);
}

static void fixture_prepare(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    files_dir_make(f->dir);
    arena_init(&f->arena, ARENA_BYTES);
    REQUIRE_OK(config_init(&f->config, NULL));
    REQUIRE_OK(config_set(&f->config, STR("storage.data_dir"), str_from(f->dir), NULL));
    REQUIRE_OK(config_set(&f->config, STR("compactor.compaction_interval"), STR("1ms"), NULL));
    REQUIRE_OK(config_finish(&f->config, NULL));
}

static void fixture_begin(struct fixture *f)
{
    fixture_prepare(f);
    fixture_open(f);
}

static void fixture_end(struct fixture *f)
{
    store_close(f->store, 0);
    config_release(&f->config);
    arena_release(&f->arena);
    files_dir_remove(f->dir);
}

/* A line of the stream, minutes after the start, in a chunk of its own. */
static void push_line_at(struct fixture *f, int minutes, int n)
{
    const struct push_spec spec = {.format = PUSH_JSON, .decompressed_bytes_max = MIB};
    struct push_request request;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    struct str body = arena_printf(
        &a, "{\"streams\":[{\"stream\":{\"app\":\"%0*d\"},\"values\":[[\"%lld\",\"line %d\"]]}]}",
        LABEL_BYTES, 0, (long long)(START_NS + minutes * MINUTE_NS + n), n);
    REQUIRE_OK(push_decode(&a, &spec, body, &request, NULL));
    struct store_push push = {.tenant = STR("t"), .request = &request, .arena = &a};
    REQUIRE_OK(store_push(f->store, &push, NULL));
    arena_release(&a);
    REQUIRE_OK(store_flush(f->store, NULL));
}

/* The n-th line of the first minute. */
static void push_line(struct fixture *f, int n)
{
    push_line_at(f, 0, n);
}

static void push_lines(struct fixture *f)
{
    for (int n = 0; n < PUSHES; n++)
        push_line(f, n);
}

static void wait_a_little(void)
{
    const struct timespec moment = {0, 1000 * 1000};

    (void)nanosleep(&moment, NULL);
}

static void wait_until_merged(struct fixture *f)
{
    while (store_state(f->store).merge_days_pending > 0)
        wait_a_little();
}

static void wait_until_removed(struct fixture *f)
{
    while (store_state(f->store).segments_dead > 0)
        wait_a_little();
}

/* ---- reading ---- */

static struct selection *select_all(struct fixture *f)
{
    const struct source_request request = {
        .tenant = STR("t"), .start_ns = START_NS, .end_ns = START_NS + HOUR_NS};
    struct source *source = store_source(f->store);
    struct selection *s = NULL;

    arena_release(&f->arena);
    f->q = (struct query_context){
        .arena = &f->arena, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + HOUR_NS};
    REQUIRE_OK(source->select(source, &f->q, &request, &s, NULL));
    return s;
}

/* Take the lines of a run away from `*missing`, a set of bits. */
static void read_run(struct reader *r, struct source_run *run, uint64_t *missing)
{
    const struct source_block *blocks;
    uint32_t count;

    REQUIRE_OK(r->open_run(r, run, &blocks, &count, NULL));
    for (uint32_t i = 0; i < count; i++) {
        struct block b = {0};
        REQUIRE_OK(r->load(r, i, SOURCE_ALL, &b, NULL));
        for (uint32_t k = 0; k < b.count; k++) {
            uint64_t bit = UINT64_C(1) << (b.ts_ns[k] - START_NS);
            cr_expect(*missing & bit, "line %d is there twice", (int)(b.ts_ns[k] - START_NS));
            *missing &= ~bit;
        }
    }
}

/* Read everything and end; every line that was pushed is there once. Returns the runs. */
static size_t read_all(struct fixture *f, struct selection *s, int lines)
{
    uint64_t missing = (UINT64_C(1) << lines) - 1;
    struct source_run *runs;
    size_t count, total = 0;
    struct reader *r = NULL;
    int64_t bound_ns;

    REQUIRE_OK(s->reader(s, &f->q, &r, NULL));
    while (s->next_runs(s, &runs, &count, &bound_ns, NULL) == ST_OK) {
        for (size_t i = 0; i < count; i++)
            read_run(r, &runs[i], &missing);
        total += count;
    }
    r->release(r);
    s->end(s);
    cr_expect_eq(missing, 0, "lines are missing: %#llx", (unsigned long long)missing);
    return total;
}

/* ---- tests ---- */

Test(merge, one_chunk_is_left)
{
    struct fixture f;

    fixture_begin(&f);
    push_lines(&f);
    wait_until_merged(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES), 1);
    push_line(&f, PUSHES);
    wait_until_merged(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    store_close(f.store, 0);
    fixture_open(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    fixture_end(&f);
}

/* While a selection that began before is on its way, nothing is merged; later ones do not count. */
Test(merge, waits_for_selections)
{
    struct fixture f;

    fixture_begin(&f);
    unsigned hold = merge_hold(f.store);
    push_lines(&f);
    for (int i = 0; i < 50; i++) {
        unsigned later = merge_hold(f.store);
        wait_a_little();
        merge_let_go(f.store, later);
    }
    cr_expect_eq(store_state(f.store).merges, 0, "it was merged in spite of the selection");
    push_line(&f, PUSHES); /* flushes go on */
    unsigned later = merge_hold(f.store);
    merge_let_go(f.store, hold);
    while (store_state(f.store).merges == 0)
        wait_a_little(); /* not for ever, in spite of the later one */
    merge_let_go(f.store, later);
    wait_until_merged(&f);
    cr_expect_eq(read_all(&f, select_all(&f), PUSHES + 1), 1);
    fixture_end(&f);
}

/* A selection reads what it has found, whatever is merged meanwhile. */
Test(merge, keeps_files_that_are_read)
{
    struct fixture f;

    fixture_begin(&f);
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
    char segments[TEST_PATH_BYTES];
    struct fixture f;

    fixture_prepare(&f);
    f.config.settings.segment_max_bytes = 1; /* each chunk has its own */
    fixture_open(&f);
    unsigned hold = merge_hold(f.store);
    for (int n = 0; n < SEGMENTS; n++)
        push_line(&f, n);
    struct selection *s = select_all(&f);
    merge_let_go(f.store, hold);
    while (store_state(f.store).segments_dead < DEAD_MAX)
        wait_a_little();
    cr_expect_gt(files_count(files_path(segments, f.dir, "segments"), ".seg"), SEGMENTS);
    s->end(s);
    wait_until_merged(&f);
    wait_until_removed(&f);
    cr_expect_eq(files_count(segments, ".seg"), 1);
    fixture_end(&f);
}

/* Whichever file call fails, nothing is lost, and what failed is done later. */
Test(merge, failures)
{
    enum { CALLS_MAX = 200 };
    static const int errors[] = {EIO, ENOSPC, EMFILE};

    for (uint64_t at = 1, hit = 1; hit != 0 && at < CALLS_MAX; at++) {
        struct fault fault = {.at = at, .error = errors[at % COUNT_OF(errors)]};
        struct fixture f;

        fixture_begin(&f);
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
        store_close(f.store, 0);
        fixture_open(&f);
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

    fixture_begin(&f);
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

        fixture_begin(&f);
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

    fixture_prepare(&f);
    REQUIRE_OK(config_set(&f.config, STR("compactor.compaction_interval"), STR("0"), NULL));
    fixture_open(&f);
    for (int n = 0; n < 4; n++)
        push_line_at(&f, n % 2 * day + n, n);
    store_close(f.store, 0);
    damage_index(&f);
    REQUIRE_OK(config_set(&f.config, STR("compactor.compaction_interval"), STR("1ms"), NULL));
    fixture_open(&f);
    while (store_state(f.store).merges == 0 && store_state(f.store).merges_failed < FAILURES_MAX)
        wait_a_little();
    cr_expect_eq(store_state(f.store).merges, 1, "the second day is not merged");
    fixture_end(&f);
}

/* ---- kills ---- */

enum { NOT_KILLED = 7 };

struct kill {
    uint64_t calls_left; /* the last of them does not happen any more */
};

static int kill_at_call(struct io_event *event, void *context)
{
    struct kill *k = context;

    (void)event;
    if (__atomic_sub_fetch(&k->calls_left, 1, __ATOMIC_RELAXED) == 0)
        (void)raise(SIGKILL);
    return 0;
}

/* A process that merges and dies at its n-th file call, or ends when all is done. */
static void merge_until_killed(struct fixture *f, uint64_t n)
{
    struct kill k = {.calls_left = n};

    fixture_open(f);
    unsigned hold = merge_hold(f->store);
    push_lines(f);
    io_hook_set(kill_at_call, &k);
    merge_let_go(f->store, hold);
    wait_until_merged(f);
    wait_until_removed(f);
    _exit(NOT_KILLED);
}

/* Wherever a merge is killed, the next start finds every line once, and goes on. */
Test(merge, kills)
{
    enum { FILES_MAX = 2 }; /* one of what was merged, and one for the next flush */
    bool killed = true;
    uint64_t n = 1;

    for (; killed; n++) {
        char segments[TEST_PATH_BYTES];
        struct fixture f;
        int status = 0;

        fixture_prepare(&f);
        pid_t process = fork();
        if (process == 0)
            merge_until_killed(&f, n);
        cr_assert_eq(waitpid(process, &status, 0), process);
        killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        cr_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == NOT_KILLED));
        fixture_open(&f);
        (void)read_all(&f, select_all(&f), PUSHES);
        wait_until_merged(&f);
        wait_until_removed(&f);
        cr_expect_eq(read_all(&f, select_all(&f), PUSHES), 1, "killed at call %d", (int)n);
        cr_expect_leq(files_count(files_path(segments, f.dir, "segments"), ".seg"),
                      (size_t)FILES_MAX, "killed at call %d", (int)n);
        cr_expect_eq(store_state(f.store).chunks_unmergeable, 0);
        fixture_end(&f);
    }
    cr_expect_gt(n, (uint64_t)PUSHES, "it was never killed");
}

/* A process that merges, and is killed while it reads what was merged away. */
static void merge_and_die(struct fixture *f)
{
    fixture_open(f);
    push_lines(f);
    (void)select_all(f);
    push_line(f, PUSHES);
    while (store_state(f->store).segments_dead == 0)
        wait_a_little();
    (void)raise(SIGKILL);
}

/* What is dead goes at the start, even if nothing is merged any more. */
Test(merge, dead_segments_without_merging)
{
    char segments[TEST_PATH_BYTES];
    struct fixture f;
    int status = 0;

    fixture_prepare(&f);
    pid_t process = fork();
    if (process == 0)
        merge_and_die(&f);
    cr_assert_eq(waitpid(process, &status, 0), process);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    (void)files_path(segments, f.dir, "segments");
    size_t files = files_count(segments, ".seg");
    REQUIRE_OK(config_set(&f.config, STR("compactor.compaction_interval"), STR("0"), NULL));
    fixture_open(&f);
    cr_expect_eq(store_state(f.store).segments_dead, 0);
    cr_expect_lt(files_count(segments, ".seg"), files);
    (void)read_all(&f, select_all(&f), PUSHES + 1);
    fixture_end(&f);
}
