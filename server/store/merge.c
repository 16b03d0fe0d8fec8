/*
 * The merger's thread, what it remembers of days, and the border between it and the flusher. See
 * merge_day.c for a look at one day.
 */
#include "server/store/merge.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/store/drop.h"
#include "server/store/expiry.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    QUIET_INTERVALS = 6, /* without new chunks, and a day is merged for good */
    NICE_LOWEST = 19,
};

#define REMOVAL_NS SECOND_NS /* between looks for what is to be removed, if nothing is merged */

static bool is_on(const struct store *s)
{
    return store_settings(s)->compaction_interval > 0;
}

/* ---- days ---- */

_Static_assert(sizeof(struct day_key) == sizeof(char *) + sizeof(int64_t), "no padding");

static struct str key_bytes(const struct day_key *key)
{
    return str_make((const char *)key, sizeof(*key));
}

static struct merge_day *find_day(const struct merger *m, struct str tenant, int32_t day)
{
    const struct day_key key = {tenant.ptr, day};

    return map_get(&m->day_keys, key_bytes(&key));
}

/* A new day in the table; NULL: no memory. */
static struct merge_day *add_day(struct merger *m, struct str tenant, int32_t day)
{
    if (m->day_count == m->day_capacity) {
        size_t capacity = m->day_capacity == 0 ? 64 : m->day_capacity * 2;
        struct merge_day **wider = mem_grow(m->days, capacity, sizeof(*wider));
        if (wider == NULL)
            return NULL;
        m->days = wider;
        m->day_capacity = capacity;
    }
    struct merge_day *d = mem_new(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    *d = (struct merge_day){.key = {tenant.ptr, day}, .tenant = tenant, .day = day};
    if (map_set(&m->day_keys, key_bytes(&d->key), d) != ST_OK) {
        mem_free(d);
        return NULL;
    }
    m->days[m->day_count++] = d;
    return d;
}

void merge_note_day(struct store *s, struct str tenant, int32_t day)
{
    struct merger *m = &s->merger;

    lock_take(&s->flusher.lock);
    struct merge_day *d = find_day(m, tenant, day);
    if (d == NULL)
        d = add_day(m, tenant, day);
    if (d != NULL) {
        d->changed_ns = time_mono_ns();
        d->changes++;
        d->final = false;
        d->limits = NULL; /* the new chunks may be the next to expire */
    } else {
        flag_set(&m->days_missing);
    }
    lock_give(&s->flusher.lock);
}

void merge_note_tenant(struct store *s, struct str tenant)
{
    struct merger *m = &s->merger;

    lock_take(&s->flusher.lock);
    for (size_t i = 0; i < m->day_count; i++) {
        if (!str_eq(m->days[i]->tenant, tenant))
            continue;
        m->days[i]->changes++;
        m->days[i]->final = false;
        m->days[i]->limits = NULL; /* what lines have left may expire earlier */
    }
    lock_give(&s->flusher.lock);
}

uint64_t merge_days_pending(struct store *s)
{
    uint64_t pending = flag_get(&s->merger.days_missing) ? 1 : 0;

    if (!is_on(s))
        return 0;

    lock_take(&s->flusher.lock);
    for (size_t i = 0; i < s->merger.day_count; i++)
        pending += s->merger.days[i]->final ? 0 : 1;
    lock_give(&s->flusher.lock);
    return pending;
}

/* ---- holds ---- */

unsigned merge_hold(struct store *s)
{
    lock_take(&s->flusher.lock);
    unsigned hold = (unsigned)(s->merger.turn & 1);
    s->merger.holds[hold]++;
    lock_give(&s->flusher.lock);
    return hold;
}

void merge_let_go(struct store *s, unsigned hold)
{
    struct merger *m = &s->merger;

    lock_take(&s->flusher.lock);
    ASSERT(m->holds[hold] > 0);
    if (--m->holds[hold] == 0 && m->request != NULL)
        lock_cond_signal(&s->flusher.wake);
    lock_give(&s->flusher.lock);
}

/*
 * Holds that begin from now on belong to the next turn. The one before the last is over: its
 * request was answered only then.
 */
static void take_turn(struct merger *m)
{
    if (m->turned)
        return;
    ASSERT(m->holds[(m->turn + 1) & 1] == 0);
    m->turn++;
    m->turned = true;
}

bool merge_is_waiting(struct store *s)
{
    struct merger *m = &s->merger;

    lock_assert_held(&s->flusher.lock);
    if (m->request == NULL || s->deletes.creating > 0)
        return false;
    take_turn(m);
    return m->holds[(m->turn + 1) & 1] == 0;
}

/* ---- requests ---- */

static enum status serve(struct store *s, const struct merge_request *request, struct err *err)
{
    struct dropped dropped = {0};
    enum status st = ST_OK;

