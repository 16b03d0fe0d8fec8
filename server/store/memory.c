/*
 * A walk is driven by the matcher that leaves the fewest streams: the lists of the values that it
 * accepts are gone through, and the other matchers looked at stream by stream. Without such a
 * matcher it goes through all streams.
 *
 * Between two slices streams come and go, so nothing but numbers is kept. A list is walked from its
 * end: where a stream leaves, the last one takes its place, which has been visited already.
 */
#include "server/store/memory.h"

#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    SLICE_STREAMS = 256,    /* visited, or values looked at, under one hold of the lock */
    VALUES_TRIED_MAX = 128, /* to find the matcher that drives */
};

struct walk {
    const struct memory_walk *w;
    struct tenant *tenant;
    const struct matcher *driver; /* NULL: every stream */
    struct matcher_values known;  /* the values it accepts, if `is_known` */
    bool is_known;
    uint32_t at;        /* the stream, among the known values, or among the values of the label */
    uint32_t list_left; /* streams of this value still to be visited */
    uint32_t slice_left;
    uint32_t tries_left; /* values that may be tried to choose a driver */
};

/* ---- choosing ---- */

/* At most how many streams the values leave that `m` accepts. */
static uint32_t count_known(const struct label_name *n, struct matcher_values values)
{
    uint32_t count = 0;

    for (size_t i = 0; i < values.count; i++) {
        const struct label_value *v = label_value_get(n, values.items[i]);
        count += v == NULL ? 0 : v->count;
    }
    return count;
}

static uint32_t count_accepted(struct walk *k, const struct label_name *n, const struct matcher *m)
{
    uint32_t count = 0;

    if (n->values.end > k->tries_left)
        return n->stream_count;
    k->tries_left -= n->values.end;
    for (uint32_t i = 0; i < n->values.end; i++) {
        const struct label_value *v = slots_at(&n->values, i);
        if (v != NULL && matcher_accepts(m, label_value_text(v)))
            count += v->count;
    }
    return count;
}

/* Only a matcher that refuses the missing label can drive. */
static void choose_driver(struct walk *k)
{
    struct matcher_list matchers = k->w->matchers;
    struct streams *streams = &k->tenant->streams;
    uint32_t best = UINT32_MAX;

    for (size_t i = 0; i < matchers.count && best > 1; i++) {
        const struct matcher *m = &matchers.items[i];
        struct matcher_values known = {0};
        if (matcher_accepts(m, STR("")))
            continue;
        const struct label_name *n = streams_label(streams, m->name);
        bool is_known = matcher_values(k->w->q->arena, m, &known);
        uint32_t count = 0;
        if (n != NULL)
            count = is_known ? count_known(n, known) : count_accepted(k, n, m);
        if (k->driver == NULL || count < best) {
            best = count;
            k->driver = m;
            k->known = known;
            k->is_known = is_known;
        }
    }
}

/* ---- walking ---- */

static enum status visit_if_matching(const struct walk *k, const struct stream *stream)
{
    struct matcher_list matchers = k->w->matchers;

    if (!stream_has_entries(stream))
        return ST_OK;
    for (size_t i = 0; i < matchers.count; i++) {
        const struct matcher *m = &matchers.items[i];
        if (m != k->driver && !matcher_accepts(m, stream_label(stream, m->name)))
            return ST_OK;
    }
    return k->w->visit(k->w->context, stream);
}

/* The value that the walk is at; NULL if it is gone, or not accepted. */
static const struct label_value *value_at(const struct walk *k, const struct label_name *n)
{
    if (k->is_known)
        return label_value_get(n, k->known.items[k->at]);
    const struct label_value *v = slots_at(&n->values, k->at);
    return v != NULL && matcher_accepts(k->driver, label_value_text(v)) ? v : NULL;
}

/* Visit streams of the value until the slice is full. */
static enum status walk_value(struct walk *k, const struct label_value *v)
{
    enum status st = ST_OK;

    k->list_left = MIN_OF(k->list_left, v == NULL ? 0 : v->count);
    while (k->list_left > 0 && k->slice_left > 0 && st == ST_OK) {
        k->slice_left--;
        st = visit_if_matching(k, streams_of_value(&k->tenant->streams, v, --k->list_left));
    }
    return st;
}

static enum status slice_of_values(struct walk *k, bool *ret_more)
{
    const struct label_name *n = streams_label(&k->tenant->streams, k->driver->name);
    enum status st = ST_OK;
    uint32_t end = 0;

    if (n != NULL)
        end = k->is_known ? (uint32_t)k->known.count : n->values.end;
    while (k->at < end && k->slice_left > 0 && st == ST_OK) {
        k->slice_left--;
        st = walk_value(k, value_at(k, n));
        if (k->list_left > 0)
            break;
        k->at++;
        k->list_left = UINT32_MAX;
    }
    *ret_more = k->at < end;
    return st;
}

static enum status slice_of_streams(struct walk *k, bool *ret_more)
{
    const struct stream *s = NULL;
    enum status st = ST_OK;

    while (k->slice_left-- > 0 && st == ST_OK) {
        s = streams_next(&k->tenant->streams, &k->at);
        if (s == NULL)
            break;
        st = visit_if_matching(k, s);
    }
    *ret_more = s != NULL;
    return st;
}

enum status memory_walk(const struct memory_walk *w, struct err *err)
{
    struct walk k = {
        .w = w,
        .tenant = store_tenant(w->store, w->tenant, false),
        .list_left = UINT32_MAX,
        .tries_left = VALUES_TRIED_MAX,
    };
    bool more = k.tenant != NULL, chosen = false;
    enum status st = ST_OK;

    while (more && st == ST_OK) {
        st = query_check(w->q, err);
        if (st != ST_OK)
            break;
        k.slice_left = SLICE_STREAMS;
        lock_take(&k.tenant->lock);
        if (!chosen)
            choose_driver(&k);
        chosen = true;
        st = k.driver == NULL ? slice_of_streams(&k, &more) : slice_of_values(&k, &more);
        lock_give(&k.tenant->lock);
    }
    return st;
}

/* ---- labels ---- */

/* The text of a label (`n` NULL) or of a value; empty when the number is free. */
static struct str text_at(const struct streams *s, const struct label_name *n, uint32_t number)
{
    if (n != NULL) {
        const struct label_value *v = slots_at(&n->values, number);
        return v == NULL ? STR("") : label_value_text(v);
    }
    const struct label_name *name = slots_at(&s->names, number);
    return name == NULL ? STR("") : label_name_text(name);
}

enum status memory_labels(const struct memory_labels *m, struct err *err)
{
    struct tenant *t = store_tenant(m->store, m->tenant, false);
    bool more = t != NULL;
    enum status st = ST_OK;
    uint32_t at = 0;

    while (more && st == ST_OK) {
        st = query_check(m->q, err);
        if (st != ST_OK)
            break;
        lock_take(&t->lock);
        const struct label_name *n = m->name.len == 0 ? NULL : streams_label(&t->streams, m->name);
        uint32_t end = n != NULL ? n->values.end : m->name.len == 0 ? t->streams.names.end : 0;
        for (uint32_t i = 0; i < SLICE_STREAMS && at < end && st == ST_OK; i++) {
            struct str text = text_at(&t->streams, n, at++);
            if (text.len > 0)
                st = m->visit(m->context, text);
        }
        more = at < end;
        lock_give(&t->lock);
    }
    return st;
}
