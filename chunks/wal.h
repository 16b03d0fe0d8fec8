/*
 * wal.h - the write-ahead log: append, group commit, replay, drop.
 *
 * The format is specified in docs/format/wal.md. wal_append() only puts a record into a queue and
 * numbers it; one thread writes all that has gathered, syncs once, and reports how far the log is
 * durable. What is reported as failed was cut off again and will not be replayed.
 *
 * Errors   When writing fails (a full disk), the records of that batch fail and later ones are
 * tried anew. When a sync fails nobody knows what is on the disk: the log stays failed, every later
 *          record fails, until the process is started again.
 * Threads  wal_append() and the questions may be called by any thread.
 */
#ifndef CHUNKS_WAL_H
#define CHUNKS_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct wal;

enum wal_kind {
    WAL_PUSH = 1,
    WAL_PUSH_BODY = 2, /* in the bytes that the client sent */
};

struct wal_options {
    const char *dir;
    uint64_t file_bytes;  /* a file of this size is followed by the next */
    uint64_t queue_bytes; /* records that may wait */
    /*
     * Every record up to `seq` that was not reported before is durable (ST_OK) or lost (else).
     * Called by the thread of the log, without a lock.
     */
    void (*settled)(void *context, uint64_t seq, enum status st);
    void *context;
};

/* ---- reading, before the log is opened ---- */

struct wal_record {
    uint64_t seq;
    enum wal_kind kind;
    struct str payload; /* valid during the call */
};

struct wal_replay {
    uint64_t records;
    uint64_t seq_max;   /* 0: the log is empty */
    uint64_t bytes;     /* of records that were replayed */
    uint64_t cut_bytes; /* the torn end of the last file */
    uint64_t damaged_files;
};

/*
 * Call `apply` for each whole record in order, cut off the torn end of the last file, step over
 * other damage and keep the files that have it under another name. A status of `apply` ends the
 * replay with it, except ST_CORRUPT: the record is damage then.
 */
MUST_CHECK enum status wal_replay(const char *dir,
                                  enum status (*apply)(void *context, const struct wal_record *r,
                                                       struct err *err),
                                  void *context, struct wal_replay *ret_result, struct err *err);

/* ---- writing ---- */

/*
 * Begin a new file behind those that are there; `next_seq` is the first number to be given. On a
 * full disk the log is open all the same, wal_is_full() is true, and the first record tries again.
 */
MUST_CHECK enum status wal_open(const struct wal_options *options, uint64_t next_seq,
                                struct wal **ret_wal, struct err *err);

/* Write and sync what waits, end the thread, free. Accepts NULL. */
void wal_close(struct wal *w);

/*
 * Queue a record. The log owns `payload` (from buf_detach()) when this returns ST_OK.
 *
 * ST_BUSY  too much is waiting       ST_IO  the log has failed for good
 */
MUST_CHECK enum status wal_append(struct wal *w, enum wal_kind kind, struct str payload,
                                  uint64_t *ret_seq);

/*
 * Remove the files in which every record is below `seq`, but for the one that is written to. One
 * that cannot be removed stays, with all behind it, until the next time. By one thread at a time.
 */
void wal_drop(struct wal *w, uint64_t seq);

/* No record up to `*ret_seq` will ever be replayed again: its file is gone for good. */
MUST_CHECK enum status wal_gone_seq(struct wal *w, uint64_t *ret_seq, struct err *err);

/* Begin a new file, so that wal_drop() can remove all records there are now. Waits for the disk. */
MUST_CHECK enum status wal_turn(struct wal *w, struct err *err);

/*
 * The last record of the oldest files without which the log would have no more than `bytes`; the
 * one that is written to is none of them. 0: it has no more.
 */
uint64_t wal_seq_beyond(struct wal *w, uint64_t bytes);

/* The number that the next record will get. */
uint64_t wal_next_seq(struct wal *w);

struct wal_state {
    uint64_t bytes; /* of all files */
    uint64_t files;
    uint64_t
        oldest_seq_max;     /* the last record of the oldest file that is not the newest; 0: none */
    uint64_t waiting_bytes; /* of records that are not settled yet */
    bool failed;            /* for good */
};

struct wal_state wal_state(struct wal *w);

/* Had the disk no room for the last records, and has nobody called wal_note_room() since? */
bool wal_is_full(struct wal *w);
void wal_note_room(struct wal *w);

#endif