    if (flag_get(&s->flusher.abandon))
        return err_set(err, ST_CANCELLED, "the store is being closed");
    if (request->batch != NULL)
        return flush_merged(s, request->batch, err);
    for (size_t i = 0; i < request->closed.count; i++)
        flush_close_segment(s, request->closed.items[i].id);
    if (request->dead.count > 0)
        st = flush_kill_segments(s, request->dead, &dropped, err);
    if (st == ST_OK)
        st = flush_bury_segments(s, err);
    counter_set(&s->merger.segments_dead, s->flusher.dead_count);
    return st;
}

void merge_serve(struct store *s)
{
    struct merger *m = &s->merger;
    struct err err;

    lock_take(&s->flusher.lock);
    const struct merge_request *request = merge_is_waiting(s) ? m->request : NULL;
    lock_give(&s->flusher.lock);
    if (request == NULL)
        return;
    enum status st = serve(s, request, &err);
    lock_take(&s->flusher.lock);
    m->request = NULL;
    m->turned = false;
    m->status = st;
    if (st != ST_OK)
        m->err = err;
    lock_cond_signal(&m->answered);
    lock_give(&s->flusher.lock);
}

enum status merge_submit(struct store *s, const struct merge_request *request, struct err *err)
{
    struct merger *m = &s->merger;

    lock_take(&s->flusher.lock);
    ASSERT(m->request == NULL);
    m->request = request;
    lock_cond_signal(&s->flusher.wake);
    while (m->request != NULL)
        lock_cond_wait(&m->answered, &s->flusher.lock);
    enum status st = m->status;
    if (st != ST_OK && err != NULL)
        *err = m->err;
    lock_give(&s->flusher.lock);
    return st;
}

/* ---- the thread ---- */

/* A look at a day, and what was known of the day when it began. */
struct looked_at {
    struct merge_look look;
    uint64_t changes;
    int64_t changed_ns;
};

/* Is the day at `i` to be looked at? */
static bool is_due(struct store *s, size_t i, struct looked_at *ret_look)
{
    int64_t quiet_ns = QUIET_INTERVALS * store_settings(s)->compaction_interval;

    lock_take(&s->flusher.lock);
    const struct merge_day *d = s->merger.days[i];
    bool quiet = time_mono_ns() - d->changed_ns >= quiet_ns;
    bool due = d->changes != d->looked || (quiet && !d->final);
    *ret_look = (struct looked_at){
        .look = {.tenant = d->tenant, .day = d->day, .final = quiet},
        .changes = d->changes,
        .changed_ns = d->changed_ns,
    };
    lock_give(&s->flusher.lock);
    return due;
}

/* The segments of the day. A list that is older than the last change of the day may lack some. */
static enum status find_segments(struct store *s, struct looked_at *l, struct err *err)
{
    struct segment_list *list = &s->merger.segments;
    enum status st = ST_OK;

