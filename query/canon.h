/*
 * canon.h - the canonical text of a query: one line, one way to write everything.
 *
 * The text stands in errors about stages, is what the format endpoint answers, and serves as a
 * key. It parses again, to a tree with the same canonical text but for what the reference loses on
 * the way too: digits of byte sizes (3072 is "3.1kB", 999999 is "1000kB", and that is "1.0MB").
 * What folded to infinity or NaN does not parse, and the name `!`, which the reference takes as any
 * other, becomes part of an operator (`! > 5` is "!>5", `json !` is `json !="!"`).
 */
#ifndef QUERY_CANON_H
#define QUERY_CANON_H

#include "base/buf.h"
#include "query/ast.h"

void canon_put_expr(struct buf *b, const struct expr *e);

/* One stage, with its `|`: `|= "x"`, `| json`, `| a="b"`. */
void canon_put_stage(struct buf *b, const struct stage_expr *s);

/* Without a `|`: `a="b"`, `( a="b" , c==5 )`. */
void canon_put_label_filter(struct buf *b, const struct label_filter_expr *f);

/* `| unwrap bytes(x)`, without the filters behind it. */
void canon_put_unwrap(struct buf *b, const struct unwrap_expr *u);

/* `{a="b", c!="d"}` */
void canon_put_selector(struct buf *b, const struct matcher *matchers, size_t count);

/* As Go's %v prints a float64: an exponent below 1e-4 and from 1e+06 on. */
void canon_put_number(struct buf *b, double v);

#endif
