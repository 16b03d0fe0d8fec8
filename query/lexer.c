#include "query/lexer.h"

#include <stdbool.h>

#include "base/buf.h"
#include "base/time.h"
#include "base/utf8.h"
#include "query/ast.h"
#include "query/byte_size.h"
#include "query/go_string.h"
#include "query/grammar.h"

#include "base/banned.h"

struct word {
    struct str text;
    int kind;
    bool is_function; /* a keyword only where a call can follow */
};

static const struct word words[] = {
    {STR_INIT("by"), TOKEN_BY, false},
    {STR_INIT("without"), TOKEN_WITHOUT, false},
    {STR_INIT("bool"), TOKEN_BOOL, false},
    {STR_INIT("offset"), TOKEN_OFFSET, false},
    {STR_INIT("unwrap"), TOKEN_UNWRAP, false},
    {STR_INIT("on"), TOKEN_ON, false},
    {STR_INIT("ignoring"), TOKEN_IGNORING, false},
    {STR_INIT("group_left"), TOKEN_GROUP_LEFT, false},
    {STR_INIT("group_right"), TOKEN_GROUP_RIGHT, false},
    {STR_INIT("or"), TOKEN_OR, false},
    {STR_INIT("and"), TOKEN_AND, false},
    {STR_INIT("unless"), TOKEN_UNLESS, false},
    {STR_INIT("json"), TOKEN_JSON, false},
    {STR_INIT("regexp"), TOKEN_REGEXP, false},
    {STR_INIT("logfmt"), TOKEN_LOGFMT, false},
    {STR_INIT("unpack"), TOKEN_UNPACK, false},
    {STR_INIT("pattern"), TOKEN_PATTERN, false},
    {STR_INIT("label_format"), TOKEN_LABEL_FMT, false},
    {STR_INIT("line_format"), TOKEN_LINE_FMT, false},
    {STR_INIT("decolorize"), TOKEN_DECOLORIZE, false},
    {STR_INIT("drop"), TOKEN_DROP, false},
    {STR_INIT("keep"), TOKEN_KEEP, false},
#define X(name, text) {STR_INIT(text), TOKEN_##name, true},
    RANGE_OPS(X) VECTOR_OPS(X)
#undef X
        {STR_INIT("vector"), TOKEN_VECTOR, true},
    {STR_INIT("bytes"), TOKEN_BYTES_CONV, true},
    {STR_INIT("duration"), TOKEN_DURATION_CONV, true},
    {STR_INIT("duration_seconds"), TOKEN_DURATION_SECONDS_CONV, true},
    {STR_INIT("label_replace"), TOKEN_LABEL_REPLACE, true},
    {STR_INIT("ip"), TOKEN_IP, true},
};

/* An operator of two characters comes before the one it begins with. */
static const struct symbol {
    char first;
    char second; /* 0: only one character */
    int kind;
} symbols[] = {
    {'=', '=', TOKEN_CMP_EQ},
    {'=', '~', TOKEN_RE},
    {'=', 0, TOKEN_EQ},
    {'!', '=', TOKEN_NEQ},
    {'!', '~', TOKEN_NRE},
    {'!', '>', TOKEN_NPA},
    {'|', '=', TOKEN_PIPE_EXACT},
    {'|', '~', TOKEN_PIPE_MATCH},
    {'|', '>', TOKEN_PIPE_PATTERN},
    {'|', 0, TOKEN_PIPE},
    {'>', '=', TOKEN_GTE},
    {'>', 0, TOKEN_GT},
    {'<', '=', TOKEN_LTE},
    {'<', 0, TOKEN_LT},
    {'{', 0, TOKEN_OPEN_BRACE},
    {'}', 0, TOKEN_CLOSE_BRACE},
    {'(', 0, TOKEN_OPEN_PARENTHESIS},
    {')', 0, TOKEN_CLOSE_PARENTHESIS},
    {',', 0, TOKEN_COMMA},
    {'.', 0, TOKEN_DOT},
    {'+', 0, TOKEN_ADD},
    {'-', 0, TOKEN_SUB},
    {'*', 0, TOKEN_MUL},
    {'/', 0, TOKEN_DIV},
    {'%', 0, TOKEN_MOD},
    {'^', 0, TOKEN_POW},
};

void lexer_init(struct lexer *l, struct arena *a, struct str text)
{
    ASSERT(text.len < QUERY_BYTES_MAX);
    *l = (struct lexer){.a = a};
    scanner_init(&l->scanner, text);
}

