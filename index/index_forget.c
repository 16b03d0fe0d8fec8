/*
 * Streams that have no chunks any more leave the index: their labels, their place among the streams
 * of their tenant, their postings, and pairs that no stream has any more. Symbols stay.
 *
 * Whether a stream has chunks is looked up day by day. So it costs two steps in a tree for each
 * stream and day, and is done in portions.
 */
#include "index/index.h"

#include "index/index_internal.h"

#include "base/banned.h"

enum { LABELS_BYTES_MAX = 1 << 30 }; /* of one stream, as they are decoded */

struct forgetting {
    struct index *index;
    MDB_txn *txn;
    MDB_cursor *chunks;
    MDB_cursor *postings;
    struct arena arena; /* of one stream */
};

static enum status status_of(int error)
{
    return error == 0 ? ST_OK : lmdb_status(error, NULL, "forget");
}

/* ---- chunks ---- */

/* ST_NOT_FOUND: the stream has none. */
static enum status find_chunk(struct forgetting *f, uint32_t tenant, uint64_t stream_id)
{
    struct key from = chunk_key(tenant, INT32_MIN, 0);

    for (;;) {
        MDB_val k = key_val(&from), v;
        int error = mdb_cursor_get(f->chunks, &k, &v, MDB_SET_RANGE);
        if (error != 0)
            return status_of(error);
        if (k.mv_size != CHUNK_KEY_BYTES)
            return ST_CORRUPT;
        const char *at = k.mv_data;
        if (be32(at) != tenant)
            return ST_NOT_FOUND;
        int32_t day = be_i32(at + sizeof(uint32_t));
        uint64_t found = be64(at + 2 * sizeof(uint32_t));
        if (found == stream_id)
            return ST_OK;
        if (found > stream_id && day == INT32_MAX)
            return ST_NOT_FOUND;
        from =
            found < stream_id ? chunk_key(tenant, day, stream_id) : chunk_key(tenant, day + 1, 0);
    }
}

/* ---- taking away ---- */

/*
 * The key of the stream among those of its tenant. ST_BUSY: another one has the same hash and is
 * found behind it only, so it has to stay.
 */
static enum status find_stream_key(struct forgetting *f, const struct stored_stream *s,
                                   uint64_t stream_id, struct key *ret_key)
{
    uint64_t hash = hash_keyed(&f->index->hash_key, s->labels), id;
    struct str value;

    for (unsigned n = 0; n <= UINT8_MAX; n++) {
        struct key key = hashed_key(&s->tenant, hash, (uint8_t)n);
        enum status st = lookup(f->index, f->txn, INDEX_STREAMS, key, &value);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_CORRUPT : st;
        if (!get_u64(&value, &id))
            return ST_CORRUPT;
        if (id != stream_id)
            continue;
        *ret_key = key;
        if (n == UINT8_MAX)
            return ST_OK;
        key = hashed_key(&s->tenant, hash, (uint8_t)(n + 1));
        st = lookup(f->index, f->txn, INDEX_STREAMS, key, &value);
        return st == ST_NOT_FOUND ? ST_OK : st == ST_OK ? ST_BUSY : st;
    }
    return ST_CORRUPT;
}

