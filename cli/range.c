#include "cli/range.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/time.h"

#include "base/banned.h"

#define OPTION(name) offsetof(struct range_options, name)

static const struct flag_row range_flags[] = {
    {.name = "since",
     .kind = FLAG_DURATION,
     .offset = OPTION(since_ns),
     .value = "DURATION",
     .text = "How far to look back, 1h by default."},
    {.name = "from",
     .kind = FLAG_TIME,
     .offset = OPTION(from),
     .value = "TIME",
     .text = "The first time: RFC 3339, or seconds or nanoseconds since 1970. Instead of --since."},
    {.name = "to",
     .kind = FLAG_TIME,
     .offset = OPTION(to),
     .value = "TIME",
     .text = "The time behind the last one, now by default."},
};

struct flag_group range_flag_group(struct range_options *options)
{
    *options = (struct range_options){.since_ns = HOUR_NS};
    return (struct flag_group){range_flags, COUNT_OF(range_flags), options};
}

enum status range_bounds(const struct range_options *options, int64_t now_ns,
                         struct range *ret_range, struct err *err)
{
    struct range r = {.end_ns = options->to.given ? options->to.ns : now_ns};

    if (options->from.given)
        r.start_ns = options->from.ns;
    else if (!i64_sub(MIN_OF(r.end_ns, now_ns), options->since_ns, &r.start_ns))
        r.start_ns = INT64_MIN;
    if (r.end_ns < r.start_ns)
        return err_set(err, ST_INVALID, "--to is before --from");
    *ret_range = r;
    return ST_OK;
}

struct str range_text(struct arena *a, int64_t ns)
{
    /* Ten digits or less would be taken for seconds: zeros in front make them nanoseconds. */
    return arena_printf(a, "%011" PRId64, ns);
}

struct str range_duration_text(struct arena *a, int64_t ns)
{
    struct buf b;

    if (ns == 0)
        return STR("");
    buf_init(&b, KIB);
    num_put_double(&b, (double)ns / (double)SECOND_NS);
    struct str seconds = arena_str(a, buf_str(&b));
    buf_release(&b);
    return seconds;
}
