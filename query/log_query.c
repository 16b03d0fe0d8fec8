/*
 * Log queries. The runs of a selection are taken in the order of their best entry, blocks of a run
 * likewise, and each is dropped unread when nothing in it could still get among the best `limit`
 * entries. So the cost of "the newest hundred lines" is a block or two for each stream, however
 * much is stored.
 */
#include "query/log_query.h"

#include <stdlib.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "base/num.h"
#include "base/time.h"
#include "query/crew.h"
#include "query/kept_lines.h"
#include "query/pipeline.h"

#include "base/banned.h"

/*
 * Two intervals of Loki that can be seen from outside: it cuts a range into pieces at whole hours,
 * and asks the memory of its ingesters for the last three hours only.
 */
#define SPLIT_NS HOUR_NS
#define INGESTER_WINDOW_NS (3 * HOUR_NS)

enum { BLOCK_POSITIONS = 65536 }; /* no block has more entries */

struct log_run {
    const struct engine_query *query;
    struct query_context *q;
    struct pipeline pipeline;
    int64_t start_ns; /* what is still wanted, both inclusive */
    int64_t end_ns;
    int64_t now_ns;
    struct selection *selection;
    struct source_run *runs; /* in the order they are read */
    struct lock lock;        /* for the hits */
    struct hits *hits;
    struct counter bound_ns; /* hits_bound_ns(), for those who have not the lock */
};

/* One of the threads that read runs. */
struct log_worker {
    struct log_run *run;
    struct query_context q;
    struct arena arena;
    struct reader *reader;
    struct arena scratch;
    struct kept_lines kept;   /* of the block that is read */
    struct entry_state entry; /* the one that goes through the stages */
    uint64_t position;        /* of the block that is read, within its run */
};

/* Could an entry of this time get in? */
static bool is_wanted(struct log_run *r, int64_t ts_ns)
{
    int64_t bound_ns = (int64_t)counter_get(&r->bound_ns);

    return r->query->backward ? ts_ns >= bound_ns : ts_ns <= bound_ns;
}

/* The best time a run or block may have. */
static int64_t best_ns(const struct log_run *r, int64_t min_ns, int64_t max_ns)
{
    return r->query->backward ? max_ns : min_ns;
}

/* May entries between these times get into the answer? */
static bool may_matter(struct log_run *r, int64_t min_ns, int64_t max_ns)
{
    return max_ns >= r->start_ns && min_ns <= r->end_ns && is_wanted(r, best_ns(r, min_ns, max_ns));
}

/*
 * A quirk of Loki, reproduced because dashboards compare: a stored chunk counts for a piece of the
 * range only if it ends after the piece begins. So the very last entry of a stream is not found
 * when its time is a whole hour and more than three hours ago. Loki misses it at the begin of any
 * range as well; here it is found: a client that pages forward begins each page with a time it
 * knows.
 */
static enum status is_hidden(const struct log_run *r, const struct source_run *run, int64_t ts_ns,
                             bool *ret_hidden, struct err *err)
{
    bool later = true;

    *ret_hidden = false;
    if (ts_ns % SPLIT_NS != 0 || (run->max_ns > ts_ns && !run->inexact) ||
        ts_ns >= r->now_ns - INGESTER_WINDOW_NS)
        return ST_OK;
    enum status st = r->selection->has_later(r->selection, run, ts_ns, &later, err);
    *ret_hidden = st == ST_OK && !later;
    return st;
}

static enum status offer_hit(struct log_run *r, const struct hit *hit)
{
    lock_take(&r->lock);
    enum status st = hits_offer(r->hits, hit);
    counter_set(&r->bound_ns, (uint64_t)hits_bound_ns(r->hits));
    lock_give(&r->lock);
    return st;
}

