#include "index/index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/entropy.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "index/index_internal.h"

#include "base/banned.h"

enum {
    INDEX_READERS_MAX = 2048,
    FORM_BYTES_MAX = 64, /* of what a new index begins with */
};

enum status lmdb_status(int error, struct err *err, const char *what)
{
    enum status st = ST_IO;

    ASSERT(error != 0);
    if (error == MDB_NOTFOUND)
        st = ST_NOT_FOUND;
    else if (error == MDB_MAP_FULL || error == ENOSPC || error == EDQUOT)
        st = ST_FULL;
    else if (error == MDB_READERS_FULL)
        st = ST_BUSY;
    else if (error == MDB_CORRUPTED || error == MDB_PAGE_NOTFOUND || error == MDB_INVALID ||
             error == MDB_PANIC)
        st = ST_CORRUPT;
    else if (error == ENOMEM)
        st = ST_NOMEM;
    return err_set(err, st, "index: %s: %s%s", what, mdb_strerror(error),
                   error == MDB_MAP_FULL ? " (raise storage.index_max_bytes)" : "");
}

int lmdb_commit(MDB_txn *txn)
{
    int error = io_commit_begin();

    if (error == 0)
        error = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    io_commit_end();
    return error;
}

/* ---- values ---- */

/* One line is enough: whoever reads it finds the number of the others in the metrics. */
enum status record_damaged(struct index *ix)
{
    if (counter_get(&ix->damaged) == 0)
        LOG(LOG_ERROR, "a record of the index is damaged, answers miss something",
            LOG_TEXT("hint", "a restart makes the index again"));
    counter_add(&ix->damaged, 1);
    return ST_CORRUPT;
}

enum status record_open(struct index *ix, MDB_val key, MDB_val stored, struct str *ret_value)
{
    return record_split(str_of(key), str_of(stored), ret_value) ? ST_OK : record_damaged(ix);
}

uint64_t index_damaged_records(struct index *ix)
{
    return counter_get(&ix->damaged);
}

/* ---- opening ---- */

static const struct {
    const char *name;
    unsigned flags;
} database_rows[] = {
#define X(id, name, flags) {name, flags},
    INDEX_DATABASES(X)
#undef X
};

/* Open every database; `more_flags` is MDB_CREATE where they may be made. */
static int open_handles(struct index *ix, MDB_txn *txn, unsigned more_flags)
{
    int error = 0;

    for (size_t i = 0; i < COUNT_OF(database_rows) && error == 0; i++)
        error = mdb_dbi_open(txn, database_rows[i].name, database_rows[i].flags | more_flags,
                             &ix->databases[i]);
    return error;
}

static enum status get_meta(struct index *ix, MDB_txn *txn, const char *name, struct str *ret_value)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value;

    int error = mdb_get(txn, ix->databases[INDEX_META], &key, &value);
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "get");
    return record_open(ix, key, value, ret_value);
}

static enum status put_meta(struct index *ix, MDB_txn *txn, const char *name, struct str bytes,
                            struct err *err)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value;
    struct buf stored;

    buf_init(&stored, FORM_BYTES_MAX);
    buf_put(&stored, bytes);
    buf_put_u32(&stored, record_crc(str_of(key), bytes));
    value = val_of(buf_str(&stored));
    int error = stored.failed ? ENOMEM : mdb_put(txn, ix->databases[INDEX_META], &key, &value, 0);
    buf_release(&stored);
    return error == 0 ? ST_OK : lmdb_status(error, err, name);
}

/* What a new index begins with. */
static enum status write_form(struct index *ix, MDB_txn *txn, struct err *err)
{
    struct str key = str_make((const char *)&ix->hash_key, sizeof(ix->hash_key));
    uint64_t version = htole64(INDEX_VERSION);

    enum status st = entropy_get(&ix->hash_key, sizeof(ix->hash_key), err);
    if (st == ST_OK)
        st = put_meta(ix, txn, "hash_key", key, err);
    if (st == ST_OK)
        st = put_meta(ix, txn, "version", str_make((char *)&version, sizeof(version)), err);
    return st;
}

/* An index whose first transaction was never committed. */
static bool is_new(struct index *ix, MDB_txn *txn)
{
    MDB_stat stat;

    return mdb_stat(txn, ix->databases[INDEX_META], &stat) == 0 && stat.ms_entries == 0;
}

