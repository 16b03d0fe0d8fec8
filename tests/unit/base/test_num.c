#include "base/num.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* ---- integers ---- */

static const struct integer_case {
    const char *name;
    struct str text;
    enum status unsigned_st;
    uint64_t unsigned_want;
    enum status signed_st;
    int64_t signed_want;
} integer_cases[] = {
    {"zero", STR_INIT("0"), ST_OK, 0, ST_OK, 0},
    {"leading zeros", STR_INIT("000000000000000000000000000007"), ST_OK, 7, ST_OK, 7},
    {"minus", STR_INIT("-5"), ST_INVALID, 0, ST_OK, -5},
    {"plus", STR_INIT("+5"), ST_INVALID, 0, ST_OK, 5},
    {"minus zero", STR_INIT("-0"), ST_INVALID, 0, ST_OK, 0},
    {"largest signed", STR_INIT("9223372036854775807"), ST_OK, INT64_MAX, ST_OK, INT64_MAX},
    {"one more", STR_INIT("9223372036854775808"), ST_OK, (uint64_t)INT64_MAX + 1, ST_LIMIT, 0},
    {"smallest signed", STR_INIT("-9223372036854775808"), ST_INVALID, 0, ST_OK, INT64_MIN},
    {"one less", STR_INIT("-9223372036854775809"), ST_INVALID, 0, ST_LIMIT, 0},
    {"largest unsigned", STR_INIT("18446744073709551615"), ST_OK, UINT64_MAX, ST_LIMIT, 0},
    {"one more than that", STR_INIT("18446744073709551616"), ST_LIMIT, 0, ST_LIMIT, 0},
    {"many digits", STR_INIT("99999999999999999999999"), ST_LIMIT, 0, ST_LIMIT, 0},
    {"many digits and a letter", STR_INIT("99999999999999999999999x"), ST_INVALID, 0, ST_INVALID,
     0},
    {"empty", STR_INIT(""), ST_INVALID, 0, ST_INVALID, 0},
    {"null", {NULL, 0}, ST_INVALID, 0, ST_INVALID, 0},
    {"sign alone", STR_INIT("-"), ST_INVALID, 0, ST_INVALID, 0},
    {"two signs", STR_INIT("--1"), ST_INVALID, 0, ST_INVALID, 0},
    {"blank", STR_INIT(" 1"), ST_INVALID, 0, ST_INVALID, 0},
    {"zero byte", STR_INIT("1\0"), ST_INVALID, 0, ST_INVALID, 0},
    {"hexadecimal", STR_INIT("0x1"), ST_INVALID, 0, ST_INVALID, 0},
    {"underscore", STR_INIT("1_0"), ST_INVALID, 0, ST_INVALID, 0},
};

Test(num, parse_integers)
{
    for (size_t i = 0; i < COUNT_OF(integer_cases); i++) {
        const struct integer_case *c = &integer_cases[i];
        uint64_t u = 77;
        int64_t v = 77;

        EXPECT_STATUS(c->name, num_parse_u64(c->text, &u), c->unsigned_st);
        cr_expect_eq(u, c->unsigned_st == ST_OK ? c->unsigned_want : 77, "%s: %" PRIu64, c->name,
                     u);
        EXPECT_STATUS(c->name, num_parse_i64(c->text, &v), c->signed_st);
        cr_expect_eq(v, c->signed_st == ST_OK ? c->signed_want : 77, "%s: %" PRId64, c->name, v);
    }
}

