/*
 * queries.h - what is asked of the stores, as tables.
 */
#ifndef BENCH_QUERIES_H
#define BENCH_QUERIES_H

#include <stddef.h>

#include "tests/support/loggen.h"

#define QUERIES_ALL "{job=~\".+\"}"

/* A range query over everything, or over a job. */
struct timed_query {
    const char *what;
    const char *query;
    const char *want; /* stands in the answer */
    double at_most;   /* ms */
};

extern const struct timed_query queries_filter[];
extern const size_t queries_filter_count;
extern const struct timed_query queries_regex[];
extern const size_t queries_regex_count;
extern const struct timed_query queries_counting[];
extern const size_t queries_counting_count;

enum { QUERIES_ALL_KINDS = LOGGEN_KINDS };

/* A parser over all lines of one kind; run over HTTP, and without a server. */
struct parser_query {
    const char *what;
    const char *query;
    unsigned kind;   /* whose job the query selects, or QUERIES_ALL_KINDS */
    double at_least; /* MB of lines a second of one core */
};

extern const struct parser_query queries_parser[];
extern const size_t queries_parser_count;

/* A small query of one of the stores: a path, or a query if it does not begin with '/'. */
struct small_query {
    const char *what;
    const char *path;
    const char *want;
    double at_most;
};

extern const struct small_query queries_small_mixed[];
extern const size_t queries_small_mixed_count;
extern const struct small_query queries_small_wide[];
extern const size_t queries_small_wide_count;

/* They run all at once, to see what memory they take. */
extern const char *const queries_heavy[];
extern const size_t queries_heavy_count;

#endif
