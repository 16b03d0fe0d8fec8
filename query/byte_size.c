#include "query/byte_size.h"

#include <math.h>

#include "base/num.h"

#include "base/banned.h"

enum {
    SIZE_TEXT_BYTES_SPARE = 64, /* so that only memory can run out */
    UNIT_BYTES_MAX = 4096,
};

static const char unit_letters[] = "bkmgtpe";

/* What one unit `name` is worth, 0 if there is no such unit: "", "b", "k", "ki", "kb", "kib"... */
static double unit_bytes(struct str name)
{
    if (name.len == 0)
        return 1;

    const char *letter = strchr(unit_letters, name.ptr[0] | 0x20);
    if (letter == NULL || name.ptr[0] == '\0')
        return 0;
    int power = (int)(letter - unit_letters);
    struct str tail = str_cut(name, 1);
    if (power == 0)
        return tail.len == 0 ? 1 : 0;
    if (tail.len == 0 || str_eq_nocase(tail, STR("b")))
        return pow(1000, power);
    if (str_eq_nocase(tail, STR("i")) || str_eq_nocase(tail, STR("ib")))
        return pow(1024, power);
    return 0;
}

/* The float `number` with its commas left out. */
static enum status parse_number(struct str number, double *ret, struct err *err)
{
    struct buf digits;

    buf_init(&digits, number.len + SIZE_TEXT_BYTES_SPARE);
    for (size_t i = 0; i < number.len; i++) {
        if (number.ptr[i] != ',')
            buf_put_char(&digits, number.ptr[i]);
    }
    enum status st = buf_status(&digits, NULL);
    if (st == ST_OK)
        st = num_parse_double(buf_str(&digits), ret);
    if (st == ST_NOMEM)
        (void)err_set(err, st, "no memory for a number");
    else if (st != ST_OK)
        st = err_set(err, ST_INVALID, "strconv.ParseFloat: parsing \"%.*s\": %s",
                     STR_ARG(buf_str(&digits)),
                     st == ST_LIMIT ? "value out of range" : "invalid syntax");
    buf_release(&digits);
    return st;
}

static enum status refuse_unit(struct str unit, struct err *err)
{
    struct buf lower;

    buf_init(&lower, UNIT_BYTES_MAX);
    for (size_t i = 0; i < unit.len; i++) {
        char c = unit.ptr[i];
        buf_put_char(&lower, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
    enum status st =
        err_set(err, ST_INVALID, "unhandled size name: %.*s", STR_ARG(buf_str(&lower)));
    buf_release(&lower);
    return st;
}

enum status byte_size_parse(struct str s, uint64_t *ret_bytes, struct err *err)
{
    size_t digits = 0;
    double number;

    while (digits < s.len && ((s.ptr[digits] >= '0' && s.ptr[digits] <= '9') ||
                              s.ptr[digits] == '.' || s.ptr[digits] == ','))
        digits++;
    enum status st = parse_number(str_head(s, digits), &number, err);
    if (st != ST_OK)
        return st;

    struct str unit = str_trim(str_cut(s, digits));
    double scale = unit_bytes(unit);
    if (scale == 0)
        return refuse_unit(unit, err);
    number *= scale;
    if (number >= 0x1p64)
        return err_set(err, ST_INVALID, "too large: %.*s", STR_ARG(s));
    *ret_bytes = (uint64_t)number;
    return ST_OK;
}

void byte_size_put(struct buf *b, uint64_t bytes)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t unit = 1;
    size_t power = 0;

    if (bytes < 10) {
        buf_printf(b, "%dB", (int)bytes);
        return;
    }
    while (power + 1 < COUNT_OF(names) && bytes / 1000 >= unit) {
        unit *= 1000;
        power++;
    }
    double value = floor((double)bytes / (double)unit * 10 + 0.5) / 10;
    buf_printf(b, value < 10 ? "%.1f%s" : "%.0f%s", value, names[power]);
}
