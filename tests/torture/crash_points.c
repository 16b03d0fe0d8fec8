/*
 * A process that dies at every step.
 *
 * The scenario is played once to count the steps: the file calls that change something, and the
 * commits of the index, one step before and one after. Then, for each step n, it is played again in
 * a process that dies there: before the call, or, if it is a write, after a part of its bytes. What
 * is left on the disk is opened and must pass check_store(). Some points die a second time, while
 * the store is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "tests/support/random.h"
#include "tests/torture/support/check.h"
#include "tests/torture/support/points.h"

#include "base/banned.h"

enum {
    AGAIN_EVERY = 3,      /* of so many points one dies again */
    AGAIN_CALLS_MAX = 14, /* at the latest at this step of the opening */
    HITS_PERCENT = 90,
};

/* What the processes share. */
struct shared {
    struct ledger ledger;
    struct counter calls;
};

struct death {
    struct shared *shared;
    uint64_t at;        /* the step that does not happen; 0: none */
    uint64_t cut_share; /* of a write, so much of 256 is written first */
};

static bool is_step(const struct io_event *e)
{
    switch (e->call) {
    case IO_OPEN:
        return (e->flags & O_CREAT) != 0;
    case IO_READ:
    case IO_STAT:
    case IO_LIST:
        return false;
    default:
        return true;
    }
}

/* The first bytes of a write. */
static void write_part(const struct io_event *e, size_t bytes)
{
    uint64_t offset = e->offset;

    for (int i = 0; i < e->part_count && bytes > 0; i++) {
        size_t count = MIN_OF(bytes, e->parts[i].iov_len);
        if (pwrite(e->fd, e->parts[i].iov_base, count, (off_t)offset) < 0)
            perror("pwrite");
        offset += count;
        bytes -= count;
    }
}

static int die_at(struct io_event *e, void *context)
{
    struct death *d = context;

    if (!is_step(e) || counter_take(&d->shared->calls) + 1 != d->at)
        return 0;
    if (e->call == IO_WRITE)
        write_part(e, (size_t)(e->bytes * d->cut_share / 256));
    _exit(POINTS_EXIT_DIED);
}

/* ---- the processes of a point ---- */

struct crash {
    struct scenario scenario;
    struct shared *shared;
    struct death death;
    const char *dir;
};

static void play(void *context)
{
    struct crash *c = context;
    struct player *p = calloc(1, sizeof(*p));
    struct err err;

    player_init(p, &c->scenario, &c->shared->ledger, c->dir);
    counter_set(&c->shared->calls, 0);
    io_hook_set(die_at, &c->death);
    if (player_open(p, &err) != ST_OK) {
        (void)fprintf(stderr, "  cannot open: %s\n", err.text);
        _exit(1);
    }
    (void)player_play(p, 0, c->scenario.later);
    if (p->failures > 0)
        (void)fprintf(stderr, "  %u steps failed\n", p->failures);
    _exit(p->failures > 0 ? 1 : 0);
}

static void open_again(void *context)
{
    struct crash *c = context;
    struct player *p = calloc(1, sizeof(*p));
    struct err err;

    player_init(p, &c->scenario, &c->shared->ledger, c->dir);
    counter_set(&c->shared->calls, 0);
    io_hook_set(die_at, &c->death);
    _exit(player_open(p, &err) == ST_OK ? 0 : 1);
}

static void check(void *context)
{
    struct crash *c = context;
    struct player *p = calloc(1, sizeof(*p));

    player_init(p, &c->scenario, &c->shared->ledger, c->dir);
    _exit(check_store(p) ? 0 : 1);
}

static bool try_point(const struct point *point, void *context)
{
    struct crash *c = context;
    struct random r = random_of(point->seed);

    c->dir = point->dir;
    c->shared = points_shared(sizeof(*c->shared));
    c->death = (struct death){.shared = c->shared,
                              .at = point->number,
                              .cut_share = random_below(&r, 2) * random_below(&r, 256)};
    int status = points_process(play, c);
    if (status != POINTS_EXIT_DIED && status != 0)
        return false;
    if (status == POINTS_EXIT_DIED)
        points_hit();
    for (uint64_t again = random_below(&r, AGAIN_EVERY); again == 0;) {
        c->death.at = 1 + random_below(&r, AGAIN_CALLS_MAX);
        c->death.cut_share = random_below(&r, 256);
        status = points_process(open_again, c);
        if (status != POINTS_EXIT_DIED && status != 0)
            return false;
        again = random_below(&r, 2);
    }
    return points_process(check, c) == 0;
}

int main(int argc, char **argv)
{
    struct points_options o;
    struct crash c = {.dir = NULL};
    char dir[POINTS_DIR_BYTES];

    points_options(&o, argc, argv);
    scenario_make(&c.scenario, o.rebuild ? SCENARIO_REBUILD : SCENARIO_RETENTION, o.seed);
    c.shared = points_shared(sizeof(*c.shared));
    c.death.shared = c.shared;
    points_dir(dir);
    c.dir = dir;
    if (points_process(play, &c) != 0)
        return 1;
    check_dir_remove(dir);
    uint64_t steps = counter_get(&c.shared->calls);
    (void)printf("%zu entries in %zu steps of seed %" PRIu64 ": %" PRIu64 " file calls to die at\n",
                 c.scenario.entry_count, c.scenario.step_count, o.seed, steps);
    int status = points_run(&o, steps + 1, HITS_PERCENT, try_point, &c);
    scenario_release(&c.scenario);
    return status;
}
