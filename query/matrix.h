/*
 * matrix.h - series of values at the steps of a query, and the operations on them.
 *
 * An instant query is a matrix of one step. A value that is not there is a NaN of a special
 * payload, value_absent(): no operation makes it by computing, since every NaN that comes from
 * outside is the ordinary one. Operations work on whole series at once; what labels have to do
 * with each other is looked at once for all steps.
 *
 * Ownership  Everything is made in the arena of the query; labels and values of an input may be
 *            shared by the output, and an operation may write into the values of its inputs, so an
 *            input is not used any more afterwards.
 */
#ifndef QUERY_MATRIX_H
#define QUERY_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "proto/labels.h"
#include "query/ast.h"
#include "query/context.h"

struct matrix_series {
    struct labels labels; /* ascending by name */
    double *values;       /* `steps` of them, absent where there is no sample */
};

struct matrix {
    struct matrix_series *series; /* two may have the same labels, after label_replace() */
    size_t count;
    size_t steps;
    bool is_scalar; /* a literal: one series without labels */
    bool ordered; /* sort or sort_desc was applied: the order of the series is part of the answer */
};

#define VALUE_ABSENT_BITS UINT64_C(0x7ff8000000ab5e27)

static inline double value_of_bits(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static inline bool value_has_bits(double v, uint64_t bits)
{
    uint64_t own;

    memcpy(&own, &v, sizeof(own));
    return own == bits;
}

static inline double value_absent(void)
{
    return value_of_bits(VALUE_ABSENT_BITS);
}

static inline bool value_is_absent(double v)
{
    return value_has_bits(v, VALUE_ABSENT_BITS);
}

/* Aggregate as `e`, an EXPR_VECTOR_AGGREGATION, says. ST_LIMIT: the arena is full. */
MUST_CHECK enum status matrix_aggregate(const struct query_context *q, const struct expr *e,
                                        struct matrix in, struct matrix *ret, struct err *err);

/*
 * Combine both sides as `e`, an EXPR_BINARY, says.
 *
 * ST_INTERNAL  the sides do not match one to one, or as grouping asks; `err` has the text for the
 *              client
 */
MUST_CHECK enum status matrix_binary(const struct query_context *q, const struct expr *e,
                                     struct matrix left, struct matrix right, struct matrix *ret,
                                     struct err *err);

/* label_replace(): `e` is an EXPR_LABEL_REPLACE. */
MUST_CHECK enum status matrix_label_replace(const struct query_context *q, const struct expr *e,
                                            struct matrix in, struct matrix *ret, struct err *err);

/* Ascending by labels: names and values pairwise, the shorter set first. */
void matrix_sort_by_labels(struct matrix *m);

/* The labels that `g` keeps of `l`: the listed ones that are there, or all others. */
MUST_CHECK enum status labels_group(struct arena *a, const struct grouping *g, struct labels l,
                                    struct labels *ret, struct err *err);

#endif
