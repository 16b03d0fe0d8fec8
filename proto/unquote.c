#include "proto/unquote.h"

#include "base/utf8.h"

#include "base/banned.h"

/* Cut `count` digits of `base` (8 or 16) off `*in`. */
static bool scan_digits(struct str *in, size_t count, unsigned base, uint32_t *ret_v)
{
    uint32_t v = 0;

    if (in->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        char c = in->ptr[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f'
                             ? (unsigned)((c | 0x20) - 'a') + 10
                             : base;
        if (digit >= base)
            return false;
        v = v * base + digit;
    }
    *in = str_cut(*in, count);
    *ret_v = v;
    return true;
}

/* Decode the escape behind a backslash into `to`; returns how many bytes, 0 if it is none. */
static size_t scan_escape(struct str *in, char to[UTF8_BYTES_MAX])
{
    static const char names[] = "abfnrtv\\'\"";
    static const char bytes[] = "\a\b\f\n\r\t\v\\'\"";
    uint32_t v;

    if (in->len == 0)
        return 0;
    char c = in->ptr[0];
    const char *name = c == '\0' ? NULL : strchr(names, c);
    if (name != NULL) {
        *in = str_cut(*in, 1);
        to[0] = bytes[name - names];
        return 1;
    }
    if (c >= '0' && c <= '7') {
        if (!scan_digits(in, 3, 8, &v) || v > 0xff)
            return 0;
        to[0] = (char)(unsigned char)v;
        return 1;
    }
    *in = str_cut(*in, 1);
    if (c == 'x') {
        if (!scan_digits(in, 2, 16, &v))
            return 0;
        to[0] = (char)(unsigned char)v;
        return 1;
    }
    if (c != 'u' && c != 'U')
        return 0;
    if (!scan_digits(in, c == 'u' ? 4 : 8, 16, &v) || v > RUNE_MAX)
        return 0;
    return utf8_encode(v, to);
}

/* The offset of the closing quote, or STR_NPOS; `*ret_escapes` tells whether a backslash precedes
 * it. */
static size_t find_end(struct str in, char quote, bool *ret_escapes)
{
    *ret_escapes = false;
    for (size_t i = 1; i < in.len; i++) {
        if (in.ptr[i] == quote)
            return i;
        if (quote == '`')
            continue;
        if (in.ptr[i] == '\n')
            return STR_NPOS;
        if (in.ptr[i] == '\\') {
            *ret_escapes = true;
            i++;
        }
    }
    return STR_NPOS;
}

enum status unquote(struct arena *a, struct str in, size_t *ret_len, struct str *ret_value)
{
    bool escapes;

    if (in.len == 0 || strchr("\"'`", in.ptr[0]) == NULL || in.ptr[0] == '\0')
        return ST_INVALID;
    size_t end = find_end(in, in.ptr[0], &escapes);
    if (end == STR_NPOS)
        return ST_INVALID;

    struct str rest = str_cut(str_head(in, end), 1);
    if (!escapes) {
        *ret_len = end + 1;
        *ret_value = rest;
        return ST_OK;
    }
    char *to = arena_bytes(a, rest.len);
    size_t len = 0;
    if (to == NULL)
        return ST_LIMIT;
    while (rest.len > 0) {
        char c = rest.ptr[0];
        rest = str_cut(rest, 1);
        if (c != '\\') {
            to[len++] = c;
            continue;
        }
        char bytes[UTF8_BYTES_MAX];
        size_t count = scan_escape(&rest, bytes);
        if (count == 0)
            return ST_INVALID;
        memcpy(to + len, bytes, count); /* never longer than the escape itself */
        len += count;
    }
    *ret_len = end + 1;
    *ret_value = str_make(to, len);
    return ST_OK;
}
