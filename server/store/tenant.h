/*
 * tenant.h - the streams, the rate and the counters of one tenant.
 *
 * A tenant is made by its first push that has entries, or by what is kept of it, and lives as long
 * as the process; requests can make ingester.max_tenants. Its lock covers the streams,
 * their heads and the rate; nothing is waited for under it.
 */
#ifndef SERVER_STORE_TENANT_H
#define SERVER_STORE_TENANT_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/str.h"
#include "server/store/streams.h"

/* clang-format off */
/* Why an entry was not stored: the label `reason` of loki_discarded_samples_total. */
#define DISCARD_REASONS(X)                                                                        \
    X(TOO_OLD,                 "greater_than_max_sample_age")                                     \
    X(TOO_NEW,                 "too_far_in_future")                                               \
    X(LINE_TOO_LONG,           "line_too_long")                                                   \
    X(MAX_LABEL_NAMES,         "max_label_names_per_series")                                      \
    X(LABEL_NAME_TOO_LONG,     "label_name_too_long")                                             \
    X(LABEL_VALUE_TOO_LONG,    "label_value_too_long")                                            \
    X(DUPLICATE_LABEL_NAMES,   "duplicate_label_names")                                           \
    X(MISSING_LABELS,          "missing_labels")                                                  \
    X(INVALID_LABELS,          "invalid_labels")                                                  \
    X(METADATA_NOT_ALLOWED,    "disallowed_structured_metadata")                                  \
    X(METADATA_TOO_LARGE,      "structured_metadata_too_large")                                   \
    X(METADATA_TOO_MANY,       "structured_metadata_too_many")                                    \
    X(METADATA_NAME,           "invalid_structured_metadata")                                     \
    X(RATE_LIMITED,            "rate_limited")                                                    \
    X(STREAM_LIMIT,            "stream_limit")
/* clang-format on */

enum discard_reason {
#define X(id, name) DISCARD_##id,
    DISCARD_REASONS(X)
#undef X
        DISCARD_REASON_COUNT,
};

const char *discard_reason_name(enum discard_reason reason);

struct discarded {
    struct counter entries;
    struct counter bytes;
};

struct tenant_counters {
    struct counter lines_received; /* before validation */
    struct counter bytes_received; /* of lines and metadata */
    struct counter metadata_bytes_received;
    struct counter streams; /* in memory */
    struct counter streams_created;
    struct counter streams_removed;
    struct counter chunks_stored;
    struct counter chunk_bytes_stored;
    struct counter deletes_received; /* requests */
    struct counter deletes_processed;
    struct counter lines_truncated;
    struct counter bytes_truncated;
    struct discarded discarded[DISCARD_REASON_COUNT];
};

struct tenant {
    struct str name;
    struct lock lock;
    struct streams streams;
    struct tenant *older; /* made before; does not change */
    double rate_tokens;   /* bytes that may come now */
    int64_t rate_filled_ns;
    struct tenant_counters counters;
};

/* `older` may be NULL. NULL when memory runs out. */
struct tenant *tenant_new(struct str name, struct tenant *older);
void tenant_free(struct tenant *t); /* accepts NULL; drops what is in memory */

/*
 * Is `name` one that a tenant may have?
 *
 * ST_INVALID  `err` has the text that Loki gives
 */
MUST_CHECK enum status tenant_check_name(struct str name, struct err *err);

/*
 * Take `bytes` from the allowance of `rate` bytes a second and at most `burst` at once; a rate of 0
 * is no limit. The lock is held. False: there are not so many, and nothing was taken.
 */
bool tenant_take_rate(struct tenant *t, double rate, double burst, uint64_t bytes);

#endif
