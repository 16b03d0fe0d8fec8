/*
 * The flusher: the one thread that writes segments and the index (I5).
 *
 * It looks at every stream once a second, and at once when it is woken: by a head that is full, by
 * heads that take more memory than they should, or by somebody who wants everything flushed. A look
 * seals what is due, writes it in batches (flush.c), drops what is committed, and lets the log
 * remove the files that nobody needs any more (I3). When writing fails (a full disk, say) the
 * sealed heads stay where they are, answers still have them, and the next look tries again.
 */
#include "server/store/store_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#include "base/banned.h"

enum {
    BATCH_ITEMS_MAX = 16384,
    SIZE_CLASSES = 48, /* powers of two of a head's memory */
};

#define LOOK_PERIOD_NS SECOND_NS
#define RETRY_PERIOD_NS (5 * SECOND_NS)
#define BATCH_LINE_BYTES_MAX \
    (8 * MIB) /* what a flush adds to the memory of heads until it commits */

/* What is due in one look. */
struct due {
    struct store *store;
    bool everything;
    int64_t now_ns;
    uint64_t
        memory_least; /* heads that take as much are flushed; UINT64_MAX: none for this reason */
    uint64_t wal_seq; /* streams with entries up to this record are flushed; 0: none */
};

/* ---- choosing ---- */

struct sizes {
    uint64_t bytes[SIZE_CLASSES];
};

static unsigned size_class(uint64_t bytes)
{
    unsigned class = bytes == 0 ? 0 : 63 - (unsigned)__builtin_clzll(bytes);

    return MIN_OF(class, (unsigned)SIZE_CLASSES - 1);
}

static void add_sizes(void *context, struct tenant *t)
{
    struct sizes *sizes = context;
    size_t cursor = 0;

    lock_take(&t->lock);
    for (const struct stream *s = map_next(&t->streams, &cursor); s != NULL;
         s = map_next(&t->streams, &cursor)) {
        uint64_t bytes = s->head == NULL ? 0 : head_size(s->head).memory_bytes;
        sizes->bytes[size_class(bytes)] += bytes;
    }
    lock_give(&t->lock);
}

/*
 * When all heads together are above the target: the size from which heads must be flushed to come
 * down to three quarters of it. Largest first makes the largest chunks.
 */
static uint64_t memory_threshold(struct store *s)
{
    uint64_t target = store_settings(s)->memory_target;
    struct sizes sizes = {{0}};
    uint64_t total = 0, freed = 0;

    if (counter_get(&s->head_bytes) <= target)
        return UINT64_MAX;
    store_each_tenant(s, add_sizes, &sizes);
    for (unsigned class = 0; class < SIZE_CLASSES; class ++)
        total += sizes.bytes[class];
    if (total <= target)
        return UINT64_MAX; /* the rest is sealed and on its way */
    for (unsigned class = SIZE_CLASSES; class -- > 0;) {
        freed += sizes.bytes[class];
        if (total - freed <= target / 4 * 3)
            return UINT64_C(1) << class;
    }
    return 1;
}

static bool seal_is_due(const struct due *d, const struct stream *s, enum seal_reason *ret_reason)
{
    const struct settings *settings = store_settings(d->store);
    struct head_size size = head_size(s->head);

    if (d->everything)
        *ret_reason = SEAL_FORCED;
    else if (size.line_bytes >= settings->chunk_target_size)
        *ret_reason = SEAL_FULL;
    else if (d->now_ns - s->last_append_ns >= settings->chunk_idle_period)
        *ret_reason = SEAL_IDLE;
    else if (d->now_ns - s->head_opened_ns >= settings->max_chunk_age)
        *ret_reason = SEAL_MAX_AGE;
    else if (size.memory_bytes >= d->memory_least)
        *ret_reason = SEAL_MEMORY;
    else if (s->head_seq_first <= d->wal_seq)
        *ret_reason = SEAL_WAL;
    else
        return false;
    return true;
}

static void seal_due(void *context, struct tenant *t)
{
    const struct due *d = context;
    enum seal_reason reason;
    size_t cursor = 0;

    lock_take(&t->lock);
    for (struct stream *s = map_next(&t->streams, &cursor); s != NULL;
         s = map_next(&t->streams, &cursor)) {
        if (s->head != NULL && seal_is_due(d, s, &reason))
            store_seal(d->store, s, reason);
    }
    lock_give(&t->lock);
}

static void seal_what_is_due(struct store *s, bool everything)
{
    const struct settings *settings = store_settings(s);
    struct wal_state wal = wal_state(s->wal);
    struct due due = {
        .store = s,
        .everything = everything,
        .now_ns = time_mono_ns(),
        .memory_least = memory_threshold(s),
        .wal_seq = wal.bytes > settings->size_target ? wal.oldest_seq_max : 0,
    };

    store_each_tenant(s, seal_due, &due);
}

