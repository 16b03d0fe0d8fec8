/*
 * any_case.h - what a filter that never errs would say of a text.
 */
#ifndef TESTS_SUPPORT_ANY_CASE_H
#define TESTS_SUPPORT_ANY_CASE_H

#include <stdbool.h>

#include "base/str.h"

/* Is `s` in the struct str at `text`, in any case of ASCII letters? It is a regex_probe_fn. */
static inline bool any_case_contains(void *text, struct str s)
{
    struct str in = *(const struct str *)text;

    for (size_t i = 0; i + s.len <= in.len; i++) {
        if (str_eq_nocase(str_head(str_cut(in, i), s.len), s))
            return true;
    }
    return false;
}

#endif
