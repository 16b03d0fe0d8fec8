/*
 * label_filter.h - the compiled form of `| status >= 500 and method="GET"`.
 */
#ifndef QUERY_LABEL_FILTER_H
#define QUERY_LABEL_FILTER_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "query/ast.h"
#include "query/label_builder.h"

struct label_filter;

/*
 * Compile in `a`; `expr` is borrowed.
 *
 * ST_INVALID  `err` has the reason as it stands behind the stage in an error text
 */
MUST_CHECK enum status label_filter_compile(struct arena *a, const struct label_filter_expr *expr,
                                            const struct label_filter **ret_filter,
                                            struct err *err);

/*
 * Does the entry pass? A value that cannot be converted passes, with the error LabelFilterErr,
 * unless there is an error already.
 */
bool label_filter_passes(const struct label_filter *f, struct label_builder *b);

#endif
