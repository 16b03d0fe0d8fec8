/*
 * Selecting streams: a matcher that refuses the empty string wants streams that have one of its
 * values (their postings are united), one that accepts it forbids streams that have one of the
 * other values (united likewise and taken away). So only values of labels that matchers name are
 * ever looked at.
 */
#include "index/index.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "index/index_internal.h"

#include "base/banned.h"

enum status index_read_begin(struct index *ix, struct arena *a, struct index_read **ret_read,
                             struct err *err)
{
    struct index_read *r = mem_new(1, sizeof(*r));

    if (r == NULL)
        return err_set(err, ST_NOMEM, "no memory for a read of the index");
    r->index = ix;
    r->arena = a;
    int error = mdb_txn_begin(ix->env, NULL, MDB_RDONLY, &r->txn);
    if (error != 0) {
        mem_free(r);
        return lmdb_status(error, err, "begin read");
    }
    *ret_read = r;
    return ST_OK;
}

void index_read_end(struct index_read *r)
{
    if (r == NULL)
        return;
    mdb_txn_abort(r->txn);
    mem_free(r->tenants);
    mem_free(r);
}

void index_read_watch(struct index_read *r, index_check_fn *check, void *context)
{
    r->check = check;
    r->check_context = context;
}

static enum status check_read(struct index_read *r)
{
    enum { CHECK_STEPS = 64 };

    if (r->check == NULL || r->steps++ % CHECK_STEPS != 0)
        return ST_OK;
    return r->check(r->check_context);
}

/* The number at the end of a line of mdb_reader_list(): "PID THREAD NUMBER"; idle ones have "-". */
static int see_reader(const char *line, void *context)
{
    uint64_t *least = context, number;
    struct str rest = str_trim(str_from(line));
    struct str word = STR("");

    while (str_split(&rest, ' ', &word))
        continue;
    if (num_parse_u64(word, &number) == ST_OK)
        *least = MIN_OF(*least, number);
    return 0;
}

bool index_reads_have(struct index *ix, uint64_t batch_number)
{
    uint64_t least = UINT64_MAX;
    int dead = 0;

    (void)mdb_reader_check(ix->env, &dead); /* a process that was killed left its reads behind */
    (void)mdb_reader_list(ix->env, see_reader, &least);
    return least >= batch_number;
}

static enum status cursor_open(struct index_read *r, enum index_database database,
                               MDB_cursor **ret_cursor, struct err *err)
{
    int error = mdb_cursor_open(r->txn, r->index->databases[database], ret_cursor);

    return error == 0 ? ST_OK : lmdb_status(error, err, "open cursor");
}

/* ---- streams ---- */

/* Stream ids as they are collected from several posting lists. */
struct id_list {
    struct arena *arena;
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

/* Append a page of posting ids as LMDB stores them. */
static enum status add_page(struct index *ix, struct id_list *list, uint32_t key_crc, MDB_val page)
{
    const char *p = page.mv_data;
    uint32_t crc;

    for (size_t i = 0; i + POSTING_BYTES <= page.mv_size; i += POSTING_BYTES) {
        memcpy(&crc, p + i + sizeof(uint64_t), sizeof(crc));
        if (le32toh(crc) != crc32c(key_crc, str_make(p + i, sizeof(uint64_t))))
            return record_damaged(ix);
        list->ids =
            arena_reserve(list->arena, list->ids, list->count, &list->capacity, sizeof(uint64_t));
        if (list->ids == NULL)
            return ST_LIMIT;
        list->ids[list->count++] = be64(p + i);
    }
    return ST_OK;
}

/* Append the streams that have the pair. None is fine. */
static enum status add_postings(struct index_read *r, struct key key, struct id_list *list,
                                struct err *err)
{
    uint32_t key_crc = crc32c(0, str_of(key_val(&key)));
    MDB_cursor *cursor = NULL;
    MDB_val k = key_val(&key), v;

