/*
 * A look goes through the records of all segments, so there is one a second at most, and fewer
 * where there are very many segments; a push that may not be admitted before the next one, and half
 * of what was allowed, make it come at once.
 *
 * What is dropped is free only when no query reads it any more. Until then it counts as free where
 * it is decided whether more has to go, but not where it is decided what pushes may take.
 */
#include "server/store/space.h"

#include <inttypes.h>

#include "base/io.h"
#include "base/log.h"
#include "base/num.h"
#include "base/time.h"
#include "server/store/drop.h"
#include "server/store/retention.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    DAYS_AT_ONCE = 64,     /* dropped in one look */
    PAUSE_FACTOR = 20,     /* a look takes a twentieth of the time at most */
    FREE_DIVISOR = 4,      /* what is written becomes log, then chunks and index */
    DATA_DIVISOR = 16,     /* of max_bytes */
    ROOM_BYTES = 1 << 17,  /* the log is tried again when so much is free */
    STREAMS_AT_ONCE = 256, /* in one transaction */
    DATE_BYTES = 10,       /* of the name of a segment */
};

#define LOOK_PERIOD_NS SECOND_NS
#define EXPIRY_PERIOD_NS MINUTE_NS
#define FORGETTING_PERIOD_NS MINUTE_NS
#define FORGETTING_SLICE_NS (20 * MS_NS)

void space_init(struct store *s)
{
    const struct config *config = s->options.config;
    struct space *space = &s->space;

    /* Nobody knows what the last process was about to do. */
    if (config->settings.max_bytes > 0 || config->settings.min_free_bytes > 0 ||
        config->tenants.count > 0 || !retention_is_off(&config->limits))
        flag_set(&space->emptied);
    counter_set(&space->room, UINT64_MAX);
    counter_set(&space->allowed, UINT64_MAX);
}

/* ---- pushes ---- */

enum status space_admit(struct store *s, uint64_t bytes, struct err *err)
{
    struct space *space = &s->space;
    const struct settings *settings = store_settings(s);

    if (flag_get(&space->full))
        return err_set(
            err, ST_FULL, "the store is full: %s is reached and only the newest day is left",
            counter_get(&space->data_bytes) > settings->max_bytes && settings->max_bytes > 0
                ? "storage.max_bytes"
                : "storage.min_free_bytes");
    if (wal_is_full(s->wal))
        return err_set(err, ST_FULL, "no space left on the disk");
    uint64_t allowed = counter_get(&space->allowed);
    if (allowed == UINT64_MAX)
        return ST_OK;
    if (bytes > counter_get(&space->room) / 2)
        return err_set(err, ST_FULL, "too little space is left on the disk");
    uint64_t before = counter_fetch_add(&space->taken, bytes);
    if (before + bytes > allowed / 2)
        flusher_look(s);
    if (before == 0 || before + bytes <= allowed)
        return ST_OK; /* the first may be as large as it likes: no later look would allow more */
    counter_sub(&space->taken, bytes);
    return err_set(err, ST_BUSY, "little space is left on the disk, try again");
}

/* ---- copies ---- */

enum status space_for_copies(struct store *s, uint64_t bytes, struct err *err)
{
    struct io_room room;

    if (bytes == 0 || store_settings(s)->min_free_bytes > 0)
        return ST_OK;
    enum status st = io_room(s->dir, &room, err);
    if (st != ST_OK)
        return st;
    struct wal_state wal = wal_state(s->wal);
    uint64_t unflushed_bytes = wal.bytes + wal.waiting_bytes; /* as chunks they take less */
    if (room.bytes >= bytes + unflushed_bytes)
        return ST_OK;
    return err_set(err, ST_FULL,
                   "%" PRIu64 " bytes are free: not enough for a copy of %" PRIu64
                   " and for the %" PRIu64 " that are still to be flushed",
                   room.bytes, bytes, unflushed_bytes);
}

/* ---- what is there ---- */

struct usage {
    uint64_t used_bytes; /* of the data directory; without what is dead */
    uint64_t dead_bytes; /* of segments whose files are still to be removed */
    uint64_t free_bytes;
    uint64_t waiting_bytes; /* on their way to the log */
    uint64_t free_files;
    bool has_days;
    int32_t oldest_day;
    int32_t newest_day;
};

static enum status measure_segments(struct store *s, struct usage *v)
{
    struct index_read *r = NULL;
    struct segment_ref ref;
    struct arena none = {0};
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, &none, &r, NULL);
    while (st == ST_OK && (st = index_next_segment(r, &cursor, &ref)) == ST_OK) {
        if (ref.state == SEGMENT_DEAD) {
            v->dead_bytes += ref.committed_bytes;
            continue;
        }
        if (ref.committed_bytes == 0)
            continue;
        v->used_bytes += ref.committed_bytes;
        v->oldest_day = v->has_days ? MIN_OF(v->oldest_day, ref.day) : ref.day;
        v->newest_day = v->has_days ? MAX_OF(v->newest_day, ref.day) : ref.day;
        v->has_days = true;
    }
    index_read_end(r);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status measure(struct store *s, struct usage *ret_usage, struct err *err)
{
    struct wal_state wal = wal_state(s->wal);
    struct usage v = {.waiting_bytes = wal.waiting_bytes};
    uint64_t index_bytes = 0;
    struct io_room room;

    enum status st = io_room(s->dir, &room, err);
    if (st != ST_OK)
        return st;
    v.free_bytes = room.bytes;
    v.free_files = room.files;
    st = measure_segments(s, &v);
    if (st != ST_OK)
        return err_set(err, st, "index: cannot list the segments: %s", status_text(st));
    st = index_used_bytes(s->index, &index_bytes, err);
    if (st != ST_OK)
        return st;
    v.used_bytes += index_bytes + wal.bytes + wal.waiting_bytes;
    *ret_usage = v;
    return ST_OK;
}

