/*
 * loggen.h - log lines that look like the real ones: sixteen kinds, digits random, from a seed.
 *
 * The same seed gives the same lines on every machine. Used by the benchmarks and by tests that
 * want data of a realistic shape.
 */
#ifndef TESTS_SUPPORT_LOGGEN_H
#define TESTS_SUPPORT_LOGGEN_H

#include <stdint.h>

#include "base/buf.h"

enum { LOGGEN_KINDS = 16 };

struct loggen {
    uint64_t state;
};

void loggen_init(struct loggen *g, uint64_t seed);

/* A number below `bound`. */
uint32_t loggen_below(struct loggen *g, uint32_t bound);

/* Append one line of a kind (0 to LOGGEN_KINDS - 1) that happened at `ts_ns`; no newline. */
void loggen_line(struct loggen *g, struct buf *b, unsigned kind, int64_t ts_ns);

/* "nginx", "checkout" and so on: the job that writes lines of a kind. */
const char *loggen_job(unsigned kind);

#endif
