#include "query/doubles.h"

#include <stdlib.h>

#include "base/hash.h"

#include "base/banned.h"

struct overlap {
    int64_t min_ns;
    int64_t max_ns;
};

/* `hash` 0 is a free place. */
struct seen_entry {
    int64_t ts_ns;
    uint64_t hash;
};

enum { SEEN_MIN = 64, ENTRY_BYTES_MAX = 1 << 30 };

void doubles_init(struct doubles *d, struct arena *parent)
{
    *d = (struct doubles){0};
    arena_init_child(&d->arena, parent);
    buf_init(&d->bytes, ENTRY_BYTES_MAX);
}

void doubles_release(struct doubles *d)
{
    arena_release(&d->arena);
    buf_release(&d->bytes);
}

static int compare_runs(const void *a, const void *b)
{
    const struct source_run *x = a, *y = b;

    return (x->min_ns > y->min_ns) - (x->min_ns < y->min_ns);
}

static void add_overlap(struct doubles *d, int64_t min_ns, int64_t max_ns)
{
    struct overlap *last = d->overlap_count == 0 ? NULL : &d->overlaps[d->overlap_count - 1];

    if (last != NULL && min_ns <= last->max_ns)
        last->max_ns = MAX_OF(last->max_ns, max_ns);
    else
        d->overlaps[d->overlap_count++] = (struct overlap){min_ns, max_ns};
}

enum status doubles_begin(struct doubles *d, struct source_run *runs, size_t count)
{
    arena_reset(&d->arena);
    d->overlap_count = d->seen_count = d->seen_capacity = 0;
    if (count < 2)
        return ST_OK;
    d->overlaps = arena_new(&d->arena, struct overlap, count);
    if (d->overlaps == NULL)
        return ST_LIMIT;
    qsort(runs, count, sizeof(*runs), compare_runs);
    int64_t covered_ns = runs[0].max_ns;
    for (size_t i = 1; i < count; i++) {
        if (runs[i].min_ns <= covered_ns)
            add_overlap(d, runs[i].min_ns, MIN_OF(covered_ns, runs[i].max_ns));
        covered_ns = MAX_OF(covered_ns, runs[i].max_ns);
    }
    return ST_OK;
}

bool doubles_possible(const struct doubles *d, int64_t min_ns, int64_t max_ns)
{
    size_t low = 0, high = d->overlap_count;

    while (low < high) { /* the first overlap that ends at or behind min_ns */
        size_t middle = low + (high - low) / 2;
        if (d->overlaps[middle].max_ns < min_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->overlap_count && d->overlaps[low].min_ns <= max_ns;
}

/* Where the entry is, or would be. */
static struct seen_entry *find_place(struct seen_entry *table, size_t capacity,
                                     struct seen_entry wanted)
{
    size_t at = (wanted.hash ^ (uint64_t)wanted.ts_ns) & (capacity - 1);

    while (table[at].hash != 0 &&
           (table[at].hash != wanted.hash || table[at].ts_ns != wanted.ts_ns))
        at = (at + 1) & (capacity - 1);
    return &table[at];
}

static enum status grow(struct doubles *d)
{
    size_t capacity = MAX_OF(d->seen_capacity * 2, (size_t)SEEN_MIN);
    struct seen_entry *table = arena_new(&d->arena, struct seen_entry, capacity);

    if (table == NULL)
        return ST_LIMIT;
    for (size_t i = 0; i < d->seen_capacity; i++) {
        if (d->seen[i].hash != 0)
            *find_place(table, capacity, d->seen[i]) = d->seen[i];
    }
    d->seen = table;
    d->seen_capacity = capacity;
    return ST_OK;
}

enum status doubles_check(struct doubles *d, const struct entry *e, bool *ret_met)
{
    *ret_met = false;
    if (!doubles_possible(d, e->ts_ns, e->ts_ns))
        return ST_OK;
    if (2 * d->seen_count >= d->seen_capacity && grow(d) != ST_OK)
        return ST_LIMIT;
    buf_reset(&d->bytes);
    labels_encode(&d->bytes, e->metadata);
    buf_put(&d->bytes, e->line);
    if (d->bytes.failed)
        return ST_LIMIT;
    uint64_t hash = hash_text(buf_str(&d->bytes));
    struct seen_entry wanted = {e->ts_ns, hash == 0 ? 1 : hash};
    struct seen_entry *place = find_place(d->seen, d->seen_capacity, wanted);
    *ret_met = place->hash != 0;
    if (!*ret_met) {
        *place = wanted;
        d->seen_count++;
    }
    return ST_OK;
}
