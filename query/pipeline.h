/*
 * pipeline.h - the compiled stages of a query, in the order they run.
 *
 * Building a pipeline compiles every argument, before any entry is read; what is wrong with one is
 * reported as "parse error : stage '...' : ...".
 *
 * Stages run from left to right, except that line filters move in front of the other stages of
 * their block; a block ends with each label filter, line_format and unpack. So the filters of the
 * first block see the line as it is stored, and nothing else has to be done for a line they refuse.
 */
#ifndef QUERY_PIPELINE_H
#define QUERY_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "query/ast.h"
#include "query/label_builder.h"
#include "query/line_filter.h"
#include "query/source.h"
#include "query/stage.h"

struct pipeline {
    const struct line_filter *line_filters; /* on the stored line; all must keep it */
    size_t line_filter_count;
    const struct stage *stages; /* the rest */
    size_t stage_count;
    const struct stage *sample_filters; /* what stands behind unwrap */
    size_t sample_filter_count;
    struct label_hints hints;
    bool has_templates; /* each entry may take a while, however short it is */
};

/* What samples are made of; it decides which stages and labels matter. */
struct pipeline_samples {
    const struct unwrap_expr *unwrap;
    const struct grouping *grouping; /* in force: the range aggregation's own, or of a sum around */
    bool reads_line;                 /* the value is the length of the line */
};

/*
 * Compile in `a`; `log` is borrowed. `samples` is NULL for a log query.
 *
 * ST_INVALID  an argument does not compile
 */
MUST_CHECK enum status pipeline_build(struct arena *a, const struct log_expr *log,
                                      const struct pipeline_samples *samples,
                                      struct pipeline *ret_pipeline, struct err *err);

/* query_check() after the `n`-th entry, if it is time for it. */
static inline enum status pipeline_check(const struct pipeline *p, const struct query_context *q,
                                         uint32_t n, size_t line_bytes, struct err *err)
{
    return query_check_entry(q, p->has_templates ? 0 : n, line_bytes, err);
}

/* The words of a bitmap with one bit for each of `count` lines. */
static inline size_t pipeline_words(uint32_t count)
{
    return ((size_t)count + 63) / 64;
}

/*
 * Which lines of a block pass the line filters that come first? Set bit i % 64 of word i / 64 if
 * line i does, and clear all others of the pipeline_words(b->count) words. The lines must be loaded
 * unless there are no line filters. False: none does.
 */
bool pipeline_keep_lines(const struct pipeline *p, const struct block *b, uint64_t *ret_bits);

/* May it keep any line of a block of the run opened last? False is for sure. */
bool pipeline_may_keep(const struct pipeline *p, struct reader *r, uint32_t block);

/*
 * Run the stages on an entry whose labels have begun; false: it is dropped. Whether memory was
 * enough stands in `e->scratch`.
 */
bool pipeline_run(const struct pipeline *p, struct entry_state *e);

/* The same with the filters behind unwrap, once the value has been read. */
bool pipeline_keeps_sample(const struct pipeline *p, struct entry_state *e);

#endif
