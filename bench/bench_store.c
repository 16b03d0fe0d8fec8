/*
 * bench_store - push a generated data set into a server of its own, then query it.
 *
 *     bench_store [--bytes=1GB] [--streams=320] [--connections=4] [--seed=1] [--rounds=5]
 *
 * The bodies are made before the clock starts and sent over the connections as fast as they are
 * taken. CPU time and memory are those of the server process, from /proc.
 */
#include <inttypes.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "bench/bench.h"
#include "tests/support/loggen.h"

enum {
    BODY_RAW_BYTES = 1 << 20, /* lines of one push, as promtail sends them */
    STREAMS_PER_BODY = 24,
    CONNECTIONS_MAX = 64,
    ROUNDS_MAX = 100,
    PATH_BYTES_MAX = 8 * 1024,
};

#define DATA_START_NS INT64_C(1772366400000000000) /* 2026-03-01T12:00:00Z */
#define DATA_SPAN_NS (2 * HOUR_NS)
#define NEEDLE "needle-7f3a9c51-in-one-line"

struct body {
    struct str bytes;
    bool is_json;
};

struct set {
    struct body *bodies;
    size_t count;
    uint64_t lines;
    uint64_t line_bytes;
    uint64_t streams;
};

/* ---- making bodies ---- */

static void put_field(struct buf *b, unsigned number, struct str bytes)
{
    buf_put_uvarint(b, number << 3 | 2);
    buf_put_str(b, bytes);
}

static void put_entry(struct buf *entries, struct buf *scratch, int64_t ts_ns, struct str line)
{
    char time_bytes[32];
    struct buf time = {
        .ptr = time_bytes, .capacity = sizeof(time_bytes), .max = sizeof(time_bytes)};

    buf_put_uvarint(&time, 1 << 3);
    buf_put_uvarint(&time, (uint64_t)(ts_ns / SECOND_NS));
    buf_put_uvarint(&time, 2 << 3);
    buf_put_uvarint(&time, (uint64_t)(ts_ns % SECOND_NS));
    buf_reset(scratch);
    put_field(scratch, 1, buf_str(&time));
    put_field(scratch, 2, line);
    put_field(entries, 2, buf_str(scratch));
}

static void put_labels(struct buf *b, uint64_t stream)
{
    unsigned kind = (unsigned)(stream % LOGGEN_KINDS);

    buf_printf(b,
               "{env=\"prod\", host=\"host-%" PRIu64 "\", job=\"%s\", region=\"eu-%" PRIu64 "\"}",
               stream / LOGGEN_KINDS, loggen_job(kind), stream % 3);
}

/* One push of about BODY_RAW_BYTES of lines, spread over some of the streams. */
static void make_body(struct set *set, struct loggen *g, uint64_t *next_line,
                      uint64_t lines_expected)
{
    struct buf streams[STREAMS_PER_BODY], request, line, scratch;
    uint64_t first = loggen_below(g, (uint32_t)set->streams), raw = 0;

    buf_init(&request, 1 << 28);
    buf_init(&line, 1 << 16);
    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < STREAMS_PER_BODY; i++) {
        buf_init(&streams[i], 1 << 26);
        buf_reset(&scratch);
        put_labels(&scratch, (first + i * 7) % set->streams);
        put_field(&streams[i], 1, buf_str(&scratch));
    }
    while (raw < BODY_RAW_BYTES) {
        size_t i = loggen_below(g, STREAMS_PER_BODY);
        double part = (double)*next_line / (double)lines_expected;
        int64_t ts_ns = DATA_START_NS + (int64_t)(part * (double)DATA_SPAN_NS);
        buf_reset(&line);
        loggen_line(g, &line, (unsigned)((first + i * 7) % set->streams % LOGGEN_KINDS), ts_ns);
        if (*next_line == lines_expected / 3)
            buf_put(&line, STR(" " NEEDLE));
        put_entry(&streams[i], &scratch, ts_ns, buf_str(&line));
        raw += line.len;
        (*next_line)++;
        set->lines++;
        set->line_bytes += line.len;
    }
    for (size_t i = 0; i < STREAMS_PER_BODY; i++) {
        put_field(&request, 1, buf_str(&streams[i]));
        buf_release(&streams[i]);
    }

    size_t packed = snappy_max_compressed_length(request.len);
    char *to = mem_bytes(packed);
    if (to == NULL || snappy_compress(request.ptr, request.len, to, &packed) != SNAPPY_OK)
        bench_fail("cannot compress a body");
    set->bodies[set->count++].bytes = str_make(mem_grow(to, packed, 1), packed);
    buf_release(&scratch);
    buf_release(&line);
    buf_release(&request);
}