    enum status st = cursor_open(r, INDEX_POSTINGS, &cursor, err);
    if (st != ST_OK)
        return st;
    int error = mdb_cursor_get(cursor, &k, &v, MDB_SET);
    if (error == 0)
        error = mdb_cursor_get(cursor, &k, &v, MDB_GET_MULTIPLE);
    while (error == 0 && st == ST_OK) {
        st = check_read(r);
        if (st == ST_OK)
            st = add_page(r->index, list, key_crc, v);
        error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT_MULTIPLE);
    }
    if (st == ST_CORRUPT)
        err_set(err, st, "index: a posting is damaged");
    else if (list->arena->failed)
        st = arena_status(list->arena, err);
    else if (st == ST_OK && error != MDB_NOTFOUND)
        st = lmdb_status(error, err, "postings");
    mdb_cursor_close(cursor);
    return st;
}

/* A record of `pairs`. */
struct pair {
    uint32_t name_symbol;
    uint32_t value_symbol;
    int32_t first_day;
    int32_t last_day;
    struct str name;
    struct str value;
};

static bool pair_parse(MDB_val k, struct str in, struct pair *ret_pair)
{
    uint32_t first, last;

    if (k.mv_size != 3 * sizeof(uint32_t) || !get_u32(&in, &first) || !get_u32(&in, &last) ||
        !get_str(&in, &ret_pair->name) || !get_str(&in, &ret_pair->value))
        return false;
    ret_pair->name_symbol = be32((const char *)k.mv_data + sizeof(uint32_t));
    if (ret_pair->name_symbol == UINT32_MAX) /* never given: a walk goes on with the next one */
        return false;
    ret_pair->value_symbol = be32((const char *)k.mv_data + 2 * sizeof(uint32_t));
    ret_pair->first_day = (int32_t)first;
    ret_pair->last_day = (int32_t)last;
    return true;
}

/* A walk through the pairs of a tenant, or of one of its labels (`name` not 0). */
struct pair_walk {
    struct index *index;
    MDB_cursor *cursor;
    uint32_t tenant;
    uint32_t name;
    uint32_t from_name; /* where it goes on, */
    bool started;       /* unless that is behind the pair it is at */
};

/* Step to the next pair. ST_NOT_FOUND at the end. */
static enum status pair_next(struct pair_walk *w, struct pair *ret_pair)
{
    struct key from = pair_key(w->tenant, w->from_name, 0);
    struct key all = pair_key(w->tenant, w->name, 0);
    MDB_val k = key_val(&from), v;
    struct str value;
    size_t prefix = w->name == 0 ? sizeof(uint32_t) : 2 * sizeof(uint32_t);

    int error = mdb_cursor_get(w->cursor, &k, &v, w->started ? MDB_NEXT : MDB_SET_RANGE);
    w->started = true;
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "pairs");
    if (k.mv_size < prefix || memcmp(k.mv_data, all.bytes, prefix) != 0)
        return ST_NOT_FOUND;
    enum status st = record_open(w->index, k, v, &value);
    if (st == ST_OK && !pair_parse(k, value, ret_pair))
        st = ST_CORRUPT;
    return st;
}

/* The values of a label (by its symbol) which the matcher accepts, or those it refuses. */
struct value_choice {
    uint32_t tenant;
    uint32_t name;
    const struct matcher *matcher;
    bool accepted;
};

/* Append the streams that have one of these values. */
static enum status add_values(struct index_read *r, const struct value_choice *choice,
                              struct id_list *list)
{
    struct pair_walk walk = {.index = r->index,
                             .tenant = choice->tenant,
                             .name = choice->name,
                             .from_name = choice->name};
    struct pair pair;

