/*
 * select.h - the store as a source of entries.
 */
#ifndef SERVER_STORE_SELECT_H
#define SERVER_STORE_SELECT_H

#include "query/source.h"

/* `source` is the first member of a struct store. */
void source_init(struct source *source);

#endif
