/*
 * Functions of numbers. They take anything and convert it: what is no number counts as 0.
 */
#include <math.h>

#include "base/num.h"
#include "base/time.h"
#include "query/byte_size.h"
#include "query/template_call.h"
#include "query/template_constant.h"
#include "query/template_decimal.h"

#include "base/banned.h"

#define FLOAT_WITHOUT_INT 0x1p63 /* floats from here on have no int64 */

/* ---- conversion ---- */

/* Without a fraction, if it has one of digits alone. */
static struct str whole_part(struct str s)
{
    size_t point = str_find_char(s, '.');

    if (point == STR_NPOS)
        return s;
    for (size_t i = point + 1; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return s;
    }
    return str_head(s, point);
}

static int64_t int_of_float(double v)
{
    return fabs(v) < FLOAT_WITHOUT_INT ? (int64_t)v : INT64_MIN;
}

static int64_t int_of(const struct template_value *v)
{
    struct template_number n;

    if (value_is_integer(v))
        return v->integer;
    if (v->kind == VALUE_BOOL)
        return v->truth;
    if (v->kind == VALUE_FLOAT)
        return int_of_float(v->number);
    if (v->kind != VALUE_STRING)
        return 0;
    struct str text = whole_part(v->string);
    bool good = template_read_number(text, &n, NULL) == ST_OK && !n.is_float_constant && n.has_int;
    return good ? n.int_value : 0;
}

static double float_of(const struct template_value *v)
{
    double number;

    if (v->kind == VALUE_FLOAT)
        return v->number;
    if (v->kind == VALUE_STRING)
        return num_parse_double(v->string, &number) == ST_OK ? number : 0;
    return (double)int_of(v);
}

enum status fn_int(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_int(int_of(&c->args.items[0]));
    return ST_OK;
}

enum status fn_float64(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_float(float_of(&c->args.items[0]));
    return ST_OK;
}

/* ---- integers: they wrap around ---- */

enum status fn_add(struct template_call *c, struct template_value *ret)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < c->args.count; i++)
        sum += (uint64_t)int_of(&c->args.items[i]);
    *ret = value_of_int64((int64_t)sum);
    return ST_OK;
}

enum status fn_sub(struct template_call *c, struct template_value *ret)
{
    uint64_t a = (uint64_t)int_of(&c->args.items[0]), b = (uint64_t)int_of(&c->args.items[1]);

    *ret = value_of_int64((int64_t)(a - b));
    return ST_OK;
}

enum status fn_mul(struct template_call *c, struct template_value *ret)
{
    uint64_t product = 1;

    for (size_t i = 0; i < c->args.count; i++)
        product *= (uint64_t)int_of(&c->args.items[i]);
    *ret = value_of_int64((int64_t)product);
    return ST_OK;
}

static enum status divide(struct template_call *c, bool rest, struct template_value *ret)
{
    int64_t a = int_of(&c->args.items[0]), b = int_of(&c->args.items[1]);

    if (b == 0)
        return err_set(c->err, ST_INVALID, "runtime error: integer divide by zero");
    if (b == -1) /* INT64_MIN has no opposite */
        *ret = value_of_int64(rest ? 0 : (int64_t) - (uint64_t)a);
    else
        *ret = value_of_int64(rest ? a % b : a / b);
    return ST_OK;
}

enum status fn_div(struct template_call *c, struct template_value *ret)
{
    return divide(c, false, ret);
}

enum status fn_mod(struct template_call *c, struct template_value *ret)
{
    return divide(c, true, ret);
}

enum status fn_max(struct template_call *c, struct template_value *ret)
{
    int64_t best = int_of(&c->args.items[0]);

    for (size_t i = 1; i < c->args.count; i++)
        best = MAX_OF(best, int_of(&c->args.items[i]));
    *ret = value_of_int64(best);
    return ST_OK;
}

enum status fn_min(struct template_call *c, struct template_value *ret)
{
    int64_t best = int_of(&c->args.items[0]);

    for (size_t i = 1; i < c->args.count; i++)
        best = MIN_OF(best, int_of(&c->args.items[i]));
    *ret = value_of_int64(best);
    return ST_OK;
}

/* ---- floats ---- */

