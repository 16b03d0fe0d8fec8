/*
 * store_fixture.h - a store in a directory of its own, for tests of server/store.
 *
 *     struct fixture f;
 *
 *     fixture_prepare(&f, "1ms");
 *     fixture_set(&f, "ingester.chunk_encoding", "none");
 *     fixture_open(&f);
 *     ... f.store ...
 *     fixture_end(&f);
 *
 * These helpers end the test when something fails, so callers need not check. A fixture points into
 * itself: it stays where it was prepared.
 */
#ifndef TESTS_SUPPORT_STORE_FIXTURE_H
#define TESTS_SUPPORT_STORE_FIXTURE_H

#include "server/store/store.h"
#include "tests/support/files.h"

#define FIXTURE_ARENA_BYTES (64 * MIB)

struct fixture {
    char dir[TEST_PATH_BYTES];
    char segments[TEST_PATH_BYTES]; /* the directory of them */
    struct config config;
    struct store_options options; /* with `config`; nobody is told what is settled */
    struct store *store;
    struct arena arena; /* of the query */
    struct query_context q;
};

/* A directory and settings for a store that is not open yet; `interval` is that of merges, 0: none.
 */
void fixture_prepare(struct fixture *f, const char *interval);

/* Change a setting of a store that is closed. */
void fixture_set(struct fixture *f, const char *name, const char *value);

void fixture_open(struct fixture *f);
void fixture_begin(struct fixture *f, const char *interval); /* prepare and open */
void fixture_reopen(struct fixture *f);
void fixture_end(struct fixture *f);

size_t fixture_segment_files(const struct fixture *f);

/* The file of delete requests of a store that is closed. */
void fixture_write_deletes(const struct fixture *f, const struct delete_list *list);

/* Push to the stream {app="APP"} of a tenant; the values are `["NANOSECONDS","LINE"],...`. */
MUST_CHECK enum status fixture_push(struct fixture *f, struct str tenant, const char *app,
                                    const char *values);

/* ---- asking ---- */

/* A new query; what is in the arena goes. */
struct query_context *fixture_query(struct fixture *f);

/* All streams of a tenant, by a new query; both ends are in it. */
struct selection *fixture_select(struct fixture *f, struct str tenant, int64_t start_ns,
                                 int64_t end_ns);

/* Visit the blocks of a selection, which ends. Returns its runs. */
typedef void fixture_block_fn(void *context, const struct block *b);

size_t fixture_read(struct fixture *f, struct selection *s, fixture_block_fn *visit, void *context);

/* ---- waiting ---- */

/* Between two looks at a state that is waited for. */
void fixture_pause(void);

/* The same where the clock was set: it stands then, and the threads of a store wait by it. */
void fixture_go_on(void);

#endif