Test(num, checked_arithmetic)
{
    int64_t v = 0;

    cr_expect(i64_add(INT64_MAX - 1, 1, &v) && v == INT64_MAX);
    cr_expect_not(i64_add(INT64_MAX, 1, &v));
    cr_expect(i64_sub(INT64_MIN + 1, 1, &v) && v == INT64_MIN);
    cr_expect_not(i64_sub(INT64_MIN, 1, &v));
    cr_expect_eq(i64_add_saturated(1, -3), -2);
    cr_expect_eq(i64_add_saturated(INT64_MAX, 1), INT64_MAX);
    cr_expect_eq(i64_add_saturated(INT64_MIN, -1), INT64_MIN);
    cr_expect_eq(i64_sub_saturated(1, 3), -2);
    cr_expect_eq(i64_sub_saturated(INT64_MIN, 1), INT64_MIN);
    cr_expect_eq(i64_sub_saturated(0, INT64_MIN), INT64_MAX);
    cr_expect(i64_mul(INT64_MIN / 2, 2, &v) && v == INT64_MIN);
    cr_expect_not(i64_mul(INT64_MIN, -1, &v));
    cr_expect_eq(i64_floor_to(7, 5), 5);
    cr_expect_eq(i64_floor_to(5, 5), 5);
    cr_expect_eq(i64_floor_to(0, 5), 0);
    cr_expect_eq(i64_floor_to(-1, 5), -5);
    cr_expect_eq(i64_floor_to(-5, 5), -5);
    cr_expect_eq(i64_floor_to(INT64_MAX, INT64_MAX), INT64_MAX);
    cr_expect_eq(i64_floor_to(INT64_MIN, 2), INT64_MIN);
    cr_expect_eq(i64_floor_to(INT64_MIN + 8, 1000), INT64_MIN);
    cr_expect_eq(i64_floor_to(INT64_MIN + 1, INT64_MAX), -INT64_MAX);
    cr_expect_eq(i64_floor_to(INT64_MIN, INT64_MAX), INT64_MIN);
}

/* ---- floats from text ---- */

static const struct float_case {
    const char *name;
    struct str text;
    enum status want_st;
    double want;
} float_cases[] = {
    {"integer", STR_INIT("42"), ST_OK, 42},
    {"signs", STR_INIT("+1.5"), ST_OK, 1.5},
    {"minus", STR_INIT("-1.5"), ST_OK, -1.5},
    {"no whole part", STR_INIT(".5"), ST_OK, 0.5},
    {"no fraction", STR_INIT("5."), ST_OK, 5},
    {"exponent", STR_INIT("1e21"), ST_OK, 1e21},
    {"exponent with a sign", STR_INIT("1E-7"), ST_OK, 1e-7},
    {"leading zero is decimal", STR_INIT("010"), ST_OK, 10},
    {"smallest", STR_INIT("5e-324"), ST_OK, 0x1p-1074},
    {"below the smallest", STR_INIT("1e-400"), ST_OK, 0},
    {"rounds half to even", STR_INIT("9007199254740993"), ST_OK, 9007199254740992.0},
    {"largest", STR_INIT("1.7976931348623157e308"), ST_OK, DBL_MAX},
    {"too large", STR_INIT("1e400"), ST_LIMIT, INFINITY},
    {"too large below zero", STR_INIT("-1e400"), ST_LIMIT, -INFINITY},
    {"exponent of many digits", STR_INIT("1e99999999999999999999"), ST_LIMIT, INFINITY},
    {"infinity", STR_INIT("inf"), ST_OK, INFINITY},
    {"infinity with a sign", STR_INIT("-Infinity"), ST_OK, -INFINITY},
    {"plus infinity", STR_INIT("+INF"), ST_OK, INFINITY},
    {"hexadecimal", STR_INIT("0x1p3"), ST_OK, 8},
    {"hexadecimal fraction", STR_INIT("-0X.8P+1"), ST_OK, -1},
    {"hexadecimal, too large", STR_INIT("0x1p1024"), ST_LIMIT, INFINITY},
    {"underscores", STR_INIT("1_23.50_0_0e+1_2"), ST_OK, 1.235e+14},
    {"hexadecimal underscores", STR_INIT("0x_1_2.3_4_5p+1_2"), ST_OK, 74565},
    {"underscore in front", STR_INIT("_1"), ST_INVALID, 0},
    {"underscore behind", STR_INIT("1_"), ST_INVALID, 0},
    {"two underscores", STR_INIT("1__2"), ST_INVALID, 0},
    {"underscore before the point", STR_INIT("1_.5"), ST_INVALID, 0},
    {"underscore behind the point", STR_INIT("1._5"), ST_INVALID, 0},
    {"underscore behind the exponent", STR_INIT("1e_5"), ST_INVALID, 0},
    {"underscore before the exponent", STR_INIT("1_e5"), ST_INVALID, 0},
    {"underscore between fraction and exponent", STR_INIT("1.5_e5"), ST_INVALID, 0},
    {"underscore between prefix and point", STR_INIT("0x_.8p1"), ST_INVALID, 0},
    {"underscore before p", STR_INIT("0x1_p1"), ST_INVALID, 0},
    {"hexadecimal without p", STR_INIT("0x10"), ST_INVALID, 0},
    {"hexadecimal without digits", STR_INIT("0x.p1"), ST_INVALID, 0},
    {"prefix alone", STR_INIT("0x"), ST_INVALID, 0},
    {"decimal with p", STR_INIT("1p3"), ST_INVALID, 0},
    {"binary", STR_INIT("0b11"), ST_INVALID, 0},
    {"empty", STR_INIT(""), ST_INVALID, 0},
    {"null", {NULL, 0}, ST_INVALID, 0},
    {"sign alone", STR_INIT("+"), ST_INVALID, 0},
    {"two signs", STR_INIT("+-1"), ST_INVALID, 0},
    {"point alone", STR_INIT("."), ST_INVALID, 0},
    {"two points", STR_INIT("1.2.3"), ST_INVALID, 0},
    {"exponent without digits", STR_INIT("1e"), ST_INVALID, 0},
    {"exponent sign alone", STR_INIT("1e+"), ST_INVALID, 0},
    {"blank behind", STR_INIT("1 "), ST_INVALID, 0},
    {"blank in front", STR_INIT(" 1"), ST_INVALID, 0},
    {"zero byte", STR_INIT("1\0002"), ST_INVALID, 0},
    {"signed not a number", STR_INIT("-nan"), ST_INVALID, 0},
    {"half an infinity", STR_INIT("infin"), ST_INVALID, 0},
    {"sign of the C library", STR_INIT("nan(1)"), ST_INVALID, 0},
};

