#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/loader.h"
#include "bench/phases.h"
#include "bench/runner.h"
#include "bench/table.h"

#include "base/banned.h"

enum {
    HEAVY_MAX = 16,
    LOG_BYTES = 120 * 1000 * 1000,
    LOG_BODIES_MAX = 400,
    LOG_BODIES_STEP = 4,
};

/* ---- memory ---- */

struct heavy {
    pthread_t thread;
    const struct endpoint *endpoint;
    const char *query;
    int status;
};

static void *run_heavy(void *context)
{
    enum { PATH_BYTES_MAX = 8 * 1024 };
    struct heavy *h = context;
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    runner_put_path(&path, h->query);
    h->status = client_get(h->endpoint, path.ptr, NULL);
    buf_release(&path);
    return NULL;
}

/* How many were answered 200. */
static unsigned run_all_heavy(const struct process *p)
{
    struct heavy heavy[HEAVY_MAX];
    size_t count = MIN_OF(queries_heavy_count, (size_t)HEAVY_MAX);
    unsigned answered = 0;

    for (size_t i = 0; i < count; i++) {
        heavy[i] = (struct heavy){.endpoint = &p->endpoint, .query = queries_heavy[i]};
        if (pthread_create(&heavy[i].thread, NULL, run_heavy, &heavy[i]) != 0)
            bench_fail("cannot start a thread");
    }
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(heavy[i].thread, NULL);
        answered += heavy[i].status == 200;
        if (heavy[i].status != 200)
            (void)fprintf(stderr, "status %d: %s\n", heavy[i].status, heavy[i].query);
    }
    return answered;
}

void phase_memory(struct bench *b)
{
    table_group("MEMORY", b->hidden);
    put_figure("before", process_memory(&b->server, "VmRSS") / MB, "MB");
    process_reset_peak(&b->server);
    double begin = bench_seconds(), cpu = process_cpu(&b->server);
    unsigned answered = run_all_heavy(&b->server);
    put_figure("8 heavy queries side by side", bench_seconds() - begin, "s");
    put_figure("  CPU", process_cpu(&b->server) - cpu, "s");
    put_figure("  answered 200", answered, "");
    table_add(&(struct table_row){.what = "  peak memory",
                                  .figure = process_memory(&b->server, "VmHWM") / MB,
                                  .unit = "MB",
                                  .at_most = 200});
    cpu = process_cpu(&b->server);
    (void)sleep((unsigned)b->idle_seconds);
    cpu = process_cpu(&b->server) - cpu;
    table_add(&(struct table_row){.what = "idle after it, memory",
                                  .figure = process_memory(&b->server, "VmRSS") / MB,
                                  .unit = "MB",
                                  .at_most = 40});
    put_figure("idle, CPU, of one core", cpu / (double)b->idle_seconds * 100, "%");
}

/* ---- start ---- */

/* Fill the log up without a flush, kill, start again. */
void phase_start(struct bench *b)
{
    struct load load = {.endpoint = &b->server.endpoint,
                        .bodies = &b->bodies,
                        .count = LOG_BODIES_STEP,
                        .connections = b->connections};

    while (process_disk(&b->server, "wal") < LOG_BYTES && load.begin < LOG_BODIES_MAX) {
        (void)loader_run(&load);
        load.begin += LOG_BODIES_STEP;
    }
    process_kill(&b->server);
    double log_mb = (double)process_disk(&b->server, "wal") / MB;
    double seconds = process_start(&b->server, NULL);
    table_group("START after kill -9; limit: reading the log", b->hidden);
    put_figure("write-ahead log", log_mb, "MB");
    table_add(&(struct table_row){.what = "time to /ready",
                                  .figure = seconds * 1000,
                                  .unit = "ms",
                                  .cpu_ms = process_cpu(&b->server) * 1000,
                                  .at_most = 1000,
                                  .limit = log_mb / b->limits.pread * 1000});
    put_figure("memory after it", process_memory(&b->server, "VmRSS") / MB, "MB");
}
