/* Days that leave a store that runs; what it waits for is a state, never a time. */
#include "server/store/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/time.h"
#include "chunks/segment.h"
#include "server/store/space.h"
#include "server/store/store_internal.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum {
    OLD_DAYS = 3, /* below the floor */
    NEW_DAYS = 2,
    LINE_BYTES = 1000,
};

#define OLDEST_AGE (20 * DAY_NS)
#define PERIOD STR("10d")

/* ---- a store ---- */

static int64_t now_ns;
static struct config expiring; /* that of the fixture, with limits.retention_period */

static void config_prepare(struct config *c, const char *dir, const char *interval)
{
    REQUIRE_OK(config_init(c, NULL));
    REQUIRE_OK(config_set(c, STR("storage.data_dir"), str_from(dir), NULL));
    REQUIRE_OK(config_set(c, STR("ingester.chunk_encoding"), STR("none"), NULL));
    REQUIRE_OK(config_set(c, STR("compactor.compaction_interval"), str_from(interval), NULL));
    REQUIRE_OK(config_set(c, STR("storage.max_open_segments"), STR("8"), NULL));
    REQUIRE_OK(config_set(c, STR("limits.retention_period"), PERIOD, NULL));
    REQUIRE_OK(config_finish(c, NULL));
}

/* Everything is kept for ever. */
static void prepare(struct fixture *f)
{
    now_ns = time_now_ns();
    fixture_prepare(f, "0s");
    fixture_set(f, "ingester.chunk_encoding", "none");
    fixture_set(f, "limits.retention_period", "0s");
    config_prepare(&expiring, f->dir, "0s");
}

static void begin(struct fixture *f)
{
    prepare(f);
    fixture_open(f);
}

static void open_expiring(struct fixture *f)
{
    f->options.config = &expiring;
    fixture_open(f);
}

static void end(struct fixture *f)
{
    fixture_end(f);
    config_release(&expiring);
}

static enum status push_line_of(struct fixture *f, struct str tenant, const char *app,
                                int64_t ts_ns)
{
    char values[LINE_BYTES + 64];

    (void)snprintf(values, sizeof(values), "[\"%lld\",\"%0*d\"]", (long long)ts_ns, LINE_BYTES, 0);
    return fixture_push(f, tenant, app, values);
}

static enum status push_line(struct fixture *f, struct str tenant, int64_t ts_ns)
{
    return push_line_of(f, tenant, "a", ts_ns);
}

/* Days below the floor and days above it, a line each, for two tenants. */
static void push_days(struct fixture *f)
{
    for (int i = 0; i < OLD_DAYS; i++) {
        REQUIRE_OK(push_line(f, STR("t"), now_ns - OLDEST_AGE + i * DAY_NS));
        REQUIRE_OK(push_line(f, STR("u"), now_ns - OLDEST_AGE + i * DAY_NS));
    }
    for (int i = 0; i < NEW_DAYS; i++) {
        REQUIRE_OK(push_line(f, STR("t"), now_ns - i * DAY_NS));
        REQUIRE_OK(push_line(f, STR("u"), now_ns - i * DAY_NS));
    }
    REQUIRE_OK(store_flush(f->store, NULL));
}

static void wait_until_files_are(const struct fixture *f, size_t count)
{
    while (fixture_segment_files(f) != count || store_state(f->store).segments_dead > 0)
        fixture_pause();
}

/* ---- reading ---- */

static void add_lines(void *context, const struct block *b)
{
    *(size_t *)context += b->count;
}

/* Of all time. */
static struct selection *select_all(struct fixture *f, struct str tenant)
{
    return fixture_select(f, tenant, 0, now_ns + DAY_NS);
}

static size_t count_selected(struct fixture *f, struct selection *s)
{
    size_t lines = 0;

    (void)fixture_read(f, s, add_lines, &lines);
    return lines;
}

static size_t count_lines(struct fixture *f, struct str tenant)
{
    return count_selected(f, select_all(f, tenant));
}

