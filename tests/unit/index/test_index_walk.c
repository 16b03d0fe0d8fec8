/* Reading an index as tools do: opened for reading only, all references in a row. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "index/index.h"

#define MAP_BYTES ((uint64_t)16 << 20)
#define ARENA_BYTES_MAX ((size_t)1 << 20)

static char dir[] = "/tmp/skald-test-XXXXXX";

static const struct label web[] = {{STR_INIT("app"), STR_INIT("web")},
                                   {STR_INIT("host"), STR_INIT("a")}};
static const struct label sql[] = {{STR_INIT("app"), STR_INIT("sql")}};

static const struct stored {
    const char *tenant;
    struct labels labels;
    int32_t day;
    uint64_t chunk_id;
} stored[] = {
    {"t1", {web, 2}, 20000, 1},
    {"t1", {sql, 1}, 20000, 2},
    {"t2", {web, 2}, 20001, 3},
    {"t1", {web, 2}, 20002, 4},
};

static void remove_index(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/lock.mdb", dir);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void add(struct index_batch *b, const struct stored *s)
{
    struct stream_flush flush = {.tenant = str_from(s->tenant),
                                 .labels = s->labels,
                                 .seq = s->chunk_id,
                                 .first_day = s->day,
                                 .last_day = s->day};
    struct chunk_ref ref = {.chunk_id = s->chunk_id, .segment_id = 7, .day = s->day, .entries = 1};
    struct err err;

    cr_assert_eq(index_batch_stream(b, flush.tenant, s->labels, &flush.stream_id, &err), ST_OK,
                 "%s", err.text);
    ref.stream_id = flush.stream_id;
    cr_assert_eq(index_batch_flushed(b, &flush, &err), ST_OK, "%s", err.text);
    cr_assert_eq(index_batch_chunk(b, flush.tenant, &ref, &err), ST_OK, "%s", err.text);
}

static void make_index(void)
{
    struct index_batch *b = NULL;
    struct index *ix = NULL;
    struct err err;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(index_open(dir, MAP_BYTES, &ix, &err), ST_OK, "%s", err.text);
    cr_assert_eq(index_batch_begin(ix, &b, &err), ST_OK, "%s", err.text);
    for (size_t i = 0; i < COUNT_OF(stored); i++)
        add(b, &stored[i]);
    cr_assert_eq(index_batch_commit(b, &err), ST_OK, "%s", err.text);
    index_close(ix);
}

/* `slice` references in each read; all of them as one text. */
static void walk(struct index *ix, int slice, struct buf *b)
{
    struct chunk_cursor cursor = {.key_bytes = 0};
    enum status st = ST_OK;
    struct err err;

    while (st == ST_OK) {
        struct index_read *read = NULL;
        struct arena a;
        struct chunk_ref ref;
        struct str tenant;

        arena_init(&a, ARENA_BYTES_MAX);
        cr_assert_eq(index_read_begin(ix, &a, &read, &err), ST_OK, "%s", err.text);
        for (int i = 0; i < slice && st == ST_OK; i++) {
            st = index_next_chunk(read, &cursor, &ref, &tenant);
            if (st == ST_OK)
                buf_printf(b, "%.*s/%d/%llu ", STR_ARG(tenant), ref.day,
                           (unsigned long long)ref.chunk_id);
        }
        index_read_end(read);
        arena_release(&a);
    }
    cr_expect_eq(st, ST_NOT_FOUND);
}

Test(index_walk, every_reference_once)
{
    struct index *ix = NULL;
    struct buf b;
    struct err err;

    make_index();
    buf_init(&b, 4096);
    cr_assert_eq(index_open_to_read(dir, &ix, &err), ST_OK, "%s", err.text);
    for (int slice = 1; slice <= 5; slice++) {
        buf_reset(&b);
        walk(ix, slice, &b);
        cr_expect(str_eq(buf_str(&b), STR("t1/20000/1 t1/20000/2 t1/20002/4 t2/20001/3 ")),
                  "%d: %.*s", slice, STR_ARG(buf_str(&b)));
    }
    index_close(ix);
    buf_release(&b);
    remove_index();
}

static const struct claim_case {
    const char *name;
    const char *tenant;
    struct labels labels;
    int32_t day;
    uint64_t id_difference; /* to the right one */
    enum status want;
} claim_cases[] = {
    {"as stored", "t1", {web, 2}, 20000, 0, ST_OK},
    {"between its days", "t1", {web, 2}, 20001, 0, ST_OK},
    {"before its days", "t1", {web, 2}, 19999, 0, ST_CORRUPT},
    {"after its days", "t1", {web, 2}, 20003, 0, ST_CORRUPT},
    {"another tenant", "t2", {web, 2}, 20001, 0, ST_CORRUPT},
    {"no such tenant", "t3", {web, 2}, 20000, 0, ST_CORRUPT},
    {"other labels", "t1", {web, 1}, 20000, 0, ST_CORRUPT},
    {"another number", "t1", {web, 2}, 20000, 1, ST_CORRUPT},
};

Test(index_walk, claims)
{
    struct index_read *read = NULL;
    struct index *ix = NULL;
    uint64_t id, flushed_seq;
    struct arena a;
    struct err err;

    make_index();
    arena_init(&a, ARENA_BYTES_MAX);
    cr_assert_eq(index_open_to_read(dir, &ix, &err), ST_OK, "%s", err.text);
    cr_assert_eq(index_read_begin(ix, &a, &read, &err), ST_OK, "%s", err.text);
    cr_assert_eq(index_find_stream(read, STR("t1"), (struct labels){web, 2}, &id, &flushed_seq),
                 ST_OK);
    for (size_t i = 0; i < COUNT_OF(claim_cases); i++) {
        const struct claim_case *c = &claim_cases[i];
        struct stream_claim claim = {str_from(c->tenant), c->labels, id + c->id_difference, c->day};
        enum status st = index_check_stream(read, &claim, &err);
        cr_expect_eq(st, c->want, "%s: %s", c->name, status_name(st));
    }
    index_read_end(read);
    index_close(ix);
    arena_release(&a);
    remove_index();
}

Test(index_walk, nothing_is_made)
{
    struct index *ix = NULL;
    struct err err;

    cr_assert_not_null(mkdtemp(dir));
    cr_expect_neq(index_open_to_read(dir, &ix, &err), ST_OK);
    cr_expect_null(ix);
    remove_index();
    cr_expect_neq(index_open_to_read(dir, &ix, &err), ST_OK);
    cr_expect_neq(access(dir, F_OK), 0);
}
