/*
 * arithmetic.h - the binary operators on two numbers, for literals and for samples.
 */
#ifndef QUERY_ARITHMETIC_H
#define QUERY_ARITHMETIC_H

#include "query/ast.h"

/*
 * `op` is not a set operator. A comparison gives 1 or 0; a division by zero, and its remainder, is
 * NaN.
 */
double arithmetic(enum binary_op op, double a, double b);

#endif
