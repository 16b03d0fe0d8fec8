#include "base/num.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum status num_parse_u64(struct str s, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.len == 0)
        return ST_INVALID;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.ptr[i]))
            return ST_INVALID;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return ST_LIMIT;
    }
    *ret = v;
    return ST_OK;
}

enum status num_parse_i64(struct str s, int64_t *ret)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t v;

    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'))
        s = str_cut(s, 1);
    enum status st = num_parse_u64(s, &v);
    if (st != ST_OK)
        return st;
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return ST_LIMIT;
    *ret = negative ? (int64_t)-v : (int64_t)v;
    return ST_OK;
}

static bool is_hex_digit(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_digit_of(char c, bool hex)
{
    return hex ? is_hex_digit(c) : is_digit(c);
}

/* Append the digits at the front of `*in` to `b`, leaving out `_` between two of them. */
static bool take_digits(struct str *in, bool hex, struct buf *b, size_t *ret_count)
{
    size_t count = 0;

    while (in->len > 0) {
        char c = in->ptr[0];
        if (c == '_') {
            if (count == 0 || in->len < 2 || !is_digit_of(in->ptr[1], hex))
                return false;
        } else if (is_digit_of(c, hex)) {
            buf_put_char(b, c);
            count++;
        } else {
            break;
        }
        *in = str_cut(*in, 1);
    }
    *ret_count = count;
    return true;
}

/* Check the form of an unsigned float and copy it to `b` without underscores. */
static bool float_form(struct str in, struct buf *b)
{
    size_t whole = 0, fraction = 0, exponent = 0;
    bool hex = in.len > 2 && in.ptr[0] == '0' && (in.ptr[1] | 0x20) == 'x';

    if (hex) {
        buf_put(b, STR("0x"));
        in = str_cut(in, in.ptr[2] == '_' && in.len > 3 && is_hex_digit(in.ptr[3]) ? 3 : 2);
    }
    if (!take_digits(&in, hex, b, &whole))
        return false;
    if (in.len > 0 && in.ptr[0] == '.') {
        buf_put_char(b, '.');
        in = str_cut(in, 1);
        if (!take_digits(&in, hex, b, &fraction))
            return false;
    }
    if (whole + fraction == 0)
        return false;
    if (in.len == 0)
        return !hex; /* a hexadecimal float needs its exponent */
    if ((in.ptr[0] | 0x20) != (hex ? 'p' : 'e'))
        return false;
    buf_put_char(b, in.ptr[0]);
    in = str_cut(in, 1);
    if (in.len > 0 && (in.ptr[0] == '+' || in.ptr[0] == '-')) {
        buf_put_char(b, in.ptr[0]);
        in = str_cut(in, 1);
    }
    return take_digits(&in, false, b, &exponent) && exponent > 0 && in.len == 0;
}

enum status num_parse_double(struct str s, double *ret)
{
    enum { FLOAT_TEXT_MAX = 64 * 1024 };
    struct str rest = s;
    struct buf text;
    bool negative = s.len > 0 && s.ptr[0] == '-';
    double v = 0;

    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'))
        rest = str_cut(s, 1);
    if (str_eq_nocase(rest, STR("inf")) || str_eq_nocase(rest, STR("infinity"))) {
        *ret = negative ? -INFINITY : INFINITY;
        return ST_OK;
    }
    if (str_eq_nocase(s, STR("nan"))) {
        *ret = NAN;
        return ST_OK;
    }

    buf_init(&text, FLOAT_TEXT_MAX);
    bool good = float_form(rest, &text);
    buf_put_char(&text, '\0');
    enum status st = buf_status(&text, NULL);
    if (good && st == ST_OK)
        v = strtod(text.ptr, NULL);
    buf_release(&text);
    if (!good || st != ST_OK)
        return st == ST_NOMEM ? ST_NOMEM : ST_INVALID;
    *ret = negative ? -v : v;
    return isinf(v) ? ST_LIMIT : ST_OK;
}

/* Add one to the last digit of "d.ddde-dd"; false when it is all nines. */
static bool last_digit_up(char *text)
{
    for (char *p = strchr(text, 'e') - 1; p >= text; p--) {
        if (*p == '.')
            continue;
        if (*p != '9') {
            ++*p;
            return true;
        }
        *p = '0';
    }
    return false;
}

/*
 * Rounding to so many digits gives the nearest such decimal, and with up to 15 digits no other one
 * can read back. There are two exceptions. Small numbers with fewer bits (denormals) may need less
 * than 15 digits. And a power of two has its lower neighbour at half the distance, so that the
 * decimal above it may be within reach where the nearest, below it, is not.
 */
int num_shortest(double v, char digits[32], int *ret_exponent)
{
    enum { DIGITS_ALWAYS_KEPT = 15, DIGITS_MAX = 17 };
    char text[40];
    int binary_exponent;
    bool is_power = frexp(fabs(v), &binary_exponent) == 0.5;
    int precision = fpclassify(v) == FP_SUBNORMAL ? 1 : DIGITS_ALWAYS_KEPT;

    ASSERT(isfinite(v));
    for (;; precision++) {
        (void)snprintf(text, sizeof(text), "%.*e", precision - 1, fabs(v));
        if (precision == DIGITS_MAX || strtod(text, NULL) == fabs(v))
            break;
        if (is_power && last_digit_up(text) && strtod(text, NULL) == fabs(v))
            break;
    }

    char *e = strchr(text, 'e');
    ASSERT(e != NULL);
    int count = 0;
    for (const char *p = text; p < e; p++) {
        if (*p != '.')
            digits[count++] = *p;
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    *ret_exponent = (int)strtol(e + 1, NULL, 10) + 1;
    return count;
}

void num_put_double(struct buf *b, double v)
{
    char digits[32];
    int exponent;

    if (isnan(v)) {
        buf_put(b, STR("NaN"));
        return;
    }
    if (isinf(v)) {
        buf_put(b, v > 0 ? STR("+Inf") : STR("-Inf"));
        return;
    }
    if (v == 0) {
        buf_put_char(b, '0');
        return;
    }

    int count = num_shortest(v, digits, &exponent);
    if (v < 0)
        buf_put_char(b, '-');
    if (exponent <= 0) {
        buf_put(b, STR("0."));
        for (int i = exponent; i < 0; i++)
            buf_put_char(b, '0');
        buf_put(b, str_make(digits, (size_t)count));
        return;
    }
    int whole = MIN_OF(count, exponent);
    buf_put(b, str_make(digits, (size_t)whole));
    for (int i = whole; i < exponent; i++)
        buf_put_char(b, '0');
    if (count > whole) {
        buf_put_char(b, '.');
        buf_put(b, str_make(digits + whole, (size_t)(count - whole)));
    }
}

enum status num_parse_bytes(struct str s, uint64_t *ret_bytes)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {{"", 0},    {"b", 0},    {"kb", 10},  {"kib", 10}, {"k", 10},
                 {"mb", 20}, {"mib", 20}, {"m", 20},   {"gb", 30},  {"gib", 30},
                 {"g", 30},  {"tb", 40},  {"tib", 40}, {"t", 40}};
    size_t digits = 0;
    uint64_t whole = 0;
    double v = 0;

    while (digits < s.len && (is_digit(s.ptr[digits]) || s.ptr[digits] == '.'))
        digits++;
    bool exact = num_parse_u64(str_head(s, digits), &whole) == ST_OK;
    if (!exact && num_parse_double(str_head(s, digits), &v) != ST_OK)
        return ST_INVALID;
    struct str unit = str_trim(str_cut(s, digits));
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!str_eq_nocase(unit, str_from(units[i].name)))
            continue;
        v = ldexp(v, (int)units[i].shift);
        if (v >= 0x1p63 || whole > (uint64_t)INT64_MAX >> units[i].shift)
            return ST_LIMIT;
        *ret_bytes = exact ? whole << units[i].shift : (uint64_t)v;
        return ST_OK;
    }
    return ST_INVALID;
}
