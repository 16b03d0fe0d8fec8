/*
 * result.h - the results of queries, of every kind, on their way to standard output.
 *
 * Entries are printed line by line (format.h). Samples are JSON, because their series have no form
 * that is easier to read and still whole: indented, or with --output=jsonl a line for each series.
 */
#ifndef CLI_RESULT_H
#define CLI_RESULT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/answer.h"
#include "cli/flags.h"
#include "cli/format.h"
#include "cli/lookup.h"

struct result {
    struct lookup lookup; /* --output and --quiet count */
    struct format format; /* its output, terminal and colours are set by result_begin() */
    bool stats;
    struct buf common; /* the common labels as printed last */
};

/* --stats, and how entries are printed. The flags of the lookup are groups of their own. */
struct flag_group result_flag_group(struct result *r);

/* --stats alone, for what never has entries. */
struct flag_group result_stats_flag_group(struct result *r);

/* Before and after the pages; what has samples alone needs neither. */
void result_begin(struct result *r);
void result_end(struct result *r);

/* Print entries, and before them their common labels if those have changed. */
MUST_CHECK enum status result_print_page(struct result *r, const struct page *page, struct arena *a,
                                         struct err *err);

/* Print a vector, matrix or scalar. */
MUST_CHECK enum status result_print_samples(const struct result *r, const struct answer *answer,
                                            struct arena *a, struct err *err);

/* What the answer says besides its result, on standard error. */
void result_print_notes(const struct result *r, const struct answer *answer, struct arena *a);

#endif
