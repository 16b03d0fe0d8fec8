#include "base/needle.h"

#include <criterion/criterion.h>

#include "base/mem.h"
#include "tests/support/loggen.h"

#include "base/banned.h"

enum { TEXT_BYTES_MAX = 300, NEEDLE_BYTES_MAX = 90 };

/* What needle_find() promises, in the simplest words. */
static size_t find_slowly(struct str needle, bool any_case, struct str text)
{
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        struct str here = str_head(str_cut(text, i), needle.len);
        if (any_case ? str_eq_nocase(here, needle) : str_eq(here, needle))
            return i;
    }
    return STR_NPOS;
}

/* Few letters, so that much is nearly a hit; both cases, and what differs from them in one bit. */
static void fill(struct loggen *g, char *to, size_t len, bool any_case)
{
    static const char letters[] = "aabb@`[{AB\xe1\x00";
    size_t count = any_case ? 8 : sizeof(letters) - 1;

    for (size_t i = 0; i < len; i++)
        to[i] = letters[loggen_below(g, (uint32_t)count)];
}

static void check(struct str needle, bool any_case, struct str text)
{
    struct needle n = needle_make(needle, any_case);
    size_t want = find_slowly(needle, any_case, text);

    cr_assert_eq(needle_find(&n, text), want, "%.*s in %.*s", STR_ARG(needle), STR_ARG(text));
    cr_assert_eq(needle_find_plain(&n, text), want, "%.*s in %.*s", STR_ARG(needle), STR_ARG(text));
}

/* The text is in memory of its own, so that a sanitizer sees what is read behind its end. */
static void check_random(struct loggen *g, bool any_case)
{
    size_t most = any_case ? NEEDLE_ANY_CASE_BYTES_MAX : NEEDLE_BYTES_MAX;
    size_t len = loggen_below(g, TEXT_BYTES_MAX), needle_len = 1 + loggen_below(g, (uint32_t)most);
    char needle[NEEDLE_BYTES_MAX], *text = mem_bytes(MAX_OF(len, (size_t)1));

    cr_assert_not_null(text);
    if (loggen_below(g, 2) == 0)
        needle_len = 1 + needle_len % 4;
    fill(g, needle, needle_len, any_case);
    fill(g, text, len, false);
    if (loggen_below(g, 2) == 0 && needle_len <= len)
        memcpy(text + loggen_below(g, (uint32_t)(len - needle_len + 1)), needle, needle_len);
    check(str_make(needle, needle_len), any_case, str_make(text, len));
    mem_free(text);
}

Test(needle, finds_what_a_simple_loop_finds)
{
    struct loggen g;

    loggen_init(&g, 1);
    for (int i = 0; i < 40000; i++)
        check_random(&g, i % 2 == 0);
}

Test(needle, everywhere)
{
    char text[200];

    for (size_t len = 1; len < sizeof(text); len++) {
        for (size_t at = 0; at < len; at += 7) {
            memset(text, 'x', len);
            text[at] = 'Q';
            check(STR("Q"), false, str_make(text, len));
            check(STR("q"), true, str_make(text, len));
            check(STR("xQ"), false, str_make(text, len));
            check(STR("xxxxqxxx"), true, str_make(text, len));
        }
    }
}

/* What nearly fits everywhere takes another way. */
Test(needle, comparing_in_vain)
{
    enum { TEXT = 64 * 1024, NEEDLE = 500 };
    char *text = mem_bytes(TEXT), needle[NEEDLE];

    cr_assert_not_null(text);
    memset(text, 'a', TEXT);
    memset(needle, 'a', NEEDLE);
    needle[NEEDLE - 1] = 'b';
    check(str_make(needle, NEEDLE), false, str_make(text, TEXT));
    text[TEXT - 5] = 'b';
    check(str_make(needle, NEEDLE), false, str_make(text, TEXT));
    mem_free(text);
}

Test(needle, only_letters_have_a_case)
{
    check(STR("[x]"), true, STR("{x} {X] [x} [X]"));
    check(STR("k"), true, STR("\xe2\x84\xaa K"));
    check(STR("\xe1"), true, STR("\xc1\xe1"));
}
