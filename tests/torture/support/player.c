#include "tests/torture/support/player.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/time.h"
#include "server/store/retention.h"
#include "server/store/store_internal.h"
#include "tests/torture/support/clock.h"

#include "base/banned.h"

enum {
    ARENA_BYTES_MAX = 64 * 1024 * 1024,
    SMALL_WAL_FILE_BYTES = 8 * 1024,
    SMALL_WAL_BYTES = 40 * 1024,
    SMALL_SEGMENT_BYTES = 24 * 1024,
    SMALL_CHUNK_BYTES = 8 * 1024,
    SMALL_BLOCK_BYTES = 1024,
    SMALL_INDEX_BYTES = 32 * 1024 * 1024,
    STORE_SLEEPERS = 2, /* the flusher and the merger */
    FORGETTING_MOMENTS = 50,
    OPENINGS_MAX = 40,    /* tries to open */
    DAMAGED_BYTES = 8192, /* both heads */
};

#define MERGE_SECONDS_MAX 120 /* others may keep the machine busy */
#define SKIP_NS SECOND_NS     /* so far the clock is moved on at once, */
#define SKIP_GROWTH 16        /* the next time farther by a 16th of it all, and all in all: */
#define SKIPPED_NS_MAX (30 * MINUTE_NS)
#define SKIPPED_FAILED_NS_MAX MINUTE_NS /* what a log that has failed keeps from going stays */

/* ---- acknowledgements ---- */

static void note_state(struct player *p, size_t step, enum step_state state)
{
    if (p->ledger == NULL || step >= p->scenario->step_count)
        return;
    if (state == STEP_ACKED && p->scenario->steps[step].kind == STEP_PUSH &&
        flag_get(&p->log_failed))
        counter_add(&p->late_acks, 1);
    counter_set(&p->ledger->states[step], state);
    if (p->trace != NULL)
        trace_note(p->trace, step, state);
}

static void note_end(struct player *p, size_t step, enum status st)
{
    if (st == ST_OK)
        note_state(p, step, STEP_ACKED);
}

/* The mutex is held. NULL: not yet. */
static const struct settled *find_settled(const struct player *p, uint64_t seq)
{
    for (size_t i = 0; i < p->settled_count; i++) {
        if (p->settled[i].seq >= seq)
            return &p->settled[i];
    }
    return NULL;
}

static void see_settled(void *context, uint64_t seq, enum status st)
{
    struct player *p = context;

    (void)pthread_mutex_lock(&p->mutex);
    ASSERT(p->settled_count < PLAYER_SETTLED_MAX);
    p->settled[p->settled_count++] = (struct settled){seq, st};
    for (size_t i = 0; i < p->pending_count;) {
        if (p->pending[i].seq > seq) {
            i++;
            continue;
        }
        note_end(p, p->pending[i].step, st);
        p->pending[i] = p->pending[--p->pending_count];
    }
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->mutex);
}

/* A push was taken as `seq`. */
static void note_taken(struct player *p, size_t step, uint64_t seq)
{
    (void)pthread_mutex_lock(&p->mutex);
    const struct settled *s = find_settled(p, seq);
    if (s != NULL)
        note_end(p, step, s->status);
    else
        p->pending[p->pending_count++] = (struct pending_push){seq, step};
    (void)pthread_mutex_unlock(&p->mutex);
}

static enum status wait_for(struct player *p, uint64_t seq)
{
    const struct settled *s;

    (void)pthread_mutex_lock(&p->mutex);
    while ((s = find_settled(p, seq)) == NULL)
        (void)pthread_cond_wait(&p->changed, &p->mutex);
    enum status st = s->status;
    (void)pthread_mutex_unlock(&p->mutex);
    return st;
}

void player_wait(struct player *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    while (p->pending_count > 0)
        (void)pthread_cond_wait(&p->changed, &p->mutex);
    (void)pthread_mutex_unlock(&p->mutex);
}

/* ---- opening and closing ---- */

