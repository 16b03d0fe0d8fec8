/*
 * The texts of errors are those of a generated parser: they name the token that came and the ones
 * that could have come. A character that begins no token ends the text for the parser; its own
 * error is reported only if the parser has nothing to say about the end.
 */
#include "query/path.h"

#include "base/num.h"
#include "base/utf8.h"

#include "base/banned.h"

enum token_kind {
    TOKEN_END,
    TOKEN_DOT,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_QUOTED,
    TOKEN_NAME,
    TOKEN_NUMBER,
};

struct path_lexer {
    struct str text; /* all of it, for errors */
    struct str rest;
    const char *problem; /* of a character or number; NULL: none */
    struct str problem_char;
};

struct path_token {
    enum token_kind kind;
    struct str text; /* of names and quoted keys */
    int64_t number;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static struct path_token end_with(struct path_lexer *l, const char *problem)
{
    size_t len = 0;

    l->problem = problem;
    if (l->rest.len > 0)
        (void)utf8_decode(l->rest, &len);
    l->problem_char = str_head(l->rest, len);
    l->rest = STR_NULL;
    return (struct path_token){.kind = TOKEN_END};
}

static struct path_token read_number(struct path_lexer *l)
{
    struct path_token t = {.kind = TOKEN_NUMBER};
    size_t len = 0;

    while (len < l->rest.len && is_digit(l->rest.ptr[len]))
        len++;
    struct str digits = str_head(l->rest, len);
    l->rest = str_cut(l->rest, len);
    if (l->rest.len > 0 && l->rest.ptr[0] == '.')
        return end_with(l, "cannot use float as array index");
    if (l->rest.len > 0 && l->rest.ptr[0] != ']' && !is_blank(l->rest.ptr[0]))
        return end_with(l, "non-integer value: ");
    if (num_parse_i64(digits, &t.number) != ST_OK)
        return end_with(l, "value out of range");
    return t;
}

static struct path_token read_name(struct path_lexer *l)
{
    size_t len = 1;

    while (len < l->rest.len && (is_name_start(l->rest.ptr[len]) || is_digit(l->rest.ptr[len])))
        len++;
    struct path_token t = {TOKEN_NAME, str_head(l->rest, len), 0};
    l->rest = str_cut(l->rest, len);
    return t;
}

/* The key ends at a quote or, as in the reference, at a bracket. */
static struct path_token read_quoted(struct path_lexer *l)
{
    size_t len = 1;

    while (len < l->rest.len && l->rest.ptr[len] != '"' && l->rest.ptr[len] != ']')
        len++;
    if (len == l->rest.len) {
        l->rest = STR_NULL;
        return (struct path_token){.kind = TOKEN_END};
    }
    struct path_token t = {TOKEN_QUOTED, str_make(l->rest.ptr + 1, len - 1), 0};
    l->rest = str_cut(l->rest, len + 1);
    return t;
}

static void skip_blanks(struct path_lexer *l)
{
    while (l->rest.len > 0 && is_blank(l->rest.ptr[0]))
        l->rest = str_cut(l->rest, 1);
}

static struct path_token read_token(struct path_lexer *l)
{
    skip_blanks(l);
    if (l->rest.len == 0)
        return (struct path_token){.kind = TOKEN_END};

    char c = l->rest.ptr[0];
    if (is_digit(c))
        return read_number(l);
    if (is_name_start(c))
        return read_name(l);
    if (c == '"')
        return read_quoted(l);
    enum token_kind kind = c == '.' ? TOKEN_DOT : c == '[' ? TOKEN_OPEN : TOKEN_CLOSE;
    if (kind == TOKEN_CLOSE && c != ']')
        return end_with(l, "unexpected char ");
    l->rest = str_cut(l->rest, 1);
    return (struct path_token){.kind = kind};
}

static enum status refuse(const struct path_lexer *l, enum token_kind came, const char *expected,
                          struct err *err)
{
    static const char *const names[] = {
        [TOKEN_END] = "$end",     [TOKEN_DOT] = "DOT",       [TOKEN_OPEN] = "LSB",
        [TOKEN_CLOSE] = "RSB",    [TOKEN_QUOTED] = "STRING", [TOKEN_NAME] = "FIELD",
        [TOKEN_NUMBER] = "INDEX",
    };

