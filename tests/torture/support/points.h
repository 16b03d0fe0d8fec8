/*
 * points.h - a program that tries a number of points, each in processes of its own.
 *
 *     --seed=N    of the scenario and of the sample (1)
 *     --sample=N  try so many points, chosen by the seed, instead of all
 *     --only=N    try this point alone, and show what the store logs
 *     --jobs=N    processes side by side (one for each processor)
 *     --rebuild=1 the scenario in which the index is made again
 *     --each=1    failing_memory: each allocation by itself, in a short part of the scenario
 */
#ifndef TESTS_TORTURE_SUPPORT_POINTS_H
#define TESTS_TORTURE_SUPPORT_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

enum {
    POINTS_DIR_BYTES = 256,
    POINTS_EXIT_DIED = 70, /* of a process that died as it was told to */
};

struct points_options {
    const char *program;
    uint64_t seed;
    uint64_t sample; /* 0: all */
    uint64_t only;   /* 0: no */
    uint64_t jobs;
    uint64_t rebuild;
    uint64_t each;
};

/* What one point is tried with. */
struct point {
    uint64_t number;            /* from 1 */
    uint64_t seed;              /* for what is random about it */
    char dir[POINTS_DIR_BYTES]; /* empty; below a file system in memory, if there is one */
};

/* Ends the program if the arguments are wrong. */
void points_options(struct points_options *o, int argc, char **argv);

/*
 * Call `try` for each of `count` points in a process of its own, which it may leave as it likes; a
 * point is good if it returns true. Prints the command that repeats what is not, and at the end
 * `N passed, N failed`. Nothing is shown by points that the disaster did not come to: it fails if
 * less than `hits_percent` of those tried have called points_hit(), or none at all. Returns the
 * exit status of the program.
 */
int points_run(const struct points_options *o, uint64_t count, unsigned hits_percent,
               bool (*try_point)(const struct point *p, void *context), void *context);

/* The disaster of this point has happened. In any of its processes, any number of times. */
void points_hit(void);

/* A new empty directory, in memory if possible. */
void points_dir(char dir[POINTS_DIR_BYTES]);

/* Zeroed memory that processes share with those they fork. */
void *points_shared(size_t bytes);

/*
 * Call `part` in a process of its own and wait for it. Returns its exit status, or minus the signal
 * that ended it. One that does not end in time is killed, with SIGALRM.
 */
int points_process(void (*part)(void *context), void *context);

#endif