static void expect_new_days(struct fixture *f, const char *name, uint64_t n)
{
    cr_expect_eq(count_lines(f, STR("t")), NEW_DAYS, "%s %d", name, (int)n);
    cr_expect_eq(count_lines(f, STR("u")), NEW_DAYS, "%s %d", name, (int)n);
}

/* ---- tests ---- */

struct dropping {
    struct fixture *f;
    pthread_t opener;
    struct flag met;
};

/* The merger wants to read a segment: its day expires, and is gone. */
static int drop_before_open(struct io_event *event, void *context)
{
    struct dropping *d = context;

    if (event->call != IO_OPEN || (event->flags & O_CREAT) != 0 ||
        strstr(event->name, ".seg") == NULL || flag_get(&d->met) ||
        pthread_equal(pthread_self(), d->opener) != 0)
        return 0;
    time_fake_set(now_ns + OLDEST_AGE);
    flag_set(&d->met);
    while (fixture_segment_files(d->f) > 0)
        fixture_go_on();
    return 0;
}

/* A file that went with its day is not called damaged. */
Test(drop, while_it_is_to_be_merged)
{
    enum { DAYS = 10 }; /* more than segments may be open */
    struct dropping d = {.opener = pthread_self()};
    struct fixture f;

    begin(&f);
    for (int i = 0; i < DAYS; i++)
        REQUIRE_OK(push_line(&f, STR("t"), now_ns - i * DAY_NS));
    REQUIRE_OK(store_flush(f.store, NULL));
    store_close(f.store, 0);
    config_release(&expiring);
    config_prepare(&expiring, f.dir, "1ms");
    d.f = &f;
    io_hook_set(drop_before_open, &d);
    open_expiring(&f);
    while (!flag_get(&d.met))
        fixture_pause();
    while (fixture_segment_files(&f) + store_state(f.store).merge_days_pending > 0)
        fixture_go_on();
    io_hook_set(NULL, NULL);
    cr_expect_eq(counter_get(&f.store->merger.chunks_blocked), 0);
    time_fake_set(0);
    end(&f);
}

Test(drop, days_that_are_too_old)
{
    struct fixture f;

    begin(&f);
    push_days(&f);
    cr_expect_eq(count_lines(&f, STR("t")), OLD_DAYS + NEW_DAYS);
    store_set_config(f.store, &expiring);
    while (store_state(f.store).days_expired < 2 * OLD_DAYS)
        fixture_pause();
    wait_until_files_are(&f, 2 * NEW_DAYS);
    cr_expect_gt(store_state(f.store).bytes_dropped, 2 * OLD_DAYS * LINE_BYTES);
    expect_new_days(&f, "dropped", 0);
    fixture_reopen(&f);
    expect_new_days(&f, "after a start", 0);
    end(&f);
}

static size_t count_values(struct fixture *f)
{
    const struct label_request request = {
        .tenant = STR("t"), .name = STR("app"), .start_ns = 0, .end_ns = now_ns + DAY_NS};
    struct str_set set;

    REQUIRE_OK(store_labels(f->store, fixture_query(f), &request, &set, NULL));
    return set.count;
}

/* Streams leave the index with their last chunk, once the log cannot bring their entries back. */
Test(drop, streams_without_chunks)
{
    enum { STREAMS = 700 };
    struct fixture f;

    begin(&f);
    for (int i = 0; i < STREAMS; i++) {
        char app[32];
        (void)snprintf(app, sizeof(app), "app-%d", i);
        REQUIRE_OK(push_line_of(&f, STR("t"), app, now_ns - OLDEST_AGE));
    }
    REQUIRE_OK(push_line_of(&f, STR("t"), "app-7", now_ns));
    REQUIRE_OK(store_flush(f.store, NULL));
    store_set_config(f.store, &expiring);
    while (store_state(f.store).days_expired == 0)
        fixture_pause();
    wait_until_files_are(&f, 1);
    cr_expect_eq(store_state(f.store).streams_forgotten, 0, "the log still knows them");
    REQUIRE_OK(push_line_of(&f, STR("t"), "app-9", now_ns)); /* in memory, not in a chunk */
    store_close(f.store, 0);
    open_expiring(&f); /* only what was not flushed is read from the log */
    cr_expect_eq(count_lines(&f, STR("t")), 2);
    REQUIRE_OK(store_flush(f.store, NULL)); /* the old files go */
    REQUIRE_OK(push_line_of(&f, STR("t"), "app-9", now_ns + 1));
    store_set_config(f.store, &f.config);
    while (store_state(f.store).streams_forgotten < STREAMS - 2)
        fixture_pause();
    cr_expect_eq(store_state(f.store).streams_forgotten, STREAMS - 2);
    cr_expect_eq(count_values(&f), 2);
    cr_expect_eq(count_lines(&f, STR("t")), 3);
    REQUIRE_OK(push_line_of(&f, STR("t"), "app-5", now_ns)); /* it comes back */
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(count_values(&f), 3);
    cr_expect_eq(count_lines(&f, STR("t")), 4);
    end(&f);
}

