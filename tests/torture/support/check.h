/*
 * check.h - is in a store what must be in it, and nothing else?
 */
#ifndef TESTS_TORTURE_SUPPORT_CHECK_H
#define TESTS_TORTURE_SUPPORT_CHECK_H

#include "tests/torture/support/player.h"

/*
 * Everything that a store that was opened after a disaster has to fulfil:
 *
 *   - each acknowledged entry is there once, as it was sent; what was sent and not acknowledged is
 *     there once or not at all; nothing else is there
 *   - the opening found no damage, and nothing that it would not have written itself
 *   - the answers to a list of queries are those of a store that was given the same entries and
 *     nothing happened to it
 *   - it works: merges end, more is pushed, flushed, found, and found again after a restart
 *   - in the end no file is left without a use
 *
 * Opens the store of `p` and closes it. False: something does not hold; it is told on stderr.
 */
bool check_store(struct player *p);

/* Only the first of these, on a store that is open. */
bool check_entries(struct player *p);

/* Ask all queries, whatever comes of it. */
void check_queries(struct player *p);

/* Empty the directory `path` (made if it is not there), or remove it. */
void check_dir_make(const char *path);
void check_dir_remove(const char *path);

#endif