    enum status st = cursor_open(r, INDEX_PAIRS, &walk.cursor, NULL);
    if (st != ST_OK)
        return st;
    for (;;) {
        st = pair_next(&walk, &pair);
        if (st != ST_OK)
            break;
        st = check_read(r);
        if (st != ST_OK)
            break;
        if (matcher_accepts(choice->matcher, pair.value) != choice->accepted)
            continue;
        st = add_postings(r, pair_key(choice->tenant, choice->name, pair.value_symbol), list, NULL);
        if (st != ST_OK)
            break;
    }
    mdb_cursor_close(walk.cursor);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Append the streams that have this value of a label (by its symbol). */
static enum status add_value(struct index_read *r, const struct value_choice *choice,
                             struct str text, struct id_list *list)
{
    uint32_t value;

    enum status st = lookup_symbol(r->index, r->txn, text, &value, NULL);
    if (st == ST_OK)
        st = add_postings(r, pair_key(choice->tenant, choice->name, value), list, NULL);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/*
 * The streams that a matcher wants (`wanted`), or those it forbids. Values that are known are
 * looked up, other conditions go through the values of the label.
 */
static enum status matcher_postings(struct index_read *r, uint32_t tenant, const struct matcher *m,
                                    bool wanted, struct id_list *list)
{
    struct value_choice choice = {.tenant = tenant, .matcher = m, .accepted = wanted};
    struct matcher_values values = {.items = &m->value, .count = 1};
    bool known = wanted ? matcher_values(r->arena, m, &values) : m->op == MATCH_NEQ;

    enum status st = lookup_symbol(r->index, r->txn, m->name, &choice.name, NULL);
    if (st == ST_OK && !known)
        st = add_values(r, &choice, list);
    for (size_t i = 0; i < values.count && known && st == ST_OK; i++)
        st = add_value(r, &choice, values.items[i], list);
    return st == ST_NOT_FOUND ? ST_OK : st; /* a label that nobody has */
}

/* Narrow `*streams` by one matcher; as long as it has no array it stands for every stream. */
static enum status apply_matcher(struct index_read *r, uint32_t tenant, const struct matcher *m,
                                 struct postings *streams)
{
    struct id_list list = {.arena = r->arena};
    bool wanted = !matcher_accepts(m, STR(""));

    enum status st = matcher_postings(r, tenant, m, wanted, &list);
    if (st != ST_OK)
        return st;
    struct postings found = {list.ids, list.count};
    postings_sort(&found);
    if (wanted && streams->ids == NULL)
        *streams = found;
    else if (wanted)
        postings_intersect(streams, found);
    else
        postings_subtract(streams, found);
    if (streams->ids == NULL)
        streams->ids = arena_new(r->arena, uint64_t, 1); /* nothing, but no longer everything */
    return ST_OK;
}

enum status index_match(struct index_read *r, struct str tenant, struct matcher_list matchers,
                        struct postings *ret_streams, struct err *err)
{
    struct postings streams = {0};
    uint32_t tenant_id;

    enum status st = lookup_tenant(r->index, r->txn, tenant, &tenant_id);
    if (st == ST_NOT_FOUND) {
        *ret_streams = streams;
        return ST_OK;
    }

