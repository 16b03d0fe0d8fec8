/*
 * line_filter_internal.h - what line_filter.c compiles and line_filter_block.c searches for.
 */
#ifndef QUERY_LINE_FILTER_INTERNAL_H
#define QUERY_LINE_FILTER_INTERNAL_H

#include "base/needle.h"
#include "query/ipset.h"
#include "query/line_filter.h"
#include "query/line_pattern.h"

enum { LINE_NEEDS_MAX = 4 };

enum test_kind {
    TEST_CONTAINS, /* has one need and asks for no more */
    TEST_NOT_EMPTY,
    TEST_REGEX,
    TEST_PATTERN,
    TEST_IP,
};

/* One of the needles must be in the line. */
struct line_need {
    const struct needle *needles;
    size_t count;
};

struct line_test {
    enum test_kind kind;
    struct line_need needs[LINE_NEEDS_MAX]; /* all must be met */
    size_t need_count;
    const struct regex *re;
    struct line_pattern pattern;
    struct ipset ips;
};

bool line_need_is_met(const struct line_need *need, struct str line);

/* Does the test hold for a line that meets all its needs? */
bool line_test_verify(const struct line_test *t, struct str line);

#endif
