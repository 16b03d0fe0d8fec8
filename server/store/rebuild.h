/*
 * rebuild.h - make the index again from segments alone.
 *
 * Segments describe themselves (docs/format/segment.md), so an index that is damaged or lost is
 * made of what the heads of their chunks say. The new one is written beside the old one and takes
 * its place by a rename: a crash leaves one of the two, or none, and then the next start does it
 * again. The old one is kept as index.damaged-N for a person to look at.
 *
 * Chunks that a flush had not committed when the process died are left out: everything in them is
 * in the log, whose replay brings it back. What of a segment cannot be read is noted in the new
 * index, so that answers about its day say that something is missing.
 */
#ifndef SERVER_STORE_REBUILD_H
#define SERVER_STORE_REBUILD_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Bytes that could not be read, or cannot be referred to where they are. */
struct rebuild_damage {
    const char *file; /* of the segment */
    uint64_t offset;
    uint64_t bytes;
    const char *text; /* what is wrong */
};

struct rebuild {
    const char *dir;          /* the data directory; its lock is held */
    uint64_t index_max_bytes; /* as storage.index_max_bytes */

    /* Both may be NULL. */
    void (*progress)(void *context, uint64_t more_bytes, uint64_t total_bytes);
    void (*damage)(void *context, const struct rebuild_damage *damage);
    void *context;
};

struct rebuild_result {
    uint64_t segments;
    uint64_t chunks;      /* that are in the index now */
    uint64_t merged;      /* left out: they are in other chunks as well */
    uint64_t uncommitted; /* left out: they are in the log */
    uint64_t damages;     /* places that were reported */
};

/* After anything but ST_OK the old index is where it was, or there is none. */
MUST_CHECK enum status rebuild_index(const struct rebuild *rebuild,
                                     struct rebuild_result *ret_result, struct err *err);

/*
 * Remove the new index of a rebuild that was cut off. The next one does that itself; this is for a
 * start that finds the old one sound.
 */
MUST_CHECK enum status rebuild_clear(const char *dir, struct err *err);

/* The sequence number of the first record in a directory of log files; UINT64_MAX: there is none.
 */
MUST_CHECK enum status rebuild_first_seq(const char *wal_dir, uint64_t *ret_seq, struct err *err);

#endif
