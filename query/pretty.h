/*
 * pretty.h - a query over several lines, as people like to read it.
 *
 * A node whose canonical text (canon.h) has at most PRETTY_LINE_BYTES bytes stays on one line; a
 * longer one is broken at its parts, each two blanks further in. The text parses to the same tree.
 */
#ifndef QUERY_PRETTY_H
#define QUERY_PRETTY_H

#include "base/buf.h"
#include "query/ast.h"

enum { PRETTY_LINE_BYTES = 100 };

void pretty_put_expr(struct buf *b, const struct expr *e);

#endif