/* ---- looking ahead ---- */

static void skip_spaces(struct scanner *s)
{
    while (rune_is_space(s->ch))
        (void)scanner_next(s);
}

static bool skip_text(struct scanner *s, struct str text)
{
    if (!str_eq_nocase(str_head(str_cut(s->in, s->at), text.len), text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        (void)scanner_next(s);
    return true;
}

/* Can what follows be a call: `(`, or `by (`, or `without (`? */
static bool at_call(struct scanner s)
{
    skip_spaces(&s);
    if (s.ch == '(')
        return true;
    if (!skip_text(&s, STR("by")) && !skip_text(&s, STR("without")))
        return false;
    skip_spaces(&s);
    return s.ch == '(';
}

static bool is_duration_rune(uint32_t ch)
{
    return rune_is_digit(ch) || ch == '.' || ch == 0xb5 ||
           (ch < 0x80 && ch != 0 && strchr("numshdwy", (int)ch) != NULL);
}

static bool is_byte_size_rune(uint32_t ch)
{
    return rune_is_digit(ch) || ch == '.' ||
           (ch < 0x80 && ch != 0 && strchr("BikKMGTP", (int)ch) != NULL);
}

static bool is_flag_rune(uint32_t ch)
{
    return ch == '-' || rune_is_letter(ch);
}

/*
 * The token that began at `text`, made longer by the characters of a class, and in `*ret_after` the
 * scanner behind it. Nothing may come of it, so the lexer's own scanner stays where it is.
 */
static struct str extend(const struct lexer *l, struct str text, bool (*is_member)(uint32_t ch),
                         struct scanner *ret_after)
{
    struct scanner s = l->scanner;

    while (s.ch != SCANNER_END && is_member(s.ch))
        (void)scanner_next(&s);
    *ret_after = s;
    return str_make(text.ptr, (size_t)(s.in.ptr + s.at - text.ptr));
}

static bool take_duration(struct lexer *l, struct str text, struct token *t)
{
    struct scanner after;
    struct str longer = extend(l, text, is_duration_rune, &after);

    if (longer.len == text.len)
        return false;
    if (duration_parse_prometheus(longer, &t->duration_ns, NULL) != ST_OK &&
        duration_parse_go(longer, &t->duration_ns, NULL) != ST_OK)
        return false;
    l->scanner = after;
    t->kind = TOKEN_DURATION;
    return true;
}

/* ST_INVALID: it is no byte size. */
static enum status take_byte_size(struct lexer *l, struct str text, struct token *t)
{
    struct scanner after;
    struct str longer = extend(l, text, is_byte_size_rune, &after);

    if (longer.len == text.len)
        return ST_INVALID;
    enum status st = byte_size_parse(longer, &t->bytes, NULL);
    if (st != ST_OK)
        return st;
    l->scanner = after;
    t->kind = TOKEN_BYTES;
    return ST_OK;
}

static bool take_flag(struct lexer *l, struct str text, struct token *t)
{
    struct scanner after;
    struct str longer = extend(l, text, is_flag_rune, &after);

    if (!str_eq(longer, STR("--strict")) && !str_eq(longer, STR("--keep-empty")))
        return false;
    l->scanner = after;
    t->kind = TOKEN_FUNCTION_FLAG;
    t->text = longer;
    return true;
}

/* ---- tokens ---- */

static enum status take_number(struct lexer *l, struct str text, struct token *t)
{
    if (take_duration(l, text, t))
        return ST_OK;
    enum status st = take_byte_size(l, text, t);
    if (st != ST_INVALID)
        return st;
    t->kind = TOKEN_NUMBER;
    t->text = text;
    return ST_OK;
}

static void complain(struct lexer *l, const char *text)
{
    if (l->problem.ptr != NULL)
        return;
    l->problem = arena_printf(l->a, "%s", text);
    l->problem_line = l->scanner.token_line;
    l->problem_column = l->scanner.token_column;
}

/* `[5m]`; the bracket was passed. Without a value, the text ends here. */
static enum status take_range(struct lexer *l, struct token *t)
{
    struct scanner *s = &l->scanner;
    struct buf text;
    struct err reason;
    uint32_t ch;

    buf_init(&text, QUERY_BYTES_MAX * UTF8_BYTES_MAX);
    for (ch = scanner_next(s); ch != SCANNER_END && ch != ']'; ch = scanner_next(s)) {
        char bytes[UTF8_BYTES_MAX];
        buf_put(&text, str_make(bytes, utf8_encode(ch, bytes)));
    }
    enum status st = buf_status(&text, NULL);
    if (st != ST_OK)
        t->kind = 0;
    else if (ch == SCANNER_END)
        complain(l, "missing closing ']' in duration");
    else if (duration_parse_prometheus(buf_str(&text), &t->duration_ns, &reason) == ST_OK)
        t->kind = TOKEN_RANGE;
    else
        complain(l, reason.text);
    buf_release(&text);
    return st;
}

/* `text` has its quotes, perhaps only one. Without a value, the text ends here. */
static enum status take_string(struct lexer *l, struct str text, struct token *t)
{
    struct buf decoded;

    if (text.len < 2 || text.ptr[text.len - 1] != text.ptr[0] || !utf8_valid(text))
        return ST_OK; /* the scanner has said why */
    t->kind = TOKEN_STRING;
    t->text = str_make(text.ptr + 1, text.len - 2);
    if (text.ptr[0] == '`' || str_find_char(t->text, '\\') == STR_NPOS)
        return ST_OK;

    buf_init(&decoded, QUERY_BYTES_MAX * UTF8_BYTES_MAX);
    if (!go_string_put(&decoded, t->text, GO_STRING_SURROGATES)) {
        complain(l, "invalid syntax");
        t->kind = 0;
    }
    enum status st = buf_status(&decoded, NULL);
    t->text = arena_str(l->a, buf_str(&decoded));
    buf_release(&decoded);
    return st;
}

static void take_operator(struct lexer *l, struct str text, struct token *t)
{
    t->kind = TOKEN_IDENTIFIER;
    t->text = text;
    if (text.len != 1)
        return;
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        const struct symbol *o = &symbols[i];
        if (o->first != text.ptr[0] || (o->second != 0 && l->scanner.ch != (uint32_t)o->second))
            continue;
        if (o->second != 0)
            (void)scanner_next(&l->scanner);
        t->kind = o->kind;
        return;
    }
}

static void take_word(const struct lexer *l, struct str text, struct token *t)
{
    t->kind = TOKEN_IDENTIFIER;
    t->text = text;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!str_eq_nocase(words[i].text, text))
            continue;
        if (!words[i].is_function || at_call(l->scanner))
            t->kind = words[i].kind;
        return;
    }
}

