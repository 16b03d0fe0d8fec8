/*
 * What LMDB has written is sound, whatever was done to it; and what is called sound LMDB can read,
 * with every record as it was.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/io.h"
#include "base/mem.h"
#include "index/index.h"
#include "tests/support/expect.h"
#include "tests/support/files.h"
#include "tests/support/random.h"

#include "base/banned.h"

#define MAP_BYTES ((uint64_t)256 << 20)

enum { CHUNKS_MAX = 20000, VALUE_BYTES = 9000, STREAMS = 5000 };

struct churn {
    struct random random;
    char dir[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    struct chunk_ref refs[CHUNKS_MAX]; /* that are in the index */
    size_t count;
    uint64_t next_chunk;
};

static void add_stream(struct churn *c, struct index_batch *b, unsigned number)
{
    static char filler[VALUE_BYTES], texts[STREAMS][8]; /* the batch borrows them */
    char *text = texts[number];

    memset(filler, 'x', sizeof(filler));
    int len = snprintf(text, sizeof(texts[number]), "%u", number);
    size_t long_bytes = number % 50 == 0 ? random_below(&c->random, sizeof(filler)) + 1 : 3;
    struct label pairs[] = {{STR("app"), STR("web")},
                            {STR("long"), str_make(filler, long_bytes)},
                            {STR("n"), str_make(text, (size_t)len)}};
    struct stream_flush f = {
        .tenant = STR("t"), .labels = {pairs, 3}, .seq = number, .first_day = 1, .last_day = 2};
    REQUIRE_OK(index_batch_stream(b, f.tenant, f.labels, &f.stream_id, NULL));
    REQUIRE_OK(index_batch_flushed(b, &f, NULL));
    for (size_t i = random_below(&c->random, 4); i > 0 && c->count < CHUNKS_MAX; i--) {
        struct chunk_ref ref = {.stream_id = f.stream_id,
                                .chunk_id = c->next_chunk++,
                                .segment_id = random_below(&c->random, 9),
                                .day = (int32_t)random_below(&c->random, 3)};
        REQUIRE_OK(index_batch_chunk(b, f.tenant, &ref, NULL));
        c->refs[c->count++] = ref;
    }
}

/* One batch: new streams, new chunks of old ones, some chunks go. */
static void change(struct churn *c, struct index *ix)
{
    struct index_batch *b = NULL;

    REQUIRE_OK(index_batch_begin(ix, &b, NULL));
    for (size_t i = random_below(&c->random, c->count * 2 / 3 + 1); i > 0; i--) {
        size_t at = random_below(&c->random, c->count);
        REQUIRE_OK(index_batch_remove_chunk(b, STR("t"), &c->refs[at], NULL));
        c->refs[at] = c->refs[--c->count];
    }
    for (size_t i = random_below(&c->random, 400); i > 0; i--)
        add_stream(c, b, (unsigned)random_below(&c->random, STREAMS));
    REQUIRE_OK(index_batch_commit(b, NULL));
}

static void churn_make(struct churn *c, uint64_t seed)
{
    *c = (struct churn){.next_chunk = 1};
    c->random = random_of(seed);
    files_dir_make(c->dir);
    (void)files_path(c->path, c->dir, "index");
}

/* Old pages are used again, databases grow and shrink, posting lists become trees. */
Test(pages, whatever_lmdb_writes_is_sound)
{
    static struct churn c;

    churn_make(&c, 1);
    for (int round = 0; round < 60; round++) {
        struct index *ix = NULL;
        struct err err = {.text = ""};
        EXPECT_STATUS("open", index_open(c.path, MAP_BYTES, &ix, &err), ST_OK);
        cr_assert_not_null(ix, "round %d: %s", round, err.text);
        for (size_t i = random_below(&c.random, 5); i > 0; i--)
            change(&c, ix);
        index_close(ix);
        EXPECT_STATUS("check", index_check(c.path, &err), ST_OK);
    }
    files_dir_remove(c.dir);
}

/* ---- damage ---- */

