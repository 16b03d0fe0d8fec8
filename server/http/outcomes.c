#include "server/http/outcomes.h"

#include "base/banned.h"

void outcomes_note(struct outcomes *o, uint64_t seq, enum status st, bool asked)
{
    if (st != ST_OK) {
        if (o->failed_to == 0 || !asked)
            o->failed_after = o->seq;
        o->failed_to = seq;
        o->failed_status = st;
    }
    o->seq = seq;
}

bool outcomes_find(const struct outcomes *o, uint64_t seq, enum status *ret_st)
{
    if (seq > o->seq)
        return false;
    *ret_st = seq > o->failed_after && seq <= o->failed_to ? o->failed_status : ST_OK;
    return true;
}
