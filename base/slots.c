/*
 * A free place holds the next free one: its number plus 1, doubled, plus 1 so that it is odd.
 */
#include "base/slots.h"

#include "base/mem.h"

#include "base/banned.h"

enum { SLOTS_CAPACITY_FIRST = 8 };

void slots_release(struct slots *s)
{
    mem_free(s->items);
    *s = (struct slots){0};
}

static enum status grow(struct slots *s)
{
    uint32_t capacity = s->capacity == 0 ? SLOTS_CAPACITY_FIRST : s->capacity * 2;

    if (capacity > UINT32_MAX / 2)
        return ST_LIMIT;
    uintptr_t *wider = mem_grow(s->items, capacity, sizeof(*wider));
    if (wider == NULL)
        return ST_NOMEM;
    s->items = wider;
    s->capacity = capacity;
    return ST_OK;
}

enum status slots_add(struct slots *s, void *item, uint32_t *ret_number)
{
    ASSERT(item != NULL && ((uintptr_t)item & 1) == 0);
    if (s->first_free == 0 && s->end == s->capacity) {
        enum status st = grow(s);
        if (st != ST_OK)
            return st;
    }
    uint32_t number = s->first_free == 0 ? s->end++ : s->first_free - 1;
    if (s->first_free != 0)
        s->first_free = (uint32_t)(s->items[number] >> 1);
    s->items[number] = (uintptr_t)item;
    s->count++;
    *ret_number = number;
    return ST_OK;
}

void slots_remove(struct slots *s, uint32_t number)
{
    ASSERT(slots_at(s, number) != NULL);
    s->items[number] = (uintptr_t)s->first_free << 1 | 1;
    s->first_free = number + 1;
    if (--s->count == 0)
        slots_release(s);
}

void *slots_at(const struct slots *s, uint32_t number)
{
    if (number >= s->end || (s->items[number] & 1) != 0)
        return NULL;
    return (void *)s->items[number];
}