static enum status offer_line(struct log_worker *w, const struct source_run *run,
                              const struct block *b, uint32_t i)
{
    const struct pipeline *pipeline = &w->run->pipeline;
    struct entry_state *e = &w->entry;
    struct str line = block_line(b, i);

    arena_reset(e->scratch);
    e->ts_ns = b->ts_ns[i];
    e->line = line;
    label_builder_begin(&e->labels, run->stream->labels, block_metadata(b, i));
    if (!pipeline_run(pipeline, e))
        return e->scratch->failed ? ST_LIMIT : ST_OK;
    struct hit hit = {
        .ts_ns = b->ts_ns[i],
        .stream = run->stream,
        .order = run->order,
        .position = w->position + i,
        .line = line,
        .metadata = block_metadata(b, i),
        .shown = e->line,
        .labels = label_builder_result(&e->labels),
    };
    if (e->scratch->failed)
        return ST_LIMIT;
    w->q.stats.post_filter_lines++;
    return offer_hit(w->run, &hit);
}

static enum status offer_error(const struct log_worker *w, enum status st, struct err *err)
{
    if (st == ST_OK)
        return st;
    if (w->entry.scratch->failed)
        return arena_status(w->entry.scratch, err);
    if (st == ST_LIMIT)
        return err_set(err, st, "the lines of the answer take more than %llu bytes",
                       (unsigned long long)w->run->hits->bytes_max);
    return err_set(err, st, "cannot keep a line: %s", status_text(st));
}

/* Offer the entries whose lines are kept, the best ones first. */
static enum status read_lines(struct log_worker *w, const struct source_run *run,
                              const struct block *b, struct err *err)
{
    const uint64_t *kept = w->kept.bits;
    struct log_run *r = w->run;
    enum status st = ST_OK;

    for (uint32_t n = 0; n < b->count && st == ST_OK; n++) {
        uint32_t i = r->query->backward ? b->count - 1 - n : n;
        int64_t ts_ns = b->ts_ns[i];
        if (kept[i / 64] == 0) /* on to the next word */
            n += r->query->backward ? i % 64 : 63 - i % 64;
        if ((kept[i / 64] >> i % 64 & 1) == 0)
            continue;
        if (!is_wanted(r, ts_ns))
            return ST_OK; /* the rest is worse */
        bool hidden = true;
        if (ts_ns >= r->start_ns && ts_ns <= r->end_ns)
            st = is_hidden(r, run, ts_ns, &hidden, err);
        if (st == ST_OK && !hidden)
            st = offer_error(w, offer_line(w, run, b, i), err);
        if (st == ST_OK)
            st = pipeline_check(&r->pipeline, &w->q, n, block_line(b, i).len, err);
    }
    return st;
}

static enum status read_block(struct log_worker *w, const struct source_run *run, uint32_t i,
                              struct err *err)
{
    const struct kept_request request = {&w->run->pipeline, w->reader, &w->q, i, SOURCE_ALL};
    struct block block;

    w->position = (uint64_t)i * BLOCK_POSITIONS;
    enum status st = kept_lines_load(&w->kept, &request, &block, err);
    return st == ST_OK ? read_lines(w, run, &block, err) : st;
}

static enum status read_run(struct log_worker *w, struct source_run *run, struct err *err)
{
    struct log_run *r = w->run;
    const struct source_block *blocks;
    uint32_t count;

    enum status st = w->reader->open_run(w->reader, run, &blocks, &count, err);
    if (st != ST_OK)
        return query_forgive_damage(&w->q, st);
    for (uint32_t n = 0; n < count && st == ST_OK; n++) {
        uint32_t i = r->query->backward ? count - 1 - n : n;
        if (!may_matter(r, blocks[i].min_ns, blocks[i].max_ns))
            continue;
        if (pipeline_may_keep(&r->pipeline, w->reader, i))
            st = read_block(w, run, i, err);
        if (st == ST_OK)
            st = query_check(&w->q, err);
    }
    return st;
}

/* ---- the threads ---- */

