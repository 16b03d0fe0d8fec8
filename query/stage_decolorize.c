/*
 * `| decolorize`: cut out what terminals take for colours and other commands.
 *
 * A sequence is an opener (ESC or U+009B), any number of the signs []()#;? and then
 *
 *  - letters, digits and semicolons up to a BEL, or
 *  - perhaps parameters (up to four digits each, a semicolon in front of all but the first), and
 *    one final character. Digits are among the final ones: where nothing better follows the
 *    parameters, their last digit is the final character.
 *
 * None of these characters opens a sequence, so no byte is looked at more often than a few times.
 */
#include "query/stage.h"

#include "base/banned.h"

enum { PARAMETER_DIGITS_MAX = 4 };

static const char bel = '\a';

static bool is_one_of(char c, struct str set)
{
    return memchr(set.ptr, c, set.len) != NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_final(char c)
{
    return is_digit(c) || is_one_of(c, STR("ABCDEFGHIJKLMNOPRZcfghijklmntqry=><~"));
}

/* Is it the first byte of an opener? */
static bool may_open(char c)
{
    return c == '\x1b' || c == '\xc2';
}

/* The length of the opener at the front of `s`, or 0. */
static size_t opener_len(struct str s)
{
    static const struct str openers[] = {STR_INIT("\x1b"), STR_INIT("\xc2\x9b")};

    for (size_t i = 0; i < COUNT_OF(openers); i++) {
        if (str_starts(s, openers[i]))
            return openers[i].len;
    }
    return 0;
}

static size_t digits_len(struct str s)
{
    size_t len = 0;

    while (len < s.len && len < PARAMETER_DIGITS_MAX && is_digit(s.ptr[len]))
        len++;
    return len;
}

static size_t parameters_len(struct str s)
{
    size_t len = digits_len(s);

    if (len == 0)
        return 0;
    while (len < s.len && s.ptr[len] == ';')
        len += 1 + digits_len(str_cut(s, len + 1));
    return len;
}

/* Parameters and a final character. */
static size_t command_len(struct str s)
{
    size_t len = parameters_len(s);

    if (len < s.len && is_final(s.ptr[len]))
        return len + 1;
    while (len > 0 && s.ptr[len - 1] == ';')
        len--;
    return len;
}

/* Text up to a BEL. */
static size_t text_len(struct str s)
{
    size_t len = 0;

    while (len < s.len && (is_letter(s.ptr[len]) || is_digit(s.ptr[len]) || s.ptr[len] == ';'))
        len++;
    return len < s.len && s.ptr[len] == bel ? len + 1 : 0;
}

/* The length of the sequence at the front of `s`, or 0. */
static size_t sequence_len(struct str s)
{
    size_t len = opener_len(s);

    if (len == 0)
        return 0;
    while (len < s.len && is_one_of(s.ptr[len], STR("[]()#;?")))
        len++;
    struct str rest = str_cut(s, len);
    size_t tail = text_len(rest);
    if (tail == 0)
        tail = command_len(rest);
    return tail == 0 ? 0 : len + tail;
}

/* Where the first sequence begins: `s.len` if there is none. */
static size_t find_sequence(struct str s, size_t *ret_len)
{
    for (size_t at = 0; at < s.len; at++) {
        if (!may_open(s.ptr[at]))
            continue;
        *ret_len = sequence_len(str_cut(s, at));
        if (*ret_len > 0)
            return at;
    }
    return s.len;
}

static bool run_decolorize(const struct stage *s, struct entry_state *e)
{
    struct str rest = e->line;
    size_t count = 0, len;

    (void)s;
    size_t plain = find_sequence(rest, &len);
    if (plain == rest.len)
        return true;
    char *text = arena_bytes(e->scratch, rest.len);
    if (text == NULL)
        return true;
    while (rest.len > 0) {
        memcpy(text + count, rest.ptr, plain);
        count += plain;
        if (plain == rest.len)
            break;
        rest = str_cut(rest, plain + len);
        plain = find_sequence(rest, &len);
    }
    e->line = str_make(text, count);
    return true;
}

enum status stage_decolorize_compile(struct arena *a, const struct stage_expr *expr,
                                     struct stage *ret_stage, struct err *err)
{
    (void)a;
    (void)expr;
    (void)err;
    *ret_stage = (struct stage){.run = run_decolorize};
    return ST_OK;
}
