/* Times, durations, numbers and sizes: what was read from a text and printed is read as the same.
 */
#include <math.h>

#include "base/num.h"
#include "base/time.h"
#include "query/byte_size.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static void check_time(struct str in, struct buf *b)
{
    int64_t ns, again;

    if (time_parse(in, &ns) != ST_OK)
        return;
    time_put(b, ns, TIME_NANOS);
    ASSERT(time_parse(buf_str(b), &again) == ST_OK && again == ns);
    ASSERT(time_day_start_ns(time_day(ns)) <= ns || time_day(ns) < time_day(INT64_MIN + DAY_NS));
}

static void check_go_duration(struct str in, struct buf *b)
{
    struct err err = {.text = ""};
    int64_t ns, again;

    if (duration_parse_go(in, &ns, &err) != ST_OK) {
        ASSERT(err.text[0] != '\0');
        return;
    }
    duration_put_go(b, ns);
    ASSERT(duration_parse_go(buf_str(b), &again, NULL) == ST_OK && again == ns);
}

static void check_prometheus_duration(struct str in, struct buf *b)
{
    struct err err = {.text = ""};
    int64_t ns, again;

    if (duration_parse_prometheus(in, &ns, &err) != ST_OK) {
        ASSERT(err.text[0] != '\0');
        return;
    }
    ASSERT(ns >= 0 && ns % MS_NS == 0);
    duration_put_prometheus(b, ns);
    ASSERT(duration_parse_prometheus(buf_str(b), &again, NULL) == ST_OK && again == ns);
}

static void check_integers(struct str in, struct buf *b)
{
    int64_t v, again;
    uint64_t u;

    if (num_parse_i64(in, &v) == ST_OK) {
        buf_put_i64(b, v);
        ASSERT(num_parse_i64(buf_str(b), &again) == ST_OK && again == v);
    }
    if (num_parse_u64(in, &u) == ST_OK && u <= INT64_MAX)
        ASSERT(num_parse_i64(in, &v) == ST_OK && (uint64_t)v == u);
}

static void check_double(struct str in, struct buf *b)
{
    double v, again;

    if (num_parse_double(in, &v) != ST_OK)
        return;
    num_put_double(b, v);
    ASSERT(num_parse_double(buf_str(b), &again) == ST_OK);
    ASSERT(again == v || (isnan(v) && isnan(again)));
}

/* The printed form of these has fewer digits: it only has to be readable. */
static void check_sizes(struct str in, struct buf *b)
{
    struct err err = {.text = ""};
    uint64_t bytes;

    (void)!num_parse_bytes(in, &bytes);
    if (byte_size_parse(in, &bytes, &err) != ST_OK) {
        ASSERT(err.text[0] != '\0');
        return;
    }
    byte_size_put(b, bytes);
    enum status st = byte_size_parse(buf_str(b), &bytes, NULL);
    ASSERT(st == ST_OK || bytes > UINT64_MAX / 10 * 9); /* rounded up beyond the largest */
}

void fuzz_input(struct str in)
{
    static void (*const checks[])(struct str, struct buf *) = {
        check_time,     check_go_duration, check_prometheus_duration,
        check_integers, check_double,      check_sizes,
    };

    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        struct buf b;
        buf_init(&b, FUZZ_MEMORY_BYTES);
        checks[i](in, &b);
        buf_release(&b);
    }
}
