/*
 * Functions that write a text in the way another language reads it, or read that.
 */
#include <stdlib.h>

#include "base/num.h"
#include "base/utf8.h"
#include "proto/json.h"
#include "query/template_call.h"
#include "query/template_printf.h"

#include "base/banned.h"

/* ---- escapes of text/template ---- */

/* The arguments as one text, as `print` gives it, but nil is shown as an action shows it. */
static enum status join(struct template_call *c, struct str *ret)
{
    struct template_value *shown = arena_new(c->arena, struct template_value, c->args.count + 1);
    struct template_value text;

    if (shown == NULL)
        return arena_status(c->arena, c->err);
    for (size_t i = 0; i < c->args.count; i++) {
        bool is_nil = c->args.items[i].kind == VALUE_NIL;
        shown[i] = is_nil ? value_of_string(STR("<no value>")) : c->args.items[i];
    }
    template_put_all(c->text, &(struct template_values){shown, c->args.count});
    enum status st = template_call_return_text(c, &text);
    buf_reset(c->text);
    if (st == ST_OK)
        *ret = text.string;
    return st;
}

enum status fn_html(struct template_call *c, struct template_value *ret)
{
    static const char special[] = "\"'&<>";
    static const char *const escapes[] = {"&#34;", "&#39;", "&amp;", "&lt;", "&gt;"};
    struct str s;

    enum status st = join(c, &s);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < s.len; i++) {
        const char *hit = s.ptr[i] == '\0' ? NULL : strchr(special, s.ptr[i]);
        if (s.ptr[i] == '\0')
            buf_put(c->text, STR("\xef\xbf\xbd"));
        else if (hit != NULL)
            buf_put(c->text, str_from(escapes[hit - special]));
        else
            buf_put_char(c->text, s.ptr[i]);
    }
    return template_call_return_text(c, ret);
}

static void put_js(struct buf *b, struct str rune_text, uint32_t rune)
{
    if (rune == '\\' || rune == '\'' || rune == '"')
        buf_printf(b, "\\%c", (int)rune);
    else if (rune < ' ' || (rune < 0x80 && strchr("<>&=", (int)rune) != NULL) ||
             (rune >= 0x80 && !rune_is_print(rune)))
        buf_printf(b, "\\u%04X", (unsigned)rune);
    else
        buf_put(b, rune_text);
}

enum status fn_js(struct template_call *c, struct template_value *ret)
{
    struct str s;

    enum status st = join(c, &s);
    if (st != ST_OK)
        return st;
    for (size_t len; s.len > 0; s = str_cut(s, len)) {
        uint32_t rune = utf8_decode(s, &len);
        put_js(c->text, str_head(s, len), rune);
    }
    return template_call_return_text(c, ret);
}

/* ---- URLs ---- */

static bool is_url_safe(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void put_url(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_url_safe(s.ptr[i]))
            buf_put_char(b, s.ptr[i]);
        else if (s.ptr[i] == ' ')
            buf_put_char(b, '+');
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)s.ptr[i]);
    }
}

enum status fn_urlquery(struct template_call *c, struct template_value *ret)
{
    struct str s;

    enum status st = join(c, &s);
    if (st != ST_OK)
        return st;
    put_url(c->text, s);
    return template_call_return_text(c, ret);
}

enum status fn_urlencode(struct template_call *c, struct template_value *ret)
{
    put_url(c->text, template_call_str(c, 0));
    return template_call_return_text(c, ret);
}

