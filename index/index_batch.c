/*
 * A batch collects its puts in memory, database by database, sorts them by key and writes them in
 * one transaction: sorted puts touch each page once, where random ones copy a path of pages each.
 *
 * What the batch itself has added must be visible to its own look-ups (a label value new in this
 * batch has one symbol for all streams of it), so symbols, streams and label pairs are also kept in
 * maps. So are the keys made of hashes: two texts of one hash in one batch must get two keys.
 */
#include "index/index.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "index/index_internal.h"

#include "base/banned.h"

enum { BATCH_BYTES_MAX = 1 << 30 };

struct put {
    struct str key;
    struct str value; /* no bytes at all (`ptr` NULL): the key is taken away */
    size_t order;     /* of arrival: of two puts under one key the later one counts */
};

struct put_list {
    struct put *puts;
    size_t count;
    size_t capacity;
};

/* A label pair that the batch has met. */
struct batch_pair {
    uint32_t name;
    uint32_t value;
    int32_t first_day;
    int32_t last_day;
    bool changed;
    struct str key;
    struct label label;
};

struct batch_number {
    uint64_t v;
};

struct index_batch {
    struct index *index;
    MDB_txn *txn;
    struct arena arena;
    struct put_list lists[INDEX_DATABASE_COUNT];
    struct map tenants; /* name -> struct batch_number */
    struct map symbols; /* text -> struct batch_number */
    struct map streams; /* tenant and labels -> struct batch_number */
    struct map pairs;   /* key -> struct batch_pair */
    struct map hashes;  /* keys made of a hash that the batch puts -> the batch */
    uint64_t next_tenant;
    uint64_t next_symbol;
    uint64_t next_stream;
    struct index_counters counters;
};

/* ---- collecting puts ---- */

/* Add to a list what index_batch_commit() will write; it will see when there was no memory. */
static void add_put(struct index_batch *b, enum index_database database, struct str key,
                    struct str stored)
{
    struct put_list *list = &b->lists[database];

    struct put *puts =
        arena_reserve(&b->arena, list->puts, list->count, &list->capacity, sizeof(*list->puts));
    struct put p = {arena_str(&b->arena, key), stored, list->count};
    if (puts == NULL)
        return;
    list->puts = puts;
    if (!b->arena.failed)
        list->puts[list->count++] = p;
}

static void put(struct index_batch *b, enum index_database database, struct str key,
                struct str value)
{
    char *stored = arena_bytes(&b->arena, value.len + RECORD_CRC_BYTES);
    uint32_t crc = htole32(record_crc(key, value));

    if (stored == NULL)
        return;
    if (value.len > 0)
        memcpy(stored, value.ptr, value.len);
    memcpy(stored + value.len, &crc, sizeof(crc));
    add_put(b, database, key, str_make(stored, value.len + RECORD_CRC_BYTES));
}

/* Note that a key goes. Of a put and this, the put counts: removals sort first. */
static void put_removal(struct index_batch *b, enum index_database database, struct key key)
{
    add_put(b, database, str_make((const char *)key.bytes, key.len), STR_NULL);
}

static void put_value(struct index_batch *b, enum index_database database, struct str key,
                      const struct buf *value)
{
    if (value->failed)
        b->arena.failed = true;
    put(b, database, key, buf_str(value));
}

static struct str key_str(const struct key *k)
{
    return str_make((const char *)k->bytes, k->len);
}

static void put_key(struct index_batch *b, enum index_database database, struct key key,
                    const struct buf *value)
{
    put_value(b, database, key_str(&key), value);
}

/* Values are small but for labels. */
static void value_init(struct buf *value)
{
    buf_init(value, BATCH_BYTES_MAX);
}

/* Remember `v` under `key`, which is copied. */
static void map_number(struct index_batch *b, struct map *m, struct str key, uint64_t v)
{
    struct batch_number *n = arena_new(&b->arena, struct batch_number, 1);
    struct str copy = arena_str(&b->arena, key);

    if (n == NULL || copy.ptr == NULL)
        return;
    n->v = v;
    if (map_set(m, copy, n) != ST_OK)
        b->arena.failed = true;
}

enum status index_batch_begin(struct index *ix, struct index_batch **ret_batch, struct err *err)
{
    struct index_batch *b = mem_new(1, sizeof(*b));
    enum status st = ST_OK;

    if (b == NULL)
        return err_set(err, ST_NOMEM, "no memory for a batch");
    b->index = ix;
    arena_init(&b->arena, BATCH_BYTES_MAX);
    int error = mdb_txn_begin(ix->env, NULL, 0, &b->txn);
    if (error != 0)
        st = lmdb_status(error, err, "begin batch");

