/*
 * utf8.h - bytes to runes and back, with the rules of Go: a byte that begins no valid sequence is
 * one rune U+FFFD of length 1; surrogates and overlong forms are not valid.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum {
    UTF8_BYTES_MAX = 4,
    RUNE_ERROR = 0xfffd,
    RUNE_MAX = 0x10ffff,
};

/* The first rune of `s`, which must not be empty; `*ret_len` is how many bytes it takes. */
uint32_t utf8_decode(struct str s, size_t *ret_len);

/* Write `rune` (U+FFFD if it is none) to `to`, return the number of bytes. */
size_t utf8_encode(uint32_t rune, char to[UTF8_BYTES_MAX]);

bool utf8_valid(struct str s);

/* Append `s` with each invalid byte replaced by `replacement`. */
void utf8_put_valid(struct buf *b, struct str s, struct str replacement);

/* Letter, mark, number, punctuation, symbol or the ASCII blank: what Go's strconv.Quote prints as
 * is. */
bool rune_is_print(uint32_t rune);
bool rune_is_space(uint32_t rune);
bool rune_is_letter(uint32_t rune);
bool rune_is_digit(uint32_t rune);

/* The other case of a letter, rune by rune; any other rune is itself. */
uint32_t rune_to_lower(uint32_t rune);
uint32_t rune_to_upper(uint32_t rune);

/* Append `s` as a Go string literal with double quotes. */
void utf8_put_quoted(struct buf *b, struct str s);

#endif
