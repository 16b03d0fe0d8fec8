/*
 * template_decimal.h - exact decimal arithmetic on floats, as addf and its like do it.
 *
 * A float stands for the shortest decimal that reads back as it (at most 17 digits). A result may
 * grow up to DECIMAL_DIGITS_MAX digits; each operation takes one such result and one float.
 */
#ifndef QUERY_TEMPLATE_DECIMAL_H
#define QUERY_TEMPLATE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"

enum { DECIMAL_DIGITS_MAX = 2048 }; /* the sum of the largest and the smallest float has 650 */

/* (-1)^negative * digits * 10^exponent; the highest digit comes first, and is not 0. */
struct decimal {
    bool negative;
    size_t count; /* 0: the number is zero */
    int64_t exponent;
    uint8_t digits[DECIMAL_DIGITS_MAX];
};

/* `v` is finite. */
void decimal_set(struct decimal *d, double v);
double decimal_value(const struct decimal *d);

/* False: the result has too many digits, `d` is undefined. */
MUST_CHECK bool decimal_add(struct decimal *d, double v);
MUST_CHECK bool decimal_sub(struct decimal *d, double v);
MUST_CHECK bool decimal_mul(struct decimal *d, double v);

/* Rounded to 16 decimals, halves away from zero; `v` is not zero. */
MUST_CHECK bool decimal_div(struct decimal *d, double v);

#endif
