#include "server/store/drop.h"

#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    SLICE_REFS = 4096, /* references that one transaction takes away */
    SLICE_ARENA_BYTES_MAX = 1 << 24,
    LIST_ARENA_BYTES_MAX = 1 << 28,
};

/* ---- references ---- */

struct slice {
    struct chunk_ref *refs;
    size_t count;
    size_t max;
};

static enum status note_ref(void *context, const struct chunk_ref *ref)
{
    struct slice *slice = context;

    slice->refs[slice->count++] = *ref;
    return slice->count == slice->max ? ST_LIMIT : ST_OK;
}

/* The first references of the day that are left. */
static enum status list_refs(struct store *s, struct str tenant, int32_t day, struct slice *slice,
                             struct err *err)
{
    struct day_walk walk = {.tenant = tenant, .day = day, .visit = note_ref, .context = slice};
    struct index_read *r = NULL;
    struct arena none = {0};

    slice->count = 0;
    enum status st = index_read_begin(s->index, &none, &r, err);
    if (st != ST_OK)
        return st;
    st = index_walk_day(r, &walk);
    index_read_end(r);
    if (st == ST_OK || st == ST_LIMIT)
        return ST_OK;
    return err_set(err, st, "index: cannot list the chunks of a day: %s", status_text(st));
}

static enum status remove_slice(struct store *s, struct str tenant, const struct slice *slice,
                                struct err *err)
{
    struct index_batch *batch = NULL;

    enum status st = index_batch_begin(s->index, &batch, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < slice->count && st == ST_OK; i++)
        st = index_batch_remove_chunk(batch, tenant, &slice->refs[i], err);
    return flush_finish_batch(s, batch, st, err);
}

/*
 * Take away all references of a tenant's day. The index copies each page that it changes; where
 * there is no room for the copies of a large slice there may be for those of a small one.
 */
static enum status remove_refs(struct store *s, struct str tenant, int32_t day,
                               struct dropped *dropped, struct err *err)
{
    struct slice slice = {.max = SLICE_REFS};
    struct arena arena;
    enum status st = ST_OK;

    arena_init(&arena, SLICE_ARENA_BYTES_MAX);
    slice.refs = arena_new(&arena, struct chunk_ref, SLICE_REFS);
    if (slice.refs == NULL)
        st = arena_status(&arena, err);
    while (st == ST_OK) {
        if (flag_get(&s->flusher.abandon))
            st = err_set(err, ST_CANCELLED, "the store is being closed");
        else
            st = list_refs(s, tenant, day, &slice, err);
        if (st != ST_OK || slice.count == 0)
            break;
        st = remove_slice(s, tenant, &slice, err);
        if (st == ST_OK) {
            dropped->chunks += slice.count;
            space_note_emptied(s);
        } else if (st == ST_FULL && slice.max > 1) {
            slice.max /= 4;
            st = ST_OK;
        }
    }
    arena_release(&arena);
    return st;
}

/* ---- segments ---- */

/* The segments of the day that are not dead. Their tenants live as long as the store. */
static enum status list_segments(struct store *s, struct str tenant, int32_t day, struct arena *a,
                                 struct segment_span *ret_list)
{
    struct segment_ref *refs = NULL;
    size_t count = 0, capacity = 0;
    struct index_read *r = NULL;
    struct segment_ref ref;
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, a, &r, NULL);
    while (st == ST_OK && (st = index_next_segment(r, &cursor, &ref)) == ST_OK) {
        if (ref.day != day || ref.state == SEGMENT_DEAD || ref.committed_bytes == 0 ||
            (tenant.len > 0 && !str_eq(ref.tenant, tenant)))
            continue;
        struct tenant *t = store_tenant(s, ref.tenant, true);
        refs = arena_reserve(a, refs, count, &capacity, sizeof(*refs));
        if (refs == NULL || t == NULL) {
            st = ST_NOMEM;
            break;
        }
        ref.tenant = t->name;
        refs[count++] = ref;
    }
    index_read_end(r);
    *ret_list = (struct segment_span){refs, count};
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status drop_day(struct store *s, struct str tenant, int32_t day, struct dropped *dropped,
                     struct err *err)
{
    struct segment_span list;
    struct arena arena;

    if (s->flusher.broken)
        return err_set(err, ST_IO, "the index takes no writes any more until a restart");
    arena_init(&arena, LIST_ARENA_BYTES_MAX);
    enum status st = list_segments(s, tenant, day, &arena, &list);
    if (st != ST_OK)
        err_set(err, st, "cannot list the segments of a day: %s", status_text(st));
    for (size_t i = 0; i < list.count && st == ST_OK; i++)
        st = remove_refs(s, list.items[i].tenant, day, dropped, err);
    if (st == ST_OK)
        st = flush_kill_segments(s, list, dropped, err);
    if (st == ST_OK)
        st = flush_bury_segments(s, err);
    counter_set(&s->merger.segments_dead, s->flusher.dead_count);
    arena_release(&arena);
    return st;
}