    /* First what is wanted, which gives a set to start with; then what is forbidden. */
    for (size_t i = 0; i < matchers.count && st == ST_OK; i++) {
        if (!matcher_accepts(&matchers.items[i], STR("")))
            st = apply_matcher(r, tenant_id, &matchers.items[i], &streams);
    }
    if (st == ST_OK && streams.ids == NULL) {
        struct id_list all = {.arena = r->arena};
        st = add_postings(r, pair_key(tenant_id, 0, 0), &all, err);
        streams = (struct postings){all.ids, all.count};
    }
    for (size_t i = 0; i < matchers.count && st == ST_OK; i++) {
        if (streams.count > 0 && matcher_accepts(&matchers.items[i], STR("")))
            st = apply_matcher(r, tenant_id, &matchers.items[i], &streams);
    }
    if (st == ST_OK)
        *ret_streams = streams;
    else if (r->arena->failed)
        st = arena_status(r->arena, err);
    else
        st = err_set(err, st, "index: cannot select streams: %s", status_text(st));
    return st;
}

enum status index_stream(struct index_read *r, uint64_t stream_id, struct labels *ret_labels,
                         uint64_t *ret_flushed_seq)
{
    struct stored_stream s;

    enum status st = lookup_stream(r->index, r->txn, stream_id, &s);
    if (st == ST_OK)
        st = labels_decode(r->arena, &s.labels, ret_labels, NULL);
    if (st == ST_OK && ret_flushed_seq != NULL)
        *ret_flushed_seq = s.flushed_seq;
    return st;
}

enum status index_find_stream(struct index_read *r, struct str tenant, struct labels labels,
                              uint64_t *ret_stream_id, uint64_t *ret_flushed_seq)
{
    enum { LABELS_BYTES_MAX = 64 * 1024 * 1024 };
    struct stream_wanted wanted;
    struct stored_stream stored;
    uint64_t id;
    struct buf b;

    enum status st = lookup_tenant(r->index, r->txn, tenant, &wanted.tenant);
    if (st != ST_OK)
        return st;
    buf_init(&b, LABELS_BYTES_MAX);
    labels_encode(&b, labels);
    wanted.labels = buf_str(&b);
    st = buf_status(&b, NULL);
    if (st == ST_OK)
        st = lookup_stream_id(r->index, r->txn, &wanted, &id, NULL);
    buf_release(&b);
    if (st == ST_OK)
        st = lookup_stream(r->index, r->txn, id, &stored);
    if (st != ST_OK)
        return st;
    *ret_stream_id = id;
    *ret_flushed_seq = stored.flushed_seq;
    return ST_OK;
}

/* ---- chunks ---- */

enum status index_nearest_day(struct index_read *r, struct str tenant, int32_t day, bool backward,
                              int32_t *ret_day)
{
    MDB_cursor *cursor = NULL;
    uint32_t tenant_id;

    enum status st = lookup_tenant(r->index, r->txn, tenant, &tenant_id);
    if (st == ST_OK)
        st = cursor_open(r, INDEX_CHUNKS, &cursor, NULL);
    if (st != ST_OK)
        return st;

    /* Backward: the last key before the first one of the next day. */
    struct key key = chunk_key(tenant_id, day, 0);
    if (backward) {
        key = (struct key){.len = 0};
        key_put_u32(&key, tenant_id);
        key_put_i32(&key, day);
        key_put_u64(&key, UINT64_MAX);
        key_put_u64(&key, UINT64_MAX);
        key_put_u64(&key, UINT64_MAX);
    }
    MDB_val k = key_val(&key), v;
    struct str value;
    int error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (backward)
        error = mdb_cursor_get(cursor, &k, &v, error == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    if (error != 0)
        st = error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "chunks");
    else if (record_open(r->index, k, v, &value) != ST_OK || k.mv_size != CHUNK_KEY_BYTES)
        st = ST_CORRUPT;
    else if (be32(k.mv_data) != tenant_id)
        st = ST_NOT_FOUND;
    else
        *ret_day = be_i32((const char *)k.mv_data + sizeof(uint32_t));
    mdb_cursor_close(cursor);
    return st;
}

static enum status chunk_parse(struct index *ix, MDB_val k, MDB_val v, struct chunk_ref *ret_ref)
{
    struct chunk_ref c;
    const char *key = k.mv_data;
    struct str in;
    uint64_t max_ns;

