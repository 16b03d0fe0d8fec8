/*
 * byte_size.h - byte sizes as LogQL reads and writes them: kB is 1000, KiB is 1024.
 */
#ifndef QUERY_BYTE_SIZE_H
#define QUERY_BYTE_SIZE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/*
 * All of `s`: digits, points and commas (which count for nothing), then perhaps blanks and a unit
 * in any case, from `b` to `eib`. Fractions of a byte are cut off. No sign, no exponent.
 *
 * ST_INVALID  not a size, or 2^64 bytes and more; `err` has the text that stands in error labels
 * ST_NOMEM    no memory to look at it
 */
MUST_CHECK enum status byte_size_parse(struct str s, uint64_t *ret_bytes, struct err *err);

/* "5B", "3.1kB", "12kB", "5.0MB": powers of 1000, one decimal below ten. */
void byte_size_put(struct buf *b, uint64_t bytes);

#endif
