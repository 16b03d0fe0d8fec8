/*
 * ints.h - sequences of integers in few bits, which are read back at memory speed.
 *
 * The bytes are specified in docs/format/chunk.md ("Packed integers"). Whoever reads knows how many
 * integers there are.
 */
#ifndef CHUNKS_INTS_H
#define CHUNKS_INTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum { INTS_RUN = 128 }; /* that share a width */

void ints_put(struct buf *out, const uint64_t *values, size_t count);

/* Append one run of 1 to INTS_RUN integers; ints_put() makes runs of INTS_RUN, and one of the rest.
 */
void ints_put_run(struct buf *out, const uint64_t *values, size_t count);

/*
 * Read the run of `count` integers at the beginning of `*in`, which moves behind it. False, and
 * `to` holds anything, when `*in` does not begin with one.
 */
MUST_CHECK bool ints_get_run(struct str *in, size_t count, uint64_t *to);

#endif
