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
    int64_t start_ns; /* log queries: start <= time < end */
    int64_t end_ns;
    int64_t step_ns;     /* metric ranges; > 0 */
    int64_t interval_ns; /* log queries: the least time between two lines; 0: none */
    size_t limit;        /* log queries: of entries, >= 1 */
    bool backward;
    bool categorize; /* keep structured metadata apart from labels */
};

/*
 * Run it. On ST_OK the caller frees `ret_result` with result_release(), after it has been written
 * out.
 *
 * ST_INVALID      an argument of a stage does not compile, or a log query was asked for an instant
 * ST_TIMEOUT, ST_CANCELLED, ST_LIMIT   the query's own end
 * ST_UNSUPPORTED  this version cannot run it
 */
MUST_CHECK enum status engine_run(const struct engine_query *q, struct result *ret_result,
                                  struct err *err);

#endif
