/*
 * bench.h - what every file of the benchmarks needs: options, clocks, and giving up.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>

#include "base/defs.h"
#include "base/str.h"

#define MB 1e6

/* Print and end the program. */
void bench_fail(const char *format, ...) PRINTF_LIKE(1, 2) NO_RETURN;

/* End it unless every argument is "--NAME=VALUE" with one of these names; the last one is NULL. */
void bench_check_options(int argc, char **argv, const char *const *names);

/* "--name=VALUE" of the command line, or `standard`. */
struct str bench_text_option(int argc, char **argv, const char *name, const char *standard);

/* The same as a number or a size ("100MB"), at least 1 and at most `max`. */
struct bench_number {
    const char *name;
    uint64_t standard;
    uint64_t max;
};
uint64_t bench_option(int argc, char **argv, const struct bench_number *number);

/* All in seconds. */
double bench_seconds(void);        /* on the clock */
double bench_thread_seconds(void); /* of the processor, for the thread that asks */

/* A fresh directory below $TMPDIR or /tmp; and remove it with all that is in it. */
void bench_make_directory(char *path, size_t path_bytes);
void bench_remove_directory(const char *path);

#endif
