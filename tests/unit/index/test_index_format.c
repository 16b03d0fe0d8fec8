/* What docs/format/index.md says, read and damaged with LMDB itself. */
#include <lmdb.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/entropy.h"
#include "base/io.h"
#include "index/index.h"
#include "tests/support/expect.h"
#include "tests/support/files.h"

#include "base/banned.h"

#define MAP_BYTES ((uint64_t)16 << 20)
#define ARENA_BYTES ((size_t)1 << 20)

static const struct label web[] = {{STR_INIT("app"), STR_INIT("web")},
                                   {STR_INIT("host"), STR_INIT("a")}};
static const struct labels web_labels = {web, 2}, app_labels = {web, 1};

struct place {
    char dir[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
};

static void put_stream(struct index_batch *b, struct stream_flush flush, struct chunk_ref ref)
{
    REQUIRE_OK(index_batch_stream(b, flush.tenant, flush.labels, &flush.stream_id, NULL));
    REQUIRE_OK(index_batch_flushed(b, &flush, NULL));
    ref.stream_id = flush.stream_id;
    REQUIRE_OK(index_batch_chunk(b, flush.tenant, &ref, NULL));
}

static void place_make(struct place *p)
{
    struct segment_ref segment = {
        258, -1, 0x0102030405060708, STR("t1"), SEGMENT_MERGED,
    };
    struct segment_damage lost = {258, 64, 0x0807060504030201, -1, STR("t1")};
    struct index_batch *b = NULL;
    struct index *ix = NULL;

    files_dir_make(p->dir);
    (void)files_path(p->path, p->dir, "index");
    REQUIRE_OK(index_open(p->path, MAP_BYTES, &ix, NULL));
    REQUIRE_OK(index_batch_begin(ix, &b, NULL));
    put_stream(b,
               (struct stream_flush){.tenant = STR("t1"),
                                     .labels = web_labels,
                                     .seq = 0x1234,
                                     .first_day = -1,
                                     .last_day = 20000},
               (struct chunk_ref){.chunk_id = 9,
                                  .segment_id = 258,
                                  .day = -1,
                                  .head_bytes = 0x11121314,
                                  .chunk_bytes = 0x21222324,
                                  .entries = 0x31323334,
                                  .offset = 0x4142434445464748,
                                  .min_ns = -2,
                                  .max_ns = 3,
                                  .line_bytes = 0x5152535455565758,
                                  .metadata_bytes = 0x6162636465666768,
                                  .level = 0x71});
    put_stream(b,
               (struct stream_flush){.tenant = STR("t1"),
                                     .labels = app_labels,
                                     .seq = 1,
                                     .first_day = 19999,
                                     .last_day = 20001},
               (struct chunk_ref){.chunk_id = 5, .day = 20001, .min_ns = 7});
    put_stream(
        b,
        (struct stream_flush){
            .tenant = STR("t2"), .labels = app_labels, .seq = 2, .first_day = 0, .last_day = 0},
        (struct chunk_ref){.chunk_id = 6});
    REQUIRE_OK(index_batch_segment(b, &segment, NULL));
    REQUIRE_OK(index_batch_damage(b, &lost, NULL));
    REQUIRE_OK(index_batch_commit(b, NULL));
    index_close(ix);
}

static MDB_env *open_raw(const struct place *p, unsigned flags)
{
    MDB_env *env = NULL;

    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_set_mapsize(env, MAP_BYTES), 0);
    cr_assert_eq(mdb_env_set_maxdbs(env, 16), 0);
    cr_assert_eq(mdb_env_open(env, p->path, flags, 0600), 0);
    return env;
}

/* ---- every key and value ---- */

static const char *const databases[] = {"meta",  "tenants",  "symbols", "streams",  "labels",
                                        "pairs", "postings", "chunks",  "segments", "damage"};

static void put_hex(struct buf *b, MDB_val v)
{
    const unsigned char *bytes = v.mv_data;

    for (size_t i = 0; i < v.mv_size; i++)
        buf_printf(b, "%02x", bytes[i]);
}

