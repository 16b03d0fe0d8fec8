#include "server/store/expiry.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/regex.h"
#include "base/time.h"
#include "server/store/merge_make.h"
#include "server/store/retention.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    PORTION_CHUNKS = 4096, /* that are dropped before the index is read again */
    DAY_ARENA_BYTES_MAX = 1 << 28,
};

struct expiring {
    struct store *store;
    const struct expiry_day *job;
    struct merge_maker maker;
    struct index_read *read;
    struct arena stream_arena; /* of the stream that is listed */
    uint64_t stream_id;
    bool started;
    int64_t floor_ns;
    struct chunk_ref old[PORTION_CHUNKS];
    size_t count;
    struct expired expired;
};

bool expiry_concerns(const struct expiry_day *day)
{
    const struct limits *l = day->limits;
    int64_t shortest = l->retention_period == 0 ? INT64_MAX : l->retention_period;

    if (l->retention_stream.count == 0)
        return false; /* one floor for all: days go as a whole */
    for (size_t i = 0; i < l->retention_stream.count; i++) {
        int64_t period = l->retention_stream.items[i].period;
        shortest = period == 0 ? shortest : MIN_OF(shortest, period);
    }
    return shortest != INT64_MAX &&
           time_day_start_ns(day->day) < i64_sub_saturated(day->now_ns, shortest);
}

static enum status begin_stream(struct expiring *x, uint64_t stream_id)
{
    uint64_t failures = regex_search_failures();
    struct labels labels;

    arena_reset(&x->stream_arena);
    enum status st = index_stream(x->read, stream_id, &labels, NULL);
    if (st != ST_OK)
        return st;
    x->stream_id = stream_id;
    x->started = true;
    x->floor_ns = retention_floor_ns(x->job->limits, labels, x->job->now_ns);
    /* A rule that keeps the stream for longer may have gone unnoticed. */
    return regex_search_failures() == failures ? ST_OK : ST_NOMEM;
}

static enum status list_chunk(void *context, const struct chunk_ref *ref)
{
    struct expiring *x = context;
    enum status st = flag_get(&x->store->merger.stop) ? ST_CANCELLED : ST_OK;

    if (st == ST_OK && (!x->started || x->stream_id != ref->stream_id))
        st = begin_stream(x, ref->stream_id);
    if (st != ST_OK || x->floor_ns == INT64_MIN)
        return st;
    if (ref->max_ns >= x->floor_ns) {
        x->expired.next_ns =
            MIN_OF(x->expired.next_ns, x->job->now_ns + (ref->max_ns - x->floor_ns) + 1);
        return ST_OK;
    }
    if (x->count == PORTION_CHUNKS)
        return ST_EMPTY; /* enough for now */
    x->old[x->count++] = *ref;
    return ST_OK;
}

/* List chunks from the stream of the last one on. `*ret_more`: not to the end of the day. */
static enum status list_portion(struct expiring *x, bool *ret_more, struct err *err)
{
    struct day_walk walk = {
        .tenant = x->job->tenant,
        .day = x->job->day,
        .stream_id = x->count == 0 ? 0 : x->old[x->count - 1].stream_id,
        .visit = list_chunk,
        .context = x,
    };

    x->count = 0;
    x->started = false;
    enum status st = index_read_begin(x->store->index, &x->stream_arena, &x->read, err);
    if (st != ST_OK)
        return st;
    st = index_walk_day(x->read, &walk);
    index_read_end(x->read);
    *ret_more = st == ST_EMPTY;
    if (st == ST_OK || st == ST_EMPTY)
        return ST_OK;
    return err_set(err, st, "cannot list the chunks of a day: %s", status_text(st));
}

static enum status drop_portion(struct expiring *x, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < x->count && st == ST_OK; i++) {
        const struct merged_chunk chunk = {.from = &x->old[i], .from_count = 1};
        st = merge_maker_add(&x->maker, &chunk, err);
    }
    x->expired.chunks += x->count;
    return st == ST_OK ? merge_maker_submit(&x->maker, err) : st;
}

static enum status drop_chunks(struct expiring *x, struct err *err)
{
    bool more = true;
    enum status st = ST_OK;

    while (more && st == ST_OK) {
        st = list_portion(x, &more, err);
        if (st == ST_OK)
            st = drop_portion(x, err);
    }
    return st;
}

enum status expiry_look(struct store *s, const struct expiry_day *day, struct segment_list *list,
                        struct expired *ret_expired, struct err *err)
{
    struct expiring *x = mem_new(1, sizeof(*x));
    enum status st = ST_OK;

    if (x == NULL)
        return err_set(err, ST_NOMEM, "no memory for a list of chunks");
    x->store = s;
    x->job = day;
    x->expired.next_ns = INT64_MAX;
    arena_init(&x->stream_arena, DAY_ARENA_BYTES_MAX);
    st = merge_maker_init(&x->maker, s, day->tenant, err);
    x->maker.removes = true;
    if (st == ST_OK)
        st = drop_chunks(x, err);
    if (st == ST_OK && x->expired.chunks > 0) {
        st = segment_list_load(s, list, err);
        if (st == ST_OK)
            st = survey_give_up(s, segment_list_day(list, day->tenant, day->day), err);
    }
    *ret_expired = x->expired;
    merge_maker_release(&x->maker);
    arena_release(&x->stream_arena);
    mem_free(x);
    return st;
}
