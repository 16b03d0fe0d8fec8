/*
 * index_internal.h - keys, values and databases: shared by the files of index/ only.
 */
#ifndef INDEX_INDEX_INTERNAL_H
#define INDEX_INDEX_INTERNAL_H

#include <endian.h>
#include <string.h>

#include <lmdb.h>

#include "base/atomic.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/hash.h"
#include "base/map.h"
#include "index/index.h"

enum { INDEX_VERSION = 2 };

/* clang-format off */
#define INDEX_DATABASES(X)                                                                        \
    X(META,     "meta",     0)                                                                    \
    X(TENANTS,  "tenants",  0)                                                                    \
    X(SYMBOLS,  "symbols",  0)                                                                    \
    X(STREAMS,  "streams",  0)                                                                    \
    X(LABELS,   "labels",   0)                                                                    \
    X(PAIRS,    "pairs",    0)                                                                    \
    X(POSTINGS, "postings", MDB_DUPSORT | MDB_DUPFIXED)                                           \
    X(CHUNKS,   "chunks",   0)                                                                    \
    X(SEGMENTS, "segments", 0)                                                                    \
    X(DAMAGE,   "damage",   0)
/* clang-format on */

enum index_database {
#define X(id, name, flags) INDEX_##id,
    INDEX_DATABASES(X)
#undef X
        INDEX_DATABASE_COUNT,
};

struct index {
    MDB_env *env;
    MDB_dbi databases[INDEX_DATABASE_COUNT];
    struct hash_key hash_key; /* of symbols and streams */
    struct counter damaged;   /* records whose checksum did not match */
    void *map;                /* the file in memory; NULL until index_unmap_pages() looks for it */
    size_t map_bytes;
};

struct tenant_name {
    uint32_t tenant;
    struct str name; /* borrows the read */
};

struct index_read {
    struct index *index;
    MDB_txn *txn;
    struct arena *arena;   /* of the request */
    index_check_fn *check; /* NULL: nothing ends it */
    void *check_context;
    unsigned steps;              /* since it began */
    struct tenant_name *tenants; /* by number, once one is asked for */
    size_t tenant_count;
};

/* ---- keys: big endian, built in place ---- */

struct key {
    unsigned char bytes[64];
    size_t len;
};

static inline void key_put(struct key *k, const void *bytes, size_t len)
{
    ASSERT(len <= sizeof(k->bytes) - k->len);
    memcpy(k->bytes + k->len, bytes, len);
    k->len += len;
}

static inline void key_put_u8(struct key *k, uint8_t v)
{
    key_put(k, &v, sizeof(v));
}

static inline void key_put_u32(struct key *k, uint32_t v)
{
    v = htobe32(v);
    key_put(k, &v, sizeof(v));
}

static inline void key_put_u64(struct key *k, uint64_t v)
{
    v = htobe64(v);
    key_put(k, &v, sizeof(v));
}

/* Signed numbers sort like unsigned ones when their sign bit is flipped. */
static inline void key_put_i32(struct key *k, int32_t v)
{
    key_put_u32(k, (uint32_t)v ^ UINT32_C(0x80000000));
}

static inline void key_put_i64(struct key *k, int64_t v)
{
    key_put_u64(k, (uint64_t)v ^ UINT64_C(0x8000000000000000));
}

static inline uint32_t be32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static inline uint64_t be64(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

static inline int32_t be_i32(const char *p)
{
    return (int32_t)(be32(p) ^ UINT32_C(0x80000000));
}

static inline int64_t be_i64(const char *p)
{
    return (int64_t)(be64(p) ^ UINT64_C(0x8000000000000000));
}

static inline MDB_val val_of(struct str s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.ptr};
}

static inline struct str str_of(MDB_val v)
{
    return str_make(v.mv_data, v.mv_size);
}

static inline MDB_val key_val(const struct key *k)
{
    return (MDB_val){k->len, (void *)(uintptr_t)k->bytes};
}

/* tenant, name symbol, value symbol: the key of `pairs` and `postings` */
static inline struct key pair_key(uint32_t tenant, uint32_t name, uint32_t value)
{
    struct key k = {.len = 0};

    key_put_u32(&k, tenant);
    key_put_u32(&k, name);
    key_put_u32(&k, value);
    return k;
}

