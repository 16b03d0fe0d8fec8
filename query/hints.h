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

/* A pipeline, as written and compiled. */
struct hints_source {
    const struct log_expr *log;
    const struct stage *stages;             /* one for each of `log` */
    const struct pipeline_samples *samples; /* NULL for a log query, which shows all labels */
    const struct stage *sample_filters;     /* one for each filter behind unwrap */
};

/*
 * Find the hints, made in `a`; the compiled filters are borrowed.
 *
 * ST_LIMIT  the arena is full
 */
MUST_CHECK enum status hints_find(struct arena *a, const struct hints_source *source,
                                  struct label_hints *ret_hints, struct err *err);

#endif
