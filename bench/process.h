/*
 * process.h - a server process of the benchmark's own, on a directory of its own.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/client.h"

struct process {
    pid_t pid; /* 0: it does not run */
    struct endpoint endpoint;
    const char *binary;
    char dir[200];
};

/* Make the directory; `binary` is borrowed. Nothing runs yet. */
void process_init(struct process *p, const char *binary);
void process_release(struct process *p); /* ends it, and removes the directory */

/*
 * Start it on what the directory holds, with `option` (or NULL) on the command line; returns the
 * seconds until /ready, or -1 when it ended at once, as with an option that it does not know.
 */
double process_start(struct process *p, const char *option);
void process_stop(struct process *p); /* SIGTERM, and wait */
void process_kill(struct process *p); /* SIGKILL */

double process_cpu(const struct process *p); /* seconds so far */

/* "VmRSS", "VmHWM": bytes. */
double process_memory(const struct process *p, const char *key);
void process_reset_peak(const struct process *p); /* VmHWM is from now on */

/* Bytes of the files that are below data/`part`; all of data/ when it is "". */
uint64_t process_disk(const struct process *p, const char *part);

/* Bytes of the filters in the segments. */
uint64_t process_filter_bytes(const struct process *p);

#endif
