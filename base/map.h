/*
 * map.h - hash map from bytes to a pointer.
 *
 * Open addressing with linear probing over a power of two, at most 3/4 full; keys are borrowed and
 * usually lie inside the value. Deleting shifts the run back, so there are no tombstones.
 *
 * Threads  One thread at a time.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct map_slot {
    const char *key;
    uint32_t key_bytes;
    uint32_t hash;
    void *value; /* NULL: the slot is free */
};

struct map {
    struct map_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

/* A zeroed struct map is empty and valid. */
void map_release(struct map *m);

/* NULL when the key is not there. */
void *map_get(const struct map *m, struct str key);

/* Add or replace; `value` is not NULL, `key` (below 4 GiB) stays valid as long as it is in the map.
 */
MUST_CHECK enum status map_set(struct map *m, struct str key, void *value);

/* Returns the value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);

/* All values in no order: start with `*cursor` = 0; NULL at the end. Do not change the map
 * meanwhile. */
void *map_next(const struct map *m, size_t *cursor);

#endif