    const struct {
        const char *name;
        uint64_t *v;
    } rows[] = {
        {"next_tenant", &b->next_tenant},        {"next_symbol", &b->next_symbol},
        {"next_stream", &b->next_stream},        {"next_segment", &b->counters.next_segment},
        {"next_chunk", &b->counters.next_chunk}, {"seq", &b->counters.seq}};
    for (size_t i = 0; i < COUNT_OF(rows) && st == ST_OK; i++) {
        *rows[i].v = rows[i].v == &b->counters.seq ? 0 : 1;
        st = lookup_meta(ix, b->txn, rows[i].name, rows[i].v);
        if (st == ST_NOT_FOUND)
            st = ST_OK;
        else if (st != ST_OK)
            st = err_set(err, st, "index: cannot read %s", rows[i].name);
    }
    if (st != ST_OK) {
        index_batch_abort(b);
        return st;
    }
    *ret_batch = b;
    return ST_OK;
}

void index_batch_abort(struct index_batch *b)
{
    if (b == NULL)
        return;
    if (b->txn != NULL)
        mdb_txn_abort(b->txn);
    map_release(&b->tenants);
    map_release(&b->symbols);
    map_release(&b->streams);
    map_release(&b->pairs);
    map_release(&b->hashes);
    arena_release(&b->arena);
    mem_free(b);
}

/* ---- numbers for names ---- */

static enum status batch_tenant(struct index_batch *b, struct str name, uint32_t *ret_tenant)
{
    const struct batch_number *known = map_get(&b->tenants, name);
    struct buf value;

    if (known != NULL) {
        *ret_tenant = (uint32_t)known->v;
        return ST_OK;
    }
    enum status st = lookup_tenant(b->index, b->txn, name, ret_tenant);
    if (st == ST_NOT_FOUND) {
        *ret_tenant = (uint32_t)b->next_tenant++;
        value_init(&value);
        buf_put_u32(&value, *ret_tenant);
        put_value(b, INDEX_TENANTS, name, &value);
        buf_release(&value);
        st = ST_OK;
    }
    if (st == ST_OK)
        map_number(b, &b->tenants, name, *ret_tenant);
    return st;
}

/*
 * The key of a new text: `n` is free in the index, and the batch has not put that key either.
 * ST_LIMIT: there are too many texts of this hash.
 */
static enum status free_key(struct index_batch *b, const uint32_t *tenant, uint64_t hash,
                            unsigned n, struct key *ret_key)
{
    for (; n <= UINT8_MAX; n++) {
        struct key key = hashed_key(tenant, hash, (uint8_t)n);
        if (map_get(&b->hashes, key_str(&key)) != NULL)
            continue;
        struct str copy = arena_str(&b->arena, key_str(&key));
        if (copy.ptr == NULL)
            return ST_NOMEM;
        *ret_key = key;
        return map_set(&b->hashes, copy, b);
    }
    return ST_LIMIT;
}

static enum status batch_symbol(struct index_batch *b, struct str text, uint32_t *ret_symbol)
{
    const struct batch_number *known = map_get(&b->symbols, text);
    uint64_t hash = hash_keyed(&b->index->hash_key, text);
    struct buf value;
    struct key key;
    uint8_t n;

    if (known != NULL) {
        *ret_symbol = (uint32_t)known->v;
        return ST_OK;
    }
    enum status st = lookup_symbol(b->index, b->txn, text, ret_symbol, &n);
    if (st == ST_NOT_FOUND) {
        st = free_key(b, NULL, hash, n, &key);
        if (st != ST_OK)
            return st;
        *ret_symbol = (uint32_t)b->next_symbol++;
        value_init(&value);
        buf_put_u32(&value, *ret_symbol);
        buf_put(&value, text);
        put_key(b, INDEX_SYMBOLS, key, &value);
        buf_release(&value);
    }
    if (st == ST_OK)
        map_number(b, &b->symbols, text, *ret_symbol);
    return st;
}

static void add_posting(struct index_batch *b, struct key pair, uint64_t stream_id)
{
    struct key id = stream_key(stream_id);

    put(b, INDEX_POSTINGS, key_str(&pair), key_str(&id));
}

/* A stream that the index does not know, where `n` is free: give it a number and its postings. */
static enum status stream_create(struct index_batch *b, const struct stream_wanted *wanted,
                                 struct labels labels, uint8_t n, uint64_t *ret_stream_id)
{
    uint64_t hash = hash_keyed(&b->index->hash_key, wanted->labels), id = b->next_stream;
    struct buf value;
    struct key key;
    uint32_t name, text;

