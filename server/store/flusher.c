/*
 * The flusher: the one thread that writes segments and the index (I5).
 *
 * It looks once a second whether there is something to do, and at once when it is woken: by a head
 * that is full, by heads that take more memory than they should, or by somebody who wants
 * everything flushed. Then, and now and then anyway, it makes a round of all streams: it seals what
 * is due, writes it in batches (flush.c), drops what is committed, and lets the log remove the
 * files that nobody needs any more (I3). In between it commits what the merger has made. When
 * writing fails (a full disk, say) the sealed heads stay where they are, answers still have them,
 * and the next look tries again. What cannot be packed, or needs a damaged record of the index,
 * keeps nothing else back.
 *
 * When a stop takes too long what it is doing is abandoned, and so is what it is asked for from
 * then on; but it answers, for the merger, which is joined first, may wait for that.
 */
#include "server/store/store_internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#include "base/banned.h"

enum {
    SLICE_STREAMS = 512, /* visited under one hold of their tenant's lock */
    BATCH_ITEMS_MAX = 2048,
    SIZE_CLASSES = 48, /* powers of two of the memory of a stream and its head */
};

#define LOOK_PERIOD_NS SECOND_NS
#define RETRY_PERIOD_NS (5 * SECOND_NS)
#define ROUND_PERIOD_NS (10 * SECOND_NS)
#define BATCH_BYTES_MAX \
    (8 * MIB) /* of lines and labels: what a flush adds to the memory of heads until it commits */

/* What is due in one look. */
struct due {
    struct store *store;
    bool everything;
    int64_t now_ns;
    uint64_t
        memory_least; /* streams that take as much are flushed; UINT64_MAX: none for this reason */
    uint64_t wal_seq; /* streams with entries up to this record are flushed; 0: none */
    bool failed;      /* a head that is due could not be sealed */
};

/* ---- going through streams ---- */

typedef void stream_visit_fn(void *context, struct tenant *t, struct stream *s);

/* Visit every stream of a tenant that is there all the time; `visit` may remove the one it gets. */
static void visit_streams(struct tenant *t, stream_visit_fn *visit, void *context)
{
    struct stream *s = NULL;
    uint32_t number = 0;

    do {
        lock_take(&t->lock);
        for (size_t i = 0; i < SLICE_STREAMS; i++) {
            s = streams_next(&t->streams, &number);
            if (s == NULL)
                break;
            visit(context, t, s);
        }
        lock_give(&t->lock);
    } while (s != NULL);
}

/* ---- choosing ---- */

struct sizes {
    uint64_t bytes[SIZE_CLASSES]; /* of streams that can be sealed */
    uint64_t leaving_bytes;       /* goes anyway */
};

static unsigned size_class(uint64_t bytes)
{
    unsigned class = bytes == 0 ? 0 : 63 - (unsigned)__builtin_clzll(bytes);

    return MIN_OF(class, (unsigned)SIZE_CLASSES - 1);
}

/* What is free when the stream is flushed; copies of values that nobody else has come on top. */
static uint64_t open_bytes(const struct stream *s)
{
    return s->head == NULL ? 0 : head_size(s->head).memory_bytes + stream_bytes(s);
}

static void add_size(void *context, struct tenant *t, struct stream *s)
{
    struct sizes *sizes = context;
    uint64_t bytes = open_bytes(s);

    (void)t;
    if (s->head == NULL)
        sizes->leaving_bytes += stream_bytes(s);
    for (const struct sealed *sealed = s->sealed_first; sealed != NULL; sealed = sealed->next)
        sizes->leaving_bytes += head_size(sealed->head).memory_bytes;
    sizes->bytes[size_class(bytes)] += bytes;
}

static void add_sizes(void *context, struct tenant *t)
{
    visit_streams(t, add_size, context);
}

/*
 * When all heads and streams together are above the target: the size from which they must be
 * flushed to come down to three quarters of it. Largest first makes the largest chunks.
 */
