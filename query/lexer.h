/*
 * lexer.h - a LogQL text cut into tokens.
 *
 * The raw tokens, and what each of them complains about, are those of Go's text/scanner, on which
 * the reference builds: comments, character literals, every form of number. On top of them come
 * LogQL's own: durations, byte sizes, ranges in brackets, flags, and function names that are
 * keywords only where a call can follow.
 *
 * A fault inside a literal does not stop the lexer: the first one is kept in `problem`, with its
 * position, and a token is made of what is there (the end of the text, if a string or a range has
 * no value). The parser goes on, because an error it meets
 * later may be the one to report.
 *
 * Positions  Lines and columns count characters from 1. A token that was finished by reading ahead
 *            (ranges, durations, byte sizes, flags, operators of two characters) has line 0, and
 *            so has the end of an empty text, in column 0.
 * Ownership  Token texts are views into the text or live in the arena.
 */
#ifndef QUERY_LEXER_H
#define QUERY_LEXER_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "query/scanner.h"

enum { QUERY_BYTES_MAX = 131072 }; /* a query must be shorter */

struct token {
    int kind; /* TOKEN_... of query/grammar.h, which Bison writes; 0 at the end of the text */
    size_t line;
    size_t column;
    struct str text;     /* IDENTIFIER, NUMBER, FUNCTION_FLAG as written, STRING decoded */
    int64_t duration_ns; /* DURATION, RANGE */
    uint64_t bytes;      /* BYTES */
};

struct lexer {
    struct arena *a;
    struct scanner scanner;
    struct str problem; /* the first fault; ptr NULL: none */
    size_t problem_line;
    size_t problem_column;
};

/* `text` is borrowed for as long as tokens are used; it is shorter than QUERY_BYTES_MAX. */
void lexer_init(struct lexer *l, struct arena *a, struct str text);

/* Cut the next token. Fails only when the arena does; at the end it may be called again. */
MUST_CHECK enum status lexer_next(struct lexer *l, struct token *ret_token, struct err *err);

#endif
