/*
 * How an error is chosen: what a production refuses is reported, whatever came before it; else the
 * first lexical or syntax error; else, when the whole text parsed, the first error of the tree.
 */
#include "query/parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "query/parser_internal.h"

#include "base/banned.h"

enum {
    EXPECTED_SHOWN_MAX = 4, /* a longer list of expected tokens is not printed at all */
    SYNTAX_TEXT_BYTES_MAX = 1024,
};

/* Remember the first lexical or syntax error; once memory ran out, errors mean nothing. */
static void complain(struct parser *p, struct str text, size_t line, size_t column)
{
    if (p->first.ptr != NULL || p->status != ST_OK)
        return;
    p->first = arena_str(p->a, text);
    p->first_line = line;
    p->first_column = column;
}

int parser_read(struct parser *p)
{
    enum status st = lexer_next(&p->lexer, &p->token, &p->failure);

    if (st != ST_OK) {
        p->status = st;
        p->token = (struct token){.kind = 0};
    }
    if (p->lexer.problem.ptr != NULL)
        complain(p, p->lexer.problem, p->lexer.problem_line, p->lexer.problem_column);
    return p->token.kind;
}

void parser_report(struct parser *p, const char *unexpected, const char *const *expected,
                   size_t count)
{
    struct buf text;

    buf_init(&text, SYNTAX_TEXT_BYTES_MAX);
    buf_printf(&text, "syntax error: unexpected %s", unexpected);
    for (size_t i = 0; i < count && count <= EXPECTED_SHOWN_MAX; i++)
        buf_printf(&text, "%s %s", i == 0 ? ", expecting" : " or", expected[i]);
    complain(p, buf_str(&text), p->token.line, p->token.column);
    buf_release(&text);
}

enum status parser_refuse(struct parser *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(p->failure.text, sizeof(p->failure.text), format, args);
    va_end(args);
    p->status = ST_INVALID;
    return ST_INVALID;
}

enum status parser_stop(struct parser *p)
{
    p->status = arena_status(p->a, &p->failure);
    if (p->status == ST_OK)
        p->status = err_set(&p->failure, ST_NOMEM, "no memory to parse the query");
    return p->status;
}

static enum status answer(const struct parser *p, struct err *err)
{
    if (p->status == ST_INVALID)
        return err_set(err, ST_INVALID, "parse error : %s", p->failure.text);
    if (p->first.ptr != NULL && p->first_line == 0 && p->first_column == 0)
        return err_set(err, ST_INVALID, "parse error : %.*s", STR_ARG(p->first));
    if (p->first.ptr != NULL)
        return err_set(err, ST_INVALID, "parse error at line %zu, col %zu: %.*s", p->first_line,
                       p->first_column, STR_ARG(p->first));
    if (p->status != ST_OK)
        return err_set(err, p->status, "%s", p->failure.text);
    return arena_status(p->a, err);
}

/* Parse without looking at the errors of the tree. */
static enum status parse(struct arena *a, struct str text, struct expr_value *ret, struct err *err)
{
    struct parser p = {.a = a};

    if (text.len >= QUERY_BYTES_MAX)
        return err_set(err, ST_INVALID, "parse error : input size too long (%zu > %d)", text.len,
                       (int)QUERY_BYTES_MAX);
    text = arena_str(a, text);
    if (text.ptr == NULL)
        return arena_status(a, err);
    lexer_init(&p.lexer, a, text);
    int rc = grammar_parse(&p);
    enum status st = answer(&p, err);
    if (st != ST_OK)
        return st;
    ASSERT(rc == 0);
    *ret = p.result;
    return ST_OK;
}

enum status logql_parse(struct arena *a, struct str text, const struct expr **ret_expr,
                        struct err *err)
{
    struct expr_value v;
    enum status st = parse(a, text, &v, err);

    if (st != ST_OK)
        return st;
    if (v.error != NULL)
        return err_set(err, ST_INVALID, "parse error : %s", v.error);
    *ret_expr = v.expr;
    return ST_OK;
}

static enum status take_matchers(const struct expr *e, struct matcher **ret_matchers,
                                 size_t *ret_count, struct err *err)
{
    if (e->kind != EXPR_LOG || e->log.stage_count > 0)
        return err_set(err, ST_INVALID, "only label matchers are supported");
    *ret_matchers = e->log.matchers;
    *ret_count = e->log.matcher_count;
    return ST_OK;
}

enum status logql_parse_selector(struct arena *a, struct str text, struct matcher **ret_matchers,
                                 size_t *ret_count, struct err *err)
{
    const struct expr *e = NULL;
    enum status st = logql_parse(a, text, &e, err);

    return st != ST_OK ? st : take_matchers(e, ret_matchers, ret_count, err);
}

enum status logql_parse_any_selector(struct arena *a, struct str text,
                                     struct matcher **ret_matchers, size_t *ret_count,
                                     struct err *err)
{
    struct expr_value v;
    enum status st = parse(a, text, &v, err);

    return st != ST_OK ? st : take_matchers(v.expr, ret_matchers, ret_count, err);
}
