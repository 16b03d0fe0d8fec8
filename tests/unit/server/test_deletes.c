/* Delete requests in a store that runs: what failures and crashes may do to them. */
#include "server/store/deletes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "server/store/hide.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum { LINES = 6, ALL = (1 << LINES) - 1, ODD = 0x2a, EVEN = 0x15 };

#define START_NS INT64_C(1772323200000000000) /* 2026-03-01T00:00:00Z */

/* ---- a store ---- */

/* Line n, at START_NS + n, is "even" or "odd". */
static enum status push_line(struct fixture *f, int n)
{
    char values[64];

    (void)snprintf(values, sizeof(values), "[\"%lld\",\"%s\"]", (long long)(START_NS + n),
                   n % 2 == 0 ? "even" : "odd");
    return fixture_push(f, STR("t"), "a", values);
}

static void push_lines(struct fixture *f)
{
    for (int n = 0; n < LINES; n++)
        REQUIRE_OK(push_line(f, n));
}

static enum status delete_odd(struct fixture *f, uint32_t *ret_id)
{
    const struct delete_wish wish = {STR("t"), STR("{app=\"a\"} |= \"odd\""), START_NS,
                                     START_NS + HOUR_NS};

    return store_delete(f->store, &wish, ret_id, NULL);
}

static struct delete_list list_all(struct fixture *f)
{
    struct delete_list list = {0};

    REQUIRE_OK(store_deletes(f->store, &f->arena, STR("t"), &list, NULL));
    return list;
}

static void note_lines(void *context, const struct block *b)
{
    uint64_t *seen = context;

    for (uint32_t k = 0; k < b->count; k++)
        *seen |= UINT64_C(1) << (b->ts_ns[k] - START_NS);
}

/* The lines that are seen, a bit for each. */
static uint64_t seen_lines(struct fixture *f)
{
    uint64_t seen = 0;

    (void)fixture_read(f, fixture_select(f, STR("t"), START_NS, START_NS + HOUR_NS), note_lines,
                       &seen);
    return seen;
}

/* ---- what counts ---- */

Test(deletes, hide_what_was_there)
{
    struct fixture f;
    uint32_t id;

    fixture_begin(&f, "0");
    push_lines(&f);
    REQUIRE_OK(delete_odd(&f, &id));
    cr_expect_eq(seen_lines(&f), EVEN);
    REQUIRE_OK(push_line(&f, 1));
    cr_expect_eq(seen_lines(&f), EVEN | 2, "a line that was pushed later");
    fixture_reopen(&f);
    cr_expect_eq(seen_lines(&f), EVEN | 2, "after a replay");
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(seen_lines(&f), EVEN | 2, "after a flush");
    REQUIRE_OK(store_cancel_delete(f.store, STR("t"), id, false, NULL));
    cr_expect_eq(seen_lines(&f), ALL);
    fixture_end(&f);
}