static enum status read_form(struct index *ix, MDB_txn *txn, struct err *err)
{
    uint64_t version;
    struct str key;

    enum status st = lookup_meta(ix, txn, "version", &version);
    if (st != ST_OK)
        return err_set(err, ST_CORRUPT, "index: it has no version");
    if (version != INDEX_VERSION)
        return err_set(err, ST_UNSUPPORTED, "index: version %llu is not known",
                       (unsigned long long)version);
    st = get_meta(ix, txn, "hash_key", &key);
    if (st != ST_OK || key.len != sizeof(ix->hash_key))
        return err_set(err, ST_CORRUPT, "index: it has no hash key");
    memcpy(&ix->hash_key, key.ptr, key.len);
    return ST_OK;
}

static enum status open_databases(struct index *ix, struct err *err)
{
    MDB_txn *txn = NULL;

    int error = mdb_txn_begin(ix->env, NULL, 0, &txn);
    if (error != 0)
        return lmdb_status(error, err, "begin");
    error = open_handles(ix, txn, MDB_CREATE);
    enum status st;
    if (error != 0)
        st = lmdb_status(error, err, "open");
    else
        st = is_new(ix, txn) ? write_form(ix, txn, err) : read_form(ix, txn, err);
    if (st != ST_OK) {
        mdb_txn_abort(txn);
        return st;
    }
    error = lmdb_commit(txn);
    return error == 0 ? ST_OK : lmdb_status(error, err, "commit");
}

/* The same where nothing may be written. */
static enum status open_existing(struct index *ix, struct err *err)
{
    MDB_txn *txn = NULL;

    int error = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &txn);
    if (error != 0)
        return lmdb_status(error, err, "begin");
    error = open_handles(ix, txn, 0);
    enum status st = error == 0 ? read_form(ix, txn, err) : lmdb_status(error, err, "open");
    if (st != ST_OK) {
        mdb_txn_abort(txn);
        return st;
    }
    error = mdb_txn_commit(txn); /* keeps the handles */
    return error == 0 ? ST_OK : lmdb_status(error, err, "commit");
}

enum status index_open_to_read(const char *dir, struct index **ret_index, struct err *err)
{
    struct index *ix = mem_new(1, sizeof(*ix));

    if (ix == NULL)
        return err_set(err, ST_NOMEM, "no memory for the index");
    int error = mdb_env_create(&ix->env);
    if (error == 0)
        error = mdb_env_set_maxdbs(ix->env, INDEX_DATABASE_COUNT);
    if (error == 0)
        error = mdb_env_open(ix->env, dir, MDB_RDONLY | MDB_NOTLS | MDB_NORDAHEAD, 0);
    enum status st = error == 0 ? open_existing(ix, err) : lmdb_status(error, err, "open");
    if (st != ST_OK) {
        index_close(ix);
        return st;
    }
    *ret_index = ix;
    return ST_OK;
}

/*
 * The file of LMDB's locks is written through a mapping, and is full of holes: on a full disk the
 * first query with a new slot would be the end of the process. So it gets all its room at once; a
 * disk that is full before has it from an earlier start, or it is tried again by the next one.
 */
static void fill_lock_file(const char *dir)
{
    char path[PATH_MAX];
    uint64_t bytes;

    if (snprintf(path, sizeof(path), "%s/lock.mdb", dir) >= (int)sizeof(path))
        return;
    int fd = io_openat(AT_FDCWD, path, O_RDWR, 0);
    if (fd >= 0 && io_file_size(fd, &bytes, NULL) == ST_OK && bytes > 0)
        (void)io_reserve(fd, bytes);
    if (fd >= 0)
        (void)close(fd);
}

/* LMDB syncs its file, but not the directory that the file's name is in. */
static enum status sync_names(const char *dir, struct err *err)
{
    int fd = -1;

    enum status st = io_open_dir(dir, &fd, err);
    if (st != ST_OK)
        return st;
    if (io_fsync(fd) < 0)
        st = err_errno(err, "index: sync directory %s", dir);
    (void)close(fd);
    return st;
}

enum status index_open(const char *dir, uint64_t map_bytes, struct index **ret_index,
                       struct err *err)
{
    struct index *ix = mem_new(1, sizeof(*ix));
    int dead = 0;

