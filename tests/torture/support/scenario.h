/*
 * scenario.h - what is done to a store in the torture tests, and what must be in it afterwards.
 *
 * A scenario is made of a seed: pushes of two tenants to a few streams over five days, in JSON and
 * protobuf, out of order, with entries of equal time and entries that come again; flushes, merges,
 * delete requests and orderly restarts in between. Time goes on, and with it retention: days and
 * chunks go, and streams with their last ones, and some of these come again. In the other kind of
 * scenario the index is damaged between a close and an open. The same seed makes the same steps. No
 * entry of equal time comes again: where it then stands depends on what is in one chunk, as in
 * Loki.
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
#include "base/time.h"

enum {
    SCENARIO_TENANTS = 2,
    SCENARIO_STREAMS = 6, /* of each tenant; the last one has a few days only */
    SCENARIO_SHORT = 1,   /* this stream is kept for a shorter time */
    SCENARIO_STEPS_MAX = 512,
    SCENARIO_DAYS = 5,
};

#define SCENARIO_START_NS INT64_C(1772323200000000000) /* 2026-03-01T00:00:00Z */

#define SCENARIO_RETENTION_NS (30 * DAY_NS)
#define SCENARIO_RETENTION_SHORT_NS (SCENARIO_RETENTION_NS - 30 * HOUR_NS)

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
    STEP_AGE,    /* time goes on, and what is before the floor goes */
    STEP_DAMAGE, /* the index, between a close and an open */
};

struct step {
    enum step_kind kind;
    unsigned tenant;
    const uint32_t *entries; /* of a push, by number */
    size_t count;
    bool waits;      /* the next step comes when this one is settled */
    bool protobuf;   /* a push; else in JSON */
    unsigned stream; /* of a delete request */
    unsigned day;
    char letter;
    int64_t floor_ns; /* of STEP_AGE: entries before it are not kept */
};

enum scenario_kind {
    SCENARIO_RETENTION,
    SCENARIO_REBUILD, /* shorter, with STEP_DAMAGE */
};

struct scenario {
    enum scenario_kind kind;
    struct arena arena;
    struct scenario_entry *entries;
    size_t entry_count;
    struct step *steps;
    size_t step_count;
    size_t later; /* steps from here on are for a store that came back */
};

void scenario_make(struct scenario *sc, enum scenario_kind kind, uint64_t seed);
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

/* Before it nothing is kept of streams that have no retention of their own. */
int64_t ledger_floor_ns(struct ledger *l, const struct scenario *sc);

/* For each entry; `ret_presence` has room for all. */
void ledger_presence(struct ledger *l, const struct scenario *sc, uint8_t *ret_presence);

#endif
