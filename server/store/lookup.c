/*
 * Labels, values and series. Each is the union of what is in memory and what the index has for the
 * days of the range; where a selector narrows it, only streams with chunks in the range count. What
 * is older than it is kept does not: of the streams of a selector their own floor counts, of all
 * label pairs the days from the lowest one on.
 */
#include "server/store/store_internal.h"

#include <stdlib.h>

#include "base/regex.h"
#include "base/time.h"
#include "server/store/memory.h"
#include "server/store/retention.h"

#include "base/banned.h"

/* ---- a set of strings ---- */

struct collector {
    struct arena *arena;
    struct map seen; /* text -> its copy in the arena */
    struct str name; /* of the label whose values are wanted; empty: names */
    enum status status;
};

static enum status collect(struct collector *c, struct str text)
{
    if (map_get(&c->seen, text) != NULL)
        return ST_OK;
    struct str *copy = arena_new(c->arena, struct str, 1);
    if (copy != NULL)
        *copy = arena_str(c->arena, text);
    if (c->arena->failed || map_set(&c->seen, *copy, copy) != ST_OK)
        c->status = ST_LIMIT;
    return c->status;
}

static enum status collect_labels(struct collector *c, struct labels l)
{
    if (c->name.len > 0) {
        struct str value = labels_get(l, c->name);
        return value.len > 0 ? collect(c, value) : ST_OK;
    }
    for (size_t i = 0; i < l.count && c->status == ST_OK; i++)
        (void)collect(c, l.pairs[i].name);
    return c->status;
}

static enum status collect_text(void *context, struct str text)
{
    return collect(context, text);
}

static enum status collect_pair(void *context, struct str name, struct str value)
{
    struct collector *c = context;

    return collect(c, c->name.len > 0 ? value : name);
}

