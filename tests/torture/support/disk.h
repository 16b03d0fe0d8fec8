/*
 * disk.h - what a power cut may leave of what was written.
 *
 * The model promises what POSIX and the file systems that matter (ext4, xfs) promise, and no more:
 *
 *   - the bytes and the size of a file are there after a sync of the file; its name is there after
 *     a sync of its directory, whose own name needs a sync of the directory above
 *   - what was not synced may be there, or not, each call by itself and in any order; of a write,
 *     any of its sectors of 512 bytes; its other bytes are what was there before, or zeros
 *   - what a sync that failed was for may be lost for ever, whatever later syncs say
 *   - a rename happens or does not; so does a link or the removal of a name
 *   - a commit of the index is durable and whole when it returns. (Its file calls are LMDB's; but
 *     the name of its file is in a directory like any other.)
 */
#ifndef TESTS_TORTURE_SUPPORT_DISK_H
#define TESTS_TORTURE_SUPPORT_DISK_H

#include "tests/support/random.h"
#include "tests/torture/support/trace.h"

struct disk;

struct disk *disk_new(void);
void disk_free(struct disk *d);

/* Let the first `events` of a trace happen, and note the states of its steps in the ledger. */
void disk_play(struct disk *d, const struct trace *t, size_t events, struct ledger *l);

/* If a commit of the index had begun by then, it has reached the disk. */
void disk_end_commit(struct disk *d, const struct trace *t, size_t events);

/* How much of what was not synced is lost. */
enum disk_loss {
    DISK_LOSS_ALL,
    DISK_LOSS_NONE,
    DISK_LOSS_SOME, /* as chance will have it */
};

/* What a cut took of the files and names that are left. */
struct disk_toll {
    size_t lost;         /* changes that are not there, or not whole */
    size_t torn;         /* of these, writes that are there in part, */
    size_t torn_batches; /* and of these, writes of several records of the log */
};

/* Write what is left into the empty directory `path`. */
struct disk_toll disk_write(const struct disk *d, enum disk_loss loss, struct random *r,
                            const char *path);

#endif
