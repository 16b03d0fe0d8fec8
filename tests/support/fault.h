/*
 * fault.h - let one file call fail, or be the last of its process: for io_hook_set().
 *
 *     for (uint64_t n = 1;; n++) {
 *         struct fault f = {.at = n, .error = EIO};
 *         fault_begin(&f);
 *         ... what is tested ...
 *         fault_end();
 *         if (!f.hit)
 *             break;
 *     }
 *
 * Threads  Calls are counted from any thread; set up and looked at while none is going on.
 */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/io.h"

struct fault {
    uint64_t at;         /* the call that fails, counted from 1; 0: none */
    uint64_t times;      /* how many from there on fail; 0 is one */
    unsigned kinds;      /* 1 << enum io_call for those that count; 0: all */
    int error;           /* errno of the failure; 0: a write is cut in half */
    bool kill;           /* the process is killed instead */
    size_t write_max;    /* every write takes at most so many bytes; 0: any */
    uint64_t calls;      /* how many there have been */
    bool hit;            /* one has failed */
    enum io_call failed; /* which */
    pthread_mutex_t mutex;
};

/* From now on calls go through `f`, which stays valid until fault_end(). */
void fault_begin(struct fault *f);
void fault_end(void);

/*
 * Let `work` run in a process of its own, with a fault for fault_begin() that kills at call `at`.
 * True: it was killed; else it has returned. It tells Criterion nothing after fault_begin() but
 * that something has failed: killed in the midst of that it would leave half a message.
 */
bool fault_kills(void (*work)(void *context, struct fault *kill), void *context, uint64_t at);

/* A disk that hangs: calls of a kind wait until it is over. Begun like a fault, ended like one. */
struct stall {
    enum io_call call;
    struct flag reached; /* one waits */
    struct flag over;
};

void stall_begin(struct stall *s);

#endif
