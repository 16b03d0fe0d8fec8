/*
 * binary.c - binary operations: what they do with two numbers, and with a number and a vector.
 *
 * Between vectors, binary_sets.c and binary_samples.c do the matching.
 */
#include "query/arithmetic.h"
#include "query/binary_internal.h"

#include "base/banned.h"

/* ---- two numbers ---- */

double operation_apply(const struct operation *o, double a, double b)
{
    double result = arithmetic(o->op, a, b);

    if (o->op < BINARY_OP_EQ || o->return_bool)
        return result;
    if (result == 0) /* the comparison does not hold */
        return value_filtered();
    return o->keeps_right ? b : a;
}

/* ---- a number and a vector ---- */

/* A comparison keeps the sample of the vector; between two numbers it gives 1 or 0. */
static enum status with_scalar(struct join *j, struct matrix left, struct matrix right,
                               struct matrix *ret)
{
    struct operation o = {.op = j->e->binary.op,
                          .return_bool = j->e->binary.modifier.return_bool ||
                                         (left.is_scalar && right.is_scalar),
                          .keeps_right = left.is_scalar};
    struct matrix out = left.is_scalar ? right : left;
    const struct matrix *scalar = left.is_scalar ? &left : &right;

    ASSERT(scalar->count == 1);
    for (size_t i = 0; i < out.count; i++) {
        enum status st = pace_add(&j->pace, out.steps, j->err);
        if (st != ST_OK)
            return st;
        double *v = out.series[i].values;
        for (size_t step = 0; step < out.steps; step++) {
            double number = scalar->series[0].values[step];
            if (value_is_absent(v[step]))
                continue;
            v[step] = left.is_scalar ? operation_apply(&o, number, v[step])
                                     : operation_apply(&o, v[step], number);
            if (value_is_filtered(v[step]))
                v[step] = value_absent();
        }
    }
    matrix_compact(&out);
    *ret = out;
    return ST_OK;
}

/* ---- two vectors ---- */

/* Labels without a value do not count: they are the same as labels that are not there. */
struct labels join_key(struct join *j, struct labels l)
{
    const struct binary_modifier *m = &j->e->binary.modifier;
    size_t count = 0;

    for (size_t i = 0; i < l.count; i++) {
        if (l.pairs[i].value.len > 0 && name_is_listed(m->matching, l.pairs[i].name) == m->on)
            j->scratch[count++] = l.pairs[i];
    }
    return (struct labels){j->scratch, count};
}

size_t join_work(const struct join *j, struct labels l)
{
    return l.count * (1 + j->e->binary.modifier.matching.count);
}

enum status matrix_binary(const struct query_context *q, const struct expr *e, struct matrix left,
                          struct matrix right, struct matrix *ret, struct err *err)
{
    const struct binary_modifier *m = &e->binary.modifier;
    struct join j = {.e = e, .arena = q->arena, .pace = {.q = q}, .err = err};

    ASSERT(e->kind == EXPR_BINARY);
    ASSERT(left.steps == right.steps);
    if (left.is_scalar || right.is_scalar)
        return with_scalar(&j, left, right, ret);
    ASSERT(m->has_matching || (!m->on && m->matching.count == 0)); /* all labels count */
    size_t label_max = MAX_OF(matrix_label_max(&left), matrix_label_max(&right));
    j.scratch = arena_new(q->arena, struct label, label_max + m->include.count);
    if (j.scratch == NULL)
        return arena_status(q->arena, err);
    label_index_init(&j.keys, q->arena);
    enum status st = e->binary.op <= BINARY_OP_UNLESS ? join_sets(&j, left, right, ret)
                                                      : join_samples(&j, left, right, ret);
    label_index_release(&j.keys);
    return st;
}
