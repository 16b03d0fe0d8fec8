/*
 * runner.h - ask a server the same thing again and again, and say what it costs.
 */
#ifndef BENCH_RUNNER_H
#define BENCH_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "bench/process.h"
#include "bench/table.h"

/* Medians. */
struct cost {
    double ms;     /* on the clock */
    double cpu_ms; /* of the server */
    bool failed;   /* the last answer was not the one that was wanted; stderr has it */
};

/*
 * GET `path` over one connection, up to 50 times or for about a second; `want` must be in every
 * answer, and the status 200.
 */
struct cost runner_get(const struct process *p, const char *path, const char *want);

/* The same with a range query over all that was pushed; metric queries have steps of a minute. */
struct cost runner_query(const struct process *p, const char *query, const char *want);

/* The path of such a query, with its zero byte. */
void runner_put_path(struct buf *b, const char *query);

/* Add the row with the cost as its figure, in ms. */
void runner_put_row(const struct cost *cost, struct table_row row);

#endif
