#include "server/store/open_segments.h"

#include "base/mem.h"

#include "base/banned.h"

_Static_assert(sizeof(struct segment_place) == sizeof(char *) + 2 * sizeof(int32_t),
               "a key has no padding");

static struct segment_place place_of(struct str tenant, int32_t day, enum segment_state state)
{
    return (struct segment_place){tenant.ptr, day, (int32_t)state};
}

static struct str place_key(const struct segment_place *place)
{
    return str_make((const char *)place, sizeof(*place));
}

static struct str id_key(const uint64_t *id)
{
    return str_make((const char *)id, sizeof(*id));
}

void open_segments_release(struct open_segments *t)
{
    struct open_segment *segment;
    size_t cursor = 0;

    while ((segment = map_next(&t->by_id, &cursor)) != NULL)
        mem_free(segment);
    map_release(&t->by_id);
    map_release(&t->by_place);
    t->used = NULL;
}

struct open_segment *open_segments_add(struct open_segments *t, const struct segment_ref *ref)
{
    struct open_segment *segment = mem_new(1, sizeof(*segment));

    if (segment == NULL)
        return NULL;
    *segment = (struct open_segment){
        .name = {ref->id, ref->day},
        .tenant = ref->tenant,
        .committed_bytes = ref->committed_bytes,
        .written_bytes = ref->committed_bytes,
        .state = ref->state,
        .has_file = ref->committed_bytes > 0,
        .older = open_segments_newest(t, ref->tenant, ref->day, ref->state),
        .place = place_of(ref->tenant, ref->day, ref->state),
    };
    if (map_set(&t->by_id, id_key(&segment->name.id), segment) != ST_OK) {
        mem_free(segment);
        return NULL;
    }
    if (map_set(&t->by_place, place_key(&segment->place), segment) != ST_OK) {
        (void)map_remove(&t->by_id, id_key(&segment->name.id));
        mem_free(segment);
        return NULL;
    }
    return segment;
}

struct open_segment *open_segments_find(const struct open_segments *t, uint64_t id)
{
    return map_get(&t->by_id, id_key(&id));
}

struct open_segment *open_segments_newest(const struct open_segments *t, struct str tenant,
                                          int32_t day, enum segment_state state)
{
    struct segment_place place = place_of(tenant, day, state);

    return map_get(&t->by_place, place_key(&place));
}

/*
 * The key of a place lies in its newest segment: the map gets another key with another one. That
 * takes no memory, for the slot is there.
 */
void open_segments_remove(struct open_segments *t, struct open_segment *segment)
{
    struct open_segment *newest = map_get(&t->by_place, place_key(&segment->place));

    ASSERT(!segment->used);
    ASSERT(newest != NULL);
    if (newest != segment) {
        while (newest->older != segment)
            newest = newest->older;
        newest->older = segment->older;
    } else {
        (void)map_remove(&t->by_place, place_key(&segment->place));
        if (segment->older != NULL) {
            enum status st =
                map_set(&t->by_place, place_key(&segment->older->place), segment->older);
            ASSERT(st == ST_OK);
        }
    }
    (void)map_remove(&t->by_id, id_key(&segment->name.id));
    mem_free(segment);
}

void open_segments_use(struct open_segments *t, struct open_segment *segment)
{
    if (segment->used)
        return;
    segment->used = true;
    segment->next_used = t->used;
    t->used = segment;
}

void open_segments_settle(struct open_segments *t)
{
    while (t->used != NULL) {
        struct open_segment *segment = t->used;
        segment->used = false;
        t->used = segment->next_used;
    }
}
