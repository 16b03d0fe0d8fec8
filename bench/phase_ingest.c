#include <stdio.h>
#include <unistd.h>

#include "base/num.h"
#include "bench/bench.h"
#include "bench/loader.h"
#include "bench/phases.h"
#include "bench/table.h"

#include "base/banned.h"

enum {
    MERGED_SECONDS_MAX = 300,
    MERGED_STEP_US = 200 * 1000,
    METRICS_BYTES_MAX = 1 << 20,
    WIDE_LINES = 2, /* of a stream: so few that none is flushed before it is asked for */
};

void start_server(struct process *p)
{
    if (process_start(p, NULL) < 0)
        bench_fail("the server ended, see %s/log", p->dir);
}

static void flush(const struct process *p)
{
    if (client_get(&p->endpoint, "/flush", NULL) != 204)
        bench_fail("the flush failed, see %s/log", p->dir);
}

static double disk_bytes(const struct process *p)
{
    return (double)(process_disk(p, "") - process_disk(p, "wal"));
}

/* The number behind `name` in /metrics. */
static uint64_t metric(const struct process *p, struct str name)
{
    struct str rest, line;
    uint64_t value = 0;
    struct buf b;

    buf_init(&b, METRICS_BYTES_MAX);
    if (client_get(&p->endpoint, "/metrics", &b) != 200)
        bench_fail("no /metrics, see %s/log", p->dir);
    rest = buf_str(&b);
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, name) && num_parse_u64(str_cut(line, name.len), &value) == ST_OK)
            break;
    }
    buf_release(&b);
    return value;
}

/*
 * Start again with an interval so short that everything is merged now, and wait for it; returns the
 * CPU seconds.
 */
static double merge(struct process *p)
{
    double begin = bench_seconds();

    process_stop(p);
    if (process_start(p, "--compactor.compaction_interval=1s") < 0)
        start_server(p); /* it cannot merge */
    while (metric(p, STR("skald_merge_days_pending ")) > 0 ||
           metric(p, STR("skald_segments_dead ")) > 0) {
        if (bench_seconds() - begin > MERGED_SECONDS_MAX)
            bench_fail("merging does not end, see %s/log", p->dir);
        (void)usleep(MERGED_STEP_US);
    }
    return process_cpu(p);
}

struct filled {
    struct loaded load;
    double push_cpu;    /* of the server, in seconds, until then */
    double cpu;         /* the same, flush included */
    double flush_bytes; /* on the disk right behind it */
};

static struct loaded push(const struct bench *b, const struct process *p,
                          const struct bodies *bodies)
{
    const struct load load = {.endpoint = &p->endpoint,
                              .bodies = bodies,
                              .count = bodies->count,
                              .connections = b->connections};

    return loader_run(&load);
}

static struct filled fill(const struct bench *b, const struct process *p,
                          const struct bodies *bodies)
{
    double cpu = process_cpu(p);
    struct filled f = {.load = push(b, p, bodies)};

    f.push_cpu = process_cpu(p) - cpu;
    flush(p);
    f.cpu = process_cpu(p) - cpu;
    f.flush_bytes = disk_bytes(p);
    return f;
}

static void put_ingest(const char *what, double cpu_gb, double at_most, double limit)
{
    table_add(&(struct table_row){
        .what = what, .figure = cpu_gb, .unit = "s/GB", .at_most = at_most, .limit = limit});
}

static void put_ingest_share(double cpu_gb, double limit)
{
    table_add(&(struct table_row){.what = "  beside decode + copy + CRC + pack",
                                  .figure = cpu_gb,
                                  .unit = "s/GB",
                                  .share = 0.5,
                                  .limit = limit});
}

static void put_rates(const struct filled *f, const struct bodies *bodies)
{
    put_figure("lines", (double)bodies->lines, "");
    put_figure("lines a second, on the clock", (double)bodies->lines / f->load.seconds, "1/s");
    put_figure("MB of lines a second, on the clock",
               (double)bodies->line_bytes / MB / f->load.seconds, "MB/s");
    put_figure("push, CPU", f->push_cpu, "s");
    if (f->load.refused > 0)
        put_figure("pushes refused for a while (503)", (double)f->load.refused, "");
}