    return err_set(err, ST_INVALID,
                   "cannot parse expression [%.*s]: syntax error: unexpected %s%s%s",
                   STR_ARG(l->text), names[came], expected == NULL ? "" : ", expecting ",
                   expected == NULL ? "" : expected);
}

static enum status refuse_problem(const struct path_lexer *l, struct err *err)
{
    bool with_char = l->problem[strlen(l->problem) - 1] == ' ';

    return err_set(err, ST_INVALID, "cannot parse expression [%.*s]: %s%.*s", STR_ARG(l->text),
                   l->problem, with_char ? (int)l->problem_char.len : 0, l->problem_char.ptr);
}

/* The bracket was read: a key or an index, and the closing bracket. */
static enum status read_bracket(struct path_lexer *l, struct path_step *ret, struct err *err)
{
    struct path_token t = read_token(l);

    if (t.kind != TOKEN_QUOTED && t.kind != TOKEN_NUMBER)
        return refuse(l, t.kind, "STRING or INDEX", err);
    struct path_token close = read_token(l);
    if (close.kind != TOKEN_CLOSE)
        return refuse(l, close.kind, "RSB", err);
    *ret = (struct path_step){t.kind == TOKEN_NUMBER, t.number, t.text};
    return ST_OK;
}

/* One step, its first token being `t`. */
static enum status read_step(struct path_lexer *l, struct path_token t, bool first,
                             struct path_step *ret, struct err *err)
{
    if (t.kind == TOKEN_OPEN)
        return read_bracket(l, ret, err);
    if (first && t.kind != TOKEN_NAME)
        return refuse(l, t.kind, "LSB or FIELD", err);
    if (!first && t.kind != TOKEN_DOT)
        return refuse(l, t.kind, NULL, err);
    if (!first)
        t = read_token(l);
    if (t.kind != TOKEN_NAME)
        return refuse(l, t.kind, "FIELD", err);
    *ret = (struct path_step){.key = t.text};
    return ST_OK;
}

enum status path_compile(struct arena *a, struct str text, struct path *ret, struct err *err)
{
    struct path_lexer l = {.text = text, .rest = text};
    struct path path = {NULL, 0};
    size_t capacity = 0;

    for (;;) {
        struct path_token t = read_token(&l);
        if (t.kind == TOKEN_END && path.count > 0)
            break;
        path.steps = arena_reserve(a, path.steps, path.count, &capacity, sizeof(*path.steps));
        if (path.steps == NULL)
            return arena_status(a, err);
        enum status st = read_step(&l, t, path.count == 0, &path.steps[path.count], err);
        if (st != ST_OK)
            return st;
        path.count++;
    }
    ASSERT(path.count > 0);
    if (l.problem != NULL)
        return refuse_problem(&l, err);
    *ret = path;
    return ST_OK;
}

enum status path_compile_key(struct str text, struct str *ret_key, struct err *err)
{
    struct path_lexer l = {.text = text, .rest = text};

    skip_blanks(&l);
    if (l.rest.len == 0 || !is_name_start(l.rest.ptr[0]))
        return err_set(err, ST_INVALID,
                       "cannot parse expression [%.*s]: syntax error: unexpected $end, expecting "
                       "KEY",
                       STR_ARG(text));
    struct str key = read_name(&l).text;
    skip_blanks(&l);
    if (l.rest.len > 0 && is_name_start(l.rest.ptr[0]))
        return err_set(err, ST_INVALID,
                       "cannot parse expression [%.*s]: syntax error: unexpected KEY",
                       STR_ARG(text));
    if (l.rest.len > 0) {
        (void)end_with(&l, "unexpected char ");
        return refuse_problem(&l, err);
    }
    *ret_key = key;
    return ST_OK;
}
