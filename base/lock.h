/*
 * lock.h - a mutex that knows its owner and its rank.
 *
 * A thread takes locks in rising rank only, so that no two threads can wait for each other; taking
 * one out of order is an assertion. Ranks are the enum below: lower ones are taken first.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"

/* Neighbours in one row of threads: queries before store before files before queues before the log.
 */
enum lock_rank {
    LOCK_RANK_QUERY = 1, /* what the threads of a query share */
    LOCK_RANK_STORE,     /* the table of tenants */
    LOCK_RANK_TENANT,    /* streams and heads of a tenant */
    LOCK_RANK_HIDE,      /* what delete requests hide */
    LOCK_RANK_FLUSHER,   /* what the flusher is asked to do */
    LOCK_RANK_WAL,       /* records on their way to disk */
    LOCK_RANK_SEGMENTS,  /* open segment files */
    LOCK_RANK_QUEUE,     /* a message queue */
    LOCK_RANK_CREW,      /* which items the threads of a query work on */
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
    bool held;
    pthread_t owner;
};

void lock_init(struct lock *l, enum lock_rank rank);
void lock_release(struct lock *l);

void lock_take(struct lock *l);
void lock_give(struct lock *l);

/* The calling thread holds `l`. */
void lock_assert_held(struct lock *l);

/* A condition that is waited for under one lock. */
struct lock_cond {
    pthread_cond_t cond;
};

void lock_cond_init(struct lock_cond *c);
void lock_cond_release(struct lock_cond *c);
void lock_cond_signal(struct lock_cond *c);
void lock_cond_broadcast(struct lock_cond *c);

/* Give `l`, wait, take it again. May also return without a signal: check in a loop. */
void lock_cond_wait(struct lock_cond *c, struct lock *l);

/* The same, for at most `timeout_ns` (below 0 is 0); false when that time went by. */
bool lock_cond_wait_for(struct lock_cond *c, struct lock *l, int64_t timeout_ns);

#endif
