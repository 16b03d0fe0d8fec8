/*
 * answer.h - what the server answers: JSON text to rows, names and label sets.
 *
 * Ownership  What is made lives in the arena or borrows the body of the answer.
 */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"

/* The parts of an answer. Those without a remark are JSON text; a part that is missing is empty. */
struct answer {
    struct str payload; /* what stands under `data` */
    struct str warnings;

    /* of queries */
    struct str kind; /* streams, matrix, vector or scalar */
    struct str result;
    struct str stats;
};

/* ST_INVALID: this is not JSON, or no answer of this API. */
MUST_CHECK enum status answer_parse(struct str body, struct arena *a, struct answer *ret_answer,
                                    struct err *err);

/* One entry of the result of a log query. */
struct row {
    int64_t ts_ns;
    size_t stream; /* whose labels are its */
    size_t place;  /* in the answer: keeps the order of equal times */
    struct str line;
};

struct page {
    struct labels *streams;
    size_t stream_count;
    size_t stream_capacity;
    struct row *rows;
    size_t row_count;
    size_t row_capacity;
};

/* The rows of a result of streams. */
MUST_CHECK enum status answer_page(const struct answer *answer, struct arena *a,
                                   struct page *ret_page, struct err *err);

struct name_list {
    struct str *items;
    size_t count;
    size_t capacity;
};

/* An array of strings, as labels and their values come. No payload is an empty list. */
MUST_CHECK enum status answer_names(const struct answer *answer, struct arena *a,
                                    struct name_list *ret_names, struct err *err);

struct series_list {
    struct labels *items;
    size_t count;
    size_t capacity;
};

/* An array of label sets, put into order. */
MUST_CHECK enum status answer_series(const struct answer *answer, struct arena *a,
                                     struct series_list *ret_series, struct err *err);

/* The result as indented JSON; numbers keep their digits. */
MUST_CHECK enum status answer_put_result(struct buf *b, const struct answer *answer,
                                         struct arena *a, struct err *err);

/* The same with one line for each sample or series of the result, which is one pair if a scalar. */
MUST_CHECK enum status answer_put_result_lines(struct buf *b, const struct answer *answer,
                                               struct arena *a, struct err *err);

/* What the server wants to be said, one line each. */
void answer_put_warnings(struct buf *b, const struct answer *answer, struct arena *a);

/* The statistics, a line `summary.execTime: 0.25` for each that is not 0. */
void answer_put_stats(struct buf *b, const struct answer *answer, struct arena *a);

#endif
