#include "query/template_constant.h"

#include <math.h>

#include "base/num.h"
#include "base/utf8.h"
#include "query/go_string.h"

#include "base/banned.h"

enum { DECODED_BYTES_SPARE = 64 }; /* so that only memory can run out */

#define FLOAT_WITHOUT_INT 0x1p63 /* floats from here on have no int64 */

/* Cut the sign and the prefix off `*text`; returns the base. */
static unsigned cut_prefix(struct str *text, bool *ret_negative)
{
    *ret_negative = text->len > 0 && text->ptr[0] == '-';
    if (text->len > 0 && (text->ptr[0] == '-' || text->ptr[0] == '+'))
        *text = str_cut(*text, 1);
    if (text->len < 2 || text->ptr[0] != '0')
        return 10;
    switch (text->ptr[1] | 0x20) {
    case 'x':
        *text = str_cut(*text, 2);
        return 16;
    case 'o':
        *text = str_cut(*text, 2);
        return 8;
    case 'b':
        *text = str_cut(*text, 2);
        return 2;
    default:
        *text = str_cut(*text, 1);
        return 8;
    }
}

/* The value of a digit, or something too large for any base. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (unsigned)((c | 0x20) - 'a' + 10) : UINT8_MAX;
}

/* An integer with base 0, as magnitude and sign. Underscores stand between digits. */
static enum status parse_integer(struct str text, bool *ret_negative, uint64_t *ret)
{
    size_t before = text.len;
    unsigned base = cut_prefix(&text, ret_negative);
    bool after_digit = base != 10 && text.len < before;
    uint64_t v = 0;

    if (text.len == 0 || text.ptr[text.len - 1] == '_')
        return ST_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '_' ? !after_digit : digit_value(c) >= base)
            return ST_INVALID;
        after_digit = c != '_';
        if (after_digit &&
            (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit_value(c), &v)))
            return ST_LIMIT;
    }
    *ret = v;
    return ST_OK;
}

static bool has_any(struct str text, const char *set)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\0' && strchr(set, text.ptr[i]) != NULL)
            return true;
    }
    return false;
}

/* A text that is no integer. */
static enum status read_float(struct str text, struct template_number *ret, struct err *err)
{
    struct template_number n = {.text = text, .is_float_constant = true};

    enum status st = num_parse_double(text, &n.float_value);
    if (st == ST_NOMEM)
        return err_set(err, st, "no memory for a number of the template");
    if (st != ST_OK)
        return err_set(err, ST_INVALID, "illegal number syntax: \"%.*s\"", STR_ARG(text));
    if (!has_any(text, ".eEpP"))
        return err_set(err, ST_INVALID, "integer overflow: \"%.*s\"", STR_ARG(text));
    n.has_int = fabs(n.float_value) < FLOAT_WITHOUT_INT && n.float_value == trunc(n.float_value);
    if (n.has_int)
        n.int_value = (int64_t)n.float_value;
    *ret = n;
    return ST_OK;
}

enum status template_read_number(struct str text, struct template_number *ret, struct err *err)
{
    struct template_number n = {.text = text};
    bool negative;
    uint64_t magnitude;

    enum status st = parse_integer(text, &negative, &magnitude);
    if (st != ST_OK || (negative && magnitude > (uint64_t)INT64_MAX + 1))
        return read_float(text, ret, err);
    n.float_value = negative ? -(double)magnitude : (double)magnitude;
    n.has_int = negative || magnitude <= INT64_MAX;
    if (n.has_int)
        n.int_value = (int64_t)(negative ? -magnitude : magnitude);
    *ret = n;
    return ST_OK;
}

/* Cut an escape off `*in`. ST_INVALID: it has no value. */
static enum status cut_escape(struct str *in, uint32_t *ret)
{
    bool is_byte = in->ptr[1] == 'x' || (in->ptr[1] >= '0' && in->ptr[1] <= '7');
    struct buf value;
    size_t len;

    buf_init(&value, DECODED_BYTES_SPARE);
    bool good = go_string_put_escape(&value, in, '\'', 0);
    enum status st = good ? buf_status(&value, NULL) : ST_INVALID;
    if (st == ST_OK)
        *ret = is_byte ? (unsigned char)value.ptr[0] : utf8_decode(buf_str(&value), &len);
    buf_release(&value);
    return st;
}

static enum status cut_char(struct str *in, uint32_t *ret)
{
    size_t len;

    if (in->ptr[0] == '\'')
        return ST_INVALID;
    if (in->ptr[0] == '\\')
        return cut_escape(in, ret);
    *ret = utf8_decode(*in, &len);
    *in = str_cut(*in, len);
    return ST_OK;
}

enum status template_read_char(struct str text, struct template_number *ret, struct err *err)
{
    struct str in = str_cut(text, 1);
    uint32_t rune;

    ASSERT(in.len > 0);
    enum status st = cut_char(&in, &rune);
    if (st != ST_OK)
        return err_set(err, st, st == ST_INVALID ? "invalid syntax" : "no memory");
    if (!str_eq(in, STR("'")))
        return err_set(err, ST_INVALID, "malformed character constant: %.*s", STR_ARG(text));
    *ret = (struct template_number){
        .text = text, .has_int = true, .int_value = rune, .float_value = rune};
    return ST_OK;
}

enum status template_read_string(struct arena *a, struct str text, struct str *ret, struct err *err)
{
    bool is_raw = text.ptr[0] == '`', good = true;
    struct buf decoded;

    ASSERT(text.len >= 2);
    text = str_make(text.ptr + 1, text.len - 2);
    buf_init(&decoded, text.len * UTF8_BYTES_MAX + DECODED_BYTES_SPARE);
    if (!is_raw)
        good = go_string_put(&decoded, text, 0);
    for (size_t i = 0; is_raw && i < text.len; i++) {
        if (text.ptr[i] != '\r')
            buf_put_char(&decoded, text.ptr[i]);
    }
    enum status st = good ? buf_status(&decoded, err) : err_set(err, ST_INVALID, "invalid syntax");
    struct str value = st == ST_OK ? arena_str(a, buf_str(&decoded)) : STR_NULL;
    buf_release(&decoded);
    if (st == ST_OK && value.ptr == NULL)
        st = arena_status(a, err);
    if (st == ST_OK)
        *ret = value;
    return st;
}
