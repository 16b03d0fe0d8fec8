/*
 * slots.h - a table of pointers that gives each a number, and keeps it until it is taken out.
 *
 * Numbers are small: those that are free are given again, the last one freed first. So whoever goes
 * through the numbers from 0 on, with others adding and removing meanwhile, meets each pointer that
 * is there all the time, once.
 *
 * Threads  One thread at a time.
 */
#ifndef BASE_SLOTS_H
#define BASE_SLOTS_H

#include <stdint.h>

#include "base/err.h"

struct slots {
    uintptr_t *items; /* a pointer, or the next free number: see slots.c */
    uint32_t end;     /* numbers that were given lie below */
    uint32_t capacity;
    uint32_t count;
    uint32_t first_free; /* plus 1; 0: none below `end` */
};

/* A zeroed struct slots is empty and valid. */
void slots_release(struct slots *s);

/* Add `item`, which is not NULL and not at an odd address. ST_NOMEM, ST_LIMIT: nothing changed. */
MUST_CHECK enum status slots_add(struct slots *s, void *item, uint32_t *ret_number);

/* Take out what is there. Does not fail. */
void slots_remove(struct slots *s, uint32_t number);

/* NULL when nothing is there; any number may be asked for. */
void *slots_at(const struct slots *s, uint32_t number);

#endif
