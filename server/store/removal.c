#include "server/store/removal.h"

#include "base/log.h"
#include "base/time.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    DUE_ARENA_BYTES_MAX = 1 << 28,
    ROUNDS_AT_ONCE = 8,
};

#define STUCK_NS HOUR_NS             /* until a damaged chunk is tried again */
#define LOG_FLUSH_NS (5 * SECOND_NS) /* a flush that takes longer has less to do the next time */

/* The requests of one tenant that are worked on. */
struct round {
    struct store *store;
    struct arena arena;
    struct str tenant;
    const struct delete_request *requests[REMOVAL_REQUESTS_MAX];
    uint32_t ids[REMOVAL_REQUESTS_MAX]; /* of these */
    bool failed[REMOVAL_REQUESTS_MAX];
    size_t count;
    struct hiding hiding;
    size_t days;
    size_t days_done;
    bool said; /* that a day failed */
};

/* ---- requests that cannot be processed now ---- */

static bool is_stuck(const struct removal *r, uint32_t id)
{
    for (size_t i = 0; i < r->stuck_count; i++) {
        if (r->stuck[i].id == id)
            return time_mono_ns() < r->stuck[i].retry_ns;
    }
    return false;
}

static void note_stuck(struct removal *r, uint32_t id, int64_t wait_ns)
{
    size_t i = 0;

    while (i < r->stuck_count && r->stuck[i].id != id)
        i++;
    if (i == COUNT_OF(r->stuck))
        i = 0; /* that one is tried again early */
    r->stuck_count = MAX_OF(r->stuck_count, i + 1);
    r->stuck[i] = (struct stuck_request){id, time_mono_ns() + wait_ns};
}

/* ---- a round ---- */

/* The requests to work on: those of the tenant of the oldest one. */
static enum status choose_requests(struct round *r, struct err *err)
{
    const struct removal *removal = &r->store->merger.removal;
    struct delete_list due;

    enum status st = deletes_due(r->store, &r->arena, &due, err);
    for (size_t i = 0; st == ST_OK && i < due.count && r->count < COUNT_OF(r->requests); i++) {
        const struct delete_request *request = &due.items[i];
        if (is_stuck(removal, request->id))
            continue;
        if (r->count == 0) {
            const struct tenant *tenant = store_tenant(r->store, request->tenant, true);
            if (tenant == NULL)
                return err_set(err, ST_NOMEM, "no memory for a tenant");
            r->tenant = tenant->name;
        }
        if (!str_eq(request->tenant, r->tenant))
            continue;
        r->ids[r->count] = request->id;
        r->requests[r->count++] = request;
    }
    return st;
}

static enum status make_rules(struct round *r, struct err *err)
{
    struct hide_spec specs[REMOVAL_REQUESTS_MAX];

    for (size_t i = 0; i < r->count; i++) {
        const struct delete_request *request = r->requests[i];
        specs[i] = (struct hide_spec){request->query, request->start_ns, request->end_ns,
                                      request->chunk_max};
    }
    return hide_set_new(specs, r->count, HIDE_SET_BYTES_ANY, &r->hiding.set, err);
}

static bool is_of_day(const struct delete_request *request, int32_t day)
{
    return time_day(request->start_ns) <= day && time_day(request->end_ns) >= day;
}

static bool is_any_of_day(const struct round *r, int32_t day)
{
    for (size_t i = 0; i < r->count; i++) {
        if (is_of_day(r->requests[i], day))
            return true;
    }
    return false;
}

/* Some of the day could not be taken: the requests for it are not processed. */
static void fail_day(struct round *r, int32_t day, int64_t wait_ns)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!is_of_day(r->requests[i], day))
            continue;
        r->failed[i] = true;
        note_stuck(&r->store->merger.removal, r->requests[i]->id, wait_ns);
    }
}

static void tell_progress(struct round *r)
{
    enum { ALL_PERCENT = 100, PERCENT_MAX = 99 };

    r->days_done++;
    for (size_t i = 0; i < r->count; i++)
        deletes_progress(
            r->store, r->requests[i]->id,
            (unsigned)MIN_OF(r->days_done * ALL_PERCENT / r->days, (size_t)PERCENT_MAX));
}

static enum status sweep_day(struct round *r, struct segment_span segments, struct err *err)
{
    const struct removal_day job = {
        .tenant = r->tenant,
        .day = segments.items[0].day,
        .segments = segments,
        .hiding = &r->hiding,
        .request_ids = r->ids,
        .request_count = r->count,
    };
    struct store *s = r->store;
    bool left = false;

    enum status st = removal_day(s, &job, &left, err);
    if (st == ST_CANCELLED)
        return st;
    if (st == ST_BUSY) {
        fail_day(r, job.day, MINUTE_NS); /* reads are in the way, or it was dropped meanwhile */
    } else if (st != ST_OK) { /* even ST_FULL: another day may only have something to give back */
        counter_add(&s->merger.failures, 1);
        if (!r->said)
            LOG(LOG_ERROR, "cannot remove deleted lines of a day, trying again",
                LOG_STR("tenant", r->tenant), LOG_INT("day", job.day), LOG_ERR(err));
        r->said = true;
        fail_day(r, job.day, MINUTE_NS);
    } else if (left) {
        fail_day(r, job.day, STUCK_NS);
    }
    tell_progress(r);
    return ST_OK;
}

