/*
 * pipeline.h - the compiled stages of a log query.
 *
 * Building a pipeline compiles every argument, before any entry is read; what is wrong with one is
 * reported as "parse error : stage '...' : ...".
 */
#ifndef QUERY_PIPELINE_H
#define QUERY_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "query/ast.h"
#include "query/line_filter.h"

struct pipeline {
    struct line_filter *filters; /* all must keep the line */
    size_t filter_count;
    const struct stage_expr *not_run; /* the first stage that this version cannot run; NULL: none */
};

/*
 * Compile in `a`; `stages` are borrowed.
 *
 * ST_INVALID  an argument does not compile
 */
MUST_CHECK enum status pipeline_build(struct arena *a, const struct stage_expr *stages,
                                      size_t count, struct pipeline *ret_pipeline, struct err *err);

/* Does the line pass every line filter? */
bool pipeline_keeps(const struct pipeline *p, struct str line);

#endif
