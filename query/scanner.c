#include "query/scanner.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/utf8.h"

#include "base/banned.h"

enum { BYTE_ORDER_MARK = 0xfeff };

void scanner_complain(struct scanner *s, const char *format, ...)
{
    va_list args;

    if (s->problem[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(s->problem, sizeof(s->problem), format, args);
    va_end(args);
    s->problem_line = s->token_line;
    s->problem_column = s->token_column;
}

/* Look at the character at `at`. */
static void load(struct scanner *s)
{
    ASSERT(s->at <= s->in.len);
    if (s->at == s->in.len) {
        s->ch = SCANNER_END;
        s->ch_len = 0;
        return;
    }
    s->ch = utf8_decode(str_cut(s->in, s->at), &s->ch_len);
    if (s->ch == RUNE_ERROR && s->ch_len == 1)
        scanner_complain(s, "invalid UTF-8 encoding");
    if (s->ch == 0)
        scanner_complain(s, "invalid character NUL");
}

static void advance(struct scanner *s)
{
    ASSERT(s->ch_len <= s->in.len - s->at);
    if (s->ch == SCANNER_END)
        return;
    if (s->ch == '\n') {
        s->line++;
        s->column = 1;
    } else {
        s->column++;
    }
    s->at += s->ch_len;
    load(s);
}

void scanner_init(struct scanner *s, struct str in)
{
    *s = (struct scanner){.in = in};
    if (in.len > 0)
        s->line = s->column = 1; /* an empty text has no first character: its end stands at 0:0 */
    load(s);
    if (s->ch == BYTE_ORDER_MARK)
        advance(s);
}

uint32_t scanner_next(struct scanner *s)
{
    uint32_t ch = s->ch;

    s->token_line = 0;
    advance(s);
    return ch;
}

static bool is_decimal(uint32_t ch)
{
    return ch >= '0' && ch <= '9';
}

static bool is_hex(uint32_t ch)
{
    return is_decimal(ch) || ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f' && ch < 0x80);
}

static uint32_t lower(uint32_t ch)
{
    return ch < 0x80 ? ch | 0x20 : ch;
}

/* ---- numbers ---- */

/* What is known of a number while it is read. */
struct number {
    uint32_t base;
    char prefix;      /* `x`, `o`, `b`, `0` for a leading zero, or 0 */
    uint32_t invalid; /* the first digit that is too large for the base */
    bool has_digits;  /* of the part that must have some */
    bool has_underscore;
};

static const char *number_name(const struct number *n)
{
    switch (n->prefix) {
    case 'x':
        return "hexadecimal literal";
    case 'o':
    case '0':
        return "octal literal";
    case 'b':
        return "binary literal";
    default:
        return "decimal literal";
    }
}

static void skip_digits(struct scanner *s, struct number *n)
{
    for (;; advance(s)) {
        if (s->ch == '_') {
            n->has_underscore = true;
            continue;
        }
        if (!is_decimal(s->ch) && !(n->base == 16 && is_hex(s->ch)))
            return;
        n->has_digits = true;
        if (n->base < 16 && s->ch >= '0' + n->base && n->invalid == 0)
            n->invalid = s->ch;
    }
}

/* `0b` opens a binary number only before a binary digit: `0B` is a size of zero bytes. */
static bool at_binary_prefix(const struct scanner *s)
{
    size_t after = s->at + 1;

    return lower(s->ch) == 'b' && after < s->in.len &&
           (s->in.ptr[after] == '0' || s->in.ptr[after] == '1');
}

static void skip_prefix(struct scanner *s, struct number *n)
{
    ASSERT(s->ch == '0');
    advance(s); /* the zero */
    if (lower(s->ch) == 'x') {
        n->base = 16;
        n->prefix = 'x';
    } else if (lower(s->ch) == 'o') {
        n->base = 8;
        n->prefix = 'o';
    } else if (at_binary_prefix(s)) {
        n->base = 2;
        n->prefix = 'b';
    } else {
        n->base = 8;
        n->prefix = '0';
        n->has_digits = true;
        return;
    }
    advance(s);
}

/* Returns whether there was an exponent. */
static bool skip_exponent(struct scanner *s, const struct number *n)
{
    uint32_t letter = lower(s->ch);
    struct number exponent = {.base = 10};

    if (letter != 'e' && letter != 'p')
        return false;
    if (letter == 'e' && n->prefix != 0 && n->prefix != '0')
        scanner_complain(s, "'%c' exponent requires decimal mantissa", (int)s->ch);
    if (letter == 'p' && n->prefix != 'x')
        scanner_complain(s, "'%c' exponent requires hexadecimal mantissa", (int)s->ch);
    advance(s);
    if (s->ch == '+' || s->ch == '-')
        advance(s);
    skip_digits(s, &exponent);
    if (!exponent.has_digits)
        scanner_complain(s, "exponent has no digits");
    return true;
}

/* An underscore stands between two digits, or between the prefix and a digit. */
static bool underscores_are_good(struct str text, bool hex)
{
    bool after_digit = false;
    size_t i = 0;

    if (text.len >= 2 && text.ptr[0] == '0' && strchr("xob", text.ptr[1] | 0x20) != NULL) {
        after_digit = true;
        i = 2;
    }
    for (; i < text.len; i++) {
        uint32_t ch = (unsigned char)text.ptr[i];
        if (is_decimal(ch) || (hex && is_hex(ch))) {
            after_digit = true;
            continue;
        }
        bool before_digit = i + 1 < text.len && (is_decimal((unsigned char)text.ptr[i + 1]) ||
                                                 (hex && is_hex((unsigned char)text.ptr[i + 1])));
        if (ch == '_' && (!after_digit || !before_digit))
            return false;
        after_digit = false;
    }
    return true;
}

/* The current character is a digit, or a point before a digit was passed: `point_seen`. */
static void skip_number(struct scanner *s, size_t start, bool point_seen)
{
    struct number n = {.base = 10};
    bool is_float = point_seen;

    if (!point_seen) {
        if (s->ch == '0')
            skip_prefix(s, &n);
        skip_digits(s, &n);
        is_float = s->ch == '.';
        if (is_float)
            advance(s);
    }
    if (is_float) {
        if (n.prefix == 'o' || n.prefix == 'b')
            scanner_complain(s, "invalid radix point in %s", number_name(&n));
        skip_digits(s, &n);
    }
    if (!n.has_digits)
        scanner_complain(s, "%s has no digits", number_name(&n));
    if (skip_exponent(s, &n))
        is_float = true;
    else if (n.prefix == 'x' && is_float)
        scanner_complain(s, "hexadecimal mantissa requires a 'p' exponent");
    if (!is_float && n.invalid != 0)
        scanner_complain(s, "invalid digit '%c' in %s", (int)n.invalid, number_name(&n));

    struct str text = str_make(s->in.ptr + start, s->at - start);
    if (!underscores_are_good(text, n.prefix == 'x'))
        scanner_complain(s, "'_' must separate successive digits");
}

/* ---- literals and comments ---- */

static void skip_escape_digits(struct scanner *s, uint32_t base, int count)
{
    for (; count > 0; count--) {
        if (base == 8 ? s->ch < '0' || s->ch > '7' : !is_hex(s->ch)) {
            scanner_complain(s, "invalid char escape");
            return;
        }
        advance(s);
    }
}

static void skip_escape(struct scanner *s, uint32_t quote)
{
    advance(s); /* the backslash */
    uint32_t ch = s->ch;
    if (ch >= '0' && ch <= '7') {
        skip_escape_digits(s, 8, 3);
        return;
    }
    if (ch == 'x' || ch == 'u' || ch == 'U') {
        advance(s);
        skip_escape_digits(s, 16, ch == 'x' ? 2 : ch == 'u' ? 4 : 8);
        return;
    }
    if (ch == quote || (ch != 0 && ch < 0x80 && strchr("abfnrtv\\", (int)ch) != NULL))
        advance(s);
    else
        scanner_complain(s, "invalid char escape");
}

/* Skip a literal with escapes; returns how many characters it holds. */
static size_t skip_quoted(struct scanner *s, uint32_t quote)
{
    size_t count = 0;

    advance(s);
    for (; s->ch != quote; count++) {
        if (s->ch == '\n' || s->ch == SCANNER_END) {
            scanner_complain(s, "literal not terminated");
            break;
        }
        if (s->ch == '\\')
            skip_escape(s, quote);
        else
            advance(s);
    }
    advance(s);
    return count;
}

static void skip_verbatim(struct scanner *s)
{
    advance(s);
    while (s->ch != '`' && s->ch != SCANNER_END)
        advance(s);
    if (s->ch == SCANNER_END)
        scanner_complain(s, "literal not terminated");
    advance(s);
}

static void skip_blanks(struct scanner *s)
{
    while (s->ch == ' ' || s->ch == '\t' || s->ch == '\n' || s->ch == '\r')
        advance(s);
}

/* The first slash was passed, a slash or a star is the current character. */
static void skip_comment(struct scanner *s)
{
    if (s->ch == '/') {
        while (s->ch != '\n' && s->ch != SCANNER_END)
            advance(s);
        return;
    }
    advance(s);
    for (uint32_t before = 0; s->ch != SCANNER_END; advance(s)) {
        if (before == '*' && s->ch == '/') {
            advance(s);
            return;
        }
        before = s->ch;
    }
    scanner_complain(s, "comment not terminated");
}

/* Skip blanks and comments; afterwards the token starts at `*ret_start`. True: it is a lone `/`. */
static bool find_token(struct scanner *s, size_t *ret_start)
{
    for (;;) {
        skip_blanks(s);
        s->token_line = s->line;
        s->token_column = s->column;
        *ret_start = s->at;
        if (s->ch != '/')
            return false;
        advance(s);
        if (s->ch != '/' && s->ch != '*')
            return true;
        skip_comment(s);
    }
}

static enum raw_kind skip_token(struct scanner *s, size_t start)
{
    if (s->ch == '_' || rune_is_letter(s->ch)) {
        while (s->ch == '_' || rune_is_letter(s->ch) || rune_is_digit(s->ch))
            advance(s);
        return RAW_IDENTIFIER;
    }
    switch (s->ch) {
    case '"':
        (void)skip_quoted(s, '"');
        return RAW_STRING;
    case '`':
        skip_verbatim(s);
        return RAW_VERBATIM;
    case '\'':
        if (skip_quoted(s, '\'') != 1)
            scanner_complain(s, "invalid char literal");
        return RAW_CHAR;
    default:
        break;
    }
    bool point = s->ch == '.';
    if (point)
        advance(s);
    if (is_decimal(s->ch)) {
        skip_number(s, start, point);
        return RAW_NUMBER;
    }
    if (!point)
        advance(s);
    return RAW_CHAR;
}

enum raw_kind scanner_scan(struct scanner *s, struct str *ret_text)
{
    enum raw_kind kind = RAW_CHAR;
    size_t start;

    s->token_line = 0;
    if (!find_token(s, &start)) {
        if (s->ch == SCANNER_END) {
            *ret_text = STR_NULL;
            return RAW_END;
        }
        kind = skip_token(s, start);
    }
    ASSERT(s->at > start);
    *ret_text = str_make(s->in.ptr + start, s->at - start);
    return kind;
}
