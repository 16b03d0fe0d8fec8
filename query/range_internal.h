/*
 * range_internal.h - a range aggregation while it runs, shared by range.c, which owns the series,
 * and range_read.c, which makes samples of entries.
 *
 * Threads read; what they find goes into the series in one order, whatever the number of threads,
 * so that a sum of fractions has one last digit only. A thread gathers samples in a batch and gives
 * it to range_fold() when its turn has come.
 */
#ifndef QUERY_RANGE_INTERNAL_H
#define QUERY_RANGE_INTERNAL_H

#include "base/map.h"
#include "query/crew.h"
#include "query/doubles.h"
#include "query/kept_lines.h"
#include "query/pipeline.h"
#include "query/range.h"
#include "query/window.h"

struct range_series {
    struct labels labels;
    struct window_list windows;
    bool has_error;
};

/* Runs of one stream whose times overlap, and no others: what one thread has to read. */
struct range_cluster {
    struct source_run *runs; /* in order of arrival */
    size_t count;
};

struct range_run {
    const struct engine_query *query;
    struct query_context *q;
    const struct expr *e;
    struct pipeline pipeline;
    struct pipeline_samples samples;
    struct name_list by; /* of the grouping, so that labels come out in order */
    struct window_plan plan;
    int64_t start_ns; /* of entries that lie in any window, both inclusive */
    int64_t end_ns;
    struct selection *selection;
    struct range_cluster *clusters;
    size_t cluster_count;
    size_t *items; /* where each item of the crew begins among the clusters, and the last ends */
    size_t item_count;

    /* for the thread whose turn it is */
    struct arena states;
    struct map map; /* labels in stored form -> struct range_series */
    struct range_series **series;
    size_t count;
    size_t capacity;
};

/* A series as one thread knows it. */
struct found_series {
    struct range_series *series; /* for the thread whose turn it is; NULL: not looked up yet */
    struct str key;              /* its labels in stored form */
    uint64_t batch_number;       /* of the batch that it has a sample in, */
    size_t last;                 /* and which one is its last */
};

struct range_sample {
    struct found_series *found;
    struct window_sample sample;
};

enum { RANGE_BATCH_SAMPLES = 32 * 1024 };

/* One of the threads that read. */
struct range_worker {
    struct range_run *run;
    struct query_context q;
    struct arena arena;
    struct reader *reader;
    struct doubles doubles;
    struct arena scratch;
    struct entry_state entry;
    struct buf key;
    struct map map;               /* labels in stored form -> struct found_series */
    struct kept_lines kept;       /* of the block that is read, */
    struct found_series **of_set; /* and for each set of its metadata; NULL: labels may differ */
    struct crew *crew;
    size_t item;
    struct range_sample *batch; /* grows up to RANGE_BATCH_SAMPLES */
    size_t batch_capacity;
    size_t batch_count;
    uint64_t batch_number;
};

/* For a crew: a struct range_worker that works for a struct range_run. */
MUST_CHECK enum status range_worker_begin(void *context, void *worker, struct err *err);
void range_worker_end(void *worker);

/* Read clusters; all their samples have been folded when this returns. */
MUST_CHECK enum status range_read(struct range_worker *w, const struct range_cluster *clusters,
                                  size_t count, struct err *err);

/* Put the samples of a batch into their series. It is the turn of `w`. */
MUST_CHECK enum status range_fold(struct range_run *r, struct range_worker *w);

#endif
