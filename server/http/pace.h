/*
 * pace.h - does the client of a connection take its answers fast enough?
 *
 * It has a time to take everything that there is when the time begins, or else 4 KB a second. The
 * next time begins with an answer after it has taken all of that, or when the time is over and it
 * was fast enough. What is answered meanwhile is no excuse, however many answers there are.
 *
 * `left_bytes` is how much of all that was put has not been taken. Clocks are monotonic.
 */
#ifndef SERVER_HTTP_PACE_H
#define SERVER_HTTP_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is the start. */
struct pace {
    uint64_t put_bytes;   /* ever */
    uint64_t owed_bytes;  /* of these: put when the time began */
    uint64_t taken_bytes; /* and taken by then */
    int64_t end_ns;       /* of the time */
};

/* So many bytes more are to be taken. */
void pace_put(struct pace *p, size_t bytes);

/* An answer was put: a time begins, if it is not still the one that began earlier. */
void pace_answered(struct pace *p, uint64_t left_bytes, int64_t now_ns, int64_t timeout_ns);

/* The time is over. False: it was too slow; or else the next one has begun. */
bool pace_was_kept(struct pace *p, uint64_t left_bytes, int64_t now_ns, int64_t timeout_ns);

#endif
