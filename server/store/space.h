/*
 * space.h - room on the disk: days that are too old leave it, and the oldest one when there is too
 * little.
 *
 *     storage.max_bytes       bytes of the data directory: segments, log, and what is used of the
 *                             index: no day that is dropped makes its file smaller
 *     storage.min_free_bytes  bytes that are free on its file system
 *
 * Where a limit is exceeded the oldest day of all tenants is dropped, and the next; never the
 * newest, nor today. When none is left that may go, pushes are refused until there is room.
 *
 * Between two looks of the flusher pushes may take a part of what is free, and no more: so the disk
 * does not fill, however fast they come.
 *
 * Threads  space_admit() and space_for_copies() by any thread, the others by the flusher.
 */
#ifndef SERVER_STORE_SPACE_H
#define SERVER_STORE_SPACE_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/err.h"
#include "index/index.h"

struct store;

struct space {
    struct counter taken;       /* bytes of entries and labels since the last look */
    struct counter room;        /* what a push may take at all is half of it */
    struct counter allowed;     /* how many there may be until the next one */
    struct flag full;           /* a limit is exceeded, and no day is left that may go */
    struct flag limits_changed; /* those of tenants: other days may be too old */
    struct flag emptied;        /* streams may have lost their last chunks */
    struct counter forgotten;   /* streams that have left the index for that */
    struct counter data_bytes;  /* as of the last look; only where there is a limit */
    struct counter days_expired;
    struct counter days_dropped; /* for want of room */
    struct counter bytes_dropped;

    /* the flusher's own */
    int64_t next_look_ns; /* monotonic */
    int64_t next_expiry_ns;
    int64_t next_burial_ns;
    int64_t next_forgetting_ns;
    bool forgetting; /* streams, with what follows: */
    struct index_forget forget;
    bool failing; /* the last drop failed */
};

void space_init(struct store *s);

/* Chunks have gone, and none has come instead: streams without one will leave the index. */
void space_note_emptied(struct store *s);

/*
 * May a push of so many bytes be stored?
 *
 * ST_FULL  there is no room    ST_BUSY  not until the flusher has looked
 */
MUST_CHECK enum status space_admit(struct store *s, uint64_t bytes, struct err *err);

/*
 * May `bytes` of chunks be written a second time, by who gives the first copies back only when all
 * is done? Not if what memory and log hold would have no room any more: then neither could be
 * flushed, the log would never end, and nothing would have room again. ST_FULL: they may not.
 *
 * With storage.min_free_bytes the room is made, by dropping days.
 */
MUST_CHECK enum status space_for_copies(struct store *s, uint64_t bytes, struct err *err);

/* Drop what has to go, if it is time to look. True: writing everything in memory would help. */
bool space_look(struct store *s);

#endif
