#include "proto/json.h"

#include "base/utf8.h"

#include "base/banned.h"

void json_init(struct json *j, struct str text, struct arena *arena, struct err *err)
{
    *j = (struct json){.text = text, .rest = text, .arena = arena, .err = err};
}

enum status json_status(const struct json *j)
{
    return j->status;
}

void json_fail(struct json *j, const char *reason)
{
    if (j->status != ST_OK)
        return;
    j->status =
        err_set(j->err, ST_INVALID, "JSON: %s at offset %zu", reason, j->text.len - j->rest.len);
}

static void skip_blanks(struct json *j)
{
    size_t at = 0;

    while (at < j->rest.len && (j->rest.ptr[at] == ' ' || j->rest.ptr[at] == '\n' ||
                                j->rest.ptr[at] == '\t' || j->rest.ptr[at] == '\r'))
        at++;
    j->rest = str_cut(j->rest, at);
}

static bool accept(struct json *j, char c)
{
    if (j->rest.len == 0 || j->rest.ptr[0] != c)
        return false;
    j->rest = str_cut(j->rest, 1);
    return true;
}

enum json_kind json_peek(struct json *j)
{
    if (j->status != ST_OK)
        return JSON_END;
    skip_blanks(j);
    if (j->rest.len == 0)
        return JSON_END;
    switch (j->rest.ptr[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return j->rest.ptr[0] == '-' || (j->rest.ptr[0] >= '0' && j->rest.ptr[0] <= '9')
                   ? JSON_NUMBER
                   : JSON_END;
    }
}

static void enter(struct json *j, enum json_kind kind, const char *reason)
{
    if (json_peek(j) != kind) {
        json_fail(j, j->rest.len == 0 ? "unexpected end of input" : reason);
        return;
    }
    if (j->depth == JSON_DEPTH_MAX) {
        json_fail(j, "too deeply nested");
        return;
    }
    j->rest = str_cut(j->rest, 1);
    j->depth++;
    j->first = true;
}

void json_enter_object(struct json *j)
{
    enter(j, JSON_OBJECT, "expected an object");
}

void json_enter_array(struct json *j)
{
    enter(j, JSON_ARRAY, "expected an array");
}

/* Read a comma (unless nothing came before) or `close`; true when a member follows. */
static bool next_member(struct json *j, char close, const char *reason)
{
    if (j->status != ST_OK)
        return false;
    bool first = j->first;
    j->first = false;
    skip_blanks(j);
    if (accept(j, close)) {
        ASSERT(j->depth > 0);
        j->depth--;
        return false;
    }
    if (!first && !accept(j, ',')) {
        json_fail(j, j->rest.len == 0 ? "unexpected end of input" : reason);
        return false;
    }
    return true;
}

static bool next_name(struct json *j)
{
    return next_member(j, '}', "expected a comma or a closing brace");
}

/* What follows a name. */
static bool take_colon(struct json *j)
{
    skip_blanks(j);
    if (j->status == ST_OK && !accept(j, ':'))
        json_fail(j, "expected a colon");
    return j->status == ST_OK;
}

bool json_next_key(struct json *j, struct str *ret_key)
{
    if (!next_name(j))
        return false;
    struct str key = json_read_string(j);
    if (!take_colon(j))
        return false;
    *ret_key = key;
    return true;
}

bool json_next_item(struct json *j)
{
    return next_member(j, ']', "expected a comma or a closing bracket");
}

static bool scan_hex4(struct str *in, uint32_t *ret_v)
{
    uint32_t v = 0;

    if (in->len < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        char c = in->ptr[i];
        char low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            return false;
    }
    *in = str_cut(*in, 4);
    *ret_v = v;
    return true;
}

/* The rune behind `\u`: one unit, or two that form a pair. */
static bool scan_unicode(struct str *in, uint32_t *ret_rune)
{
    uint32_t high, low;

    if (!scan_hex4(in, &high))
        return false;
    *ret_rune = high;
    if (high < 0xd800 || high > 0xdbff || !str_starts(*in, STR("\\u")))
        return true;
    struct str rest = str_cut(*in, 2);
    if (scan_hex4(&rest, &low) && low >= 0xdc00 && low <= 0xdfff) {
        *ret_rune = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        *in = rest;
    }
    return true;
}

bool json_cut_escape(struct str *in, uint32_t *ret_rune)
{
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";

    if (in->len == 0)
        return false;
    char c = in->ptr[0];
    *in = str_cut(*in, 1);
    if (c == 'u')
        return scan_unicode(in, ret_rune);
    const char *name = c == '\0' ? NULL : strchr(names, c);
    if (name == NULL)
        return false;
    *ret_rune = (unsigned char)bytes[name - names];
    return true;
}

size_t json_resolve_escapes(struct str raw, json_escape_fn *cut, char *to)
{
    size_t len = 0;

    while (raw.len > 0) {
        size_t plain = MIN_OF(str_find_char(raw, '\\'), raw.len);
        memcpy(to + len, raw.ptr, plain);
        len += plain;
        raw = str_cut(raw, plain);
        if (raw.len == 0)
            break;
        raw = str_cut(raw, 1);
        uint32_t rune;
        if (!cut(&raw, &rune))
            return STR_NPOS;
        char bytes[UTF8_BYTES_MAX];
        size_t count = utf8_encode(rune, bytes);
        memcpy(to + len, bytes, count); /* never longer than the escape itself */
        len += count;
    }
    return len;
}

/* Resolve the escapes of `raw`, which has at least one. */
static struct str unescape(struct json *j, struct str raw)
{
    char *to = arena_bytes(j->arena, raw.len);

