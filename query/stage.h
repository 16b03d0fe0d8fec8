/*
 * stage.h - one step of a pipeline, and the entry that goes through it.
 *
 * Every kind of stage has a compile function, which checks the argument and says what to run; the
 * table in pipeline.c joins them with the kinds of the tree. A compiled stage never changes, so
 * many threads may run it, each with an entry of its own.
 *
 * Running out of memory sets `scratch->failed`; the pipeline looks at it after each entry, so a
 * stage may then return whatever it likes.
 */
#ifndef QUERY_STAGE_H
#define QUERY_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "query/ast.h"
#include "query/context.h"
#include "query/label_builder.h"

struct entry_state {
    int64_t ts_ns;
    struct str line; /* as the stages before left it; borrowed or in `scratch` */
    struct label_builder labels;
    struct arena *scratch;         /* lives as long as the entry is worked on */
    const struct query_context *q; /* NULL: nothing ends the query */
};

/*
 * Has the query come to its end? A stage that may take long over one entry asks, and then drops the
 * entry: whoever reads the entries asks as well, and gets the same answer.
 */
static inline bool entry_is_late(const struct entry_state *e)
{
    return e->q != NULL && query_check(e->q, NULL) != ST_OK;
}

struct stage {
    /* False: the entry is dropped. */
    bool (*run)(const struct stage *s, struct entry_state *e);
    const void *compiled; /* of the kind's own type, in the arena of the query */
};

/*
 * Compile in `a`; `expr` is borrowed.
 *
 * ST_INVALID  `err` has the reason as it stands behind "stage '...' : "
 * ST_LIMIT    the arena is too small
 */
typedef enum status stage_compile(struct arena *a, const struct stage_expr *expr,
                                  struct stage *ret_stage, struct err *err);

stage_compile stage_json_compile;         /* stage_json.c */
stage_compile stage_json_expr_compile;    /* stage_json_expr.c */
stage_compile stage_logfmt_compile;       /* stage_logfmt.c */
stage_compile stage_logfmt_expr_compile;  /* stage_logfmt_expr.c */
stage_compile stage_regexp_compile;       /* stage_regexp.c */
stage_compile stage_pattern_compile;      /* stage_pattern.c */
stage_compile stage_unpack_compile;       /* stage_unpack.c */
stage_compile stage_label_filter_compile; /* label_filter.c */
stage_compile stage_line_format_compile;  /* stage_format.c */
stage_compile stage_label_format_compile;
stage_compile stage_drop_compile; /* stage_drop.c */
stage_compile stage_keep_compile;
stage_compile stage_decolorize_compile; /* stage_decolorize.c */

#endif