static void put_database(struct buf *b, MDB_txn *txn, const char *name)
{
    MDB_cursor *cursor = NULL;
    MDB_dbi database;
    MDB_val k, v;

    cr_assert_eq(mdb_dbi_open(txn, name, 0, &database), 0, "%s", name);
    cr_assert_eq(mdb_cursor_open(txn, database, &cursor), 0);
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        buf_printf(b, "%s ", name);
        put_hex(b, k);
        buf_put_char(b, ' ');
        put_hex(b, v);
        buf_put_char(b, '\n');
    }
    mdb_cursor_close(cursor);
}

Test(index_format, golden)
{
    MDB_txn *txn = NULL;
    struct place p;
    struct buf b;

    entropy_fake(true); /* for the key of the hashes */
    place_make(&p);
    MDB_env *env = open_raw(&p, MDB_RDONLY);
    cr_assert_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    buf_init(&b, MIB);
    for (size_t i = 0; i < COUNT_OF(databases); i++)
        put_database(&b, txn, databases[i]);
    files_expect_golden("index-v2.txt", buf_str(&b));
    buf_release(&b);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    files_dir_remove(p.dir);
}

/* ---- damage ---- */

static enum status see_pair(void *context, struct str name, struct str value)
{
    (void)context;
    (void)name;
    (void)value;
    return ST_OK;
}

static enum status read_match(struct index_read *r)
{
    struct matcher m = {.name = STR("app"), .op = MATCH_EQ, .value = STR("web")};
    struct postings got;

    return index_match(r, STR("t1"), (struct matcher_list){&m, 1}, &got, NULL);
}

static enum status read_values(struct index_read *r)
{
    struct matcher m = {.name = STR("app"), .op = MATCH_NEQ, .value = STR("")};
    struct postings got;

    return index_match(r, STR("t1"), (struct matcher_list){&m, 1}, &got, NULL);
}

static enum status read_pairs(struct index_read *r)
{
    struct pair_range range = {.tenant = STR("t1"), .first_day = -100, .last_day = 30000};

    return index_pairs(r, &range, see_pair, NULL);
}

static enum status read_find(struct index_read *r)
{
    uint64_t id, seq;

    return index_find_stream(r, STR("t1"), web_labels, &id, &seq);
}

static enum status read_stream(struct index_read *r)
{
    struct labels labels;

    return index_stream(r, 1, &labels, NULL);
}

static enum status read_chunks(struct index_read *r)
{
    struct chunk_range range = {.tenant = STR("t1"), .day = -1, .start_ns = -5, .end_ns = 5};
    uint64_t one = 1;
    struct chunk_ref_list refs;

    return index_chunks(r, &range, (struct postings){&one, 1}, &refs, NULL);
}

static enum status read_walk(struct index_read *r)
{
    struct chunk_cursor cursor = {.key_bytes = 0};
    struct chunk_ref ref;
    struct str tenant;

    return index_next_chunk(r, &cursor, &ref, &tenant);
}

static enum status read_segments(struct index_read *r)
{
    struct segment_ref segment;
    uint64_t cursor = 0;

    return index_next_segment(r, &cursor, &segment);
}

static enum status read_lost(struct index_read *r)
{
    struct damage_cursor cursor = {0};
    struct segment_damage lost;

    return index_next_damage(r, &cursor, &lost);
}

static const struct damage_case {
    const char *database; /* all of its values are damaged */
    const char *name;
    enum status (*read)(struct index_read *r);
} damage_cases[] = {
    {"tenants", "match", read_match},
    {"symbols", "match", read_match},
    {"pairs", "match by values", read_values},
    {"pairs", "pairs", read_pairs},
    {"tenants", "pairs", read_pairs},
    {"streams", "find", read_find},
    {"labels", "find", read_find},
    {"labels", "stream", read_stream},
    {"chunks", "chunks", read_chunks},
    {"chunks", "walk", read_walk},
    {"tenants", "walk", read_walk},
    {"segments", "segments", read_segments},
    {"tenants", "segments", read_segments},
    {"damage", "damage", read_lost},
    {"postings", "match", read_match},
};

