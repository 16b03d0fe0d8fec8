/*
 * go_string.h - what stands between the quotes of a Go string literal.
 */
#ifndef QUERY_GO_STRING_H
#define QUERY_GO_STRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum go_string_flags {
    GO_STRING_SURROGATES = 1, /* `\ud800` is U+FFFD, as in LogQL; in Go it is an error */
};

/*
 * Append the value of the escape at the front of `*in` (which begins with its backslash) and cut it
 * off. `quote` is the one that may be escaped. False, with `*in` and `b` undefined: no escape, or
 * one without a value.
 */
bool go_string_put_escape(struct buf *b, struct str *in, char quote, unsigned flags);

/*
 * Append the value of `text`, which was written between double quotes. Bytes that are not valid
 * UTF-8 become U+FFFD. False: it has no value.
 */
bool go_string_put(struct buf *b, struct str text, unsigned flags);

#endif