/* ---- writing ---- */

struct batch {
    struct flush_item *items;
    size_t count;
    uint64_t line_bytes;
};

static bool batch_is_full(const struct batch *b)
{
    return b->count == BATCH_ITEMS_MAX || b->line_bytes >= BATCH_LINE_BYTES_MAX;
}

static void collect_sealed(void *context, struct tenant *t)
{
    struct batch *b = context;
    size_t cursor = 0;

    lock_take(&t->lock);
    for (struct stream *s = map_next(&t->streams, &cursor); s != NULL && !batch_is_full(b);
         s = map_next(&t->streams, &cursor)) {
        for (const struct sealed *sealed = s->sealed_first; sealed != NULL && !batch_is_full(b);
             sealed = sealed->next) {
            b->items[b->count++] = (struct flush_item){t, s, sealed};
            b->line_bytes += head_size(sealed->head).line_bytes;
        }
    }
    lock_give(&t->lock);
}

/* The heads of the batch are in committed chunks: drop them. */
static void drop_flushed(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct stream *stream = b->items[i].stream;
        lock_take(&b->items[i].tenant->lock);
        ASSERT(stream->sealed_first == b->items[i].sealed);
        counter_sub(&s->head_bytes, head_size(stream->sealed_first->head).memory_bytes);
        counter_sub(&s->heads, 1);
        stream->flushed_seq = stream->sealed_first->seq_max;
        stream_drop_sealed(stream);
        lock_give(&b->items[i].tenant->lock);
    }
}

static enum status write_sealed(struct store *s, struct err *err)
{
    struct batch b = {.items = mem_new(BATCH_ITEMS_MAX, sizeof(struct flush_item))};
    enum status st = ST_OK;

    if (b.items == NULL)
        return err_set(err, ST_NOMEM, "no memory for a batch");
    for (;;) {
        b.count = 0;
        b.line_bytes = 0;
        store_each_tenant(s, collect_sealed, &b);
        if (b.count == 0)
            break;
        st = flush_items(s, b.items, b.count, err);
        if (st != ST_OK)
            break;
        drop_flushed(s, &b);
    }
    mem_free(b.items);
    return st;
}

/* ---- after writing ---- */

struct leftovers {
    struct store *store;
    int64_t now_ns;
    uint64_t oldest_seq; /* of all streams: what is in memory only */
};

/* Note what is not flushed, and forget streams that are flushed and idle. */
static void sweep_tenant(void *context, struct tenant *t)
{
    struct leftovers *l = context;
    int64_t idle_ns = store_settings(l->store)->chunk_idle_period;
    size_t cursor = 0;

    lock_take(&t->lock);
    for (struct stream *s = map_next(&t->streams, &cursor); s != NULL;
         s = map_next(&t->streams, &cursor)) {
        l->oldest_seq = MIN_OF(l->oldest_seq, stream_oldest_seq(s));
        bool idle =
            s->head == NULL && s->sealed_first == NULL && l->now_ns - s->last_append_ns >= idle_ns;
        if (!idle)
            continue;
        (void)map_remove(&t->streams, s->key);
        cursor--; /* the slot may hold the next one now */
        stream_free(s);
        counter_sub(&t->counters.streams, 1);
        counter_add(&t->counters.streams_removed, 1);
    }
    lock_give(&t->lock);
}

static void sweep(struct store *s)
{
    /*
     * A record and its entries get into the log and the heads under one lock of their tenant. So
     * each record below the bound, which is taken before the first tenant is looked at, is seen in
     * its heads; records from the bound on are never dropped.
     */
    struct leftovers l = {.store = s, .now_ns = time_mono_ns(), .oldest_seq = wal_next_seq(s->wal)};

    store_each_tenant(s, sweep_tenant, &l);
    wal_drop(s->wal, l.oldest_seq);
}

/* ---- the thread ---- */

/*
 * Wait for the next look; returns how many forced flushes were asked for so far. After a failure
 * being woken does not shorten the wait: pushes would make it a busy loop.
 */
static uint64_t wait_for_work(struct store *s, bool *ret_stop)
{
    struct flusher *f = &s->flusher;
    bool failing = flag_get(&s->flush_failing);
    int64_t until_ns = time_mono_ns() + (failing ? RETRY_PERIOD_NS : LOOK_PERIOD_NS);

    lock_take(&f->lock);
    while (!f->stop && f->forced == f->completed && (failing || !f->woken)) {
        int64_t left_ns = until_ns - time_mono_ns();
        if (left_ns <= 0)
            break;
        (void)lock_cond_wait_for(&f->wake, &f->lock, left_ns);
    }
    f->woken = false;
    flag_clear(&s->has_full);
    *ret_stop = f->stop;
    uint64_t forced = f->forced;
    lock_give(&f->lock);
    return forced;
}

