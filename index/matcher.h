/*
 * matcher.h - a condition on one label: `=`, `!=`, `=~` or `!~`.
 *
 * A label that a stream does not have counts as the empty string. Regular expressions match the
 * whole value, and `.` matches a newline: `^(?s:RE)$`.
 */
#ifndef INDEX_MATCHER_H
#define INDEX_MATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/regex.h"
#include "base/str.h"
#include "proto/labels.h"

enum match_op {
    MATCH_EQ,  /* =  */
    MATCH_NEQ, /* != */
    MATCH_RE,  /* =~ */
    MATCH_NRE, /* !~ */
};

struct matcher {
    struct str name;
    enum match_op op;
    struct str value;       /* as written */
    const struct regex *re; /* MATCH_RE and MATCH_NRE only */
};

/* All must accept. */
struct matcher_list {
    const struct matcher *items;
    size_t count;
};

/*
 * Make a matcher of name, operation and value of `wanted` (its `re` is not looked at): the same
 * with a compiled expression, which is freed with the arena. Name and value stay borrowed.
 *
 * ST_INVALID  the regular expression does not compile; `err` has the reason
 */
MUST_CHECK enum status matcher_make(struct arena *a, const struct matcher *wanted,
                                    struct matcher *ret_m, struct err *err);

/* Does a label with this value satisfy `m`? */
bool matcher_accepts(const struct matcher *m, struct str value);

/* Do the labels satisfy all of them? */
bool matcher_list_accepts(struct matcher_list matchers, struct labels labels);

/*
 * The only values that `m` accepts, where that can be told at a glance: the value of `=`, and of
 * `=~` the alternatives of `a|b|c` when all are plain ASCII without a character that means
 * something else. Borrows the matcher. False: it may accept others (or `a` is full).
 */
struct matcher_values {
    const struct str *items; /* ascending, each once */
    size_t count;
};

bool matcher_values(struct arena *a, const struct matcher *m, struct matcher_values *ret_values);

/* "=", "!=", "=~" or "!~". */
struct str match_op_text(enum match_op op);

#endif
