/*
 * field_path.h - the keys that lead to the labels which `json` makes.
 */
#ifndef QUERY_FIELD_PATH_H
#define QUERY_FIELD_PATH_H

#include "base/arena.h"
#include "base/str.h"
#include "query/ast.h"

/*
 * Call `visit` for each member of the object in `line` that `json` makes a label of, in the order
 * of the line: the name of the label and the keys on the way to the member. Both are gone after the
 * call. A member is visited once, so a line costs what parsing it costs. What does not fit
 * `scratch` is left out.
 */
void field_paths_visit(struct arena *scratch, struct str line,
                       void (*visit)(void *context, struct str name, struct name_list path),
                       void *context);

#endif
