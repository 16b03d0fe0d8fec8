/*
 * range.h - the range of time a question is about: --since, --from and --to.
 */
#ifndef CLI_RANGE_H
#define CLI_RANGE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/flags.h"

struct range_options {
    int64_t since_ns;
    struct flag_time from;
    struct flag_time to;
};

/* The flags; `options` gets its defaults. */
struct flag_group range_flag_group(struct range_options *options);

struct range {
    int64_t start_ns; /* inclusive */
    int64_t end_ns;   /* exclusive */
};

/*
 * The end is --to or now, the start is --from or lies --since before the end (before now, if the
 * end lies in the future).
 *
 * ST_INVALID  the end is before the start
 */
MUST_CHECK enum status range_bounds(const struct range_options *options, int64_t now_ns,
                                    struct range *ret_range, struct err *err);

/* A duration as the seconds of a parameter, in `a`; empty for 0, or when that is full. */
struct str range_duration_text(struct arena *a, int64_t ns);

/* A time as the text of a parameter, in `a`; empty when that is full. */
struct str range_text(struct arena *a, int64_t ns);

#endif
