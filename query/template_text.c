/*
 * Functions of strings. Those that only cut give a view of what they were given.
 */
#include "base/utf8.h"
#include "query/template_call.h"

#include "base/banned.h"

/* ---- case ---- */

/* What is no UTF-8 becomes U+FFFD, as in Go. */
static enum status map_runes(struct template_call *c, uint32_t (*map)(uint32_t),
                             struct template_value *ret)
{
    struct str s = template_call_str(c, 0);

    for (size_t len; s.len > 0; s = str_cut(s, len)) {
        char bytes[UTF8_BYTES_MAX];
        uint32_t rune = map(utf8_decode(s, &len));
        buf_put(c->text, str_make(bytes, utf8_encode(rune, bytes)));
    }
    return template_call_return_text(c, ret);
}

enum status fn_lower(struct template_call *c, struct template_value *ret)
{
    return map_runes(c, rune_to_lower, ret);
}

enum status fn_upper(struct template_call *c, struct template_value *ret)
{
    return map_runes(c, rune_to_upper, ret);
}

/* Does a word end before this rune? */
static bool is_separator(uint32_t rune)
{
    if (rune < 0x80)
        return !rune_is_letter(rune) && !rune_is_digit(rune) && rune != '_';
    return !rune_is_letter(rune) && !rune_is_digit(rune) && rune_is_space(rune);
}

/* To tell letters beyond ASCII takes time. */
enum status fn_title(struct template_call *c, struct template_value *ret)
{
    enum { LETTER_BYTES_A_UNIT = 8 };
    struct str s = template_call_str(c, 0);
    bool begins = true;

    if (!template_work_spend(c->work, s.len / LETTER_BYTES_A_UNIT))
        return template_call_refuse_work(c);
    for (size_t len; s.len > 0; s = str_cut(s, len)) {
        char bytes[UTF8_BYTES_MAX];
        uint32_t rune = utf8_decode(s, &len);
        uint32_t shown = begins ? rune_to_upper(rune) : rune;
        buf_put(c->text, str_make(bytes, utf8_encode(shown, bytes)));
        begins = is_separator(rune);
    }
    return template_call_return_text(c, ret);
}

/* ---- trimming ---- */

/* The last rune; what is no UTF-8 is U+FFFD of one byte. */
static uint32_t last_rune(struct str s, size_t *ret_len)
{
    for (size_t len = 2; len <= UTF8_BYTES_MAX && len <= s.len; len++) {
        struct str tail = str_cut(s, s.len - len);
        uint32_t rune = utf8_decode(tail, ret_len);
        if (*ret_len == len)
            return rune;
    }
    return utf8_decode(str_cut(s, s.len - 1), ret_len);
}

static bool set_has(struct str set, uint32_t rune)
{
    for (size_t len; set.len > 0; set = str_cut(set, len)) {
        if (utf8_decode(set, &len) == rune)
            return true;
    }
    return false;
}

enum { SIDE_LEFT = 1, SIDE_RIGHT = 2, SIDE_BOTH = 3 };

static struct str trim_set(struct str s, struct str set, unsigned sides)
{
    size_t len;

    while ((sides & SIDE_LEFT) != 0 && s.len > 0 && set_has(set, utf8_decode(s, &len)))
        s = str_cut(s, len);
    while ((sides & SIDE_RIGHT) != 0 && s.len > 0 && set_has(set, last_rune(s, &len)))
        s = str_head(s, s.len - len);
    return s;
}

/* The set is searched for each rune of the text. */
static size_t trim_units(struct str s, struct str set)
{
    enum { SET_UNIT_BYTES = 8 };

    return (s.len / TEMPLATE_UNIT_BYTES + 1) * (set.len / SET_UNIT_BYTES + 1);
}

enum status fn_trim_cut(struct template_call *c, struct template_value *ret)
{
    bool set_first = c->function == TEMPLATE_FUNCTION_TRIM_ALL;
    unsigned sides = c->function == TEMPLATE_FUNCTION_TRIM_LEFT    ? SIDE_LEFT
                     : c->function == TEMPLATE_FUNCTION_TRIM_RIGHT ? SIDE_RIGHT
                                                                   : SIDE_BOTH;
    struct str s = template_call_str(c, set_first ? 1 : 0);
    struct str set = template_call_str(c, set_first ? 0 : 1);