    if (list->loaded_ns == 0 || list->loaded_ns <= l->changed_ns)
        st = segment_list_load(s, list, err);
    l->look.segments = segment_list_day(list, l->look.tenant, l->look.day);
    return st;
}

static void note_look(struct store *s, size_t i, const struct looked_at *l, bool again)
{
    lock_take(&s->flusher.lock);
    struct merge_day *d = s->merger.days[i];
    d->looked = l->changes;
    d->final = l->look.final && !again && d->changes == l->changes;
    d->failing = false;
    lock_give(&s->flusher.lock);
}

/* A day that fails is said once, and one in each pass: if all fail it is for the same reason. */
static void note_failure(struct store *s, size_t i, const struct err *err, bool *said)
{
    lock_take(&s->flusher.lock);
    struct merge_day *d = s->merger.days[i]; /* a day stays where it is, the table does not */
    bool known = d->failing || *said;
    d->failing |= !known;
    lock_give(&s->flusher.lock);
    counter_add(&s->merger.failures, 1);
    if (known)
        return;
    *said = true;
    LOG(LOG_ERROR, "cannot merge chunks of a day, trying again", LOG_STR("tenant", d->tenant),
        LOG_INT("day", d->day), LOG_ERR(err));
}

static size_t count_days(struct store *s)
{
    lock_take(&s->flusher.lock);
    size_t count = s->merger.day_count;
    lock_give(&s->flusher.lock);
    return count;
}

static enum status look_at_day(struct store *s, size_t i, struct looked_at *l, struct err *err)
{
    bool again = false;

    enum status st = find_segments(s, l, err);
    if (st == ST_OK)
        st = merge_day(s, &l->look, &again, err);
    if (st == ST_OK)
        note_look(s, i, l, again);
    return st;
}

/*
 * Look at every day that is due. A day that fails is looked at again the next time and does not
 * keep others from being merged, unless the store is closed: one that is too large for the room on
 * the disk may be followed by one that is not. ST_BUSY: the day changed meanwhile, it was dropped
 * for one.
 */
static void look_at_days(struct store *s)
{
    struct looked_at l;
    bool said = false;
    struct err err;

    s->merger.segments.loaded_ns = 0;
    for (size_t i = 0; i < count_days(s); i++) {
        if (flag_get(&s->merger.stop) || flag_get(&s->flush_failing))
            return;
        if (!is_due(s, i, &l))
            continue;
        enum status st = look_at_day(s, i, &l, &err);
        if (st != ST_OK && st != ST_CANCELLED && st != ST_BUSY)
            note_failure(s, i, &err, &said);
    }
}

/* Remove the files of dead segments that reads needed until now. */
static void bury(struct store *s)
{
    const struct merge_request nothing = {0};
    struct err err;

    if (counter_get(&s->merger.segments_dead) > 0 && merge_submit(s, &nothing, &err) != ST_OK)
        counter_add(&s->merger.failures, 1);
}

/* ---- retention ---- */

/* Is it time to look for chunks of the day at `i` that are below their floor? */
static bool may_expire(struct store *s, size_t i, struct expiry_day *ret_day)
{
    lock_take(&s->flusher.lock);
    const struct merge_day *d = s->merger.days[i];
    *ret_day = (struct expiry_day){.tenant = d->tenant, .day = d->day, .now_ns = time_now_ns()};
    const struct limits *limits = d->limits;
    int64_t expires_ns = d->expires_ns;
    lock_give(&s->flusher.lock);
    ret_day->limits = store_limits(s, ret_day->tenant);
    return expiry_concerns(ret_day) && (limits != ret_day->limits || expires_ns <= ret_day->now_ns);
}

/* What is left of the day may be worth another look: its segments are emptier. */
static void note_expired(struct store *s, size_t i, const struct expired *expired)
{
    lock_take(&s->flusher.lock);
    struct merge_day *d = s->merger.days[i];
    d->expires_ns = expired->next_ns;
    if (expired->chunks > 0) {
        d->changes++;
        d->final = false;
    }
    lock_give(&s->flusher.lock);
}

/* Nothing is merged: so what is left of the day leaves the segments that are mostly dead here. */
static enum status empty_day(struct store *s, const struct expiry_day *day, struct err *err)
{
    struct segment_list *list = &s->merger.segments;
    struct removal_day job = {.tenant = day->tenant, .day = day->day};
    bool left;

