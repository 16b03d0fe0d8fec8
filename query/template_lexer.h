/*
 * template_lexer.h - the tokens of a text/template.
 *
 * Outside of `{{ }}` all is text, apart from blanks that trim markers remove; inside, blanks are
 * tokens of their own, because `a .b` and `a.b` differ. Comments give no token. An error is a
 * token with its reason as the text; nothing follows it.
 */
#ifndef QUERY_TEMPLATE_LEXER_H
#define QUERY_TEMPLATE_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

enum template_token_kind {
    TT_ERROR,
    TT_END, /* of the text */
    TT_TEXT,
    TT_LEFT_DELIM,  /* {{ */
    TT_RIGHT_DELIM, /* }} */
    TT_SPACE,
    TT_BOOL,
    TT_CHAR, /* any other printable character, such as a comma */
    TT_CHAR_CONSTANT,
    TT_NUMBER,
    TT_STRING,
    TT_RAW_STRING,
    TT_ASSIGN,  /* = */
    TT_DECLARE, /* := */
    TT_PIPE,
    TT_LEFT_PAREN,
    TT_RIGHT_PAREN,
    TT_FIELD,    /* .name */
    TT_VARIABLE, /* $ or $name */
    TT_IDENTIFIER,
    TT_DOT, /* from here on, errors write the token in angle brackets */
    TT_BLOCK,
    TT_BREAK,
    TT_CONTINUE,
    TT_DEFINE,
    TT_ELSE,
    TT_END_WORD,
    TT_IF,
    TT_NIL,
    TT_RANGE,
    TT_TEMPLATE,
    TT_WITH,
};

struct template_token {
    enum template_token_kind kind;
    size_t pos; /* byte offset in the template */
    struct str text;
};

struct template_lexer {
    struct arena *a; /* for the texts of errors */
    struct str in;
    size_t start; /* of the token being read */
    size_t at;
    unsigned paren_depth;
    bool in_action;
};

void template_lexer_init(struct template_lexer *l, struct arena *a, struct str in);

struct template_token template_lexer_next(struct template_lexer *l);

#endif