/* Change the first byte of a text wherever it stands in the file. */
static void change_text(struct buf *file, struct str text)
{
    size_t at = 0, next;

    while ((next = str_find(str_cut(buf_str(file), at), text)) != STR_NPOS) {
        at += next;
        file->ptr[at++] ^= 1;
    }
}

/* Damage every value of a database in the file, whoever has it open. */
static void damage(const struct place *p, const char *name)
{
    MDB_env *env = open_raw(p, MDB_RDONLY | MDB_NOLOCK);
    MDB_cursor *cursor = NULL;
    MDB_txn *txn = NULL;
    char path[TEST_PATH_BYTES];
    struct buf file;
    MDB_dbi database;
    MDB_val k, v;

    buf_init(&file, MAP_BYTES);
    REQUIRE_OK(io_file_read(files_path(path, p->path, "data.mdb"), &file, NULL));
    cr_assert_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, name, 0, &database), 0);
    cr_assert_eq(mdb_cursor_open(txn, database, &cursor), 0);
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
        change_text(&file, str_make(v.mv_data, v.mv_size));
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    int fd = open(path, O_WRONLY);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, file.ptr, file.len, 0), (ssize_t)file.len);
    cr_assert_eq(close(fd), 0);
    buf_release(&file);
}

/* A server that runs meets it, the next one does not open the index. */
Test(index_format, damage)
{
    for (size_t i = 0; i < COUNT_OF(damage_cases); i++) {
        const struct damage_case *c = &damage_cases[i];
        struct index_read *r = NULL;
        struct index *ix = NULL;
        struct place p;
        struct arena a;

        arena_init(&a, ARENA_BYTES);
        place_make(&p);
        REQUIRE_OK(index_open(p.path, MAP_BYTES, &ix, NULL));
        for (int damaged = 0; damaged < 2; damaged++) {
            if (damaged)
                damage(&p, c->database);
            REQUIRE_OK(index_read_begin(ix, &a, &r, NULL));
            EXPECT_STATUS(c->name, c->read(r), damaged ? ST_CORRUPT : ST_OK);
            cr_expect_eq(index_damaged_records(ix) > 0, damaged, "%s", c->name);
            index_read_end(r);
        }
        index_close(ix);
        EXPECT_STATUS(c->name, index_open(p.path, MAP_BYTES, &ix, NULL), ST_CORRUPT);
        files_dir_remove(p.dir);
        arena_release(&a);
    }
}

static const struct batch_damage_case {
    const char *database;
    const char *text;
} batch_damage_cases[] = {
    {"tenants", "index: cannot number tenant t1"},
    {"symbols", "index: cannot note a label pair: stored bytes are damaged"},
    {"streams", "index: cannot number a stream"},
};

/* A batch does not build on damage. */
Test(index_format, batch_on_damage)
{
    for (size_t i = 0; i < COUNT_OF(batch_damage_cases); i++) {
        const struct batch_damage_case *c = &batch_damage_cases[i];
        struct stream_flush flush = {.tenant = STR("t1"), .labels = web_labels};
        struct index_batch *b = NULL;
        struct index *ix = NULL;
        struct place p;
        struct err err;

        place_make(&p);
        REQUIRE_OK(index_open(p.path, MAP_BYTES, &ix, NULL));
        damage(&p, c->database);
        REQUIRE_OK(index_batch_begin(ix, &b, NULL));
        enum status st = index_batch_stream(b, flush.tenant, flush.labels, &flush.stream_id, &err);
        if (st == ST_OK)
            st = index_batch_flushed(b, &flush, &err);
        EXPECT_STATUS(c->database, st, ST_CORRUPT);
        EXPECT_STR(c->database, str_from(err.text), str_from(c->text));
        index_batch_abort(b);
        index_close(ix);
        files_dir_remove(p.dir);
    }
}

