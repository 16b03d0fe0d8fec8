/*
 * kept_lines.h - load a block as far as its lines are kept.
 *
 * Where there are line filters the lines are loaded first, and the rest only if any is kept.
 */
#ifndef QUERY_KEPT_LINES_H
#define QUERY_KEPT_LINES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "query/context.h"
#include "query/pipeline.h"
#include "query/source.h"

/* One block of the run that `reader` opened last. */
struct kept_request {
    const struct pipeline *pipeline;
    struct reader *reader;
    struct query_context *q; /* damage is counted there */
    uint32_t block;
    unsigned columns; /* that are wanted of it */
};

/* Used for one block after the other. */
struct kept_lines {
    struct arena
        arena;      /* of the block that was loaded last: other things of it may lie there too */
    uint64_t *bits; /* as of pipeline_keep_lines() */
};

/*
 * Load into `ret_block`, which has no entries when none is kept, or it is damaged.
 *
 * ST_LIMIT  the arena is full
 */
MUST_CHECK enum status kept_lines_load(struct kept_lines *k, const struct kept_request *r,
                                       struct block *ret_block, struct err *err);

#endif
