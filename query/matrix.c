#include "query/matrix.h"

#include <stdlib.h>

#include "query/matrix_internal.h"

#include "base/banned.h"

enum status pace_add(struct pace *p, size_t samples, struct err *err)
{
    p->done += MIN_OF(samples, (size_t)PACE_SAMPLES);
    if (p->done < PACE_SAMPLES)
        return ST_OK;
    p->done = 0;
    return query_check(p->q, err);
}

/* ---- series ---- */

size_t matrix_label_max(const struct matrix *m)
{
    size_t max = 0;

    for (size_t i = 0; i < m->count; i++)
        max = MAX_OF(max, m->series[i].labels.count);
    return max;
}

static bool has_sample(const double *values, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (!value_is_absent(values[i]))
            return true;
    }
    return false;
}

void matrix_compact(struct matrix *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        if (has_sample(m->series[i].values, m->steps))
            m->series[kept++] = m->series[i];
    }
    m->count = kept;
}

double *values_new(struct arena *a, size_t steps)
{
    double *values = arena_new(a, double, steps);

    for (size_t i = 0; values != NULL && i < steps; i++)
        values[i] = value_absent();
    return values;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct matrix_series *)a)->labels,
                      ((const struct matrix_series *)b)->labels);
}

void matrix_sort_by_labels(struct matrix *m)
{
    if (m->count > 1)
        qsort(m->series, m->count, sizeof(*m->series), by_labels);
}

/* ---- labels ---- */

bool name_is_listed(struct name_list names, struct str name)
{
    for (size_t i = 0; i < names.count; i++) {
        if (str_eq(names.names[i], name))
            return true;
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    const struct str *x = a, *y = b;

    return str_cmp(*x, *y);
}

enum status names_sort(struct arena *a, struct name_list names, struct name_list *ret,
                       struct err *err)
{
    struct name_list sorted = {.names = arena_new(a, struct str, names.count)};

    if (sorted.names == NULL)
        return arena_status(a, err);
    if (names.count == 0) {
        *ret = sorted;
        return ST_OK;
    }
    memcpy(sorted.names, names.names, names.count * sizeof(*names.names));
    qsort(sorted.names, names.count, sizeof(*sorted.names), compare_names);
    for (size_t i = 0; i < names.count; i++) {
        if (sorted.count == 0 || !str_eq(sorted.names[sorted.count - 1], sorted.names[i]))
            sorted.names[sorted.count++] = sorted.names[i];
    }
    *ret = sorted;
    return ST_OK;
}

static bool group_keeps(const struct grouping *g, struct str name)
{
    switch (g->kind) {
    case GROUPING_NONE:
        return false;
    case GROUPING_BY:
        return name_is_listed(g->names, name);
    case GROUPING_WITHOUT:
        return !name_is_listed(g->names, name) && !str_eq(name, STR("__name__"));
    }
    return false;
}

struct labels labels_group_into(const struct grouping *g, struct labels l, struct label *scratch)
{
    size_t count = 0;

    for (size_t i = 0; i < l.count; i++) {
        if (group_keeps(g, l.pairs[i].name))
            scratch[count++] = l.pairs[i];
    }
    return (struct labels){scratch, count};
}

enum status labels_copy(struct arena *a, struct labels l, struct labels *ret, struct err *err)
{
    struct label *pairs = arena_new(a, struct label, l.count);

    if (pairs == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < l.count; i++)
        pairs[i] = l.pairs[i];
    *ret = (struct labels){pairs, l.count};
    return ST_OK;
}

enum status labels_group(struct arena *a, const struct grouping *g, struct labels l,
                         struct labels *ret, struct err *err)
{
    struct label *pairs = arena_new(a, struct label, l.count);

    if (pairs == NULL)
        return arena_status(a, err);
    *ret = labels_group_into(g, l, pairs);
    return ST_OK;
}