/* The value of a hexadecimal digit, or -1. */
static int hex_value(char c)
{
    char low = (char)(c | 0x20);

    if (c >= '0' && c <= '9')
        return c - '0';
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static enum status refuse_escape(struct template_call *c, struct str at)
{
    struct buf quoted;

    buf_init(&quoted, ERR_TEXT_BYTES);
    utf8_put_quoted(&quoted, str_head(at, 3));
    enum status st =
        err_set(c->err, ST_INVALID, "invalid URL escape %.*s", STR_ARG(buf_str(&quoted)));
    buf_release(&quoted);
    return st;
}

enum status fn_urldecode(struct template_call *c, struct template_value *ret)
{
    struct str s = template_call_str(c, 0);

    while (s.len > 0) {
        char at = s.ptr[0];
        if (at != '%') {
            buf_put_char(c->text, at == '+' ? ' ' : at);
            s = str_cut(s, 1);
            continue;
        }
        int high = s.len < 3 ? -1 : hex_value(s.ptr[1]);
        int low = s.len < 3 ? -1 : hex_value(s.ptr[2]);
        if (high < 0 || low < 0)
            return refuse_escape(c, s);
        buf_put_char(c->text, (char)(high << 4 | low));
        s = str_cut(s, 3);
    }
    return template_call_return_text(c, ret);
}

/* ---- base64 ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { BASE64_GROUP = 4, BASE64_GROUP_BYTES = 3, BASE64_BITS = 6 };

enum status fn_b64enc(struct template_call *c, struct template_value *ret)
{
    struct str s = template_call_str(c, 0);

    while (s.len > 0) {
        size_t count = MIN_OF(s.len, (size_t)BASE64_GROUP_BYTES);
        uint32_t bits = 0;
        for (size_t i = 0; i < BASE64_GROUP_BYTES; i++)
            bits = bits << 8 | (i < count ? (unsigned char)s.ptr[i] : 0);
        for (size_t i = 0; i < BASE64_GROUP; i++) {
            unsigned shift = BASE64_BITS * (unsigned)(BASE64_GROUP - 1 - i);
            buf_put_char(c->text, i <= count ? base64_digits[bits >> shift & 0x3f] : '=');
        }
        s = str_cut(s, count);
    }
    return template_call_return_text(c, ret);
}

struct base64 {
    struct str in; /* the text, and as many `=` behind it as are missing */
    size_t missing;
    size_t at;
};

/* The next character that is no newline; '\0' at the end. */
static char next_base64(struct base64 *d)
{
    while (d->at < d->in.len && (d->in.ptr[d->at] == '\n' || d->in.ptr[d->at] == '\r'))
        d->at++;
    if (d->at >= d->in.len + d->missing)
        return '\0';
    size_t at = d->at++;
    return at < d->in.len ? d->in.ptr[at] : '=';
}

/* Behind the first `=`, with `have` digits before it: is the padding right, and the end? */
static bool read_padding(struct base64 *d, size_t have, size_t *ret_wrong)
{
    *ret_wrong = d->at - 1;
    if (have < 2)
        return false;
    if (have == 2) {
        char c = next_base64(d);
        *ret_wrong = c == '\0' ? d->in.len + d->missing : d->at - 1;
        if (c != '=')
            return false;
    }
    if (next_base64(d) == '\0')
        return true;
    *ret_wrong = d->at - 1;
    return false;
}

/* False at what is wrong, and where. */
static bool put_base64(struct buf *b, struct base64 *d, size_t *ret_wrong)
{
    for (;;) {
        uint32_t bits = 0;
        size_t have = 0;
        bool ends = false;
        for (; have < BASE64_GROUP && !ends; have += !ends) {
            char c = next_base64(d);
            const char *digit = c == '\0' ? NULL : strchr(base64_digits, c);
            *ret_wrong = c == '\0' ? d->at - have : d->at - 1;
            if (c == '\0' && have == 0)
                return true;
            ends = c == '=';
            if (!ends && digit == NULL)
                return false;
            bits = bits << BASE64_BITS | (ends ? 0 : (uint32_t)(digit - base64_digits));
        }
        if (ends && !read_padding(d, have, ret_wrong))
            return false;
        bits <<= BASE64_BITS * (BASE64_GROUP - have - (ends ? 1 : 0));
        for (size_t i = 0; i + 1 < have; i++)
            buf_put_char(b, (char)(bits >> (16 - 8 * i)));
        if (ends)
            return true;
    }
}

/* How many `=` the text lacks; line ends do not count. */
static size_t missing_padding(struct str s)
{
    size_t count = 0;

    for (size_t i = 0; i < s.len; i++)
        count += s.ptr[i] != '\n' && s.ptr[i] != '\r';
    return (BASE64_GROUP - count % BASE64_GROUP) % BASE64_GROUP;
}

/* What is no base64 gives the text of the error. */
enum status fn_b64dec(struct template_call *c, struct template_value *ret)
{
    struct base64 d = {.in = template_call_str(c, 0)};
    size_t wrong;

    d.missing = missing_padding(d.in);
    if (!put_base64(c->text, &d, &wrong)) {
        buf_reset(c->text);
        buf_printf(c->text, "illegal base64 data at input byte %zu", wrong);
    }
    return template_call_return_text(c, ret);
}