    enum status st = record_open(ix, k, v, &in);
    if (st != ST_OK)
        return st;
    if (k.mv_size != CHUNK_KEY_BYTES || !get_u64(&in, &c.segment_id) || !get_u64(&in, &c.offset) ||
        !get_u32(&in, &c.head_bytes) || !get_u32(&in, &c.chunk_bytes) || !get_u64(&in, &max_ns) ||
        !get_u32(&in, &c.entries) || !get_u64(&in, &c.line_bytes) ||
        !get_u64(&in, &c.metadata_bytes) || !get_u8(&in, &c.level))
        return ST_CORRUPT;
    c.day = be_i32(key + 4);
    c.stream_id = be64(key + 8);
    c.min_ns = be_i64(key + 16);
    c.chunk_id = be64(key + 24);
    c.max_ns = (int64_t)max_ns;
    *ret_ref = c;
    return ST_OK;
}

/* State of a walk through the chunks of one day, beside the streams that are wanted. */
struct chunk_walk {
    struct index *index;
    MDB_cursor *cursor;
    uint32_t tenant;
    const struct chunk_range *range;
    struct postings streams;
    size_t at; /* among the streams */
};

/* Step to the next chunk of a wanted stream. ST_NOT_FOUND at the end. */
static enum status walk_next(struct chunk_walk *w, MDB_cursor_op op, struct chunk_ref *ret_ref)
{
    for (;;) {
        struct key key = chunk_key(w->tenant, w->range->day, w->streams.ids[w->at]);
        MDB_val k = key_val(&key), v;
        int error = mdb_cursor_get(w->cursor, &k, &v, op);
        if (error != 0)
            return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "chunks");
        enum status st = chunk_parse(w->index, k, v, ret_ref);
        if (st != ST_OK)
            return st;
        if (memcmp(k.mv_data, key.bytes, 2 * sizeof(uint32_t)) != 0)
            return ST_NOT_FOUND; /* another day or tenant */

        /* Leapfrog: whoever is behind jumps to where the other one stands. */
        w->at = postings_seek(w->streams, w->at, ret_ref->stream_id);
        if (w->at == w->streams.count)
            return ST_NOT_FOUND;
        if (w->streams.ids[w->at] == ret_ref->stream_id)
            return ST_OK;
        op = MDB_SET_RANGE;
    }
}

enum status index_chunks(struct index_read *r, const struct chunk_range *range,
                         struct postings streams, struct chunk_ref_list *ret_list, struct err *err)
{
    struct chunk_walk walk = {.index = r->index, .range = range, .streams = streams};
    struct chunk_ref_list list = {0};
    size_t capacity = 0;
    struct chunk_ref ref;

    enum status st = lookup_tenant(r->index, r->txn, range->tenant, &walk.tenant);
    if (st == ST_NOT_FOUND || (st == ST_OK && streams.count == 0)) {
        *ret_list = list;
        return ST_OK;
    }
    if (st == ST_OK)
        st = cursor_open(r, INDEX_CHUNKS, &walk.cursor, err);
    if (st != ST_OK)
        return st;
    for (st = walk_next(&walk, MDB_SET_RANGE, &ref); st == ST_OK;
         st = walk_next(&walk, MDB_NEXT, &ref)) {
        st = check_read(r);
        if (st != ST_OK)
            break;
        if (ref.min_ns > range->end_ns || ref.max_ns < range->start_ns)
            continue;
        list.refs = arena_reserve(r->arena, list.refs, list.count, &capacity, sizeof(ref));
        if (list.refs == NULL)
            break;
        list.refs[list.count++] = ref;
    }
    mdb_cursor_close(walk.cursor);
    if (r->arena->failed)
        return arena_status(r->arena, err);
    if (st != ST_NOT_FOUND)
        return err_set(err, st, "index: cannot read chunk references: %s", status_text(st));
    *ret_list = list;
    return ST_OK;
}

enum status index_walk_day(struct index_read *r, const struct day_walk *walk)
{
    MDB_cursor *cursor = NULL;
    struct chunk_ref ref;
    uint32_t tenant;