static void make_set(struct set *set, uint64_t bytes, uint64_t seed)
{
    enum { LINE_BYTES_GUESS = 148 };
    struct loggen g;
    uint64_t next_line = 0, lines_expected = bytes / LINE_BYTES_GUESS;

    loggen_init(&g, seed);
    set->bodies = mem_new(bytes / BODY_RAW_BYTES + 2, sizeof(*set->bodies));
    while (set->line_bytes < bytes)
        make_body(set, &g, &next_line, lines_expected);
}

/* ---- pushing ---- */

struct pushing {
    const struct bench_server *server;
    const struct set *set;
    atomic_size_t next;
    size_t end;
};

static void *push_bodies(void *context)
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
        struct str body = p->set->bodies[i].bytes;
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
static double push_set(const struct bench_server *s, const struct set *set, size_t begin,
                       size_t end, uint64_t connections)
{
    struct pushing p = {.server = s, .set = set, .next = begin, .end = end};
    pthread_t threads[CONNECTIONS_MAX];
    double start = bench_seconds();

    for (uint64_t i = 0; i < connections; i++) {
        if (pthread_create(&threads[i], NULL, push_bodies, &p) != 0)
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

static void bench_ingest(struct bench_server *s, const struct set *set, uint64_t connections)
{
    double mb = (double)set->line_bytes / 1e6, cpu = bench_server_cpu(s);

    double seconds = push_set(s, set, 0, set->count, connections);
    flush(s);
    cpu = bench_server_cpu(s) - cpu;
    double disk = (double)(bench_server_disk(s, "segments") + bench_server_disk(s, "index"));
    bench_title("ingest (protobuf push)");
    bench_row("lines", (double)set->lines, "");
    bench_row("bytes of lines", mb, "MB");
    bench_row("lines a second", (double)set->lines / seconds, "1/s");
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

static void bench_query(const struct bench_server *s, const char *what, const char *query,
                        const char *want, uint64_t rounds)
{
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    buf_put(&path, STR("/loki/api/v1/query_range?query="));
    bench_put_escaped(&path, query);
    buf_printf(&path, "&limit=100&start=%" PRId64 "&end=%" PRId64, DATA_START_NS,
               DATA_START_NS + DATA_SPAN_NS + HOUR_NS);
    buf_put_char(&path, '\0');
    bench_path(s, what, path.ptr, want, rounds);
    buf_release(&path);
}

static void bench_queries(const struct bench_server *s, uint64_t rounds)
{
    char bounds[128], path[256];

    (void)snprintf(bounds, sizeof(bounds), "start=%" PRId64 "&end=%" PRId64, DATA_START_NS,
                   DATA_START_NS + DATA_SPAN_NS);
    bench_title("queries (everything flushed, median)");
    bench_query(s, "newest 100 lines of a stream", "{job=\"nginx\", host=\"host-3\"}", "values",
                rounds);
    bench_query(s, "newest 100 lines of a job", "{job=\"nginx\"}", "values", rounds);
    bench_query(s, "newest 100 lines of everything", "{job=~\".+\"}", "values", rounds);
    bench_query(s, "needle that is nowhere, all streams",
                "{job=~\".+\"} |= \"no-such-needle-at-all\"", "\"result\":[]", rounds);
    bench_query(s, "needle in one line, all streams", "{job=~\".+\"} |= \"" NEEDLE "\"", NEEDLE,
                rounds);
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

/* ---- start ---- */

/* Fill the log up without a flush, kill, start again. */
static void bench_start(struct bench_server *s, const struct set *set, uint64_t connections)
{
    enum { LOG_BODIES = 100 };

    (void)push_set(s, set, 0, MIN_OF(set->count, (size_t)LOG_BODIES), connections);
    bench_server_kill(s);
    double log_mb = (double)bench_server_disk(s, "wal") / 1e6;
    double seconds = bench_server_restart(s);
    bench_title("start after kill -9");
    bench_row("write-ahead log", log_mb, "MB");
    bench_row("time to /ready", seconds * 1000, "ms");
}

int main(int argc, char **argv)
{
    uint64_t bytes = bench_option(argc, argv, "bytes", UINT64_C(1000000000));
    uint64_t connections = bench_option(argc, argv, "connections", 4);
    uint64_t rounds = bench_option(argc, argv, "rounds", 5);
    struct set set = {.streams = bench_option(argc, argv, "streams", 320)};
    struct bench_server server;

    if (connections == 0 || connections > CONNECTIONS_MAX || rounds == 0 || rounds > ROUNDS_MAX ||
        set.streams < STREAMS_PER_BODY)
        bench_fail("an option is out of range");
    make_set(&set, bytes, bench_option(argc, argv, "seed", 1));
    bench_server_start(&server, "build/skald");
    bench_title("idle");
    bench_row("memory of an empty store", bench_server_memory(&server, "VmRSS") / 1e6, "MB");
    bench_ingest(&server, &set, connections);
    bench_queries(&server, rounds);
    bench_start(&server, &set, connections);
    bench_server_stop(&server);
    return 0;
}
