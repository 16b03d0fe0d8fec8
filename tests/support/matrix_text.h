/*
 * matrix_text.h - matrices and operations on them, as text.
 *
 * A matrix is a list of series, `{a="1"} 1 2 _ ; {a="2"} 3 _ NaN`; `_` is no sample, the label
 * value EMPTY stands for an empty one. `ordered: ` in front says that the order counts. What is
 * empty has no series.
 */
#ifndef TESTS_SUPPORT_MATRIX_TEXT_H
#define TESTS_SUPPORT_MATRIX_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "query/matrix.h"

struct matrix matrix_read(struct arena *a, const char *text, size_t steps);

/* In the order of labels, unless the matrix is ordered: then `ordered:` stands in front. */
void matrix_put(struct buf *b, struct matrix m);

/*
 * Write what the operation at the top of `query` makes of the operands: a matrix, or its error. In
 * the query, `@` stands for something that reads logs. An operand that the query has as a number is
 * that number.
 */
void matrix_operate(struct buf *out, const char *query, const char *left, const char *right);

/* Apply the operation at the top of `e`. */
MUST_CHECK enum status matrix_apply(const struct query_context *q, const struct expr *e,
                                    struct matrix left, struct matrix right, struct matrix *ret,
                                    struct err *err);

/* The query with its `@` filled in, parsed. */
const struct expr *matrix_query(struct arena *a, const char *text);

#endif