/* What queries still read stays until they are done. */
Test(drop, files_that_are_read)
{
    struct fixture f;

    begin(&f);
    push_days(&f);
    struct selection *s = select_all(&f, STR("t"));
    store_set_config(f.store, &expiring);
    while (store_state(f.store).days_expired < 2 * OLD_DAYS)
        fixture_pause();
    cr_expect_eq(fixture_segment_files(&f), 2 * (OLD_DAYS + NEW_DAYS));
    cr_expect_eq(count_selected(&f, s), OLD_DAYS + NEW_DAYS);
    wait_until_files_are(&f, 2 * NEW_DAYS);
    end(&f);
}

/* For want of room: the oldest days of all tenants, never the newest. */
Test(drop, days_for_room)
{
    struct fixture f;
    struct err err;

    begin(&f);
    push_days(&f);
    store_close(f.store, 0);
    fixture_set(&f, "storage.max_bytes", "1");
    fixture_open(&f);
    while (!store_state(f.store).full)
        fixture_pause();
    wait_until_files_are(&f, 2);
    cr_expect_eq(store_state(f.store).days_dropped, OLD_DAYS + NEW_DAYS - 1);
    cr_expect_eq(count_lines(&f, STR("t")), 1);
    cr_expect_eq(count_lines(&f, STR("u")), 1);
    EXPECT_STATUS("push", push_line(&f, STR("t"), now_ns + 1), ST_FULL);
    EXPECT_STATUS("text", space_admit(f.store, 1, &err), ST_FULL);
    cr_expect_str_eq(
        err.text,
        "the store is full: storage.max_bytes is reached and only the newest day is left");
    store_close(f.store, 0);
    fixture_set(&f, "storage.max_bytes", "1TB");
    fixture_open(&f);
    EXPECT_STATUS("room", push_line(&f, STR("t"), now_ns + 1), ST_OK);
    end(&f);
}