    enum status st = segment_list_load(s, list, err);
    if (st != ST_OK)
        return st;
    job.segments = segment_list_day(list, day->tenant, day->day);
    return removal_day(s, &job, &left, err);
}

/* Drop what is below its floor, of each day that has such chunks. */
static void expire_days(struct store *s)
{
    bool said = false;
    struct expiry_day day;
    struct err err;

    for (size_t i = 0; i < count_days(s); i++) {
        struct expired expired = {0};
        if (flag_get(&s->merger.stop) || flag_get(&s->flush_failing))
            return;
        if (!may_expire(s, i, &day))
            continue;
        lock_take(&s->flusher.lock);
        s->merger.days[i]->limits = day.limits; /* what changes from here on resets it */
        s->merger.days[i]->expires_ns = 0;
        lock_give(&s->flusher.lock);
        enum status st = expiry_look(s, &day, &s->merger.segments, &expired, &err);
        if (st == ST_OK && !is_on(s))
            st = empty_day(s, &day, &err);
        if (st == ST_OK)
            note_expired(s, i, &expired);
        else if (st != ST_CANCELLED && st != ST_BUSY)
            note_failure(s, i, &err, &said);
    }
}

/* ---- the thread itself ---- */

/* Wait until then, or until it is time to end: then false. */
static bool wait_until(struct store *s, int64_t until_ns)
{
    struct merger *m = &s->merger;

    lock_take(&s->flusher.lock);
    while (!flag_get(&m->stop) && time_mono_ns() < until_ns)
        (void)lock_cond_wait_for(&m->wake, &s->flusher.lock, until_ns - time_mono_ns());
    lock_give(&s->flusher.lock);
    return !flag_get(&m->stop);
}

/* Nobody knows what was merged before the start: every day is looked at. */
static enum status load_days(struct store *s, struct err *err)
{
    enum status st = segment_list_load(s, &s->merger.segments, err);
    struct segment_span rest = {s->merger.segments.items, s->merger.segments.count};

    while (st == ST_OK && rest.count > 0) {
        struct segment_span day = segment_list_cut_day(&rest);
        merge_note_day(s, day.items[0].tenant, day.items[0].day);
    }
    return st;
}

/* What could not be noted for want of memory was flushed, and would not be looked at any more. */
static void find_missing_days(struct store *s)
{
    struct err err;

    if (!flag_get(&s->merger.days_missing))
        return;
    flag_clear(&s->merger.days_missing);
    if (load_days(s, &err) != ST_OK)
        flag_set(&s->merger.days_missing);
}

static void *run(void *context)
{
    struct store *s = context;
    int64_t interval_ns = is_on(s) ? store_settings(s)->compaction_interval : MINUTE_NS;
    int64_t look_ns = time_mono_ns() + (is_on(s) ? interval_ns : REMOVAL_NS);
    bool soon = !is_on(s);

    if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICE_LOWEST) != 0)
        LOG(LOG_WARN, "cannot lower the priority of merging", LOG_INT("nice", NICE_LOWEST));
    while (wait_until(s, soon ? MIN_OF(look_ns, time_mono_ns() + REMOVAL_NS) : look_ns)) {
        soon = removal_look(s) || !is_on(s); /* it waits for reads to end */
        if (time_mono_ns() < look_ns)
            continue;
        find_missing_days(s);
        expire_days(s);
        if (is_on(s))
            look_at_days(s);
        bury(s);
        look_ns = time_mono_ns() + interval_ns;
    }
    return NULL;
}

enum status merge_start(struct store *s, struct err *err)
{
    struct merger *m = &s->merger;

    enum status st = load_days(s, err);
    if (st != ST_OK)
        return st;
    if (pthread_create(&m->thread, NULL, run, s) != 0)
        return err_set(err, ST_NOMEM, "cannot start the merger");
    m->started = true;
    return ST_OK;
}

void merge_stop(struct store *s)
{
    lock_take(&s->flusher.lock);
    flag_set(&s->merger.stop);
    lock_cond_signal(&s->merger.wake);
    lock_give(&s->flusher.lock);
}

void merge_join(struct store *s)
{
    if (s->merger.started)
        (void)pthread_join(s->merger.thread, NULL);
    s->merger.started = false;
}

void merge_release(struct store *s)
{
    struct merger *m = &s->merger;

    for (size_t i = 0; i < m->day_count; i++)
        mem_free(m->days[i]);
    mem_free(m->days);
    map_release(&m->day_keys);
    segment_list_release(&m->segments);
}
