/*
 * api.h - what the handlers of reading endpoints share.
 */
#ifndef SERVER_HTTP_API_H
#define SERVER_HTTP_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "index/matcher.h"
#include "query/ast.h"
#include "query/context.h"
#include "server/http/params.h"
#include "server/http/request.h"

/* Memory, deadline and cancel flag of the request. */
void api_context(struct request *r, struct query_context *ret_q);

/* ST_INVALID: the range is longer than limits.max_query_length. */
MUST_CHECK enum status api_check_length(const struct request *r, int64_t start_ns, int64_t end_ns,
                                        struct err *err);

/* ST_INVALID: the query asks for more than the settings allow. */
MUST_CHECK enum status api_check_query(const struct request *r, const struct expr *e,
                                       const struct range_params *range, struct err *err);

/* `start_ns`, or how far back limits.max_query_lookback lets the tenant see. */
int64_t api_oldest_ns(const struct request *r, int64_t start_ns);

/*
 * `start`, `end` and `since`: in order, not too far apart, and not before what the tenant may see.
 */
MUST_CHECK enum status api_bounds(const struct request *r, int64_t *ret_start_ns,
                                  int64_t *ret_end_ns, struct err *err);

/* The selector in `query`; with `any` it may be `{}`, which gives no matchers. */
MUST_CHECK enum status api_selector(struct request *r, bool any, struct matcher_list *ret_matchers,
                                    struct err *err);

/* Answer a query that has failed: what was too much is the query's fault. */
void api_fail(struct request *r, enum status st, const struct err *err);

#endif
