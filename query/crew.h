/*
 * crew.h - the work of one query, shared among threads.
 *
 * Work is a row of items, begun in ascending order. The calling thread begins alone, so that a
 * small query costs no thread; when the work has taken a millisecond, and cores of the machine are
 * idle as far as queries go, others join it. Each thread works with an object of its own.
 *
 * What has to happen in the order of the items stands behind crew_turn().
 */
#ifndef QUERY_CREW_H
#define QUERY_CREW_H

#include <stddef.h>

#include "base/err.h"

struct crew;

struct crew_job {
    size_t items;
    void *own; /* what the calling thread works with */
    /*
     * Do an item. ST_NOT_FOUND: the items behind it need not be begun any more. Any other status
     * ends the crew.
     */
    enum status (*work)(void *worker, struct crew *crew, size_t item, struct err *err);
    /*
     * Make of `worker_bytes` of memory what one more thread works with; both are called by the
     * calling thread, `end` also for one that could not begin.
     */
    size_t worker_bytes;
    enum status (*begin)(void *context, void *worker, struct err *err);
    void (*end)(void *worker);
    void *context;
};

/*
 * Do all items; when this returns no thread works on them any more. The status is one that an item
 * had; a thread that cannot be hired is done without.
 */
MUST_CHECK enum status crew_run(const struct crew_job *job, struct err *err);

/*
 * Wait until every item before `item`, the one that the calling thread works on, is done.
 *
 * ST_CANCELLED  one of them failed: the status does not matter any more
 */
MUST_CHECK enum status crew_turn(struct crew *crew, size_t item);

#endif