void player_init(struct player *p, const struct scenario *sc, struct ledger *l, const char *dir)
{
    memset(p, 0, sizeof(*p));
    p->scenario = sc;
    p->ledger = l;
    p->merges = true;
    (void)snprintf(p->dir, sizeof(p->dir), "%s", dir);
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    enum status st = config_init(&p->config, NULL);
    if (st == ST_OK)
        st = config_set(&p->config, STR("storage.data_dir"), str_from(p->dir), NULL);
    if (st == ST_OK)
        st = config_set(&p->config, STR("limits.retention_period"), STR("30d"), NULL);
    if (st == ST_OK) /* SCENARIO_RETENTION_SHORT_NS, of SCENARIO_SHORT */
        st = config_set(&p->config, STR("limits.retention_stream"), STR("{app=\"app1\"} 1 690h"),
                        NULL);
    if (st == ST_OK)
        st = config_finish(&p->config, NULL);
    ASSERT(st == ST_OK);

    /* Below what a person may set: files of a few records turn over within a scenario. */
    struct settings *s = &p->config.settings;
    s->file_size = SMALL_WAL_FILE_BYTES;
    s->size_target = SMALL_WAL_BYTES;
    s->segment_max_bytes = SMALL_SEGMENT_BYTES;
    s->chunk_target_size = SMALL_CHUNK_BYTES;
    s->chunk_block_size = SMALL_BLOCK_BYTES;
    s->index_max_bytes = SMALL_INDEX_BYTES;
    if (sc->kind == SCENARIO_REBUILD)
        s->chunk_encoding = STR("snappy");
    s->delete_request_cancel_period = 0; /* deleted lines leave the disk at once */
}

void player_release(struct player *p)
{
    player_close(p);
    config_release(&p->config);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->mutex);
}

static void hold_merges(struct player *p)
{
    if (!p->merges || p->held)
        return;
    p->hold = merge_hold(p->store);
    p->held = true;
}

static void let_merges_go(struct player *p)
{
    if (p->held)
        merge_let_go(p->store, p->hold);
    p->held = false;
}

static void set_clock(struct player *p)
{
    clock_set_wall(ledger_floor_ns(p->ledger, p->scenario) + SCENARIO_RETENTION_NS);
}

enum status player_open(struct player *p, struct err *err)
{
    const struct store_options options = {
        .config = &p->config, .settled = see_settled, .context = p};

    ASSERT(p->store == NULL);
    if (p->ledger != NULL)
        set_clock(p);
    flag_clear(&p->log_failed);
    p->config.settings.compaction_interval = p->merges ? MS_NS : 0;
    enum status st = store_open(&options, &p->store, err);
    if (st == ST_OK)
        hold_merges(p);
    return st;
}

bool player_open_at_last(struct player *p)
{
    struct err err;

    for (unsigned i = 0; i < OPENINGS_MAX; i++) {
        if (player_open(p, &err) == ST_OK)
            return true;
    }
    (void)fprintf(stderr, "  it does not open: %s\n", err.text);
    return false;
}

void player_close(struct player *p)
{
    if (p->store == NULL)
        return;
    player_wait(p);
    let_merges_go(p);
    store_close(p->store, 0);
    p->store = NULL;
}

/* ---- steps ---- */

static void put_entry(struct buf *b, const struct scenario_entry *e)
{
    buf_printf(b,
               "{\"stream\":{\"app\":\"app%u\",\"env\":\"%s\"},\"values\":[[\"%lld\",\"%.*s\"%s]]}",
               e->stream, e->stream % 2 == 0 ? "prod" : "dev", (long long)e->ts_ns,
               STR_ARG(e->line), e->metadata ? ",{\"trace\":\"t1\"}" : "");
}

static void put_message(struct buf *b, unsigned field, struct buf *message)
{
    buf_put_uvarint(b, field << 3 | 2);
    buf_put_str(b, buf_str(message));
    b->failed |= message->failed;
    buf_release(message);
}

/* The stream of one entry, see proto/push.proto. */
static void put_protobuf(struct buf *b, const struct scenario_entry *e)
{
    struct buf labels, time, entry, stream;

    buf_init(&labels, MIB);
    buf_init(&time, MIB);
    buf_init(&entry, MIB);
    buf_init(&stream, MIB);
    buf_printf(&labels, "{app=\"app%u\", env=\"%s\"}", e->stream,
               e->stream % 2 == 0 ? "prod" : "dev");
    buf_put_uvarint(&time, 1 << 3);
    buf_put_uvarint(&time, (uint64_t)(e->ts_ns / SECOND_NS));
    buf_put_uvarint(&time, 2 << 3);
    buf_put_uvarint(&time, (uint64_t)(e->ts_ns % SECOND_NS));
    put_message(&entry, 1, &time);
    buf_put_uvarint(&entry, 2 << 3 | 2);
    buf_put_str(&entry, e->line);
    put_message(&stream, 1, &labels);
    if (e->metadata) {
        static const char pair[] = "\x0a\x05trace\x12\x02t1";
        buf_put_uvarint(&entry, 3 << 3 | 2);
        buf_put_str(&entry, str_from(pair));
    }
    put_message(&stream, 2, &entry);
    put_message(b, 1, &stream);
}