/* hash and n: the key of `symbols`; with a tenant in front, of `streams` */
static inline struct key hashed_key(const uint32_t *tenant, uint64_t hash, uint8_t n)
{
    struct key k = {.len = 0};

    if (tenant != NULL)
        key_put_u32(&k, *tenant);
    key_put_u64(&k, hash);
    key_put_u8(&k, n);
    return k;
}

static inline struct key chunk_key(uint32_t tenant, int32_t day, uint64_t stream_id)
{
    struct key k = {.len = 0};

    key_put_u32(&k, tenant);
    key_put_i32(&k, day);
    key_put_u64(&k, stream_id);
    return k;
}

enum { CHUNK_KEY_BYTES = 32 }; /* the above, min_ns and chunk_id */

static inline struct key chunk_ref_key(uint32_t tenant, const struct chunk_ref *ref)
{
    struct key k = chunk_key(tenant, ref->day, ref->stream_id);

    key_put_i64(&k, ref->min_ns);
    key_put_u64(&k, ref->chunk_id);
    return k;
}

static inline struct key stream_key(uint64_t stream_id)
{
    struct key k = {.len = 0};

    key_put_u64(&k, stream_id);
    return k;
}

/* ---- values: each ends with the checksum of its key and itself ---- */

enum {
    RECORD_CRC_BYTES = sizeof(uint32_t),
    POSTING_BYTES = sizeof(uint64_t) + RECORD_CRC_BYTES,
};

static inline uint32_t record_crc(struct str key, struct str value)
{
    return crc32c(crc32c(0, key), value);
}

/* Does the stored value belong to the key, and is neither damaged? Its part before the checksum. */
static inline bool record_split(struct str key, struct str stored, struct str *ret_value)
{
    uint32_t crc;

    if (stored.len < RECORD_CRC_BYTES)
        return false;
    struct str value = str_head(stored, stored.len - RECORD_CRC_BYTES);
    struct str end = str_cut(stored, value.len);
    if (!get_u32(&end, &crc) || crc != record_crc(key, value))
        return false;
    *ret_value = value;
    return true;
}

/* The same for what LMDB gave. ST_CORRUPT: damage, which is counted and logged. */
MUST_CHECK enum status record_open(struct index *ix, MDB_val key, MDB_val stored,
                                   struct str *ret_value);

/* Note that a record is damaged; returns ST_CORRUPT. */
enum status record_damaged(struct index *ix);

/* segment and offset: the key of `damage` */
static inline struct key damage_key(uint64_t segment_id, uint64_t offset)
{
    struct key k = stream_key(segment_id);

    key_put_u64(&k, offset);
    return k;
}

/* mdb_txn_commit(), as one step of base/io.h. */
int lmdb_commit(MDB_txn *txn);

/* The status for an error of LMDB, and its text behind `what`. */
enum status lmdb_status(int error, struct err *err, const char *what);

/* ---- look-ups that readers and the batch share; ST_NOT_FOUND without a text ---- */

MUST_CHECK enum status lookup(struct index *ix, MDB_txn *txn, enum index_database database,
                              struct key key, struct str *ret_value);
MUST_CHECK enum status lookup_tenant(struct index *ix, MDB_txn *txn, struct str name,
                                     uint32_t *ret_tenant);
MUST_CHECK enum status lookup_symbol(struct index *ix, MDB_txn *txn, struct str text,
                                     uint32_t *ret_symbol, uint8_t *ret_free_n);
MUST_CHECK enum status lookup_meta(struct index *ix, MDB_txn *txn, const char *name,
                                   uint64_t *ret_v);

struct stored_stream {
    uint32_t tenant;
    uint64_t flushed_seq;
    struct str labels; /* stored form */
};

MUST_CHECK enum status lookup_stream(struct index *ix, MDB_txn *txn, uint64_t stream_id,
                                     struct stored_stream *ret_stream);

/*
 * Find the stream of these labels (in stored form). When it is not there `*ret_free_n` is
 * the n its key would have.
 */
struct stream_wanted {
    uint32_t tenant;
    struct str labels;
};

MUST_CHECK enum status lookup_stream_id(struct index *ix, MDB_txn *txn,
                                        const struct stream_wanted *wanted, uint64_t *ret_stream_id,
                                        uint8_t *ret_free_n);

#endif
