/*
 * A verb is applied to a value by its kind; containers apply it to their elements. What a kind does
 * not know is written as `%!verb(type=value)`, where `value` is written with the same flags.
 */
#include "query/template_printf.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "query/template_date.h"

#include "base/banned.h"

enum {
    INTEGER_TEXT_BYTES = 80,    /* 64 binary digits, sign and prefix */
    FLOAT_TEXT_BYTES = 512,     /* 309 digits, and room for a usual precision */
    FRACTION_DIGITS_MAX = 1100, /* a double has no more; what is asked for beyond is zeros */
    EXPONENT_FIRST = 6,         /* from 1e+06 on, the shortest form has an exponent */
    EXPONENT_LAST = -4,         /* and below 0.0001 */
};

struct printer {
    struct buf *b;
    bool sharp, zero, plus, minus, space;
    bool sharp_v; /* `%#v`: as Go would write the value in a program */
    bool has_width, has_precision;
    int width, precision;
};

static void put_value(struct printer *p, const struct template_value *v, uint32_t verb);

/* ---- padding ---- */

static size_t rune_count(struct str s)
{
    size_t count = 0;

    for (size_t len; s.len > 0; s = str_cut(s, len), count++)
        (void)utf8_decode(s, &len);
    return count;
}

static void put_times(struct buf *b, char c, size_t count)
{
    char *to = buf_reserve(b, count);

    if (to == NULL)
        return;
    memset(to, c, count);
    buf_advance(b, count);
}

static void pad(struct printer *p, struct str s)
{
    size_t count = p->has_width ? rune_count(s) : 0;
    size_t missing = p->has_width && count < (size_t)p->width ? (size_t)p->width - count : 0;

    if (!p->minus)
        put_times(p->b, p->zero ? '0' : ' ', missing);
    buf_put(p->b, s);
    if (p->minus)
        put_times(p->b, ' ', missing);
}

static void pad_with_blanks(struct printer *p, struct str s)
{
    bool zero = p->zero;

    p->zero = false;
    pad(p, s);
    p->zero = zero;
}

static void put_rune(struct buf *b, uint32_t rune)
{
    char bytes[UTF8_BYTES_MAX];

    buf_put(b, str_make(bytes, utf8_encode(rune, bytes)));
}

static void put_bad_verb(struct printer *p, const struct template_value *v, uint32_t verb)
{
    buf_put(p->b, STR("%!"));
    put_rune(p->b, verb);
    buf_put_char(p->b, '(');
    if (v->kind == VALUE_NIL) {
        buf_put(p->b, STR("<nil>"));
    } else {
        buf_printf(p->b, "%s=", value_type(v));
        put_value(p, v, 'v');
    }
    buf_put_char(p->b, ')');
}

/* ---- integers ---- */

/* The digits of `u` in a base, at the end of `text`; returns where they begin. */
static size_t digits_of(uint64_t u, unsigned base, bool upper, char text[INTEGER_TEXT_BYTES])
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t at = INTEGER_TEXT_BYTES;

    do {
        text[--at] = digits[u % base];
        u /= base;
    } while (u > 0);
    return at;
}

/* What stands before the digits. */
static const char *prefix_of(const struct printer *p, uint32_t verb, char first)
{
    if (verb == 'O')
        return "0o";
    if (!p->sharp)
        return "";
    switch (verb) {
    case 'b':
        return "0b";
    case 'o':
        return first == '0' ? "" : "0";
    case 'x':
        return "0x";
    case 'X':
        return "0X";
    default:
        return "";
    }
}

static void put_integer(struct printer *p, int64_t v, unsigned base, uint32_t verb)
{
    char text[INTEGER_TEXT_BYTES];
    bool negative = v < 0;
    uint64_t u = negative ? -(uint64_t)v : (uint64_t)v;
    const char *sign = negative ? "-" : p->plus ? "+" : p->space ? " " : "";
    size_t least = 0;
    struct buf b;

    if (p->has_precision) {
        least = (size_t)p->precision;
        if (least == 0 && u == 0) {
            put_times(p->b, ' ', p->has_width ? (size_t)p->width : 0);
            return;
        }
    } else if (p->zero && !p->minus && p->has_width) {
        least = (size_t)p->width - (sign[0] != '\0' && p->width > 0);
    }
    size_t at = digits_of(u, base, verb == 'X', text);
    size_t count = INTEGER_TEXT_BYTES - at;
    const char *prefix = prefix_of(p, verb, least > count ? '0' : text[at]);
    buf_init(&b, TEMPLATE_WIDTH_MAX + INTEGER_TEXT_BYTES);
    buf_put(&b, str_from(sign));
    buf_put(&b, str_from(prefix));
    put_times(&b, '0', least > count ? least - count : 0);
    buf_put(&b, str_make(text + at, count));
    pad_with_blanks(p, buf_str(&b));
    if (b.failed)
        buf_fail(p->b, buf_status(&b, NULL));
    buf_release(&b);
}

