/*
 * bench_store - push a generated data set into a server of its own, then query it.
 *
 *     bench_store [--bytes=1GB] [--streams=320] [--connections=4] [--seed=1] [--rounds=5]
 *                 [--idle=30]
 *
 * The bodies are made before the clock starts and sent over the connections as fast as they are
 * taken. CPU time and memory are those of the server process, from /proc.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "bench/bench.h"
#include "bench/bodies.h"

enum {
    CONNECTIONS_MAX = 64,
    ROUNDS_MAX = 100,
    PATH_BYTES_MAX = 8 * 1024,
};

/* ---- doing nothing ---- */

static void bench_idle(const struct bench_server *s, uint64_t seconds)
{
    double cpu = bench_server_cpu(s);

    (void)sleep((unsigned)seconds);
    cpu = bench_server_cpu(s) - cpu;
    bench_title("idle");
    bench_row("memory of an empty store", bench_server_memory(s, "VmRSS") / 1e6, "MB");
    bench_row("CPU, of one", cpu / (double)seconds * 100, "%");
}

/* ---- pushing ---- */

struct pushing {
    const struct bench_server *server;
    const struct bodies *bodies;
    atomic_size_t next;
    size_t end;
};

static void *run_connection(void *context)
{
    struct pushing *p = context;
    int fd = bench_connect(p->server);
    char head[256];

    if (fd < 0)
        bench_fail("cannot connect");
    for (;;) {
        size_t i = atomic_fetch_add(&p->next, 1);
        if (i >= p->end)
            break;
        struct str body = p->bodies->items[i];
        int len = snprintf(head, sizeof(head),
                           "POST /loki/api/v1/push HTTP/1.1\r\nHost: bench\r\n"
                           "Content-Type: application/x-protobuf\r\nContent-Length: %zu\r\n\r\n",
                           body.len);
        int status = bench_request(fd, str_make(head, (size_t)len), body, NULL);
        if (status != 204)
            bench_fail("a push was answered %d", status);
    }
    (void)close(fd);
    return NULL;
}

/* Push the bodies [begin, end); returns the seconds it took. */
static double push_bodies(const struct bench_server *s, const struct bodies *bodies, size_t begin,
                          size_t end, uint64_t connections)
{
    struct pushing p = {.server = s, .bodies = bodies, .next = begin, .end = end};
    pthread_t threads[CONNECTIONS_MAX];
    double start = bench_seconds();

    for (uint64_t i = 0; i < connections; i++) {
        if (pthread_create(&threads[i], NULL, run_connection, &p) != 0)
            bench_fail("cannot start a thread");
    }
    for (uint64_t i = 0; i < connections; i++)
        (void)pthread_join(threads[i], NULL);
    return bench_seconds() - start;
}

static void flush(const struct bench_server *s)
{
    if (bench_get(s, "/flush", NULL) != 204)
        bench_fail("the flush failed");
}

static void bench_ingest(struct bench_server *s, const struct bodies *bodies, uint64_t connections)
{
    double mb = (double)bodies->line_bytes / 1e6, cpu = bench_server_cpu(s);

    double seconds = push_bodies(s, bodies, 0, bodies->count, connections);
    flush(s);
    cpu = bench_server_cpu(s) - cpu;
    double disk = (double)(bench_server_disk(s, "segments") + bench_server_disk(s, "index"));
    bench_title("ingest (protobuf push)");
    bench_row("lines", (double)bodies->lines, "");
    bench_row("bytes of lines", mb, "MB");
    bench_row("lines a second", (double)bodies->lines / seconds, "1/s");
    bench_row("MB of lines a second", mb / seconds, "MB/s");
    bench_row("CPU seconds, flush included", cpu, "s");
    bench_row("MB of lines a CPU second", mb / cpu, "MB/s");
    bench_row("peak memory", bench_server_memory(s, "VmHWM") / 1e6, "MB");
    bench_row("memory after it", bench_server_memory(s, "VmRSS") / 1e6, "MB");
    bench_row("disk, segments and index", disk / 1e6, "MB");
    bench_row("bytes of lines a byte on disk", mb * 1e6 / disk, "");
}

/* ---- queries ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median milliseconds of a GET; `want` must be in the answer. */
static void bench_path(const struct bench_server *s, const char *what, const char *path,
                       const char *want, uint64_t rounds)
{
    double ms[ROUNDS_MAX];
    struct buf body;

    for (uint64_t i = 0; i < rounds; i++) {
        buf_init(&body, 1 << 28);
        double begin = bench_seconds();
        int status = bench_get(s, path, &body);
        ms[i] = (bench_seconds() - begin) * 1000;
        if (status != 200 || str_find(buf_str(&body), str_from(want)) == STR_NPOS)
            bench_fail("%s: status %d, without %s: %.200s", what, status, want, body.ptr);
        buf_release(&body);
    }
    qsort(ms, rounds, sizeof(double), compare_doubles);
    bench_row(what, ms[rounds / 2], "ms");
}

