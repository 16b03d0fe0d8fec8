#include "query/arithmetic.h"

#include <math.h>

#include "base/banned.h"

double arithmetic(enum binary_op op, double a, double b)
{
    ASSERT(op != BINARY_OP_OR && op != BINARY_OP_AND && op != BINARY_OP_UNLESS);
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
    case BINARY_OP_POW:
        return pow(a, b);
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
    case BINARY_OP_LTE:
        return a <= b;
    case BINARY_OP_OR:
    case BINARY_OP_AND:
    case BINARY_OP_UNLESS:
        break; /* operators on vectors: refused above */
    }
    return NAN;
}
