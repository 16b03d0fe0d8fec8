/*
 * source.h - what the engine needs from storage.
 *
 * A selection is the streams that a selector matches and their entries in a time range. Entries
 * come as runs: a run is what one chunk, or one head in memory, holds of one stream, cut into
 * blocks. A run costs nothing until it is opened, a block nothing until it is loaded, so an engine
 * that wants the newest hundred lines reads only the blocks that can hold them.
 *
 * The store implements this; tests do with an array of entries.
 */
#ifndef QUERY_SOURCE_H
#define QUERY_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "index/matcher.h"
#include "proto/entry.h"
#include "proto/labels.h"
#include "query/context.h"

struct source_request {
    struct str tenant;
    struct matcher_list matchers;
    int64_t start_ns; /* inclusive */
    int64_t end_ns;   /* inclusive */
    bool backward;    /* newest runs first */
};

struct source_stream {
    struct labels labels;
    uint64_t hash; /* labels_hash(): the order of streams where times are equal */
};

/* < 0, 0 or > 0: by hash, then by labels. */
int source_stream_compare(const struct source_stream *a, const struct source_stream *b);

/* Bounds of the entries a run may hold. */
struct source_run {
    const struct source_stream *stream; /* NULL until the run is identified or opened */
    int64_t min_ns;
    int64_t max_ns;
    uint64_t order; /* entries of one stream and time: the run with the lower one came first */
    bool inexact;   /* set when it is opened: there may be no entry at its bounds */
    void *handle;   /* the source's own */
};

/* Sums over entries. */
struct source_totals {
    uint64_t entries;
    uint64_t line_bytes;
    uint64_t metadata_bytes; /* names and values of structured metadata */
};

struct source_block {
    uint32_t entries;
    int64_t min_ns;
    int64_t max_ns;
    uint64_t line_bytes;
    bool metadata_shadows; /* metadata may have a name that is a label of the stream */
    bool inexact; /* there may be less of everything: only loading it tells how many there are */
};

/* What of a block is needed: these or'ed together. */
enum source_columns {
    SOURCE_TIMES = 1,
    SOURCE_LENGTHS = 2,
    SOURCE_METADATA = 4,
    SOURCE_LINES = 8, /* with SOURCE_LENGTHS */
    SOURCE_ALL = 15,
};

struct selection;
struct reader;

struct source {
    /*
     * Begin. Everything lives in `q->arena`; selection_end() is called by the engine in any case
     * when this returned ST_OK.
     */
    enum status (*select)(struct source *s, struct query_context *q,
                          const struct source_request *request, struct selection **ret_selection,
                          struct err *err);
};

/*
 * Threads  next_runs() and reader() are for the one thread that began; the other calls may come
 * from any thread.
 */
struct selection {
    /*
     * The next runs, in no order. Entries of runs that are still to come are all at or before
     * (backward; else: at or behind) `*ret_bound_ns`. ST_NOT_FOUND: there are no more.
     */
    enum status (*next_runs)(struct selection *s, struct source_run **ret_runs, size_t *ret_count,
                             int64_t *ret_bound_ns, struct err *err);

    /* Find the stream of a run. */
    enum status (*identify)(struct selection *s, struct source_run *run, struct err *err);

    /* What an identified run holds in all, without opening it; no entries: only opening it tells.
     */
    struct source_totals (*totals)(struct selection *s, const struct source_run *run);

    /* Has the stream of a run any entry after `ts_ns`, inside the selection's range or not? */
    enum status (*has_later)(struct selection *s, const struct source_run *run, int64_t ts_ns,
                             bool *ret_later, struct err *err);

    /*
     * Begin to read runs. Everything lives in `q->arena`, and what is read is counted in
     * `q->stats`; the reader is given back with its release().
     */
    enum status (*reader)(struct selection *s, struct query_context *q, struct reader **ret_reader,
                          struct err *err);

    /* All readers have been released. */
    void (*end)(struct selection *s);
};

/* Reads one run after the other. Threads: one at a time; any number of readers side by side. */
struct reader {
    /* The blocks of a run in order of time, none overlapping the next. Identifies it, too. */
    enum status (*open_run)(struct reader *r, struct source_run *run,
                            const struct source_block **ret_blocks, uint32_t *ret_count,
                            struct err *err);

    /*
     * May a line of a block of the run opened last hold `text`, its ASCII letters in any case?
     * False is for sure, and saves loading the block.
     */
    bool (*may_contain)(struct reader *r, uint32_t block, struct str text);

    /*
     * Load columns of a block of the run opened last into `block`, which is zeroed before the first
     * load and valid until another block is loaded. More columns may be added by further loads;
     * metadata comes with the last of them. The source may give more than it is asked for.
     */
    enum status (*load)(struct reader *r, uint32_t block, unsigned columns, struct block *ret_block,
                        struct err *err);

    void (*release)(struct reader *r);
};

#endif
