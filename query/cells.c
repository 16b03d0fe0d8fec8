#include "query/cells.h"

#include <stdlib.h>

#include "base/banned.h"

_Static_assert(sizeof(((struct cell *)NULL)->key) == sizeof(void *) + sizeof(int64_t),
               "the key of a cell has no bytes of chance in it");

void cells_init(struct cells *c, struct arena *a)
{
    *c = (struct cells){.arena = a};
}

void cells_release(struct cells *c)
{
    map_release(&c->map);
}

static struct str key_of(const struct cell *cell)
{
    return str_make((const char *)&cell->key, sizeof(cell->key));
}

enum status cells_add(struct cells *c, const void *row, int64_t bucket_ns,
                      const struct source_totals *t, struct err *err)
{
    const struct cell wanted = {.key = {row, bucket_ns}};
    struct cell *cell = map_get(&c->map, key_of(&wanted));

    if (cell == NULL) {
        cell = arena_new(c->arena, struct cell, 1);
        if (cell == NULL)
            return arena_status(c->arena, err);
        *cell = wanted;
        if (map_set(&c->map, key_of(cell), cell) != ST_OK)
            return err_set(err, ST_NOMEM, "no memory for sums");
    }
    totals_add(&cell->totals, t);
    return ST_OK;
}

static int compare_rows(const void *a, const void *b)
{
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static int compare_cells(const void *a, const void *b)
{
    const struct cell *x = *(struct cell *const *)a, *y = *(struct cell *const *)b;
    int order = compare_rows(x->key.row, y->key.row);

    if (order != 0)
        return order;
    return (x->key.bucket_ns > y->key.bucket_ns) - (x->key.bucket_ns < y->key.bucket_ns);
}

enum status cells_sort(struct cells *c, struct err *err)
{
    size_t cursor = 0;

    c->count = 0;
    c->sorted = arena_new(c->arena, struct cell *, c->map.count + 1);
    if (c->sorted == NULL)
        return arena_status(c->arena, err);
    for (struct cell *cell = map_next(&c->map, &cursor); cell != NULL;
         cell = map_next(&c->map, &cursor))
        c->sorted[c->count++] = cell;
    qsort(c->sorted, c->count, sizeof(struct cell *), compare_cells);
    return ST_OK;
}

struct cell **cells_of(const struct cells *c, const void *row, size_t *ret_count)
{
    size_t low = 0, high = c->count, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_rows(c->sorted[middle]->key.row, row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < c->count && c->sorted[end]->key.row == row;)
        end++;
    *ret_count = end - low;
    return c->sorted + low;
}
