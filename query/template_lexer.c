#include "query/template_lexer.h"

#include "base/utf8.h"

#include "base/banned.h"

enum { TRIM_MARKER_BYTES = 2 }; /* a minus and a blank */

#define RUNE_END UINT32_MAX

static const struct word {
    struct str text;
    enum template_token_kind kind;
} words[] = {
    {STR_INIT("block"), TT_BLOCK},
    {STR_INIT("break"), TT_BREAK},
    {STR_INIT("continue"), TT_CONTINUE},
    {STR_INIT("define"), TT_DEFINE},
    {STR_INIT("else"), TT_ELSE},
    {STR_INIT("end"), TT_END_WORD},
    {STR_INIT("if"), TT_IF},
    {STR_INIT("nil"), TT_NIL},
    {STR_INIT("range"), TT_RANGE},
    {STR_INIT("template"), TT_TEMPLATE},
    {STR_INIT("with"), TT_WITH},
    {STR_INIT("true"), TT_BOOL},
    {STR_INIT("false"), TT_BOOL},
};

void template_lexer_init(struct template_lexer *l, struct arena *a, struct str in)
{
    *l = (struct template_lexer){.a = a, .in = in};
}

static struct str rest(const struct template_lexer *l)
{
    return str_cut(l->in, l->at);
}

