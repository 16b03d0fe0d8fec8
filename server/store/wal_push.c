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

enum status wal_push_decode(struct arena *a, struct str payload, struct str *ret_tenant,
                            struct push_request *ret_request, struct err *err)
{
    struct push_request r = {0};
    struct str tenant;
    uint64_t count;

    bool good = get_str(&payload, &tenant) && get_uvarint(&payload, &count) && count <= payload.len;
    r.streams = good ? arena_new(a, struct push_stream, (size_t)count) : NULL;
    good = good && r.streams != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = get_stream(a, &payload, &r.streams[r.stream_count++]);
    if (a->failed)
        return arena_status(a, err);
    if (!good || payload.len > 0)
        return err_set(err, ST_CORRUPT, "the payload of a record makes no sense");
    *ret_tenant = tenant;
    *ret_request = r;
    return ST_OK;
}