    if (to == NULL) {
        j->status = arena_status(j->arena, j->err);
        return STR_NULL;
    }
    size_t len = json_resolve_escapes(raw, json_cut_escape, to);
    if (len == STR_NPOS) {
        json_fail(j, "invalid escape in the string before");
        return STR_NULL;
    }
    return str_make(to, len);
}

/*
 * The offset of the first byte from `at` that ends plain text: a quote, a backslash or a control
 * character. Eight bytes at a time: bit tricks on words, after Sean Anderson's "Bit Twiddling
 * Hacks" (hasless, haszero).
 */
static size_t plain_end(struct str s, size_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;

    for (uint64_t word; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.ptr + at, sizeof(word));
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        uint64_t hits =
            ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * ' ') & ~word);
        if ((hits & high) != 0)
            break;
    }
    for (; at < s.len; at++) {
        unsigned char c = (unsigned char)s.ptr[at];
        if (c == '"' || c == '\\' || c < ' ')
            break;
    }
    return at;
}

/* Read over a string; the view is what stands between the quotes. */
static struct str raw_string(struct json *j, bool *ret_escapes)
{
    bool escapes = false;

    if (json_peek(j) != JSON_STRING) {
        json_fail(j, j->rest.len == 0 ? "unexpected end of input" : "expected a string");
        return STR_NULL;
    }
    struct str in = str_cut(j->rest, 1);
    size_t end = plain_end(in, 0);
    while (end < in.len && in.ptr[end] == '\\') {
        escapes = true;
        end = end + 2 > in.len ? in.len : plain_end(in, end + 2);
    }
    if (end >= in.len) {
        json_fail(j, "string without an end");
        return STR_NULL;
    }
    if (in.ptr[end] != '"') {
        json_fail(j, "control character in a string");
        return STR_NULL;
    }
    j->rest = str_cut(in, end + 1);
    *ret_escapes = escapes;
    return str_head(in, end);
}

struct str json_read_string(struct json *j)
{
    bool escapes = false;
    struct str raw = raw_string(j, &escapes);

    return escapes ? unescape(j, raw) : raw;
}

static size_t digits_at(struct str s, size_t at)
{
    size_t count = 0;

    while (at + count < s.len && s.ptr[at + count] >= '0' && s.ptr[at + count] <= '9')
        count++;
    return count;
}

static bool char_at_is(struct str s, size_t at, char c)
{
    return at < s.len && s.ptr[at] == c;
}

