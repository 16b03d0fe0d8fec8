/*
 * num.h - checked arithmetic, and numbers from and to text.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* False when the result does not fit; `*ret` is then undefined. */
static inline bool i64_add(int64_t a, int64_t b, int64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

static inline bool i64_sub(int64_t a, int64_t b, int64_t *ret)
{
    return !__builtin_sub_overflow(a, b, ret);
}

/* The nearest number that fits. */
static inline int64_t i64_add_saturated(int64_t a, int64_t b)
{
    int64_t sum;

    return i64_add(a, b, &sum) ? sum : b < 0 ? INT64_MIN : INT64_MAX;
}

static inline int64_t i64_sub_saturated(int64_t a, int64_t b)
{
    int64_t difference;

    return i64_sub(a, b, &difference) ? difference : b < 0 ? INT64_MAX : INT64_MIN;
}

static inline bool i64_mul(int64_t a, int64_t b, int64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

/* The largest multiple of `unit` (> 0) that is not above `v`; INT64_MIN when that does not fit. */
static inline int64_t i64_floor_to(int64_t v, int64_t unit)
{
    int64_t rest = v % unit, floor = v - rest;

    if (rest < 0 && !i64_sub(floor, unit, &floor))
        return INT64_MIN;
    return floor;
}

/*
 * All of `s` as decimal digits (num_parse_i64(): with an optional sign).
 *
 * ST_INVALID  something else stands there, or nothing
 * ST_LIMIT    the number does not fit
 */
MUST_CHECK enum status num_parse_u64(struct str s, uint64_t *ret);
MUST_CHECK enum status num_parse_i64(struct str s, int64_t *ret);

/*
 * All of `s` as a float, as Go's strconv.ParseFloat reads it: optional sign, decimal with fraction
 * and exponent, hexadecimal only with a `p` exponent, `inf`, `infinity` and `nan` in any case, `_`
 * only between digits.
 *
 * ST_INVALID  not a number
 * ST_LIMIT    too large; `*ret` is then an infinity of the right sign
 * ST_NOMEM    no memory to look at it
 */
enum status num_parse_double(struct str s, double *ret);

/*
 * The shortest decimal that reads back as `v`, never with an exponent: Go's FormatFloat(v, 'f', -1,
 * 64) with `NaN`, `+Inf` and `-Inf`; negative zero is `0`.
 */
void num_put_double(struct buf *b, double v);

/* Fewest digits that read back as `v`: `digits` gets them (up to 17), the value is 0.digits *
 * 10^exp. */
int num_shortest(double v, char digits[32], int *ret_exponent);

/* Bytes with a unit as people write them in settings: "256KB", "1.5MiB", "100B", "4096"; K = 1024.
 */
MUST_CHECK enum status num_parse_bytes(struct str s, uint64_t *ret_bytes);

#endif
