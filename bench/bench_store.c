/*
 * bench_store - everything the benchmarks measure, in one run, as one table.
 *
 *     bench_store [--bytes=1GB] [--streams=320] [--wide-streams=100000] [--connections=4]
 * [--seed=1]
 *                 [--idle=60] [--server=build/skald] [--only=PHASE,PHASE]
 *
 * The phases are those of the table below. The push bodies are made before the clock starts and
 * sent over the connections as fast as they are taken. CPU time and memory are those of the server
 * process, from /proc; what is measured on the clock shares the cores with the client.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/loader.h"
#include "bench/phases.h"
#include "bench/stages.h"
#include "bench/table.h"
#include "config/config.h"

#include "base/banned.h"

enum {
    BLOCKS_BYTES = 64 * 1000 * 1000,
    JSON_PART = 4, /* the JSON set is so much smaller */
    TEXT_BYTES = 256,
};

enum needs {
    NEEDS_NOTHING,
    NEEDS_DATA,  /* the mixed set, and the limits over it */
    NEEDS_STORE, /* a server that has it */
};

struct phase {
    const char *name;
    void (*run)(struct bench *b);
    enum needs needs;
};

static char title[TEXT_BYTES]; /* of the table */

/* In the order they run. */
static const struct phase phases[] = {
    {"limits", phase_limits, NEEDS_DATA},
    {"stages", phase_stages, NEEDS_DATA},
    {"ingest", phase_ingest, NEEDS_DATA},
    {"small", phase_small, NEEDS_STORE},
    {"filters", phase_filters, NEEDS_STORE},
    {"counting", phase_counting, NEEDS_STORE},
    {"parsers", phase_parsers, NEEDS_STORE},
    {"memory", phase_memory, NEEDS_STORE}, /* of the process that took the pushes */
    {"scan", phase_scan, NEEDS_STORE},     /* starts others */
    {"start", phase_start, NEEDS_STORE},
    {"wide", phase_wide, NEEDS_NOTHING},
};

void put_figure(const char *what, double figure, const char *unit)
{
    table_add(&(struct table_row){.what = what, .figure = figure, .unit = unit});
}

void phase_limits(struct bench *b)
{
    table_group("LIMITS: MB of lines to a second of one core, unless said otherwise", b->hidden);
    limits_put_rows(&b->limits);
}

void phase_stages(struct bench *b)
{
    table_group("STAGES ALONE: MB of lines to a second of one core; limit: memmem", b->hidden);
    stages_put_rows(&b->blocks, &b->limits);
}

/* ---- options ---- */

static void read_options(struct bench *b, int argc, char **argv)
{
    static const char *const names[] = {"bytes", "streams", "wide-streams", "connections", "seed",
                                        "idle",  "server",  "only",         NULL};
    static const struct bench_number bytes = {"bytes", 1000 * 1000 * 1000, UINT64_C(1) << 36};
    static const struct bench_number streams = {"streams", 320, 4096};
    static const struct bench_number wide = {"wide-streams", 100 * 1000, 10 * 1000 * 1000};
    static const struct bench_number connections = {"connections", 4, LOADER_CONNECTIONS_MAX};
    static const struct bench_number seed = {"seed", 1, UINT32_MAX};
    static const struct bench_number idle = {"idle", 60, 3600};

    bench_check_options(argc, argv, names);
    b->spec.bytes = bench_option(argc, argv, &bytes);
    b->spec.streams = bench_option(argc, argv, &streams);
    b->spec.seed = bench_option(argc, argv, &seed);
    b->wide_streams = bench_option(argc, argv, &wide);
    b->connections = bench_option(argc, argv, &connections);
    b->idle_seconds = bench_option(argc, argv, &idle);
    b->only = bench_text_option(argc, argv, "only", "");
    struct str binary = bench_text_option(argc, argv, "server", "build/skald");
    (void)snprintf(b->binary, sizeof(b->binary), "%.*s", STR_ARG(binary));
}

static bool wanted(const struct bench *b, const char *phase)
{
    struct str rest = b->only, name;

    if (rest.len == 0)
        return true;
    while (str_split(&rest, ',', &name)) {
        if (str_eq(name, str_from(phase)))
            return true;
    }
    return false;
}

static void check_phases(const struct bench *b)
{
    struct str rest = b->only, name;

    while (rest.len > 0 && str_split(&rest, ',', &name)) {
        size_t i = 0;
        while (i < COUNT_OF(phases) && !str_eq(name, str_from(phases[i].name)))
            i++;
        if (i == COUNT_OF(phases))
            bench_fail("there is no phase \"%.*s\"", STR_ARG(name));
    }
}

static enum needs all_needs(const struct bench *b)
{
    enum needs needs = NEEDS_NOTHING;

    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        if (wanted(b, phases[i].name))
            needs = MAX_OF(needs, phases[i].needs);
    }
    return needs;
}

/* ---- the run ---- */

/* What a server packs with unless it is told otherwise. */
static enum codec standard_codec(void)
{
    enum codec codec = CODEC_NONE;
    struct config config;

    if (config_init(&config, NULL) != ST_OK ||
        codec_by_name(config.settings.chunk_encoding, &codec) != ST_OK)
        bench_fail("there is no standard codec");
    config_release(&config);
    return codec;
}

static void make_data(struct bench *b)
{
    struct bodies_spec json = b->spec;

    (void)fprintf(stderr, "making the data, measuring the limits\n");
    bodies_make(&b->spec, &b->bodies);
    json.json = true;
    json.bytes = b->spec.bytes / JSON_PART;
    bodies_make(&json, &b->json);
    line_blocks_make(&b->bodies, BLOCKS_BYTES, &b->blocks);
    const struct limits_spec spec = {
        .bodies = &b->bodies, .json = &b->json, .blocks = &b->blocks, .codec = standard_codec()};
    limits_measure(&spec, &b->limits);
}

/* At the end of the program, also when it is given up. */
static void print_table(void)
{
    table_print(title);
}

static void release(struct bench *b)
{
    if (b->server.binary != NULL)
        process_release(&b->server);
    line_blocks_release(&b->blocks);
    bodies_release(&b->json);
    bodies_release(&b->bodies);
}

int main(int argc, char **argv)
{
    static struct bench b;

    read_options(&b, argc, argv);
    check_phases(&b);
    (void)snprintf(title, sizeof(title),
                   "%.0f MB of lines in %" PRIu64 " streams, and %" PRIu64
                   " streams with a few lines; seed %" PRIu64 "; targets are for 1 GB",
                   (double)b.spec.bytes / MB, b.spec.streams, b.wide_streams, b.spec.seed);
    if (atexit(print_table) != 0)
        bench_fail("no memory");
    enum needs needs = all_needs(&b);
    if (needs >= NEEDS_DATA)
        make_data(&b);
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        const struct phase *p = &phases[i];
        b.hidden = !wanted(&b, p->name);
        if (!b.hidden || (p->run == phase_ingest && needs == NEEDS_STORE))
            p->run(&b);
    }
    release(&b);
    return 0;
}