static void put_disk(const struct bench *b, double flushed_bytes, double merge_cpu)
{
    double bytes = disk_bytes(&b->server), zstd_bytes = limits_zstd_bytes(&b->bodies);

    put_figure("disk after the flush", flushed_bytes / MB, "MB");
    table_add(&(struct table_row){.what = "disk after merging (limit: zstd -3 of one file)",
                                  .figure = bytes / MB,
                                  .unit = "MB",
                                  .at_most = 0.9 * zstd_bytes / MB,
                                  .limit = zstd_bytes / MB});
    put_figure("  of it the index", (double)process_disk(&b->server, "index") / MB, "MB");
    put_figure("  bytes of lines to a byte on disk", (double)b->bodies.line_bytes / bytes, "");
    put_figure("  CPU of merging after the flush", merge_cpu, "s");
    table_add(&(struct table_row){.what = "filters of blocks, of the disk",
                                  .figure = (double)process_filter_bytes(&b->server) / bytes * 100,
                                  .unit = "%",
                                  .at_most = 6});
}

static void put_json(struct bench *b)
{
    struct process p;

    process_init(&p, b->binary);
    start_server(&p);
    struct filled f = fill(b, &p, &b->json);
    put_ingest("JSON push, CPU, flush included", f.cpu / (double)b->json.line_bytes * 1e9, 12,
               limits_ingest(&b->limits, true));
    process_release(&p);
}

/* Every phase that asks the mixed store needs this one; its rows may be hidden. */
void phase_ingest(struct bench *b)
{
    process_init(&b->server, b->binary);
    start_server(&b->server);
    table_group("INGEST of the mixed set", b->hidden);
    put_figure("memory of an empty store", process_memory(&b->server, "VmRSS") / MB, "MB");
    struct filled f = fill(b, &b->server, &b->bodies);
    double peak_mb = process_memory(&b->server, "VmHWM") / MB, merge_cpu = merge(&b->server);
    if (b->hidden)
        return;
    put_rates(&f, &b->bodies);
    put_ingest("protobuf push, CPU, flush included", f.cpu / bench_mixed_mb(b) * 1000, 8,
               limits_ingest(&b->limits, false));
    put_ingest_share(f.cpu / bench_mixed_mb(b) * 1000, limits_ingest(&b->limits, false));
    table_add(&(struct table_row){
        .what = "peak memory", .figure = peak_mb, .unit = "MB", .at_most = 120});
    put_disk(b, f.flush_bytes, merge_cpu);
    put_json(b);
}

/* ---- very many streams ---- */

static void put_wide_queries(const struct process *p, const char *title, bool hidden)
{
    table_group(title, hidden);
    put_small_queries(p, queries_small_wide, queries_small_wide_count);
}

void phase_wide(struct bench *b)
{
    const struct bodies_spec spec = {
        .lines = WIDE_LINES, .streams = b->wide_streams, .seed = b->spec.seed, .wide = true};
    struct bodies bodies;
    struct process p;

    bodies_make(&spec, &bodies);
    process_init(&p, b->binary);
    start_server(&p);
    table_group("VERY MANY STREAMS with a few lines each", b->hidden);
    put_figure("streams", (double)b->wide_streams, "");
    double cpu = process_cpu(&p);
    struct filled f = {.load = push(b, &p, &bodies)};
    f.push_cpu = process_cpu(&p) - cpu;
    put_rates(&f, &bodies);
    put_wide_queries(&p, "SMALL QUERIES, very many streams, all in memory; limit: GET /ready",
                     b->hidden);
    table_add(&(struct table_row){.what = "peak memory until here",
                                  .figure = process_memory(&p, "VmHWM") / MB,
                                  .unit = "MB",
                                  .at_most = 300});
    put_figure("disk until here: 0 if all is in memory", disk_bytes(&p) / MB, "MB");
    double begin = bench_seconds();
    flush(&p);
    put_figure("flush", bench_seconds() - begin, "s");
    put_figure("  disk after it", disk_bytes(&p) / MB, "MB");
    put_figure("  CPU, push included", process_cpu(&p) - cpu, "s");
    put_wide_queries(&p, "SMALL QUERIES, very many streams, flushed; limit: GET /ready", b->hidden);
    put_figure("memory after it", process_memory(&p, "VmRSS") / MB, "MB");
    process_release(&p);
    bodies_release(&bodies);
}
