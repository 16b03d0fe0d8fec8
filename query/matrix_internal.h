/*
 * matrix_internal.h - what the operations on matrices share.
 */
#ifndef QUERY_MATRIX_INTERNAL_H
#define QUERY_MATRIX_INTERNAL_H

#include "query/matrix.h"

/* The work since the query was last asked whether it may go on. */
struct pace {
    const struct query_context *q;
    size_t done;
};

enum { PACE_SAMPLES = 65536 };

/* Before about `samples` samples are worked on; fails as query_check() does. */
MUST_CHECK enum status pace_add(struct pace *p, size_t samples, struct err *err);

/* The largest number of labels that a series has. */
size_t matrix_label_max(const struct matrix *m);

/* Leave out the series that have no sample, keeping the order. */
void matrix_compact(struct matrix *m);

bool name_is_listed(struct name_list names, struct str name);

/* The names ascending and each once, in `a`; texts borrowed. */
MUST_CHECK enum status names_sort(struct arena *a, struct name_list names, struct name_list *ret,
                                  struct err *err);

/* What labels_group() gives, in `scratch`, which has room for all labels of `l`. */
struct labels labels_group_into(const struct grouping *g, struct labels l, struct label *scratch);

/* A copy of the list, not of its texts. */
MUST_CHECK enum status labels_copy(struct arena *a, struct labels l, struct labels *ret,
                                   struct err *err);

/* `steps` absent values, or NULL. */
double *values_new(struct arena *a, size_t steps);

#endif
