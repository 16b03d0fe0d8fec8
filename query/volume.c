#include "query/volume.h"

#include "base/map.h"
#include "base/num.h"
#include "query/cells.h"

#include "base/banned.h"

struct walk {
    const struct volume_request *request;
    struct selection *selection;
    struct reader *reader;
    struct volume_part part; /* of the run that is read; not given to `add` yet */
};

static bool in_range(const struct volume_request *r, int64_t ts_ns)
{
    return ts_ns >= r->start_ns && ts_ns < r->end_ns;
}

static bool overlaps(const struct volume_request *r, int64_t min_ns, int64_t max_ns)
{
    return max_ns >= r->start_ns && min_ns < r->end_ns;
}

static int64_t bucket_of(const struct volume_request *r, int64_t ts_ns)
{
    return r->step_ns == 0 ? r->start_ns : i64_floor_to(ts_ns, r->step_ns);
}

static enum status give(struct walk *w, struct err *err)
{
    enum status st = ST_OK;

    if (w->part.totals.entries == 0)
        return ST_OK;
    st = w->request->add(w->request->context, &w->part, err);
    w->part.begins_run = false;
    w->part.totals = (struct source_totals){0};
    return st;
}

static enum status add(struct walk *w, int64_t bucket_ns, const struct source_totals *t,
                       struct err *err)
{
    enum status st = w->part.bucket_ns == bucket_ns ? ST_OK : give(w, err);

    w->part.bucket_ns = bucket_ns;
    totals_add(&w->part.totals, t);
    return st;
}

static uint64_t metadata_bytes(struct labels l)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < l.count; i++)
        bytes += l.pairs[i].name.len + l.pairs[i].value.len;
    return bytes;
}

static enum status add_block(struct walk *w, const struct block *b, struct err *err)
{
    enum status st = ST_OK;

    for (uint32_t i = 0; i < b->count && st == ST_OK; i++) {
        if (!in_range(w->request, b->ts_ns[i]))
            continue;
        const struct source_totals t = {
            .entries = 1,
            .line_bytes = b->line_ends[i] - (i == 0 ? 0 : b->line_ends[i - 1]),
            .metadata_bytes = metadata_bytes(block_metadata(b, i)),
        };
        st = add(w, bucket_of(w->request, b->ts_ns[i]), &t, err);
    }
    return st;
}

static enum status read_blocks(struct walk *w, struct source_run *run, struct err *err)
{
    const struct source_block *blocks;
    uint32_t count;

    enum status st = w->reader->open_run(w->reader, run, &blocks, &count, err);
    if (st != ST_OK)
        return query_forgive_damage(w->request->q, st);
    for (uint32_t i = 0; i < count && st == ST_OK; i++) {
        struct block block = {0};
        if (!overlaps(w->request, blocks[i].min_ns, blocks[i].max_ns))
            continue;
        st = w->reader->load(w->reader, i, SOURCE_TIMES | SOURCE_LENGTHS | SOURCE_METADATA, &block,
                             err);
        st = st == ST_OK ? add_block(w, &block, err) : query_forgive_damage(w->request->q, st);
        if (st == ST_OK)
            st = query_check(w->request->q, err);
    }
    return st;
}

/* All entries of the run are wanted, and go into one bucket. */
static bool is_whole(const struct volume_request *r, const struct source_run *run)
{
    return in_range(r, run->min_ns) && in_range(r, run->max_ns) &&
           bucket_of(r, run->min_ns) == bucket_of(r, run->max_ns);
}

static enum status read_run(struct walk *w, struct source_run *run, struct err *err)
{
    struct source_totals totals = {0};

    enum status st = w->selection->identify(w->selection, run, err);
    if (st != ST_OK)
        return query_forgive_damage(w->request->q, st);
    w->part = (struct volume_part){
        .stream = run->stream, .begins_run = true, .bucket_ns = bucket_of(w->request, run->min_ns)};
    if (is_whole(w->request, run))
        totals = w->selection->totals(w->selection, run);
    st = totals.entries > 0 ? add(w, w->part.bucket_ns, &totals, err) : read_blocks(w, run, err);
    return st == ST_OK ? give(w, err) : st;
}

static enum status read_runs(struct walk *w, struct source_run *runs, size_t count, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < count && st == ST_OK; i++) {
        if (overlaps(w->request, runs[i].min_ns, runs[i].max_ns))
            st = read_run(w, &runs[i], err);
        if (st == ST_OK)
            st = query_check(w->request->q, err);
    }
    return st;
}

enum status volume_walk(const struct volume_request *request, struct err *err)
{
    struct walk w = {.request = request};
    struct source_request wanted = {
        .tenant = request->tenant, .matchers = request->matchers, .start_ns = request->start_ns};

    if (request->start_ns >= request->end_ns)
        return ST_OK;
    wanted.end_ns = request->end_ns - 1;
    enum status st =
        request->source->select(request->source, request->q, &wanted, &w.selection, err);
    if (st != ST_OK)
        return st;
    st = w.selection->reader(w.selection, request->q, &w.reader, err);
    while (st == ST_OK) {
        struct source_run *runs;
        size_t count;
        int64_t bound_ns;
        st = w.selection->next_runs(w.selection, &runs, &count, &bound_ns, err);
        if (st == ST_OK)
            st = read_runs(&w, runs, count, err);
    }
    if (w.reader != NULL)
        w.reader->release(w.reader);
    w.selection->end(w.selection);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- sums of everything ---- */

struct counting {
    struct arena *arena;
    struct map streams; /* labels in stored form -> a stream, to count each once */
    struct buf key;
    const struct source_stream *last;
    struct volume_counts counts;
    struct source_totals totals;
};

static enum status count_stream(struct counting *c, const struct source_stream *stream,
                                struct err *err)
{
    if (stream == c->last)
        return ST_OK;
    c->last = stream;
    buf_reset(&c->key);
    labels_encode(&c->key, stream->labels);
    enum status st = buf_status(&c->key, err);
    if (st != ST_OK || map_get(&c->streams, buf_str(&c->key)) != NULL)
        return st;
    struct str key = arena_str(c->arena, buf_str(&c->key));
    if (key.ptr == NULL)
        return arena_status(c->arena, err);
    c->counts.streams++;
    return map_set(&c->streams, key, &c->counts) == ST_OK
               ? ST_OK
               : err_set(err, ST_NOMEM, "no memory to count streams");
}

static enum status count_part(void *context, const struct volume_part *part, struct err *err)
{
    struct counting *c = context;

    c->counts.chunks += part->begins_run ? 1 : 0;
    totals_add(&c->totals, &part->totals);
    return count_stream(c, part->stream, err);
}

enum status volume_count(const struct volume_request *request, struct volume_counts *ret_counts,
                         struct err *err)
{
    struct counting c = {.arena = request->q->arena};
    struct volume_request counted = *request;

    buf_init(&c.key, request->q->arena->max_bytes);
    counted.step_ns = 0;
    counted.add = count_part;
    counted.context = &c;
    enum status st = volume_walk(&counted, err);
    map_release(&c.streams);
    buf_release(&c.key);
    c.counts.entries = c.totals.entries;
    c.counts.bytes = volume_bytes(&c.totals);
    if (st == ST_OK)
        *ret_counts = c.counts;
    return st;
}
