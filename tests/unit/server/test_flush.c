/* Flushes whose file calls fail. */
#include <errno.h>

#include "base/time.h"
#include "server/store/store.h"
#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/files.h"

#include "base/banned.h"

enum { ARENA_BYTES = 1024 * 1024 };

struct fixture {
    char dir[TEST_PATH_BYTES];
    char segments[TEST_PATH_BYTES];
    struct config config;
    struct store *store;
    struct counter settled;
};

static void see_settled(void *context, uint64_t seq, enum status st)
{
    struct fixture *f = context;

    cr_expect_eq(st, ST_OK);
    counter_set(&f->settled, seq);
}

static void fixture_begin(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    files_dir_make(f->dir);
    (void)files_path(f->segments, f->dir, "segments");
    REQUIRE_OK(config_init(&f->config, NULL));
    REQUIRE_OK(config_set(&f->config, STR("storage.data_dir"), str_from(f->dir), NULL));
    REQUIRE_OK(config_set(&f->config, STR("compactor.compaction_interval"), STR("0"), NULL));
    REQUIRE_OK(config_finish(&f->config, NULL));
    const struct store_options options = {
        .config = &f->config, .settled = see_settled, .context = f};
    REQUIRE_OK(store_open(&options, &f->store, NULL));
}

static void fixture_end(struct fixture *f)
{
    store_close(f->store, 0);
    config_release(&f->config);
    files_dir_remove(f->dir);
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
    while (counter_get(&f->settled) < push.ret_seq) {
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

    fixture_begin(&f);
    push_line(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(files_count(f.segments, ".seg"), 1);
    flush_without_sync(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(files_count(f.segments, ".seg"), 2, "what was committed stays, the rest is new");
    push_line(&f);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(files_count(f.segments, ".seg"), 2);
    fixture_end(&f);
}

/* One that holds nothing is made anew, with another file behind the same name. */
Test(flush, failed_sync_of_a_new_segment)
{
    struct fixture f;

    fixture_begin(&f);
    flush_without_sync(&f);
    cr_expect_eq(files_count(f.segments, ".seg"), 0);
    REQUIRE_OK(store_flush(f.store, NULL));
    cr_expect_eq(files_count(f.segments, ".seg"), 1);
    fixture_end(&f);
}
