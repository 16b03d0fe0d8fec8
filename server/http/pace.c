#include "server/http/pace.h"

#include "base/err.h"
#include "base/time.h"

#include "base/banned.h"

enum { RATE_MIN = 4 * 1024 }; /* bytes a second */

static uint64_t taken(const struct pace *p, uint64_t left_bytes)
{
    return p->put_bytes - MIN_OF(left_bytes, p->put_bytes);
}

static void begin(struct pace *p, uint64_t taken_bytes, int64_t end_ns)
{
    p->owed_bytes = p->put_bytes;
    p->taken_bytes = taken_bytes;
    p->end_ns = end_ns;
}

void pace_put(struct pace *p, size_t bytes)
{
    p->put_bytes += bytes;
}

void pace_answered(struct pace *p, uint64_t left_bytes, int64_t now_ns, int64_t timeout_ns)
{
    uint64_t taken_bytes = taken(p, left_bytes);

    if (taken_bytes >= p->owed_bytes)
        begin(p, taken_bytes, now_ns + timeout_ns);
}

bool pace_was_kept(struct pace *p, uint64_t left_bytes, int64_t now_ns, int64_t timeout_ns)
{
    uint64_t expected = (uint64_t)(timeout_ns / (SECOND_NS / RATE_MIN));
    uint64_t taken_bytes = taken(p, left_bytes);

    if (taken_bytes < p->owed_bytes && taken_bytes - p->taken_bytes < expected)
        return false;
    begin(p, taken_bytes, now_ns + timeout_ns);
    return true;
}
