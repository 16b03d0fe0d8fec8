/*
 * labels.h - label sets: sorted lists of name and value.
 *
 * A label set names a stream, or is the structured metadata of an entry. In a canonical set names
 * are unique and ascending (byte order) and no value is empty. Views are borrowed: whoever made the
 * set says how long its bytes live.
 */
#ifndef PROTO_LABELS_H
#define PROTO_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct label {
    struct str name;
    struct str value;
};

struct labels {
    const struct label *pairs;
    size_t count;
};

/*
 * Parse the text form of Prometheus: `{name="value", ...}`, perhaps with a metric name in front,
 * which becomes the label `__name__`. Values are double quoted, single quoted (both with Go's
 * escapes) or in backquotes. The result is sorted by name and has no empty values, but keeps
 * duplicates: refusing them is the caller's matter. Names and values are borrowed from `text` or
 * live in `a`.
 *
 * ST_INVALID  `err` reads "1:5: parse error: ..." (line and column of characters)
 */
MUST_CHECK enum status labels_parse(struct arena *a, struct str text, struct labels *ret_labels,
                                    struct err *err);

/* Is `name` of the form [a-zA-Z_][a-zA-Z0-9_]*? */
bool label_name_valid(struct str name);

/* Sort by name, keeping the order of equal ones. */
void labels_sort(struct label *pairs, size_t count);

/* The same, and leave out empty values; returns the new count. */
size_t labels_normalize(struct label *pairs, size_t count);

/* The value of `name`; empty when it is not there. */
struct str labels_get(struct labels l, struct str name);
bool labels_has(struct labels l, struct str name);

bool labels_eq(struct labels a, struct labels b);

/* The order of sets: by their first pairs, name before value, then the next; < 0, 0 or > 0. */
int labels_cmp(struct labels a, struct labels b);

/* `{a="1", b="2"}` with values quoted as Go does. */
void labels_put_text(struct buf *b, struct labels l);

/* XXH64 of `name 0xff value 0xff ...`: the order of streams in answers. */
uint64_t labels_hash(struct labels l);

/* The stored form: uvarint count, then name and value as length and bytes. */
void labels_encode(struct buf *b, struct labels l);

/*
 * Cut a stored set off `*in`. Pairs are made in `a`, names and values borrow `*in`.
 *
 * ST_CORRUPT  the bytes do not hold a set with ascending names
 */
MUST_CHECK enum status labels_decode(struct arena *a, struct str *in, struct labels *ret_labels,
                                     struct err *err);

#endif
