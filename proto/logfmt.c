#include "proto/logfmt.h"

#include "base/utf8.h"
#include "proto/json.h"

#include "base/banned.h"

/* What ends a run of bytes, and which bytes more must be known of a key. */
enum byte_class {
    BYTE_SEPARATOR = 1,
    BYTE_EQUALS = 2,
    BYTE_QUOTE = 4,
    BYTE_SLASH = 8,
    BYTE_HIGH = 16, /* not ASCII */
    BYTE_ENDS_BARE = BYTE_SEPARATOR | BYTE_EQUALS | BYTE_QUOTE,
};

#define EIGHT(class) class, class, class, class, class, class, class, class
#define SIXTY_FOUR(class)                                                               \
    EIGHT(class), EIGHT(class), EIGHT(class), EIGHT(class), EIGHT(class), EIGHT(class), \
        EIGHT(class), EIGHT(class)

static const unsigned char classes[256] = {
    EIGHT(BYTE_SEPARATOR), /* 0x00 */
    EIGHT(BYTE_SEPARATOR),
    EIGHT(BYTE_SEPARATOR), /* 0x10 */
    EIGHT(BYTE_SEPARATOR),
    BYTE_SEPARATOR,
    0,
    BYTE_QUOTE,
    0,
    0,
    0,
    0,
    0, /* 0x20 */
    EIGHT(0),
    EIGHT(0), /* 0x30 */
    0,
    0,
    0,
    0,
    0,
    BYTE_EQUALS,
    0,
    0,
    EIGHT(0), /* 0x40 */
    EIGHT(0),
    EIGHT(0), /* 0x50 */
    0,
    0,
    0,
    0,
    BYTE_SLASH,
    0,
    0,
    0,
    EIGHT(0), /* 0x60 */
    EIGHT(0),
    EIGHT(0), /* 0x70 */
    EIGHT(0),
    SIXTY_FOUR(BYTE_HIGH), /* 0x80 */
    SIXTY_FOUR(BYTE_HIGH), /* 0xc0 */
};

static unsigned char_class(char c)
{
    return classes[(unsigned char)c];
}

/* The offset of the first byte from `at` that is of one of `ends`. */
static size_t run_end(struct str s, size_t at, unsigned ends)
{
    while (at < s.len && (char_class(s.ptr[at]) & ends) == 0)
        at++;
    return at;
}

void logfmt_init(struct logfmt *l, struct str line, bool strict)
{
    *l = (struct logfmt){.line = line, .strict = strict};
}

static bool at_separator(const struct logfmt *l)
{
    return l->at == l->line.len || char_class(l->line.ptr[l->at]) == BYTE_SEPARATOR;
}

/* A bad pair ends at `l->at`: true when scanning goes on. */
static bool pass_over(struct logfmt *l, enum logfmt_fault fault)
{
    if (!l->strict)
        return true;
    l->fault = fault;
    l->bad = l->at;
    return false;
}

/* The same for one that goes on up to the next separator. */
static bool skip_bad(struct logfmt *l, enum logfmt_fault fault)
{
    if (!pass_over(l, fault))
        return false;
    l->at = run_end(l->line, l->at, BYTE_SEPARATOR);
    return true;
}

/* Read bytes up to a separator, `=` or a quote. */
static struct str scan_bare(struct logfmt *l)
{
    size_t begin = l->at;

    l->at = run_end(l->line, l->at, BYTE_ENDS_BARE);
    return str_make(l->line.ptr + begin, l->at - begin);
}

/* The same for a key. */
static struct str scan_key(struct logfmt *l, bool *ret_ascii)
{
    size_t begin = l->at, at = begin;
    unsigned seen = 0;

    for (; at < l->line.len; at++) {
        unsigned class = char_class(l->line.ptr[at]);
        if ((class & BYTE_ENDS_BARE) != 0)
            break;
        seen |= class;
    }
    l->at = at;
    *ret_ascii = (seen & BYTE_HIGH) == 0;
    return str_make(l->line.ptr + begin, at - begin);
}

