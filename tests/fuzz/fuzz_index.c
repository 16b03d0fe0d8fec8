/*
 * Records of the index that are anything: a small index of sound records is changed by the
 * operations that the input has, in a transaction that is never committed, and asked everything.
 *
 * An operation: u8 database, u8 what; then for a put u8 and key; u8 or u16 and value; for the
 * others u8, which record.
 */
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

static void put(MDB_txn *txn, enum index_database database, struct str key, struct str value)
{
    unsigned char posting[sizeof(uint64_t)] = {0};
    MDB_val k = val_of(key), v = val_of(value);

    if (database == INDEX_POSTINGS) { /* LMDB takes nothing else */
        memcpy(posting, value.ptr, MIN_OF(value.len, sizeof(posting)));
        v = (MDB_val){sizeof(posting), posting};
    }
    (void)!mdb_put(txn, fuzzed->databases[database], &k, &v, 0);
}

/* The record at a place, counted round and round. False: there is none. */
static bool find_record(MDB_txn *txn, enum index_database database, unsigned place, struct buf *key,
                        struct buf *value)
{
    MDB_dbi dbi = fuzzed->databases[database];
    MDB_cursor *cursor = NULL;
    MDB_val k, v;
    MDB_stat stat;

    if (mdb_stat(txn, dbi, &stat) != 0 || stat.ms_entries == 0 ||
        mdb_cursor_open(txn, dbi, &cursor) != 0)
        return false;
    int error = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    for (place %= (unsigned)stat.ms_entries; place > 0 && error == 0; place--)
        error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    if (error == 0) {
        buf_put(key, str_of(k));
        buf_put(value, str_of(v));
    }
    mdb_cursor_close(cursor);
    return error == 0;
}

static void change_record(MDB_txn *txn, enum index_database database, enum change change,
                          struct str *in)
{
    uint8_t place, at = 0, bits = 1;
    struct buf key, value;

    buf_init(&key, VALUE_BYTES_MAX);
    buf_init(&value, FUZZ_MEMORY_BYTES);
    if (get_u8(in, &place) && find_record(txn, database, place, &key, &value)) {
        struct str old = buf_str(&value);
        MDB_val k = val_of(buf_str(&key)), v = val_of(old);
        if (change != REPLACE && get_u8(in, &at) && change == FLIP)
            (void)get_u8(in, &bits);
        if (change == REPLACE || change == REMOVE || database == INDEX_POSTINGS)
            (void)!mdb_del(txn, fuzzed->databases[database], &k, &v);
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
    struct index_read read = {0};
    struct arena a;

    if (fuzzed == NULL)
        make_index();
    arena_init(&a, FUZZ_MEMORY_BYTES);
    read = (struct index_read){.index = fuzzed, .arena = &a};
    ASSERT(mdb_txn_begin(fuzzed->env, NULL, 0, &read.txn) == 0);
    change_index(read.txn, in);
    index_reading_all(&(struct index_reading){.read = &read, .arena = &a, .strict = true});
    mdb_txn_abort(read.txn);
    arena_release(&a);
}
