#include "query/go_string.h"

#include "base/utf8.h"

#include "base/banned.h"

enum { OCTAL_DIGITS = 3, SURROGATE_FIRST = 0xd800, SURROGATE_LAST = 0xdfff };

/* Cut exactly `count` digits off `*in`. */
static bool cut_digits(struct str *in, uint32_t base, size_t count, uint32_t *ret)
{
    uint32_t v = 0;

    if (in->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t c = (unsigned char)in->ptr[i];
        uint32_t digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        if (digit >= base)
            return false;
        v = v * base + digit;
    }
    *in = str_cut(*in, count);
    *ret = v;
    return true;
}

/* A byte given by its number. */
static bool put_byte(struct buf *b, struct str *in, uint32_t base, size_t digits)
{
    uint32_t v;

    if (!cut_digits(in, base, digits, &v) || v > UINT8_MAX)
        return false;
    buf_put_char(b, (char)v);
    return true;
}

static bool put_rune(struct buf *b, struct str *in, size_t digits, unsigned flags)
{
    char bytes[UTF8_BYTES_MAX];
    uint32_t v;

    if (!cut_digits(in, 16, digits, &v) || v > RUNE_MAX)
        return false;
    if (v >= SURROGATE_FIRST && v <= SURROGATE_LAST && (flags & GO_STRING_SURROGATES) == 0)
        return false;
    buf_put(b, str_make(bytes, utf8_encode(v, bytes)));
    return true;
}

bool go_string_put_escape(struct buf *b, struct str *in, char quote, unsigned flags)
{
    static const char names[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";

    if (in->len < 2)
        return false;
    char c = in->ptr[1];
    if (c >= '0' && c <= '7') {
        *in = str_cut(*in, 1);
        return put_byte(b, in, 8, OCTAL_DIGITS);
    }
    *in = str_cut(*in, 2);
    switch (c) {
    case 'x':
        return put_byte(b, in, 16, 2);
    case 'u':
        return put_rune(b, in, 4, flags);
    case 'U':
        return put_rune(b, in, 8, flags);
    default:
        break;
    }
    const char *name = c == '\0' ? NULL : strchr(names, c);
    if (name == NULL && c != quote)
        return false;
    buf_put_char(b, name == NULL ? quote : values[name - names]);
    return true;
}

bool go_string_put(struct buf *b, struct str text, unsigned flags)
{
    for (;;) {
        size_t plain = MIN_OF(str_find_char(text, '\\'), text.len);
        utf8_put_valid(b, str_head(text, plain), STR("\xef\xbf\xbd"));
        text = str_cut(text, plain);
        if (text.len == 0)
            return true;
        if (!go_string_put_escape(b, &text, '"', flags))
            return false;
    }
}
