/*
 * queue.h - a bounded queue of pointers between threads, first in first out.
 *
 * Whoever pushes gives the object away; whoever pops owns it. A full queue refuses: the pusher
 * keeps the object and tells its client to come again.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/lock.h"

struct queue {
    struct lock lock;
    struct lock_cond filled;
    void **items; /* a ring of `capacity` places */
    size_t capacity;
    size_t first;
    size_t count;
    bool closed;
};

MUST_CHECK enum status queue_init(struct queue *q, size_t capacity, struct err *err);

/* What is still inside is the caller's to free beforehand. Accepts a zeroed queue. */
void queue_release(struct queue *q);

/* ST_LIMIT when it is full or closed: the item stays the caller's. */
MUST_CHECK enum status queue_push(struct queue *q, void *item);

/* Wait for an item; NULL once the queue is closed and empty. */
void *queue_pop(struct queue *q);

/* How many items wait. */
size_t queue_count(struct queue *q);

/* Refuse further items and wake every reader. */
void queue_close(struct queue *q);

#endif
