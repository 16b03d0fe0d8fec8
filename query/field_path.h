/*
 * field_path.h - the keys that lead to a label which `json` made.
 */
#ifndef QUERY_FIELD_PATH_H
#define QUERY_FIELD_PATH_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "query/ast.h"

/*
 * Find the member of the object in `line` that `json` calls `name`, and the keys on the way to it,
 * which live in `a`. False when there is none, or no memory (then `a` has failed).
 */
bool field_path_find(struct arena *a, struct str line, struct str name, struct name_list *ret_path);

#endif
