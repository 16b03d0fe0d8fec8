/*
 * scanner.h - the raw tokens of a query text, cut as Go's text/scanner cuts them.
 *
 * The scanner stands on one character and has already looked at it, so a character that is not
 * text (a zero byte, bytes that are no UTF-8) is complained about when the scanner comes to it,
 * with the position of the token read before it.
 *
 * A scanner is a plain value: a copy looks ahead without moving the original.
 */
#ifndef QUERY_SCANNER_H
#define QUERY_SCANNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define SCANNER_END UINT32_MAX /* `ch` at the end of the text */

enum { SCANNER_PROBLEM_BYTES = 64 };

enum raw_kind {
    RAW_END,
    RAW_IDENTIFIER,
    RAW_NUMBER,
    RAW_STRING,   /* with its double quotes */
    RAW_VERBATIM, /* with its back quotes */
    RAW_CHAR,     /* a character literal with its quotes, or any other single character */
};

struct scanner {
    struct str in;
    size_t at;     /* offset of the current character */
    size_t ch_len; /* its bytes, 0 at the end */
    uint32_t ch;   /* its rune, or SCANNER_END */
    size_t line;   /* where it stands, from 1 */
    size_t column;
    size_t token_line; /* of the last raw token; 0 once scanner_next() was called */
    size_t token_column;
    char problem[SCANNER_PROBLEM_BYTES]; /* the first fault; empty: none */
    size_t problem_line;
    size_t problem_column;
};

/* `in` is borrowed. */
void scanner_init(struct scanner *s, struct str in);

/* Cut the next token, behind blanks and comments. `*ret_text` is how it is written. */
enum raw_kind scanner_scan(struct scanner *s, struct str *ret_text);

/* Step over the current character and return it; the token gets line 0. */
uint32_t scanner_next(struct scanner *s);

/* Note a fault at the current token, unless there was one before. */
void scanner_complain(struct scanner *s, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
