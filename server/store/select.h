/*
 * select.h - the store as a source of entries, and what it shares with the look-ups of labels.
 */
#ifndef SERVER_STORE_SELECT_H
#define SERVER_STORE_SELECT_H

#include "index/matcher.h"
#include "query/source.h"
#include "server/store/stream.h"

/* `source` is the first member of a struct store. */
void source_init(struct source *source);

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
 */
MUST_CHECK enum status memory_walk(const struct memory_walk *w, struct err *err);

#endif