static int compare_strs(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static enum status collected(struct collector *c, struct str_set *ret_set)
{
    struct str_set set = {.items = arena_new(c->arena, struct str, c->seen.count)};
    size_t cursor = 0;

    if (set.items == NULL)
        return ST_LIMIT;
    for (const struct str *s = map_next(&c->seen, &cursor); s != NULL;
         s = map_next(&c->seen, &cursor))
        set.items[set.count++] = *s;
    if (set.count > 0)
        qsort(set.items, set.count, sizeof(*set.items), compare_strs);
    *ret_set = set;
    return ST_OK;
}

/* ---- streams ---- */

enum { LABELS_BYTES_MAX = 1 << 20 }; /* pairs of one stream */

struct lookup {
    struct store *store;
    struct query_context *q;
    struct str tenant;
    const struct limits *limits; /* for the floors of streams; NULL: all is kept for ever */
    int64_t now_ns;
    int64_t start_ns;
    int64_t end_ns;
    enum status (*visit)(void *context, struct labels l);
    void *context;
    struct arena scratch; /* the labels of the stream that is visited */
};

/* Retention: leave out what is below the floor of all streams, and remember how to find theirs. */
static void begin_lookup(struct lookup *l)
{
    const struct limits *limits = store_limits(l->store, l->tenant);

    if (retention_is_off(limits))
        return;
    l->limits = limits;
    l->now_ns = time_now_ns();
    l->start_ns = MAX_OF(l->start_ns, retention_least_floor_ns(limits, l->now_ns));
}

static bool is_kept(const struct lookup *l, struct labels labels, int64_t max_ns)
{
    return l->limits == NULL || max_ns >= retention_floor_ns(l->limits, labels, l->now_ns);
}

/* The last time in memory. */
static int64_t last_ns(const struct stream *stream)
{
    int64_t last = stream->head == NULL ? INT64_MIN : head_size(stream->head).max_ns;

    for (const struct sealed *s = stream->sealed_first; s != NULL; s = s->next)
        last = MAX_OF(last, head_size(s->head).max_ns);
    return last;
}

static enum status visit_stream(void *context, const struct stream *stream)
{
    struct lookup *l = context;
    struct str key = stream->key;
    struct labels labels;

    arena_reset(&l->scratch);
    enum status st = labels_decode(&l->scratch, &key, &labels, NULL);
    if (st != ST_OK || !is_kept(l, labels, last_ns(stream)))
        return st;
    return l->visit(l->context, labels);
}

static enum status visit_memory(struct lookup *l, struct matcher_list matchers, struct err *err)
{
    const struct memory_walk walk = {
        .store = l->store,
        .q = l->q,
        .tenant = l->tenant,
        .matchers = matchers,
        .visit = visit_stream,
        .context = l,
    };

    arena_init(&l->scratch, LABELS_BYTES_MAX);
    enum status st = memory_walk(&walk, err);
    arena_release(&l->scratch);
    return st;
}

/* Visit each of the streams that has a chunk of this day in the range. */
static enum status visit_day(const struct lookup *l, struct index_read *r, int32_t day,
                             struct postings streams, struct err *err)
{
    struct chunk_range range = {l->tenant, day, l->start_ns, l->end_ns};
    struct chunk_ref_list refs = {0};
    struct labels labels;
    uint64_t before = 0;

    enum status st = index_chunks(r, &range, streams, &refs, err);
    for (size_t i = 0; i < refs.count && st == ST_OK; i++) {
        if (refs.refs[i].stream_id == before)
            continue;
        st = index_stream(r, refs.refs[i].stream_id, &labels, NULL);
        if (st == ST_OK && !is_kept(l, labels, refs.refs[i].max_ns))
            continue; /* a later chunk of it may be */
        before = refs.refs[i].stream_id;
        if (st == ST_OK)
            st = l->visit(l->context, labels);
        if (st == ST_OK)
            st = query_check(l->q, err);
    }
    return st;
}

static enum status visit_index(const struct lookup *l, struct matcher_list matchers,
                               struct err *err)
{
    struct index_read *r = NULL;
    struct postings streams = {0};
    int32_t day = time_day(l->start_ns), last_day = time_day(l->end_ns);

    enum status st = index_read_begin(l->store->index, l->q->arena, &r, err);
    if (st == ST_OK) {
        store_watch_read(r, l->q);
        st = index_match(r, l->tenant, matchers, &streams, err);
    }
    while (st == ST_OK && streams.count > 0) {
        st = index_nearest_day(r, l->tenant, day, false, &day);
        if (st != ST_OK || day > last_day)
            break;
        st = visit_day(l, r, day, streams, err);
        day++;
    }
    index_read_end(r);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status visit_streams(struct lookup *l, struct matcher_list matchers, struct err *err)
{
    uint64_t failures = regex_search_failures();
    enum status st = visit_memory(l, matchers, err);

    if (st == ST_OK)
        st = visit_index(l, matchers, err);
    return st == ST_OK && regex_search_failures() != failures ? ST_NOMEM : st;
}

/* ---- the calls ---- */

/*
 * Only a query's own end has a text of its own so far. A list that is not whole could not say so,
 * as the answer to a query can, and whoever reads it takes it for all there is: so it is none.
 */
static enum status finish(const struct query_context *q, enum status st, struct err *err)
{
    if (q->arena->failed)
        return arena_status(q->arena, err);
    if (st == ST_TIMEOUT || st == ST_CANCELLED)
        return query_check(q, err);
    if (st == ST_OK)
        return st;
    if (st == ST_CORRUPT)
        return err_set(err, st,
                       "a record of the index is damaged, the list would not be whole; a restart "
                       "makes the index again");
    return err_set(err, st, "cannot read labels: %s", status_text(st));
}

static enum status visit_for_labels(void *context, struct labels l)
{
    return collect_labels(context, l);
}

/* Without a selector the pairs of the index tell everything, whatever the number of streams. */
static enum status all_pairs(struct lookup *l, const struct label_request *request,
                             struct collector *c, struct err *err)
{
    const struct memory_labels in_memory = {
        .store = l->store,
        .q = l->q,
        .tenant = l->tenant,
        .name = request->name,
        .visit = collect_text,
        .context = c,
    };
    struct index_read *r = NULL;
    struct pair_range range = {
        .tenant = request->tenant,
        .name = request->name,
        .names_only = request->name.len == 0,
        .first_day = time_day(l->start_ns),
        .last_day = time_day(request->end_ns),
    };

    enum status st = memory_labels(&in_memory, err);
    if (st == ST_OK)
        st = index_read_begin(l->store->index, l->q->arena, &r, err);
    if (st == ST_OK)
        st = index_pairs(r, &range, collect_pair, c);
    index_read_end(r);
    return st;
}

enum status store_labels(struct store *s, struct query_context *q,
                         const struct label_request *request, struct str_set *ret_set,
                         struct err *err)
{
    struct collector c = {.arena = q->arena, .name = request->name};
    struct lookup l = {
        .store = s,
        .q = q,
        .tenant = request->tenant,
        .start_ns = request->start_ns,
        .end_ns = request->end_ns,
        .visit = visit_for_labels,
        .context = &c,
    };

    begin_lookup(&l);
    enum status st = request->matchers.count == 0 ? all_pairs(&l, request, &c, err)
                                                  : visit_streams(&l, request->matchers, err);
    if (st == ST_OK)
        st = collected(&c, ret_set);
    map_release(&c.seen);
    return finish(q, st, err);
}

struct series_collector {
    struct arena *arena;
    struct map seen; /* labels in stored form -> struct labels */
    struct buf key;
};

static enum status visit_for_series(void *context, struct labels l)
{
    struct series_collector *c = context;

    buf_reset(&c->key);
    labels_encode(&c->key, l);
    if (map_get(&c->seen, buf_str(&c->key)) != NULL)
        return ST_OK;
    struct str key = arena_str(c->arena, buf_str(&c->key)), rest = key;
    struct labels *copy = arena_new(c->arena, struct labels, 1);
    if (c->key.failed || key.ptr == NULL || copy == NULL ||
        labels_decode(c->arena, &rest, copy, NULL) != ST_OK)
        return ST_LIMIT;
    return map_set(&c->seen, key, copy);
}

static int compare_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

/* In order, so that the answer does not tell where the streams were found. */
static void collected_series(struct series_collector *c, struct labels_list *ret_list)
{
    struct labels_list list = {.items = arena_new(c->arena, struct labels, c->seen.count)};
    size_t cursor = 0;

    for (const struct labels *found = map_next(&c->seen, &cursor);
         found != NULL && list.items != NULL; found = map_next(&c->seen, &cursor))
        list.items[list.count++] = *found;
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), compare_labels);
    *ret_list = list;
}

enum status store_series(struct store *s, struct query_context *q,
                         const struct series_request *request, struct labels_list *ret_list,
                         struct err *err)
{
    struct series_collector c = {.arena = q->arena};
    struct lookup l = {
        .store = s,
        .q = q,
        .tenant = request->tenant,
        .start_ns = request->start_ns,
        .end_ns = request->end_ns,
        .visit = visit_for_series,
        .context = &c,
    };
    struct matcher_list none = {0};
    struct labels_list list = {0};

    begin_lookup(&l);
    buf_init(&c.key, q->arena->max_bytes);
    enum status st = request->selector_count == 0 ? visit_streams(&l, none, err) : ST_OK;
    for (size_t i = 0; i < request->selector_count && st == ST_OK; i++)
        st = visit_streams(&l, request->selectors[i], err);

    if (st == ST_OK)
        collected_series(&c, &list);
    map_release(&c.seen);
    buf_release(&c.key);
    st = finish(q, st, err);
    if (st == ST_OK)
        *ret_list = list;
    return st;
}