    enum status st = lookup_tenant(r->index, r->txn, walk->tenant, &tenant);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK)
        st = cursor_open(r, INDEX_CHUNKS, &cursor, NULL);
    if (st != ST_OK)
        return st;
    struct key from = chunk_key(tenant, walk->day, walk->stream_id);
    MDB_val k = key_val(&from), v;
    int error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    for (; error == 0 && st == ST_OK; error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        st = chunk_parse(r->index, k, v, &ref);
        if (st == ST_OK && (be32(k.mv_data) != tenant || ref.day != walk->day))
            break;
        if (st == ST_OK)
            st = walk->visit(walk->context, &ref);
    }
    mdb_cursor_close(cursor);
    if (st != ST_OK || error == 0 || error == MDB_NOTFOUND)
        return st;
    return lmdb_status(error, NULL, "chunks");
}

/* ---- labels ---- */

enum status index_pairs(struct index_read *r, const struct pair_range *range, index_pair_fn *visit,
                        void *context)
{
    struct pair_walk walk = {.index = r->index};
    enum status visited = ST_OK;
    struct pair pair;

    enum status st = lookup_tenant(r->index, r->txn, range->tenant, &walk.tenant);
    if (st == ST_OK && range->name.len > 0)
        st = lookup_symbol(r->index, r->txn, range->name, &walk.name, NULL);
    walk.from_name = walk.name;
    if (st == ST_OK)
        st = cursor_open(r, INDEX_PAIRS, &walk.cursor, NULL);
    while (st == ST_OK && visited == ST_OK) {
        st = pair_next(&walk, &pair);
        if (st != ST_OK || pair.first_day > range->last_day || pair.last_day < range->first_day)
            continue;
        visited = visit(context, pair.name, pair.value);
        if (range->names_only) {
            walk.from_name = pair.name_symbol + 1;
            walk.started = false;
        }
    }
    if (walk.cursor != NULL)
        mdb_cursor_close(walk.cursor);
    if (visited != ST_OK)
        return visited;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- segments ---- */

static int compare_tenants(const void *a, const void *b)
{
    const struct tenant_name *x = a, *y = b;

    return (x->tenant > y->tenant) - (x->tenant < y->tenant);
}

static enum status add_tenant(struct index_read *r, MDB_val k, MDB_val v, size_t *capacity)
{
    struct tenant_name t = {.name = str_of(k)};
    struct str in;

    if (record_open(r->index, k, v, &in) != ST_OK || !get_u32(&in, &t.tenant))
        return ST_OK; /* who asks for it finds that it is missing */
    if (r->tenant_count == *capacity) {
        size_t more = *capacity == 0 ? 16 : *capacity * 2;
        struct tenant_name *wider = mem_grow(r->tenants, more, sizeof(*wider));
        if (wider == NULL)
            return ST_NOMEM;
        r->tenants = wider;
        *capacity = more;
    }
    r->tenants[r->tenant_count++] = t;
    return ST_OK;
}

/* Who lists segments asks for a name with each of them. */
static enum status load_tenants(struct index_read *r)
{
    MDB_cursor *cursor = NULL;
    size_t capacity = 0;
    MDB_val k, v;

    r->tenant_count = 0;
    enum status st = cursor_open(r, INDEX_TENANTS, &cursor, NULL);
    if (st != ST_OK)
        return st;
    int error = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
    for (; error == 0 && st == ST_OK; error = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
        st = add_tenant(r, k, v, &capacity);
    mdb_cursor_close(cursor);
    if (st == ST_OK && r->tenant_count > 0)
        qsort(r->tenants, r->tenant_count, sizeof(*r->tenants), compare_tenants);
    if (st != ST_OK) {
        mem_free(r->tenants);
        r->tenants = NULL;
    }
    return st;
}

/* The name of a tenant by its number. */
static enum status tenant_name(struct index_read *r, uint32_t tenant, struct str *ret_name)
{
    const struct tenant_name key = {.tenant = tenant};
    enum status st = r->tenants == NULL ? load_tenants(r) : ST_OK;

    if (st != ST_OK)
        return st;
    const struct tenant_name *found =
        r->tenants == NULL
            ? NULL
            : bsearch(&key, r->tenants, r->tenant_count, sizeof(key), compare_tenants);
    if (found == NULL)
        return ST_CORRUPT;
    *ret_name = found->name;
    return ST_OK;
}

enum status index_next_segment(struct index_read *r, uint64_t *cursor,
                               struct segment_ref *ret_segment)
{
    MDB_cursor *c = NULL;
    struct key from = stream_key(*cursor);
    MDB_val k = key_val(&from), v;
    uint32_t tenant, day;
    struct segment_ref s;
    struct str in;
    uint8_t state;

    enum status st = cursor_open(r, INDEX_SEGMENTS, &c, NULL);
    if (st != ST_OK)
        return st;
    int error = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    mdb_cursor_close(c);
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "segments");
    st = record_open(r->index, k, v, &in);
    if (st != ST_OK)
        return st;
    if (k.mv_size != sizeof(uint64_t) || !get_u32(&in, &tenant) || !get_u32(&in, &day) ||
        !get_u64(&in, &s.committed_bytes) || !get_u8(&in, &state) || state > SEGMENT_DEAD)
        return ST_CORRUPT;
    s.id = be64(k.mv_data);
    if (s.id == UINT64_MAX) /* never given: the walk goes on with the next one */
        return ST_CORRUPT;
    s.day = (int32_t)day;
    s.state = (enum segment_state)state;
    st = tenant_name(r, tenant, &s.tenant);
    if (st != ST_OK)
        return st;
    *ret_segment = s;
    *cursor = s.id + 1;
    return ST_OK;
}

/* ---- damage ---- */

static enum status damage_parse(struct index_read *r, MDB_val k, MDB_val v,
                                struct segment_damage *ret_damage)
{
    uint32_t tenant, day;
    struct str in;

    enum status st = record_open(r->index, k, v, &in);
    if (st != ST_OK)
        return st;
    if (k.mv_size != 2 * sizeof(uint64_t) || !get_u32(&in, &tenant) || !get_u32(&in, &day) ||
        !get_u64(&in, &ret_damage->bytes))
        return ST_CORRUPT;
    ret_damage->segment_id = be64(k.mv_data);
    ret_damage->offset = be64((const char *)k.mv_data + sizeof(uint64_t));
    if (ret_damage->offset == UINT64_MAX) /* no file is so long: the walk goes on behind it */
        return ST_CORRUPT;
    ret_damage->day = (int32_t)day;
    return tenant_name(r, tenant, &ret_damage->tenant);
}

enum status index_next_damage(struct index_read *r, struct damage_cursor *cursor,
                              struct segment_damage *ret_damage)
{
    struct key from = damage_key(cursor->segment_id, cursor->offset);
    MDB_cursor *c = NULL;
    MDB_val k = key_val(&from), v;

    enum status st = cursor_open(r, INDEX_DAMAGE, &c, NULL);
    if (st != ST_OK)
        return st;
    int error = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    mdb_cursor_close(c);
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "damage");
    st = damage_parse(r, k, v, ret_damage);
    if (st == ST_OK)
        *cursor = (struct damage_cursor){ret_damage->segment_id, ret_damage->offset + 1};
    return st;
}

