#include "query/template_decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"

#include "base/banned.h"

enum {
    DIVISION_DECIMALS = 16,
    FLOAT_DIGITS_MAX = 17,
    EXPONENT_TEXT_BYTES = 32,
};

void decimal_set(struct decimal *d, double v)
{
    char digits[32];
    int exponent;

    ASSERT(isfinite(v));
    d->negative = v < 0;
    d->count = 0;
    d->exponent = 0;
    if (v == 0)
        return;
    int count = num_shortest(v, digits, &exponent);
    ASSERT(count <= FLOAT_DIGITS_MAX);
    for (int i = 0; i < count; i++)
        d->digits[i] = (uint8_t)(digits[i] - '0');
    d->count = (size_t)count;
    d->exponent = exponent - count;
}

double decimal_value(const struct decimal *d)
{
    char text[DECIMAL_DIGITS_MAX + EXPONENT_TEXT_BYTES];
    size_t len = 0;

    if (d->count == 0)
        return 0;
    if (d->negative)
        text[len++] = '-';
    for (size_t i = 0; i < d->count; i++)
        text[len++] = (char)('0' + d->digits[i]);
    (void)snprintf(text + len, sizeof(text) - len, "e%lld", (long long)d->exponent);
    return strtod(text, NULL);
}

/* The digits of a float as one integer. */
static uint64_t coefficient(const struct decimal *d)
{
    uint64_t v = 0;

    ASSERT(d->count <= FLOAT_DIGITS_MAX);
    for (size_t i = 0; i < d->count; i++)
        v = v * 10 + d->digits[i];
    return v;
}

/* Append zeros, so that the exponent becomes `exponent`, which is not above it. */
static bool lower_exponent(struct decimal *d, int64_t exponent)
{
    int64_t zeros = d->exponent - exponent;

    ASSERT(zeros >= 0);
    if (zeros > DECIMAL_DIGITS_MAX - (int64_t)d->count)
        return false;
    memset(d->digits + d->count, 0, (size_t)zeros);
    d->count += (size_t)zeros;
    d->exponent = exponent;
    return true;
}

static void strip_leading_zeros(struct decimal *d)
{
    size_t zeros = 0;

    while (zeros < d->count && d->digits[zeros] == 0)
        zeros++;
    memmove(d->digits, d->digits + zeros, d->count - zeros);
    d->count -= zeros;
    if (d->count == 0)
        d->negative = false;
}

/* Digit `i` from the right. */
static int digit(const struct decimal *d, size_t i)
{
    return i < d->count ? d->digits[d->count - 1 - i] : 0;
}

/* Of two with one exponent. */
static bool is_smaller(const struct decimal *a, const struct decimal *b)
{
    if (a->count != b->count)
        return a->count < b->count;
    return memcmp(a->digits, b->digits, a->count) < 0;
}

/* Both have the same exponent; `ret` may be neither. */
static bool add_digits(const struct decimal *a, const struct decimal *b, int sign,
                       struct decimal *ret)
{
    size_t count = MAX_OF(a->count, b->count) + 1;
    int carry = 0;

    if (count > DECIMAL_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        int v = digit(a, i) + sign * digit(b, i) + carry;
        carry = v < 0 ? -1 : v / 10;
        ret->digits[count - 1 - i] = (uint8_t)(v - carry * 10);
    }
    ASSERT(carry == 0);
    ret->count = count;
    return true;
}

static bool add_decimal(struct decimal *d, struct decimal *other)
{
    struct decimal sum = {.negative = d->negative};
    int64_t exponent = MIN_OF(d->exponent, other->exponent);

    if (other->count == 0)
        return true;
    if (d->count == 0) {
        *d = *other;
        return true;
    }
    if (!lower_exponent(d, exponent) || !lower_exponent(other, exponent))
        return false;
    bool swap = is_smaller(d, other);
    sum.exponent = exponent;
    sum.negative = swap ? other->negative : d->negative;
    if (!add_digits(swap ? other : d, swap ? d : other, d->negative == other->negative ? 1 : -1,
                    &sum))
        return false;
    strip_leading_zeros(&sum);
    *d = sum;
    return true;
}

bool decimal_add(struct decimal *d, double v)
{
    struct decimal other;

    decimal_set(&other, v);
    return add_decimal(d, &other);
}

bool decimal_sub(struct decimal *d, double v)
{
    return decimal_add(d, -v);
}

bool decimal_mul(struct decimal *d, double v)
{
    struct decimal other;
    uint64_t carry = 0;

    decimal_set(&other, v);
    uint64_t factor = coefficient(&other);
    if (d->count + FLOAT_DIGITS_MAX > DECIMAL_DIGITS_MAX)
        return false;
    memmove(d->digits + FLOAT_DIGITS_MAX, d->digits, d->count);
    memset(d->digits, 0, FLOAT_DIGITS_MAX);
    d->count += FLOAT_DIGITS_MAX;
    for (size_t i = d->count; i-- > 0;) {
        uint64_t product = d->digits[i] * factor + carry;
        d->digits[i] = (uint8_t)(product % 10);
        carry = product / 10;
    }
    ASSERT(carry == 0);
    d->exponent += other.exponent;
    d->negative = d->negative != other.negative;
    strip_leading_zeros(d);
    return true;
}

/* Add one to the last digit; room for one more there must be. */
static bool round_up(struct decimal *d)
{
    struct decimal one = {.count = 1, .digits = {1}}, sum = {.exponent = d->exponent};

    if (!add_digits(d, &one, 1, &sum))
        return false;
    sum.negative = d->negative;
    strip_leading_zeros(&sum);
    *d = sum;
    return true;
}

bool decimal_div(struct decimal *d, double v)
{
    struct decimal other;
    uint64_t rest = 0;

    decimal_set(&other, v);
    ASSERT(other.count > 0);
    uint64_t divisor = coefficient(&other);
    /* The quotient of the digits is to have the exponent -DIVISION_DECIMALS. */
    int64_t wanted = other.exponent - DIVISION_DECIMALS;
    bool negative = d->negative != other.negative;
    if (d->exponent >= wanted && !lower_exponent(d, wanted))
        return false;
    int64_t cut = wanted - d->exponent; /* digits that only decide on rounding */
    ASSERT(cut >= 0);
    size_t kept = cut >= (int64_t)d->count ? 0 : d->count - (size_t)cut;
    for (size_t i = 0; i < kept; i++) {
        rest = rest * 10 + d->digits[i];
        d->digits[i] = (uint8_t)(rest / divisor);
        rest %= divisor;
    }
    /* Is what remains, rest.d1d2d3..., at least half of the divisor? The first digit decides. */
    uint64_t next = cut > 0 && cut <= (int64_t)d->count ? d->digits[kept] : 0;
    bool up = rest * 20 + next * 2 >= divisor * 10;
    d->count = kept;
    d->exponent = -DIVISION_DECIMALS;
    d->negative = negative;
    if (up && !round_up(d))
        return false;
    d->negative = negative;
    strip_leading_zeros(d);
    return true;
}