static enum status sweep(struct round *r, struct err *err)
{
    struct segment_list *list = &r->store->merger.segments;

    enum status st = segment_list_load(r->store, list, err);
    struct segment_span all = segment_list_tenant(list, r->tenant), rest = all;
    while (st == ST_OK && rest.count > 0)
        r->days += is_any_of_day(r, segment_list_cut_day(&rest).items[0].day) ? 1 : 0;
    for (rest = all; st == ST_OK && rest.count > 0;) {
        struct segment_span day = segment_list_cut_day(&rest);
        if (flag_get(&r->store->merger.stop))
            return err_set(err, ST_CANCELLED, "the store is being closed");
        if (is_any_of_day(r, day.items[0].day))
            st = sweep_day(r, day, err);
    }
    return st;
}

/*
 * The log still has what it was flushed from. All that the requests hide was flushed when they
 * came, so what keeps its files is other records, and that the newest one is never removed.
 *
 * This comes before any chunk goes: were the index lost while the log still has lines of which no
 * chunk tells any more that they were flushed, the replay would bring them back.
 */
static enum status clean_log(struct store *s, struct err *err)
{
    uint64_t seq = wal_next_seq(s->wal), gone_seq;

    enum status st = wal_turn(s->wal, err);
    if (st == ST_OK)
        st = flusher_force(s, LOG_FLUSH_NS, err);
    if (st == ST_OK)
        st = wal_gone_seq(s->wal, &gone_seq, err); /* durably */
    if (st != ST_OK)
        return st;
    if (wal_state(s->wal).oldest_seq_max != 0 && gone_seq + 1 < seq)
        return err_set(err, ST_BUSY, "a log file that holds deleted lines is still there");
    return ST_OK;
}

/* Every day is done: what is left to wait for is that the files go. */
static void end_round(const struct round *r)
{
    struct merger *m = &r->store->merger;

    m->removal.tenant = r->tenant;
    m->removal.killed = counter_get(&m->segments_killed);
    for (size_t i = 0; i < r->count; i++) {
        if (!r->failed[i])
            m->removal.swept[m->removal.swept_count++] = r->ids[i];
    }
}

/* A failure is counted each time, and said once. */
static void report(struct store *s, enum status st, const struct err *err)
{
    struct removal *r = &s->merger.removal;

    if (st == ST_CANCELLED)
        return;
    if (st != ST_OK) {
        counter_add(&s->merger.failures, 1);
        if (!r->failing)
            LOG(LOG_ERROR, "cannot remove deleted lines, trying again", LOG_ERR(err));
    }
    r->failing = st != ST_OK;
}

/* False: nothing is due, or it failed. */
static bool make_round(struct store *s)
{
    struct round r = {.store = s, .hiding = {.floor_ns = INT64_MIN}};
    struct err err;

    arena_init(&r.arena, DUE_ARENA_BYTES_MAX);
    enum status st = choose_requests(&r, &err);
    if (st == ST_OK && r.count > 0)
        st = make_rules(&r, &err);
    if (st == ST_OK && r.count > 0)
        st = clean_log(s, &err);
    if (st == ST_OK && r.count > 0)
        st = sweep(&r, &err);
    if (st == ST_OK)
        end_round(&r);
    report(s, st, &err);
    hide_set_drop(r.hiding.set);
    arena_release(&r.arena);
    return st == ST_OK && r.count > 0;
}

/* Are the files of the last round gone? Then its requests are processed. */
static bool finish_round(struct store *s)
{
    const struct merge_request bury = {0};
    struct merger *m = &s->merger;
    struct removal *r = &m->removal;
    enum status st = ST_OK;
    struct err err;

    if (r->swept_count == 0)
        return true;
    if (counter_get(&m->segments_gone) < r->killed)
        st = merge_submit(s, &bury, &err);
    if (st == ST_OK && counter_get(&m->segments_gone) < r->killed)
        return false;
    if (st == ST_OK)
        st = deletes_processed(s, r->tenant, r->swept, r->swept_count, &err);
    report(s, st, &err);
    if (st != ST_OK)
        return false;
    r->swept_count = 0;
    r->stuck_count = 0;              /* what they were about may be gone */
    merge_note_tenant(s, r->tenant); /* what the requests kept apart may be merged */
    return true;
}

bool removal_look(struct store *s)
{
    for (unsigned i = 0; i < ROUNDS_AT_ONCE; i++) {
        if (!finish_round(s))
            return true;
        if (flag_get(&s->merger.stop) || flag_get(&s->flush_failing) || !make_round(s))
            return false;
    }
    return true; /* there may be more */
}
