/*
 * A sample finds its series by the stored form of its labels. Where no stage touches an entry its
 * labels follow from stream and metadata, and each distinct set of a block is looked up once. Where
 * only the number of entries counts, and metadata cannot change their labels, times are all that is
 * read of a block.
 */
#include "query/range_internal.h"

#include <stdlib.h>

#include "query/matrix_internal.h"
#include "query/unwrap.h"

#include "base/banned.h"

enum { KEY_BYTES_MAX = 64 * 1024 * 1024 };

/* ---- labels ---- */

static struct labels labels_by(struct range_worker *w)
{
    struct label *pairs = arena_new(&w->scratch, struct label, w->run->by.count);
    size_t count = 0;

    for (size_t i = 0; pairs != NULL && i < w->run->by.count; i++) {
        pairs[count].name = w->run->by.names[i];
        if (label_builder_get(&w->entry.labels, w->run->by.names[i], &pairs[count].value))
            count++;
    }
    return (struct labels){pairs, count};
}

/* The labels of a sample, in the scratch memory; all of them if there is an error. */
static struct labels sample_labels(struct range_worker *w)
{
    const struct grouping *g = w->run->samples.grouping;
    struct str unwrapped = w->run->samples.unwrap->label;
    bool has_error = w->entry.labels.error.len > 0;

    if (g->kind == GROUPING_BY && !has_error)
        return labels_by(w);
    struct entry_labels parts = label_builder_result(&w->entry.labels);
    struct labels all = entry_labels_merge(&w->scratch, &parts);
    if (has_error || (g->kind == GROUPING_NONE && unwrapped.len == 0))
        return all;

    struct label *pairs = arena_new(&w->scratch, struct label, all.count);
    size_t count = 0;
    for (size_t i = 0; pairs != NULL && i < all.count; i++) {
        struct str name = all.pairs[i].name;
        if (!name_is_listed(g->names, name) && !str_eq(name, unwrapped))
            pairs[count++] = all.pairs[i];
    }
    return (struct labels){pairs, count};
}

/* ---- series ---- */

static enum status add_found(struct range_worker *w, struct found_series **ret_found)
{
    struct found_series *found = arena_new(&w->arena, struct found_series, 1);
    struct str key = arena_str(&w->arena, buf_str(&w->key));

    if (found == NULL || key.ptr == NULL)
        return ST_LIMIT;
    found->key = key;
    *ret_found = found;
    return map_set(&w->map, key, found);
}

/* The series of the entry as it is now. */
static enum status find_series(struct range_worker *w, struct found_series **ret_found)
{
    struct labels labels = sample_labels(w);

    buf_reset(&w->key);
    labels_encode(&w->key, labels);
    if (w->key.failed || w->scratch.failed)
        return ST_LIMIT;
    *ret_found = map_get(&w->map, buf_str(&w->key));
    return *ret_found == NULL ? add_found(w, ret_found) : ST_OK;
}

/* ---- the batch ---- */

static enum status fold(struct range_worker *w)
{
    enum status st = crew_turn(w->crew, w->item);

    if (st == ST_OK)
        st = range_fold(w->run, w);
    w->batch_count = 0;
    w->batch_number++;
    return st;
}

/* A place for one more sample: a batch that has grown to its full size is folded. */
static enum status make_room(struct range_worker *w)
{
    struct range_sample *batch = w->batch;

    if (w->batch_count < w->batch_capacity)
        return ST_OK;
    if (w->batch_capacity < RANGE_BATCH_SAMPLES)
        batch = arena_reserve(&w->arena, w->batch, w->batch_count, &w->batch_capacity,
                              sizeof(*w->batch));
    if (batch == NULL)
        return ST_LIMIT;
    w->batch = batch;
    return w->batch_count < w->batch_capacity ? ST_OK : fold(w);
}

/* The last sample of a series, if it lies in the same windows and entries may be added to it. */
static struct window_sample *last_sample(const struct range_worker *w, const struct found_series *f,
                                         struct window_span span)
{
    if (f->batch_number != w->batch_number || !window_counts(&w->run->plan))
        return NULL;
    struct window_sample *last = &w->batch[f->last].sample;
    return last->span.first == span.first && last->span.last == span.last ? last : NULL;
}