/* ---- JSON ---- */

struct map_entry {
    struct str key;
    struct template_value value;
    size_t order; /* of one key the last one counts */
};

static bool read_value(struct template_call *c, struct json *j, struct template_value *ret);

/* Go has U+FFFD for what is no UTF-8. */
static bool clean_string(struct template_call *c, struct str *s)
{
    struct template_value clean;

    if (utf8_valid(*s))
        return true;
    buf_reset(c->text);
    utf8_put_valid(c->text, *s, STR("\xef\xbf\xbd"));
    if (template_call_return_text(c, &clean) != ST_OK)
        return false;
    *s = clean.string;
    return true;
}

static int compare_entries(const void *left, const void *right)
{
    const struct map_entry *a = left, *b = right;
    int order = str_cmp(a->key, b->key);

    return order != 0 ? order : a->order < b->order ? -1 : 1;
}

static bool make_map(struct template_call *c, struct map_entry *entries, size_t count,
                     struct template_value *ret)
{
    struct str *keys = arena_new(c->arena, struct str, count + 1);
    struct template_value *values = arena_new(c->arena, struct template_value, count + 1);
    size_t kept = 0;

    if (keys == NULL || values == NULL)
        return false;
    if (count > 0)
        qsort(entries, count, sizeof(*entries), compare_entries);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(entries[i].key, entries[i + 1].key))
            continue;
        keys[kept] = entries[i].key;
        values[kept++] = entries[i].value;
    }
    *ret = (struct template_value){.kind = VALUE_MAP, .map = {keys, values, kept}};
    return true;
}

static bool read_object(struct template_call *c, struct json *j, struct template_value *ret)
{
    struct map_entry *entries = NULL;
    size_t count = 0, capacity = 0;
    struct str key;

    json_enter_object(j);
    while (json_next_key(j, &key)) {
        struct template_value value;
        if (!clean_string(c, &key) || !read_value(c, j, &value))
            return false;
        entries = arena_reserve(c->arena, entries, count, &capacity, sizeof(*entries));
        if (entries == NULL)
            return false;
        entries[count] = (struct map_entry){key, value, count};
        count++;
    }
    return json_status(j) == ST_OK && make_map(c, entries, count, ret);
}

static bool read_array(struct template_call *c, struct json *j, struct template_value *ret)
{
    struct template_value *items = NULL;
    size_t count = 0, capacity = 0;

    json_enter_array(j);
    while (json_next_item(j)) {
        struct template_value value;
        if (!read_value(c, j, &value))
            return false;
        items = arena_reserve(c->arena, items, count, &capacity, sizeof(*items));
        if (items == NULL)
            return false;
        items[count++] = value;
    }
    *ret = (struct template_value){.kind = VALUE_LIST, .list = {items, count}};
    return json_status(j) == ST_OK;
}

/* Recurses no deeper than JSON_DEPTH_MAX. */
static bool read_value(struct template_call *c, struct json *j, struct template_value *ret)
{
    *ret = (struct template_value){.kind = VALUE_NIL};
    switch (json_peek(j)) {
    case JSON_OBJECT:
        return read_object(c, j, ret);
    case JSON_ARRAY:
        return read_array(c, j, ret);
    case JSON_STRING:
        *ret = value_of_string(json_read_string(j));
        return json_status(j) == ST_OK && clean_string(c, &ret->string);
    case JSON_NUMBER:
        *ret = value_of_float(0);
        return num_parse_double(json_literal(j), &ret->number) == ST_OK;
    case JSON_BOOL:
        *ret = value_of_bool(str_eq(json_literal(j), STR("true")));
        return json_status(j) == ST_OK;
    case JSON_NULL:
    case JSON_END:
        (void)json_literal(j);
        return json_status(j) == ST_OK;
    }
    return false;
}

/* What is no JSON is nil. */
enum status fn_from_json(struct template_call *c, struct template_value *ret)
{
    struct template_value value;
    struct json j;

    json_init(&j, template_call_str(c, 0), c->arena, NULL);
    bool good = read_value(c, &j, &value);
    json_finish(&j);
    if (c->arena->failed)
        return arena_status(c->arena, c->err);
    if (!good || json_status(&j) != ST_OK)
        value = (struct template_value){.kind = VALUE_NIL};
    *ret = value;
    return ST_OK;
}