    enum status st = free_key(b, &wanted->tenant, hash, n, &key);
    if (st != ST_OK)
        return st;
    b->next_stream++;
    value_init(&value);
    buf_put_u64(&value, id);
    put_key(b, INDEX_STREAMS, key, &value);
    buf_release(&value);
    add_posting(b, pair_key(wanted->tenant, 0, 0), id);
    for (size_t i = 0; i < labels.count; i++) {
        st = batch_symbol(b, labels.pairs[i].name, &name);
        if (st == ST_OK)
            st = batch_symbol(b, labels.pairs[i].value, &text);
        if (st != ST_OK)
            return st;
        add_posting(b, pair_key(wanted->tenant, name, text), id);
    }
    *ret_stream_id = id;
    return ST_OK;
}

enum status index_batch_stream(struct index_batch *b, struct str tenant, struct labels labels,
                               uint64_t *ret_stream_id, struct err *err)
{
    struct stream_wanted wanted;
    struct buf key;
    uint8_t n;

    enum status st = batch_tenant(b, tenant, &wanted.tenant);
    if (st != ST_OK)
        return err_set(err, st, "index: cannot number tenant %.*s", STR_ARG(tenant));
    value_init(&key);
    buf_put_u32(&key, wanted.tenant);
    labels_encode(&key, labels);
    wanted.labels = str_cut(buf_str(&key), key.failed ? 0 : sizeof(uint32_t));
    const struct batch_number *known = map_get(&b->streams, buf_str(&key));
    if (known != NULL) {
        *ret_stream_id = known->v;
    } else if (key.failed) {
        st = ST_NOMEM;
    } else {
        st = lookup_stream_id(b->index, b->txn, &wanted, ret_stream_id, &n);
        if (st == ST_NOT_FOUND)
            st = stream_create(b, &wanted, labels, n, ret_stream_id);
        if (st == ST_OK)
            map_number(b, &b->streams, buf_str(&key), *ret_stream_id);
    }
    buf_release(&key);
    return st == ST_OK ? ST_OK : err_set(err, st, "index: cannot number a stream");
}

/* ---- flushes ---- */

/* Make the record of a label pair, with the days it has in the index. */
static enum status pair_create(struct index_batch *b, struct key key, struct label label,
                               struct batch_pair **ret_pair)
{
    struct batch_pair *pair = arena_new(&b->arena, struct batch_pair, 1);
    struct str copy = arena_str(&b->arena, key_str(&key)), stored;
    uint32_t first, last;

    if (pair == NULL || copy.ptr == NULL)
        return ST_NOMEM;
    *pair = (struct batch_pair){
        .first_day = INT32_MAX, .last_day = INT32_MIN, .key = copy, .label = label};
    enum status st = lookup(b->index, b->txn, INDEX_PAIRS, key, &stored);
    if (st == ST_OK) {
        if (!get_u32(&stored, &first) || !get_u32(&stored, &last))
            return ST_CORRUPT;
        pair->first_day = (int32_t)first;
        pair->last_day = (int32_t)last;
    } else if (st != ST_NOT_FOUND) {
        return st;
    }
    *ret_pair = pair;
    return map_set(&b->pairs, copy, pair);
}

/* The record of a label pair: from this batch, from the index, or new. */
static enum status batch_pair(struct index_batch *b, uint32_t tenant, struct label label,
                              struct batch_pair **ret_pair)
{
    uint32_t name, value;

    enum status st = batch_symbol(b, label.name, &name);
    if (st == ST_OK)
        st = batch_symbol(b, label.value, &value);
    if (st != ST_OK)
        return st;
    struct key key = pair_key(tenant, name, value);
    struct batch_pair *known = map_get(&b->pairs, key_str(&key));
    if (known == NULL)
        return pair_create(b, key, label, ret_pair);
    *ret_pair = known;
    return ST_OK;
}

enum status index_batch_flushed(struct index_batch *b, const struct stream_flush *f,
                                struct err *err)
{
    struct buf value;
    uint32_t tenant;

    enum status st = batch_tenant(b, f->tenant, &tenant);
    if (st != ST_OK)
        return err_set(err, st, "index: cannot number tenant %.*s", STR_ARG(f->tenant));
    value_init(&value);
    buf_put_u32(&value, tenant);
    buf_put_u64(&value, f->seq);
    labels_encode(&value, f->labels);
    put_key(b, INDEX_LABELS, stream_key(f->stream_id), &value);
    buf_release(&value);

