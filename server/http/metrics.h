/*
 * metrics.h - what the server counts, and its text for Prometheus.
 *
 * Names are Loki's where Loki has the metric, so that its dashboards work.
 */
#ifndef SERVER_HTTP_METRICS_H
#define SERVER_HTTP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/buf.h"
#include "server/http/http1.h"

struct server;

enum {
    METRICS_BUCKETS = 14,
    METRICS_STATUSES = 20,
};

/* How long requests of one route, method and status took. */
struct latency {
    struct counter buckets[METRICS_BUCKETS + 1]; /* the last one is for everything longer */
    struct counter sum_us;
};

struct metrics {
    struct latency *latencies;     /* [route][method][status] */
    struct counter pushes_refused; /* bodies that could not be decoded */
    struct counter requests_timed_out;
    struct counter requests_given_up;
    struct counter answers_given_up;
};

MUST_CHECK enum status metrics_init(struct metrics *m);
void metrics_release(struct metrics *m);

/* Note that a request was answered. */
void metrics_observe(struct metrics *m, size_t route, enum http_method method, int status,
                     int64_t duration_ns);

/* Prometheus text format 0.0.4. */
void metrics_put(struct buf *b, struct server *s);

#endif