static enum status add_sample(struct range_worker *w, struct found_series *found,
                              const struct window_sample *s)
{
    struct window_sample *last = last_sample(w, found, s->span);

    w->q.stats.post_filter_lines += s->count;
    if (last != NULL) {
        last->count += s->count;
        last->value += s->value;
        return ST_OK;
    }
    enum status st = make_room(w);
    if (st != ST_OK)
        return st;
    found->batch_number = w->batch_number;
    found->last = w->batch_count;
    w->batch[w->batch_count++] = (struct range_sample){found, *s};
    return ST_OK;
}

/* ---- entries ---- */

/* Run the stages; what is left is a sample of `*ret_found`, or nothing (NULL). */
static enum status make_sample(struct range_worker *w, const struct entry *e, struct labels stream,
                               double *ret_value, struct found_series **ret_found)
{
    const struct range_run *r = w->run;
    struct entry_state *state = &w->entry;
    bool keep = true;

    *ret_found = NULL;
    arena_reset(&w->scratch);
    state->ts_ns = e->ts_ns;
    state->line = e->line;
    label_builder_begin(&state->labels, stream, e->metadata);
    keep = pipeline_run(&r->pipeline, state);
    *ret_value = r->samples.reads_line ? (double)state->line.len : 1;
    if (keep && r->samples.unwrap->label.len > 0)
        keep = unwrap_value(r->samples.unwrap, &state->labels, ret_value) &&
               pipeline_keeps_sample(&r->pipeline, state);
    if (w->scratch.failed)
        return ST_LIMIT;
    return keep ? find_series(w, ret_found) : ST_OK;
}

/* The same where labels follow from the metadata. */
static enum status make_plain_sample(struct range_worker *w, const struct entry *e, uint32_t set,
                                     struct labels stream, double *ret_value,
                                     struct found_series **ret_found)
{
    *ret_value = w->run->samples.reads_line ? (double)e->line.len : 1;
    if (w->of_set[set] != NULL) {
        *ret_found = w->of_set[set];
        return ST_OK;
    }
    enum status st = make_sample(w, e, stream, ret_value, ret_found);
    w->of_set[set] = *ret_found;
    return st;
}

static enum status read_entry(struct range_worker *w, const struct source_run *run,
                              const struct block *b, uint32_t i)
{
    const struct range_run *r = w->run;
    struct entry e = {b->ts_ns[i], block_line(b, i), block_metadata(b, i)};
    struct window_sample s = {.ts_ns = e.ts_ns, .count = 1};
    struct found_series *found = NULL;
    bool met;

    if (!window_steps(&r->plan.grid, e.ts_ns, &s.span))
        return ST_OK;
    enum status st = doubles_check(&w->doubles, &e, &met);
    if (st != ST_OK || met)
        return st;
    if (w->of_set != NULL)
        st = make_plain_sample(w, &e, b->sets == NULL ? 0 : b->sets[i], run->stream->labels,
                               &s.value, &found);
    else
        st = make_sample(w, &e, run->stream->labels, &s.value, &found);
    return st == ST_OK && found != NULL ? add_sample(w, found, &s) : st;
}

static bool labels_follow_from_metadata(const struct range_run *r)
{
    return r->pipeline.stage_count == 0 && r->samples.unwrap->label.len == 0;
}

static enum status limit_error(const struct range_run *r, enum status st, struct err *err)
{
    if (st == ST_NOMEM)
        return err_set(err, st, "no memory for the query");
    if (st != ST_LIMIT)
        return st;
    return err_set(err, st, "the query needs more than its memory budget of %zu bytes",
                   r->q->arena->max_bytes);
}

/* The entries of a block whose lines are kept. */
static enum status read_lines(struct range_worker *w, const struct source_run *run,
                              const struct block *b, struct err *err)
{
    const struct range_run *r = w->run;
    enum status st = ST_OK;

    for (size_t word = 0; word < pipeline_words(b->count) && st == ST_OK; word++) {
        for (uint64_t bits = w->kept.bits[word]; bits != 0 && st == ST_OK; bits &= bits - 1) {
            uint32_t i = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
            st = read_entry(w, run, b, i);
            st = st == ST_OK ? pipeline_check(&r->pipeline, &w->q, i, block_line(b, i).len, err)
                             : limit_error(r, st, err);
        }
    }
    return st;
}

/* ---- blocks of which only times and lengths count ---- */

