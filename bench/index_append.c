#include "bench/index_append.h"

#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/defs.h"
#include "bench/bench.h"

#include "base/banned.h"

enum {
    RECORDS = 500 * 1000,
    KEY_BYTES = 32,
    VALUE_BYTES = 48,
    MAP_BYTES = 1 << 30,
    PATH_BYTES = 256,
};

static void check(int error)
{
    if (error != 0)
        bench_fail("LMDB: %s", mdb_strerror(error));
}

/* Big endian, so that the order of bytes is that of numbers. */
static void put_key(char key[KEY_BYTES], uint32_t number)
{
    for (size_t i = 0; i < sizeof(number); i++)
        key[KEY_BYTES - 1 - i] = (char)(number >> 8 * i);
}

double index_append_rate(const char *dir)
{
    char path[PATH_BYTES], key[KEY_BYTES] = "tenant", value[VALUE_BYTES] = "value";
    MDB_val k = {.mv_size = sizeof(key), .mv_data = key};
    MDB_val v = {.mv_size = sizeof(value), .mv_data = value};
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi;

    (void)snprintf(path, sizeof(path), "%s/lmdb", dir);
    check(mdb_env_create(&env));
    check(mdb_env_set_mapsize(env, MAP_BYTES));
    check(mdb_env_open(env, path, MDB_NOSUBDIR, 0640));
    double begin = bench_thread_seconds();
    check(mdb_txn_begin(env, NULL, 0, &txn));
    check(mdb_dbi_open(txn, NULL, 0, &dbi));
    for (uint32_t i = 0; i < RECORDS; i++) {
        put_key(key, i);
        check(mdb_put(txn, dbi, &k, &v, MDB_APPEND));
    }
    check(mdb_txn_commit(txn));
    double seconds = bench_thread_seconds() - begin;
    mdb_env_close(env);
    return RECORDS / seconds;
}