static uint64_t memory_threshold(struct store *s)
{
    uint64_t target = store_memory_target(s);
    struct sizes sizes = {.leaving_bytes = 0};
    uint64_t total = store_memory(s), freed = 0;

    if (total <= target)
        return UINT64_MAX;
    store_each_tenant(s, add_sizes, &sizes);
    total -= MIN_OF(total, sizes.leaving_bytes);
    if (total <= target)
        return UINT64_MAX; /* the rest is sealed and on its way */
    for (unsigned class = SIZE_CLASSES; class -- > 0;) {
        freed += sizes.bytes[class];
        if (total <= freed + target / 4 * 3)
            return UINT64_C(1) << class;
    }
    return 1;
}

static bool seal_is_due(const struct due *d, const struct stream *s, enum seal_reason *ret_reason)
{
    const struct settings *settings = store_settings(d->store);

    if (d->everything)
        *ret_reason = SEAL_FORCED;
    else if (store_is_full(d->store, s))
        *ret_reason = SEAL_FULL;
    else if (d->now_ns - s->last_append_ns >= settings->chunk_idle_period)
        *ret_reason = SEAL_IDLE;
    else if (d->now_ns - s->head_opened_ns >= settings->max_chunk_age)
        *ret_reason = SEAL_MAX_AGE;
    else if (open_bytes(s) >= d->memory_least)
        *ret_reason = SEAL_MEMORY;
    else if (s->head_seq_first <= d->wal_seq)
        *ret_reason = SEAL_WAL;
    else
        return false;
    return true;
}

static void seal_if_due(void *context, struct tenant *t, struct stream *s)
{
    struct due *d = context;
    enum seal_reason reason;

    (void)t;
    if (s->head == NULL || !seal_is_due(d, s, &reason))
        return;
    store_seal(d->store, s, reason);
    if (s->head != NULL)
        d->failed = true;
}

static void seal_due(void *context, struct tenant *t)
{
    visit_streams(t, seal_if_due, context);
}

/* False: not all of it could be sealed, for want of memory. */
static bool seal_what_is_due(struct store *s, bool everything)
{
    uint64_t log_bytes = store_settings(s)->size_target;
    struct due due = {
        .store = s,
        .everything = everything,
        .now_ns = time_mono_ns(),
        .memory_least = memory_threshold(s),
        .wal_seq = s->wal == NULL ? 0 : wal_seq_beyond(s->wal, log_bytes),
    };

    store_each_tenant(s, seal_due, &due);
    return !due.failed;
}

/* ---- writing ---- */

struct batch {
    struct store *store;
    struct flush_item *items;
    size_t count;
    size_t capacity;
    uint64_t bytes;               /* of lines and labels */
    enum status status;           /* not ST_OK: no more is written */
    enum status failed;           /* the first failure, */
    struct err *err;              /* and its text */
    const struct stream *skipped; /* the last one that is left for the next round */
};

static bool batch_is_full(const struct batch *b)
{
    return b->count >= BATCH_ITEMS_MAX || b->bytes >= BATCH_BYTES_MAX;
}

static void note_failure(struct batch *b, enum status st, const struct err *err)
{
    if (b->failed != ST_OK)
        return;
    b->failed = st;
    *b->err = *err;
}

static void add_item(struct batch *b, const struct flush_item *item)
{
    struct err err;

    if (b->count == b->capacity) {
        struct flush_item *wider = mem_grow(b->items, b->capacity * 2, sizeof(*wider));
        if (wider == NULL) {
            b->status = err_set(&err, ST_NOMEM, "no memory for a batch");
            note_failure(b, b->status, &err);
            return;
        }
        b->items = wider;
        b->capacity *= 2;
    }
    b->items[b->count++] = *item;
    b->bytes += head_size(item->sealed->head).line_bytes + item->stream->key.len;
}

/* Collect what a stream has sealed. False: the batch is full, and the rest is for the next one. */
static bool collect_stream(struct batch *b, struct tenant *t, struct stream *s)
{
    const struct sealed *end = stream_unfinished(s);

    for (const struct sealed *sealed = s->sealed_first; sealed != end; sealed = sealed->next) {
        if (batch_is_full(b) && !sealed->continues)
            return false;
        add_item(b, &(struct flush_item){.tenant = t, .stream = s, .sealed = sealed});
    }
    return true;
}