/* What is no rune is shown as U+FFFD. */
static uint32_t rune_of(int64_t v)
{
    return v < 0 || v > RUNE_MAX ? RUNE_ERROR : (uint32_t)v;
}

static void put_char(struct printer *p, int64_t v)
{
    char bytes[UTF8_BYTES_MAX];

    pad(p, str_make(bytes, utf8_encode(rune_of(v), bytes)));
}

/* 'x', with the escapes of Go. */
static void put_quoted_char(struct printer *p, int64_t v)
{
    char bytes[UTF8_BYTES_MAX];
    uint32_t rune = rune_of(v);
    struct buf quoted;

    buf_init(&quoted, FLOAT_TEXT_BYTES);
    if (rune == '\'') {
        buf_put(&quoted, STR("'\\''"));
    } else if (rune == '"') {
        buf_put(&quoted, STR("'\"'"));
    } else {
        utf8_put_quoted(&quoted, str_make(bytes, utf8_encode(rune, bytes)));
        if (!quoted.failed)
            quoted.ptr[0] = quoted.ptr[quoted.len - 1] = '\'';
    }
    pad(p, buf_str(&quoted));
    buf_release(&quoted);
}

static void put_unicode(struct printer *p, int64_t v)
{
    char bytes[UTF8_BYTES_MAX];
    struct buf text;
    int least =
        p->has_precision && p->precision > 4 ? MIN_OF(p->precision, FLOAT_TEXT_BYTES / 2) : 4;

    buf_init(&text, FLOAT_TEXT_BYTES);
    buf_printf(&text, "U+%0*llX", least, (unsigned long long)v);
    if (p->sharp && v >= 0 && v <= RUNE_MAX && rune_is_print((uint32_t)v)) {
        buf_put(&text, STR(" '"));
        buf_put(&text, str_make(bytes, utf8_encode((uint32_t)v, bytes)));
        buf_put_char(&text, '\'');
    }
    pad_with_blanks(p, buf_str(&text));
    buf_release(&text);
}

static void put_integer_verb(struct printer *p, const struct template_value *v, uint32_t verb)
{
    switch (verb) {
    case 'v':
        if (p->sharp_v && v->kind == VALUE_UINT8) {
            p->sharp = true;
            put_integer(p, v->integer, 16, 'x');
            p->sharp = false;
            return;
        }
        put_integer(p, v->integer, 10, verb);
        return;
    case 'd':
        put_integer(p, v->integer, 10, verb);
        return;
    case 'b':
        put_integer(p, v->integer, 2, verb);
        return;
    case 'o':
    case 'O':
        put_integer(p, v->integer, 8, verb);
        return;
    case 'x':
    case 'X':
        put_integer(p, v->integer, 16, verb);
        return;
    case 'c':
        put_char(p, v->integer);
        return;
    case 'q':
        put_quoted_char(p, v->integer);
        return;
    case 'U':
        put_unicode(p, v->integer);
        return;
    default:
        put_bad_verb(p, v, verb);
    }
}

/* ---- floats ---- */

/* The fewest digits that read back, with an exponent where the value is large or small. */
static void put_shortest(struct buf *b, double v, bool upper)
{
    char digits[32];
    int exponent;

    if (v == 0) {
        buf_put(b, signbit(v) ? STR("-0") : STR("0"));
        return;
    }
    int count = num_shortest(v, digits, &exponent);
    exponent--; /* of d.ddd */
    if (exponent >= EXPONENT_LAST && exponent < EXPONENT_FIRST) {
        num_put_double(b, v);
        return;
    }
    if (v < 0)
        buf_put_char(b, '-');
    buf_put_char(b, digits[0]);
    if (count > 1)
        buf_put_char(b, '.');
    buf_put(b, str_make(digits + 1, (size_t)count - 1));
    buf_printf(b, "%c%c%02d", upper ? 'E' : 'e', exponent < 0 ? '-' : '+',
               exponent < 0 ? -exponent : exponent);
}

