#include "server/store/merge_survey.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/time.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum { SURVEY_ARENA_BYTES_MAX = 1 << 28 };

/* ---- the list ---- */

static int compare_tenants(struct str a, struct str b)
{
    uintptr_t x = (uintptr_t)a.ptr, y = (uintptr_t)b.ptr; /* a tenant has one name in memory */

    return (x > y) - (x < y);
}

static int compare_refs(const void *a, const void *b)
{
    const struct segment_ref *x = a, *y = b;
    int order = compare_tenants(x->tenant, y->tenant);

    if (order == 0)
        order = (x->day > y->day) - (x->day < y->day);
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static enum status add_ref(struct segment_list *l, const struct segment_ref *ref)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : l->capacity * 2;
        struct segment_ref *wider = mem_grow(l->items, capacity, sizeof(*wider));
        if (wider == NULL)
            return ST_NOMEM;
        l->items = wider;
        l->capacity = capacity;
    }
    l->items[l->count++] = *ref;
    return ST_OK;
}

enum status segment_list_load(struct store *s, struct segment_list *l, struct err *err)
{
    struct index_read *r = NULL;
    struct arena none = {0};
    struct segment_ref ref;
    uint64_t cursor = 0;

    l->count = 0;
    l->loaded_ns = time_mono_ns();
    enum status st = index_read_begin(s->index, &none, &r, err);
    while (st == ST_OK) {
        st = index_next_segment(r, &cursor, &ref);
        if (st != ST_OK || ref.state == SEGMENT_DEAD || ref.committed_bytes == 0)
            continue;
        const struct tenant *tenant = store_tenant(s, ref.tenant, true);
        if (tenant != NULL)
            ref.tenant = tenant->name;
        st = tenant == NULL ? ST_NOMEM : add_ref(l, &ref);
    }
    index_read_end(r);
    if (st != ST_NOT_FOUND) {
        l->loaded_ns = 0;
        return err_set(err, st, "cannot list the segments: %s", status_text(st));
    }
    if (l->count > 0)
        qsort(l->items, l->count, sizeof(*l->items), compare_refs);
    return ST_OK;
}

void segment_list_release(struct segment_list *l)
{
    mem_free(l->items);
    *l = (struct segment_list){0};
}

/* The first segment that is not before this one. */
static size_t first_from(const struct segment_list *l, const struct segment_ref *wanted)
{
    size_t low = 0, high = l->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_refs(&l->items[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct segment_span span_between(const struct segment_list *l,
                                        const struct segment_ref *first,
                                        const struct segment_ref *last)
{
    size_t begin = first_from(l, first), end = first_from(l, last);

    return (struct segment_span){l->items + begin, end - begin};
}

struct segment_span segment_list_tenant(const struct segment_list *l, struct str tenant)
{
    const struct segment_ref first = {.tenant = tenant, .day = INT32_MIN};
    const struct segment_ref last = {.tenant = tenant, .day = INT32_MAX, .id = UINT64_MAX};

    return l->count == 0 ? (struct segment_span){0} : span_between(l, &first, &last);
}

struct segment_span segment_list_day(const struct segment_list *l, struct str tenant, int32_t day)
{
    const struct segment_ref first = {.tenant = tenant, .day = day};
    const struct segment_ref last = {.tenant = tenant, .day = day, .id = UINT64_MAX};

    return l->count == 0 ? (struct segment_span){0} : span_between(l, &first, &last);
}

struct segment_span segment_list_cut_day(struct segment_span *rest)
{
    struct segment_span day = {rest->items, 0};

    while (day.count < rest->count && day.items[day.count].day == day.items[0].day)
        day.count++;
    rest->items += day.count;
    rest->count -= day.count;
    return day;
}

/* ---- a survey ---- */

static int compare_ids(const void *a, const void *b)
{
    const struct day_segment *x = a, *y = b;

    return (x->ref.id > y->ref.id) - (x->ref.id < y->ref.id);
}

struct day_segment *survey_find(const struct survey *s, uint64_t segment_id)
{
    struct day_segment key = {.ref = {.id = segment_id}};

    return s->count == 0 ? NULL : bsearch(&key, s->segments, s->count, sizeof(key), compare_ids);
}

uint64_t survey_dead_bytes(const struct day_segment *s)
{
    uint64_t live_bytes = segment_header_bytes(s->ref.tenant) + s->live_bytes;

    return s->ref.committed_bytes > live_bytes ? s->ref.committed_bytes - live_bytes : 0;
}

struct counting {
    struct store *store;
    struct survey *survey;
};

static enum status count_live(void *context, const struct chunk_ref *ref)
{
    const struct counting *c = context;
    struct day_segment *found = survey_find(c->survey, ref->segment_id);

    if (found != NULL)
        found->live_bytes += ref->chunk_bytes;
    return flag_get(&c->store->merger.stop) ? ST_CANCELLED : ST_OK;
}

/* The segments as they are now. What is damaged is not given up: it counts as live. */
static enum status look_up(struct index_read *r, struct segment_span span,
                           const struct counting *counting)
{
    struct survey *s = counting->survey;
    struct segment_ref ref;

    for (size_t i = 0; i < span.count; i++) {
        uint64_t cursor = span.items[i].id;
        enum status st = index_next_segment(r, &cursor, &ref);
        if (st == ST_NOT_FOUND)
            break;
        if (st != ST_OK)
            return st;
        if (ref.id != span.items[i].id || ref.state == SEGMENT_DEAD || ref.committed_bytes == 0)
            continue;
        ref.tenant = span.items[i].tenant;
        s->segments[s->count++] = (struct day_segment){
            .ref = ref, .live_bytes = store_damage_bytes(counting->store, ref.id)};
    }
    return ST_OK;
}

enum status survey_day(struct store *s, struct arena *a, struct segment_span span,
                       struct survey *ret_survey, struct err *err)
{
    struct survey survey = {.segments = arena_new(a, struct day_segment, span.count)};
    struct counting counting = {s, &survey};
    struct index_read *r = NULL;

    *ret_survey = (struct survey){0};
    if (survey.segments == NULL)
        return arena_status(a, err);
    if (span.count == 0)
        return ST_OK;
    enum status st = index_read_begin(s->index, a, &r, err);
    if (st != ST_OK)
        return st;
    struct day_walk walk = {.tenant = span.items[0].tenant,
                            .day = span.items[0].day,
                            .visit = count_live,
                            .context = &counting};
    st = look_up(r, span, &counting);
    if (st == ST_OK)
        st = index_walk_day(r, &walk);
    index_read_end(r);
    if (st != ST_OK)
        return err_set(err, st, "cannot read the chunks of a day: %s", status_text(st));
    *ret_survey = survey;
    return ST_OK;
}

enum status survey_give_up(struct store *s, struct segment_span span, struct err *err)
{
    struct merge_request request = {0};
    struct survey survey;
    struct arena a;

    arena_init(&a, SURVEY_ARENA_BYTES_MAX);
    enum status st = survey_day(s, &a, span, &survey, err);
    struct segment_ref *dead = arena_new(&a, struct segment_ref, survey.count);
    if (st == ST_OK && dead == NULL)
        st = arena_status(&a, err);
    for (size_t i = 0; i < survey.count && st == ST_OK; i++) {
        if (survey.segments[i].live_bytes == 0)
            dead[request.dead.count++] = survey.segments[i].ref;
    }
    request.dead.items = dead;
    if (st == ST_OK && request.dead.count > 0)
        st = merge_submit(s, &request, err);
    arena_release(&a);
    return st;
}
