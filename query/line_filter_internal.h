/*
 * line_filter_internal.h - what line_filter.c compiles and line_filter_block.c searches for.
 */
#ifndef QUERY_LINE_FILTER_INTERNAL_H
#define QUERY_LINE_FILTER_INTERNAL_H

#include "query/ipset.h"
#include "query/line_filter.h"
#include "query/line_needs.h"
#include "query/line_pattern.h"

enum test_kind {
    TEST_CONTAINS, /* has one need and asks for no more */
    TEST_NOT_EMPTY,
    TEST_REGEX,
    TEST_PATTERN,
    TEST_IP,
};

struct line_test {
    enum test_kind kind;
    struct line_needs needs;
    const struct regex *re;
    struct line_pattern pattern;
    struct ipset ips;
};

/* Does the test hold for a line that meets all its needs? */
bool line_test_verify(const struct line_test *t, struct str line);

#endif
