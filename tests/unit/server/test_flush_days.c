/* A flush of very many days. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/time.h"
#include "server/store/store_internal.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum { DAYS = 300 };

#define START_NS INT64_C(1735689600000000000) /* 2025-01-01T00:00:00Z */

/* A line on each day, all of one stream. */
static void push_days(struct fixture *f)
{
    struct buf values;

    buf_init(&values, MIB);
    for (int n = 0; n < DAYS; n++)
        buf_printf(&values, "%s[\"%lld\",\"line\"]", n == 0 ? "" : ",",
                   (long long)(START_NS + n * DAY_NS));
    buf_put_u8(&values, 0);
    REQUIRE_OK(buf_status(&values, NULL));
    REQUIRE_OK(fixture_push(f, STR("t"), "a", values.ptr));
    buf_release(&values);
}

static void add_lines(void *context, const struct block *b)
{
    *(uint64_t *)context += b->count;
}

static uint64_t count_lines(struct fixture *f)
{
    uint64_t lines = 0;

    (void)fixture_read(f, fixture_select(f, STR("t"), START_NS, START_NS + DAYS * DAY_NS),
                       add_lines, &lines);
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

    fixture_begin(&f, "0");
    push_days(&f);
    io_hook_set(count_sync, &syncs);
    REQUIRE_OK(store_flush(f.store, NULL));
    io_hook_set(NULL, NULL);
    cr_expect_leq(syncs.count, (uint64_t)DAYS + FEW, "%d syncs", (int)syncs.count);
    cr_expect_eq(count_lines(&f), (uint64_t)DAYS);
    fixture_end(&f);
}

/* The last nanosecond there is does not begin a day of its own. */
Test(flush_days, end_of_time, .timeout = 60)
{
    struct fixture f;

    fixture_prepare(&f, "0");
    fixture_set(&f, "limits.creation_grace_period", "2500000h");
    fixture_open(&f);
    REQUIRE_OK(fixture_push(&f, STR("t"), "a",
                            "[\"9223372036854775807\",\"last\"],[\"9223372036854775807\",\"too\"],"
                            "[\"9223372036854775806\",\"line\"]"));
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(store_state(f.store).heads, 0);
    cr_expect_eq(store_state(f.store).chunks_flushed, 1);
    fixture_end(&f);
}

/* More than half of the segments that may be open are written: others are synced before. */
Test(flush_days, early_sync_fails)
{
    struct fault fault = {.at = 3, .error = EIO, .kinds = 1U << IO_SYNC};
    struct fixture f;

    fixture_prepare(&f, "0");
    fixture_set(&f, "storage.max_open_segments", "8");
    fixture_open(&f);
    push_days(&f);
    fault_begin(&fault);
    EXPECT_STATUS("flush", store_flush(f.store, NULL), ST_IO);
    fault_end();
    cr_expect(fault.hit);
    REQUIRE_OK(store_flush(f.store, NULL));
    fixture_reopen(&f);
    cr_expect_eq(store_state(f.store).heads, 0);
    cr_expect_eq(count_lines(&f), (uint64_t)DAYS);
    cr_expect_eq(fixture_segment_files(&f), DAYS);
    fixture_end(&f);
}

static void push_two_days(struct fixture *f)
{
    REQUIRE_OK(fixture_push(f, STR("t"), "a",
                            "[\"1735689600000000000\",\"first\"],"
                            "[\"1735776000000000000\",\"a day later\"]"));
    while (wal_state(f->store->wal).waiting_bytes > 0)
        fixture_pause();
}

/* Both days of the store go, and with them all segments that the index knows. */
static void let_days_expire(struct fixture *f)
{
    static struct config config;

    REQUIRE_OK(wal_turn(f->store->wal, NULL)); /* the log has none of it any more */
    REQUIRE_OK(store_flush(f->store, NULL));
    config = f->config;
    REQUIRE_OK(config_set(&config, STR("limits.retention_period"), STR("24h"), NULL));
    store_set_config(f->store, &config);
    while (counter_get(&f->store->space.days_expired) < 2 ||
           store_state(f->store).segments_dead > 0)
        fixture_pause();
}

/*
 * Two segments are begun, the second cannot be written, and the first not be removed. It is used by
 * the next attempt: chunks that neither index nor log know would make a later start doubt these.
 */
Test(flush_days, segment_that_cannot_be_removed)
{
    enum { CALLS_MAX = 20 };
    bool hit = true;

    for (uint64_t at = 1; hit && at < CALLS_MAX; at++) {
        struct fault fault = {.at = at,
                              .times = 2,
                              .error = EIO,
                              .kinds = 1U << IO_WRITE | 1U << IO_TRUNCATE | 1U << IO_UNLINK};
        struct fixture f;
        fixture_begin(&f, "0");
        push_two_days(&f);
        fault_begin(&fault);
        enum status st = store_flush(f.store, NULL);
        fault_end();
        hit = fault.hit;
        cr_expect(hit == (st != ST_OK), "call %d", (int)at);
        REQUIRE_OK(store_flush(f.store, NULL));
        let_days_expire(&f);
        fixture_reopen(&f);
        cr_expect(!store_state(f.store).index_rebuilt, "call %d", (int)at);
        fixture_end(&f);
    }
    cr_expect(!hit);
}

/* A flush that takes longer than a stop may is abandoned, and nothing is lost by that. */
Test(flush_days, is_abandoned)
{
    struct syncs syncs = {.pause_ns = 10 * 1000 * 1000};
    struct fixture f;

    fixture_begin(&f, "0");
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

/* ---- who waits for a flush ---- */

static void *flush(void *context)
{
    struct fixture *f = context;
    struct err err;

    EXPECT_STATUS("flush", store_flush(f->store, &err), ST_CANCELLED);
    return NULL;
}

/* Who waits for a flush that is abandoned is told so before the store is closed. */
Test(flush_days, is_abandoned_for_others, .timeout = 60)
{
    struct stall stall = {.call = IO_COMMIT_BEGIN};
    struct fixture f;
    pthread_t waiting;

    fixture_begin(&f, "0");
    push_days(&f);
    stall_begin(&stall);
    cr_assert_eq(pthread_create(&waiting, NULL, flush, &f), 0);
    while (!flag_get(&stall.reached))
        fixture_pause();
    store_abandon(f.store);
    flag_set(&stall.over);
    (void)pthread_join(waiting, NULL);
    fault_end();
    fixture_reopen(&f);
    cr_expect_eq(count_lines(&f), (uint64_t)DAYS);
    fixture_end(&f);
}