/* Has the stream every label that samples are grouped by? */
static bool grouped_by_stream(const struct range_run *r, struct labels stream)
{
    if (r->samples.grouping->kind != GROUPING_BY)
        return false;
    for (size_t i = 0; i < r->by.count; i++) {
        if (labels_get(stream, r->by.names[i]).len == 0)
            return false;
    }
    return true;
}

/* Are all entries of the block samples of one series, whatever their metadata? */
static bool is_of_one_series(const struct range_worker *w, const struct source_run *run,
                             const struct source_block *b)
{
    return labels_follow_from_metadata(w->run) && !b->metadata_shadows &&
           grouped_by_stream(w->run, run->stream->labels) &&
           !doubles_possible(&w->doubles, b->min_ns, b->max_ns);
}

/* And is their number and length all that matters? */
static bool is_countable(const struct range_worker *w, const struct source_run *run,
                         const struct source_block *b)
{
    return window_counts(&w->run->plan) && w->run->pipeline.line_filter_count == 0 &&
           is_of_one_series(w, run, b);
}

/* The first entry from `i` on that is later than `ts_ns`. */
static uint32_t first_later(const struct block *b, uint32_t i, int64_t ts_ns)
{
    uint32_t high = b->count;

    while (i < high) {
        uint32_t middle = i + (high - i) / 2;
        if (b->ts_ns[middle] <= ts_ns)
            i = middle + 1;
        else
            high = middle;
    }
    return i;
}

static uint64_t bytes_between(const struct block *b, uint32_t begin, uint32_t end)
{
    return begin == end ? 0 : b->line_ends[end - 1] - (begin == 0 ? 0 : b->line_ends[begin - 1]);
}

static enum status count_block(struct range_worker *w, struct found_series *found,
                               const struct block *b)
{
    const struct range_run *r = w->run;
    bool lengths = r->samples.reads_line;
    enum status st = ST_OK;

    for (uint32_t i = 0, next; i < b->count && st == ST_OK; i = next) {
        struct window_sample s = {.ts_ns = b->ts_ns[i]};
        bool inside = window_steps(&r->plan.grid, b->ts_ns[i], &s.span);
        next = first_later(b, i, window_same_until(&r->plan.grid, b->ts_ns[i]));
        s.count = next - i;
        s.value = lengths ? (double)bytes_between(b, i, next) : (double)s.count;
        if (inside)
            st = add_sample(w, found, &s);
    }
    return st;
}

/* The series of entries that have no labels but those of their stream. */
static enum status find_stream_series(struct range_worker *w, const struct source_run *run,
                                      struct found_series **ret_found)
{
    arena_reset(&w->scratch);
    label_builder_begin(&w->entry.labels, run->stream->labels, (struct labels){0});
    return find_series(w, ret_found);
}

/* A block whose entries all lie in the same windows is not read at all. */
static enum status count_whole(struct range_worker *w, struct found_series *found,
                               const struct source_block *b, bool *ret_whole)
{
    const struct window_grid *g = &w->run->plan.grid;
    struct window_sample s = {.ts_ns = b->min_ns, .count = b->entries};

    *ret_whole = !b->inexact && b->max_ns <= window_same_until(g, b->min_ns);
    s.value = w->run->samples.reads_line ? (double)b->line_bytes : (double)b->entries;
    return *ret_whole && window_steps(g, b->min_ns, &s.span) ? add_sample(w, found, &s) : ST_OK;
}

static enum status count_entries(struct range_worker *w, const struct source_run *run, uint32_t i,
                                 const struct source_block *source, struct err *err)
{
    bool lengths = w->run->samples.reads_line, whole = false;
    struct found_series *found;
    struct block block = {0};

    enum status st = find_stream_series(w, run, &found);
    if (st == ST_OK)
        st = count_whole(w, found, source, &whole);
    if (st != ST_OK)
        return limit_error(w->run, st, err);
    if (whole)
        return ST_OK;
    st = w->reader->load(w->reader, i, lengths ? SOURCE_TIMES | SOURCE_LENGTHS : SOURCE_TIMES,
                         &block, err);
    if (st != ST_OK)
        return query_forgive_damage(&w->q, st);
    st = count_block(w, found, &block);
    return st == ST_OK ? ST_OK : limit_error(w->run, st, err);
}

/* ---- other blocks ---- */