    if (!template_work_spend(c->work, trim_units(s, set)))
        return template_call_refuse_work(c);
    *ret = value_of_string(trim_set(s, set, sides));
    return ST_OK;
}

enum status fn_trim(struct template_call *c, struct template_value *ret)
{
    struct str s = template_call_str(c, 0);
    size_t len;

    while (s.len > 0 && rune_is_space(utf8_decode(s, &len)))
        s = str_cut(s, len);
    while (s.len > 0 && rune_is_space(last_rune(s, &len)))
        s = str_head(s, s.len - len);
    *ret = value_of_string(s);
    return ST_OK;
}

enum status fn_trim_prefix(struct template_call *c, struct template_value *ret)
{
    bool string_first = c->function == TEMPLATE_FUNCTION_TRIM_PREFIX_OF;
    struct str s = template_call_str(c, string_first ? 0 : 1);
    struct str prefix = template_call_str(c, string_first ? 1 : 0);

    *ret = value_of_string(str_starts(s, prefix) ? str_cut(s, prefix.len) : s);
    return ST_OK;
}

enum status fn_trim_suffix(struct template_call *c, struct template_value *ret)
{
    bool string_first = c->function == TEMPLATE_FUNCTION_TRIM_SUFFIX_OF;
    struct str s = template_call_str(c, string_first ? 0 : 1);
    struct str suffix = template_call_str(c, string_first ? 1 : 0);

    *ret = value_of_string(str_ends(s, suffix) ? str_head(s, s.len - suffix.len) : s);
    return ST_OK;
}

/* ---- searching ---- */

enum status fn_contains(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_bool(str_find(template_call_str(c, 1), template_call_str(c, 0)) != STR_NPOS);
    return ST_OK;
}

enum status fn_has_prefix(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_bool(str_starts(template_call_str(c, 1), template_call_str(c, 0)));
    return ST_OK;
}

enum status fn_has_suffix(struct template_call *c, struct template_value *ret)
{
    *ret = value_of_bool(str_ends(template_call_str(c, 1), template_call_str(c, 0)));
    return ST_OK;
}

/* The first `count` of them, all if it is negative. Nothing is found before and after each rune. */
static void put_replaced(struct buf *b, struct str s, struct str old, struct str new, int64_t count)
{
    size_t len;

    for (int64_t i = 0; i != count && !b->failed; i++) {
        if (old.len > 0) {
            size_t at = str_find(s, old);
            if (at == STR_NPOS)
                break;
            buf_put(b, str_head(s, at));
            s = str_cut(s, at + old.len);
        } else if (i > 0) {
            if (s.len == 0)
                break;
            (void)utf8_decode(s, &len);
            buf_put(b, str_head(s, len));
            s = str_cut(s, len);
        }
        buf_put(b, new);
    }
    buf_put(b, s);
}

enum status fn_replace(struct template_call *c, struct template_value *ret)
{
    put_replaced(c->text, template_call_str(c, 2), template_call_str(c, 0), template_call_str(c, 1),
                 -1);
    return template_call_return_text(c, ret);
}

enum status fn_replace_count(struct template_call *c, struct template_value *ret)
{
    put_replaced(c->text, template_call_str(c, 0), template_call_str(c, 1), template_call_str(c, 2),
                 template_call_int(c, 3));
    return template_call_return_text(c, ret);
}

/* ---- parts ---- */

/* Bytes, as Go slices a string; the errors are what it panics with. */
enum status fn_substr(struct template_call *c, struct template_value *ret)
{
    int64_t start = template_call_int(c, 0), end = template_call_int(c, 1);
    struct str s = template_call_str(c, 2);
    int64_t len = (int64_t)s.len;
    bool to_the_end = start >= 0 && (end < 0 || end > len);