#define UNTOUCHED 77.5

Test(num, parse_double)
{
    for (size_t i = 0; i < COUNT_OF(float_cases); i++) {
        const struct float_case *c = &float_cases[i];
        double v = UNTOUCHED;

        EXPECT_STATUS(c->name, num_parse_double(c->text, &v), c->want_st);
        if (c->want_st == ST_INVALID)
            cr_expect(v == UNTOUCHED, "%s: %g", c->name, v);
        else
            cr_expect(v == c->want && signbit(v) == signbit(c->want), "%s: %.17g", c->name, v);
    }
}

Test(num, parse_double_special)
{
    double v = 0;

    cr_expect_eq(num_parse_double(STR("NaN"), &v), ST_OK);
    cr_expect(isnan(v));
    cr_expect_eq(num_parse_double(STR("-0"), &v), ST_OK);
    cr_expect(v == 0 && signbit(v));

    char digits[2000];
    memset(digits, '9', sizeof(digits));
    cr_expect_eq(num_parse_double(str_make(digits, 300), &v), ST_OK);
    cr_expect(v == 1e300);
    cr_expect_eq(num_parse_double(str_make(digits, sizeof(digits)), &v), ST_LIMIT);
}

/* ---- floats to text ---- */

static const struct put_case {
    double v;
    struct str want;
} put_cases[] = {
    {0, STR_INIT("0")},
    {-0.0, STR_INIT("0")},
    {1, STR_INIT("1")},
    {-1.5, STR_INIT("-1.5")},
    {100, STR_INIT("100")},
    {0.1, STR_INIT("0.1")},
    {0.1 + 0.2, STR_INIT("0.30000000000000004")},
    {1e21, STR_INIT("1000000000000000000000")},
    {1e-7, STR_INIT("0.0000001")},
    {1.0 / 3, STR_INIT("0.3333333333333333")},
    {2.0 / 3, STR_INIT("0.6666666666666666")},
    {123456789.125, STR_INIT("123456789.125")},
    {9007199254740991.0, STR_INIT("9007199254740991")},
    {9007199254740992.0, STR_INIT("9007199254740992")},
    {5e22, STR_INIT("50000000000000000000000")},
    {1e23, STR_INIT("100000000000000000000000")},
    {4.35, STR_INIT("4.35")},
    {1700000000.123, STR_INIT("1700000000.123")},
    /* The shortest digits are not always those that rounding to so many gives. */
    {0x1p-44, STR_INIT("0.00000000000005684341886080802")},
    {INFINITY, STR_INIT("+Inf")},
    {-INFINITY, STR_INIT("-Inf")},
    {(double)NAN, STR_INIT("NaN")},
};

