/*
 * label_regex.h - what the reference makes of a regular expression in a label filter.
 *
 * `| name=~"re"` should match the whole value. But the reference takes expressions of a few shapes
 * for something simpler, and on the way some lose their anchors: `warn.*` becomes "contains warn",
 * `info|information` "contains info, or contains information". Both what a filter accepts and how
 * it is printed depend on it, so the shapes are found here as there.
 */
#ifndef QUERY_LABEL_REGEX_H
#define QUERY_LABEL_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum label_regex_kind {
    LABEL_REGEX_WHOLE,  /* not simplified: the whole value has to match the expression */
    LABEL_REGEX_ALWAYS, /* accepts every value */
    LABEL_REGEX_ANY_OF, /* accepts what one of the terms accepts */
};

enum label_term_kind {
    LABEL_TERM_EQUALS,
    LABEL_TERM_CONTAINS,
    LABEL_TERM_NOT_EMPTY,
};

struct label_term {
    enum label_term_kind kind;
    struct str text;
    bool any_case; /* upper and lower case are the same */
};

struct label_regex {
    enum label_regex_kind kind;
    struct label_term *terms; /* ANY_OF */
    size_t count;
};

/*
 * Find the shape of `expression`, which is known to compile. The terms live in the arena.
 *
 * ST_LIMIT  the arena is too small
 */
MUST_CHECK enum status label_regex_simplify(struct arena *a, struct str expression,
                                            struct label_regex *ret, struct err *err);

/* Is it anything but LABEL_REGEX_WHOLE? */
bool label_regex_is_simple(struct str expression);

#endif
