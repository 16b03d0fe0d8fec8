/*
 * needle.h - a text that is looked for in much other text.
 *
 * The search reads the text once, 32 places at a time, and compares the whole needle only where two
 * of its bytes stand where they should: those two that are rarest in log lines. It runs near the
 * speed of memory where the needle is rare, and falls back to memmem() where comparing fails so
 * often that time would no longer be linear.
 */
#ifndef BASE_NEEDLE_H
#define BASE_NEEDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* One that is found in any case; nothing but their length bounds what comparing these costs. */
enum { NEEDLE_ANY_CASE_BYTES_MAX = 64 };

struct needle {
    struct str text; /* borrowed, not empty; of any case: ASCII letters are small */
    bool any_case;
    /* Two places in `text`, the bytes there, and the bits in which they may be different. */
    uint8_t at[2];
    uint8_t byte[2];
    uint8_t ignored[2];
};

/*
 * `text`, which is borrowed, must not be empty. With `any_case` it must have no capital ASCII
 * letters and at most NEEDLE_ANY_CASE_BYTES_MAX bytes; then ASCII letters, and no others, are found
 * in both cases.
 */
struct needle needle_make(struct str text, bool any_case);

/* Offset of the first occurrence in `text`, or STR_NPOS. */
size_t needle_find(const struct needle *n, struct str text);

/* The same without the instructions of one processor: for tests. */
size_t needle_find_plain(const struct needle *n, struct str text);

#endif
