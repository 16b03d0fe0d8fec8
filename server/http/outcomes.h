/*
 * outcomes.h - what has become of log records, for pushes that ask late.
 *
 * A push on a loop waits for its record among the others. One that comes back from the bulk worker
 * may find that its record was settled meanwhile, and must know how.
 */
#ifndef SERVER_HTTP_OUTCOMES_H
#define SERVER_HTTP_OUTCOMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * All records up to `seq` are settled, and stored save perhaps those behind `failed_after` and not
 * behind `failed_to`. Zeroed is the start.
 */
struct outcomes {
    uint64_t seq;
    uint64_t failed_after;
    uint64_t failed_to; /* 0: none has failed */
    enum status failed_status;
};

/*
 * Every record up to `seq` that was not settled before has this outcome. With `asked` somebody may
 * still ask about earlier ones. What was stored between two failures then counts as failed, too:
 * the client sends it again, and nothing is stored twice.
 */
void outcomes_note(struct outcomes *o, uint64_t seq, enum status st, bool asked);

/* Is this record settled? If so, `*ret_st` is its outcome. */
bool outcomes_find(const struct outcomes *o, uint64_t seq, enum status *ret_st);

#endif
