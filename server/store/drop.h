/*
 * drop.h - taking whole days out of the store.
 *
 * The references of the chunks of a day go first, some thousand in a transaction; then its segments
 * are marked as dead and removed as flush.c has it. A crash at any point leaves a day of which less
 * is there, and whose segments the next drop, or a merge, finds.
 *
 * Threads  Only the flusher, between its batches (I5).
 */
#ifndef SERVER_STORE_DROP_H
#define SERVER_STORE_DROP_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct store;

struct dropped {
    uint64_t chunks;
    uint64_t segments; /* that were given up, their files removed or about to be */
    uint64_t bytes;    /* of these */
};

/*
 * Drop a day of a tenant, or of all (`tenant` empty). What was done is added to `*dropped`, also
 * when it is not all: ST_BUSY, for example, when queries still read what was dropped before.
 */
MUST_CHECK enum status drop_day(struct store *s, struct str tenant, int32_t day,
                                struct dropped *dropped, struct err *err);

#endif
