#include "bench/runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bodies.h"

#include "base/banned.h"

enum {
    ROUNDS_MAX = 50,
    BODY_BYTES_MAX = 1 << 28,
    PATH_BYTES_MAX = 8 * 1024,
    SHOWN_BYTES = 300,
};

static const double seconds_enough = 1.0;

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(double), compare_doubles);
    return values[count / 2];
}

/* Milliseconds; false when the answer is another one. */
static bool ask(int fd, const char *path, const char *want, double *ret_ms)
{
    struct buf body;

    buf_init(&body, BODY_BYTES_MAX);
    double begin = bench_seconds();
    int status = client_get_over(fd, path, &body);
    *ret_ms = (bench_seconds() - begin) * 1000;
    struct str text = buf_str(&body);
    bool good = status == 200 && str_find(text, str_from(want)) != STR_NPOS;
    if (!good)
        (void)fprintf(stderr, "status %d, without %s: %s: %.*s\n", status, want, path,
                      STR_ARG(str_head(text, SHOWN_BYTES)));
    buf_release(&body);
    return good;
}

struct cost runner_get(const struct process *p, const char *path, const char *want)
{
    double ms[ROUNDS_MAX], cpu_ms[ROUNDS_MAX], begin = bench_seconds();
    struct cost cost = {.failed = false};
    int fd = client_connect(&p->endpoint);
    size_t rounds = 0;

    if (fd < 0)
        bench_fail("cannot connect");
    while (rounds < ROUNDS_MAX && !cost.failed &&
           (rounds == 0 || bench_seconds() - begin < seconds_enough)) {
        double cpu = process_cpu(p);
        cost.failed = !ask(fd, path, want, &ms[rounds]);
        cpu_ms[rounds++] = (process_cpu(p) - cpu) * 1000;
    }
    (void)close(fd);
    cost.ms = median(ms, rounds);
    cost.cpu_ms = median(cpu_ms, rounds);
    return cost;
}

void runner_put_row(const struct cost *cost, struct table_row row)
{
    row.figure = cost->ms;
    row.unit = "ms";
    row.cpu_ms = cost->cpu_ms;
    if (cost->failed)
        row.note = "FAILED";
    table_add(&row);
}

void runner_put_path(struct buf *b, const char *query)
{
    buf_put(b, STR("/loki/api/v1/query_range?query="));
    client_put_escaped(b, query);
    buf_printf(b, "&limit=100&step=60&start=%" PRId64 "&end=%" PRId64, BODIES_START_NS,
               BODIES_START_NS + BODIES_SPAN_NS + HOUR_NS);
    buf_put_char(b, '\0');
}

struct cost runner_query(const struct process *p, const char *query, const char *want)
{
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    runner_put_path(&path, query);
    struct cost cost = runner_get(p, path.ptr, want);
    buf_release(&path);
    return cost;
}