static bool is_blank(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alphanumeric(uint32_t c)
{
    return c == '_' || rune_is_letter(c) || rune_is_digit(c);
}

static uint32_t peek(const struct template_lexer *l)
{
    size_t len;

    return l->at == l->in.len ? RUNE_END : utf8_decode(rest(l), &len);
}

static uint32_t next(struct template_lexer *l)
{
    uint32_t rune = RUNE_END;
    size_t len = 0;

    if (l->at < l->in.len)
        rune = utf8_decode(rest(l), &len);
    l->at += len;
    return rune;
}

static bool accept_one(struct template_lexer *l, const char *set)
{
    uint32_t c = peek(l);

    if (c == 0 || c >= 0x80 || strchr(set, (int)c) == NULL)
        return false;
    l->at++;
    return true;
}

static void accept_run(struct template_lexer *l, const char *set)
{
    while (accept_one(l, set))
        continue;
}

static struct template_token emit(struct template_lexer *l, enum template_token_kind kind)
{
    ASSERT(l->start <= l->at && l->at <= l->in.len);
    struct template_token t = {kind, l->start, str_make(l->in.ptr + l->start, l->at - l->start)};

    l->start = l->at;
    return t;
}

/* `text` has a NULL `ptr` if the arena failed; the parser finds out. */
static struct template_token refuse(struct template_lexer *l, struct str text)
{
    struct template_token t = {TT_ERROR, l->start, text};

    l->start = l->at = l->in.len;
    return t;
}

static struct template_token refuse_quoted(struct template_lexer *l, const char *what)
{
    struct buf quoted;

    buf_init(&quoted, ERR_TEXT_BYTES);
    utf8_put_quoted(&quoted, str_make(l->in.ptr + l->start, l->at - l->start));
    struct str text = arena_printf(l->a, "%s: %.*s", what, STR_ARG(buf_str(&quoted)));
    buf_release(&quoted);
    return refuse(l, text);
}

/* "bad character U+002D '-'" */
static struct template_token refuse_rune(struct template_lexer *l, const char *what, uint32_t rune)
{
    char bytes[UTF8_BYTES_MAX];
    size_t len = utf8_encode(rune, bytes);

    if (rune_is_print(rune))
        return refuse(
            l, arena_printf(l->a, "%s U+%04X '%.*s'", what, (unsigned)rune, (int)len, bytes));
    return refuse(l, arena_printf(l->a, "%s U+%04X", what, (unsigned)rune));
}

/* ---- delimiters, text, comments ---- */

static bool at_left_trim(struct str s)
{
    return s.len >= TRIM_MARKER_BYTES && s.ptr[0] == '-' && is_blank((unsigned char)s.ptr[1]);
}

static bool at_right_trim(struct str s)
{
    return s.len >= TRIM_MARKER_BYTES && is_blank((unsigned char)s.ptr[0]) && s.ptr[1] == '-' &&
           str_starts(str_cut(s, TRIM_MARKER_BYTES), STR("}}"));
}

static bool at_right_delim(const struct template_lexer *l)
{
    return at_right_trim(rest(l)) || str_starts(rest(l), STR("}}"));
}

static void skip_blanks(struct template_lexer *l)
{
    while (l->at < l->in.len && is_blank((unsigned char)l->in.ptr[l->at]))
        l->at++;
}

/* At `}}` or ` -}}`. */
static struct template_token lex_right_delim(struct template_lexer *l)
{
    bool trim = at_right_trim(rest(l));

    ASSERT(at_right_delim(l));
    l->at += trim ? TRIM_MARKER_BYTES : 0;
    l->start = l->at;
    l->at += STR("}}").len;
    struct template_token t = emit(l, TT_RIGHT_DELIM);
    if (trim)
        skip_blanks(l);
    l->start = l->at;
    l->in_action = false;
    return t;
}

/* At the slash that opens a comment. On true all of the comment and its `}}` was passed. */
static bool skip_comment(struct template_lexer *l, struct template_token *ret_error)
{
    size_t len = str_find(rest(l), STR("*/"));

    if (len == STR_NPOS) {
        *ret_error = refuse(l, STR("unclosed comment"));
        return false;
    }
    l->at += len + STR("*/").len;
    if (!at_right_delim(l)) {
        *ret_error = refuse(l, STR("comment ends before closing delimiter"));
        return false;
    }
    (void)lex_right_delim(l);
    return true;
}

/* The text up to the next `{{`, without what a trim marker there removes; NULL kind: none. */
static bool take_text(struct template_lexer *l, struct template_token *ret)
{
    size_t len = MIN_OF(str_find(rest(l), STR("{{")), l->in.len - l->at);
    size_t kept = len;
    struct str behind = str_cut(rest(l), len);

    if (behind.len > 0 && at_left_trim(str_cut(behind, STR("{{").len))) {
        while (kept > 0 && is_blank((unsigned char)l->in.ptr[l->at + kept - 1]))
            kept--;
    }
    l->at += kept;
    *ret = emit(l, TT_TEXT);
    l->at += len - kept;
    l->start = l->at;
    return kept > 0;
}

static struct template_token lex_text(struct template_lexer *l)
{
    struct template_token t;

    for (;;) {
        if (take_text(l, &t))
            return t;
        if (l->at == l->in.len)
            return emit(l, TT_END);
        l->at += STR("{{").len;
        bool trim = at_left_trim(rest(l));
        size_t marker = trim ? TRIM_MARKER_BYTES : 0;
        if (!str_starts(str_cut(rest(l), marker), STR("/*"))) {
            t = emit(l, TT_LEFT_DELIM);
            l->at += marker;
            l->start = l->at;
            l->in_action = true;
            l->paren_depth = 0;
            return t;
        }
        l->at += marker;
        l->start = l->at;
        if (!skip_comment(l, &t))
            return t;
    }
}

/* ---- inside an action ---- */

/* May a word end here? */
static bool at_terminator(const struct template_lexer *l)
{
    uint32_t c = peek(l);

    return c == RUNE_END || is_blank(c) || c == '.' || c == ',' || c == '|' || c == ':' ||
           c == ')' || c == '(' || str_starts(rest(l), STR("}}"));
}

static struct template_token lex_space(struct template_lexer *l)
{
    skip_blanks(l);
    ASSERT(l->at > l->start);

    /* The last blank may belong to ` -}}`. */
    if (at_right_trim(str_cut(l->in, l->at - 1))) {
        l->at--;
        if (l->at == l->start)
            return lex_right_delim(l);
    }
    return emit(l, TT_SPACE);
}

static struct template_token lex_word(struct template_lexer *l)
{
    while (is_alphanumeric(peek(l)))
        (void)next(l);
    if (!at_terminator(l))
        return refuse_rune(l, "bad character", peek(l));

    struct template_token t = emit(l, TT_IDENTIFIER);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_eq(words[i].text, t.text))
            t.kind = words[i].kind;
    }
    return t;
}

/* The point or dollar sign was passed. Alone, it is `.` or `$`. */
static struct template_token lex_field(struct template_lexer *l, enum template_token_kind kind,
                                       enum template_token_kind kind_alone)
{
    if (at_terminator(l))
        return emit(l, kind_alone);
    while (is_alphanumeric(peek(l)))
        (void)next(l);
    if (!at_terminator(l))
        return refuse_rune(l, "bad character", peek(l));
    return emit(l, kind);
}

