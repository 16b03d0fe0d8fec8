/*
 * unquote.h - string literals as Go and Prometheus write them.
 *
 * Double and single quotes with the escapes \a \b \f \n \r \t \v \\ \' \" \ooo \xhh \uhhhh
 * \Uhhhhhhhh, or backquotes without any.
 */
#ifndef PROTO_UNQUOTE_H
#define PROTO_UNQUOTE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/*
 * Decode the literal at the front of `in`. `*ret_len` is how many bytes it takes with its quotes;
 * the value is borrowed from `in` when it has no escapes, else it lives in `a`.
 *
 * ST_INVALID  no literal, not terminated, or a bad escape
 * ST_LIMIT    the arena is full
 */
MUST_CHECK enum status unquote(struct arena *a, struct str in, size_t *ret_len,
                               struct str *ret_value);

#endif