static int remove_key(struct forgetting *f, enum index_database database, struct key key)
{
    MDB_val k = key_val(&key);

    int error = mdb_del(f->txn, f->index->databases[database], &k, NULL);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* Take the stream off a list. `*ret_last`: it was the last one, and the list is gone. */
static int remove_posting(struct forgetting *f, struct key list, uint64_t stream_id, bool *ret_last)
{
    struct key id = stream_key(stream_id);
    MDB_val k = key_val(&list), v = key_val(&id);

    *ret_last = false;
    int error = mdb_cursor_get(f->postings, &k, &v, MDB_GET_BOTH_RANGE);
    if (error == MDB_NOTFOUND)
        return 0;
    if (error == 0 && (v.mv_size < id.len || memcmp(v.mv_data, id.bytes, id.len) != 0))
        return 0;
    if (error == 0)
        error = mdb_cursor_del(f->postings, 0);
    if (error != 0)
        return error;
    k = key_val(&list);
    error = mdb_cursor_get(f->postings, &k, &v, MDB_SET);
    *ret_last = error == MDB_NOTFOUND;
    return error == MDB_NOTFOUND ? 0 : error;
}

static enum status remove_pair(struct forgetting *f, uint32_t tenant, struct label label,
                               uint64_t stream_id)
{
    uint32_t name, value;
    bool last;

    enum status st = lookup_symbol(f->index, f->txn, label.name, &name, NULL);
    if (st == ST_OK)
        st = lookup_symbol(f->index, f->txn, label.value, &value, NULL);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_CORRUPT : st;
    struct key key = pair_key(tenant, name, value);
    int error = remove_posting(f, key, stream_id, &last);
    if (error == 0 && last)
        error = remove_key(f, INDEX_PAIRS, key);
    return status_of(error);
}

static enum status forget(struct forgetting *f, uint64_t stream_id, const struct stored_stream *s)
{
    struct labels labels;
    struct key stream;
    bool last;

    arena_reset(&f->arena);
    struct str text = arena_str(&f->arena, s->labels), rest = text;
    if (text.ptr == NULL)
        return ST_NOMEM;
    enum status st = find_stream_key(f, s, stream_id, &stream);
    if (st == ST_OK)
        st = labels_decode(&f->arena, &rest, &labels, NULL);
    if (st != ST_OK)
        return st;
    uint32_t tenant = s->tenant; /* what was looked up is not valid any more after a change */
    for (size_t i = 0; i < labels.count && st == ST_OK; i++)
        st = remove_pair(f, tenant, labels.pairs[i], stream_id);
    if (st != ST_OK)
        return st;
    int error = remove_posting(f, pair_key(tenant, 0, 0), stream_id, &last);
    if (error == 0)
        error = remove_key(f, INDEX_STREAMS, stream);
    if (error == 0)
        error = remove_key(f, INDEX_LABELS, stream_key(stream_id));
    return status_of(error);
}

/* ---- a portion ---- */

/* The first stream from `*stream_id` on. */
static enum status next_stream(struct forgetting *f, uint64_t *stream_id)
{
    struct key from = stream_key(*stream_id);
    MDB_val k = key_val(&from), v;
    MDB_cursor *cursor = NULL;

    int error = mdb_cursor_open(f->txn, f->index->databases[INDEX_LABELS], &cursor);
    if (error == 0)
        error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (error == 0 && k.mv_size == sizeof(uint64_t))
        *stream_id = be64(k.mv_data);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    return status_of(error);
}

static enum status look_at_stream(struct forgetting *f, struct index_forget *job)
{
    uint64_t stream_id = job->next_stream;
    struct stored_stream s;

    enum status st = next_stream(f, &stream_id);
    if (st == ST_OK)
        st = lookup_stream(f->index, f->txn, stream_id, &s);
    if (st != ST_OK)
        return st;
    job->next_stream = stream_id + 1;
    st = find_chunk(f, s.tenant, stream_id);
    if (st != ST_NOT_FOUND)
        return st;
    if (s.flushed_seq > job->seq_max) {
        job->kept++;
        return ST_OK;
    }
    st = forget(f, stream_id, &s);
    job->forgotten += st == ST_OK ? 1 : 0;
    return st == ST_BUSY ? ST_OK : st;
}

enum status index_forget_streams(struct index *ix, struct index_forget *job, struct err *err)
{
    struct forgetting f = {.index = ix};
    struct index_forget done = *job;
    enum status st;

    int error = mdb_txn_begin(ix->env, NULL, 0, &f.txn);
    if (error == 0)
        error = mdb_cursor_open(f.txn, ix->databases[INDEX_CHUNKS], &f.chunks);
    if (error == 0)
        error = mdb_cursor_open(f.txn, ix->databases[INDEX_POSTINGS], &f.postings);
    arena_init(&f.arena, LABELS_BYTES_MAX);
    st = status_of(error);
    for (size_t i = 0; i < job->streams_max && st == ST_OK; i++)
        st = look_at_stream(&f, &done);
    arena_release(&f.arena);
    if (f.postings != NULL)
        mdb_cursor_close(f.postings);
    if (f.chunks != NULL)
        mdb_cursor_close(f.chunks);
    bool at_end = st == ST_NOT_FOUND;
    if (st == ST_OK || at_end) {
        done.at_end = at_end;
        st = ST_OK;
    } else {
        err_set(err, st, "index: cannot forget streams without chunks: %s", status_text(st));
    }
    if (st == ST_OK && done.forgotten > job->forgotten) {
        error = lmdb_commit(f.txn);
        st = error == 0 ? ST_OK : lmdb_status(error, err, "commit");
    } else if (f.txn != NULL) {
        mdb_txn_abort(f.txn);
    }
    if (st == ST_OK)
        *job = done;
    return st;
}