/* Collect sealed heads from stream `*number` on, until the batch is full. False at the last one. */
static bool collect_sealed(struct batch *b, struct tenant *t, uint32_t *number)
{
    struct stream *s = NULL;

    lock_take(&t->lock);
    for (size_t i = 0; i < SLICE_STREAMS && !batch_is_full(b); i++) {
        s = streams_next(&t->streams, number);
        if (s == NULL)
            break;
        if (s != b->skipped && !collect_stream(b, t, s))
            --*number;
    }
    lock_give(&t->lock);
    return s != NULL || batch_is_full(b);
}

/* The head of the item is in committed chunks: drop it, and its stream when that was the last. */
static void drop_item(struct store *s, const struct flush_item *item)
{
    struct stream *stream = item->stream;

    ASSERT(stream->sealed_first == item->sealed);
    counter_sub(&s->head_bytes, head_size(item->sealed->head).memory_bytes);
    counter_sub(&s->heads, 1);
    stream->flushed_seq = item->sealed->seq_max;
    stream_drop_sealed(stream);
    if (!stream_has_entries(stream))
        store_drop_stream(s, item->tenant, stream);
}

static void drop_flushed(struct batch *b, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        lock_take(&b->items[i].tenant->lock);
        drop_item(b->store, &b->items[i]);
        lock_give(&b->items[i].tenant->lock);
    }
}

/* Where a part of about `count` items ends that may be committed alone. */
static size_t part_end(const struct batch *b, size_t begin, size_t count)
{
    size_t end = begin + MIN_OF(count, b->count - begin);

    while (end < b->count && b->items[end].sealed->continues)
        end++;
    return end;
}

/* Where the items of the stream at `begin` end: what follows of it must not be committed before. */
static size_t stream_end(const struct batch *b, size_t begin)
{
    size_t end = begin;

    while (end < b->count && b->items[end].stream == b->items[begin].stream)
        end++;
    return end;
}

/* May a part of a batch succeed where all of it has failed? Not when it was the disk. */
static bool is_of_items(enum status st)
{
    return status_is_memory(st) || st == ST_TOO_LARGE || st == ST_CORRUPT; /* of the index */
}

/*
 * Write the items, at once if that can be done. Else in parts, which become smaller where they fail
 * and larger where they do not; what fails even alone is left for the next round.
 */
static void write_parts(struct batch *b)
{
    size_t count = b->count;
    struct err err;

    for (size_t begin = 0; begin < b->count && b->status == ST_OK;) {
        size_t end = part_end(b, begin, count);
        enum status st = flush_items(b->store, b->items + begin, end - begin, &err);
        if (st == ST_OK) {
            drop_flushed(b, begin, end);
            begin = end;
            count = MIN_OF(count * 2, b->count);
        } else if (is_of_items(st) && count > 1) {
            count = MIN_OF(count, end - begin) / 2;
            count = MAX_OF(count, (size_t)1);
        } else {
            note_failure(b, st, &err);
            b->status = is_of_items(st) ? ST_OK : st;
            b->skipped = b->items[begin].stream;
            begin = stream_end(b, begin);
        }
    }
}

/* Write the batch, which is then empty. */
static void write_batch(struct batch *b)
{
    if (b->count > 0 && b->status == ST_OK) {
        write_parts(b);
        if (b->store->wal != NULL)      /* there is none while it is replayed */
            (void)space_look(b->store); /* a round may be long */
    }
    b->count = 0;
    b->bytes = 0;
}

static void write_tenant(void *context, struct tenant *t)
{
    struct batch *b = context;
    uint32_t number = 0;
    bool more = true;

    while (more && b->status == ST_OK) {
        more = collect_sealed(b, t, &number);
        if (batch_is_full(b))
            write_batch(b);
    }
}

/*
 * In the order of the numbers of streams: those that were made together have neighbouring places in
 * the index, so that a transaction touches few of its pages.
 */
static enum status write_sealed(struct store *s, struct err *err)
{
    struct batch b = {
        .store = s,
        .items = mem_new(BATCH_ITEMS_MAX, sizeof(struct flush_item)),
        .capacity = BATCH_ITEMS_MAX,
        .err = err,
    };

    if (b.items == NULL)
        return err_set(err, ST_NOMEM, "no memory for a batch");
    store_each_tenant(s, write_tenant, &b);
    write_batch(&b);
    mem_free(b.items);
    return b.failed;
}

/* ---- after writing ---- */

