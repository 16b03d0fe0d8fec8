/*
 * line_needs.h - texts that must be in a line before it is worth a closer look.
 *
 * Looking for them costs a tenth of what a regular expression does; and they can be looked for in
 * many lines at once.
 */
#ifndef QUERY_LINE_NEEDS_H
#define QUERY_LINE_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/needle.h"
#include "base/regex.h"

enum { LINE_NEEDS_MAX = 4 };

/* One of the needles must be in the line. */
struct line_need {
    const struct needle *needles;
    size_t count;
};

/* All must be met; a zeroed one asks for nothing. */
struct line_needs {
    struct line_need all[LINE_NEEDS_MAX];
    size_t count;
};

/*
 * Ask for one of `count` texts, which are borrowed and not empty, too. If there are so many needs
 * already it is left out.
 */
void line_needs_add(struct arena *a, struct line_needs *n, const struct str *texts, size_t count);

/* Ask for one text in any case, as needle_make() does. */
void line_needs_add_any_case(struct arena *a, struct line_needs *n, struct str text);

/* Ask also for what every line has in which the expression matches. */
void line_needs_add_regex(struct arena *a, struct line_needs *n, const struct regex *re);

bool line_need_is_met(const struct line_need *need, struct str line);
bool line_needs_are_met(const struct line_needs *n, struct str line);

#endif