/* ---- every chunk ---- */

_Static_assert(CHUNK_KEY_BYTES <= sizeof(((struct chunk_cursor *)NULL)->key), "a key fits");

/* Step to the record behind the cursor. */
static int step_chunk(MDB_cursor *c, const struct chunk_cursor *from, MDB_val *k, MDB_val *v)
{
    if (from->key_bytes == 0)
        return mdb_cursor_get(c, k, v, MDB_FIRST);
    *k = val_of(str_make(from->key, from->key_bytes));
    int error = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
    if (error == 0 && str_eq(str_of(*k), str_make(from->key, from->key_bytes)))
        error = mdb_cursor_get(c, k, v, MDB_NEXT);
    return error;
}

enum status index_next_chunk(struct index_read *r, struct chunk_cursor *cursor,
                             struct chunk_ref *ret_ref, struct str *ret_tenant)
{
    MDB_cursor *c = NULL;
    struct chunk_ref ref;
    MDB_val k, v;

    enum status st = cursor_open(r, INDEX_CHUNKS, &c, NULL);
    if (st != ST_OK)
        return st;
    int error = step_chunk(c, cursor, &k, &v);
    mdb_cursor_close(c);
    if (error != 0)
        return error == MDB_NOTFOUND ? ST_NOT_FOUND : lmdb_status(error, NULL, "chunks");
    st = chunk_parse(r->index, k, v, &ref);
    if (st != ST_OK)
        return st;
    st = tenant_name(r, be32(k.mv_data), ret_tenant);
    if (st != ST_OK)
        return st;
    memcpy(cursor->key, k.mv_data, k.mv_size);
    cursor->key_bytes = k.mv_size;
    *ret_ref = ref;
    return ST_OK;
}