    for (size_t i = 0; i < f->labels.count; i++) {
        struct batch_pair *pair = NULL;
        st = batch_pair(b, tenant, f->labels.pairs[i], &pair);
        if (st != ST_OK)
            return err_set(err, st, "index: cannot note a label pair: %s", status_text(st));
        if (f->first_day < pair->first_day || f->last_day > pair->last_day) {
            pair->first_day = MIN_OF(pair->first_day, f->first_day);
            pair->last_day = MAX_OF(pair->last_day, f->last_day);
            pair->changed = true;
        }
    }
    b->counters.seq = MAX_OF(b->counters.seq, f->seq);
    return ST_OK;
}

enum status index_batch_chunk(struct index_batch *b, struct str tenant, const struct chunk_ref *ref,
                              struct err *err)
{
    struct buf value;
    uint32_t tenant_id;

    enum status st = batch_tenant(b, tenant, &tenant_id);
    if (st != ST_OK)
        return err_set(err, st, "index: cannot number tenant %.*s", STR_ARG(tenant));
    struct key key = chunk_ref_key(tenant_id, ref);
    value_init(&value);
    buf_put_u64(&value, ref->segment_id);
    buf_put_u64(&value, ref->offset);
    buf_put_u32(&value, ref->head_bytes);
    buf_put_u32(&value, ref->chunk_bytes);
    buf_put_u64(&value, (uint64_t)ref->max_ns);
    buf_put_u32(&value, ref->entries);
    buf_put_u64(&value, ref->line_bytes);
    buf_put_u64(&value, ref->metadata_bytes);
    buf_put_u8(&value, ref->level);
    put_key(b, INDEX_CHUNKS, key, &value);
    buf_release(&value);
    b->counters.next_chunk = MAX_OF(b->counters.next_chunk, ref->chunk_id + 1);
    return ST_OK;
}

enum status index_batch_remove_chunk(struct index_batch *b, struct str tenant,
                                     const struct chunk_ref *ref, struct err *err)
{
    uint64_t segment_id, offset;
    uint32_t tenant_id;
    struct str value;

    enum status st = lookup_tenant(b->index, b->txn, tenant, &tenant_id);
    if (st == ST_OK)
        st = lookup(b->index, b->txn, INDEX_CHUNKS, chunk_ref_key(tenant_id, ref), &value);
    if (st == ST_OK && (!get_u64(&value, &segment_id) || !get_u64(&value, &offset) ||
                        segment_id != ref->segment_id || offset != ref->offset))
        st = ST_NOT_FOUND;
    if (st != ST_OK)
        return err_set(err, st, "index: a chunk that is to go is not there: %s", status_text(st));
    put_removal(b, INDEX_CHUNKS, chunk_ref_key(tenant_id, ref));
    return ST_OK;
}

enum status index_batch_segment(struct index_batch *b, const struct segment_ref *segment,
                                struct err *err)
{
    struct buf value;
    uint32_t tenant;

    enum status st = batch_tenant(b, segment->tenant, &tenant);
    if (st != ST_OK)
        return err_set(err, st, "index: cannot number tenant %.*s", STR_ARG(segment->tenant));
    value_init(&value);
    buf_put_u32(&value, tenant);
    buf_put_u32(&value, (uint32_t)segment->day);
    buf_put_u64(&value, segment->committed_bytes);
    buf_put_u8(&value, (uint8_t)segment->state);
    put_key(b, INDEX_SEGMENTS, stream_key(segment->id), &value);
    buf_release(&value);
    b->counters.next_segment = MAX_OF(b->counters.next_segment, segment->id + 1);
    return ST_OK;
}

enum status index_batch_damage(struct index_batch *b, const struct segment_damage *damage,
                               struct err *err)
{
    struct buf value;
    uint32_t tenant;

    enum status st = batch_tenant(b, damage->tenant, &tenant);
    if (st != ST_OK)
        return err_set(err, st, "index: cannot number tenant %.*s", STR_ARG(damage->tenant));
    value_init(&value);
    buf_put_u32(&value, tenant);
    buf_put_u32(&value, (uint32_t)damage->day);
    buf_put_u64(&value, damage->bytes);
    put_key(b, INDEX_DAMAGE, damage_key(damage->segment_id, damage->offset), &value);
    buf_release(&value);
    return ST_OK;
}

