/*
 * times.h - the times of a block as bytes: the column that counting reads.
 *
 * The bytes are specified in docs/format/chunk.md.
 */
#ifndef CHUNKS_TIMES_H
#define CHUNKS_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Append times by the `count` steps from each to the next; one time alone has none. The steps are
 * changed.
 */
void times_put(struct buf *out, uint64_t *steps, size_t count);

/*
 * Read `count` times, at least one, into `ts_ns`, the first of which is `min_ns`. False, and
 * `ts_ns` holds anything, when `in` is damaged: when it ends early or late, or the times do not
 * ascend.
 */
MUST_CHECK bool times_get(struct str in, int64_t min_ns, size_t count, int64_t *ts_ns);

#endif
