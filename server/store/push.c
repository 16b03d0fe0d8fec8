/*
 * A push: validate, check what the tenant may send, put the record into the log's queue and the
 * entries into heads. The last two happen under one lock of the tenant, so that the entries of a
 * stream reach its heads in order of their sequence numbers; everything costly (validation,
 * encoding, checksums) is done before.
 */
#include "server/store/store_internal.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/store/validate.h"

#include "base/banned.h"

enum { KEY_BYTES_MAX = 64 * 1024 * 1024 };

#define BUSY_TEXT "The server cannot accept more requests at this time."

/* State of one push. */
struct pushing {
    struct store *store;
    struct store_push *push;
    struct tenant *tenant;
    const struct limits *limits;
    struct push_check check;
    struct str *keys; /* of the streams, labels in stored form */
};

bool store_is_full(const struct store *s, const struct stream *stream)
{
    const struct head *head = stream->head;

    return head != NULL && (head_size(head).line_bytes >= store_settings(s)->chunk_target_size ||
                            head_is_full(head) || stream->head_continues);
}

static enum status list_stream(struct store *s, struct tenant *t, struct stream *stream)
{
    uint64_t before = t->streams.bytes;
    enum status st = streams_list(&t->streams, stream);

    counter_add(&s->stream_bytes, t->streams.bytes - before); /* a table may stay that was grown */
    return st;
}

static enum status open_head(struct store *s, struct tenant *t, struct stream *stream, uint64_t seq)
{
    struct head *head = head_new(counter_take(&s->next_chunk));

    if (head == NULL || (!stream->listed && list_stream(s, t, stream) != ST_OK)) {
        head_unref(head);
        return ST_NOMEM;
    }
    stream->head = head;
    stream->head_seq_first = seq;
    stream->head_opened_ns = time_mono_ns();
    counter_add(&s->heads, 1);
    counter_add(&s->chunks_created, 1);
    counter_add(&s->head_bytes, head_size(stream->head).memory_bytes);
    return ST_OK;
}

/* Append to the open head what it may have of `rest`, which is cut. */
static enum status append_some(struct store *s, struct stream *stream, struct push_stream *rest)
{
    uint64_t before = head_size(stream->head).memory_bytes;
    size_t added;

    enum status st = head_append(stream->head, rest->entries, rest->entry_count, &added);
    counter_add(&s->head_bytes, head_size(stream->head).memory_bytes - before);
    rest->entries += added;
    rest->entry_count -= added;
    return st;
}

/* Go on with another head in the midst of a record. */
static enum status split_head(struct store *s, struct tenant *t, struct stream *stream,
                              uint64_t seq)
{
    store_seal(s, stream, SEAL_FULL);
    if (stream->head != NULL)
        return ST_NOMEM;
    enum status st = open_head(s, t, stream, seq);
    stream->head_continues = st == ST_OK;
    return st;
}

/*
 * A head is sealed between records: a record may hold one stream in many parts, and "flushed up to
 * this record" must mean all of them. Only when it cannot get more entries it is followed by
 * another one in the midst of a record, and both are committed together.
 */
enum status store_append(struct store *s, struct tenant *t, struct stream *stream,
                         const struct push_stream *from, uint64_t seq)
{
    struct push_stream rest = *from;
    enum status st = ST_OK;

    if (store_is_full(s, stream) && stream->seq_max < seq)
        store_seal(s, stream, SEAL_FULL);
    if (stream->head == NULL)
        st = open_head(s, t, stream, seq);
    if (st != ST_OK)
        return st;
    stream->seq_max = seq;
    st = append_some(s, stream, &rest);
    while (st == ST_OK && rest.entry_count > 0) {
        st = split_head(s, t, stream, seq);
        if (st == ST_OK)
            st = append_some(s, stream, &rest);
    }
    stream->last_append_ns = time_mono_ns();
    if (store_is_full(s, stream))
        flag_set(&s->has_full);
    return st;
}

void store_seal(struct store *s, struct stream *stream, enum seal_reason reason)
{
    if (stream->head != NULL && stream_seal(stream) == ST_OK)
        counter_add(&s->sealed[reason], 1);
}

/* Work out the keys of the streams before any lock is taken. */
static enum status make_keys(struct pushing *p, struct err *err)
{
    const struct push_request *r = p->push->request;
    struct buf key;

