/*
 * A power cut at every step.
 *
 * The scenario is played and everything it does to its files is recorded, with all bytes, and with
 * the acknowledgements where they came. Some processes die on the way, and the next goes on: what
 * the dead one had not synced stays unsynced. Then, for each event n of the trace, the directory is
 * made as a power cut there may leave it (see support/disk.h), several times with other losses; it
 * must pass check_store().
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/torture/support/check.h"
#include "tests/torture/support/disk.h"
#include "tests/torture/support/points.h"
#include "tests/torture/support/trace.h"

#include "base/banned.h"

enum {
    HITS_PERCENT = 50, /* nothing is torn where no write waits for its sync */
    LIVES = 4,         /* processes that the scenario is played by */
    VARIANTS = 4,      /* of the loss at a point: all, nothing, and twice some */
};

struct recording {
    struct scenario scenario;
    struct ledger *ledger;
    struct trace *trace;
    char dir[POINTS_DIR_BYTES];
    uint64_t dies_at; /* call of the trace; 0: it lives */
    bool written;     /* the last call was a write */
    size_t begin;     /* step */
};

/* ---- recording ---- */

static int record_call(struct io_event *e, void *context)
{
    struct recording *r = context;

    if (r->dies_at != 0 && trace_calls(r->trace) >= r->dies_at && r->written &&
        e->call == IO_SYNC) {
        trace_end();
        _exit(POINTS_EXIT_DIED);
    }
    r->written = e->call == IO_WRITE;
    trace_call(r->trace, e, e->bytes);
    return 0;
}

static void play(void *context)
{
    struct recording *r = context;
    struct player *p = calloc(1, sizeof(*p));
    char data[PLAYER_PATH_BYTES];
    struct err err;

    (void)snprintf(data, sizeof(data), "%s/data", r->dir);
    player_init(p, &r->scenario, r->ledger, data);
    p->trace = r->trace;
    io_hook_set(record_call, r);
    if (player_open(p, &err) != ST_OK) {
        (void)fprintf(stderr, "  cannot open: %s\n", err.text);
        _exit(1);
    }
    (void)player_play(p, r->begin, r->scenario.later);
    _exit(p->failures > 0 ? 1 : 0);
}

/* Processes die with something written and not synced, at calls that chance chooses. */
static bool record(struct recording *r, uint64_t seed)
{
    struct random random = random_of(seed);
    size_t last = r->scenario.later;

    for (size_t life = 1; life <= LIVES; life++) {
        size_t calls = 100 + random_below(&random, 150);
        r->dies_at = life == LIVES ? 0 : trace_calls(r->trace) + calls;
        int status = points_process(play, r);
        if (status != 0 && status != POINTS_EXIT_DIED)
            return false;
        while (r->begin < last && counter_get(&r->ledger->states[r->begin]) != STEP_NOT_SENT)
            r->begin++;
    }
    return r->begin == last;
}

static size_t count_events(const struct trace *t)
{
    struct trace_event e;
    size_t cursor = 0, count = 0;

    while (trace_next(t, &cursor, &e))
        count++;
    return count;
}

/* ---- one cut ---- */

struct tolls {
    struct counter lost; /* of DISK_LOSS_ALL */
    struct counter torn; /* of the others */
};

struct cut {
    const struct recording *recording;
    const char *dir;
    size_t events;
    enum disk_loss loss;
    uint64_t seed;
    struct tolls *tolls;
};

static void check(void *context)
{
    struct cut *c = context;
    struct random r = random_of(c->seed);
    struct player *p = calloc(1, sizeof(*p));
    struct ledger *l = calloc(1, sizeof(*l));
    struct disk *d = disk_new();
    char data[PLAYER_PATH_BYTES];

    disk_play(d, c->recording->trace, c->events, l);
    if (random_below(&r, 2) == 0)
        disk_end_commit(d, c->recording->trace, c->events);
    struct disk_toll toll = disk_write(d, c->loss, &r, c->dir);
    counter_add(&c->tolls->lost, c->loss == DISK_LOSS_ALL ? toll.lost : 0);
    counter_add(&c->tolls->torn, toll.torn);
    disk_free(d);
    (void)snprintf(data, sizeof(data), "%s/data", c->dir);
    player_init(p, &c->recording->scenario, l, data);
    p->torn_log_is_fine = toll.torn_batches > 0;
    p->torn_is_fine = p->scenario->kind == SCENARIO_REBUILD && c->loss == DISK_LOSS_SOME;
    _exit(check_store(p) ? 0 : 1);
}

static bool try_point(const struct point *point, void *context)
{
    struct cut c = {.recording = context,
                    .dir = point->dir,
                    .events = point->number,
                    .tolls = points_shared(sizeof(*c.tolls))};

    for (unsigned i = 0; i < VARIANTS; i++) {
        c.loss = (enum disk_loss)MIN_OF(i, (unsigned)DISK_LOSS_SOME);
        c.seed = point->seed + i;
        check_dir_make(point->dir);
        if (points_process(check, &c) != 0) {
            (void)fprintf(stderr, "  with loss %u\n", i);
            return false;
        }
    }
    if (counter_get(&c.tolls->lost) > 0 && counter_get(&c.tolls->torn) > 0)
        points_hit();
    return true;
}

int main(int argc, char **argv)
{
    struct points_options o;
    struct recording r = {.begin = 0};
    char dir[POINTS_DIR_BYTES];

    points_options(&o, argc, argv);
    scenario_make(&r.scenario, o.rebuild ? SCENARIO_REBUILD : SCENARIO_RETENTION, o.seed);
    points_dir(dir);
    (void)snprintf(r.dir, sizeof(r.dir), "%s", dir);
    r.ledger = points_shared(sizeof(*r.ledger));
    r.trace = trace_new(dir);
    bool good = record(&r, o.seed);
    check_dir_remove(dir);
    if (!good) {
        (void)printf("0 passed, 1 failed\n");
        return 1;
    }
    size_t events = count_events(r.trace);
    (void)printf("%zu entries in %zu steps of seed %" PRIu64
                 ": %zu events, %u ways to lose power at each\n",
                 r.scenario.entry_count, r.scenario.step_count, o.seed, events, VARIANTS);
    int status = points_run(&o, events, HITS_PERCENT, try_point, &r);
    scenario_release(&r.scenario);
    return status;
}
