/*
 * parser.h - the text of a query to its tree.
 *
 * The parser takes LogQL as Loki does and gives its very error texts, such as "parse error at line
 * 1, col 9: syntax error: unexpected $end, expecting } or ,". The tree is validated: whatever can
 * be wrong with it as a whole (a selector that accepts everything, a range operation without its
 * unwrap) has been refused. Arguments of stages that are compiled later (line filter expressions,
 * templates, paths, addresses) are not looked at.
 *
 * Ownership  Tree and texts live in the arena; the text that was parsed may go away.
 * Depth      No path through expressions, and none through the label filters of a stage, is longer
 *            than AST_DEPTH_MAX, so walks of the tree may recurse.
 */
#ifndef QUERY_PARSER_H
#define QUERY_PARSER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "query/ast.h"

/* What is said of a selector that accepts everything, and where there should be one. */
extern const char logql_selector_rule[];

/*
 * ST_INVALID  the text is no query; `err` has the text for the client
 * ST_LIMIT    the arena is too small
 * ST_NOMEM    no memory
 */
MUST_CHECK enum status logql_parse(struct arena *a, struct str text, const struct expr **ret_expr,
                                   struct err *err);

/*
 * A bare selector, for where labels and series are asked for: a query with anything else is
 * refused with "only label matchers are supported".
 */
MUST_CHECK enum status logql_parse_selector(struct arena *a, struct str text,
                                            struct matcher **ret_matchers, size_t *ret_count,
                                            struct err *err);

/* The same, and a selector may accept everything: `{}` gives no matchers. */
MUST_CHECK enum status logql_parse_any_selector(struct arena *a, struct str text,
                                                struct matcher **ret_matchers, size_t *ret_count,
                                                struct err *err);

#endif