/* Is `s` a number by the grammar of JSON? */
static bool is_number(struct str s)
{
    size_t at = char_at_is(s, 0, '-') ? 1 : 0;
    size_t digits = digits_at(s, at);

    if (digits == 0 || (digits > 1 && s.ptr[at] == '0'))
        return false;
    at += digits;
    if (char_at_is(s, at, '.')) {
        digits = digits_at(s, ++at);
        if (digits == 0)
            return false;
        at += digits;
    }
    if (char_at_is(s, at, 'e') || char_at_is(s, at, 'E')) {
        at++;
        if (char_at_is(s, at, '+') || char_at_is(s, at, '-'))
            at++;
        digits = digits_at(s, at);
        if (digits == 0)
            return false;
        at += digits;
    }
    return at == s.len;
}

struct str json_literal(struct json *j)
{
    size_t len = 0;

    enum json_kind kind = json_peek(j);
    while (len < j->rest.len && strchr(" \t\r\n,]}:", j->rest.ptr[len]) == NULL)
        len++;
    struct str text = str_head(j->rest, len);
    bool good = (kind == JSON_NUMBER && is_number(text)) ||
                (kind == JSON_BOOL && (str_eq(text, STR("true")) || str_eq(text, STR("false")))) ||
                (kind == JSON_NULL && str_eq(text, STR("null")));
    if (!good) {
        json_fail(j, j->rest.len == 0 ? "unexpected end of input" : "invalid value");
        return STR_NULL;
    }
    j->rest = str_cut(j->rest, len);
    return text;
}

void json_skip(struct json *j)
{
    bool escapes;

    switch (json_peek(j)) {
    case JSON_OBJECT:
        json_enter_object(j);
        while (next_name(j)) {
            (void)raw_string(j, &escapes);
            if (take_colon(j))
                json_skip(j);
        }
        break;
    case JSON_ARRAY:
        json_enter_array(j);
        while (json_next_item(j))
            json_skip(j);
        break;
    case JSON_STRING:
        (void)raw_string(j, &escapes);
        break;
    default:
        (void)json_literal(j);
        break;
    }
}

void json_finish(struct json *j)
{
    if (j->status != ST_OK)
        return;
    skip_blanks(j);
    if (j->rest.len > 0)
        json_fail(j, "something follows the end");
}

/* ---- writing ---- */

static void put_special(struct buf *b, uint32_t rune)
{
    static const char bytes[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    const char *hit = rune == 0 || rune > 0x7f ? NULL : strchr(bytes, (int)rune);

    if (hit != NULL) {
        buf_put_char(b, '\\');
        buf_put_char(b, names[hit - bytes]);
    } else {
        buf_printf(b, "\\u%04x", (unsigned)rune);
    }
}

static bool needs_escape(uint32_t rune, bool html_safe)
{
    if (rune < ' ' || rune == '"' || rune == '\\')
        return true;
    return html_safe &&
           (rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 || rune == 0x2029);
}

void json_put_string(struct buf *b, struct str s, bool html_safe)
{
    size_t plain = 0, len;

    buf_put_char(b, '"');
    while (plain < s.len) {
        uint32_t rune = utf8_decode(str_cut(s, plain), &len);
        bool invalid = rune == RUNE_ERROR && len == 1;
        if (!invalid && !needs_escape(rune, html_safe)) {
            plain += len;
            continue;
        }
        buf_put(b, str_head(s, plain));
        if (invalid)
            buf_put(b, STR("\\ufffd"));
        else
            put_special(b, rune);
        s = str_cut(s, plain + len);
        plain = 0;
    }
    buf_put(b, s);
    buf_put_char(b, '"');
}

void json_put_labels(struct buf *b, struct labels l)
{
    buf_put_char(b, '{');
    for (size_t i = 0; i < l.count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        json_put_string(b, l.pairs[i].name, false);
        buf_put_char(b, ':');
        json_put_string(b, l.pairs[i].value, false);
    }
    buf_put_char(b, '}');
}
