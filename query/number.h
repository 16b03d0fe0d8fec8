/*
 * number.h - label values as floats, with the error texts that stand in `__error_details__`.
 */
#ifndef QUERY_NUMBER_H
#define QUERY_NUMBER_H

#include "base/err.h"
#include "base/str.h"

/*
 * All of `s` as num_parse_double() reads it.
 *
 * ST_INVALID  not a number; `err` has Go's text, `strconv.ParseFloat: parsing "x": invalid syntax`
 * ST_LIMIT    too large, `err` says so; `*ret` is then an infinity of the right sign
 * ST_NOMEM    no memory to look at it
 */
MUST_CHECK enum status number_parse(struct str s, double *ret, struct err *err);

#endif
