/*
 * line_filter.h - the compiled form of a line filter: |= != |~ !~ |> !>, with `or` and ip().
 */
#ifndef QUERY_LINE_FILTER_H
#define QUERY_LINE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/regex.h"
#include "base/str.h"
#include "proto/entry.h"
#include "query/ast.h"

struct line_test;

/* Keeps a line if one of its tests is true (or, negated, if none is). */
struct line_filter {
    const struct line_test *tests;
    size_t count; /* 0: always true, before negation */
    bool negated;
};

/*
 * Compile in `a`; `expr` is borrowed.
 *
 * ST_INVALID  `err` has the reason as it stands behind the stage in an error text
 */
MUST_CHECK enum status line_filter_compile(struct arena *a, const struct line_filter_expr *expr,
                                           struct line_filter *ret_filter, struct err *err);

bool line_filter_keeps(const struct line_filter *f, struct str line);

/*
 * Clear bit i (of 64 a word) if the filter does not keep line i of the block, whose lines are
 * loaded; lines whose bits are clear are not looked at. Bits behind the last line must be clear.
 */
void line_filter_keep_lines(const struct line_filter *f, const struct block *b, uint64_t *bits);

/*
 * May the filter keep any of some lines of which only this much is known: `may_contain(context, s)`
 * is false if `s` is in none of them, in whatever case its ASCII letters are? False is for sure.
 */
bool line_filter_may_keep(const struct line_filter *f, regex_probe_fn *may_contain, void *context);

#endif
