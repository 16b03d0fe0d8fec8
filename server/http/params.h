/*
 * params.h - parameters of a request: query string and form, decoded; and what they mean.
 *
 * The rules and texts are those of docs/api.md: times, durations, limits and directions as Loki
 * reads them.
 */
#ifndef SERVER_HTTP_PARAMS_H
#define SERVER_HTTP_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct param {
    struct str name;
    struct str value;
};

struct params {
    struct param *items;
    size_t count;
    size_t capacity;
};

/*
 * Append what an application/x-www-form-urlencoded text holds. A part that cannot be decoded is
 * left out, and the first such error is returned after the rest has been read.
 *
 * ST_INVALID  `invalid semicolon separator in query`, or `invalid URL escape "%zz"`
 */
MUST_CHECK enum status params_add(struct params *p, struct arena *a, struct str text,
                                  struct err *err);

/* Undo %XX in a path segment. */
MUST_CHECK enum status path_decode(struct arena *a, struct str text, struct str *ret,
                                   struct err *err);

/* The first value of `name`; empty when it is not there. */
struct str params_get(const struct params *p, struct str name);

/* The next value of `name` from `*cursor` (start with 0); false at the end. */
bool params_next(const struct params *p, struct str name, size_t *cursor, struct str *ret_value);

/* `start`, `end` and `since`: the last hour by default. */
MUST_CHECK enum status params_bounds(const struct params *p, int64_t now_ns, int64_t *ret_start_ns,
                                     int64_t *ret_end_ns, struct err *err);

/* A time of the given text (params_time()), or `standard_ns` when it is empty. */
MUST_CHECK enum status params_time(struct str text, int64_t standard_ns, int64_t *ret_ns,
                                   struct err *err);

/* A number from 1 to 2^32 - 1, or `standard` when the text is empty. */
MUST_CHECK enum status params_limit(struct str text, uint64_t standard, uint64_t *ret_limit,
                                    struct err *err);

/* `step`: by default one that gives about 250 points; never more than 11000. */
MUST_CHECK enum status params_step(const struct params *p, int64_t start_ns, int64_t end_ns,
                                   int64_t *ret_step_ns, struct err *err);

/* What query_range, and in part query, take besides the query itself. */
struct range_params {
    int64_t start_ns;
    int64_t end_ns;
    int64_t step_ns;
    int64_t interval_ns;
    uint64_t limit;
    bool backward;
};

/* In the order in which Loki checks them. */
MUST_CHECK enum status params_range(const struct params *p, int64_t now_ns,
                                    struct range_params *ret_range, struct err *err);

/* `time`, `limit` and `direction`; the time is in both start_ns and end_ns. */
MUST_CHECK enum status params_instant(const struct params *p, int64_t now_ns,
                                      struct range_params *ret_range, struct err *err);

#endif
