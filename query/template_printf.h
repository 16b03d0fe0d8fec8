/*
 * template_printf.h - values as texts: what Go's fmt does with them.
 *
 * A format asks for at most TEMPLATE_WIDTH_MAX columns, as in Go; everything else ends where the
 * buffer does.
 */
#ifndef QUERY_TEMPLATE_PRINTF_H
#define QUERY_TEMPLATE_PRINTF_H

#include "base/buf.h"
#include "query/template_value.h"

enum { TEMPLATE_WIDTH_MAX = 1000000 };

/* As `%v`: `1`, `map[a:1]`, `<nil>`. */
void template_put_value(struct buf *b, const struct template_value *v);

/* Misuse is written into the text: `%!d(string=5)`. */
void template_put_format(struct buf *b, struct str format, const struct template_values *args);

/* A blank between two values that are no strings. */
void template_put_all(struct buf *b, const struct template_values *values);

/* A blank between all of them, and a newline. */
void template_put_line(struct buf *b, const struct template_values *values);

#endif