/* Over all that was pushed; metric queries have steps of a minute. */
static void bench_query(const struct bench_server *s, const char *what, const char *query,
                        const char *want, uint64_t rounds)
{
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    buf_put(&path, STR("/loki/api/v1/query_range?query="));
    bench_put_escaped(&path, query);
    buf_printf(&path, "&limit=100&step=60&start=%" PRId64 "&end=%" PRId64, BODIES_START_NS,
               BODIES_START_NS + BODIES_SPAN_NS + HOUR_NS);
    buf_put_char(&path, '\0');
    bench_path(s, what, path.ptr, want, rounds);
    buf_release(&path);
}

static void bench_queries(const struct bench_server *s, uint64_t rounds)
{
    char bounds[128], path[256];

    (void)snprintf(bounds, sizeof(bounds), "start=%" PRId64 "&end=%" PRId64, BODIES_START_NS,
                   BODIES_START_NS + BODIES_SPAN_NS);
    bench_title("queries (everything flushed, median)");
    bench_query(s, "newest 100 lines of a stream", "{job=\"nginx\", host=\"host-3\"}", "values",
                rounds);
    bench_query(s, "newest 100 lines of a job", "{job=\"nginx\"}", "values", rounds);
    bench_query(s, "newest 100 lines of everything", "{job=~\".+\"}", "values", rounds);
    bench_query(s, "needle that is nowhere, all streams",
                "{job=~\".+\"} |= \"no-such-needle-at-all\"", "\"result\":[]", rounds);
    bench_query(s, "needle in one line, all streams", "{job=~\".+\"} |= \"" BODIES_NEEDLE "\"",
                BODIES_NEEDLE, rounds);
    bench_query(s, "regular expression, no hit", "{job=~\".+\"} |~ \"zq[0-9]+x[a-f]{3}y\"",
                "\"result\":[]", rounds);
    (void)snprintf(path, sizeof(path), "/loki/api/v1/labels?%s", bounds);
    bench_path(s, "labels", path, "host", rounds);
    (void)snprintf(path, sizeof(path), "/loki/api/v1/label/host/values?%s", bounds);
    bench_path(s, "values of a label", path, "host-1", rounds);
    (void)snprintf(path, sizeof(path), "/loki/api/v1/series?%s&match=%%7Bjob%%3D%%22nginx%%22%%7D",
                   bounds);
    bench_path(s, "series of a job", path, "nginx", rounds);
}

static void bench_metrics(const struct bench_server *s, uint64_t rounds)
{
    bench_title("metric queries (everything flushed, steps of a minute, median)");
    bench_query(s, "count_over_time by job", "sum by (job) (count_over_time({job=~\".+\"}[1m]))",
                "nginx", rounds);
    bench_query(s, "rate of lines with \"error\" by job",
                "sum by (job) (rate({job=~\".+\"} |= \"error\" [1m]))", "values", rounds);
    bench_query(s, "rate by detected_level, from metadata",
                "sum by (detected_level) (rate({job=~\".+\"}[1m]))", "info", rounds);
    bench_query(s, "json, one label wanted",
                "sum by (level) (count_over_time({job=~\".+\"} | json | __error__=\"\" [1m]))",
                "values", rounds);
    bench_query(s, "logfmt, one label wanted",
                "sum by (level) (count_over_time({job=~\".+\"} | logfmt [1m]))", "values", rounds);
    bench_query(s, "logfmt, all labels, newest 100 lines",
                "{job=~\".+\"} | logfmt | nosuchlabel=\"x\"", "\"result\":[]", rounds);
}

/* ---- start ---- */

/* Fill the log up without a flush, kill, start again. */
static void bench_start(struct bench_server *s, const struct bodies *bodies, uint64_t connections)
{
    enum { LOG_BODIES = 100 };

    (void)push_bodies(s, bodies, 0, MIN_OF(bodies->count, (size_t)LOG_BODIES), connections);
    bench_server_kill(s);
    double log_mb = (double)bench_server_disk(s, "wal") / 1e6;
    double seconds = bench_server_restart(s);
    bench_title("start after kill -9");
    bench_row("write-ahead log", log_mb, "MB");
    bench_row("time to /ready", seconds * 1000, "ms");
}

int main(int argc, char **argv)
{
    uint64_t connections = bench_option(argc, argv, "connections", 4);
    uint64_t rounds = bench_option(argc, argv, "rounds", 5);
    uint64_t idle_seconds = bench_option(argc, argv, "idle", 30);
    struct bodies_spec spec = {
        .bytes = bench_option(argc, argv, "bytes", UINT64_C(1000000000)),
        .streams = bench_option(argc, argv, "streams", 320),
        .seed = bench_option(argc, argv, "seed", 1),
    };
    struct bodies bodies;
    struct bench_server server;

    if (connections == 0 || connections > CONNECTIONS_MAX || rounds == 0 || rounds > ROUNDS_MAX ||
        idle_seconds == 0 || idle_seconds > 3600)
        bench_fail("an option is out of range");
    bodies_make(&spec, &bodies);
    bench_server_start(&server, "build/skald");
    bench_idle(&server, idle_seconds);
    bench_ingest(&server, &bodies, connections);
    bench_queries(&server, rounds);
    bench_metrics(&server, rounds);
    bench_start(&server, &bodies, connections);
    bench_server_stop(&server);
    bodies_release(&bodies);
    return 0;
}