/* Columns are only read where something looks at them. */
static unsigned columns_of(const struct range_worker *w, const struct source_run *run,
                           const struct source_block *b)
{
    const struct pipeline *p = &w->run->pipeline;
    bool reads_line = p->line_filter_count > 0 || p->stage_count > 0 ||
                      doubles_possible(&w->doubles, b->min_ns, b->max_ns);
    unsigned columns = SOURCE_TIMES | SOURCE_LENGTHS;

    if (reads_line)
        columns |= SOURCE_LINES;
    if (!is_of_one_series(w, run, b))
        columns |= SOURCE_METADATA;
    return columns;
}

static enum status read_block(struct range_worker *w, const struct source_run *run, uint32_t i,
                              const struct source_block *source, struct err *err)
{
    const struct kept_request request = {&w->run->pipeline, w->reader, &w->q, i,
                                         columns_of(w, run, source)};
    struct block block;

    enum status st = kept_lines_load(&w->kept, &request, &block, err);
    if (st != ST_OK || block.count == 0)
        return st;
    size_t sets = MAX_OF(block.metadata_count, 1); /* where none is loaded all entries are alike */
    w->of_set = NULL;
    if (labels_follow_from_metadata(w->run))
        w->of_set = arena_new(&w->kept.arena, struct found_series *, sets);
    if (w->kept.arena.failed)
        return limit_error(w->run, ST_LIMIT, err);
    return read_lines(w, run, &block, err);
}

/* ---- runs ---- */

static enum status read_run(struct range_worker *w, struct source_run *run, struct err *err)
{
    const struct range_run *r = w->run;
    const struct source_block *blocks;
    uint32_t count;

    enum status st = w->reader->open_run(w->reader, run, &blocks, &count, err);
    if (st != ST_OK)
        return query_forgive_damage(&w->q, st);
    for (uint32_t i = 0; i < count && st == ST_OK; i++) {
        if (blocks[i].max_ns < r->start_ns || blocks[i].min_ns > r->end_ns)
            continue;
        if (is_countable(w, run, &blocks[i]))
            st = count_entries(w, run, i, &blocks[i], err);
        else if (pipeline_may_keep(&r->pipeline, w->reader, i))
            st = read_block(w, run, i, &blocks[i], err);
        if (st == ST_OK)
            st = query_check(&w->q, err);
    }
    return st;
}

static int compare_arrival(const void *a, const void *b)
{
    const struct source_run *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

static enum status read_cluster(struct range_worker *w, const struct range_cluster *cluster,
                                struct err *err)
{
    enum status st = doubles_begin(&w->doubles, cluster->runs, cluster->count);

    if (st != ST_OK)
        return limit_error(w->run, st, err);
    qsort(cluster->runs, cluster->count, sizeof(*cluster->runs), compare_arrival);
    for (size_t i = 0; i < cluster->count && st == ST_OK; i++)
        st = read_run(w, &cluster->runs[i], err);
    return st;
}

enum status range_read(struct range_worker *w, const struct range_cluster *clusters, size_t count,
                       struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = read_cluster(w, &clusters[i], err);
    if (st == ST_OK && w->batch_count > 0)
        st = limit_error(w->run, fold(w), err);
    return st;
}

/* ---- begin and end ---- */

enum status range_worker_begin(void *context, void *worker, struct err *err)
{
    struct range_run *r = context;
    struct range_worker *w = worker;

    *w = (struct range_worker){.run = r, .batch_number = 1};
    w->q = query_context_fork(r->q, &w->arena);
    arena_init_child(&w->scratch, &w->arena);
    arena_init_child(&w->kept.arena, &w->arena);
    w->entry.scratch = &w->scratch;
    w->entry.q = &w->q;
    label_builder_init(&w->entry.labels, &w->scratch, &r->pipeline.hints);
    buf_init(&w->key, KEY_BYTES_MAX);
    doubles_init(&w->doubles, &w->arena);
    return r->selection->reader(r->selection, &w->q, &w->reader, err);
}

void range_worker_end(void *worker)
{
    struct range_worker *w = worker;

    if (w->reader != NULL)
        w->reader->release(w->reader);
    doubles_release(&w->doubles);
    buf_release(&w->key);
    map_release(&w->map);
    arena_release(&w->scratch);
    arena_release(&w->kept.arena);
    query_context_join(w->run->q, &w->q);
}