/* The opening quote was passed; `kind` has escapes. */
static struct template_token lex_quoted(struct template_lexer *l, enum template_token_kind kind,
                                        uint32_t quote)
{
    for (;;) {
        uint32_t c = next(l);
        if (c == quote)
            return emit(l, kind);
        if (c == '\\')
            c = next(l);
        if (c == RUNE_END || c == '\n')
            return refuse(l, kind == TT_STRING ? STR("unterminated quoted string")
                                               : STR("unterminated character constant"));
    }
}

static struct template_token lex_raw_string(struct template_lexer *l)
{
    size_t len = str_find_char(rest(l), '`');

    if (len == STR_NPOS)
        return refuse(l, STR("unterminated raw quoted string"));
    l->at += len + 1;
    return emit(l, TT_RAW_STRING);
}

/* Pass a number. False: something follows that belongs to no number. */
static bool skip_number(struct template_lexer *l)
{
    static const char decimal[] = "0123456789_";
    const char *digits = decimal;
    bool hex = false;

    (void)accept_one(l, "+-");
    if (accept_one(l, "0")) {
        hex = accept_one(l, "xX");
        if (hex)
            digits = "0123456789abcdefABCDEF_";
        else if (accept_one(l, "oO"))
            digits = "01234567_";
        else if (accept_one(l, "bB"))
            digits = "01_";
    }
    accept_run(l, digits);
    if (accept_one(l, "."))
        accept_run(l, digits);
    if ((digits == decimal && accept_one(l, "eE")) || (hex && accept_one(l, "pP"))) {
        (void)accept_one(l, "+-");
        accept_run(l, decimal);
    }
    (void)accept_one(l, "i");
    if (!is_alphanumeric(peek(l)))
        return true;
    (void)next(l);
    return false;
}

static struct template_token lex_number(struct template_lexer *l)
{
    bool good = skip_number(l);
    uint32_t sign = peek(l);

    if (good && (sign == '+' || sign == '-'))
        good = skip_number(l) && l->in.ptr[l->at - 1] == 'i';
    return good ? emit(l, TT_NUMBER) : refuse_quoted(l, "bad number syntax");
}

static struct template_token lex_paren(struct template_lexer *l, uint32_t c)
{
    if (c == '(') {
        l->paren_depth++;
        return emit(l, TT_LEFT_PAREN);
    }
    if (l->paren_depth == 0)
        return refuse(l, STR("unexpected right paren"));
    l->paren_depth--;
    return emit(l, TT_RIGHT_PAREN);
}

static struct template_token lex_sign(struct template_lexer *l, uint32_t c)
{
    if (c < 0x80 && rune_is_print(c))
        return emit(l, TT_CHAR);
    return refuse_rune(l, "unrecognized character in action:", c);
}

static bool at_number(const struct template_lexer *l)
{
    struct str s = rest(l);
    char c = s.ptr[0] == '.' && s.len > 1 ? s.ptr[1] : s.ptr[0];

    return s.ptr[0] == '+' || s.ptr[0] == '-' || (c >= '0' && c <= '9') ||
           (s.ptr[0] == '.' && s.len == 1);
}

static struct template_token lex_action(struct template_lexer *l)
{
    if (at_right_delim(l))
        return l->paren_depth == 0 ? lex_right_delim(l) : refuse(l, STR("unclosed left paren"));

    uint32_t c = peek(l);
    if (c == RUNE_END)
        return refuse(l, STR("unclosed action"));
    if (is_blank(c))
        return lex_space(l);
    if (is_alphanumeric(c) && !(c >= '0' && c <= '9'))
        return lex_word(l);
    if (at_number(l))
        return lex_number(l);
    (void)next(l);
    switch (c) {
    case '=':
        return emit(l, TT_ASSIGN);
    case ':':
        return next(l) == '=' ? emit(l, TT_DECLARE) : refuse(l, STR("expected :="));
    case '|':
        return emit(l, TT_PIPE);
    case '"':
        return lex_quoted(l, TT_STRING, '"');
    case '\'':
        return lex_quoted(l, TT_CHAR_CONSTANT, '\'');
    case '`':
        return lex_raw_string(l);
    case '$':
        return lex_field(l, TT_VARIABLE, TT_VARIABLE);
    case '.':
        return lex_field(l, TT_FIELD, TT_DOT);
    case '(':
    case ')':
        return lex_paren(l, c);
    default:
        return lex_sign(l, c);
    }
}

struct template_token template_lexer_next(struct template_lexer *l)
{
    return l->in_action ? lex_action(l) : lex_text(l);
}