struct sweeping {
    struct store *store;
    uint64_t oldest_seq; /* of what is not flushed */
};

/* Note what is not flushed, and forget streams that a push has made but not filled. */
static void sweep_stream(void *context, struct tenant *t, struct stream *s)
{
    struct sweeping *sweeping = context;

    sweeping->oldest_seq = MIN_OF(sweeping->oldest_seq, stream_oldest_seq(s));
    if (!stream_has_entries(s))
        store_drop_stream(sweeping->store, t, s);
}

static void sweep_tenant(void *context, struct tenant *t)
{
    visit_streams(t, sweep_stream, context);
}

static void sweep(struct store *s)
{
    /*
     * A record and its entries get into the log and the heads under one lock of their tenant. So
     * each record below the bound, which is taken before the first tenant is looked at, is seen in
     * its heads; records from the bound on are never dropped.
     */
    struct sweeping sweeping = {.store = s, .oldest_seq = wal_next_seq(s->wal)};

    store_each_tenant(s, sweep_tenant, &sweeping);
    wal_drop(s->wal, sweeping.oldest_seq);
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
    int64_t until_ns = time_mono_ns() + LOOK_PERIOD_NS;

    lock_take(&f->lock);
    while (!f->stop && f->forced == f->completed && (failing || !f->woken)) {
        if (deletes_are_waiting(s)) {
            lock_give(&f->lock);
            deletes_serve(s);
            lock_take(&f->lock);
            continue;
        }
        if (merge_is_waiting(s)) {
            lock_give(&f->lock);
            merge_serve(s);
            lock_take(&f->lock);
            continue;
        }
        int64_t left_ns = until_ns - time_mono_ns();
        if (left_ns <= 0)
            break;
        (void)lock_cond_wait_for(&f->wake, &f->lock, left_ns);
    }
    f->woken = false;
    *ret_stop = f->stop;
    uint64_t forced = f->forced;
    lock_give(&f->lock);
    return forced;
}

/* Who waits must not be told of a later round, of less. */
static void answer(struct flusher *f, uint64_t forced, enum status st, const struct err *err)
{
    lock_take(&f->lock);
    if (forced != f->completed) {
        f->completed = forced;
        f->last_status = st;
        if (st != ST_OK)
            f->last_err = *err;
        lock_cond_broadcast(&f->done);
    }
    lock_give(&f->lock);
}

static void report(struct store *s, enum status st, const struct err *err)
{
    struct flusher *f = &s->flusher;

    if (st == ST_CANCELLED)
        return;
    if (st != ST_OK) {
        counter_add(&s->flushes_failed, 1);
        if (!flag_get(&s->flush_failing))
            LOG(LOG_ERROR, "cannot flush, trying again", LOG_ERR(err));
        flag_set(&s->flush_failing);
        f->next_retry_ns = time_mono_ns() + RETRY_PERIOD_NS;
    } else if (flag_get(&s->flush_failing)) {
        LOG(LOG_INFO, "flushing works again", LOG_INT("failures", counter_get(&s->flushes_failed)));
        flag_clear(&s->flush_failing);
    }
}

/*
 * Is there a reason to go through all streams? There may be very many, so a look that nobody asked
 * for does that now and then only: to find idle and old ones.
 */
static bool round_is_due(struct store *s)
{
    const struct settings *settings = store_settings(s);
    struct flusher *f = &s->flusher;
    int64_t now_ns = time_mono_ns();
    bool has_full = flag_get(&s->has_full);

    if (flag_get(&s->flush_failing) && now_ns < f->next_retry_ns)
        return false;
    if (has_full)
        flag_clear(&s->has_full);
    if (now_ns < f->next_round_ns && !has_full && !flag_get(&s->flush_failing) &&
        store_memory(s) <= store_memory_target(s) &&
        wal_state(s->wal).bytes <= settings->size_target)
        return false;
    int64_t period_ns = MIN_OF(settings->chunk_idle_period, settings->max_chunk_age) / 8;
    f->next_round_ns = now_ns + MIN_OF(period_ns, ROUND_PERIOD_NS);
    return true;
}

static enum status flush_what_is_due(struct store *s, bool everything, struct err *err)
{
    bool sealed = seal_what_is_due(s, everything);
    enum status st = write_sealed(s, err);

