/*
 * time.h - clocks, and times and durations from and to text.
 *
 * A time is nanoseconds since the Unix epoch (`_ns`), a duration is nanoseconds. Wall time is what
 * entries and users speak of; time spans inside the program are measured with the monotonic clock.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define US_NS INT64_C(1000)
#define MS_NS INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)

int64_t time_now_ns(void);
int64_t time_mono_ns(void);

/* CPU time of the whole process. */
int64_t time_cpu_ns(void);

/* From now on both clocks stand at `now_ns`, until it is set again; 0 = real clocks. For tests. */
void time_fake_set(int64_t now_ns);

/* Days since the epoch (1970-01-01 is 0), rounding down; and the first nanosecond of a day. */
int32_t time_day(int64_t ts_ns);
int64_t time_day_start_ns(int32_t day);

enum time_format {
    TIME_SECONDS, /* 2026-03-01T12:00:00Z */
    TIME_MILLIS,  /* 2026-03-01T12:00:00.123Z */
    TIME_NANOS,   /* the fraction without trailing zeros, none at all if it is zero */
};

/* RFC 3339 in UTC. */
void time_put(struct buf *b, int64_t ts_ns, enum time_format format);

/*
 * All of `s` as RFC 3339 with an optional fraction and a zone.
 *
 * ST_INVALID  another form     ST_LIMIT  outside of the years 1678 to 2261
 */
MUST_CHECK enum status time_parse(struct str s, int64_t *ret_ns);

/* "960h0m0s", "1.5s", "100ms", "0s": as Go prints a time.Duration. */
void duration_put_go(struct buf *b, int64_t ns);

/* "30d1h", "1m30s", "500ms", "0s": as Prometheus prints a duration (whole milliseconds). */
void duration_put_prometheus(struct buf *b, int64_t ns);

/*
 * Prometheus form: integer and unit, units `y w d h m s ms` in this order, each at most once; or
 * `0`. The texts of `err` are the ones its parser gives.
 */
MUST_CHECK enum status duration_parse_prometheus(struct str s, int64_t *ret_ns, struct err *err);

/* Go form: optional sign, `0` alone, or numbers with units `ns us µs ms s m h`, with Go's texts. */
MUST_CHECK enum status duration_parse_go(struct str s, int64_t *ret_ns, struct err *err);

#endif
