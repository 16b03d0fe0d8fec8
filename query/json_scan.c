/*
 * Most of the time is spent in looking for the end of a string or of a block that nobody wants, so
 * these two look at eight bytes at a time: bit tricks on words, after Sean Anderson's "Bit
 * Twiddling Hacks" (haszero). What they find may be right or one byte too early, never too late; a
 * loop over single bytes finishes.
 */
#include "query/json_scan.h"

#include "query/label_builder.h"

#include "base/banned.h"

#define WORD_ONES UINT64_C(0x0101010101010101)
#define WORD_HIGHS (WORD_ONES << 7)

struct str json_fault_text(enum json_fault fault)
{
    static const struct str texts[] = {
        [JSON_FAULT_NONE] = STR_INIT(""),
        [JSON_FAULT_OBJECT] =
            STR_INIT("Value looks like object, but can't find closing '}' symbol"),
        [JSON_FAULT_ARRAY] = STR_INIT("Value is array, but can't find closing ']' symbol"),
        [JSON_FAULT_MALFORMED] = STR_INIT("Malformed JSON error"),
        [JSON_FAULT_STRING] = STR_INIT("Value is string, but can't find closing '\"' symbol"),
        [JSON_FAULT_VALUE] = STR_INIT("Unknown value type"),
        [JSON_FAULT_ESCAPE] = STR_INIT("Encountered an invalid escape sequence in a string"),
    };

    ASSERT(fault < COUNT_OF(texts));
    return texts[fault];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

void json_skip_blanks(struct str *in)
{
    size_t at = 0;

    while (at < in->len && is_blank(in->ptr[at]))
        at++;
    *in = str_cut(*in, at);
}

/* High bits where a byte of `word` is `c`, and perhaps in bytes above such a one. */
static uint64_t bytes_equal(uint64_t word, char c)
{
    uint64_t x = word ^ (WORD_ONES * (unsigned char)c);

    return (x - WORD_ONES) & ~x & WORD_HIGHS;
}

/* The offset, from `at`, of the first quote or backslash; the length of `s` if there is none. */
static size_t find_quote(struct str s, size_t at)
{
    for (uint64_t word; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.ptr + at, sizeof(word));
        if ((bytes_equal(word, '"') | bytes_equal(word, '\\')) != 0)
            break;
    }
    while (at < s.len && s.ptr[at] != '"' && s.ptr[at] != '\\')
        at++;
    return at;
}

/* The offset behind the string that begins at `at`, behind its quote, or STR_NPOS. */
static size_t string_end(struct str s, size_t at, bool *ret_escapes)
{
    *ret_escapes = false;
    for (;;) {
        at = find_quote(s, at);
        if (at == s.len)
            return STR_NPOS;
        if (s.ptr[at] == '"')
            return at + 1;
        *ret_escapes = true;
        if (s.len - at < 2)
            return STR_NPOS;
        at += 2;
    }
}

bool json_cut_string(struct str *in, struct json_value *ret)
{
    bool escapes;
    size_t end = string_end(*in, 0, &escapes);

    if (end == STR_NPOS)
        return false;
    *ret = (struct json_value){JSON_STRING, str_head(*in, end - 1), escapes};
    *in = str_cut(*in, end);
    return true;
}

/* The offset, from `at`, of the first quote or bracket of this kind. */
static size_t find_bracket(struct str s, size_t at, char open, char close)
{
    for (uint64_t word; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.ptr + at, sizeof(word));
        if ((bytes_equal(word, '"') | bytes_equal(word, open) | bytes_equal(word, close)) != 0)
            break;
    }
    while (at < s.len && s.ptr[at] != '"' && s.ptr[at] != open && s.ptr[at] != close)
        at++;
    return at;
}

/* The length of the object or array `s` begins with, or STR_NPOS. Only its own kind of bracket
 * counts. */
static size_t block_len(struct str s)
{
    char open = s.ptr[0], close = open == '{' ? '}' : ']';
    size_t depth = 1, at = 1;
    bool escapes;

    for (;;) {
        at = find_bracket(s, at, open, close);
        if (at == s.len)
            return STR_NPOS;
        char c = s.ptr[at++];
        if (c == '"') {
            at = string_end(s, at, &escapes);
            if (at == STR_NPOS)
                return STR_NPOS;
        } else if (c == open) {
            depth++;
        } else if (--depth == 0) {
            return at;
        }
    }
}

static enum json_fault cut_block(struct str *in, enum json_kind kind, struct json_value *ret)
{
    size_t len = block_len(*in);

    if (len == STR_NPOS)
        return kind == JSON_OBJECT ? JSON_FAULT_OBJECT : JSON_FAULT_ARRAY;
    *ret = (struct json_value){kind, str_head(*in, len), false};
    *in = str_cut(*in, len);
    return JSON_FAULT_NONE;
}

static bool ends_literal(char c)
{
    return is_blank(c) || c == ',' || c == '}' || c == ']';
}

