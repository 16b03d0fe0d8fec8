/*
 * label_table.h - a small set of names with values, for one entry.
 *
 * Most entries have a handful of labels, which are searched from front to back. A line may hold
 * thousands, so from some number on there is a table of their hashes beside.
 *
 * Ownership  Names and values are borrowed; everything else lives in the arena and is never freed,
 *            so a zeroed table begins the next entry. Running out sets `failed` of the arena.
 */
#ifndef QUERY_LABEL_TABLE_H
#define QUERY_LABEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "proto/labels.h"

struct label_table {
    struct label *pairs; /* in no order */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* 1 + place of a pair, by the hash of its name; NULL while there are few */
    size_t slot_count;
    size_t slots_used; /* also by what was removed */
};

/* The pair of a name, or NULL; valid until the table changes. */
struct label *label_table_find(const struct label_table *t, struct str name);

/* Add, or replace the value. */
void label_table_put(struct arena *a, struct label_table *t, struct str name, struct str value);

void label_table_remove(struct label_table *t, struct str name);

#endif
