#include "query/label_table.h"

#include "base/hash.h"

#include "base/banned.h"

enum { LINEAR_MAX = 32 };

/* A slot whose pair was removed: a search goes on behind it. */
#define SLOT_REMOVED UINT32_MAX

/* The slot of `name`, or the free one where the search for it ends. */
static uint32_t *find_slot(const struct label_table *t, struct str name)
{
    size_t at = hash_text(name) & (t->slot_count - 1);

    while (t->slots[at] != 0 &&
           (t->slots[at] == SLOT_REMOVED || !str_eq(t->pairs[t->slots[at] - 1].name, name)))
        at = (at + 1) & (t->slot_count - 1);
    return &t->slots[at];
}

struct label *label_table_find(const struct label_table *t, struct str name)
{
    if (t->slots != NULL) {
        uint32_t slot = *find_slot(t, name);
        return slot == 0 ? NULL : &t->pairs[slot - 1];
    }
    for (size_t i = 0; i < t->count; i++) {
        struct str other = t->pairs[i].name; /* most are told apart by what costs no call */
        if (other.len == name.len && (name.len == 0 || other.ptr[0] == name.ptr[0]) &&
            str_eq(other, name))
            return &t->pairs[i];
    }
    return NULL;
}

/* New slots for all pairs, four for each. */
static bool make_slots(struct arena *a, struct label_table *t)
{
    size_t slot_count = 4 * LINEAR_MAX;

    while (slot_count < 4 * t->count)
        slot_count *= 2;
    uint32_t *slots = arena_new(a, uint32_t, slot_count);
    if (slots == NULL)
        return false;
    t->slots = slots;
    t->slot_count = slot_count;
    t->slots_used = t->count;
    for (size_t i = 0; i < t->count; i++)
        *find_slot(t, t->pairs[i].name) = (uint32_t)i + 1;
    return true;
}

void label_table_put(struct arena *a, struct label_table *t, struct str name, struct str value)
{
    struct label *pair = label_table_find(t, name);

    if (pair != NULL) {
        pair->value = value;
        return;
    }
    pair = arena_reserve(a, t->pairs, t->count, &t->capacity, sizeof(*t->pairs));
    if (pair == NULL)
        return;
    t->pairs = pair;
    if (t->slots != NULL) {
        *find_slot(t, name) = (uint32_t)t->count + 1;
        t->slots_used++;
    }
    t->pairs[t->count++] = (struct label){name, value};
    bool crowded = t->slots == NULL ? t->count > LINEAR_MAX : 2 * t->slots_used > t->slot_count;
    if (crowded && !make_slots(a, t))
        t->count--; /* the arena has failed, and with it the entry */
}

void label_table_remove(struct label_table *t, struct str name)
{
    struct label *pair = label_table_find(t, name);

    if (pair == NULL)
        return;
    struct label *last = &t->pairs[t->count - 1];
    if (t->slots != NULL) {
        uint32_t *slot = find_slot(t, name), *last_slot = find_slot(t, last->name);
        *last_slot = *slot;
        *slot = SLOT_REMOVED;
    }
    *pair = *last;
    t->count--;
}
