#include "server/store/wal_push.h"

#include "base/banned.h"

static void put_entry(struct buf *b, const struct entry *e, const struct entry *before)
{
    int64_t before_ns = before == NULL ? 0 : before->ts_ns;
    struct labels before_metadata = before == NULL ? (struct labels){0} : before->metadata;

    buf_put_uvarint(b, zigzag((int64_t)((uint64_t)e->ts_ns - (uint64_t)before_ns)));
    if (labels_eq(e->metadata, before_metadata)) {
        buf_put_uvarint(b, 0);
    } else {
        buf_put_uvarint(b, e->metadata.count + 1);
        for (size_t i = 0; i < e->metadata.count; i++) {
            buf_put_str(b, e->metadata.pairs[i].name);
            buf_put_str(b, e->metadata.pairs[i].value);
        }
    }
    buf_put_str(b, e->line);
}

void wal_push_encode(struct buf *b, struct str tenant, const struct push_request *request)
{
    buf_put_str(b, tenant);
    buf_put_uvarint(b, request->stream_count);
    for (size_t i = 0; i < request->stream_count; i++) {
        const struct push_stream *s = &request->streams[i];
        labels_encode(b, s->labels);
        buf_put_uvarint(b, s->entry_count);
        for (size_t j = 0; j < s->entry_count; j++)
            put_entry(b, &s->entries[j], j == 0 ? NULL : &s->entries[j - 1]);
    }
}

static bool get_entry(struct arena *a, struct str *in, const struct entry *before,
                      struct entry *ret_e)
{
    uint64_t step, metadata;

    if (!get_uvarint(in, &step) || !get_uvarint(in, &metadata))
        return false;
    ret_e->ts_ns =
        (int64_t)((before == NULL ? 0 : (uint64_t)before->ts_ns) + (uint64_t)unzigzag(step));
    ret_e->metadata = before == NULL ? (struct labels){0} : before->metadata;
    if (metadata > 0) {
        size_t count = (size_t)metadata - 1;
        struct label *pairs = count > in->len ? NULL : arena_new(a, struct label, count);
        if (pairs == NULL)
            return false;
        for (size_t i = 0; i < count; i++) {
            if (!get_str(in, &pairs[i].name) || !get_str(in, &pairs[i].value))
                return false;
        }
        ret_e->metadata = (struct labels){pairs, count};
    }
    return get_str(in, &ret_e->line);
}

static bool get_stream(struct arena *a, struct str *in, struct push_stream *ret_s)
{
    uint64_t count;

    if (labels_decode(a, in, &ret_s->labels, NULL) != ST_OK || !get_uvarint(in, &count) ||
        count > in->len)
        return false;
    ret_s->entries = arena_new(a, struct entry, (size_t)count);
    if (ret_s->entries == NULL)
        return false;
    ret_s->entry_count = (size_t)count;
    for (size_t i = 0; i < count; i++) {
        if (!get_entry(a, in, i == 0 ? NULL : &ret_s->entries[i - 1], &ret_s->entries[i]))
            return false;
    }
    return true;
}

/* ---- the body as it came ---- */

enum { LEVELS_MAX = 255 }; /* an index of one byte tells which, and 0 that there is none */

static const struct str level_name = STR_INIT("detected_level");

struct levels {
    struct str items[LEVELS_MAX];
    size_t count;
    const struct label *last; /* the pair that was looked for last, */
    size_t last_index;        /* and its index */
};

/* The index of the level of an entry, or 0; SIZE_MAX when there is no room for another one. */
static size_t level_index(struct levels *l, const struct entry *e)
{
    if (e->metadata.count == 0)
        return 0;
    if (e->metadata.pairs == l->last)
        return l->last_index;
    ASSERT(e->metadata.count == 1 && str_eq(e->metadata.pairs[0].name, level_name));
    struct str level = e->metadata.pairs[0].value;
    size_t i = 0;
    while (i < l->count && !str_eq(l->items[i], level))
        i++;
    if (i == LEVELS_MAX)
        return SIZE_MAX;
    l->items[i] = level;
    l->count = MAX_OF(l->count, i + 1);
    l->last = e->metadata.pairs;
    l->last_index = i + 1;
    return i + 1;
}

static size_t entry_count(const struct push_request *r)
{
    size_t count = 0;

    for (size_t i = 0; i < r->stream_count; i++)
        count += r->streams[i].entry_count;
    return count;
}

