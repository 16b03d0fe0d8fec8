/*
 * str.h - a borrowed view of bytes.
 *
 * A struct str never owns its bytes and may hold zero bytes; whoever made the bytes says how long
 * they live. An empty view may have a null pointer.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/defs.h"

struct str {
    const char *ptr;
    size_t len;
};

#define STR_INIT(literal)                    \
    {                                        \
        ("" literal ""), sizeof(literal) - 1 \
    }
#define STR(literal) ((struct str)STR_INIT(literal))
#define STR_NULL ((struct str){NULL, 0})

/* For "%.*s". */
#define STR_ARG(s) (int)(s).len, ((s).ptr == NULL ? "" : (s).ptr)

#define STR_NPOS ((size_t)-1)

static inline struct str str_make(const char *ptr, size_t len)
{
    struct str s = {ptr, len};

    return s;
}

static inline struct str str_from(const char *text)
{
    return str_make(text, strlen(text));
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The first `len` bytes; the whole view if it is shorter. */
static inline struct str str_head(struct str s, size_t len)
{
    return str_make(s.ptr, MIN_OF(len, s.len));
}

/* What follows the first `len` bytes, which must be there. */
static inline struct str str_cut(struct str s, size_t len)
{
    ASSERT(len <= s.len);
    return str_make(s.ptr == NULL ? NULL : s.ptr + len, s.len - len);
}

/* Byte order, a prefix before what it begins: < 0, 0 or > 0. */
int str_cmp(struct str a, struct str b);

/* ASCII letters compare without case. */
bool str_eq_nocase(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* Offset of the first occurrence, or STR_NPOS. An empty needle is found at 0. */
size_t str_find(struct str s, struct str needle);
size_t str_find_char(struct str s, char c);
size_t str_find_last_char(struct str s, char c);

/* Without the ASCII blanks (space, tab, carriage return, newline) at both ends. */
struct str str_trim(struct str s);

/*
 * Cut the piece up to the next `separator` off `*rest`; the last piece is what remains. Returns
 * false when nothing is left, that is after the last piece. The first call wants `rest->ptr` not
 * null.
 */
bool str_split(struct str *rest, char separator, struct str *ret_piece);

#endif
