/*
 * scenario.h - what is done to a store in the torture tests, and what must be in it afterwards.
 *
 * A scenario is made of a seed: pushes of two tenants to a few streams over three days, out of
 * order, with entries of equal time and entries that come again; flushes, merges, delete requests
 * and orderly restarts in between. The same seed makes the same steps. No entry of equal time comes
 * again: where it then stands depends on what is in one chunk, as in Loki.
 *
 * The ledger says how far each step has got. It lives in memory that outlives the process that
 * plays the scenario: what it says of a step was true when the process died.
 */
#ifndef TESTS_TORTURE_SUPPORT_SCENARIO_H
#define TESTS_TORTURE_SUPPORT_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/str.h"

enum {
    SCENARIO_TENANTS = 2,
    SCENARIO_STREAMS = 5, /* of each tenant */
    SCENARIO_STEPS_MAX = 512,
    SCENARIO_DAYS = 3,
};

#define SCENARIO_START_NS INT64_C(1772323200000000000) /* 2026-03-01T00:00:00Z */

extern const struct str scenario_tenants[SCENARIO_TENANTS];

/* No two of them are alike; the line begins with `e` and the number of the entry. */
struct scenario_entry {
    unsigned tenant;
    unsigned stream;
    int64_t ts_ns;
    struct str line;
    bool metadata;
    bool twin;  /* another one of its stream has its time */
    bool again; /* it is pushed more than once */
};

enum step_kind {
    STEP_PUSH,
    STEP_FLUSH,
    STEP_MERGE,  /* merging goes on until nothing is left to do */
    STEP_REOPEN, /* close without a flush, open again */
    STEP_DELETE, /* of lines of a stream and day that hold a letter */
};

struct step {
    enum step_kind kind;
    unsigned tenant;
    const uint32_t *entries; /* of a push, by number */
    size_t count;
    bool waits;      /* the next step comes when this one is settled */
    unsigned stream; /* of a delete request */
    unsigned day;
    char letter;
};

struct scenario {
    uint64_t seed;
    struct arena arena;
    struct scenario_entry *entries;
    size_t entry_count;
    struct step *steps;
    size_t step_count;
    size_t later; /* steps from here on are for a store that came back */
};

void scenario_make(struct scenario *sc, uint64_t seed);
void scenario_release(struct scenario *sc);

/* Does a delete request concern an entry that was there before? */
bool step_deletes(const struct step *s, const struct scenario_entry *e);

enum step_state {
    STEP_NOT_SENT,
    STEP_SENT, /* it may have happened or not */
    STEP_ACKED,
};

struct ledger {
    struct counter states[SCENARIO_STEPS_MAX];
};

/* What of an entry must be there, by the steps that have it. */
enum presence {
    PRESENCE_NONE,
    PRESENCE_EITHER,
    PRESENCE_MUST,
};

/* For each entry; `ret_presence` has room for all. */
void ledger_presence(struct ledger *l, const struct scenario *sc, uint8_t *ret_presence);

#endif
