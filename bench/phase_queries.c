#include <inttypes.h>
#include <stdio.h>

#include "bench/bench.h"
#include "bench/phases.h"
#include "bench/runner.h"
#include "bench/table.h"

#include "base/banned.h"

static void put_timed(const struct bench *b, const struct timed_query *q, double limit_ms)
{
    struct cost cost = runner_query(&b->server, q->query, q->want);

    runner_put_row(&cost,
                   (struct table_row){.what = q->what, .at_most = q->at_most, .limit = limit_ms});
}

void phase_filters(struct bench *b)
{
    double filters_mb = (double)process_filter_bytes(&b->server) / MB;

    table_group("LINE FILTERS over everything; limit: filters read, or all unpacked and searched",
                b->hidden);
    for (size_t i = 0; i < queries_filter_count; i++)
        put_timed(b, &queries_filter[i], filters_mb / b->limits.pread * 1000 / LIMIT_CORES);
    put_timed(b, &queries_regex[0], filters_mb / b->limits.pread * 1000 / LIMIT_CORES);
    put_timed(b, &queries_regex[1], bench_mixed_mb(b) / b->limits.scan_regex * 1000);
}

/* Time on the clock is the promise; CPU time tells more when something else runs. */
static void put_scan(const struct bench *b)
{
    double limit_ms = bench_mixed_mb(b) / b->limits.scan * 1000;
    const struct timed_query *q = &queries_filter[0];
    struct cost cost = runner_query(&b->server, q->query, q->want);

    runner_put_row(&cost, (struct table_row){.what = q->what, .share = 0.6, .limit = limit_ms});
    table_add(&(struct table_row){.what = "  CPU of it, beside that of both cores",
                                  .figure = cost.cpu_ms,
                                  .unit = "ms",
                                  .share = 0.6,
                                  .limit = limit_ms * LIMIT_CORES});
}

/* The needle again, by a server that does not ask the filters. */
void phase_scan(struct bench *b)
{
    table_group("SCAN without the filters; limit: unpack and memmem on 2 cores", b->hidden);
    process_stop(&b->server);
    if (process_start(&b->server, "--querier.block_filters=false") < 0) {
        table_add(&(struct table_row){.what = "needle that is nowhere",
                                      .note = "not measured: no setting querier.block_filters"});
    } else {
        put_scan(b);
        process_stop(&b->server);
    }
    start_server(&b->server);
}

void phase_counting(struct bench *b)
{
    table_group("COUNTING over everything, steps of a minute; limit: all unpacked and searched",
                b->hidden);
    for (size_t i = 0; i < queries_counting_count; i++) {
        const struct timed_query *q = &queries_counting[i];
        bool reads_lines = str_find(str_from(q->query), STR("|=")) != STR_NPOS;
        put_timed(b, q, reads_lines ? bench_mixed_mb(b) / b->limits.scan * 1000 : 0);
    }
}

void phase_parsers(struct bench *b)
{
    const struct codec_limit *codec = &b->limits.codecs[b->limits.codec];

    table_group("PARSERS over HTTP: bytes of lines to a CPU second of the server; limit: unpacking",
                b->hidden);
    for (size_t i = 0; i < queries_parser_count; i++) {
        const struct parser_query *q = &queries_parser[i];
        bool all = q->kind == QUERIES_ALL_KINDS;
        double bytes = (double)(all ? b->bodies.line_bytes : b->bodies.kind_bytes[q->kind]);
        struct cost cost = runner_query(&b->server, q->query, "success");
        table_add(&(struct table_row){.what = q->what,
                                      .figure = bytes / MB / cost.cpu_ms * 1000,
                                      .unit = "MB/s",
                                      .cpu_ms = cost.cpu_ms,
                                      .at_least = q->at_least,
                                      .limit = codec->unpack,
                                      .more_is_good = true,
                                      .note = cost.failed ? "FAILED" : NULL});
    }
}

void put_small_queries(const struct process *p, const struct small_query *queries, size_t count)
{
    enum { PATH_BYTES = 256 };
    double empty_ms = runner_get(p, "/ready", "ready").ms;
    char path[PATH_BYTES];

    for (size_t i = 0; i < count; i++) {
        const struct small_query *q = &queries[i];
        bool more = str_find_char(str_from(q->path), '?') != STR_NPOS;
        struct cost cost;
        (void)snprintf(path, sizeof(path), "%s%cstart=%" PRId64 "&end=%" PRId64, q->path,
                       more ? '&' : '?', BODIES_START_NS,
                       BODIES_START_NS + BODIES_SPAN_NS + HOUR_NS);
        cost = q->path[0] == '/' ? runner_get(p, path, q->want) : runner_query(p, q->path, q->want);
        runner_put_row(
            &cost, (struct table_row){.what = q->what, .at_most = q->at_most, .limit = empty_ms});
    }
}

void phase_small(struct bench *b)
{
    table_group("SMALL QUERIES, mixed store, flushed; limit: GET /ready", b->hidden);
    put_small_queries(&b->server, queries_small_mixed, queries_small_mixed_count);
}
