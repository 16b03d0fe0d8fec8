/*
 * expect.h - what Criterion's expectations lack: views of bytes, printed so that a person can read
 * them.
 */
#ifndef TESTS_SUPPORT_EXPECT_H
#define TESTS_SUPPORT_EXPECT_H

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

/* `s` as a quoted string on the heap, to be freed with mem_free(). A long one is cut. */
static inline char *expect_shown(struct str s)
{
    enum { SHOWN_BYTES_MAX = 2048 };
    struct buf b;

    buf_init(&b, 16 * SHOWN_BYTES_MAX);
    utf8_put_quoted(&b, str_head(s, SHOWN_BYTES_MAX));
    buf_put_u8(&b, 0);
    return b.ptr;
}

/* The bytes are the same; `name` is that of the case. */
#define EXPECT_STR(name, got, want)                                                       \
    do {                                                                                  \
        struct str expect_got = (got), expect_want = (want);                              \
        char *expect_a = expect_shown(expect_got), *expect_b = expect_shown(expect_want); \
        cr_expect(str_eq(expect_got, expect_want), "%s: got %s, want %s", name, expect_a, \
                  expect_b);                                                              \
        mem_free(expect_a);                                                               \
        mem_free(expect_b);                                                               \
    } while (0)

/* The status is the same. */
#define EXPECT_STATUS(name, got, want)                                      \
    do {                                                                    \
        enum status expect_st = (got), expect_wanted = (want);              \
        cr_expect_eq(expect_st, expect_wanted, "%s: got %s, want %s", name, \
                     status_name(expect_st), status_name(expect_wanted));   \
    } while (0)

/* What later lines of a test stand on. Criterion hears of a failure only: see fault_kills(). */
#define REQUIRE_OK(call)                                              \
    do {                                                              \
        enum status require_st = (call);                              \
        if (require_st != ST_OK)                                      \
            cr_assert_fail("%s: %s", #call, status_name(require_st)); \
    } while (0)

#endif