/* U+FFFD counts as what it stands for. */
static bool is_valid_key(struct str key)
{
    return utf8_valid(key) && str_find(key, STR("\xef\xbf\xbd")) == STR_NPOS;
}

/* Cut an escape, whose backslash was read. */
static bool cut_escape(struct str *in, uint32_t *ret_rune)
{
    if (in->len == 0 || in->ptr[0] != '\'')
        return json_cut_escape(in, ret_rune);
    *in = str_cut(*in, 1);
    *ret_rune = '\'';
    return true;
}

/* A value with escapes is a string of JSON: it has no control characters either. */
static bool escapes_are_valid(struct str raw)
{
    uint32_t rune;

    while (raw.len > 0) {
        char c = raw.ptr[0];
        raw = str_cut(raw, 1);
        if ((unsigned char)c < ' ' || (c == '\\' && !cut_escape(&raw, &rune)))
            return false;
    }
    return true;
}

/* The scanner stands on the opening quote. */
static enum logfmt_fault scan_quoted(struct logfmt *l, struct logfmt_pair *pair)
{
    size_t begin = ++l->at;

    for (;;) {
        l->at = run_end(l->line, l->at, BYTE_QUOTE | BYTE_SLASH);
        if (l->at == l->line.len || l->line.ptr[l->at] == '"')
            break;
        pair->escapes = true;
        l->at = MIN_OF(l->at + 2, l->line.len);
    }
    if (l->at == l->line.len)
        return LOGFMT_UNTERMINATED;
    pair->value = str_make(l->line.ptr + begin, l->at - begin);
    pair->quoted = true;
    l->at++;
    return pair->escapes && !escapes_are_valid(pair->value) ? LOGFMT_INVALID_QUOTED : LOGFMT_OK;
}

/* The scanner stands behind `=`. False: the pair is bad; `*ret_on` tells whether to go on. */
static bool scan_value(struct logfmt *l, struct logfmt_pair *pair, bool *ret_on)
{
    if (!at_separator(l) && l->line.ptr[l->at] == '"') {
        enum logfmt_fault fault = scan_quoted(l, pair);
        if (fault == LOGFMT_OK)
            return true;
        *ret_on = pass_over(l, fault);
        return false;
    }
    pair->value = scan_bare(l);
    if (at_separator(l))
        return true;
    *ret_on = skip_bad(l, LOGFMT_UNEXPECTED);
    return false;
}

bool logfmt_next(struct logfmt *l, struct logfmt_pair *ret_pair)
{
    bool on = l->fault == LOGFMT_OK;

    while (on) {
        while (l->at < l->line.len && char_class(l->line.ptr[l->at]) == BYTE_SEPARATOR)
            l->at++;
        if (l->at == l->line.len)
            return false;

        bool ascii;
        struct logfmt_pair pair = {.key = scan_key(l, &ascii)};
        char stop = at_separator(l) ? ' ' : l->line.ptr[l->at];
        if (pair.key.len == 0 || stop == '"') {
            on = skip_bad(l, LOGFMT_UNEXPECTED);
        } else if (!ascii && !is_valid_key(pair.key)) {
            on = skip_bad(l, LOGFMT_INVALID_KEY);
        } else {
            l->at += stop == '=' ? 1 : 0;
            if (stop != '=' || scan_value(l, &pair, &on)) {
                *ret_pair = pair;
                return true;
            }
        }
    }
    return false;
}

struct str logfmt_value(struct arena *a, const struct logfmt_pair *pair)
{
    struct str raw = pair->value;

    if (!pair->escapes)
        return raw;
    char *to = arena_bytes(a, raw.len);
    if (to == NULL)
        return STR_NULL;
    size_t len = json_resolve_escapes(raw, cut_escape, to);
    ASSERT(len != STR_NPOS); /* logfmt_next() has looked at them */
    return str_make(to, len);
}