static bool is_too_much(const struct store *s, const struct usage *v)
{
    const struct settings *settings = store_settings(s);

    return (settings->max_bytes > 0 && v->used_bytes > settings->max_bytes) ||
           (settings->min_free_bytes > 0 &&
            v->free_bytes + v->dead_bytes < settings->min_free_bytes);
}

static bool may_go(const struct usage *v, int64_t now_ns)
{
    return v->has_days && v->oldest_day < v->newest_day && v->oldest_day < time_day(now_ns);
}

/* ---- dropping ---- */

static void report(struct store *s, const struct err *err)
{
    if (err != NULL && !s->space.failing)
        LOG(LOG_ERROR, "cannot make room, trying again", LOG_ERR(err));
    s->space.failing = err != NULL;
}

/* False: something is in the way, so another day would not be better. */
static bool drop(struct store *s, struct str tenant, int32_t day, const char *why)
{
    char file[SEGMENT_FILE_NAME_BYTES];
    struct dropped dropped = {0};
    struct err err;

    enum status st = drop_day(s, tenant, day, &dropped, &err);
    if (dropped.segments > 0) {
        segment_file_name((struct segment_name){.day = day}, file);
        counter_add(&s->space.bytes_dropped, dropped.bytes);
        LOG(LOG_INFO, "dropped a day", LOG_STR("day", str_make(file, DATE_BYTES)),
            LOG_STR("tenant", tenant.len > 0 ? tenant : STR("all")), LOG_TEXT("why", why),
            LOG_INT("chunks", dropped.chunks), LOG_INT("segments", dropped.segments),
            LOG_INT("bytes", dropped.bytes));
    }
    report(s, st == ST_OK || st == ST_CANCELLED ? NULL : &err);
    s->flusher.next_retry_ns = 0; /* there may be room for what could not be flushed */
    return st == ST_OK && dropped.segments > 0;
}

/* A day of a tenant that is below the floors of all its streams. ST_NOT_FOUND: there is none. */
static enum status find_expired(struct store *s, struct str *ret_tenant, int32_t *ret_day)
{
    int64_t now_ns = time_now_ns();
    struct index_read *r = NULL;
    struct segment_ref ref;
    struct arena none = {0};
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, &none, &r, NULL);
    while (st == ST_OK && (st = index_next_segment(r, &cursor, &ref)) == ST_OK) {
        if (ref.state == SEGMENT_DEAD || ref.committed_bytes == 0)
            continue;
        int64_t floor_ns = retention_least_floor_ns(store_limits(s, ref.tenant), now_ns);
        struct tenant *t = NULL;
        if (floor_ns == INT64_MIN || ref.day >= time_day(floor_ns))
            continue;
        t = store_tenant(s, ref.tenant, true);
        if (t == NULL) {
            st = ST_NOMEM;
            break;
        }
        *ret_tenant = t->name;
        *ret_day = ref.day;
        break;
    }
    index_read_end(r);
    return st;
}

/* Drop days of which no stream shows anything any more. */
static void drop_expired(struct store *s)
{
    struct space *space = &s->space;
    struct str tenant;
    int32_t day;

    if (flag_get(&space->limits_changed)) {
        flag_clear(&space->limits_changed);
        space->next_expiry_ns = 0;
        space->next_forgetting_ns = 0;
    }
    if (time_mono_ns() < space->next_expiry_ns)
        return;
    space->next_expiry_ns = time_mono_ns() + EXPIRY_PERIOD_NS;
    for (unsigned i = 0; i < DAYS_AT_ONCE; i++) {
        if (find_expired(s, &tenant, &day) != ST_OK || !drop(s, tenant, day, "retention"))
            return;
        counter_add(&space->days_expired, 1);
    }
    space->next_expiry_ns = 0; /* there may be more */
}

/* Drop the oldest days until there is room; `*v` is what is left. False: there is too little. */
static bool make_room(struct store *s, struct usage *v, struct err *err)
{
    for (unsigned i = 0; i < DAYS_AT_ONCE && is_too_much(s, v); i++) {
        if (!may_go(v, time_now_ns()))
            return false;
        if (!drop(s, STR(""), v->oldest_day, "space"))
            return true; /* the next look tries again */
        counter_add(&s->space.days_dropped, 1);
        if (measure(s, v, err) != ST_OK)
            return true;
    }
    return true;
}

