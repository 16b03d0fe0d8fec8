/*
 * phases.h - the parts of bench_store, each of which adds its rows to the table.
 *
 * A phase ends the program when something goes wrong.
 */
#ifndef BENCH_PHASES_H
#define BENCH_PHASES_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench.h"
#include "bench/bench_limits.h"
#include "bench/bodies.h"
#include "bench/line_blocks.h"
#include "bench/process.h"
#include "bench/queries.h"

struct bench {
    struct bodies_spec spec; /* of the mixed set */
    uint64_t wide_streams;
    uint64_t connections;
    uint64_t idle_seconds;
    char binary[256];
    struct str only; /* phases, with commas between them; empty is all */
    bool hidden;     /* the rows of the phase that runs: it runs for another one's sake */
    struct bodies bodies;
    struct bodies json;
    struct line_blocks blocks; /* some of them */
    struct bench_limits limits;
    struct process server; /* with the mixed set, once it is filled */
};

static inline double bench_mixed_mb(const struct bench *b)
{
    return (double)b->bodies.line_bytes / MB;
}

/* phase_limits.c: no server */
void phase_limits(struct bench *b);
void phase_stages(struct bench *b);

/* phase_ingest.c: fills the store that the phases up to phase_start() ask */
void phase_ingest(struct bench *b);
void phase_wide(struct bench *b); /* has a store of its own */

/* phase_queries.c */
void phase_small(struct bench *b);
void phase_filters(struct bench *b);
void phase_scan(struct bench *b);
void phase_counting(struct bench *b);
void phase_parsers(struct bench *b);

/* Rows of small queries, of any store. */
void put_small_queries(const struct process *p, const struct small_query *queries, size_t count);

/* phase_memory.c */
void phase_memory(struct bench *b);
void phase_start(struct bench *b);

/* Start a server, or end the program. */
void start_server(struct process *p);

/* A row that has nothing but a figure. */
void put_figure(const char *what, double figure, const char *unit);

#endif
