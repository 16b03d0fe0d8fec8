/*
 * constant.h - metric queries that read no logs: literals, vector(), and operators between them.
 *
 * Grafana tests a data source with such a query.
 */
#ifndef QUERY_CONSTANT_H
#define QUERY_CONSTANT_H

#include <stdbool.h>

#include "query/engine.h"

/* Is the expression made of literals, vector() and binary operators only? */
bool constant_is(const struct expr *e);

/* Evaluate it: a scalar or vector for an instant, one series for a range. */
MUST_CHECK enum status constant_run(const struct engine_query *q, struct result *ret_result,
                                    struct err *err);

#endif