/* snprintf of one float; digits behind the last that a double can have are zeros. */
static void put_fixed(struct printer *p, struct buf *b, double v, char verb)
{
    char format[] = {'%', p->sharp ? '#' : '+', '.', '*', verb, '\0'};
    char text[FRACTION_DIGITS_MAX + FLOAT_TEXT_BYTES];
    int wanted = p->has_precision ? p->precision : 6;
    int precision = MIN_OF(wanted, (int)FRACTION_DIGITS_MAX);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(text, sizeof(text), format, precision, v);
#pragma GCC diagnostic pop
    ASSERT(len > 0 && (size_t)len < sizeof(text));
    struct str all = str_make(text, (size_t)len);
    if (all.ptr[0] == '+')
        all = str_cut(all, 1);
    size_t e = (verb | 0x20) == 'e' ? str_find_char(all, verb) : all.len;
    buf_put(b, str_head(all, e));
    if ((verb | 0x20) != 'g')
        put_times(b, '0', (size_t)(wanted - precision));
    buf_put(b, str_cut(all, e));
}

/* The mantissa as an integer and a binary exponent. */
static void put_binary(struct buf *b, double v)
{
    int exponent;
    double fraction = frexp(v, &exponent);

    if (v == 0 || fpclassify(v) == FP_SUBNORMAL) {
        buf_printf(b, "%.0fp-1074", ldexp(v, 1074));
        return;
    }
    buf_printf(b, "%.0fp%+d", ldexp(fraction, 53), exponent - 53);
}

/* C writes one digit of the exponent where Go writes two. */
static void put_hex_float(struct printer *p, struct buf *b, double v, bool upper)
{
    char text[FLOAT_TEXT_BYTES];
    int precision = p->has_precision ? MIN_OF(p->precision, FLOAT_TEXT_BYTES / 2) : -1;
    int len = precision < 0 ? snprintf(text, sizeof(text), upper ? "%A" : "%a", v)
                            : snprintf(text, sizeof(text), upper ? "%.*A" : "%.*a", precision, v);

    ASSERT(len > 0 && (size_t)len < sizeof(text));
    struct str all = str_make(text, (size_t)len);
    size_t exponent = str_find_char(all, upper ? 'P' : 'p');
    ASSERT(exponent != STR_NPOS);
    struct str digits = str_cut(all, exponent + 2);
    buf_put(b, str_head(all, exponent + 2));
    if (digits.len < 2)
        buf_put_char(b, '0');
    buf_put(b, digits);
}

/* The number without regard to signs asked for, and to width. */
static void put_number(struct printer *p, struct buf *b, double v, uint32_t verb)
{
    if (!isfinite(v)) {
        num_put_double(b, v);
        return;
    }
    switch (verb) {
    case 'b':
        put_binary(b, v);
        return;
    case 'x':
    case 'X':
        put_hex_float(p, b, v, verb == 'X');
        return;
    case 'e':
    case 'E':
        put_fixed(p, b, v, (char)verb);
        return;
    case 'f':
    case 'F':
        put_fixed(p, b, v, 'f');
        return;
    default:
        if (p->has_precision || p->sharp)
            put_fixed(p, b, v, verb == 'G' ? 'G' : 'g');
        else
            put_shortest(b, v, verb == 'G');
    }
}

static void put_float(struct printer *p, double v, uint32_t verb)
{
    struct buf number, text;

    buf_init(&number, TEMPLATE_WIDTH_MAX + FLOAT_TEXT_BYTES);
    buf_init(&text, TEMPLATE_WIDTH_MAX + FLOAT_TEXT_BYTES);
    put_number(p, &number, v, verb);
    struct str s = buf_str(&number);
    char sign = s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+') ? s.ptr[0] : '\0';
    if (sign != '\0')
        s = str_cut(s, 1);
    if (p->space && !p->plus && sign != '-')
        sign = ' ';
    else if (p->plus && sign == '\0')
        sign = '+';
    size_t shown = s.len + (sign != '\0');
    bool zeros = p->zero && !p->minus && isfinite(v) && p->has_width;
    if (sign != '\0')
        buf_put_char(&text, sign);
    if (zeros && shown < (size_t)p->width)
        put_times(&text, '0', (size_t)p->width - shown);
    buf_put(&text, s);
    pad_with_blanks(p, buf_str(&text));
    if (number.failed || text.failed)
        buf_fail(p->b, ST_TOO_LARGE);
    buf_release(&text);
    buf_release(&number);
}

