/*
 * binary_internal.h - what the kinds of binary operations share.
 */
#ifndef QUERY_BINARY_INTERNAL_H
#define QUERY_BINARY_INTERNAL_H

#include "query/label_index.h"
#include "query/matrix_internal.h"

/*
 * What a comparison gives where it does not hold. To those who look for matches that is a sample,
 * so it is another NaN than value_absent() until all is matched.
 */
static inline double value_filtered(void)
{
    return value_of_bits(VALUE_ABSENT_BITS + 1);
}

static inline bool value_is_filtered(double v)
{
    return value_has_bits(v, VALUE_ABSENT_BITS + 1);
}

/* Arithmetic or a comparison on two samples; the one that a comparison keeps is `a` or `b`. */
struct operation {
    enum binary_op op;
    bool return_bool;
    bool keeps_right;
};

/* Both are samples; the result is one, or value_filtered(). */
double operation_apply(const struct operation *o, double a, double b);

/* A binary operation between vectors while it runs. */
struct join {
    const struct expr *e;
    struct arena *arena;
    struct pace pace;
    struct label_index keys; /* of the labels that have to be equal */
    struct label *scratch;   /* room for the labels of any series and those that are included */
    struct err *err;
};

/* The labels of `l` that have to be equal on both sides, in the scratch space. */
struct labels join_key(struct join *j, struct labels l);

/* How much that is, in samples. */
size_t join_work(const struct join *j, struct labels l);

/* and, or, unless. */
MUST_CHECK enum status join_sets(struct join *j, struct matrix left, struct matrix right,
                                 struct matrix *ret);

/* Arithmetic and comparisons. */
MUST_CHECK enum status join_samples(struct join *j, struct matrix left, struct matrix right,
                                    struct matrix *ret);

#endif
