/*
 * postings.h - sorted lists of stream ids and their algebra.
 *
 * A list is ascending and has no id twice. The operations work in place and never need more memory
 * than their operands.
 */
#ifndef INDEX_POSTINGS_H
#define INDEX_POSTINGS_H

#include <stddef.h>
#include <stdint.h>

struct postings {
    uint64_t *ids;
    size_t count;
};

/* Put ids that came in any order into order, each once. */
void postings_sort(struct postings *p);

/* Keep in `p` what is also in `other`. */
void postings_intersect(struct postings *p, struct postings other);

/* Keep in `p` what is not in `other`. */
void postings_subtract(struct postings *p, struct postings other);

/* The place of the first id >= `id` at or behind `from`; the count if there is none. */
size_t postings_seek(struct postings p, size_t from, uint64_t id);

#endif
