/*
 * binary_sets.c - `and`, `unless` and `or` between vectors.
 *
 * A sample of one side stays or goes by whether the other side has any sample of the same key at
 * that step. So the samples of a key are folded into one column, which says where there is one.
 */
#include "query/binary_internal.h"

#include "base/banned.h"

_Static_assert(BINARY_OP_OR < BINARY_OP_AND && BINARY_OP_AND < BINARY_OP_UNLESS &&
                   BINARY_OP_UNLESS < BINARY_OP_ADD,
               "set operators are first");

/* What `side` has at which step: a column for each number of j->keys. */
static enum status fold_presence(struct join *j, const struct matrix *side, bool ***ret_columns)
{
    bool **columns = arena_new(j->arena, bool *, side->count);

    if (columns == NULL)
        return arena_status(j->arena, j->err);
    for (size_t i = 0; i < side->count; i++) {
        const struct matrix_series *s = &side->series[i];
        size_t number;

        enum status st = pace_add(&j->pace, side->steps + join_work(j, s->labels), j->err);
        if (st == ST_OK)
            st = label_index_add(&j->keys, join_key(j, s->labels), &number, j->err);
        if (st != ST_OK)
            return st;
        if (columns[number] == NULL)
            columns[number] = arena_new(j->arena, bool, side->steps);
        if (columns[number] == NULL)
            return arena_status(j->arena, j->err);
        for (size_t step = 0; step < side->steps; step++) {
            if (!value_is_absent(s->values[step]))
                columns[number][step] = true;
        }
    }
    *ret_columns = columns;
    return ST_OK;
}

/* Take away the samples of `m` where `other` has, or has not, one of the same key. */
static enum status mask(struct join *j, struct matrix *m, const struct matrix *other,
                        bool where_present)
{
    bool **columns = NULL;

    enum status st = fold_presence(j, other, &columns);
    for (size_t i = 0; st == ST_OK && i < m->count; i++) {
        struct matrix_series *s = &m->series[i];
        size_t number = LABEL_INDEX_NONE;

        st = pace_add(&j->pace, m->steps + join_work(j, s->labels), j->err);
        if (st == ST_OK)
            st = label_index_find(&j->keys, join_key(j, s->labels), &number, j->err);
        for (size_t step = 0; st == ST_OK && step < m->steps; step++) {
            bool present = number != LABEL_INDEX_NONE && columns[number][step];
            if (present == where_present)
                s->values[step] = value_absent();
        }
    }
    matrix_compact(m);
    return st;
}

/* Put the samples of `from` into `to`; false, with nothing done, if both have one at some step. */
static bool fill(double *to, const double *from, size_t steps)
{
    for (size_t i = 0; i < steps; i++) {
        if (!value_is_absent(to[i]) && !value_is_absent(from[i]))
            return false;
    }
    for (size_t i = 0; i < steps; i++) {
        if (!value_is_absent(from[i]))
            to[i] = from[i];
    }
    return true;
}

/*
 * Both sides in one matrix. A series of the right side goes on in that of the left side with the
 * same labels, if there is one.
 */
static enum status unite(struct join *j, struct matrix left, struct matrix right,
                         struct matrix *ret)
{
    struct matrix out = {.steps = left.steps, .ordered = left.ordered || right.ordered};
    struct label_index all;

    out.series = arena_new(j->arena, struct matrix_series, left.count + right.count);
    size_t *places = arena_new(j->arena, size_t, left.count + right.count);
    if (out.series == NULL || places == NULL)
        return arena_status(j->arena, j->err);
    if (out.ordered && !left.ordered)
        matrix_sort_by_labels(&left);
    if (out.ordered && !right.ordered)
        matrix_sort_by_labels(&right);
    label_index_init(&all, j->arena);
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < left.count + right.count; i++) {
        struct matrix_series s = i < left.count ? left.series[i] : right.series[i - left.count];
        size_t known = all.count, number;

        st = pace_add(&j->pace, out.steps, j->err);
        if (st == ST_OK)
            st = label_index_add(&all, s.labels, &number, j->err);
        if (st != ST_OK)
            break;
        if (number == known)
            places[number] = out.count;
        else if (i >= left.count && fill(out.series[places[number]].values, s.values, out.steps))
            continue;
        out.series[out.count++] = s;
    }
    label_index_release(&all);
    if (st == ST_OK)
        *ret = out;
    return st;
}

enum status join_sets(struct join *j, struct matrix left, struct matrix right, struct matrix *ret)
{
    enum binary_op op = j->e->binary.op;

    if (op == BINARY_OP_OR) {
        enum status st = mask(j, &right, &left, true);
        return st == ST_OK ? unite(j, left, right, ret) : st;
    }
    enum status st = mask(j, &left, &right, op == BINARY_OP_UNLESS);
    if (st == ST_OK)
        *ret = left;
    return st;
}