/* ---- versions ---- */

/* `value` NULL removes it; with `sealed` it gets its checksum. */
static void set_meta(const struct place *p, const char *name, struct str value, bool sealed)
{
    MDB_env *env = open_raw(p, 0);
    MDB_txn *txn = NULL;
    MDB_dbi database;
    MDB_val k = {strlen(name), (void *)(uintptr_t)name};
    MDB_val v;
    struct buf stored;

    buf_init(&stored, MIB);
    buf_put(&stored, value);
    if (sealed)
        buf_put_u32(&stored, crc32c(crc32c(0, str_from(name)), value));
    v = (MDB_val){stored.len, stored.ptr};
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, "meta", 0, &database), 0);
    if (value.ptr == NULL)
        cr_assert_eq(mdb_del(txn, database, &k, NULL), 0);
    else
        cr_assert_eq(mdb_put(txn, database, &k, &v, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    buf_release(&stored);
}

static const struct form_case {
    const char *name;
    struct str value;
    bool sealed;
    enum status want;
    const char *text;
} form_cases[] = {
    {"version", STR_INIT("\3\0\0\0\0\0\0\0"), true, ST_UNSUPPORTED,
     "index: version 3 is not known"},
    {"version", STR_INIT("\1\0\0\0\0\0\0\0"), false, ST_UNSUPPORTED, "index: it is of version 1"},
    {"version", {NULL, 0}, true, ST_CORRUPT, "index: it has no version"},
    {"hash_key", STR_INIT("short"), true, ST_CORRUPT, "index: it has no hash key"},
    {"hash_key", STR_INIT("0123456789abcdef"), false, ST_CORRUPT,
     "index: a record of `meta` is damaged"},
    {"hash_key", {NULL, 0}, true, ST_CORRUPT, "index: it has no hash key"},
};

Test(index_format, another_form)
{
    for (size_t i = 0; i < COUNT_OF(form_cases); i++) {
        const struct form_case *c = &form_cases[i];
        struct index *ix = NULL;
        struct place p;
        struct err err;

        place_make(&p);
        set_meta(&p, c->name, c->value, c->sealed);
        EXPECT_STATUS(c->text, index_open(p.path, MAP_BYTES, &ix, &err), c->want);
        EXPECT_STR(c->text, str_from(err.text), str_from(c->text));
        if (c->sealed) {
            EXPECT_STATUS(c->text, index_open_to_read(p.path, &ix, &err), c->want);
            EXPECT_STR(c->text, str_from(err.text), str_from(c->text));
        }
        cr_expect_null(ix);
        files_dir_remove(p.dir);
    }
}

Test(index_format, damaged_counters)
{
    struct index_counters counters;
    struct index_batch *b = NULL;
    struct index *ix = NULL;
    struct place p;

    place_make(&p);
    REQUIRE_OK(index_open(p.path, MAP_BYTES, &ix, NULL));
    damage(&p, "meta");
    EXPECT_STATUS("counters", index_counters(ix, &counters, NULL), ST_CORRUPT);
    EXPECT_STATUS("batch", index_batch_begin(ix, &b, NULL), ST_CORRUPT);
    index_close(ix);
    files_dir_remove(p.dir);
}

/* A file that is no LMDB environment. */
Test(index_format, another_file)
{
    struct index *ix = NULL;
    char path[TEST_PATH_BYTES];
    static char bytes[8192];
    struct place p;

    place_make(&p);
    memset(bytes, 'x', sizeof(bytes));
    files_write(files_path(path, p.path, "data.mdb"), str_make(bytes, sizeof(bytes)));
    EXPECT_STATUS("open", index_open(p.path, MAP_BYTES, &ix, NULL), ST_CORRUPT);
    EXPECT_STATUS("open to read", index_open_to_read(p.path, &ix, NULL), ST_CORRUPT);
    cr_expect_null(ix);
    files_dir_remove(p.dir);
}
