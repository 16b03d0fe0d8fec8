#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

#include "base/banned.h"

enum { MAP_CAPACITY_FIRST = 16 };

void map_release(struct map *m)
{
    mem_free(m->slots);
    *m = (struct map){0};
}

static struct str slot_key(const struct map_slot *slot)
{
    return str_make(slot->key, slot->key_bytes);
}

static uint32_t key_hash(struct str key)
{
    return (uint32_t)hash_text(key);
}

/* The slot that holds `key`, or the free one where it belongs. */
static struct map_slot *find(const struct map *m, struct str key, uint32_t hash)
{
    size_t mask = m->capacity - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_slot *slot = &m->slots[i];
        if (slot->value == NULL || (slot->hash == hash && str_eq(slot_key(slot), key)))
            return slot;
    }
}

void *map_get(const struct map *m, struct str key)
{
    return m->count == 0 ? NULL : find(m, key, key_hash(key))->value;
}

static enum status grow(struct map *m)
{
    struct map wider = {.capacity = m->capacity == 0 ? MAP_CAPACITY_FIRST : m->capacity * 2};

    wider.slots = mem_new(wider.capacity, sizeof(*wider.slots));
    if (wider.slots == NULL)
        return ST_NOMEM;
    wider.count = m->count;
    for (size_t i = 0; i < m->capacity; i++) {
        struct map_slot slot = m->slots[i];
        if (slot.value != NULL)
            *find(&wider, slot_key(&slot), slot.hash) = slot;
    }
    mem_free(m->slots);
    *m = wider;
    return ST_OK;
}

enum status map_set(struct map *m, struct str key, void *value)
{
    uint32_t hash = key_hash(key);

    ASSERT(value != NULL);
    ASSERT(key.len <= UINT32_MAX);
    if (m->count >= m->capacity / 4 * 3) {
        enum status st = grow(m);
        if (st != ST_OK)
            return st;
    }
    struct map_slot *slot = find(m, key, hash);
    if (slot->value == NULL)
        m->count++;
    *slot = (struct map_slot){key.ptr, (uint32_t)key.len, hash, value};
    return ST_OK;
}

void *map_remove(struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;

    struct map_slot *slot = find(m, key, key_hash(key));
    void *value = slot->value;
    if (value == NULL)
        return NULL;

    /* Close the gap: move back each slot of the run that its gap would cut off from its home. */
    size_t mask = m->capacity - 1;
    size_t gap = (size_t)(slot - m->slots);
    for (size_t i = (gap + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct map_slot){0};
    m->count--;
    return value;
}

void *map_next(const struct map *m, size_t *cursor)
{
    while (*cursor < m->capacity) {
        void *value = m->slots[(*cursor)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
