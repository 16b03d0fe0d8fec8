/*
 * api.h - what the handlers of reading endpoints share.
 */
#ifndef SERVER_HTTP_API_H
#define SERVER_HTTP_API_H

#include <stdint.h>

#include "base/err.h"
#include "query/context.h"
#include "server/http/request.h"

/* Memory, deadline and cancel flag of the request. */
void api_context(struct request *r, struct query_context *ret_q);

/* ST_INVALID: the range is longer than limits.max_query_length. */
MUST_CHECK enum status api_check_length(const struct request *r, int64_t start_ns, int64_t end_ns,
                                        struct err *err);

/* `start_ns`, or how far back limits.max_query_lookback lets the tenant see. */
int64_t api_oldest_ns(const struct request *r, int64_t start_ns);

#endif