    p->keys = arena_new(p->push->arena, struct str, r->stream_count);
    buf_init(&key, KEY_BYTES_MAX);
    for (size_t i = 0; i < r->stream_count && p->keys != NULL; i++) {
        buf_reset(&key);
        labels_encode(&key, r->streams[i].labels);
        p->keys[i] = arena_str(p->push->arena, buf_str(&key));
        if (key.failed)
            p->push->arena->failed = true;
    }
    buf_release(&key);
    return arena_status(p->push->arena, err);
}

/* What the push takes in the log, about: each stream is there with all its labels. */
static uint64_t record_bytes(const struct pushing *p)
{
    enum { ENTRY_BYTES = 16 }; /* its time and lengths, at most */
    uint64_t bytes = p->check.bytes + p->check.entries * ENTRY_BYTES;

    for (size_t i = 0; i < p->push->request->stream_count; i++)
        bytes += p->keys[i].len;
    return bytes;
}

static void refuse_stream(struct pushing *p, const struct push_stream *s)
{
    struct arena *a = p->push->arena;
    struct discarded *d = &p->tenant->counters.discarded[DISCARD_STREAM_LIMIT];
    struct buf labels;

    buf_init(&labels, KEY_BYTES_MAX);
    labels_put_text(&labels, s->labels);
    struct str text = arena_printf(
        a,
        "maximum active stream limit exceeded when trying to create stream %.*s, reduce the number "
        "of active streams (reduce labels or reduce label values), or contact your Loki "
        "administrator to see if the limit can be increased, user: '%.*s'",
        STR_ARG(buf_str(&labels)), STR_ARG(p->tenant->name));
    buf_release(&labels);
    push_errors_add(&p->check.errors, a, text, 1);
    counter_add(&d->entries, s->entry_count);
    for (size_t i = 0; i < s->entry_count; i++)
        counter_add(&d->bytes, s->entries[i].line.len);
}

/*
 * Make the streams that are not there yet. Those beyond the limit of the tenant leave the request;
 * true when any did.
 */
static bool drop_refused_streams(struct pushing *p)
{
    struct push_request *r = p->push->request;
    struct stream *stream;
    size_t kept = 0;

    for (size_t i = 0; i < r->stream_count; i++) {
        lock_take(&p->tenant->lock);
        enum status st = store_stream(p->store, p->tenant, p->keys[i],
                                      p->limits->max_global_streams_per_user, &stream);
        lock_give(&p->tenant->lock);
        if (st == ST_LIMIT) {
            refuse_stream(p, &r->streams[i]);
            continue;
        }
        r->streams[kept] = r->streams[i];
        p->keys[kept++] = p->keys[i];
    }
    bool refused = kept < r->stream_count;
    r->stream_count = kept;
    return refused;
}

/* The tenant's allowance covers all that was accepted, or nothing is stored. */
static enum status take_rate(struct pushing *p, struct err *err)
{
    double rate = p->limits->ingestion_rate_mb * (double)MIB;
    double burst = p->limits->ingestion_burst_size_mb * (double)MIB;
    struct discarded *d = &p->tenant->counters.discarded[DISCARD_RATE_LIMITED];

    lock_take(&p->tenant->lock);
    bool taken = tenant_take_rate(p->tenant, rate, burst, p->check.bytes);
    lock_give(&p->tenant->lock);
    if (taken)
        return ST_OK;
    counter_add(&d->entries, p->check.entries);
    counter_add(&d->bytes, p->check.bytes);
    return err_set(err, ST_LIMIT,
                   "ingestion rate limit exceeded for user %.*s (limit: %.0f bytes/sec) while "
                   "attempting to ingest '%llu' lines totaling '%llu' bytes, reduce log volume or "
                   "contact your Loki administrator to see if the limit can be increased",
                   STR_ARG(p->tenant->name), rate, (unsigned long long)p->check.entries,
                   (unsigned long long)p->check.bytes);
}

/* Queue the record and append to the heads, in one go. `payload` is the log's afterwards. */
static enum status commit(struct pushing *p, enum wal_kind kind, struct str payload,
                          struct err *err)
{
    struct push_request *r = p->push->request;
    struct stream *stream;
    uint64_t seq = 0;

