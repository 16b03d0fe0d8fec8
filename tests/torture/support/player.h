/*
 * player.h - plays the steps of a scenario on a store, with settings so small that files turn over.
 *
 * Threads  One thread plays; acknowledgements are noted by the log's thread as they come.
 */
#ifndef TESTS_TORTURE_SUPPORT_PLAYER_H
#define TESTS_TORTURE_SUPPORT_PLAYER_H

#include <pthread.h>

#include "base/err.h"
#include "config/config.h"
#include "server/store/store.h"
#include "tests/torture/support/scenario.h"
#include "tests/torture/support/trace.h"

enum {
    PLAYER_PATH_BYTES = 512,
    PLAYER_SETTLED_MAX = 4096,
};

/* How far the log's thread has come, and with what status. */
struct settled {
    uint64_t seq;
    enum status status;
};

struct pending_push {
    uint64_t seq;
    size_t step;
};

struct player {
    const struct scenario *scenario;
    struct ledger *ledger;
    struct trace *trace; /* how far steps have got goes into it, too; NULL: into the ledger alone */
    bool merges;
    bool torn_is_fine; /* for check_store(): what a power cut tore may be damage to an index that is
                          made again */
    bool rebuild_is_fine;  /* the first start may make the index again */
    bool torn_log_is_fine; /* the first start may call it damage what was not acknowledged */
    char dir[PLAYER_PATH_BYTES];
    struct config config;
    struct store *store;
    unsigned hold; /* merging waits for this, except in STEP_MERGE */
    bool held;
    unsigned failures; /* steps that failed: only where file calls do */
    char failure[ERR_TEXT_BYTES];
    struct flag log_failed;   /* a sync of it, since the store was last opened */
    struct counter late_acks; /* of pushes, by such a log */

    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t changed;
    struct settled settled[PLAYER_SETTLED_MAX];
    size_t settled_count;
    struct pending_push pending[SCENARIO_STEPS_MAX];
    size_t pending_count;
};

/* `dir` is where the data goes. Nothing is opened. */
void player_init(struct player *p, const struct scenario *sc, struct ledger *l, const char *dir);
void player_release(struct player *p);

MUST_CHECK enum status player_open(struct player *p, struct err *err);

/* The same, with more tries than anything fails in a row. */
bool player_open_at_last(struct player *p);

/* Without a flush. */
void player_close(struct player *p);

/* Play steps [begin, end); a step that fails is counted and left. False: the store is closed. */
bool player_play(struct player *p, size_t begin, size_t end);

/* Push entries as they are, apart from any step; waits until they are stored. */
MUST_CHECK enum status player_push_entries(struct player *p, unsigned tenant,
                                           const uint32_t *entries, size_t count, struct err *err);

/* Wait until every push that was taken is stored or has failed. */
void player_wait(struct player *p);

/*
 * Let the threads of the store work until nothing is left to merge and no file to remove, and
 * everything is gone that is older than it is kept. The clock is moved on while they wait, for what
 * is tried again after a while. False: not in time.
 */
bool player_merge(struct player *p);

#endif