bool wal_push_encode_body(struct buf *b, struct str tenant, const struct push_request *request,
                          struct str body)
{
    size_t entries = entry_count(request);
    struct levels levels = {.count = 0};

    buf_put_str(b, tenant);
    buf_put_uvarint(b, request->stream_count);
    for (size_t i = 0; i < request->stream_count; i++)
        labels_encode(b, request->streams[i].labels);
    buf_put_uvarint(b, entries);
    char *to = buf_reserve(b, entries + body.len);
    if (to == NULL)
        return true; /* the buffer tells */
    for (size_t i = 0; i < request->stream_count; i++) {
        const struct push_stream *s = &request->streams[i];
        for (size_t j = 0; j < s->entry_count; j++) {
            size_t index = level_index(&levels, &s->entries[j]);
            if (index == SIZE_MAX)
                return false;
            *to++ = (char)(unsigned char)index;
        }
    }
    buf_advance(b, entries);
    buf_put_uvarint(b, levels.count);
    for (size_t i = 0; i < levels.count; i++)
        buf_put_str(b, levels.items[i]);
    buf_put(b, body);
    return true;
}

/* What stands before the body. */
struct added {
    struct labels *labels; /* of the streams */
    size_t stream_count;
    struct str indices;   /* of the levels of the entries */
    struct label *levels; /* 1 to level_count are there */
    size_t level_count;
};

static bool get_added(struct arena *a, struct str *in, struct added *ret)
{
    uint64_t streams, levels;

    if (!get_uvarint(in, &streams) || streams > in->len)
        return false;
    ret->stream_count = (size_t)streams;
    ret->labels = arena_new(a, struct labels, ret->stream_count);
    for (size_t i = 0; i < streams; i++) {
        if (ret->labels == NULL || labels_decode(a, in, &ret->labels[i], NULL) != ST_OK)
            return false;
    }
    if (!get_str(in, &ret->indices) || !get_uvarint(in, &levels) || levels > LEVELS_MAX)
        return false;
    ret->level_count = (size_t)levels;
    ret->levels = arena_new(a, struct label, ret->level_count + 1);
    for (size_t i = 1; i <= levels; i++) {
        if (ret->levels == NULL || !get_str(in, &ret->levels[i].value))
            return false;
        ret->levels[i].name = level_name;
    }
    return ret->levels != NULL;
}

/* Put together what came and what was added; false: they do not fit. */
static bool add(const struct added *added, struct push_request *r)
{
    struct str indices = added->indices;

    if (r->stream_count != added->stream_count || entry_count(r) != indices.len)
        return false;
    for (size_t i = 0; i < r->stream_count; i++) {
        struct push_stream *s = &r->streams[i];
        s->labels = added->labels[i];
        for (size_t j = 0; j < s->entry_count; j++) {
            struct entry *e = &s->entries[j];
            size_t index = (unsigned char)indices.ptr[j];
            if (index > added->level_count || e->metadata.count > 0)
                return false;
            if (index > 0)
                e->metadata = (struct labels){&added->levels[index], 1};
        }
        indices = str_cut(indices, s->entry_count);
    }
    return true;
}

static bool get_body(struct arena *a, struct str in, struct push_request *r)
{
    struct added added = {.labels = NULL};

    return get_added(a, &in, &added) && push_decode_entries(a, SIZE_MAX, in, r, NULL) == ST_OK &&
           add(&added, r);
}

/* ---- both ---- */

static bool get_streams(struct arena *a, struct str in, struct push_request *r)
{
    uint64_t count;

    if (!get_uvarint(&in, &count) || count > in.len)
        return false;
    r->streams = arena_new(a, struct push_stream, (size_t)count);
    bool good = r->streams != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = get_stream(a, &in, &r->streams[r->stream_count++]);
    return good && in.len == 0;
}

enum status wal_push_decode(struct arena *a, const struct wal_record *record,
                            struct str *ret_tenant, struct push_request *ret_request,
                            struct err *err)
{
    struct push_request r = {0};
    struct str rest = record->payload, tenant;

    bool good = get_str(&rest, &tenant);
    if (good && record->kind == WAL_PUSH_BODY)
        good = get_body(a, rest, &r);
    else if (good)
        good = get_streams(a, rest, &r);
    if (a->failed)
        return arena_status(a, err);
    if (!good)
        return err_set(err, ST_CORRUPT, "the payload of a record makes no sense");
    *ret_tenant = tenant;
    *ret_request = r;
    return ST_OK;
}