    lock_take(&p->tenant->lock);
    enum status st = wal_append(p->store->wal, kind, payload, &seq);
    if (st != ST_OK)
        mem_free((void *)(uintptr_t)payload.ptr);
    for (size_t i = 0; i < r->stream_count && st == ST_OK; i++) {
        st = store_stream(p->store, p->tenant, p->keys[i], 0, &stream);
        if (st == ST_OK)
            st = store_append(p->store, p->tenant, stream, &r->streams[i], seq);
    }
    lock_give(&p->tenant->lock);

    if (st == ST_BUSY)
        return err_set(err, st, BUSY_TEXT);
    if (st == ST_IO)
        return err_set(err, ST_BUSY, "the write-ahead log has failed, nothing can be stored");
    if (st != ST_OK)
        return err_set(err, st, "cannot store: %s", status_text(st));
    p->push->ret_seq = seq;
    return ST_OK;
}

/* Make the record: of the body itself where it says it all, which is a fifth of the bytes. */
static enum status write_record(struct pushing *p, bool refused, struct err *err)
{
    const struct store_push *push = p->push;
    enum wal_kind kind = WAL_PUSH;
    struct buf payload;

    buf_init(&payload, SIZE_MAX / 2);
    if (push->body.len > 0 && !p->check.changed && !refused &&
        wal_push_encode_body(&payload, p->tenant->name, push->request, push->body)) {
        kind = WAL_PUSH_BODY;
    } else {
        buf_reset(&payload);
        wal_push_encode(&payload, p->tenant->name, push->request);
    }
    enum status st = buf_status(&payload, err);
    if (st == ST_OK)
        return commit(p, kind, buf_detach(&payload), err);
    buf_release(&payload);
    return st;
}

static enum status store_accepted(struct pushing *p, struct err *err)
{
    const struct settings *settings = store_settings(p->store);

    if (p->push->request->stream_count == 0)
        return ST_OK;
    if (store_memory(p->store) > settings->memory_max) {
        flusher_look(p->store);
        return err_set(err, ST_BUSY, BUSY_TEXT);
    }
    enum status st = make_keys(p, err);
    if (st == ST_OK)
        st = space_admit(p->store, record_bytes(p), err);
    if (st == ST_OK)
        st = take_rate(p, err);
    if (st != ST_OK)
        return st;
    bool refused = drop_refused_streams(p);
    if (p->push->request->stream_count > 0)
        st = write_record(p, refused, err);
    if (flag_get(&p->store->has_full) || store_memory(p->store) > store_memory_target(p->store))
        flusher_look(p->store);
    return st == ST_OK && refused ? ST_LIMIT : st;
}

/* The answer for what was refused, when something was. */
static enum status refused_status(struct pushing *p, enum status st, struct err *err)
{
    struct buf text;

    if (p->check.errors.first == NULL || (st != ST_OK && st != ST_LIMIT))
        return st;
    if (st == ST_LIMIT && p->push->ret_seq == 0 && p->push->request->stream_count > 0)
        return st; /* the rate: nothing was stored, and that is what counts */
    buf_init(&text, p->push->arena->max_bytes);
    push_errors_put(&text, &p->check.errors);
    p->push->ret_text = arena_str(p->push->arena, buf_str(&text));
    buf_release(&text);
    return err_set(err, st == ST_OK ? ST_INVALID : st, "%.*s", STR_ARG(p->push->ret_text));
}

bool store_is_behind(struct store *s)
{
    uint64_t target = store_memory_target(s);

    return store_memory(s) > target + target / 4 && !flag_get(&s->flush_failing);
}

static bool has_entries(const struct push_request *r)
{
    size_t i = 0;

    while (i < r->stream_count && r->streams[i].entry_count == 0)
        i++;
    return i < r->stream_count;
}

enum status store_push(struct store *s, struct store_push *push, struct err *err)
{
    struct pushing p = {.store = s, .push = push};

    push->ret_seq = 0;
    push->ret_text = STR_NULL;
    enum status st = validate_request(push->request, err);
    if (st != ST_OK || !has_entries(push->request))
        return st;
    st = store_admit_tenant(s, push->tenant, &p.tenant, err);
    if (st != ST_OK)
        return st;
    p.limits = store_limits(s, push->tenant);
    p.check = (struct push_check){
        .arena = push->arena,
        .limits = p.limits,
        .counters = &p.tenant->counters,
        .now_ns = time_now_ns(),
        .gone = push->gone,
    };
    st = validate_push(&p.check, push->request, err);
    if (st != ST_OK)
        return st;
    return refused_status(&p, store_accepted(&p, err), err);
}