/* A snappy block that compresses nothing: its length, and literals of up to 60 bytes. */
static void put_block(struct buf *b, struct str message)
{
    enum { LITERAL_BYTES_MAX = 60 };

    buf_put_uvarint(b, message.len);
    while (message.len > 0) {
        struct str literal = str_head(message, MIN_OF(message.len, (size_t)LITERAL_BYTES_MAX));
        buf_put_char(b, (char)((literal.len - 1) << 2));
        buf_put(b, literal);
        message = str_cut(message, literal.len);
    }
}

static void put_body(struct buf *b, const struct player *p, const struct step *s)
{
    const struct scenario_entry *entries = p->scenario->entries;
    struct buf message;

    if (s->protobuf) {
        buf_init(&message, MIB);
        for (size_t i = 0; i < s->count; i++)
            put_protobuf(&message, &entries[s->entries[i]]);
        put_block(b, buf_str(&message));
        b->failed |= message.failed;
        buf_release(&message);
        return;
    }
    buf_put(b, STR("{\"streams\":["));
    for (size_t i = 0; i < s->count; i++) {
        buf_put(b, i == 0 ? STR("") : STR(","));
        put_entry(b, &entries[s->entries[i]]);
    }
    buf_put(b, STR("]}"));
}

static enum status push(struct player *p, const struct step *s, size_t number, bool waits,
                        struct err *err)
{
    const struct push_spec spec = {.format = s->protobuf ? PUSH_PROTOBUF : PUSH_JSON,
                                   .decompressed_bytes_max = MIB};
    struct push_request request;
    struct arena a;
    struct buf body;

    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&body, MIB);
    put_body(&body, p, s);
    struct store_push push = {
        .tenant = scenario_tenants[s->tenant], .request = &request, .arena = &a};
    if (s->protobuf)
        push.body = buf_str(&body);
    enum status st = buf_status(&body, err);
    if (st == ST_OK)
        st = push_decode(&a, &spec, buf_str(&body), &request, err);
    if (st == ST_OK)
        st = store_push(p->store, &push, err);
    if (st == ST_OK) {
        note_taken(p, number, push.ret_seq);
        if (waits) {
            st = wait_for(p, push.ret_seq);
            if (st != ST_OK)
                err_set(err, st, "the log refused it");
        }
    }
    buf_release(&body);
    arena_release(&a);
    return st;
}

enum status player_push_entries(struct player *p, unsigned tenant, const uint32_t *entries,
                                size_t count, struct err *err)
{
    const struct step s = {.kind = STEP_PUSH, .tenant = tenant, .entries = entries, .count = count};

    return push(p, &s, SIZE_MAX, true, err);
}

/* Is this chunk, or all of this segment, older than it is kept? */
static bool is_old(struct player *p, struct index_read *r, const struct chunk_ref *ref)
{
    const struct limits *limits = &p->config.limits;
    struct labels labels;

    return index_stream(r, ref->stream_id, &labels, NULL) == ST_OK &&
           ref->max_ns < retention_floor_ns(limits, labels, time_now_ns());
}

/* Is anything left that is older than it is kept? If it cannot be found out: no. */
static bool has_old(struct player *p)
{
    int32_t first_day = time_day(retention_least_floor_ns(&p->config.limits, time_now_ns()));
    struct chunk_cursor cursor = {.key_bytes = 0};
    struct index_read *r = NULL;
    struct segment_ref segment;
    struct chunk_ref ref;
    struct arena arena;
    struct str tenant;
    uint64_t at = 0;
    bool found = false;

    arena_init(&arena, ARENA_BYTES_MAX);
    if (index_read_begin(p->store->index, &arena, &r, NULL) == ST_OK) {
        while (!found && index_next_segment(r, &at, &segment) == ST_OK)
            found = segment.state != SEGMENT_DEAD && segment.committed_bytes > 0 &&
                    segment.day < first_day;
        while (!found && index_next_chunk(r, &cursor, &ref, &tenant) == ST_OK)
            found = is_old(p, r, &ref);
    }
    index_read_end(r);
    arena_release(&arena);
    return found;
}

static bool is_settled(struct player *p)
{
    struct store_state state = store_state(p->store);

    return state.merge_days_pending == 0 && state.segments_dead == 0 &&
           state.deletes_pending == 0 && (!p->merges || !has_old(p));
}

static void tell_what_is_left(struct player *p)
{
    struct store_state state = store_state(p->store);

    (void)fprintf(stderr,
                  "  merging does not end: %" PRIu64 " days, %" PRIu64 " dead segments, %" PRIu64
                  " delete requests%s are left\n",
                  state.merge_days_pending, state.segments_dead, state.deletes_pending,
                  p->merges && has_old(p) ? ", what is too old" : "");
}

