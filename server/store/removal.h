/*
 * removal.h - what delete requests hide leaves the disk, in the background.
 *
 *     due requests of a tenant -> the log forgets what is flushed -> day by day: chunks that they
 *     concern are written again without what is hidden, segments that hold dead bytes are emptied
 *     -> their files are gone -> processed
 *
 * The merger does it, between its looks: it reads and packs, the flusher writes (I5). Until a
 * request is processed it hides all the same, so it may be interrupted anywhere and begins anew
 * after a start; what was done already is done quickly, for there is nothing left to write.
 *
 * Threads  The merger only.
 */
#ifndef SERVER_STORE_REMOVAL_H
#define SERVER_STORE_REMOVAL_H

#include "base/err.h"
#include "server/store/hide.h"
#include "server/store/merge_survey.h"

enum {
    REMOVAL_REQUESTS_MAX = 64, /* that are worked on together */
    REMOVAL_STUCK_MAX = 256,
};

/* A request that cannot be processed now. */
struct stuck_request {
    uint32_t id;
    int64_t retry_ns; /* monotonic */
};

struct removal {
    struct str tenant;                    /* of the round at hand: */
    uint32_t swept[REMOVAL_REQUESTS_MAX]; /* requests whose segments are dead, */
    size_t swept_count;
    uint64_t killed; /* and gone when all are that were killed so far */
    bool failing;    /* the last round failed, and that was said */
    struct stuck_request stuck[REMOVAL_STUCK_MAX];
    size_t stuck_count;
};

/* Do what there is to do. True: files are still read, come again soon. */
bool removal_look(struct store *s);

/* removal_day.c: take from a day of a tenant what a set of rules hides. */
struct removal_day {
    struct str tenant;
    int32_t day;
    struct segment_span segments; /* of the day, all that there were when the rules were made */
    const struct hiding *hiding;  /* NULL: no rules, see below */
    const uint32_t *request_ids;  /* where the rules are from */
    size_t request_count;
};

/*
 * With rules every segment that holds anything dead is emptied. Without, those that are dead by
 * more than half: so to make room never writes more than it gives back.
 *
 * The room it takes meanwhile is about that of one segment, as long as queries do not keep what was
 * given up.
 *
 * `*ret_left`: not everything could be taken: a chunk is damaged.
 *
 * ST_BUSY       too many files wait for reads to end
 * ST_CANCELLED  the store is being closed, or one of the requests was cancelled
 */
MUST_CHECK enum status removal_day(struct store *s, const struct removal_day *day, bool *ret_left,
                                   struct err *err);

#endif
