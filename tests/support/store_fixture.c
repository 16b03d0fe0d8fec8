#include "tests/support/store_fixture.h"

#include <time.h>

#include "base/time.h"
#include "tests/support/expect.h"

#include "base/banned.h"

static void ignore_settled(void *context, uint64_t seq, enum status st)
{
    (void)context;
    (void)seq;
    (void)st;
}

void fixture_prepare(struct fixture *f, const char *interval)
{
    memset(f, 0, sizeof(*f));
    files_dir_make(f->dir);
    (void)files_path(f->segments, f->dir, "segments");
    arena_init(&f->arena, FIXTURE_ARENA_BYTES);
    REQUIRE_OK(config_init(&f->config, NULL));
    fixture_set(f, "storage.data_dir", f->dir);
    fixture_set(f, "compactor.compaction_interval", interval);
    f->options = (struct store_options){.config = &f->config, .settled = ignore_settled};
}

void fixture_set(struct fixture *f, const char *name, const char *value)
{
    REQUIRE_OK(config_set(&f->config, str_from(name), str_from(value), NULL));
}

void fixture_open(struct fixture *f)
{
    struct err err;

    REQUIRE_OK(config_finish(&f->config, NULL));
    if (store_open(&f->options, &f->store, &err) != ST_OK)
        cr_assert_fail("%s", err.text);
}

void fixture_begin(struct fixture *f, const char *interval)
{
    fixture_prepare(f, interval);
    fixture_open(f);
}

void fixture_reopen(struct fixture *f)
{
    store_close(f->store, 0);
    fixture_open(f);
}

void fixture_end(struct fixture *f)
{
    store_close(f->store, 0);
    config_release(&f->config);
    arena_release(&f->arena);
    files_dir_remove(f->dir);
}

size_t fixture_segment_files(const struct fixture *f)
{
    return files_count(f->segments, ".seg");
}

void fixture_write_deletes(const struct fixture *f, const struct delete_list *list)
{
    char path[TEST_PATH_BYTES];
    struct buf bytes;

    buf_init(&bytes, DELETE_LIST_BYTES_MAX);
    delete_list_encode(list, &bytes);
    files_write(files_path(path, f->dir, "deletes"), buf_str(&bytes));
    buf_release(&bytes);
}

enum status fixture_push(struct fixture *f, struct str tenant, const char *app, const char *values)
{
    const struct push_spec spec = {.format = PUSH_JSON, .decompressed_bytes_max = MIB};
    struct push_request request;
    struct arena a;

    arena_init(&a, FIXTURE_ARENA_BYTES);
    struct str body = arena_printf(
        &a, "{\"streams\":[{\"stream\":{\"app\":\"%s\"},\"values\":[%s]}]}", app, values);
    REQUIRE_OK(push_decode(&a, &spec, body, &request, NULL));
    struct store_push push = {.tenant = tenant, .request = &request, .arena = &a};
    enum status st = store_push(f->store, &push, NULL);
    arena_release(&a);
    return st;
}

/* ---- asking ---- */

struct query_context *fixture_query(struct fixture *f)
{
    arena_release(&f->arena);
    f->q = (struct query_context){.arena = &f->arena,
                                  .memory_max = FIXTURE_ARENA_BYTES,
                                  .deadline_ns = time_mono_ns() + HOUR_NS};
    return &f->q;
}

struct selection *fixture_select(struct fixture *f, struct str tenant, int64_t start_ns,
                                 int64_t end_ns)
{
    const struct source_request request = {
        .tenant = tenant, .start_ns = start_ns, .end_ns = end_ns};
    struct source *source = store_source(f->store);
    struct selection *s = NULL;

    REQUIRE_OK(source->select(source, fixture_query(f), &request, &s, NULL));
    return s;
}

static void read_run(struct reader *r, struct source_run *run, fixture_block_fn *visit,
                     void *context)
{
    const struct source_block *blocks;
    uint32_t count;

    REQUIRE_OK(r->open_run(r, run, &blocks, &count, NULL));
    for (uint32_t i = 0; i < count; i++) {
        struct block b = {0};
        REQUIRE_OK(r->load(r, i, SOURCE_ALL, &b, NULL));
        visit(context, &b);
    }
}

size_t fixture_read(struct fixture *f, struct selection *s, fixture_block_fn *visit, void *context)
{
    struct source_run *runs;
    struct reader *r = NULL;
    size_t count, total = 0;
    int64_t bound_ns;

    REQUIRE_OK(s->reader(s, &f->q, &r, NULL));
    while (s->next_runs(s, &runs, &count, &bound_ns, NULL) == ST_OK) {
        for (size_t i = 0; i < count; i++)
            read_run(r, &runs[i], visit, context);
        total += count;
    }
    r->release(r);
    s->end(s);
    return total;
}

/* ---- waiting ---- */

void fixture_go_on(void)
{
    time_fake_set(time_now_ns() + SECOND_NS);
    fixture_pause();
}

void fixture_pause(void)
{
    const struct timespec moment = {0, 1000 * 1000};

    (void)nanosleep(&moment, NULL);
}
