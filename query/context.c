#include "query/context.h"

#include "base/time.h"

#include "base/banned.h"

enum status query_check(const struct query_context *q, struct err *err)
{
    if (q->cancelled != NULL && flag_get(q->cancelled))
        return err_set(err, ST_CANCELLED, "the request was cancelled by the client");
    if (time_mono_ns() > q->deadline_ns)
        return err_set(
            err, ST_TIMEOUT,
            "request timed out, decrease the duration of the request or add more label "
            "matchers (prefer exact match over regex match) to reduce the amount of data "
            "processed");
    return ST_OK;
}

enum status query_forgive_damage(struct query_context *q, enum status st)
{
    if (st != ST_CORRUPT && st != ST_IO && st != ST_NOT_FOUND)
        return st;
    q->stats.corrupt_blocks++;
    return ST_OK;
}