static void remove_damage(struct index_batch *b, uint64_t segment_id)
{
    struct key from = damage_key(segment_id, 0);
    MDB_cursor *cursor = NULL;
    MDB_val k = key_val(&from), v;

    int error = mdb_cursor_open(b->txn, b->index->databases[INDEX_DAMAGE], &cursor);
    if (error == 0)
        error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (error == 0 && k.mv_size == from.len && be64(k.mv_data) == segment_id) {
        put_removal(b, INDEX_DAMAGE,
                    damage_key(segment_id, be64((const char *)k.mv_data + sizeof(uint64_t))));
        error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
}

void index_batch_remove_segment(struct index_batch *b, uint64_t id)
{
    put_removal(b, INDEX_SEGMENTS, stream_key(id));
    remove_damage(b, id);
}

uint64_t index_batch_number(const struct index_batch *b)
{
    return mdb_txn_id(b->txn);
}

void index_batch_counters(struct index_batch *b, struct index_counters counters)
{
    b->counters.next_segment = MAX_OF(b->counters.next_segment, counters.next_segment);
    b->counters.next_chunk = MAX_OF(b->counters.next_chunk, counters.next_chunk);
    b->counters.seq = MAX_OF(b->counters.seq, counters.seq);
}

/* ---- commit ---- */

static void put_changed_pairs(struct index_batch *b)
{
    struct buf value;
    size_t cursor = 0;

    value_init(&value);
    for (const struct batch_pair *p = map_next(&b->pairs, &cursor); p != NULL;
         p = map_next(&b->pairs, &cursor)) {
        if (!p->changed)
            continue;
        buf_reset(&value);
        buf_put_u32(&value, (uint32_t)p->first_day);
        buf_put_u32(&value, (uint32_t)p->last_day);
        buf_put_str(&value, p->label.name);
        buf_put_str(&value, p->label.value);
        put_value(b, INDEX_PAIRS, p->key, &value);
    }
    buf_release(&value);
}

static void put_meta(struct index_batch *b, const char *name, uint64_t v)
{
    struct buf value;

    value_init(&value);
    buf_put_u64(&value, v);
    put_value(b, INDEX_META, str_from(name), &value);
    buf_release(&value);
}

static int compare_puts(const void *a, const void *b)
{
    const struct put *x = a, *y = b;
    int order = str_cmp(x->key, y->key);

    if (order == 0) /* removals first */
        order = (x->value.ptr != NULL) - (y->value.ptr != NULL);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* Take a key away; one that is gone already is fine. */
static int remove_key(MDB_cursor *cursor, struct str key)
{
    MDB_val k = val_of(key), v;

    int error = mdb_cursor_get(cursor, &k, &v, MDB_SET);
    if (error == 0)
        error = mdb_cursor_del(cursor, 0);
    return error == MDB_NOTFOUND ? 0 : error;
}

static enum status write_list(struct index_batch *b, enum index_database database, struct err *err)
{
    struct put_list *list = &b->lists[database];
    MDB_cursor *cursor = NULL;

    if (list->count == 0)
        return ST_OK;
    qsort(list->puts, list->count, sizeof(*list->puts), compare_puts);
    int error = mdb_cursor_open(b->txn, b->index->databases[database], &cursor);
    for (size_t i = 0; i < list->count && error == 0; i++) {
        MDB_val key = val_of(list->puts[i].key), value = val_of(list->puts[i].value);
        error = value.mv_data == NULL ? remove_key(cursor, list->puts[i].key)
                                      : mdb_cursor_put(cursor, &key, &value, 0);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    return error == 0 ? ST_OK : lmdb_status(error, err, "write batch");
}

enum status index_batch_commit(struct index_batch *b, struct err *err)
{
    put_changed_pairs(b);
    put_meta(b, "next_tenant", b->next_tenant);
    put_meta(b, "next_symbol", b->next_symbol);
    put_meta(b, "next_stream", b->next_stream);
    put_meta(b, "next_segment", b->counters.next_segment);
    put_meta(b, "next_chunk", b->counters.next_chunk);
    put_meta(b, "seq", b->counters.seq);

    enum status st =
        b->arena.failed ? err_set(err, ST_NOMEM, "index: the batch is too large") : ST_OK;
    for (size_t i = 0; i < INDEX_DATABASE_COUNT && st == ST_OK; i++)
        st = write_list(b, (enum index_database)i, err);
    if (st == ST_OK) {
        int error = lmdb_commit(b->txn);
        b->txn = NULL; /* gone either way */
        if (error != 0)
            st = lmdb_status(error, err, "commit");
    }
    index_batch_abort(b);
    return st;
}