static enum status begin_worker(void *context, void *worker, struct err *err)
{
    struct log_run *r = context;
    struct log_worker *w = worker;

    *w = (struct log_worker){.run = r};
    w->q = query_context_fork(r->q, &w->arena);
    arena_init_child(&w->scratch, &w->arena);
    arena_init_child(&w->kept.arena, &w->arena);
    w->entry.scratch = &w->scratch;
    w->entry.q = &w->q;
    label_builder_init(&w->entry.labels, &w->scratch, &r->pipeline.hints);
    return r->selection->reader(r->selection, &w->q, &w->reader, err);
}

static void end_worker(void *worker)
{
    struct log_worker *w = worker;

    if (w->reader != NULL)
        w->reader->release(w->reader);
    arena_release(&w->scratch);
    arena_release(&w->kept.arena);
    query_context_join(w->run->q, &w->q);
}

/* Item i is the i-th run. */
static enum status work(void *worker, struct crew *crew, size_t item, struct err *err)
{
    struct log_worker *w = worker;
    struct source_run *run = &w->run->runs[item];

    (void)crew;
    if (!is_wanted(w->run, best_ns(w->run, run->min_ns, run->max_ns)))
        return ST_NOT_FOUND; /* the rest is worse */
    return may_matter(w->run, run->min_ns, run->max_ns) ? read_run(w, run, err) : ST_OK;
}

/* ---- runs ---- */

static int compare_newest(const void *a, const void *b)
{
    const struct source_run *x = a, *y = b;

    return (x->max_ns < y->max_ns) - (x->max_ns > y->max_ns);
}

static int compare_oldest(const void *a, const void *b)
{
    const struct source_run *x = a, *y = b;

    return (x->min_ns > y->min_ns) - (x->min_ns < y->min_ns);
}

/* All batches of runs, until what is still to come is worse than what is there. */
static enum status read_runs(struct log_run *r, struct log_worker *own, struct err *err)
{
    struct crew_job job = {
        .own = own,
        .worker_bytes = sizeof(*own),
        .work = work,
        .begin = begin_worker,
        .end = end_worker,
        .context = r,
    };

    for (;;) {
        int64_t bound_ns;
        enum status st =
            r->selection->next_runs(r->selection, &r->runs, &job.items, &bound_ns, err);
        if (st != ST_OK)
            return st == ST_NOT_FOUND ? ST_OK : st;
        if (job.items > 0)
            qsort(r->runs, job.items, sizeof(*r->runs),
                  r->query->backward ? compare_newest : compare_oldest);
        st = crew_run(&job, err);
        if (st != ST_OK || !is_wanted(r, bound_ns))
            return st;
    }
}

/* Find the best entries of [start_ns, end_ns]. */
static enum status search(struct log_run *r, struct hits *hits, struct err *err)
{
    const struct log_expr *log = &r->query->expr->log;
    struct source_request request = {
        .tenant = r->query->tenant,
        .matchers = {log->matchers, log->matcher_count},
        .start_ns = r->start_ns,
        .end_ns = r->end_ns,
        .backward = r->query->backward,
    };
    struct log_worker own;

    r->hits = hits;
    counter_set(&r->bound_ns, (uint64_t)hits_bound_ns(hits));
    enum status st = r->query->source->select(r->query->source, r->q, &request, &r->selection, err);
    if (st != ST_OK)
        return st;
    st = begin_worker(r, &own, err);
    if (st == ST_OK)
        st = read_runs(r, &own, err);
    end_worker(&own);
    r->selection->end(r->selection);
    return st;
}

/* ---- interval: only lines that are far enough from the one before ---- */

struct interval_state {
    struct hits *kept;
    bool any;
    int64_t last_ns;
};