Test(num, put_double)
{
    for (size_t i = 0; i < COUNT_OF(put_cases); i++) {
        struct buf b;

        buf_init(&b, 1024);
        num_put_double(&b, put_cases[i].v);
        EXPECT_STR("put", buf_str(&b), put_cases[i].want);
        buf_release(&b);
    }
}

static const struct shortest_case {
    const char *name;
    double v;
    struct str digits;
    int exponent;
} shortest_cases[] = {
    {"one", 1, STR_INIT("1"), 1},
    {"hundred", 100, STR_INIT("1"), 3},
    {"tenth", 0.1, STR_INIT("1"), 0},
    {"hundredth", 0.01, STR_INIT("1"), -1},
    {"largest", DBL_MAX, STR_INIT("17976931348623157"), 309},
    {"smallest normal", DBL_MIN, STR_INIT("22250738585072014"), -307},
    {"smallest", 0x1p-1074, STR_INIT("5"), -323},
    {"three of the smallest", 0x3p-1074, STR_INIT("15"), -322},
    {"a denormal", 0x1p-1060, STR_INIT("8095"), -319},
    {"largest denormal", 0x0.fffffffffffffp-1022, STR_INIT("2225073858507201"), -307},
    {"two to the 60th", 0x1p60, STR_INIT("1152921504606847"), 19},
    {"two to the -44th", 0x1p-44, STR_INIT("5684341886080802"), -13},
    {"two to the 1000th", 0x1p1000, STR_INIT("10715086071862673"), 302},
};

Test(num, shortest)
{
    for (size_t i = 0; i < COUNT_OF(shortest_cases); i++) {
        const struct shortest_case *c = &shortest_cases[i];
        char digits[32];
        int exponent = 0;

        int count = num_shortest(c->v, digits, &exponent);
        EXPECT_STR(c->name, str_make(digits, (size_t)count), c->digits);
        cr_expect_eq(exponent, c->exponent, "%s: exponent %d", c->name, exponent);
    }
}

static double random_double(struct random *r)
{
    for (;;) {
        uint64_t bits = random_u64(r);
        double v;
        if (random_below(r, 4) == 0)
            bits &= UINT64_C(0x800fffffffffffff); /* a denormal */
        memcpy(&v, &bits, sizeof(v));
        if (isfinite(v))
            return v;
    }
}

