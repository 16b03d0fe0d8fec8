/*
 * unwrap.h - the value of a sample out of a label.
 */
#ifndef QUERY_UNWRAP_H
#define QUERY_UNWRAP_H

#include <stdbool.h>

#include "query/ast.h"
#include "query/label_builder.h"

/*
 * The value of the label that `u` names: a number, bytes or seconds. False: the label is missing or
 * empty, so the entry gives no sample. A value that cannot be converted counts as 0, a number that
 * is too large as an infinity; then the entry has the error SampleExtractionErr.
 */
bool unwrap_value(const struct unwrap_expr *u, struct label_builder *b, double *ret_value);

#endif
