/*
 * bodies.h - push bodies of generated lines, made before the clock starts.
 *
 * Two sets: the mixed one has a few hundred streams with many lines each, its bodies a MiB of lines
 * of 24 streams; the wide one has very many streams, its bodies a line each of a thousand streams.
 * The same seed gives the same bodies.
 */
#ifndef BENCH_BODIES_H
#define BENCH_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/time.h"
#include "tests/support/loggen.h"

/* Times of the lines: spread over this range in the order of the bodies. */
#define BODIES_START_NS INT64_C(1772366400000000000) /* 2026-03-01T12:00:00Z */
#define BODIES_SPAN_NS (2 * HOUR_NS)

/* Stands in one line of the mixed set. */
#define BODIES_NEEDLE "needle-7f3a9c51-in-one-line"

enum {
    BODIES_MIXED_STREAMS_MIN = 24,
    BODIES_WIDE_STREAMS_MIN = 1000,
    BODIES_NAMESPACE_STREAMS = 100, /* of the wide set, to each value of `namespace` */
};

struct bodies_spec {
    uint64_t bytes; /* of lines, at least; of the mixed set */
    uint64_t lines; /* of each stream, of the wide set */
    uint64_t streams;
    uint64_t seed;
    bool wide; /* {env, job, namespace, pod}, else {env, host, job, region} */
    bool json; /* else snappy protobuf */
};

struct bodies {
    struct str *items;
    size_t count;
    bool json;
    uint64_t lines;
    uint64_t line_bytes;
    uint64_t kind_bytes[LOGGEN_KINDS]; /* the same of each kind of lines, that is of each job */
};

void bodies_make(const struct bodies_spec *spec, struct bodies *ret_bodies);
void bodies_release(struct bodies *b);

#endif