/* A number is whatever begins like one; words must be whole. */
static enum json_fault cut_literal(struct str *in, struct json_value *ret)
{
    size_t len = 0;

    while (len < in->len && !ends_literal(in->ptr[len]))
        len++;
    struct str text = str_head(*in, len);
    char c = in->ptr[0];
    if (c == '-' || (c >= '0' && c <= '9'))
        ret->kind = JSON_NUMBER;
    else if (str_eq(text, STR("true")) || str_eq(text, STR("false")))
        ret->kind = JSON_BOOL;
    else if (str_eq(text, STR("null")))
        ret->kind = JSON_NULL;
    else
        return JSON_FAULT_VALUE;
    ret->text = text;
    ret->escapes = false;
    *in = str_cut(*in, len);
    return JSON_FAULT_NONE;
}

enum json_fault json_cut_value(struct str *in, struct json_value *ret)
{
    json_skip_blanks(in);
    if (in->len == 0)
        return JSON_FAULT_MALFORMED;
    switch (in->ptr[0]) {
    case '"':
        *in = str_cut(*in, 1);
        return json_cut_string(in, ret) ? JSON_FAULT_NONE : JSON_FAULT_STRING;
    case '{':
        return cut_block(in, JSON_OBJECT, ret);
    case '[':
        return cut_block(in, JSON_ARRAY, ret);
    default:
        return cut_literal(in, ret);
    }
}

/* A surrogate without its partner is no escape. */
static bool cut_escape(struct str *in, uint32_t *ret_rune)
{
    return json_cut_escape(in, ret_rune) && (*ret_rune < 0xd800 || *ret_rune > 0xdfff);
}

struct str json_unescape(struct arena *a, struct str raw)
{
    char *to = arena_bytes(a, raw.len);
    size_t len = to == NULL ? STR_NPOS : json_resolve_escapes(raw, cut_escape, to);

    return len == STR_NPOS ? STR_NULL : str_make(to, len);
}

struct str json_label_value(struct arena *a, const struct json_value *v)
{
    struct str text = v->escapes ? json_unescape(a, v->text) : v->text;

    if (text.ptr == NULL)
        return STR("");
    return v->kind == JSON_STRING ? label_value_sanitize(a, text) : text;
}

size_t json_name_join(struct arena *scratch, char name[JSON_NAME_BYTES_MAX], size_t len,
                      struct str key)
{
    struct str part =
        len == 0 ? label_name_sanitize(scratch, key) : label_name_sanitize_part(scratch, key);

    if (part.len == 0)
        return len;
    if (part.len >= JSON_NAME_BYTES_MAX - len)
        return STR_NPOS;
    if (len > 0)
        name[len++] = '_';
    memcpy(name + len, part.ptr, part.len);
    return len + part.len;
}

/* ---- members ---- */

void json_members_init(struct json_members *m, struct arena *a, struct str object)
{
    *m = (struct json_members){.rest = object, .arena = a};
}

static bool fail(struct json_members *m, enum json_fault fault)
{
    m->fault = fault;
    return false;
}

/* Stand on the byte that begins the next member or ends the object. */
static bool begin_member(struct json_members *m)
{
    char expected = m->begun ? ',' : '{';

    json_skip_blanks(&m->rest);
    if (m->rest.len == 0)
        return fail(m, m->begun ? JSON_FAULT_ARRAY : JSON_FAULT_OBJECT);
    if (m->begun && m->rest.ptr[0] == '}')
        return false;
    if (m->rest.ptr[0] != expected)
        return fail(m, JSON_FAULT_OBJECT);
    m->rest = str_cut(m->rest, 1);
    json_skip_blanks(&m->rest);
    if (m->rest.len == 0)
        return fail(m, m->begun ? JSON_FAULT_ARRAY : JSON_FAULT_MALFORMED);
    if (m->rest.ptr[0] == '}') /* behind the last comma, too */
        return false;
    m->begun = true;
    return m->rest.ptr[0] == '"' || fail(m, JSON_FAULT_OBJECT);
}

static bool read_key(struct json_members *m, struct str *ret_key)
{
    struct json_value key;

    m->rest = str_cut(m->rest, 1);
    if (!json_cut_string(&m->rest, &key))
        return fail(m, JSON_FAULT_MALFORMED);
    *ret_key = key.escapes ? json_unescape(m->arena, key.text) : key.text;
    if (ret_key->ptr == NULL)
        return fail(m, JSON_FAULT_ESCAPE);
    json_skip_blanks(&m->rest);
    if (m->rest.len == 0 || m->rest.ptr[0] != ':')
        return fail(m, JSON_FAULT_MALFORMED);
    m->rest = str_cut(m->rest, 1);
    return true;
}

bool json_members_next(struct json_members *m, struct json_member *ret)
{
    if (!begin_member(m) || !read_key(m, &ret->key))
        return false;
    m->fault = json_cut_value(&m->rest, &ret->value);
    return m->fault == JSON_FAULT_NONE;
}
