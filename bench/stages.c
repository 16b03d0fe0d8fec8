#include "bench/stages.h"

#include "base/arena.h"
#include "bench/bench.h"
#include "bench/queries.h"
#include "bench/table.h"
#include "query/parser.h"
#include "query/pipeline.h"
#include "query/range.h"

#include "base/banned.h"

enum { ARENA_BYTES_MAX = 1 << 26, ROUNDS = 3 };

/* What a query asks of one entry. */
struct subject {
    struct arena query;
    struct arena scratch;
    struct pipeline pipeline;
    struct entry_state entry;
    uint64_t kept;
};

static void subject_init(struct subject *s, const char *query)
{
    struct grouping around = {0};
    const struct expr *e = NULL;
    struct err err = {0};

    *s = (struct subject){.kept = 0};
    arena_init(&s->query, ARENA_BYTES_MAX);
    arena_init(&s->scratch, ARENA_BYTES_MAX);
    enum status st = logql_parse(&s->query, str_from(query), &e, &err);
    if (st == ST_OK && e->kind == EXPR_VECTOR_AGGREGATION) {
        around = e->vector_aggregation.grouping;
        e = e->vector_aggregation.child;
    }
    if (st == ST_OK && e->kind == EXPR_LOG) {
        st = pipeline_build(&s->query, &e->log, NULL, &s->pipeline, &err);
    } else if (st == ST_OK) {
        struct pipeline_samples samples = range_samples(e, &around);
        st = pipeline_build(&s->query, &e->range_aggregation.range.log, &samples, &s->pipeline,
                            &err);
    }
    if (st != ST_OK)
        bench_fail("%s: %s", query, err.text);
    s->entry.scratch = &s->scratch;
    label_builder_init(&s->entry.labels, &s->scratch, &s->pipeline.hints);
}

static void subject_release(struct subject *s)
{
    arena_release(&s->scratch);
    arena_release(&s->query);
}

/* The queries have no line filters. */
static void run_block(struct subject *s, const struct line_block *b)
{
    static const struct label job = {STR_INIT("job"), STR_INIT("bench")};
    static const struct labels stream = {&job, 1}, nothing = {NULL, 0};

    for (size_t i = 0; i < line_block_count(b); i++) {
        struct str line = line_block_line(b, i);
        arena_reset(&s->scratch);
        s->entry.line = line;
        label_builder_begin(&s->entry.labels, stream, nothing);
        if (pipeline_run(&s->pipeline, &s->entry))
            s->kept++;
    }
}

/* MB of lines of the kind a second of this thread. */
static double measure(const struct line_blocks *blocks, const struct parser_query *q)
{
    struct subject s;
    double best = 0;

    subject_init(&s, q->query);
    for (int round = 0; round < ROUNDS; round++) {
        double begin = bench_thread_seconds();
        uint64_t bytes = 0;
        for (size_t i = 0; i < blocks->count; i++) {
            if (q->kind != QUERIES_ALL_KINDS && blocks->items[i].kind != q->kind)
                continue;
            run_block(&s, &blocks->items[i]);
            bytes += blocks->items[i].lines.len;
        }
        best = MAX_OF(best, (double)bytes / MB / (bench_thread_seconds() - begin));
    }
    subject_release(&s);
    return best;
}

void stages_put_rows(const struct line_blocks *blocks, const struct bench_limits *limits)
{
    for (size_t i = 0; i < queries_parser_count; i++) {
        const struct parser_query *q = &queries_parser[i];
        table_add(&(struct table_row){
            .what = q->what,
            .figure = measure(blocks, q),
            .unit = "MB/s",
            .at_least = q->at_least,
            .limit = limits->memmem,
            .more_is_good = true,
        });
    }
}