/* Keep those of the sorted hits that are far enough from the last one that was kept. */
static enum status thin_out(const struct engine_query *q, struct interval_state *s,
                            const struct hits *found)
{
    for (size_t i = 0; i < found->count && s->kept->count < q->limit; i++) {
        const struct hit *hit = hits_at(found, i);
        int64_t distance;
        bool fits = q->backward ? i64_sub(s->last_ns, hit->ts_ns, &distance)
                                : i64_sub(hit->ts_ns, s->last_ns, &distance);
        if (s->any && fits && distance < q->interval_ns)
            continue;
        enum status st = hits_offer(s->kept, hit);
        if (st != ST_OK)
            return st;
        s->any = true;
        s->last_ns = hit->ts_ns;
    }
    return ST_OK;
}

/* Go on behind what was seen, and an interval behind what was kept; false: there is no such time.
 */
static bool move_on(struct log_run *r, int64_t seen_ns, int64_t kept_ns)
{
    int64_t interval_ns = r->query->interval_ns, next_ns, far_ns;

    if (r->query->backward) {
        if (!i64_sub(seen_ns, 1, &next_ns) || !i64_sub(kept_ns, interval_ns, &far_ns))
            return false;
        r->end_ns = MIN_OF(next_ns, far_ns);
    } else {
        if (!i64_add(seen_ns, 1, &next_ns) || !i64_add(kept_ns, interval_ns, &far_ns))
            return false;
        r->start_ns = MAX_OF(next_ns, far_ns);
    }
    return true;
}

/*
 * Search again and again, each time behind what the search before has seen, until there are enough
 * lines or nothing is left. Dense data is jumped over: the next search begins one interval on.
 */
static enum status search_with_interval(struct log_run *r, struct hits *kept, struct err *err)
{
    const struct engine_query *q = r->query;
    struct interval_state state = {.kept = kept};
    enum status st = ST_OK;

    while (st == ST_OK && kept->count < q->limit && r->start_ns <= r->end_ns) {
        struct hits found;
        st = hits_init(&found, q->limit, q->backward, kept->bytes_max);
        if (st != ST_OK)
            return err_set(err, st, "no memory for the answer");
        st = search(r, &found, err);
        hits_sort(&found);
        size_t count = found.count;
        int64_t seen_ns = count == 0 ? 0 : hits_at(&found, count - 1)->ts_ns;
        if (st == ST_OK && thin_out(q, &state, &found) != ST_OK)
            st = err_set(err, ST_LIMIT, "the lines of the answer take too much memory");
        hits_release(&found);
        if (count < q->limit || !move_on(r, seen_ns, state.last_ns))
            break;
    }
    return st;
}

enum status log_query_run(const struct engine_query *q, struct result *ret_result, struct err *err)
{
    struct result result = {.kind = RESULT_STREAMS};
    struct log_run r = {
        .query = q,
        .q = q->context,
        .start_ns = q->start_ns,
        .end_ns = MAX_OF(q->end_ns, INT64_MIN + 1) - 1,
        .now_ns = time_now_ns(),
    };

    enum status st = pipeline_build(q->context->arena, &q->expr->log, NULL, &r.pipeline, err);
    if (st != ST_OK)
        return st;
    st = hits_init(&result.hits, q->limit, q->backward, q->context->memory_max);
    if (st != ST_OK)
        return err_set(err, st, "no memory for the answer");
    lock_init(&r.lock, LOCK_RANK_QUERY);
    if (q->end_ns > q->start_ns)
        st = q->interval_ns > 0 ? search_with_interval(&r, &result.hits, err)
                                : search(&r, &result.hits, err);
    lock_release(&r.lock);
    hits_sort(&result.hits);
    q->context->stats.duplicates += result.hits.duplicates;
    q->context->stats.entries_returned += result.hits.count;
    if (st == ST_OK)
        st = result_group(&result, q->context->arena, q->categorize, err);
    if (st != ST_OK) {
        result_release(&result);
        return st;
    }
    *ret_result = result;
    return ST_OK;
}