    if (st == ST_OK && !sealed)
        st = err_set(err, ST_NOMEM, "no memory to flush all that is due");
    return st;
}

/* Flush what is due. When that is nothing there is time to give memory back. */
static enum status make_round(struct store *s, bool everything, struct err *err)
{
    uint64_t flushed = counter_get(&s->chunks_flushed);

    enum status st = flush_what_is_due(s, everything, err);
    if (st != ST_CANCELLED && !s->flusher.broken)
        sweep(s);
    if (st != ST_OK)
        return st;
    if (counter_get(&s->chunks_flushed) == flushed) {
        mem_trim();
        index_unmap_pages(s->index);
    }
    return ST_OK;
}

/* Drop and flush what is due, or everything if somebody asks for that. */
static void look(struct store *s, uint64_t forced)
{
    struct flusher *f = &s->flusher;
    bool for_room = space_look(s), asked = forced != f->completed;
    struct err err;

    if (for_room)
        f->next_round_ns = 0;
    if (!round_is_due(s) && !asked)
        return;
    enum status st = make_round(s, asked || for_room, &err);
    report(s, st, &err);
    answer(f, forced, st, &err);
}

static void *run(void *context)
{
    struct store *s = context;
    bool stop = false;

    (void)space_look(s);
    while (!stop) {
        uint64_t forced = wait_for_work(s, &stop);
        struct err err;
        if (flag_get(&s->flusher.abandon))
            answer(&s->flusher, forced, err_set(&err, ST_CANCELLED, "the store is being closed"),
                   &err);
        else
            look(s, forced);
        deletes_serve(s); /* even if there is no end of other work */
        merge_serve(s);
    }
    return NULL;
}

/*
 * May chunks be written behind what is committed? Not where that is missing, or ends earlier, nor
 * behind damage at its end.
 */
static bool may_grow(const struct store *s, const struct segment_ref *ref)
{
    uint64_t bytes;

    return ref->state != SEGMENT_DEAD &&
           ref->committed_bytes < store_settings(s)->segment_max_bytes &&
           ref->committed_bytes % CHUNK_ALIGN == 0 &&
           store_segment_is_itself(s, (struct segment_name){ref->id, ref->day}, &bytes) &&
           bytes >= ref->committed_bytes;
}

enum status flusher_relieve(struct store *s, struct err *err)
{
    struct sweeping sweeping = {.store = s};

    enum status st = flush_what_is_due(s, false, err);
    store_each_tenant(s, sweep_tenant, &sweeping);
    return st;
}

/* Load the segments that may be appended to. */
enum status flusher_open(struct store *s, struct err *err)
{
    struct flusher *f = &s->flusher;
    struct index_read *r = NULL;
    struct arena none = {0};
    struct segment_ref ref;
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, &none, &r, err);
    while (st == ST_OK) {
        st = index_next_segment(r, &cursor, &ref);
        if (st == ST_OK && ref.state == SEGMENT_DEAD && f->dead_count < COUNT_OF(f->dead)) {
            f->dead[f->dead_count] =
                (struct dead_segment){.name = {ref.id, ref.day}, .number = f->dead_count};
            f->dead_count++;
            counter_add(&s->merger.segments_killed, 1);
        }
        if (st != ST_OK || !may_grow(s, &ref))
            continue;
        struct tenant *tenant = store_tenant(s, ref.tenant, true);
        if (tenant != NULL)
            ref.tenant = tenant->name;
        if (tenant == NULL || open_segments_add(&f->segments, &ref) == NULL)
            st = ST_NOMEM;
    }
    index_read_end(r);
    return st == ST_NOT_FOUND ? ST_OK : err_set(err, st, "cannot load the list of segments");
}

/* What a crash has left of the segments that are dead, even if nothing is merged any more. */
static void remove_dead_segments(struct store *s)
{
    struct err err;

    if (flush_bury_segments(s, &err) != ST_OK)
        LOG(LOG_WARN, "cannot remove segments that hold nothing, trying again", LOG_ERR(&err));
    counter_set(&s->merger.segments_dead, s->flusher.dead_count);
}

enum status flusher_start(struct store *s, struct err *err)
{
    remove_dead_segments(s);
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
    open_segments_release(&f->segments);
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
