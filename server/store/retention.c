#include "server/store/retention.h"

#include "base/num.h"

#include "base/banned.h"

static int64_t floor_of(int64_t period, int64_t now_ns)
{
    return period == 0 ? INT64_MIN : i64_sub_saturated(now_ns, period);
}

int64_t retention_floor_ns(const struct limits *l, struct labels labels, int64_t now_ns)
{
    const struct retention_rule *best = NULL;

    for (size_t i = 0; i < l->retention_stream.count; i++) {
        const struct retention_rule *rule = &l->retention_stream.items[i];
        if ((best == NULL || rule->priority > best->priority) &&
            matcher_list_accepts(rule->matchers, labels))
            best = rule;
    }
    return floor_of(best == NULL ? l->retention_period : best->period, now_ns);
}

int64_t retention_least_floor_ns(const struct limits *l, int64_t now_ns)
{
    int64_t least = floor_of(l->retention_period, now_ns);

    for (size_t i = 0; i < l->retention_stream.count; i++)
        least = MIN_OF(least, floor_of(l->retention_stream.items[i].period, now_ns));
    return least;
}