static void report(struct store *s, uint64_t forced, enum status st, const struct err *err)
{
    struct flusher *f = &s->flusher;

    if (st != ST_OK) {
        counter_add(&s->flushes_failed, 1);
        if (!flag_get(&s->flush_failing))
            LOG(LOG_ERROR, "cannot flush, trying again", LOG_ERR(err));
        flag_set(&s->flush_failing);
    } else if (flag_get(&s->flush_failing)) {
        LOG(LOG_INFO, "flushing works again", LOG_INT("failures", counter_get(&s->flushes_failed)));
        flag_clear(&s->flush_failing);
    }
    lock_take(&f->lock);
    f->completed = forced;
    f->last_status = st;
    if (st != ST_OK)
        f->last_err = *err;
    lock_cond_broadcast(&f->done);
    lock_give(&f->lock);
}

static void *run(void *context)
{
    struct store *s = context;
    bool stop = false;

    while (!stop) {
        uint64_t forced = wait_for_work(s, &stop);
        struct err err;
        if (stop && forced == s->flusher.completed)
            break;
        seal_what_is_due(s, forced != s->flusher.completed);
        enum status st = write_sealed(s, &err);
        if (st == ST_OK)
            sweep(s);
        report(s, forced, st, &err);
    }
    return NULL;
}

/* Load the segments that may be appended to. */
static enum status load_segments(struct store *s, struct err *err)
{
    struct flusher *f = &s->flusher;
    struct index_read *r = NULL;
    struct arena none = {0};
    struct segment_ref ref;
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, &none, &r, err);
    while (st == ST_OK) {
        st = index_next_segment(r, &cursor, &ref);
        if (st != ST_OK || ref.committed_bytes >= store_settings(s)->segment_max_bytes)
            continue;
        struct tenant *tenant = store_tenant(s, ref.tenant, true);
        if (f->segment_count == f->segment_capacity) {
            f->segment_capacity = f->segment_capacity == 0 ? 64 : f->segment_capacity * 2;
            struct open_segment *wider =
                mem_grow(f->segments, f->segment_capacity, sizeof(*f->segments));
            if (wider == NULL)
                tenant = NULL;
            else
                f->segments = wider;
        }
        if (tenant == NULL) {
            st = ST_NOMEM;
            break;
        }
        f->segments[f->segment_count++] = (struct open_segment){
            .name = {ref.id, ref.day},
            .tenant = tenant->name,
            .committed_bytes = ref.committed_bytes,
            .written_bytes = ref.committed_bytes,
            .has_file = ref.committed_bytes > 0,
        };
    }
    index_read_end(r);
    return st == ST_NOT_FOUND ? ST_OK : err_set(err, st, "cannot load the list of segments");
}

enum status flusher_start(struct store *s, struct err *err)
{
    enum status st = load_segments(s, err);

    if (st != ST_OK)
        return st;
    if (pthread_create(&s->flusher.thread, NULL, run, s) != 0)
        return err_set(err, ST_NOMEM, "cannot start the flusher");
    s->flusher.started = true;
    return ST_OK;
}

void flusher_stop(struct store *s)
{
    struct flusher *f = &s->flusher;

    if (f->started) {
        lock_take(&f->lock);
        f->stop = true;
        lock_cond_signal(&f->wake);
        lock_give(&f->lock);
        (void)pthread_join(f->thread, NULL);
        f->started = false;
    }
    mem_free(f->segments);
    f->segments = NULL;
}

void flusher_look(struct store *s)
{
    struct flusher *f = &s->flusher;

    lock_take(&f->lock);
    if (!f->woken) {
        f->woken = true;
        lock_cond_signal(&f->wake);
    }
    lock_give(&f->lock);
}

enum status flusher_force(struct store *s, int64_t timeout_ns, struct err *err)
{
    struct flusher *f = &s->flusher;
    int64_t until_ns = time_mono_ns() + timeout_ns;
    enum status st = ST_OK;

    lock_take(&f->lock);
    uint64_t ticket = ++f->forced;
    lock_cond_signal(&f->wake);
    while (f->completed < ticket && st == ST_OK) {
        int64_t left_ns = until_ns - time_mono_ns();
        if (left_ns <= 0)
            st = err_set(err, ST_TIMEOUT, "the flush is not done after its time");
        else
            (void)lock_cond_wait_for(&f->done, &f->lock, left_ns);
    }
    if (st == ST_OK && f->last_status != ST_OK) {
        st = f->last_status;
        if (err != NULL)
            *err = f->last_err;
    }
    lock_give(&f->lock);
    return st;
}
