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

/* Do the labels of a stream in memory satisfy every matcher? The tenant's lock is held. */
bool stream_matches(const struct stream *s, struct matcher_list matchers);

#endif
