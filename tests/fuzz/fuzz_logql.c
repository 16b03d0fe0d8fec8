/*
 * The lexer and the parser: the canonical text of a query parses to the same canonical text, but
 * for what canon.h excepts. Selectors are asked for in the two other ways too.
 */
#include "query/canon.h"
#include "query/grammar.h"
#include "query/lexer.h"
#include "query/parser.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static enum status parse(struct str text, struct buf *canon)
{
    struct err err = {.text = ""};
    const struct expr *e = NULL;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    enum status st = logql_parse(&a, text, &e, &err);
    ASSERT(st == ST_OK || ((st == ST_INVALID || st == ST_LIMIT) && err.text[0] != '\0'));
    if (st == ST_OK)
        canon_put_expr(canon, e);
    arena_release(&a);
    return st;
}

static bool is_excepted(const struct token *t)
{
    static const struct str names[] = {STR_INIT("Inf"), STR_INIT("NaN"), STR_INIT("!")};

    for (size_t i = 0; i < COUNT_OF(names) && t->kind == TOKEN_IDENTIFIER; i++) {
        if (str_eq(t->text, names[i]))
            return true;
    }
    return t->kind == TOKEN_BYTES;
}

/* Does the text, which parses, hold something that canon.h excepts? */
static bool has_exception(struct str text)
{
    struct token t = {.kind = -1};
    struct lexer l;
    struct arena a;
    bool found = false;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    lexer_init(&l, &a, text);
    while (!found && t.kind != 0) {
        ASSERT(lexer_next(&l, &t, NULL) == ST_OK);
        found = is_excepted(&t);
    }
    arena_release(&a);
    return found;
}

static void parse_selectors(struct str text)
{
    enum status (*const parsers[])(struct arena *, struct str, struct matcher **, size_t *,
                                   struct err *) = {
        logql_parse_selector,
        logql_parse_any_selector,
    };

    for (size_t i = 0; i < COUNT_OF(parsers); i++) {
        struct matcher *matchers = NULL;
        size_t count = 0;
        struct arena a;

        arena_init(&a, FUZZ_MEMORY_BYTES);
        (void)!parsers[i](&a, text, &matchers, &count, NULL);
        arena_release(&a);
    }
}

void fuzz_input(struct str in)
{
    struct buf once, again;

    buf_init(&once, FUZZ_MEMORY_BYTES);
    buf_init(&again, FUZZ_MEMORY_BYTES);
    parse_selectors(in);
    if (parse(in, &once) == ST_OK && once.len < QUERY_BYTES_MAX && !has_exception(in) &&
        !has_exception(buf_str(&once))) {
        ASSERT(parse(buf_str(&once), &again) == ST_OK);
        ASSERT(str_eq(buf_str(&once), buf_str(&again)));
    }
    buf_release(&once);
    buf_release(&again);
}
