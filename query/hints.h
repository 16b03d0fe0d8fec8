/*
 * hints.h - what parsers need not extract, and which filters end an entry early.
 *
 * A metric query that groups by a few labels (or by none) reads only those, and what its filters,
 * formats and its unwrap read. Parsers then extract nothing else: they are faster, and errors
 * behind the last label that is wanted are not seen.
 */
#ifndef QUERY_HINTS_H
#define QUERY_HINTS_H

#include "base/arena.h"
#include "base/err.h"
#include "query/ast.h"
#include "query/label_builder.h"
#include "query/pipeline.h"

/*
 * Find the hints for the stages of `log`, made in `a`. `samples` is NULL for a log query, which
 * shows all labels.
 *
 * ST_LIMIT  the arena is full
 */
MUST_CHECK enum status hints_find(struct arena *a, const struct log_expr *log,
                                  const struct pipeline_samples *samples,
                                  struct label_hints *ret_hints, struct err *err);

#endif
