/*
 * engine.h - run a parsed query over a source.
 */
#ifndef QUERY_ENGINE_H
#define QUERY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "query/ast.h"
#include "query/context.h"
#include "query/result.h"
#include "query/source.h"

struct engine_query {
    struct source *source;
    struct query_context *context;
    struct str tenant;
    const struct expr *expr;
    bool instant;     /* once, at `end_ns`; a range otherwise */
    int64_t start_ns; /* log queries: start <= time < end; metric ranges: of the steps, inclusive */
    int64_t end_ns;
    int64_t step_ns;     /* metric ranges; > 0 */
    int64_t interval_ns; /* log queries: the least time between two lines; 0: none */
    size_t limit;        /* log queries: of entries, >= 1 */
    size_t series_max;   /* metric queries: of the answer; 0: no limit */
    bool partial;        /* more series are left out, as the statistics say; no error */
    bool backward;
    bool categorize; /* keep structured metadata apart from labels */
};

/*
 * Run it. On ST_OK the caller frees `ret_result` with result_release(), after it has been written
 * out.
 *
 * ST_INVALID   an argument of a stage does not compile, an entry with an error came as far as an
 *              aggregation, there are too many series, or a log query was asked for an instant
 * ST_INTERNAL  the sides of a binary operation do not match as they should
 * ST_TIMEOUT, ST_CANCELLED, ST_LIMIT   the query's own end
 */
MUST_CHECK enum status engine_run(const struct engine_query *q, struct result *ret_result,
                                  struct err *err);

/* How many steps a metric query has, and the time of one. */
size_t engine_steps(const struct engine_query *q);
int64_t engine_step_ns(const struct engine_query *q, size_t step);

#endif
