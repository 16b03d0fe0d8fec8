/*
 * template_constant.h - the values of the constants in a template, from their tokens.
 *
 * ST_INVALID: there is no value; `err` has Go's reason, without the place.
 */
#ifndef QUERY_TEMPLATE_CONSTANT_H
#define QUERY_TEMPLATE_CONSTANT_H

#include "base/arena.h"
#include "base/err.h"
#include "query/template.h"

/* An integer or float as Go writes them; complex numbers are not supported. */
MUST_CHECK enum status template_read_number(struct str text, struct template_number *ret,
                                            struct err *err);

/* `'x'`, with its quotes: the number of the character. */
MUST_CHECK enum status template_read_char(struct str text, struct template_number *ret,
                                          struct err *err);

/* A string with its quotes, double or back quotes; the value lives in the arena. */
MUST_CHECK enum status template_read_string(struct arena *a, struct str text, struct str *ret,
                                            struct err *err);

#endif
