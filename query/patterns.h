/*
 * patterns.h - the shapes of the lines of some streams, and how often each occurs.
 *
 * A pattern is the text of lines with what varies replaced by `<_>`, such as `GET <_> took <_>`. It
 * is valid for the line filter `|>`, which accepts every line that was counted under it.
 */
#ifndef QUERY_PATTERNS_H
#define QUERY_PATTERNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "index/matcher.h"
#include "query/context.h"
#include "query/source.h"

enum {
    PATTERNS_MAX = 300,          /* in an answer: those with most lines */
    PATTERN_WORDS_MAX = 100,     /* of a line; what follows varies */
    PATTERN_WORD_BYTES_MAX = 64, /* a longer word varies */
    PATTERN_SHAPES_MAX = 4096,   /* lines of further ones are not counted */
    PATTERN_CLUSTERS_MAX = 32,   /* of a shape; further lines join the nearest */
    PATTERN_LINES_MAX = 5000000, /* are looked at, the newest first */
};

struct patterns_request {
    struct source *source;
    struct query_context *q;
    struct str tenant;
    struct matcher_list matchers;
    int64_t start_ns; /* start <= time < end */
    int64_t end_ns;
    int64_t step_ns; /* > 0; lines are counted by steps, which begin at multiples of it */
};

struct pattern_sample {
    int64_t ts_ns; /* the begin of the step */
    uint64_t count;
};

struct pattern {
    struct str text;
    struct str level; /* `detected_level` of its lines; "unknown" where there is none */
    uint64_t total;
    struct pattern_sample *samples; /* in order of time, without empty ones */
    size_t count;
};

struct patterns {
    struct pattern *items; /* most lines first, equal ones by text and level */
    size_t count;
};

/*
 * Find the patterns; they live in the arena of the query. The same entries give the same patterns.
 * Damaged blocks are left out and counted in the statistics of the query.
 *
 * ST_TIMEOUT, ST_CANCELLED, ST_LIMIT   the query's own end
 */
MUST_CHECK enum status patterns_find(const struct patterns_request *request,
                                     struct patterns *ret_patterns, struct err *err);

#endif