bool player_merge(struct player *p)
{
    const struct timespec moment = {0, 300 * 1000};
    int64_t until_ns = time_mono_ns() + MERGE_SECONDS_MAX * SECOND_NS, skipped_ns = 0;
    int64_t skipped_max_ns =
        store_state(p->store).wal_failed ? SKIPPED_FAILED_NS_MAX : SKIPPED_NS_MAX;
    bool done = false;

    let_merges_go(p);
    store_set_config(p->store, &p->config); /* it looks for what is old at once */
    while (!done && time_mono_ns() < until_ns + skipped_ns && skipped_ns < skipped_max_ns) {
        done = is_settled(p);
        if (!done)
            (void)nanosleep(&moment, NULL);
        if (!done && clock_sleepers() == STORE_SLEEPERS) {
            int64_t skip_ns = SKIP_NS + skipped_ns / SKIP_GROWTH;
            clock_skip(skip_ns);
            skipped_ns += skip_ns;
        }
    }
    hold_merges(p);
    if (!done)
        tell_what_is_left(p);
    return done;
}

/* Time goes on. Unless the step waits it is seen later what is old by then. */
static enum status age(struct player *p, const struct step *s, struct err *err)
{
    const struct timespec moment = {0, 300 * 1000};

    set_clock(p);
    if (!s->waits)
        return ST_OK;
    if (!player_merge(p))
        return err_set(err, ST_TIMEOUT, "what is old does not go");
    enum status st = store_flush(p->store, err); /* and the log of it */
    if (st != ST_OK)
        return st;
    store_set_config(p->store, &p->config); /* streams without chunks go */
    for (int i = 0; i < FORGETTING_MOMENTS && flag_get(&p->store->space.emptied); i++)
        (void)nanosleep(&moment, NULL);
    return ST_OK;
}

/* What was the head of the index is not one. */
static enum status damage(struct player *p, struct err *err)
{
    static const char zeros[DAMAGED_BYTES];
    char path[PLAYER_PATH_BYTES + 32];

    player_close(p);
    (void)snprintf(path, sizeof(path), "%s/index/data.mdb", p->dir);
    int fd = io_openat(AT_FDCWD, path, O_RDWR, 0);
    enum status st = fd < 0 ? err_errno(err, "open %s", path)
                            : io_write_all(fd, str_make(zeros, sizeof(zeros)), 0, err);
    if (st == ST_OK && io_fdatasync(fd) != 0) /* no power cut takes it back */
        st = err_errno(err, "sync %s", path);
    if (fd >= 0)
        (void)close(fd);
    enum status opened = player_open(p, st == ST_OK ? err : NULL);
    if (st == ST_OK && opened == ST_OK && !store_state(p->store).index_rebuilt)
        st = err_set(err, ST_INTERNAL, "the index was not made again");
    return st == ST_OK ? opened : st;
}

static enum status delete_lines(struct player *p, const struct step *s, struct err *err)
{
    char query[64];
    int64_t begin_ns = SCENARIO_START_NS + s->day * DAY_NS;
    uint32_t id;

    (void)snprintf(query, sizeof(query), "{app=\"app%u\"} |= \"%c\"", s->stream, s->letter);
    const struct delete_wish wish = {.tenant = scenario_tenants[s->tenant],
                                     .query = str_from(query),
                                     .start_ns = begin_ns,
                                     .end_ns = begin_ns + DAY_NS - 1};
    return store_delete(p->store, &wish, &id, err);
}

static enum status play(struct player *p, size_t number, struct err *err)
{
    const struct step *s = &p->scenario->steps[number];

    switch (s->kind) {
    case STEP_PUSH:
        return push(p, s, number, s->waits, err);
    case STEP_FLUSH:
        player_wait(p);
        return store_flush(p->store, err);
    case STEP_MERGE:
        player_wait(p);
        if (store_state(p->store).flush_failing && store_flush(p->store, err) != ST_OK)
            return err->status; /* merges wait for it */
        return player_merge(p) ? ST_OK : err_set(err, ST_TIMEOUT, "merging does not end");
    case STEP_REOPEN:
        player_close(p);
        return player_open(p, err);
    case STEP_DELETE:
        player_wait(p);
        return delete_lines(p, s, err);
    case STEP_AGE:
        player_wait(p);
        return age(p, s, err);
    case STEP_DAMAGE:
        return damage(p, err);
    }
    return ST_INTERNAL;
}

bool player_play(struct player *p, size_t begin, size_t end)
{
    struct err err;

    for (size_t i = begin; i < end; i++) {
        note_state(p, i, STEP_SENT);
        enum status st = play(p, i, &err);
        if (st != ST_OK) {
            p->failures++;
            (void)snprintf(p->failure, sizeof(p->failure), "%s", err.text);
        } else if (p->scenario->steps[i].kind != STEP_PUSH) {
            note_end(p, i, st);
        }
        if (p->store == NULL)
            return false;
    }
    player_wait(p);
    return true;
}
