/*
 * line_pattern.h - patterns such as "<ip> - <_> [<time>]": literals and captures in turn.
 *
 * Two stages use them. `| pattern "..."` cuts a line into labels; its captures have names. The line
 * filters `|>` and `!>` only ask whether a line has the shape; theirs are all `<_>`. The rules by
 * which the two match are not the same.
 *
 * A capture is `<_>` or `<name>`, a name being letters, digits and underscores with no digit in
 * front; everything else is literal text.
 */
#ifndef QUERY_LINE_PATTERN_H
#define QUERY_LINE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct line_pattern_part {
    bool is_capture;
    struct str text; /* the literal, or the name of the capture; `_` keeps nothing */
};

struct line_pattern {
    struct line_pattern_part *parts; /* never two literals, never two captures in a row */
    size_t count;
};

/*
 * Compile the argument of `| pattern`; `text` is borrowed.
 *
 * ST_INVALID  no capture with a name, one name twice, two captures in a row
 */
MUST_CHECK enum status line_pattern_compile_parser(struct arena *a, struct str text,
                                                   struct line_pattern *ret, struct err *err);

/*
 * Compile the argument of `|>` or `!>`; `text` is borrowed.
 *
 * ST_INVALID  a capture with a name, two captures in a row
 */
MUST_CHECK enum status line_pattern_compile_filter(struct arena *a, struct str text,
                                                   struct line_pattern *ret, struct err *err);

/*
 * What the captures of `p` hold in `line`: `values[i]` is for part i, with `ptr` NULL where part i
 * is a literal or `<_>`, or was not reached. `values` has room for `p->count` views into `line`.
 * False when the line does not begin as the pattern does: then there are no labels at all.
 */
bool line_pattern_extract(const struct line_pattern *p, struct str line, struct str *values);

/* Does `line` have the shape of the filter pattern `p`? */
bool line_pattern_matches(const struct line_pattern *p, struct str line);

#endif
