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
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    QUIET_INTERVALS = 6, /* without new chunks, and a day is merged for good */
    NICE_LOWEST = 19,
};

static bool is_on(const struct store *s)
{
    return store_settings(s)->compaction_interval > 0;
}

/* ---- days ---- */

static struct merge_day *find_day(struct merger *m, struct str tenant, int32_t day)
{
    for (size_t i = m->day_count; i-- > 0;) {
        if (m->days[i].day == day && str_eq(m->days[i].tenant, tenant))
            return &m->days[i];
    }
    return NULL;
}

/* A new day in the table; NULL: no memory, it will be merged after the next start. */
static struct merge_day *add_day(struct merger *m, struct str tenant, int32_t day)
{
    if (m->day_count == m->day_capacity) {
        size_t capacity = m->day_capacity == 0 ? 64 : m->day_capacity * 2;
        struct merge_day *wider = mem_grow(m->days, capacity, sizeof(*wider));
        if (wider == NULL)
            return NULL;
        m->days = wider;
        m->day_capacity = capacity;
    }
    m->days[m->day_count] = (struct merge_day){.tenant = tenant, .day = day};
    return &m->days[m->day_count++];
}

void merge_note_day(struct store *s, struct str tenant, int32_t day)
{
    struct merger *m = &s->merger;

    if (!is_on(s))
        return;
    lock_take(&s->flusher.lock);
    struct merge_day *d = find_day(m, tenant, day);
    if (d == NULL)
        d = add_day(m, tenant, day);
    if (d != NULL) {
        d->changed_ns = time_mono_ns();
        d->changes++;
        d->final = false;
    }
    lock_give(&s->flusher.lock);
}

uint64_t merge_days_pending(struct store *s)
{
    uint64_t pending = 0;

    lock_take(&s->flusher.lock);
    for (size_t i = 0; i < s->merger.day_count; i++)
        pending += s->merger.days[i].final ? 0 : 1;
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
    enum status st = ST_OK;

    if (request->batch != NULL)
        return flush_merged(s, request->batch, err);
    for (size_t i = 0; i < request->dead_count && st == ST_OK; i++) {
        if (s->flusher.dead_count == DEAD_SEGMENTS_MAX)
            st = flush_bury_segments(s, err);
        if (st == ST_OK)
            st = flush_kill_segment(s, &request->dead[i], err);
    }
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

/* Is the day at `i` to be looked at? `*ret_changes` is what the look will have seen at least. */
static bool is_due(struct store *s, size_t i, struct merge_look *ret_look, uint64_t *ret_changes)
{
    int64_t quiet_ns = QUIET_INTERVALS * store_settings(s)->compaction_interval;

    lock_take(&s->flusher.lock);
    const struct merge_day *d = &s->merger.days[i];
    bool quiet = time_mono_ns() - d->changed_ns >= quiet_ns;
    bool due = d->changes != d->looked || (quiet && !d->final);
    *ret_look = (struct merge_look){.tenant = d->tenant, .day = d->day, .final = quiet};
    *ret_changes = d->changes;
    lock_give(&s->flusher.lock);
    return due;
}

static void note_look(struct store *s, size_t i, bool final, uint64_t changes)
{
    lock_take(&s->flusher.lock);
    struct merge_day *d = &s->merger.days[i];
    d->looked = changes;
    d->final = final && d->changes == changes;
    lock_give(&s->flusher.lock);
}

static size_t count_days(struct store *s)
{
    lock_take(&s->flusher.lock);
    size_t count = s->merger.day_count;
    lock_give(&s->flusher.lock);
    return count;
}

/* Look at every day that is due; the first failure ends it. */
static enum status look_at_days(struct store *s, struct err *err)
{
    const struct merge_request bury = {0};
    struct merge_look look;
    enum status st = ST_OK;
    uint64_t changes;

    for (size_t i = 0; i < count_days(s) && st == ST_OK; i++) {
        bool again = false;
        if (flag_get(&s->merger.stop) || flag_get(&s->flush_failing))
            return ST_OK;
        if (!is_due(s, i, &look, &changes))
            continue;
        st = merge_day(s, &look, &again, err);
        if (st == ST_OK)
            note_look(s, i, look.final && !again, changes);
    }
    if (st == ST_OK && counter_get(&s->merger.segments_dead) > 0)
        st = merge_submit(s, &bury, err);
    return st;
}

/* Wait for the next look. False: it is time to end. */
static bool wait_for_look(struct store *s)
{
    struct merger *m = &s->merger;
    int64_t until_ns = time_mono_ns() + store_settings(s)->compaction_interval;

    lock_take(&s->flusher.lock);
    while (!flag_get(&m->stop) && time_mono_ns() < until_ns)
        (void)lock_cond_wait_for(&m->wake, &s->flusher.lock, until_ns - time_mono_ns());
    lock_give(&s->flusher.lock);
    return !flag_get(&m->stop);
}

static void *run(void *context)
{
    struct store *s = context;
    bool failing = false;
    struct err err;

    if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICE_LOWEST) != 0)
        LOG(LOG_WARN, "cannot lower the priority of merging", LOG_INT("nice", NICE_LOWEST));
    while (wait_for_look(s)) {
        enum status st = look_at_days(s, &err);
        if (st == ST_CANCELLED)
            break;
        if (st != ST_OK) {
            counter_add(&s->merger.failures, 1);
            if (!failing)
                LOG(LOG_ERROR, "cannot merge chunks, trying again", LOG_ERR(&err));
        }
        failing = st != ST_OK;
    }
    return NULL;
}

/* Nobody knows what was merged before the start: every day is looked at. */
static enum status load_days(struct store *s, struct err *err)
{
    struct index_read *r = NULL;
    struct arena none = {0};
    struct segment_ref ref;
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, &none, &r, err);
    while (st == ST_OK) {
        st = index_next_segment(r, &cursor, &ref);
        if (st != ST_OK || ref.state == SEGMENT_DEAD || ref.committed_bytes == 0)
            continue;
        struct tenant *tenant = store_tenant(s, ref.tenant, true);
        if (tenant == NULL)
            st = ST_NOMEM;
        else
            merge_note_day(s, tenant->name, ref.day);
    }
    index_read_end(r);
    return st == ST_NOT_FOUND ? ST_OK : err_set(err, st, "cannot load the days to merge");
}

enum status merge_start(struct store *s, struct err *err)
{
    struct merger *m = &s->merger;

    if (!is_on(s))
        return ST_OK;
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
    struct merger *m = &s->merger;

    if (m->started) {
        lock_take(&s->flusher.lock);
        flag_set(&m->stop);
        lock_cond_signal(&m->wake);
        lock_give(&s->flusher.lock);
        (void)pthread_join(m->thread, NULL);
        m->started = false;
    }
}