    if (ix == NULL)
        return err_set(err, ST_NOMEM, "no memory for the index");
    enum status st = io_mkdir(dir, err);
    if (st == ST_OK)
        st = index_check(dir, err);
    if (st == ST_NOT_FOUND)
        st = ST_OK;
    int error = st == ST_OK ? mdb_env_create(&ix->env) : 0;
    if (st == ST_OK && error == 0)
        error = mdb_env_set_mapsize(ix->env, (size_t)map_bytes);
    if (st == ST_OK && error == 0)
        error = mdb_env_set_maxdbs(ix->env, INDEX_DATABASE_COUNT);
    if (st == ST_OK && error == 0)
        error = mdb_env_set_maxreaders(ix->env, INDEX_READERS_MAX);
    if (st == ST_OK && error == 0)
        error = mdb_env_open(ix->env, dir, MDB_NOTLS | MDB_NORDAHEAD, 0640);
    if (error != 0)
        st = lmdb_status(error, err, dir);
    if (st == ST_OK) {
        fill_lock_file(dir);
        (void)mdb_reader_check(ix->env, &dead); /* slots of a process that was killed */
        st = open_databases(ix, err);
    }
    if (st == ST_OK)
        st = sync_names(dir, err);
    if (st != ST_OK) {
        index_close(ix);
        return st;
    }
    *ret_index = ix;
    return ST_OK;
}

void index_close(struct index *ix)
{
    if (ix == NULL)
        return;
    if (ix->env != NULL)
        mdb_env_close(ix->env);
    mem_free(ix);
}

/*
 * The shared mapping of the process that holds `p`, as the system tells it; LMDB does not. (In a
 * private one MADV_DONTNEED would lose data.)
 */
static void find_mapping(const void *p, void **ret_begin, size_t *ret_bytes)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    uintptr_t begin, end, at = (uintptr_t)p;
    char line[256], access[8];

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &begin, &end, access) == 3 &&
            at >= begin && at < end && access[3] == 's') {
            *ret_begin = (void *)begin;
            *ret_bytes = end - begin;
            break;
        }
    }
    if (maps != NULL)
        (void)fclose(maps);
}

void index_unmap_pages(struct index *ix)
{
    MDB_txn *txn = NULL;
    struct str value;

    if (ix->map == NULL && mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &txn) == 0) {
        if (get_meta(ix, txn, "version", &value) == ST_OK)
            find_mapping(value.ptr, &ix->map, &ix->map_bytes);
        mdb_txn_abort(txn);
    }
    if (ix->map != NULL)
        (void)madvise(ix->map, ix->map_bytes, MADV_DONTNEED);
}

/* LMDB's list of free pages is its database 0; a value begins with how many it names. */
static int count_free_pages(MDB_txn *txn, uint64_t *ret_pages)
{
    enum { FREE_PAGES = 0 };
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    uint64_t pages = 0;

    int error = mdb_cursor_open(txn, FREE_PAGES, &cursor);
    if (error != 0)
        return error;
    while ((error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t count;
        if (value.mv_size < sizeof(count))
            continue;
        memcpy(&count, value.mv_data, sizeof(count));
        pages += MIN_OF(count, value.mv_size / sizeof(count) - 1);
    }
    mdb_cursor_close(cursor);
    *ret_pages = pages;
    return error == MDB_NOTFOUND ? 0 : error;
}

enum status index_used_bytes(struct index *ix, uint64_t *ret_bytes, struct err *err)
{
    uint64_t pages, free_pages = 0;
    MDB_txn *txn = NULL;
    MDB_envinfo info;
    MDB_stat stat;

    int error = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &txn);
    if (error == 0)
        error = mdb_env_info(ix->env, &info);
    if (error == 0)
        error = mdb_env_stat(ix->env, &stat);
    if (error == 0)
        error = count_free_pages(txn, &free_pages);
    mdb_txn_abort(txn);
    if (error != 0)
        return lmdb_status(error, err, "count pages");
    pages = (uint64_t)info.me_last_pgno + 1;
    *ret_bytes = (pages - MIN_OF(pages, free_pages)) * stat.ms_psize;
    return ST_OK;
}

/* ---- look-ups ---- */

enum status lookup(struct index *ix, MDB_txn *txn, enum index_database database, struct key key,
                   struct str *ret_value)
{
    MDB_val k = key_val(&key), v;

    int error = mdb_get(txn, ix->databases[database], &k, &v);
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "get");
    return record_open(ix, k, v, ret_value);
}

