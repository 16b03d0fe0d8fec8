#include "query/constant.h"

#include <math.h>

#include "base/num.h"

#include "base/banned.h"

/* The value of an expression at any time: there is one series without labels, or none. */
struct constant {
    bool is_vector; /* else a literal */
    bool present;
    double v;
};

bool constant_is(const struct expr *e)
{
    if (e->kind == EXPR_BINARY)
        return constant_is(e->binary.left) && constant_is(e->binary.right);
    return e->kind == EXPR_LITERAL || e->kind == EXPR_VECTOR;
}

static double arithmetic(enum binary_op op, double a, double b)
{
    switch (op) {
    case BINARY_OP_ADD:
        return a + b;
    case BINARY_OP_SUB:
        return a - b;
    case BINARY_OP_MUL:
        return a * b;
    case BINARY_OP_DIV:
        return b == 0 ? NAN : a / b;
    case BINARY_OP_MOD:
        return b == 0 ? NAN : fmod(a, b);
    default:
        ASSERT(op == BINARY_OP_POW);
        return pow(a, b);
    }
}

static bool comparison(enum binary_op op, double a, double b)
{
    switch (op) {
    case BINARY_OP_EQ:
        return a == b;
    case BINARY_OP_NEQ:
        return a != b;
    case BINARY_OP_GT:
        return a > b;
    case BINARY_OP_GTE:
        return a >= b;
    case BINARY_OP_LT:
        return a < b;
    default:
        ASSERT(op == BINARY_OP_LTE);
        return a <= b;
    }
}

static struct constant set_operation(enum binary_op op, struct constant a, struct constant b)
{
    switch (op) {
    case BINARY_OP_AND:
        a.present = a.present && b.present;
        return a;
    case BINARY_OP_UNLESS:
        a.present = a.present && !b.present;
        return a;
    default:
        return a.present ? a : b;
    }
}

static struct constant evaluate(const struct expr *e)
{
    if (e->kind != EXPR_BINARY)
        return (struct constant){e->kind == EXPR_VECTOR, true, e->number};

    struct constant a = evaluate(e->binary.left), b = evaluate(e->binary.right);
    enum binary_op op = e->binary.op;
    struct constant result = {.is_vector = a.is_vector || b.is_vector,
                              .present = a.present && b.present};

    if (op == BINARY_OP_OR || op == BINARY_OP_AND || op == BINARY_OP_UNLESS)
        return set_operation(op, a, b);
    if (op < BINARY_OP_EQ) {
        result.v = arithmetic(op, a.v, b.v);
        return result;
    }
    bool holds = comparison(op, a.v, b.v);
    if (e->binary.modifier.return_bool) {
        result.v = holds ? 1 : 0;
    } else {
        result.v = a.is_vector ? a.v : b.v; /* the sample that is compared stays */
        result.present = result.present && holds;
    }
    return result;
}

static enum status fill_series(const struct engine_query *q, struct constant c,
                               struct series *ret_series, struct err *err)
{
    struct arena *a = q->context->arena;
    int64_t first_ns = q->end_ns, count = 1;

    if (!q->instant) {
        first_ns = i64_floor_to(q->start_ns, q->step_ns);
        int64_t last_ns = -i64_floor_to(-q->end_ns, q->step_ns);
        count = (last_ns - first_ns) / q->step_ns + 1;
    }
    struct sample *samples = arena_new(a, struct sample, (size_t)count);
    if (samples == NULL)
        return arena_status(a, err);
    for (int64_t i = 0; i < count; i++)
        samples[i] = (struct sample){first_ns + i * q->step_ns, c.v};
    *ret_series = (struct series){.samples = samples, .count = (size_t)count};
    return ST_OK;
}

enum status constant_run(const struct engine_query *q, struct result *ret_result, struct err *err)
{
    struct constant c = evaluate(q->expr);
    struct result r = {.kind = !q->instant   ? RESULT_MATRIX
                               : c.is_vector ? RESULT_VECTOR
                                             : RESULT_SCALAR};

    r.series = arena_new(q->context->arena, struct series, 1);
    if (r.series == NULL)
        return arena_status(q->context->arena, err);
    if (c.present) {
        enum status st = fill_series(q, c, &r.series[0], err);
        if (st != ST_OK)
            return st;
        r.series_count = 1;
    }
    *ret_result = r;
    return ST_OK;
}