static void put_database(struct buf *b, MDB_txn *txn, struct str name)
{
    MDB_cursor *cursor = NULL;
    MDB_dbi database;
    MDB_val k, v;
    char text[64];

    (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
    cr_assert_eq(mdb_dbi_open(txn, text, 0, &database), 0);
    cr_assert_eq(mdb_cursor_open(txn, database, &cursor), 0);
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        buf_put_str(b, str_make(k.mv_data, k.mv_size));
        buf_put_str(b, str_make(v.mv_data, v.mv_size));
    }
    mdb_cursor_close(cursor);
}

/* Every record of every database, as LMDB gives them. */
static void put_everything(struct buf *b, const char *path)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_dbi names;
    MDB_val k, v;

    buf_reset(b);
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_set_mapsize(env, MAP_BYTES), 0);
    cr_assert_eq(mdb_env_set_maxdbs(env, 16), 0);
    cr_assert_eq(mdb_env_open(env, path, MDB_RDONLY | MDB_NOLOCK, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &names), 0);
    cr_assert_eq(mdb_cursor_open(txn, names, &cursor), 0);
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
        put_database(b, txn, str_make(k.mv_data, k.mv_size));
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

static void make_index(struct churn *c)
{
    struct index *ix = NULL;

    churn_make(c, 2);
    REQUIRE_OK(index_open(c->path, MAP_BYTES, &ix, NULL));
    for (int i = 0; i < 6; i++)
        change(c, ix);
    index_close(ix);
}

/* One byte in every stretch of the file, with one of several wrong values. */
Test(pages, no_byte_can_be_wrong_unseen, .timeout = 300)
{
    static const unsigned char masks[] = {0x01, 0x80, 0x10, 0xff};
    enum { FLIPS = 6000 };
    static struct churn c;
    char path[TEST_PATH_BYTES];
    struct buf file, want, got;
    size_t seen = 0;

    make_index(&c);
    buf_init(&file, MAP_BYTES);
    buf_init(&want, MAP_BYTES);
    buf_init(&got, MAP_BYTES);
    put_everything(&want, c.path);
    REQUIRE_OK(io_file_read(files_path(path, c.path, "data.mdb"), &file, NULL));
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    for (size_t i = 0; i < FLIPS; i++) {
        /* headers of pages more often: that is where LMDB could be led astray */
        size_t at = random_below(&c.random, file.len);
        if (i % 2 == 0)
            at = at / 4096 * 4096 + random_below(&c.random, i % 4 == 0 ? 32 : 400);
        char wrong = (char)((unsigned char)file.ptr[at] ^ masks[i % COUNT_OF(masks)]);
        cr_assert_eq(pwrite(fd, &wrong, 1, (off_t)at), 1);
        enum status st = index_check(c.path, NULL);
        if (st == ST_OK) {
            put_everything(&got, c.path);
            cr_assert(str_eq(buf_str(&got), buf_str(&want)), "byte %zu", at);
        } else {
            cr_assert(st == ST_CORRUPT || st == ST_UNSUPPORTED, "byte %zu: %s", at,
                      status_name(st));
            seen++;
        }
        cr_assert_eq(pwrite(fd, &file.ptr[at], 1, (off_t)at), 1);
    }
    cr_expect_gt(seen, FLIPS / 4); /* the rest was in free pages and free parts of pages */
    EXPECT_STATUS("mended", index_check(c.path, NULL), ST_OK);
    (void)close(fd);
    buf_release(&file);
    buf_release(&want);
    buf_release(&got);
    files_dir_remove(c.dir);
}

Test(pages, cut_short_and_missing)
{
    static struct churn c;
    char path[TEST_PATH_BYTES];
    struct err err;

    make_index(&c);
    struct str file = files_read(files_path(path, c.path, "data.mdb"));
    for (size_t len = file.len - 4096; len > 0; len -= len > 40000 ? 12345 : MIN_OF(len, 777U)) {
        files_write(path, str_head(file, len));
        EXPECT_STATUS("cut", index_check(c.path, &err), ST_CORRUPT);
    }
    files_write(path, STR(""));
    EXPECT_STATUS("empty", index_check(c.path, &err), ST_NOT_FOUND);
    cr_assert_eq(unlink(path), 0);
    EXPECT_STATUS("missing", index_check(c.path, &err), ST_NOT_FOUND);
    mem_free((void *)(uintptr_t)file.ptr);
    files_dir_remove(c.dir);
}