/* A chunk_id that a request names is not given out again, even if the index has lost it. */
Test(deletes, an_index_that_is_lost)
{
    struct delete_request request = {.id = 1,
                                     .tenant = STR("t"),
                                     .query = STR("{app=\"a\"}"),
                                     .start_ns = START_NS,
                                     .end_ns = START_NS + HOUR_NS,
                                     .chunk_max = 1000};
    const struct delete_list list = {&request, 1};
    struct fixture f;

    fixture_prepare(&f, "0");
    fixture_write_deletes(&f, &list);
    fixture_open(&f);
    push_lines(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(seen_lines(&f), ALL);
    fixture_reopen(&f);
    cr_expect_eq(seen_lines(&f), ALL);
    fixture_end(&f);
}

/* ---- the way to the end of a request ---- */

Test(deletes, processing)
{
    struct delete_list list = {0};
    struct fixture f;
    struct err err;
    uint32_t id;

    fixture_prepare(&f, "0");
    fixture_set(&f, "compactor.delete_request_cancel_period", "1h");
    fixture_open(&f);
    push_lines(&f);
    REQUIRE_OK(delete_odd(&f, &id));
    REQUIRE_OK(deletes_due(f.store, &f.arena, &list, NULL));
    cr_expect_eq(list.count, 0, "it can still be cancelled");
    time_fake_set(time_now_ns() + HOUR_NS);
    REQUIRE_OK(deletes_due(f.store, &f.arena, &list, NULL));
    cr_assert_eq(list.count, 1);
    cr_expect_eq(list.items[0].id, id);
    cr_expect_eq(store_state(f.store).deletes_pending, 1);
    EXPECT_STATUS("cancel", store_cancel_delete(f.store, STR("t"), id, false, &err), ST_INVALID);
    deletes_progress(f.store, id, 250);
    cr_expect_eq(list_all(&f).items[0].percent, 99);

    struct hiding before = hide_take(f.store, STR("t"));
    cr_expect(hide_is_current(f.store, STR("t"), &before));
    REQUIRE_OK(deletes_processed(f.store, STR("t"), &id, 1, NULL));
    cr_expect(!hide_is_current(f.store, STR("t"), &before));
    hide_give(&before);
    cr_expect(list_all(&f).items[0].processed);
    cr_expect_eq(seen_lines(&f), ALL, "nobody has taken them off the disk in this test");
    cr_expect_eq(store_state(f.store).deletes_pending, 0);
    EXPECT_STATUS("cancel", store_cancel_delete(f.store, STR("t"), id, true, &err), ST_INVALID);

    store_close(f.store, 0);
    REQUIRE_OK(deletes_reset(f.dir, NULL));
    fixture_open(&f);
    cr_expect_eq(seen_lines(&f), EVEN, "in force again");
    time_fake_set(0);
    fixture_end(&f);
}

/* What comes while the list without the request is written. */
struct becoming_due {
    struct fixture *f;
    int error; /* of the rename */
    enum status status;
    size_t due;
};

static int become_due(struct io_event *event, void *context)
{
    struct becoming_due *b = context;
    struct delete_list list = {0};

    if (event->call != IO_RENAME || strcmp(event->to, "deletes") != 0)
        return 0;
    time_fake_set(time_now_ns() + HOUR_NS);
    b->status = deletes_due(b->f->store, &b->f->arena, &list, NULL);
    b->due = list.count;
    return b->error;
}

/* A request is cancelled in the last moment: nobody may begin to take its lines off the disk. */
Test(deletes, cancelled_when_it_becomes_due)
{
    struct becoming_due b = {.error = EIO};
    struct delete_list list = {0};
    struct fixture f;
    uint32_t id;

    b.f = &f;
    fixture_prepare(&f, "0");
    fixture_set(&f, "compactor.delete_request_cancel_period", "1h");
    fixture_open(&f);
    push_lines(&f);
    REQUIRE_OK(delete_odd(&f, &id));
    io_hook_set(become_due, &b);
    EXPECT_STATUS("no list", store_cancel_delete(f.store, STR("t"), id, false, NULL), ST_IO);
    io_hook_set(NULL, NULL);
    REQUIRE_OK(b.status);
    cr_expect_eq(b.due, 0);
    REQUIRE_OK(deletes_due(f.store, &f.arena, &list, NULL));
    cr_expect_eq(list.count, 1, "it was not cancelled");

    REQUIRE_OK(delete_odd(&f, &id));
    b = (struct becoming_due){.f = &f, .due = LINES};
    io_hook_set(become_due, &b);
    REQUIRE_OK(store_cancel_delete(f.store, STR("t"), id, false, NULL));
    io_hook_set(NULL, NULL);
    REQUIRE_OK(b.status);
    cr_expect_eq(b.due, 1, "the first one only");
    time_fake_set(0);
    fixture_end(&f);
}

struct unsynced {
    bool renamed;
    int failures; /* of syncs behind the rename, that are left */
};

static int fail_sync(struct io_event *event, void *context)
{
    struct unsynced *u = context;

    u->renamed |= event->call == IO_RENAME && strcmp(event->to, "deletes") == 0;
    return event->call == IO_SYNC && u->renamed && u->failures-- > 0 ? EIO : 0;
}

/* What was refused is not made by a restart, though its list had its name already. */
Test(deletes, refused_behind_the_rename)
{
    struct unsynced u = {.failures = 1};
    struct fixture f;
    uint32_t id;

    fixture_begin(&f, "0");
    push_lines(&f);
    REQUIRE_OK(delete_odd(&f, &id));
    io_hook_set(fail_sync, &u);
    EXPECT_STATUS("cancel", store_cancel_delete(f.store, STR("t"), id, false, NULL), ST_IO);
    io_hook_set(NULL, NULL);
    cr_expect_eq(seen_lines(&f), EVEN);
    fixture_reopen(&f);
    cr_expect_eq(seen_lines(&f), EVEN);
    cr_expect_eq(list_all(&f).count, 1);
    fixture_end(&f);
}

/* Neither does a clock that is set back, nor a change of the list, hide that it has begun. */
Test(deletes, begun)
{
    struct delete_list list = {0};
    struct fixture f;
    uint32_t id, other;

    fixture_prepare(&f, "0");
    fixture_set(&f, "compactor.delete_request_cancel_period", "1h");
    fixture_open(&f);
    push_lines(&f);
    REQUIRE_OK(delete_odd(&f, &other));
    REQUIRE_OK(delete_odd(&f, &id));
    int64_t now_ns = time_now_ns();
    time_fake_set(now_ns + HOUR_NS);
    REQUIRE_OK(deletes_due(f.store, &f.arena, &list, NULL));
    cr_expect_eq(list.count, 2);
    time_fake_set(now_ns);
    REQUIRE_OK(store_cancel_delete(f.store, STR("t"), other, true, NULL));
    EXPECT_STATUS("cancel", store_cancel_delete(f.store, STR("t"), id, false, NULL), ST_INVALID);
    time_fake_set(0);
    fixture_end(&f);
}

/* A tenant that has as many as there may be loses the oldest one that is processed. */
Test(deletes, limit)
{
    struct delete_list list = {0};
    struct fixture f;
    uint32_t id, processed = 500;

    fixture_prepare(&f, "0");
    list.items = arena_new(&f.arena, struct delete_request, DELETE_LIST_TENANT_MAX);
    for (; list.count < DELETE_LIST_TENANT_MAX; list.count++)
        list.items[list.count] = (struct delete_request){.id = (uint32_t)list.count,
                                                         .tenant = STR("t"),
                                                         .query = STR("{app=\"a\"} |= \"odd\""),
                                                         .end_ns = 1};
    fixture_write_deletes(&f, &list);
    fixture_open(&f);
    push_lines(&f);
    EXPECT_STATUS("one too many", delete_odd(&f, &id), ST_LIMIT);
    cr_expect_eq(seen_lines(&f), ALL);
    REQUIRE_OK(deletes_processed(f.store, STR("t"), &processed, 1, NULL));
    REQUIRE_OK(delete_odd(&f, &id));
    cr_expect_eq(seen_lines(&f), EVEN);
    list = list_all(&f);
    cr_expect_eq(list.count, DELETE_LIST_TENANT_MAX);
    cr_expect_eq(delete_list_find(&list, STR("t"), processed), list.count, "it is still there");
    fixture_end(&f);
}

/* Requests that are processed may be in force again, all of them, when the index was made anew. */
Test(deletes, many_in_force_again)
{
    struct delete_list list = {0};
    struct fixture f;
    uint32_t id = 500;

    fixture_prepare(&f, "0");
    list.items = arena_new(&f.arena, struct delete_request, DELETE_LIST_TENANT_MAX);
    for (; list.count < DELETE_LIST_TENANT_MAX; list.count++)
        list.items[list.count] =
            (struct delete_request){.id = (uint32_t)list.count,
                                    .processed = true,
                                    .tenant = STR("t"),
                                    .query = STR("{app=~\"[a-z]+\"} |~ \"[a-z0-9]{20}\""),
                                    .end_ns = 1};
    fixture_write_deletes(&f, &list);
    fixture_open(&f);
    store_close(f.store, 0);
    REQUIRE_OK(deletes_reset(f.dir, NULL));
    fixture_open(&f);
    REQUIRE_OK(deletes_processed(f.store, STR("t"), &id, 1, NULL));
    EXPECT_STATUS("one more", delete_odd(&f, &id), ST_LIMIT);
    fixture_end(&f);
}

/* ---- failures ---- */

/* Whichever file call fails, a request that was answered with an error hides all it names or
 * nothing, and the next one is made. */
Test(deletes, failing_calls)
{
    enum { CALLS_MAX = 200 };
    static const int errors[] = {EIO, ENOSPC, 0};

    for (uint64_t at = 1, hit = 1; hit != 0 && at < CALLS_MAX; at++) {
        struct fault fault = {.at = at, .error = errors[at % COUNT_OF(errors)]};
        struct fixture f;
        uint32_t id;

        fixture_begin(&f, "0");
        push_lines(&f);
        fault_begin(&fault);
        enum status st = delete_odd(&f, &id);
        fault_end();
        hit = fault.hit ? 1 : 0;
        cr_expect_eq(seen_lines(&f), st == ST_OK ? EVEN : ALL, "call %d", (int)at);
        fixture_reopen(&f);
        uint64_t seen = seen_lines(&f);
        cr_expect(seen == EVEN || (st != ST_OK && seen == ALL), "call %d: %#llx", (int)at,
                  (unsigned long long)seen);
        REQUIRE_OK(delete_odd(&f, &id));
        cr_expect_eq(seen_lines(&f), EVEN);
        fixture_end(&f);
    }
}

/* The same for allocations. */
Test(deletes, no_memory)
{
    enum { ALLOCATIONS_MAX = 200 };
    bool failed = true;

    for (int64_t n = 1; failed && n < ALLOCATIONS_MAX; n++) {
        struct fixture f;
        uint32_t id;

        fixture_begin(&f, "0");
        push_lines(&f);
        mem_fail_after(n);
        enum status st = delete_odd(&f, &id);
        mem_fail_after(0);
        failed = st != ST_OK;
        cr_expect_eq(seen_lines(&f), failed ? ALL : EVEN, "allocation %d", (int)n);
        fixture_reopen(&f);
        cr_expect_eq(seen_lines(&f), failed ? ALL : EVEN, "allocation %d", (int)n);
        fixture_end(&f);
    }
    cr_expect(!failed);
}

/* ---- kills ---- */

/* Deletes lines, and ends when that is acknowledged. */
static void delete_until_killed(void *context, struct fault *kill)
{
    struct fixture *f = context;
    uint32_t id;

    fixture_open(f);
    push_lines(f);
    REQUIRE_OK(store_flush(f->store, NULL));
    fault_begin(kill);
    REQUIRE_OK(push_line(f, 1)); /* in memory when the request comes */
    REQUIRE_OK(delete_odd(f, &id));
}

/* Whenever it dies: the request is there, or it is not. */
Test(deletes, kills)
{
    enum { CALLS_MAX = 200 };
    bool killed = true;
    int with = 0, without = 0;

    for (uint64_t n = 1; killed && n < CALLS_MAX; n++) {
        struct fixture f;
        uint32_t id;

        fixture_prepare(&f, "0");
        killed = fault_kills(delete_until_killed, &f, n);
        fixture_open(&f);
        uint64_t seen = seen_lines(&f);
        cr_expect(seen == EVEN || (killed && seen == ALL), "call %d: %#llx", (int)n,
                  (unsigned long long)seen);
        cr_expect_eq(list_all(&f).count, seen == EVEN ? 1 : 0);
        with += seen == EVEN ? 1 : 0;
        without += seen == ALL ? 1 : 0;
        REQUIRE_OK(delete_odd(&f, &id));
        cr_expect_eq(seen_lines(&f), EVEN);
        fixture_end(&f);
    }
    cr_expect(!killed);
    cr_expect(with > 0 && without > 1, "%d with, %d without", with, without);
}

/* ---- many at once ---- */

enum { PUSHERS = 2, ROUNDS = 30 };

struct pusher {
    struct fixture *f;
    int number; /* it pushes only lines of this number */
    struct flag stop;
};

static void *push_on(void *context)
{
    struct pusher *p = context;

    while (!flag_get(&p->stop))
        (void)push_line(p->f, p->number);
    return NULL;
}

/* Requests come and go while lines do; a line that is never deleted is always there. */
Test(deletes, side_by_side)
{
    struct pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    struct fixture f;
    uint32_t id;

    fixture_begin(&f, "0");
    push_lines(&f);
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.f = &f, .number = i * 2 + 1};
        cr_assert_eq(pthread_create(&threads[i], NULL, push_on, &pushers[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        REQUIRE_OK(delete_odd(&f, &id));
        uint64_t seen = seen_lines(&f);
        cr_expect_eq(seen & EVEN, EVEN);
        cr_expect_eq(seen & 32, 0, "nobody pushes it again");
        if (i % 2 == 0)
            REQUIRE_OK(store_cancel_delete(f.store, STR("t"), id, false, NULL));
    }
    for (int i = 0; i < PUSHERS; i++) {
        flag_set(&pushers[i].stop);
        (void)pthread_join(threads[i], NULL);
    }
    REQUIRE_OK(delete_odd(&f, &id));
    cr_expect_eq(seen_lines(&f), EVEN);
    fixture_end(&f);
}
