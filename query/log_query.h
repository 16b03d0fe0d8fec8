/*
 * log_query.h - the newest or oldest entries that a log query keeps.
 */
#ifndef QUERY_LOG_QUERY_H
#define QUERY_LOG_QUERY_H

#include "base/err.h"
#include "query/engine.h"
#include "query/result.h"

/* Run `q->expr`, an EXPR_LOG; as engine_run(). */
MUST_CHECK enum status log_query_run(const struct engine_query *q, struct result *ret_result,
                                     struct err *err);

#endif
