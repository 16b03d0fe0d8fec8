/* Flushes whose file calls fail. */
#include <errno.h>

#include "base/atomic.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

enum { ARENA_BYTES = 1024 * 1024 };

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
