/*
 * lines.h - pieces of bytes, as they come from a pipe, to lines.
 *
 * Any byte but the newline belongs to the line. A line beyond the maximum is left out and counted.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct lines {
    struct str input; /* what was fed and is not read yet; borrowed */
    struct buf begun; /* the beginning of a line whose end has not come */
    bool has_begun;
    bool taken;        /* `begun` was given out as a line */
    uint64_t too_long; /* lines that were left out */
};

void lines_init(struct lines *l, size_t line_bytes_max);
void lines_release(struct lines *l);

/* The next piece. It stays valid until lines_next() has returned false. */
void lines_feed(struct lines *l, struct str bytes);

/* The next whole line, without its newline, valid until the next call; false: feed more. */
bool lines_next(struct lines *l, struct str *ret_line);

/* At the end: the line that has no newline; false if there is none. */
bool lines_last(struct lines *l, struct str *ret_line);

#endif
