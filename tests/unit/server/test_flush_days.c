/* A flush of very many days. */
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/time.h"
#include "server/store/store.h"
#include "tests/support/expect.h"
#include "tests/support/files.h"

#include "base/banned.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, DAYS = 300 };

#define START_NS INT64_C(1735689600000000000) /* 2025-01-01T00:00:00Z */

struct fixture {
    char dir[TEST_PATH_BYTES];
    struct config config;
    struct store *store;
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

static void fixture_begin(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    files_dir_make(f->dir);
    REQUIRE_OK(config_init(&f->config, NULL));
    REQUIRE_OK(config_set(&f->config, STR("storage.data_dir"), str_from(f->dir), NULL));
    REQUIRE_OK(config_set(&f->config, STR("compactor.compaction_interval"), STR("0"), NULL));
    REQUIRE_OK(config_finish(&f->config, NULL));
    fixture_open(f);
}

static void fixture_end(struct fixture *f)
{
    store_close(f->store, 0);
    config_release(&f->config);
    files_dir_remove(f->dir);
}

/* A line on each day, all of one stream. */
static void push_days(struct fixture *f)
{
    const struct push_spec spec = {.format = PUSH_JSON, .decompressed_bytes_max = MIB};
    struct push_request request;
    struct buf body;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    buf_init(&body, MIB);
    buf_put(&body, STR("{\"streams\":[{\"stream\":{\"app\":\"a\"},\"values\":["));
    for (int n = 0; n < DAYS; n++)
        buf_printf(&body, "%s[\"%lld\",\"line\"]", n == 0 ? "" : ",",
                   (long long)(START_NS + n * DAY_NS));
    buf_put(&body, STR("]}]}"));
    REQUIRE_OK(push_decode(&a, &spec, buf_str(&body), &request, NULL));
    struct store_push push = {.tenant = STR("t"), .request = &request, .arena = &a};
    REQUIRE_OK(store_push(f->store, &push, NULL));
    buf_release(&body);
    arena_release(&a);
}

static uint64_t count_lines(struct fixture *f)
{
    const struct source_request request = {
        .tenant = STR("t"), .start_ns = START_NS, .end_ns = START_NS + DAYS * DAY_NS};
    struct source *source = store_source(f->store);
    const struct source_block *blocks;
    struct source_run *runs;
    struct selection *s = NULL;
    struct reader *r = NULL;
    uint64_t lines = 0;
    int64_t bound_ns;
    struct arena a;
    size_t count;

    arena_init(&a, ARENA_BYTES);
    struct query_context q = {
        .arena = &a, .memory_max = ARENA_BYTES, .deadline_ns = time_mono_ns() + HOUR_NS};
    REQUIRE_OK(source->select(source, &q, &request, &s, NULL));
    REQUIRE_OK(s->reader(s, &q, &r, NULL));
    while (s->next_runs(s, &runs, &count, &bound_ns, NULL) == ST_OK) {
        for (size_t i = 0; i < count; i++) {
            uint32_t block_count;
            REQUIRE_OK(r->open_run(r, &runs[i], &blocks, &block_count, NULL));
            for (uint32_t k = 0; k < block_count; k++)
                lines += blocks[k].entries;
        }
    }
    r->release(r);
    s->end(s);
    arena_release(&a);
    return lines;
}

struct syncs {
    uint64_t count;
    long pause_ns; /* of each */
};

static int count_sync(struct io_event *event, void *context)
{
    struct syncs *s = context;
    const struct timespec pause = {0, s->pause_ns};

    if (event->call == IO_SYNC) {
        s->count++;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

/* The segments of all days are reserved in one transaction, and their names synced once. */
Test(flush_days, many_days)
{
    enum { FEW = 8 }; /* of the index, of the directory */
    struct syncs syncs = {0};
    struct fixture f;

    fixture_begin(&f);
    push_days(&f);
    io_hook_set(count_sync, &syncs);
    REQUIRE_OK(store_flush(f.store, NULL));
    io_hook_set(NULL, NULL);
    cr_expect_leq(syncs.count, (uint64_t)DAYS + FEW, "%d syncs", (int)syncs.count);
    cr_expect_eq(count_lines(&f), (uint64_t)DAYS);
    fixture_end(&f);
}

/* A flush that takes longer than a stop may is abandoned, and nothing is lost by that. */
Test(flush_days, is_abandoned)
{
    struct syncs syncs = {.pause_ns = 10 * 1000 * 1000};
    struct fixture f;

    fixture_begin(&f);
    push_days(&f);
    io_hook_set(count_sync, &syncs);
    store_close(f.store, 1);
    io_hook_set(NULL, NULL);
    cr_expect_lt(syncs.count, (uint64_t)DAYS, "the flush went on");
    fixture_open(&f);
    cr_expect_eq(count_lines(&f), (uint64_t)DAYS);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(count_lines(&f), (uint64_t)DAYS);
    fixture_end(&f);
}