/* ---- can a stream be found? ---- */

/* Is the stream in the posting list of the pair? */
static bool has_posting(MDB_cursor *c, struct key pair, uint64_t stream_id)
{
    struct key id = stream_key(stream_id); /* the form of a posting is that of the key */
    uint32_t crc = htole32(record_crc(str_of(key_val(&pair)), str_of(key_val(&id))));

    key_put(&id, &crc, sizeof(crc));
    MDB_val k = key_val(&pair), v = key_val(&id);

    return mdb_cursor_get(c, &k, &v, MDB_GET_BOTH) == 0;
}

/* Is the label pair known, with a posting of the stream, on the day? */
static bool check_pair(struct index_read *r, MDB_cursor *c, uint32_t tenant,
                       const struct stream_claim *claim, const struct label *label)
{
    uint32_t name, value;
    struct str record;
    struct pair pair;

    if (lookup_symbol(r->index, r->txn, label->name, &name, NULL) != ST_OK ||
        lookup_symbol(r->index, r->txn, label->value, &value, NULL) != ST_OK)
        return false;
    struct key key = pair_key(tenant, name, value);
    return has_posting(c, key, claim->stream_id) &&
           lookup(r->index, r->txn, INDEX_PAIRS, key, &record) == ST_OK &&
           pair_parse(key_val(&key), record, &pair) && str_eq(pair.name, label->name) &&
           str_eq(pair.value, label->value) && pair.first_day <= claim->day &&
           pair.last_day >= claim->day;
}

enum status index_check_stream(struct index_read *r, const struct stream_claim *claim,
                               struct err *err)
{
    MDB_cursor *c = NULL;
    uint64_t id, flushed_seq;
    uint32_t tenant;

    if (index_find_stream(r, claim->tenant, claim->labels, &id, &flushed_seq) != ST_OK ||
        id != claim->stream_id)
        return err_set(err, ST_CORRUPT, "the index does not find the stream by its labels");
    enum status st = lookup_tenant(r->index, r->txn, claim->tenant, &tenant);
    if (st == ST_OK)
        st = cursor_open(r, INDEX_POSTINGS, &c, err);
    if (st != ST_OK)
        return st;
    if (!has_posting(c, pair_key(tenant, 0, 0), claim->stream_id))
        st = err_set(err, ST_CORRUPT, "the stream is missing from the list of all streams");
    for (size_t i = 0; i < claim->labels.count && st == ST_OK; i++) {
        const struct label *label = &claim->labels.pairs[i];
        if (!check_pair(r, c, tenant, claim, label))
            st = err_set(err, ST_CORRUPT, "the index does not find the stream by its label %.*s",
                         STR_ARG(label->name));
    }
    mdb_cursor_close(c);
    return st;
}