/* Remove what no query reads any more; at most once a second, for it may fail. */
static void bury(struct store *s)
{
    struct flusher *fl = &s->flusher;
    int64_t now_ns = time_mono_ns();
    struct err err;

    if (fl->dead_count == 0 || fl->broken || now_ns < s->space.next_burial_ns ||
        !index_reads_have(s->index, fl->dead[0].batch_number))
        return;
    s->space.next_burial_ns = now_ns + LOOK_PERIOD_NS;
    if (flush_bury_segments(s, &err) != ST_OK)
        report(s, &err);
    counter_set(&s->merger.segments_dead, fl->dead_count);
}

/* ---- streams without chunks ---- */

void space_note_emptied(struct store *s)
{
    flag_set(&s->space.emptied);
}

static enum status begin_forgetting(struct store *s, struct err *err)
{
    struct space *space = &s->space;

    space->forget = (struct index_forget){.streams_max = STREAMS_AT_ONCE};
    enum status st = wal_gone_seq(s->wal, &space->forget.seq_max, err);
    space->forgetting = st == ST_OK;
    return st;
}

/*
 * Streams that have no chunks any more leave the index, when the log has no record of them that
 * their flushed sequence number keeps from being replayed.
 */
static void forget_streams(struct store *s)
{
    struct space *space = &s->space;
    int64_t begin_ns = time_mono_ns();
    enum status st = ST_OK;
    struct err err;

    if (!space->forgetting) {
        if (!flag_get(&space->emptied) || begin_ns < space->next_forgetting_ns || s->flusher.broken)
            return;
        flag_clear(&space->emptied);
        space->next_forgetting_ns = begin_ns + FORGETTING_PERIOD_NS;
        st = begin_forgetting(s, &err);
    }
    while (st == ST_OK && !space->forget.at_end && time_mono_ns() - begin_ns < FORGETTING_SLICE_NS)
        st = index_forget_streams(s->index, &space->forget, &err);
    if (st == ST_OK && !space->forget.at_end)
        return;
    counter_add(&space->forgotten, space->forget.forgotten);
    space->forgetting = false;
    if (st != ST_OK || space->forget.kept > 0)
        flag_set(&space->emptied); /* again, later */
    if (st != ST_OK)
        report(s, &err);
}

/* ---- looks ---- */

/* What pushes may take until the next look. */
static void allow(struct store *s, const struct usage *v)
{
    const struct settings *settings = store_settings(s);
    struct space *space = &s->space;
    uint64_t room = UINT64_MAX, allowed = UINT64_MAX;

    if (settings->min_free_bytes > 0) {
        room = v->free_bytes - MIN_OF(v->free_bytes, v->waiting_bytes);
        allowed = room / FREE_DIVISOR;
    }
    if (settings->max_bytes > 0)
        allowed = MIN_OF(allowed, MAX_OF(settings->max_bytes / DATA_DIVISOR, MIB));
    counter_set(&space->room, room);
    counter_set(&space->allowed, allowed);
    counter_set(&space->taken, 0);
}

static void note_full(struct store *s, const struct usage *v, bool full)
{
    struct space *space = &s->space;

    if (full && !flag_get(&space->full))
        LOG(LOG_ERROR, "no day is left that may be dropped, pushes are refused",
            LOG_INT("data_bytes", v->used_bytes), LOG_INT("free_bytes", v->free_bytes));
    else if (!full && flag_get(&space->full))
        LOG(LOG_INFO, "there is room again", LOG_INT("data_bytes", v->used_bytes),
            LOG_INT("free_bytes", v->free_bytes));
    if (full)
        flag_set(&space->full);
    else
        flag_clear(&space->full);
}

static bool is_due(struct store *s, int64_t now_ns)
{
    struct space *space = &s->space;
    const struct settings *settings = store_settings(s);

    if (wal_is_full(s->wal))
        return now_ns >= space->next_look_ns;
    if (settings->max_bytes == 0 && settings->min_free_bytes == 0)
        return false;
    return now_ns >= space->next_look_ns ||
           counter_get(&space->taken) > counter_get(&space->allowed) / 2;
}

bool space_look(struct store *s)
{
    struct space *space = &s->space;
    int64_t begin_ns = time_mono_ns();
    struct usage v;
    struct err err;

    drop_expired(s);
    bury(s);
    forget_streams(s);
    if (!is_due(s, begin_ns))
        return false;
    if (measure(s, &v, &err) != ST_OK) {
        report(s, &err);
        return false;
    }
    bool full = !make_room(s, &v, &err);
    counter_set(&space->data_bytes, v.used_bytes);
    note_full(s, &v, full);
    if (v.free_bytes >= ROOM_BYTES && v.free_files > 0)
        wal_note_room(s->wal);
    allow(s, &v);
    int64_t end_ns = time_mono_ns();
    space->next_look_ns = end_ns + MAX_OF(LOOK_PERIOD_NS, PAUSE_FACTOR * (end_ns - begin_ns));
    return full && wal_state(s->wal).bytes > store_settings(s)->file_size;
}