static void put_float_verb(struct printer *p, const struct template_value *v, uint32_t verb)
{
    bool known = verb < 0x80 && strchr("vbgGxXfFeE", (int)verb) != NULL && verb != 0;

    if (known)
        put_float(p, v->number, verb);
    else
        put_bad_verb(p, v, verb);
}

/* ---- strings ---- */

/* As many runes as the precision says. */
static struct str truncated(const struct printer *p, struct str s)
{
    size_t at = 0, len;

    if (!p->has_precision)
        return s;
    for (int i = 0; i < p->precision && at < s.len; i++) {
        (void)utf8_decode(str_cut(s, at), &len);
        at += len;
    }
    return str_head(s, at);
}

static bool can_backquote(struct str s)
{
    for (size_t len; s.len > 0; s = str_cut(s, len)) {
        uint32_t rune = utf8_decode(s, &len);
        if ((rune == RUNE_ERROR && len == 1) || rune == 0xfeff || rune == '`' || rune == 0x7f ||
            (rune < ' ' && rune != '\t'))
            return false;
    }
    return true;
}

static void put_quoted(struct printer *p, struct str s, bool backquotes)
{
    struct buf quoted;

    s = truncated(p, s);
    buf_init(&quoted, p->b->max);
    if (backquotes && can_backquote(s)) {
        buf_put_char(&quoted, '`');
        buf_put(&quoted, s);
        buf_put_char(&quoted, '`');
    } else {
        utf8_put_quoted(&quoted, s);
    }
    pad(p, buf_str(&quoted));
    if (quoted.failed)
        buf_fail(p->b, buf_status(&quoted, NULL));
    buf_release(&quoted);
}

/* Two digits a byte; `space` separates them, `sharp` puts 0x before. */
static void put_hex(struct printer *p, struct str s, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    struct str prefix = upper ? STR("0X") : STR("0x");
    struct buf text;

    if (p->has_precision)
        s = str_head(s, (size_t)p->precision);
    buf_init(&text, p->b->max);
    for (size_t i = 0; i < s.len && !text.failed; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (p->space && i > 0)
            buf_put_char(&text, ' ');
        if (p->sharp && (p->space || i == 0))
            buf_put(&text, prefix);
        buf_put_char(&text, digits[c >> 4]);
        buf_put_char(&text, digits[c & 0xf]);
    }
    pad(p, buf_str(&text));
    if (text.failed)
        buf_fail(p->b, buf_status(&text, NULL));
    buf_release(&text);
}

static void put_string_verb(struct printer *p, const struct template_value *v, struct str s,
                            uint32_t verb)
{
    switch (verb) {
    case 'v':
        if (p->sharp_v && v->kind == VALUE_STRING) {
            put_quoted(p, s, false);
            return;
        }
        pad(p, truncated(p, s));
        return;
    case 's':
        pad(p, truncated(p, s));
        return;
    case 'q':
        put_quoted(p, s, p->sharp);
        return;
    case 'x':
    case 'X':
        put_hex(p, s, verb == 'X');
        return;
    default:
        put_bad_verb(p, v, verb);
    }
}

static void put_time_verb(struct printer *p, const struct template_value *v, uint32_t verb)
{
    struct buf text;

    if (verb >= 0x80 || verb == 0 || strchr("vsqxX", (int)verb) == NULL) {
        buf_put(p->b, STR("%!"));
        put_rune(p->b, verb);
        buf_put(p->b, STR("(time.Time="));
        template_time_put(p->b, v->time);
        buf_put_char(p->b, ')');
        return;
    }
    buf_init(&text, FLOAT_TEXT_BYTES);
    template_time_put(&text, v->time);
    put_string_verb(p, v, buf_str(&text), verb);
    buf_release(&text);
}

/* ---- containers ---- */

static void open_container(struct printer *p, const struct template_value *v)
{
    if (p->sharp_v)
        buf_printf(p->b, "%s{", value_type(v));
    else
        buf_put(p->b, v->kind == VALUE_LIST ? STR("[") : STR("map["));
}

static void put_separator(struct printer *p, size_t i)
{
    if (i > 0)
        buf_put(p->b, p->sharp_v ? STR(", ") : STR(" "));
}