/* Infinity in the direction wins, then NaN. */
static double extreme(double a, double b, bool largest)
{
    double limit = largest ? INFINITY : -INFINITY;

    if (a == limit || b == limit)
        return limit;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) == largest ? b : a;
    return (largest ? a > b : a < b) ? a : b;
}

static void fold_extreme(const struct template_call *c, bool largest, struct template_value *ret)
{
    double best = float_of(&c->args.items[0]);

    for (size_t i = 1; i < c->args.count; i++)
        best = extreme(best, float_of(&c->args.items[i]), largest);
    *ret = value_of_float(best);
}

enum status fn_maxf(struct template_call *c, struct template_value *ret)
{
    fold_extreme(c, true, ret);
    return ST_OK;
}

enum status fn_minf(struct template_call *c, struct template_value *ret)
{
    fold_extreme(c, false, ret);
    return ST_OK;
}

enum status fn_ceil(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_float(ceil(float_of(&c->args.items[0])));
    return ST_OK;
}

enum status fn_floor(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_float(floor(float_of(&c->args.items[0])));
    return ST_OK;
}

/* Halves go up: -1.5 becomes -2, as its fraction is below any limit. */
enum status fn_round(struct template_call *c, struct template_value *ret)
{
    double whole, limit = c->args.count > 2 ? c->args.items[2].number : 0.5;
    double scale = pow(10, (double)template_call_int(c, 1));
    double scaled = float_of(&c->args.items[0]) * scale;
    double fraction = modf(scaled, &whole);

    *ret = value_of_float((fraction >= limit ? ceil(scaled) : floor(scaled)) / scale);
    return ST_OK;
}

/* ---- decimals ---- */

typedef bool decimal_fn(struct decimal *d, double v);

static enum status check_finite(struct template_call *c, double v)
{
    if (isfinite(v))
        return ST_OK;
    return err_set(c->err, ST_INVALID, "Cannot create a Decimal from %s",
                   isnan(v) ? "NaN"
                   : v > 0  ? "+Inf"
                            : "-Inf");
}

/* Apply `step` to the first argument and each other one in turn. */
static enum status fold_decimal(struct template_call *c, decimal_fn *step,
                                struct template_value *ret)
{
    struct decimal d;

    for (size_t i = 0; i < c->args.count; i++) {
        double v = float_of(&c->args.items[i]);
        enum status st = check_finite(c, v);
        if (st != ST_OK)
            return st;
        if (i > 0 && step == decimal_div && v == 0)
            return err_set(c->err, ST_INVALID, "decimal division by 0");
        if (!template_work_spend(c->work, 1))
            return template_call_refuse_work(c);
        if (i == 0)
            decimal_set(&d, v);
        else if (!step(&d, v))
            return err_set(c->err, ST_LIMIT, "a decimal number has more than %d digits",
                           (int)DECIMAL_DIGITS_MAX);
    }
    *ret = value_of_float(c->args.count == 0 ? 0 : decimal_value(&d));
    return ST_OK;
}

enum status fn_addf(struct template_call *c, struct template_value *ret)
{
    return fold_decimal(c, decimal_add, ret);
}

enum status fn_subf(struct template_call *c, struct template_value *ret)
{
    return fold_decimal(c, decimal_sub, ret);
}

enum status fn_mulf(struct template_call *c, struct template_value *ret)
{
    return fold_decimal(c, decimal_mul, ret);
}

enum status fn_divf(struct template_call *c, struct template_value *ret)
{
    return fold_decimal(c, decimal_div, ret);
}

/* ---- units ---- */

enum status fn_bytes(struct template_call *c, struct template_value *ret)
{
    uint64_t bytes;

    enum status st = byte_size_parse(template_call_str(c, 0), &bytes, c->err);
    if (st == ST_OK)
        *ret = value_of_float((double)bytes);
    return st;
}

/* In seconds. */
enum status fn_duration(struct template_call *c, struct template_value *ret)
{
    int64_t ns;

    enum status st = duration_parse_go(template_call_str(c, 0), &ns, c->err);
    if (st != ST_OK)
        return st;
    int64_t seconds = ns / SECOND_NS;
    *ret = value_of_float((double)seconds + (double)(ns % SECOND_NS) / (double)SECOND_NS);
    return ST_OK;
}
