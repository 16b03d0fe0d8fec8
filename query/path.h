/*
 * path.h - the expressions of `| json x="a.b[0]"` and `| logfmt x="key"`.
 *
 * A path begins with a name or a bracket and goes on with `.name`, `["any key"]` and `[0]`; blanks
 * between its tokens count for nothing. A quoted key has no escapes. The expression of logfmt is a
 * single name.
 */
#ifndef QUERY_PATH_H
#define QUERY_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct path_step {
    bool is_index;
    int64_t index;  /* of an array, from 0 */
    struct str key; /* of an object */
};

struct path {
    struct path_step *steps;
    size_t count; /* >= 1 */
};

/*
 * Compile the expression of a json label; keys are views into `text`.
 *
 * ST_INVALID  `err` has the reason, beginning with "cannot parse expression [TEXT]: "
 */
MUST_CHECK enum status path_compile(struct arena *a, struct str text, struct path *ret,
                                    struct err *err);

/* The same for a logfmt label: `*ret_key` is a view into `text`. */
MUST_CHECK enum status path_compile_key(struct str text, struct str *ret_key, struct err *err);

#endif