static void put_container(struct printer *p, const struct template_value *v, uint32_t verb)
{
    size_t count = 0;

    (void)value_count(v, &count);
    open_container(p, v);
    for (size_t i = 0; i < count && !p->b->failed; i++) {
        put_separator(p, i);
        if (v->kind == VALUE_LIST) {
            put_value(p, &v->list.items[i], verb);
            continue;
        }
        bool is_map = v->kind == VALUE_MAP;
        struct template_value key =
            value_of_string(is_map ? v->map.keys[i] : v->labels.pairs[i].name);
        struct template_value label =
            is_map ? v->map.values[i] : value_of_string(v->labels.pairs[i].value);
        put_value(p, &key, verb);
        buf_put_char(p->b, ':');
        put_value(p, &label, verb);
    }
    buf_put_char(p->b, p->sharp_v ? '}' : ']');
}

static void put_value(struct printer *p, const struct template_value *v, uint32_t verb)
{
    switch (v->kind) {
    case VALUE_NIL:
        if (verb == 'v')
            pad(p, STR("<nil>"));
        else
            put_bad_verb(p, v, verb);
        return;
    case VALUE_BOOL:
        if (verb == 'v' || verb == 't')
            pad(p, v->truth ? STR("true") : STR("false"));
        else
            put_bad_verb(p, v, verb);
        return;
    case VALUE_INT:
    case VALUE_INT64:
    case VALUE_UINT8:
        put_integer_verb(p, v, verb);
        return;
    case VALUE_FLOAT:
        put_float_verb(p, v, verb);
        return;
    case VALUE_STRING:
        put_string_verb(p, v, v->string, verb);
        return;
    case VALUE_LIST:
    case VALUE_LABELS:
    case VALUE_MAP:
        put_container(p, v, verb);
        return;
    case VALUE_TIME:
        put_time_verb(p, v, verb);
        return;
    }
}

void template_put_value(struct buf *b, const struct template_value *v)
{
    struct printer p = {.b = b};

    put_value(&p, v, 'v');
}

void template_put_all(struct buf *b, const struct template_values *values)
{
    bool was_string = true;

    for (size_t i = 0; i < values->count; i++) {
        bool is_string = values->items[i].kind == VALUE_STRING;
        if (i > 0 && !is_string && !was_string)
            buf_put_char(b, ' ');
        template_put_value(b, &values->items[i]);
        was_string = is_string;
    }
}

void template_put_line(struct buf *b, const struct template_values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        if (i > 0)
            buf_put_char(b, ' ');
        template_put_value(b, &values->items[i]);
    }
    buf_put_char(b, '\n');
}

/* ---- formats ---- */

struct format {
    struct printer p;
    struct str rest;
    const struct template_values *args;
    size_t next_arg;
    bool reordered;   /* arguments were chosen by number, so extra ones are not looked for */
    bool good_number; /* of the argument of this verb */
    bool after_index; /* `[n]` was just read */
};

static bool take(struct format *f, char c)
{
    if (f->rest.len == 0 || f->rest.ptr[0] != c)
        return false;
    f->rest = str_cut(f->rest, 1);
    return true;
}

/* A decimal number; one that is too large swallows the rest of the format, as in Go. */
static bool take_number(struct format *f, int *ret)
{
    bool any = false;
    int v = 0;

    for (; f->rest.len > 0 && f->rest.ptr[0] >= '0' && f->rest.ptr[0] <= '9';
         f->rest = str_cut(f->rest, 1)) {
        if (v > TEMPLATE_WIDTH_MAX) {
            f->rest = str_cut(f->rest, f->rest.len);
            *ret = 0;
            return false;
        }
        v = v * 10 + (f->rest.ptr[0] - '0');
        any = true;
    }
    *ret = v;
    return any;
}

static void take_flags(struct format *f)
{
    for (;;) {
        if (take(f, '#'))
            f->p.sharp = true;
        else if (take(f, '0'))
            f->p.zero = true;
        else if (take(f, '+'))
            f->p.plus = true;
        else if (take(f, '-'))
            f->p.minus = true;
        else if (take(f, ' '))
            f->p.space = true;
        else
            break;
    }
}

/* `[3]`: the next argument, counted from one. */
static void take_index(struct format *f)
{
    int index = 0;

    f->after_index = false;
    if (f->rest.len == 0 || f->rest.ptr[0] != '[')
        return;
    f->reordered = true;
    size_t end = str_find_char(f->rest, ']');
    if (end == STR_NPOS || f->rest.len < 3) {
        f->rest = str_cut(f->rest, 1);
        f->good_number = false;
        return;
    }
    struct format number = {.rest = str_make(f->rest.ptr + 1, end - 1)};
    bool good = take_number(&number, &index) && number.rest.len == 0;
    f->rest = str_cut(f->rest, end + 1);
    f->after_index = good;
    if (good && index >= 1 && (size_t)index <= f->args->count)
        f->next_arg = (size_t)index - 1;
    else
        f->good_number = false;
}

