/*
 * logfmt.h - read `key=value key="quoted value" flag` pairs off a line.
 *
 * A scanner on bytes: any byte up to 0x20 separates. A key ends at `=` or a separator; what follows
 * `=` is a quoted value, a bare value up to the next separator, or nothing. Keys are UTF-8, quoted
 * values have the escapes of JSON and `\'`. The lenient form skips a bad pair, in most cases up to
 * the next separator; the strict one stops there.
 */
#ifndef PROTO_LOGFMT_H
#define PROTO_LOGFMT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

enum logfmt_fault {
    LOGFMT_OK,
    LOGFMT_UNEXPECTED,     /* the byte at `bad` does not belong there */
    LOGFMT_UNTERMINATED,   /* a quote has no end; `bad` is the length of the line */
    LOGFMT_INVALID_QUOTED, /* an escape that is none; `bad` is behind the closing quote */
    LOGFMT_INVALID_KEY,    /* no UTF-8; `bad` is behind the key */
};

struct logfmt {
    struct str line;
    size_t at;               /* offset of what comes next */
    bool strict;             /* stop at the first bad pair */
    enum logfmt_fault fault; /* strict only: what was wrong with a pair, */
    size_t bad;              /* and where */
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

/*
 * The value with its escapes resolved: borrowed when it has none, else in `a` (`ptr` NULL when that
 * failed). A lone surrogate is U+FFFD.
 */
struct str logfmt_value(struct arena *a, const struct logfmt_pair *pair);

#endif