Test(num, put_double_reads_back)
{
    struct random r = random_begin();
    unsigned wrong = 0;
    struct buf b;

    buf_init(&b, 2048);
    for (size_t i = 0; i < 20000; i++) {
        double v = random_double(&r), again = UNTOUCHED;
        buf_reset(&b);
        num_put_double(&b, v);
        wrong += num_parse_double(buf_str(&b), &again) != ST_OK || again != v;
        wrong += str_find_char(buf_str(&b), 'e') != STR_NPOS;
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
    buf_release(&b);
}

/* Does a decimal of `precision` digits, of the two next to `v`, read back as `v`? */
static bool has_shorter(double v, int precision)
{
    char text[64], digits[32];

    if (precision < 1)
        return false;
    (void)snprintf(text, sizeof(text), "%.*e", precision - 1, v);
    if (strtod(text, NULL) == v)
        return true;
    uint64_t mantissa = 0;
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (*p != '.')
            mantissa = mantissa * 10 + (uint64_t)(*p - '0');
    }
    (void)snprintf(digits, sizeof(digits), "%" PRIu64 "e%ld", mantissa + 1,
                   strtol(p + 1, NULL, 10) - (precision - 1));
    return strtod(digits, NULL) == v;
}

Test(num, shortest_of_random)
{
    struct random r = random_begin();
    unsigned longer = 0;

    for (size_t i = 0; i < 20000; i++) {
        double v = random_double(&r);
        char digits[32];
        int exponent;
        int count = num_shortest(v, digits, &exponent);
        longer += has_shorter(fabs(v), count - 1);
    }
    cr_expect_eq(longer, 0, "%u longer than needed, seed %" PRIu64, longer, r.seed);
}

Test(num, shortest_of_powers_of_two)
{
    for (int power = -1074; power < 1024; power++) {
        double v = ldexp(1, power);
        char digits[32], text[64];
        int exponent;

        int count = num_shortest(v, digits, &exponent);
        (void)snprintf(text, sizeof(text), "0.%.*se%d", count, digits, exponent);
        cr_expect(strtod(text, NULL) == v, "2^%d: %s", power, text);
        cr_expect_not(has_shorter(v, count - 1), "2^%d: %s", power, text);
    }
}

/* ---- sizes ---- */

static const struct bytes_case {
    const char *name;
    struct str text;
    enum status want_st;
    uint64_t want;
} bytes_cases[] = {
    {"no unit", STR_INIT("4096"), ST_OK, 4096},
    {"bytes", STR_INIT("100B"), ST_OK, 100},
    {"K is 1024", STR_INIT("256KB"), ST_OK, 262144},
    {"with an i", STR_INIT("1.5MiB"), ST_OK, 1572864},
    {"letter alone", STR_INIT("2g"), ST_OK, UINT64_C(2) << 30},
    {"tera", STR_INIT("1tb"), ST_OK, UINT64_C(1) << 40},
    {"blank between", STR_INIT("5 KB"), ST_OK, 5120},
    {"fraction of a byte is cut", STR_INIT("1.7"), ST_OK, 1},
    {"zero", STR_INIT("0B"), ST_OK, 0},
    {"more digits than a double has", STR_INIT("9007199254740993"), ST_OK,
     UINT64_C(9007199254740993)},
    {"largest", STR_INIT("9223372036854775807B"), ST_OK, INT64_MAX},
    {"too large", STR_INIT("9223372036854775808"), ST_LIMIT, 0},
    {"too large by its unit", STR_INIT("8388608TB"), ST_LIMIT, 0},
    {"empty", STR_INIT(""), ST_INVALID, 0},
    {"unit alone", STR_INIT("KB"), ST_INVALID, 0},
    {"unknown unit", STR_INIT("1XB"), ST_INVALID, 0},
    {"sign", STR_INIT("-1KB"), ST_INVALID, 0},
    {"exponent", STR_INIT("1e3"), ST_INVALID, 0},
    {"two points", STR_INIT("1.2.3"), ST_INVALID, 0},
    {"two units", STR_INIT("1KBKB"), ST_INVALID, 0},
};

Test(num, parse_bytes)
{
    for (size_t i = 0; i < COUNT_OF(bytes_cases); i++) {
        const struct bytes_case *c = &bytes_cases[i];
        uint64_t bytes = 77;

        EXPECT_STATUS(c->name, num_parse_bytes(c->text, &bytes), c->want_st);
        cr_expect_eq(bytes, c->want_st == ST_OK ? c->want : 77, "%s: %" PRIu64, c->name, bytes);
    }
}