/* The value of `*`. */
static bool take_star(struct format *f, int *ret)
{
    *ret = 0;
    if (f->next_arg >= f->args->count)
        return false;
    const struct template_value *v = &f->args->items[f->next_arg++];
    if (!value_is_integer(v) || v->integer > TEMPLATE_WIDTH_MAX || v->integer < -TEMPLATE_WIDTH_MAX)
        return false;
    *ret = (int)v->integer;
    return true;
}

static void take_width(struct format *f)
{
    if (!take(f, '*')) {
        f->p.has_width = take_number(f, &f->p.width);
        if (f->after_index && f->p.has_width)
            f->good_number = false;
        return;
    }
    f->p.has_width = take_star(f, &f->p.width);
    if (!f->p.has_width)
        buf_put(f->p.b, STR("%!(BADWIDTH)"));
    if (f->p.width < 0) {
        f->p.width = -f->p.width;
        f->p.minus = true;
        f->p.zero = false;
    }
    f->after_index = false;
}

static void take_precision(struct format *f)
{
    if (f->rest.len < 2 || !take(f, '.'))
        return;
    if (f->after_index)
        f->good_number = false;
    take_index(f);
    if (take(f, '*')) {
        f->p.has_precision = take_star(f, &f->p.precision);
        if (f->p.precision < 0) {
            f->p.precision = 0;
            f->p.has_precision = false;
        }
        if (!f->p.has_precision)
            buf_put(f->p.b, STR("%!(BADPREC)"));
        f->after_index = false;
        return;
    }
    if (!take_number(f, &f->p.precision))
        f->p.precision = 0;
    f->p.has_precision = true;
}

static void put_complaint(struct format *f, uint32_t verb, struct str complaint)
{
    buf_put(f->p.b, STR("%!"));
    put_rune(f->p.b, verb);
    buf_put(f->p.b, complaint);
}

static void put_argument(struct format *f, const struct template_value *v, uint32_t verb)
{
    if (verb == 'v') {
        f->p.sharp_v = f->p.sharp;
        f->p.sharp = f->p.plus = false;
    }
    if (verb == 'T')
        pad(&f->p, truncated(&f->p, str_from(value_type(v))));
    else
        put_value(&f->p, v, verb);
}

/* Behind the percent sign. */
static void put_verb(struct format *f)
{
    size_t len;

    f->p = (struct printer){.b = f->p.b};
    f->good_number = true;
    take_flags(f);
    take_index(f);
    take_width(f);
    take_precision(f);
    if (!f->after_index)
        take_index(f);
    if (f->rest.len == 0) {
        buf_put(f->p.b, STR("%!(NOVERB)"));
        return;
    }
    uint32_t verb = utf8_decode(f->rest, &len);
    f->rest = str_cut(f->rest, len);
    if (verb == '%')
        buf_put_char(f->p.b, '%');
    else if (!f->good_number)
        put_complaint(f, verb, STR("(BADINDEX)"));
    else if (f->next_arg >= f->args->count)
        put_complaint(f, verb, STR("(MISSING)"));
    else
        put_argument(f, &f->args->items[f->next_arg++], verb);
}

static void put_extra(struct format *f)
{
    buf_put(f->p.b, STR("%!(EXTRA "));
    for (size_t i = f->next_arg; i < f->args->count; i++) {
        const struct template_value *v = &f->args->items[i];
        if (i > f->next_arg)
            buf_put(f->p.b, STR(", "));
        if (v->kind != VALUE_NIL)
            buf_printf(f->p.b, "%s=", value_type(v));
        template_put_value(f->p.b, v);
    }
    buf_put_char(f->p.b, ')');
}

void template_put_format(struct buf *b, struct str format, const struct template_values *args)
{
    struct format f = {.p = {.b = b}, .rest = format, .args = args};

    while (f.rest.len > 0 && !b->failed) {
        size_t plain = MIN_OF(str_find_char(f.rest, '%'), f.rest.len);
        buf_put(b, str_head(f.rest, plain));
        f.rest = str_cut(f.rest, plain);
        if (take(&f, '%'))
            put_verb(&f);
    }
    if (!f.reordered && f.next_arg < args->count)
        put_extra(&f);
}
