/* Days that leave a store that runs; what it waits for is a state, never a time. */
#include "server/store/drop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/time.h"
#include "chunks/segment.h"
#include "server/store/space.h"
#include "server/store/store.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/files.h"

#include "base/banned.h"

enum {
    ARENA_BYTES = 64 * 1024 * 1024,
    OLD_DAYS = 3, /* below the floor */
    NEW_DAYS = 2,
    LINE_BYTES = 1000,
};

#define OLDEST_AGE (20 * DAY_NS)
#define PERIOD STR("10d")

/* ---- a store ---- */

struct fixture {
    char dir[TEST_PATH_BYTES];
    int64_t now_ns;
    struct config config;   /* everything is kept for ever */
    struct config expiring; /* the same with limits.retention_period */
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

static void fixture_open(struct fixture *f, const struct config *config)
{
    const struct store_options options = {.config = config, .settled = see_settled};
    struct err err;

    cr_assert_eq(store_open(&options, &f->store, &err), ST_OK, "%s", err.text);
}

static void config_prepare(struct config *c, const char *dir, struct str period)
{
    REQUIRE_OK(config_init(c, NULL));
    REQUIRE_OK(config_set(c, STR("storage.data_dir"), str_from(dir), NULL));
    REQUIRE_OK(config_set(c, STR("ingester.chunk_encoding"), STR("none"), NULL));
    REQUIRE_OK(config_set(c, STR("compactor.compaction_interval"), STR("0s"), NULL));
    REQUIRE_OK(config_set(c, STR("limits.retention_period"), period, NULL));
    REQUIRE_OK(config_finish(c, NULL));
}

static void fixture_prepare(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    files_dir_make(f->dir);
    f->now_ns = time_now_ns();
    arena_init(&f->arena, ARENA_BYTES);
    config_prepare(&f->config, f->dir, STR("0s"));
    config_prepare(&f->expiring, f->dir, PERIOD);
}

static void fixture_end(struct fixture *f)
{
    store_close(f->store, 0);
    config_release(&f->config);
    config_release(&f->expiring);
    arena_release(&f->arena);
    files_dir_remove(f->dir);
}

static enum status push_line_of(struct fixture *f, struct str tenant, struct str app, int64_t ts_ns)
{
    const struct push_spec spec = {.format = PUSH_JSON, .decompressed_bytes_max = MIB};
    struct push_request request;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    struct str body = arena_printf(
        &a, "{\"streams\":[{\"stream\":{\"app\":\"%.*s\"},\"values\":[[\"%lld\",\"%0*d\"]]}]}",
        STR_ARG(app), (long long)ts_ns, LINE_BYTES, 0);
    REQUIRE_OK(push_decode(&a, &spec, body, &request, NULL));
    struct store_push push = {.tenant = tenant, .request = &request, .arena = &a};
    enum status st = store_push(f->store, &push, NULL);
    arena_release(&a);
    return st;
}

static enum status push_line(struct fixture *f, struct str tenant, int64_t ts_ns)
{
    return push_line_of(f, tenant, STR("a"), ts_ns);
}

/* Days below the floor and days above it, a line each, for two tenants. */
static void push_days(struct fixture *f)
{
    for (int i = 0; i < OLD_DAYS; i++) {
        REQUIRE_OK(push_line(f, STR("t"), f->now_ns - OLDEST_AGE + i * DAY_NS));
        REQUIRE_OK(push_line(f, STR("u"), f->now_ns - OLDEST_AGE + i * DAY_NS));
    }
    for (int i = 0; i < NEW_DAYS; i++) {
        REQUIRE_OK(push_line(f, STR("t"), f->now_ns - i * DAY_NS));
        REQUIRE_OK(push_line(f, STR("u"), f->now_ns - i * DAY_NS));
    }
    REQUIRE_OK(store_flush(f->store, NULL));
}

static void wait_a_little(void)
{
    const struct timespec moment = {0, 1000 * 1000};

    (void)nanosleep(&moment, NULL);
}

static size_t segment_files(const struct fixture *f)
{
    char segments[TEST_PATH_BYTES];

    return files_count(files_path(segments, f->dir, "segments"), ".seg");
}

static void wait_until_files_are(const struct fixture *f, size_t count)
{
    while (segment_files(f) != count || store_state(f->store).segments_dead > 0)
        wait_a_little();
}

/* ---- reading ---- */

static size_t count_run(struct reader *r, struct source_run *run)
{
    const struct source_block *blocks;
    uint32_t count;
    size_t lines = 0;

    REQUIRE_OK(r->open_run(r, run, &blocks, &count, NULL));
    for (uint32_t i = 0; i < count; i++) {
        struct block b = {0};
        REQUIRE_OK(r->load(r, i, SOURCE_ALL, &b, NULL));
        lines += b.count;
    }
    return lines;
}

/* Every line that a query of all time finds. */
static size_t count_lines(struct fixture *f, struct str tenant)
{
    const struct source_request request = {
        .tenant = tenant, .start_ns = 0, .end_ns = f->now_ns + DAY_NS};
    struct source *source = store_source(f->store);
    struct selection *s = NULL;
    struct source_run *runs;
    struct reader *r = NULL;
    size_t count, lines = 0;
    int64_t bound_ns;

    arena_release(&f->arena);
    f->q = (struct query_context){
        .arena = &f->arena, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + HOUR_NS};
    REQUIRE_OK(source->select(source, &f->q, &request, &s, NULL));
    REQUIRE_OK(s->reader(s, &f->q, &r, NULL));
    while (s->next_runs(s, &runs, &count, &bound_ns, NULL) == ST_OK) {
        for (size_t i = 0; i < count; i++)
            lines += count_run(r, &runs[i]);
    }
    r->release(r);
    s->end(s);
    return lines;
}

static void expect_new_days(struct fixture *f, const char *name, uint64_t n)
{
    cr_expect_eq(count_lines(f, STR("t")), NEW_DAYS, "%s %d", name, (int)n);
    cr_expect_eq(count_lines(f, STR("u")), NEW_DAYS, "%s %d", name, (int)n);
}

/* ---- tests ---- */

Test(drop, days_that_are_too_old)
{
    struct fixture f;

    fixture_prepare(&f);
    fixture_open(&f, &f.config);
    push_days(&f);
    cr_expect_eq(count_lines(&f, STR("t")), OLD_DAYS + NEW_DAYS);
    store_set_config(f.store, &f.expiring);
    while (store_state(f.store).days_expired < 2 * OLD_DAYS)
        wait_a_little();
    wait_until_files_are(&f, 2 * NEW_DAYS);
    cr_expect_gt(store_state(f.store).bytes_dropped, 2 * OLD_DAYS * LINE_BYTES);
    expect_new_days(&f, "dropped", 0);
    store_close(f.store, 0);
    fixture_open(&f, &f.config);
    expect_new_days(&f, "after a start", 0);
    fixture_end(&f);
}

static size_t count_values(struct fixture *f)
{
    const struct label_request request = {
        .tenant = STR("t"), .name = STR("app"), .start_ns = 0, .end_ns = f->now_ns + DAY_NS};
    struct str_set set;

    arena_release(&f->arena);
    f->q = (struct query_context){
        .arena = &f->arena, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + HOUR_NS};
    REQUIRE_OK(store_labels(f->store, &f->q, &request, &set, NULL));
    return set.count;
}

/* Streams leave the index with their last chunk, once the log cannot bring their entries back. */
Test(drop, streams_without_chunks)
{
    enum { STREAMS = 700 };
    struct fixture f;

    fixture_prepare(&f);
    fixture_open(&f, &f.config);
    for (int i = 0; i < STREAMS; i++) {
        char app[32];
        (void)snprintf(app, sizeof(app), "app-%d", i);
        REQUIRE_OK(push_line_of(&f, STR("t"), str_from(app), f.now_ns - OLDEST_AGE));
    }
    REQUIRE_OK(push_line_of(&f, STR("t"), STR("app-7"), f.now_ns));
    REQUIRE_OK(store_flush(f.store, NULL));
    store_set_config(f.store, &f.expiring);
    while (store_state(f.store).days_expired == 0)
        wait_a_little();
    wait_until_files_are(&f, 1);
    cr_expect_eq(store_state(f.store).streams_forgotten, 0, "the log still knows them");
    REQUIRE_OK(push_line_of(&f, STR("t"), STR("app-9"), f.now_ns)); /* in memory, not in a chunk */
    store_close(f.store, 0);
    fixture_open(&f, &f.expiring); /* only what was not flushed is read from the log */
    cr_expect_eq(count_lines(&f, STR("t")), 2);
    REQUIRE_OK(store_flush(f.store, NULL)); /* the old files go */
    REQUIRE_OK(push_line_of(&f, STR("t"), STR("app-9"), f.now_ns + 1));
    store_set_config(f.store, &f.config);
    while (store_state(f.store).streams_forgotten < STREAMS - 2)
        wait_a_little();
    cr_expect_eq(store_state(f.store).streams_forgotten, STREAMS - 2);
    cr_expect_eq(count_values(&f), 2);
    cr_expect_eq(count_lines(&f, STR("t")), 3);
    REQUIRE_OK(push_line_of(&f, STR("t"), STR("app-5"), f.now_ns)); /* it comes back */
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(count_values(&f), 3);
    cr_expect_eq(count_lines(&f, STR("t")), 4);
    fixture_end(&f);
}

/* What queries still read stays until they are done. */
Test(drop, files_that_are_read)
{
    struct fixture f;

    fixture_prepare(&f);
    fixture_open(&f, &f.config);
    push_days(&f);
    const struct source_request request = {
        .tenant = STR("t"), .start_ns = 0, .end_ns = f.now_ns + DAY_NS};
    struct selection *s = NULL;
    f.q = (struct query_context){
        .arena = &f.arena, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + HOUR_NS};
    REQUIRE_OK(store_source(f.store)->select(store_source(f.store), &f.q, &request, &s, NULL));
    store_set_config(f.store, &f.expiring);
    while (store_state(f.store).days_expired < 2 * OLD_DAYS)
        wait_a_little();
    cr_expect_eq(segment_files(&f), 2 * (OLD_DAYS + NEW_DAYS));
    struct source_run *runs;
    struct reader *r = NULL;
    size_t count, lines = 0;
    int64_t bound_ns;
    REQUIRE_OK(s->reader(s, &f.q, &r, NULL));
    while (s->next_runs(s, &runs, &count, &bound_ns, NULL) == ST_OK) {
        for (size_t i = 0; i < count; i++)
            lines += count_run(r, &runs[i]);
    }
    r->release(r);
    s->end(s);
    cr_expect_eq(lines, OLD_DAYS + NEW_DAYS);
    wait_until_files_are(&f, 2 * NEW_DAYS);
    fixture_end(&f);
}

/* For want of room: the oldest days of all tenants, never the newest. */
Test(drop, days_for_room)
{
    struct fixture f;
    struct err err;

    fixture_prepare(&f);
    fixture_open(&f, &f.config);
    push_days(&f);
    store_close(f.store, 0);
    REQUIRE_OK(config_set(&f.config, STR("storage.max_bytes"), STR("1"), NULL));
    fixture_open(&f, &f.config);
    while (!store_state(f.store).full)
        wait_a_little();
    wait_until_files_are(&f, 2);
    cr_expect_eq(store_state(f.store).days_dropped, OLD_DAYS + NEW_DAYS - 1);
    cr_expect_eq(count_lines(&f, STR("t")), 1);
    cr_expect_eq(count_lines(&f, STR("u")), 1);
    EXPECT_STATUS("push", push_line(&f, STR("t"), f.now_ns + 1), ST_FULL);
    EXPECT_STATUS("text", space_admit(f.store, 1, &err), ST_FULL);
    cr_expect_str_eq(
        err.text,
        "the store is full: storage.max_bytes is reached and only the newest day is left");
    store_close(f.store, 0);
    REQUIRE_OK(config_set(&f.config, STR("storage.max_bytes"), STR("1TB"), NULL));
    fixture_open(&f, &f.config);
    EXPECT_STATUS("room", push_line(&f, STR("t"), f.now_ns + 1), ST_OK);
    fixture_end(&f);
}

/* Room in the index is no reason to drop a day: it would be none the smaller for that. */
Test(drop, no_day_for_room_in_the_index)
{
    enum { STREAMS = 3000, NUMBER_BYTES = 32 };
    char path[TEST_PATH_BYTES], limit[NUMBER_BYTES];
    struct stat index;
    struct fixture f;

    fixture_prepare(&f);
    fixture_open(&f, &f.config);
    for (int i = 0; i < STREAMS; i++) {
        char app[NUMBER_BYTES];
        (void)snprintf(app, sizeof(app), "app-%d", i);
        REQUIRE_OK(push_line_of(&f, STR("t"), str_from(app), f.now_ns - OLDEST_AGE));
    }
    REQUIRE_OK(store_flush(f.store, NULL));
    store_close(f.store, 0);
    fixture_open(&f, &f.expiring);
    REQUIRE_OK(push_line(&f, STR("t"), f.now_ns - DAY_NS));
    REQUIRE_OK(push_line(&f, STR("t"), f.now_ns));
    REQUIRE_OK(store_flush(f.store, NULL)); /* the old files of the log go */
    wait_until_files_are(&f, 2);
    store_set_config(f.store, &f.config); /* streams are forgotten now, not in a minute */
    while (store_state(f.store).streams_forgotten < STREAMS)
        wait_a_little();
    store_close(f.store, 0);
    cr_assert_eq(stat(files_path(path, f.dir, "index/data.mdb"), &index), 0);
    (void)snprintf(limit, sizeof(limit), "%lld", (long long)index.st_size);
    REQUIRE_OK(config_set(&f.config, STR("storage.max_bytes"), str_from(limit), NULL));
    fixture_open(&f, &f.config);
    while (store_state(f.store).data_bytes == 0)
        wait_a_little();
    cr_expect_lt(store_state(f.store).data_bytes, (uint64_t)index.st_size);
    cr_expect_eq(store_state(f.store).days_dropped, 0);
    cr_expect_eq(count_lines(&f, STR("t")), 2);
    fixture_end(&f);
}

static int count_commits(struct io_event *event, void *context)
{
    uint64_t *commits = context;

    if (event->call == IO_COMMIT_BEGIN)
        (void)__atomic_add_fetch(commits, 1, __ATOMIC_RELAXED);
    return 0;
}

/* A day goes in a few transactions, however many files it has. */
Test(drop, day_of_many_segments)
{
    enum { SEGMENTS = 40, COMMITS_MAX = 8 };
    uint64_t commits = 0;
    struct fixture f;

    fixture_prepare(&f);
    f.config.settings.segment_max_bytes = 1; /* each chunk has its own */
    fixture_open(&f, &f.config);
    for (int i = 0; i < SEGMENTS; i++) {
        REQUIRE_OK(push_line(&f, STR("t"), f.now_ns - OLDEST_AGE + i));
        REQUIRE_OK(store_flush(f.store, NULL));
    }
    cr_assert_eq(segment_files(&f), SEGMENTS);
    io_hook_set(count_commits, &commits);
    store_set_config(f.store, &f.expiring);
    wait_until_files_are(&f, 0);
    io_hook_set(NULL, NULL);
    cr_expect_leq(__atomic_load_n(&commits, __ATOMIC_RELAXED), (uint64_t)COMMITS_MAX);
    cr_expect_eq(count_lines(&f, STR("t")), 0);
    fixture_end(&f);
}

/* The name of the first file that was to be removed; it cannot be. */
struct stubborn {
    pthread_mutex_t mutex;
    char name[SEGMENT_FILE_NAME_BYTES];
};

static int keep_first_file(struct io_event *event, void *context)
{
    struct stubborn *s = context;

    if (event->call != IO_UNLINK || strstr(event->name, ".seg") == NULL)
        return 0;
    (void)pthread_mutex_lock(&s->mutex);
    if (s->name[0] == '\0')
        (void)snprintf(s->name, sizeof(s->name), "%s", event->name);
    bool same = strcmp(s->name, event->name) == 0;
    (void)pthread_mutex_unlock(&s->mutex);
    return same ? EPERM : 0;
}

/* A file that cannot be removed is in nobody's way, and goes when it can be. */
Test(drop, file_that_stays)
{
    struct stubborn stubborn = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct fixture f;

    fixture_prepare(&f);
    fixture_open(&f, &f.config);
    push_days(&f);
    io_hook_set(keep_first_file, &stubborn);
    store_set_config(f.store, &f.expiring);
    while (store_state(f.store).days_expired < 2 * OLD_DAYS)
        wait_a_little();
    cr_expect_eq(segment_files(&f), 2 * NEW_DAYS + 1);
    cr_expect_eq(store_state(f.store).segments_dead, 1);
    cr_expect_eq(store_state(f.store).segments_removed, 2 * OLD_DAYS - 1);
    expect_new_days(&f, "stays", 0);
    io_hook_set(NULL, NULL);
    wait_until_files_are(&f, 2 * NEW_DAYS);
    cr_expect_eq(store_state(f.store).segments_removed, 2 * OLD_DAYS);
    store_close(f.store, 0);
    fixture_open(&f, &f.config);
    expect_new_days(&f, "after a start", 0);
    fixture_end(&f);
}

/* Whichever file call fails, what was to go goes at last, and nothing else. */
Test(drop, failures)
{
    enum { CALLS_MAX = 400 };
    static const int errors[] = {EIO, ENOSPC};

    for (uint64_t at = 1, hit = 1; hit != 0 && at < CALLS_MAX; at += 3) {
        struct fault fault = {.at = at, .error = errors[at % COUNT_OF(errors)]};
        struct fixture f;

        fixture_prepare(&f);
        fixture_open(&f, &f.config);
        push_days(&f);
        fault_begin(&fault);
        store_set_config(f.store, &f.expiring);
        while (!fault.hit &&
               (segment_files(&f) != 2 * NEW_DAYS || store_state(f.store).segments_dead > 0))
            wait_a_little();
        fault_end();
        hit = fault.hit ? 1 : 0;
        store_close(f.store, 0);
        fixture_open(&f, &f.expiring);
        wait_until_files_are(&f, 2 * NEW_DAYS);
        expect_new_days(&f, "call", at);
        fixture_end(&f);
    }
}

/* ---- kills ---- */

enum { NOT_KILLED = 7 };

static int kill_at_call(struct io_event *event, void *context)
{
    uint64_t *left = context;

    (void)event;
    if (__atomic_sub_fetch(left, 1, __ATOMIC_RELAXED) == 0)
        (void)raise(SIGKILL);
    return 0;
}

/* A process that drops days and dies at its n-th file call, or ends when all is done. */
static void drop_until_killed(struct fixture *f, uint64_t n)
{
    fixture_open(f, &f->config);
    push_days(f);
    io_hook_set(kill_at_call, &n);
    store_set_config(f->store, &f->expiring);
    wait_until_files_are(f, 2 * NEW_DAYS);
    _exit(NOT_KILLED);
}

Test(drop, kills)
{
    bool killed = true;
    uint64_t n = 1;

    for (; killed; n++) {
        struct fixture f;
        int status = 0;

        fixture_prepare(&f);
        pid_t process = fork();
        if (process == 0)
            drop_until_killed(&f, n);
        cr_assert_eq(waitpid(process, &status, 0), process);
        killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        cr_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == NOT_KILLED));
        fixture_open(&f, &f.expiring);
        wait_until_files_are(&f, 2 * NEW_DAYS);
        expect_new_days(&f, "killed at call", n);
        fixture_end(&f);
    }
    cr_expect_gt(n, (uint64_t)OLD_DAYS, "it was never killed");
}
