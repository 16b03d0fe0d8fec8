/*
 * bodies.h - push bodies of generated lines, made before the clock starts.
 */
#ifndef BENCH_BODIES_H
#define BENCH_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/time.h"

/* Times of the lines: spread over this range in the order of the bodies. */
#define BODIES_START_NS INT64_C(1772366400000000000) /* 2026-03-01T12:00:00Z */
#define BODIES_SPAN_NS (2 * HOUR_NS)

/* Stands in one line of the whole set. */
#define BODIES_NEEDLE "needle-7f3a9c51-in-one-line"

enum { BODIES_STREAMS_MIN = 24 }; /* of a set, and of each body */

struct bodies_spec {
    uint64_t bytes; /* of lines */
    uint64_t streams;
    uint64_t seed;
    bool json; /* else snappy protobuf */
};

struct bodies {
    struct str *items; /* about 1 MiB of lines each, as promtail sends them */
    size_t count;
    uint64_t lines;
    uint64_t line_bytes;
};

void bodies_make(const struct bodies_spec *spec, struct bodies *ret_bodies);
void bodies_release(struct bodies *b);

#endif
