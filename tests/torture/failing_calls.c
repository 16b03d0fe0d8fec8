/*
 * Every file call fails.
 *
 * The scenario is played once to count its file calls, reads and commits of the index included.
 * Then for each of them, and each way to fail (no room, a failing disk, a signal, a write that is
 * cut short), it is played with that failure, once or a few times on end. Steps may fail, and the
 * store may not open; but
 *
 *   - nothing is acknowledged that is not there: while it runs, after a restart, and, if it was a
 *     sync that failed, after a power cut that takes what that sync was for
 *   - when the failure is over everything works again, but for the log, if its sync failed: then
 *     nothing is acknowledged any more until a restart, and queries go on
 */
#include <errno.h>
#include <fcntl.h>
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
    WAYS = 4, /* to fail */
    CALLS_MAX = 1 << 16,
    TIMES_MAX = 4,     /* on end */
    POWER_CUTS = 3,    /* after a sync that failed */
    OPENINGS_MAX = 16, /* tries to open */
};

static const struct way {
    const char *name;
    int error; /* 0: a write takes half of its bytes */
} ways[WAYS] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EINTR", EINTR}, {"short", 0}};

struct shared {
    struct ledger ledger;
    struct counter calls;
    struct counter failed_syncs;
    struct counter names_in_doubt;
    uint8_t calls_made[CALLS_MAX]; /* enum io_call of each, while nothing fails */
};

struct failure {
    uint64_t at;
    unsigned way;
};

struct failing {
    struct scenario scenario;
    struct shared *shared;
    struct trace *trace; /* NULL: nothing is recorded */
    char dir[POINTS_DIR_BYTES];
    uint64_t at; /* the first call that fails; 0: none */
    uint64_t times;
    bool counts;              /* the calls are noted */
    struct failure *failures; /* by number of the point, from 1 */
    uint64_t failure_count;
    const struct way *way;
    enum disk_loss loss;
    uint64_t seed;
};

/*
 * A directory is in doubt if the sync of its name fails and it cannot be removed either: two
 * failures at a first start.
 */
static int fail_at(struct io_event *e, void *context)
{
    struct failing *f = context;
    uint64_t call = counter_take(&f->shared->calls) + 1;
    if (f->counts && call < CALLS_MAX)
        f->shared->calls_made[call] = (uint8_t)e->call;
    bool fails = f->at != 0 && call >= f->at && call < f->at + f->times;

    if (fails && f->way->error == 0 && e->call == IO_WRITE)
        e->bytes = (e->bytes + 1) / 2;
    else if (fails && f->way->error != 0 && e->call != IO_COMMIT_END) {
        bool lies = e->call == IO_SYNC && f->way->error != EINTR;
        if (lies)
            counter_add(&f->shared->failed_syncs, 1);
        if (e->call == IO_UNLINK && counter_get(&f->shared->failed_syncs) > 0)
            counter_add(&f->shared->names_in_doubt, 1);
        if (lies && f->trace != NULL)
            trace_failed_sync(f->trace, e);
        return f->way->error;
    }
    if (f->trace != NULL)
        trace_call(f->trace, e, e->bytes);
    return 0;
}

static void record_note(void *context, size_t step, enum step_state state)
{
    struct failing *f = context;

    if (f->trace != NULL)
        trace_note(f->trace, step, state);
}

static struct player *new_player(struct failing *f)
{
    struct player *p = calloc(1, sizeof(*p));
    char data[PLAYER_PATH_BYTES];

    ASSERT(p != NULL);
    (void)snprintf(data, sizeof(data), "%s/data", f->dir);
    player_init(p, &f->scenario, &f->shared->ledger, data);
    p->noted = record_note;
    p->context = f;
    return p;
}

static bool open_at_last(struct player *p)
{
    struct err err;

    for (unsigned i = 0; i < OPENINGS_MAX; i++) {
        if (player_open(p, &err) == ST_OK)
            return true;
    }
    (void)fprintf(stderr, "  it does not open: %s\n", err.text);
    return false;
}

/* Play all steps, with another try to open where that failed. */
static bool play_all(struct player *p)
{
    const struct scenario *sc = p->scenario;
    size_t begin = 0;

    while (begin < sc->later) {
        if (p->store == NULL && !open_at_last(p))
            return false;
        (void)player_play(p, begin, sc->later);
        while (begin < sc->later && counter_get(&p->ledger->states[begin]) != STEP_NOT_SENT)
            begin++;
    }
    return p->store != NULL || open_at_last(p);
}

/* The failure is over: what of the store must work again? */
static bool works_again(struct player *p)
{
    const struct scenario *sc = p->scenario;
    uint32_t first = sc->steps[sc->later].entries[0]; /* of a step that is a push */
    unsigned tenant = sc->steps[sc->later].tenant;
    struct err err = {.text = ""};

    enum status st = player_push_entries(p, tenant, &first, 1, &err);
    counter_set(&p->ledger->states[sc->later], STEP_SENT);
    if (store_state(p->store).wal_failed) {
        if (st == ST_OK)
            (void)fprintf(stderr, "  acknowledged by a log that has failed\n");
        return st != ST_OK;
    }
    if (st != ST_OK)
        (void)fprintf(stderr, "  a push fails: %s\n", err.text);
    if (st == ST_OK && store_flush(p->store, &err) != ST_OK) {
        (void)fprintf(stderr, "  a flush fails: %s\n", err.text);
        return false;
    }
    return st == ST_OK && player_merge(p);
}

