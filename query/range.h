/*
 * range.h - a range aggregation: the entries of a selector to series of values.
 *
 * One pass over the entries, stream by stream, whatever the number of steps. What is kept is a
 * state for each series and step (window.h).
 */
#ifndef QUERY_RANGE_H
#define QUERY_RANGE_H

#include "base/err.h"
#include "query/ast.h"
#include "query/engine.h"
#include "query/matrix.h"
#include "query/pipeline.h"

/*
 * What the samples of `e`, an EXPR_RANGE_AGGREGATION, are made of. `around` is the grouping of the
 * sum it stands in directly, NULL if there is none: samples are then grouped by it at once, where
 * that gives the same.
 */
struct pipeline_samples range_samples(const struct expr *e, const struct grouping *around);

/*
 * Evaluate `e` at the steps of `q`.
 *
 * ST_INVALID  a stage does not compile, or entries with an error got as far as this
 * ST_LIMIT, ST_TIMEOUT, ST_CANCELLED   the query's own end
 */
MUST_CHECK enum status range_run(const struct engine_query *q, const struct expr *e,
                                 const struct grouping *around, struct matrix *ret,
                                 struct err *err);

#endif