enum status lookup_meta(struct index *ix, MDB_txn *txn, const char *name, uint64_t *ret_v)
{
    struct str value;

    enum status st = get_meta(ix, txn, name, &value);
    if (st != ST_OK)
        return st;
    return get_u64(&value, ret_v) ? ST_OK : ST_CORRUPT;
}

enum status lookup_tenant(struct index *ix, MDB_txn *txn, struct str name, uint32_t *ret_tenant)
{
    MDB_val key = val_of(name), value;
    struct str in;

    if (name.len == 0)
        return ST_NOT_FOUND;
    int error = mdb_get(txn, ix->databases[INDEX_TENANTS], &key, &value);
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "get");
    enum status st = record_open(ix, key, value, &in);
    if (st != ST_OK)
        return st;
    return get_u32(&in, ret_tenant) ? ST_OK : ST_CORRUPT;
}

enum status lookup_symbol(struct index *ix, MDB_txn *txn, struct str text, uint32_t *ret_symbol,
                          uint8_t *ret_free_n)
{
    uint64_t hash = hash_keyed(&ix->hash_key, text);
    struct str value;
    uint32_t symbol;

    for (unsigned n = 0; n <= UINT8_MAX; n++) {
        enum status st = lookup(ix, txn, INDEX_SYMBOLS, hashed_key(NULL, hash, (uint8_t)n), &value);
        if (st == ST_NOT_FOUND && ret_free_n != NULL)
            *ret_free_n = (uint8_t)n;
        if (st != ST_OK)
            return st;
        if (!get_u32(&value, &symbol))
            return ST_CORRUPT;
        if (str_eq(value, text)) {
            *ret_symbol = symbol;
            return ST_OK;
        }
    }
    return ST_LIMIT;
}

enum status lookup_stream(struct index *ix, MDB_txn *txn, uint64_t stream_id,
                          struct stored_stream *ret_stream)
{
    struct stored_stream s;
    struct str value;

    enum status st = lookup(ix, txn, INDEX_LABELS, stream_key(stream_id), &value);
    if (st != ST_OK)
        return st;
    if (!get_u32(&value, &s.tenant) || !get_u64(&value, &s.flushed_seq))
        return ST_CORRUPT;
    s.labels = value;
    *ret_stream = s;
    return ST_OK;
}

enum status lookup_stream_id(struct index *ix, MDB_txn *txn, const struct stream_wanted *wanted,
                             uint64_t *ret_stream_id, uint8_t *ret_free_n)
{
    uint64_t hash = hash_keyed(&ix->hash_key, wanted->labels), id;
    struct stored_stream stream;
    struct str value;

    for (unsigned n = 0; n <= UINT8_MAX; n++) {
        enum status st =
            lookup(ix, txn, INDEX_STREAMS, hashed_key(&wanted->tenant, hash, (uint8_t)n), &value);
        if (st == ST_NOT_FOUND && ret_free_n != NULL)
            *ret_free_n = (uint8_t)n;
        if (st != ST_OK)
            return st;
        if (!get_u64(&value, &id))
            return ST_CORRUPT;
        st = lookup_stream(ix, txn, id, &stream);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_CORRUPT : st;
        if (str_eq(stream.labels, wanted->labels)) {
            *ret_stream_id = id;
            return ST_OK;
        }
    }
    return ST_LIMIT;
}

enum status index_counters(struct index *ix, struct index_counters *ret_counters, struct err *err)
{
    struct index_counters c = {.next_segment = 1, .next_chunk = 1};
    const struct {
        const char *name;
        uint64_t *v;
    } rows[] = {{"next_segment", &c.next_segment}, {"next_chunk", &c.next_chunk}, {"seq", &c.seq}};
    struct index_read *r = NULL;
    struct arena none = {0};

    enum status st = index_read_begin(ix, &none, &r, err);
    for (size_t i = 0; i < COUNT_OF(rows) && st == ST_OK; i++) {
        st = lookup_meta(ix, r->txn, rows[i].name, rows[i].v);
        if (st == ST_NOT_FOUND)
            st = ST_OK; /* a new index */
        else if (st != ST_OK)
            st = err_set(err, st, "index: cannot read %s", rows[i].name);
    }
    index_read_end(r);
    if (st == ST_OK)
        *ret_counters = c;
    return st;
}
