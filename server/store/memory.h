/*
 * memory.h - queries for the streams that have entries in memory.
 *
 * Each call takes the lock of the tenant for some hundred streams or values at a time. A stream
 * that is flushed meanwhile may be missed: whoever asks looks into the index afterwards (I4).
 */
#ifndef SERVER_STORE_MEMORY_H
#define SERVER_STORE_MEMORY_H

#include "base/err.h"
#include "base/str.h"
#include "index/matcher.h"
#include "query/source.h"
#include "server/store/stream.h"

struct store;

struct memory_walk {
    struct store *store;
    struct query_context *q;
    struct str tenant;
    struct matcher_list matchers; /* none: every stream */
    enum status (*visit)(void *context, const struct stream *stream);
    void *context;
};

/*
 * Visit each matching stream that has entries in memory, under the lock of its tenant. A status of
 * `visit` ends the walk with it, and so does the end of the query.
 *
 * A stream may be visited twice when another leaves meanwhile.
 */
MUST_CHECK enum status memory_walk(const struct memory_walk *w, struct err *err);

struct memory_labels {
    struct store *store;
    struct query_context *q;
    struct str tenant;
    struct str name; /* of the label whose values are wanted; empty: the names */
    enum status (*visit)(void *context, struct str text);
    void *context;
};

/* Visit each name of a label, or value of a label, that a stream with entries in memory has. */
MUST_CHECK enum status memory_labels(const struct memory_labels *m, struct err *err);

#endif
