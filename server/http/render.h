/*
 * render.h - results as the JSON that Loki's clients read.
 */
#ifndef SERVER_HTTP_RENDER_H
#define SERVER_HTTP_RENDER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "proto/labels.h"
#include "query/context.h"
#include "query/result.h"

struct render {
    const struct result *result;
    const struct query_stats *stats;
    struct str encoding_flags; /* as the client sent them, ptr NULL: it did not */
    bool categorize;           /* `categorize-labels` is among them */
    int64_t exec_ns;           /* how long it took */
    int64_t queue_ns;          /* how long it waited */
};

/* The whole answer to query and query_range. */
void render_query(struct buf *b, const struct render *r);

/* `"warnings":[...],` if the answer lacks something, else nothing. */
void render_warnings(struct buf *b, const struct query_stats *s);

#endif
