/*
 * logfmt.h - read `key=value key="quoted value" flag` pairs off a line.
 *
 * A scanner on bytes: any byte up to 0x20 separates. A key ends at `=` or a separator; what follows
 * `=` is a quoted value, a bare value up to the next separator, or nothing. The lenient form skips
 * a bad pair up to the next separator; the strict one stops there.
 */
#ifndef PROTO_LOGFMT_H
#define PROTO_LOGFMT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct logfmt {
    struct str line;
    size_t at;   /* offset of what comes next */
    bool strict; /* stop at the first bad pair */
    bool failed; /* strict only: a bad pair was met, */
    size_t bad;  /* its offending byte stands here; the length of the line: a quote has no end */
};

struct logfmt_pair {
    struct str key;
    struct str value; /* without its quotes, escapes not resolved */
    bool quoted;
    bool escapes; /* there is a backslash in `value` */
};

void logfmt_init(struct logfmt *l, struct str line, bool strict);

/* The next pair, or false at the end (and, when strict, at a bad pair). Views borrow the line. */
bool logfmt_next(struct logfmt *l, struct logfmt_pair *ret_pair);

#endif
