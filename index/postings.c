#include "index/postings.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/defs.h"

#include "base/banned.h"

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void postings_sort(struct postings *p)
{
    bool ascending = true;
    size_t kept = 0;

    for (size_t i = 1; i < p->count && ascending; i++)
        ascending = p->ids[i - 1] < p->ids[i];
    if (ascending)
        return;
    qsort(p->ids, p->count, sizeof(*p->ids), compare_ids);
    for (size_t i = 0; i < p->count; i++) {
        if (kept == 0 || p->ids[kept - 1] != p->ids[i])
            p->ids[kept++] = p->ids[i];
    }
    p->count = kept;
}

/* Gallop: double the step until it is passed, then halve the range. Near neighbours are found at
 * once. */
size_t postings_seek(struct postings p, size_t from, uint64_t id)
{
    size_t step = 1, low = from;

    if (from >= p.count || p.ids[from] >= id)
        return MIN_OF(from, p.count);
    while (low + step < p.count && p.ids[low + step] < id) {
        low += step;
        step *= 2;
    }
    size_t high = MIN_OF(low + step, p.count); /* ids[low] < id <= ids[high], if that exists */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p.ids[middle] < id)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Keep the ids of `p` whose presence in `other` is `wanted`. */
static void filter(struct postings *p, struct postings other, bool wanted)
{
    size_t kept = 0, at = 0;

    for (size_t i = 0; i < p->count; i++) {
        at = postings_seek(other, at, p->ids[i]);
        bool there = at < other.count && other.ids[at] == p->ids[i];
        if (there == wanted)
            p->ids[kept++] = p->ids[i];
    }
    p->count = kept;
}

void postings_intersect(struct postings *p, struct postings other)
{
    filter(p, other, true);
}

void postings_subtract(struct postings *p, struct postings other)
{
    filter(p, other, false);
}