static void play(void *context)
{
    struct failing *f = context;
    struct player *p = new_player(f);

    counter_set(&f->shared->calls, 0);
    io_hook_set(fail_at, f);
    bool good = play_all(p);
    uint64_t at = f->at;
    f->at = 0; /* it is over; recording goes on */
    if (good && at != 0)
        good = works_again(p) && check_entries(p);
    player_release(p);
    free(p);
    _exit(good ? 0 : 1);
}

static void check(void *context)
{
    struct failing *f = context;
    struct player *p = new_player(f);

    f->trace = NULL;
    p->rebuild_is_fine = true; /* what a failed removal has left looks like a segment it lacks */
    _exit(check_store(p) ? 0 : 1);
}

static void check_after_power_cut(void *context)
{
    struct failing *f = context;
    struct random r = random_of(f->seed);
    struct disk *d = disk_new();

    disk_play(d, f->trace, SIZE_MAX, &f->shared->ledger);
    f->trace = NULL;
    check_dir_make(f->dir);
    disk_write(d, f->loss, &r, f->dir);
    disk_free(d);
    struct player *p = new_player(f);
    p->damage_is_fine = p->rebuild_is_fine = true;
    _exit(check_store(p) ? 0 : 1);
}

static bool try_point(const struct point *point, void *context)
{
    struct failing *f = context;
    struct random r = random_of(point->seed);

    (void)snprintf(f->dir, sizeof(f->dir), "%s", point->dir);
    f->shared = points_shared(sizeof(*f->shared));
    f->trace = trace_new(point->dir);
    if (point->number > f->failure_count)
        return true;
    f->at = f->failures[point->number].at;
    f->way = &ways[f->failures[point->number].way];
    f->times = random_below(&r, 2) == 0 ? 1 : 1 + random_below(&r, TIMES_MAX);
    if (points_process(play, f) != 0) {
        (void)fprintf(stderr, "  while call %" PRIu64 " failed with %s\n", f->at, f->way->name);
        return false;
    }
    struct shared before = *f->shared;
    bool good = points_process(check, f) == 0;
    bool cuts = counter_get(&before.failed_syncs) > 0 && counter_get(&before.names_in_doubt) == 0;
    for (unsigned i = 0; i < POWER_CUTS && good && cuts; i++) {
        *f->shared = before;
        f->loss = i == 0 ? DISK_LOSS_ALL : DISK_LOSS_SOME;
        f->seed = point->seed + i;
        good = points_process(check_after_power_cut, f) == 0;
        if (!good)
            (void)fprintf(stderr, "  after a power cut\n");
    }
    if (!good)
        (void)fprintf(stderr, "  after call %" PRIu64 " failed with %s, %" PRIu64 " times\n", f->at,
                      f->way->name, f->times);
    return good;
}

/* May a call fail in this way? One that writes nothing needs no room, and takes no half of it. */
static bool is_possible(enum io_call call, const struct way *way)
{
    switch (call) {
    case IO_COMMIT_END:
        return false;
    case IO_READ:
    case IO_STAT:
    case IO_LIST:
        return way->error == EIO || way->error == EINTR;
    case IO_WRITE:
        return true;
    default:
        return way->error != 0;
    }
}

static void list_failures(struct failing *f)
{
    uint64_t calls = MIN_OF(counter_get(&f->shared->calls), (uint64_t)CALLS_MAX - 1);

    f->failures = calloc((size_t)calls * WAYS + 1, sizeof(*f->failures));
    ASSERT(f->failures != NULL);
    for (uint64_t at = 1; at <= calls; at++) {
        for (unsigned way = 0; way < WAYS; way++) {
            if (is_possible((enum io_call)f->shared->calls_made[at], &ways[way]))
                f->failures[++f->failure_count] = (struct failure){at, way};
        }
    }
}

int main(int argc, char **argv)
{
    struct points_options o;
    struct failing f = {.at = 0};

    points_options(&o, argc, argv);
    scenario_make(&f.scenario, o.rebuild ? SCENARIO_REBUILD : SCENARIO_RETENTION, o.seed);
    f.shared = points_shared(sizeof(*f.shared));
    points_dir(f.dir);
    f.counts = true;
    bool good = points_process(play, &f) == 0;
    f.counts = false;
    check_dir_remove(f.dir);
    if (!good) {
        (void)printf("0 passed, 1 failed\n");
        return 1;
    }
    list_failures(&f);
    uint64_t calls = counter_get(&f.shared->calls);
    (void)printf("%zu entries in %zu steps of seed %" PRIu64 ": %" PRIu64 " file calls, %" PRIu64
                 " failures of them\n",
                 f.scenario.entry_count, f.scenario.step_count, o.seed, calls, f.failure_count);
    int status = points_run(&o, f.failure_count, try_point, &f);
    free(f.failures);
    scenario_release(&f.scenario);
    return status;
}