/* Room in the index is no reason to drop a day: it would be none the smaller for that. */
Test(drop, no_day_for_room_in_the_index)
{
    enum { STREAMS = 3000, NUMBER_BYTES = 32 };
    char path[TEST_PATH_BYTES], limit[NUMBER_BYTES];
    struct stat index;
    struct fixture f;

    begin(&f);
    for (int i = 0; i < STREAMS; i++) {
        char app[NUMBER_BYTES];
        (void)snprintf(app, sizeof(app), "app-%d", i);
        REQUIRE_OK(push_line_of(&f, STR("t"), app, now_ns - OLDEST_AGE));
    }
    REQUIRE_OK(store_flush(f.store, NULL));
    store_close(f.store, 0);
    open_expiring(&f);
    REQUIRE_OK(push_line(&f, STR("t"), now_ns - DAY_NS));
    REQUIRE_OK(push_line(&f, STR("t"), now_ns));
    REQUIRE_OK(store_flush(f.store, NULL)); /* the old files of the log go */
    wait_until_files_are(&f, 2);
    store_set_config(f.store, &f.config); /* streams are forgotten now, not in a minute */
    while (store_state(f.store).streams_forgotten < STREAMS)
        fixture_pause();
    store_close(f.store, 0);
    cr_assert_eq(stat(files_path(path, f.dir, "index/data.mdb"), &index), 0);
    (void)snprintf(limit, sizeof(limit), "%lld", (long long)index.st_size);
    REQUIRE_OK(config_set(&f.config, STR("storage.max_bytes"), str_from(limit), NULL));
    f.options.config = &f.config;
    fixture_open(&f);
    while (store_state(f.store).data_bytes == 0)
        fixture_pause();
    cr_expect_lt(store_state(f.store).data_bytes, (uint64_t)index.st_size);
    cr_expect_eq(store_state(f.store).days_dropped, 0);
    cr_expect_eq(count_lines(&f, STR("t")), 2);
    end(&f);
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

    prepare(&f);
    f.config.settings.segment_max_bytes = 1; /* each chunk has its own */
    fixture_open(&f);
    for (int i = 0; i < SEGMENTS; i++) {
        REQUIRE_OK(push_line(&f, STR("t"), now_ns - OLDEST_AGE + i));
        REQUIRE_OK(store_flush(f.store, NULL));
    }
    cr_assert_eq(fixture_segment_files(&f), SEGMENTS);
    io_hook_set(count_commits, &commits);
    store_set_config(f.store, &expiring);
    wait_until_files_are(&f, 0);
    io_hook_set(NULL, NULL);
    cr_expect_leq(__atomic_load_n(&commits, __ATOMIC_RELAXED), (uint64_t)COMMITS_MAX);
    cr_expect_eq(count_lines(&f, STR("t")), 0);
    end(&f);
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

    begin(&f);
    push_days(&f);
    io_hook_set(keep_first_file, &stubborn);
    store_set_config(f.store, &expiring);
    while (store_state(f.store).days_expired < 2 * OLD_DAYS)
        fixture_pause();
    cr_expect_eq(fixture_segment_files(&f), 2 * NEW_DAYS + 1);
    cr_expect_eq(store_state(f.store).segments_dead, 1);
    cr_expect_eq(store_state(f.store).segments_removed, 2 * OLD_DAYS - 1);
    expect_new_days(&f, "stays", 0);
    io_hook_set(NULL, NULL);
    wait_until_files_are(&f, 2 * NEW_DAYS);
    cr_expect_eq(store_state(f.store).segments_removed, 2 * OLD_DAYS);
    fixture_reopen(&f);
    expect_new_days(&f, "after a start", 0);
    end(&f);
}

/* Whichever file call fails, what was to go goes at last, and nothing else. */
Test(drop, failures)
{
    enum { CALLS_MAX = 400 };
    static const int errors[] = {EIO, ENOSPC};

    for (uint64_t at = 1, hit = 1; hit != 0 && at < CALLS_MAX; at += 3) {
        struct fault fault = {.at = at, .error = errors[at % COUNT_OF(errors)]};
        struct fixture f;

        begin(&f);
        push_days(&f);
        fault_begin(&fault);
        store_set_config(f.store, &expiring);
        while (!fault.hit && (fixture_segment_files(&f) != 2 * NEW_DAYS ||
                              store_state(f.store).segments_dead > 0))
            fixture_pause();
        fault_end();
        hit = fault.hit ? 1 : 0;
        store_close(f.store, 0);
        open_expiring(&f);
        wait_until_files_are(&f, 2 * NEW_DAYS);
        expect_new_days(&f, "call", at);
        end(&f);
    }
}

/* ---- kills ---- */

static void drop_until_killed(void *context, struct fault *kill)
{
    struct fixture *f = context;

    fixture_open(f);
    push_days(f);
    fault_begin(kill);
    store_set_config(f->store, &expiring);
    wait_until_files_are(f, 2 * NEW_DAYS);
}

Test(drop, kills)
{
    bool killed = true;
    uint64_t n = 1;

    for (; killed; n++) {
        struct fixture f;

        prepare(&f);
        killed = fault_kills(drop_until_killed, &f, n);
        open_expiring(&f);
        wait_until_files_are(&f, 2 * NEW_DAYS);
        expect_new_days(&f, "killed at call", n);
        end(&f);
    }
    cr_expect_gt(n, (uint64_t)OLD_DAYS, "it was never killed");
}
