/*
 * reference.h - run the rows of a table of queries whose answers Loki itself has given.
 *
 * An answer is written as text, which is what a row wants:
 *
 *   streams: {a="1"} [2 "line"] [1 "line"] ; {a="2"} ...     a time in seconds before each line
 *   vector: {a="1"} 6 ; {a="2"} 0.5                          `empty` when there is nothing
 *   matrix: {a="1"} 2@20 2@40                                value@second
 *   scalar: 7
 *   ERROR 400 text                                           400 or 500, as HTTP answers it
 *
 * Numbers may differ by 1e-9 of their value. Where Loki fails or answers with a quirk that skald
 * does not share, the row wants what skald documents.
 */
#ifndef TESTS_SUPPORT_REFERENCE_H
#define TESTS_SUPPORT_REFERENCE_H

#include <stddef.h>

/* The labels that `| json` adds to a line that is no object. */
#define JOBJ                        \
    "__error__=\"JSONParserErr\", " \
    "__error_details__=\"Value looks like object, but can't find closing '}' symbol\""

/* The answer to a metric query when a series has an error. */
#define PIPELINE_ERROR(type, series)                                                               \
    "ERROR 400 pipeline error: '" type "' for series: '" series "'.\n"                             \
    "Use a label filter to intentionally skip this error. (e.g | __error__!=\"" type "\").\n"      \
    "To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"               \
    "The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" " \
    ")\n"

/* A pipeline over one entry of the stream {svc="web"}, to which `labels` are added. */
struct pipeline_case {
    const char *name;
    const char *pipeline;
    const char *line;
    const char *labels;   /* `{a="1"}` or NULL */
    const char *metadata; /* likewise */
    const char *want;     /* the answer, or as below */
};

/*
 * A log query's answer to one entry is written shorter: `DROP`, or the labels without svc="web",
 * with `line="..." ` in front if the line is another, and ` NO-svc` behind if that label is gone.
 */
void check_pipelines(const struct pipeline_case *cases, size_t count);

struct query_case {
    const char *name;
    char data;        /* the data set, A to X: see reference.c */
    const char *when; /* seconds: "@60", or "0..60/20" and "limit=2", "dir=forward", "interval=2" */
    const char *query;
    const char *want;
};

void check_queries(const struct query_case *cases, size_t count);

#endif