    if (start < 0) {
        if (end < 0)
            return err_set(c->err, ST_INVALID, "runtime error: slice bounds out of range [:%lld]",
                           (long long)end);
        if (end > len)
            return err_set(c->err, ST_INVALID,
                           "runtime error: slice bounds out of range [:%lld] with length %lld",
                           (long long)end, (long long)len);
        start = 0;
    }
    if (to_the_end)
        end = len;
    if (start > end)
        return err_set(c->err, ST_INVALID, "runtime error: slice bounds out of range [%lld:%lld]",
                       (long long)start, (long long)end);
    *ret = value_of_string(str_make(s.ptr + start, (size_t)(end - start)));
    return ST_OK;
}

enum status fn_trunc(struct template_call *c, struct template_value *ret)
{
    int64_t count = template_call_int(c, 0);
    struct str s = template_call_str(c, 1);
    int64_t len = (int64_t)s.len;

    if (count >= 0 && count < len)
        s = str_head(s, (size_t)count);
    else if (count < 0 && count > -len)
        s = str_cut(s, (size_t)(len + count));
    *ret = value_of_string(s);
    return ST_OK;
}

/* ---- repeating ---- */

/* False: it would be too long, and the text has failed. */
static bool put_repeated(struct buf *b, struct str s, int64_t count)
{
    size_t bytes;

    ASSERT(count >= 0);
    if (__builtin_mul_overflow(s.len, (size_t)count, &bytes) || bytes > b->max - b->len) {
        buf_fail(b, ST_TOO_LARGE);
        return false;
    }
    for (int64_t i = 0; s.len > 0 && i < count; i++)
        buf_put(b, s);
    return !b->failed;
}

static size_t count_runes(struct str s)
{
    size_t count = 0;

    for (size_t len; s.len > 0; s = str_cut(s, len), count++)
        (void)utf8_decode(s, &len);
    return count;
}

/* Where rune `i` begins. */
static size_t rune_offset(struct str s, size_t i)
{
    size_t at = 0, len;

    for (; i > 0; i--, at += len)
        (void)utf8_decode(str_cut(s, at), &len);
    return at;
}

enum status fn_align_left(struct template_call *c, struct template_value *ret)
{
    int64_t wanted = template_call_int(c, 0);
    struct str s = template_call_str(c, 1);
    int64_t count = (int64_t)count_runes(s);

    if (wanted <= count) {
        *ret = value_of_string(wanted < 0 ? s : str_head(s, rune_offset(s, (size_t)wanted)));
        return ST_OK;
    }
    buf_put(c->text, s);
    (void)put_repeated(c->text, STR(" "), wanted - count);
    return template_call_return_text(c, ret);
}

enum status fn_align_right(struct template_call *c, struct template_value *ret)
{
    int64_t wanted = template_call_int(c, 0);
    struct str s = template_call_str(c, 1);
    int64_t count = (int64_t)count_runes(s);

    if (wanted <= count) {
        size_t skipped = wanted < 0 ? 0 : rune_offset(s, (size_t)(count - wanted));
        *ret = value_of_string(str_cut(s, skipped));
        return ST_OK;
    }
    (void)put_repeated(c->text, STR(" "), wanted - count);
    buf_put(c->text, s);
    return template_call_return_text(c, ret);
}

static enum status refuse_negative(struct template_call *c)
{
    return err_set(c->err, ST_INVALID, "strings: negative Repeat count");
}

enum status fn_indent(struct template_call *c, struct template_value *ret)
{
    int64_t count = template_call_int(c, 0);
    struct str s = template_call_str(c, 1), line;
    bool more = true;

    if (count < 0)
        return refuse_negative(c);
    while (more && put_repeated(c->text, STR(" "), count)) {
        size_t newline = str_find_char(s, '\n');
        more = newline != STR_NPOS;
        line = str_head(s, more ? newline + 1 : s.len);
        buf_put(c->text, line);
        s = str_cut(s, line.len);
    }
    return template_call_return_text(c, ret);
}

enum status fn_nindent(struct template_call *c, struct template_value *ret)
{
    buf_put_char(c->text, '\n');
    return fn_indent(c, ret);
}

enum status fn_repeat(struct template_call *c, struct template_value *ret)
{
    int64_t count = template_call_int(c, 0);

    if (count < 0)
        return refuse_negative(c);
    (void)put_repeated(c->text, template_call_str(c, 1), count);
    return template_call_return_text(c, ret);
}