static enum status take_char(struct lexer *l, struct str text, struct token *t)
{
    if (str_eq(text, STR("[")))
        return take_range(l, t);
    if (str_eq(text, STR("-")) &&
        ((l->scanner.ch == '-' && take_flag(l, text, t)) || take_duration(l, text, t)))
        return ST_OK;
    take_operator(l, text, t);
    return ST_OK;
}

/* The scanner keeps its first fault for good; only the very first is the lexer's. */
static void note_problem(struct lexer *l)
{
    const struct scanner *s = &l->scanner;

    if (l->problem.ptr != NULL || s->problem[0] == '\0')
        return;
    l->problem = arena_printf(l->a, "%s", s->problem);
    l->problem_line = s->problem_line;
    l->problem_column = s->problem_column;
}

/* Cut the next raw token that is not a `#` comment. */
static enum raw_kind scan(struct scanner *s, struct str *ret_text)
{
    enum raw_kind kind;

    while ((kind = scanner_scan(s, ret_text)) == RAW_CHAR && str_eq(*ret_text, STR("#"))) {
        while (s->ch != '\n' && s->ch != SCANNER_END)
            (void)scanner_next(s);
    }
    return kind;
}

enum status lexer_next(struct lexer *l, struct token *ret_token, struct err *err)
{
    struct token t = {.text = STR_NULL};
    enum status st = ST_OK;
    struct str text;

    enum raw_kind kind = scan(&l->scanner, &text);
    if (kind == RAW_IDENTIFIER)
        take_word(l, text, &t);
    else if (kind == RAW_NUMBER)
        st = take_number(l, text, &t);
    note_problem(l);
    if (kind == RAW_STRING || kind == RAW_VERBATIM)
        st = take_string(l, text, &t);
    else if (kind == RAW_CHAR)
        st = take_char(l, text, &t);
    note_problem(l);
    if (st != ST_OK)
        return err_set(err, st, "no memory for a token of the query");
    t.line = l->scanner.token_line;
    t.column = l->scanner.token_column;
    *ret_token = t;
    return arena_status(l->a, err);
}
