/*
 * Records of the index that are anything: a small index of sound records is changed by the
 * operations that the input has, in a transaction that is never committed, and asked everything.
 *
 * An operation: u8 database, u8 what; then for a put u8 and key, u16 and value; for the others u8,
 * which record. Values get the checksums that they should have.
 */
#include "base/mem.h"
#include "index/index_internal.h"
#include "tests/fuzz/index_reading.h"
#include "tests/fuzz/scratch.h"

#include "base/banned.h"

#define MAP_BYTES ((uint64_t)16 << 20)

enum { CHANGES_MAX = 64, VALUE_BYTES_MAX = 4096 };

static struct index *fuzzed;

static void make_index(void)
{
    char dir[SCRATCH_PATH_BYTES];

    scratch_make(dir);
    ASSERT(index_open(dir, MAP_BYTES, &fuzzed, NULL) == ST_OK);
    index_reading_fill(fuzzed);
}

/* ---- changes ---- */

enum change {
    PUT,     /* any key, any value */
    REPLACE, /* the value of a record */
    FLIP,    /* a byte of it */
    CUT,     /* its end */
    REMOVE,
    CHANGE_COUNT,
};

/* Cut a text of at most 255 or 4096 bytes off. */
static struct str take(struct str *in, size_t max)
{
    uint32_t len = 0;
    uint8_t low = 0, high = 0;

    if (!get_u8(in, &low) || (max > UINT8_MAX && !get_u8(in, &high)))
        return STR("");
    len = MIN_OF(low | (uint32_t)high << 8, (uint32_t)max);
    struct str text = str_head(*in, MIN_OF((size_t)len, in->len));
    *in = str_cut(*in, text.len);
    return text;
}

/* Put the value, with the checksum that it should have behind it. */
static void put(MDB_txn *txn, enum index_database database, struct str key, struct str value)
{
    MDB_val k = val_of(key), v;
    struct buf stored;

    buf_init(&stored, FUZZ_MEMORY_BYTES);
    buf_put(&stored, value);
    if (database == INDEX_POSTINGS) { /* LMDB takes one size only */
        buf_put_zeros(&stored, sizeof(uint64_t));
        stored.len = sizeof(uint64_t);
    }
    buf_put_u32(&stored, record_crc(key, buf_str(&stored)));
    v = val_of(buf_str(&stored));
    (void)!mdb_put(txn, fuzzed->databases[database], &k, &v, 0);
    buf_release(&stored);
}

/* A cursor on the record at a place, counted round and round; or NULL. */
static MDB_cursor *find_record(MDB_txn *txn, enum index_database database, unsigned place,
                               MDB_val *k, MDB_val *v)
{
    MDB_dbi dbi = fuzzed->databases[database];
    MDB_cursor *cursor = NULL;
    MDB_stat stat;

    if (mdb_stat(txn, dbi, &stat) != 0 || stat.ms_entries == 0 ||
        mdb_cursor_open(txn, dbi, &cursor) != 0)
        return NULL;
    int error = mdb_cursor_get(cursor, k, v, MDB_FIRST);
    for (place %= (unsigned)stat.ms_entries; place > 0 && error == 0; place--)
        error = mdb_cursor_get(cursor, k, v, MDB_NEXT);
    if (error == 0)
        return cursor;
    mdb_cursor_close(cursor);
    return NULL;
}

/* Take a record away; its value is without the checksum. */
static bool take_record(MDB_txn *txn, enum index_database database, struct buf *key,
                        struct buf *value, unsigned place)
{
    MDB_val k, v;
    MDB_cursor *cursor = find_record(txn, database, place, &k, &v);

    if (cursor == NULL)
        return false;
    buf_put(key, str_of(k));
    buf_put(value, str_of(v));
    value->len -= MIN_OF(value->len, (size_t)RECORD_CRC_BYTES);
    (void)!mdb_cursor_del(cursor, 0);
    mdb_cursor_close(cursor);
    return true;
}

static void change_record(MDB_txn *txn, enum index_database database, enum change change,
                          struct str *in)
{
    uint8_t place, at = 0, bits = 1;
    struct buf key, value;

    buf_init(&key, VALUE_BYTES_MAX);
    buf_init(&value, FUZZ_MEMORY_BYTES);
    if (get_u8(in, &place) && take_record(txn, database, &key, &value, place)) {
        struct str old = buf_str(&value);
        if (change != REPLACE && get_u8(in, &at) && change == FLIP)
            (void)get_u8(in, &bits);
        if (change == REPLACE)
            old = take(in, VALUE_BYTES_MAX);
        else if (change == FLIP && old.len > 0)
            value.ptr[at % old.len] = (char)(value.ptr[at % old.len] ^ bits);
        else if (change == CUT)
            old = str_head(old, at % (old.len + 1));
        if (change != REMOVE)
            put(txn, database, buf_str(&key), old);
    }
    buf_release(&key);
    buf_release(&value);
}

static void change_index(MDB_txn *txn, struct str in)
{
    uint8_t database, change;

    for (int i = 0; i < CHANGES_MAX && get_u8(&in, &database) && get_u8(&in, &change); i++) {
        database %= INDEX_DATABASE_COUNT;
        change %= CHANGE_COUNT;
        if (change == PUT) {
            struct str key = take(&in, UINT8_MAX);
            put(txn, database, key, take(&in, VALUE_BYTES_MAX));
        } else {
            change_record(txn, database, change, &in);
        }
    }
}

void fuzz_input(struct str in)
{
    struct index_read *read = mem_new(1, sizeof(*read));
    struct arena a;

    ASSERT(read != NULL);
    if (fuzzed == NULL)
        make_index();
    arena_init(&a, FUZZ_MEMORY_BYTES);
    *read = (struct index_read){.index = fuzzed, .arena = &a};
    ASSERT(mdb_txn_begin(fuzzed->env, NULL, 0, &read->txn) == 0);
    change_index(read->txn, in);
    index_reading_all(&(struct index_reading){.read = read, .arena = &a, .strict = true});
    index_read_end(read); /* nothing is committed */
    arena_release(&a);
}
