/*
 * progress.h - a bar on standard error, if that is a terminal; else nothing.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct progress {
    bool shown; /* standard error is a terminal */
    bool drawn; /* the bar stands there now */
    uint64_t total_bytes;
    uint64_t done_bytes;
    int64_t drawn_ns; /* when it was drawn last */
};

void progress_begin(struct progress *p, uint64_t total_bytes);

/* So much more is done; draws at most ten times a second. */
void progress_add(struct progress *p, uint64_t bytes);

/* Take the bar away, because something else is to be printed, or it is over. */
void progress_hide(struct progress *p);

/* The bar as text: "[=====>    ]  50 %  1.0 of 2.0 MiB". */
void progress_put(struct buf *b, uint64_t done_bytes, uint64_t total_bytes);

#endif
