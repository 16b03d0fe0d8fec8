/*
 * Every file call fails.
 *
 * The scenario is played once to count its file calls, reads and commits of the index included.
 * Then for each of them, and each way to fail (no room, a failing disk, a signal, a write that is
 * cut short), it is played with that failure, once or a few times on end. Steps may fail, and the
 * store may not open; but
 *
 *   - nothing is acknowledged that is not there: while it runs, after a restart, and, if it was a
 *     sync that failed, after a power cut at the end or soon after that sync, which takes what it
 *     was for
 *   - when the failure is over everything works again, but for the log, if its sync failed: then
 *     nothing is acknowledged any more until a restart, and queries go on
 *   - the index is not made again, but for two cases, and the log is not called damaged, but for
 *     one: docs/testing.md
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chunks/wal_reader.h"
#include "tests/torture/support/check.h"
#include "tests/torture/support/disk.h"
#include "tests/torture/support/points.h"
#include "tests/torture/support/trace.h"

#include "base/banned.h"

enum {
    WAYS = 4, /* to fail */
    CALLS_MAX = 1 << 16,
    TIMES_MAX = 4,  /* on end */
    POWER_CUTS = 4, /* after a sync that failed */
    SOON_BITS = 12, /* a power of two, of the events that a cut is behind it */
    HITS_PERCENT = 90,
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
    struct counter index_in_doubt; /* its file's name: no later sync says anything of it */
    struct counter failures;
    uint8_t calls_made[CALLS_MAX]; /* enum io_call of each, while nothing fails */
};

struct failure {
    uint64_t at;
    unsigned way;
};

struct failing {
    struct scenario scenario;
    struct shared *shared;
    struct trace *trace;
    struct player *player;
    char dir[POINTS_DIR_BYTES];
    uint64_t at; /* the first call that fails; 0: none */
    uint64_t times;
    bool counts;              /* the calls are noted */
    struct failure *failures; /* by number of the point, from 1 */
    uint64_t failure_count;
    const struct way *way;
    enum disk_loss loss; /* of a power cut */
    bool at_end;
    uint64_t seed;
};

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

/* The first call from the n-th on that can fail in this way, and so many of those behind it. */
static bool is_struck(struct failing *f, const struct io_event *e, uint64_t call)
{
    return f->at != 0 && call >= f->at && is_possible(e->call, f->way) &&
           counter_take(&f->shared->failures) < f->times;
}

/* The path of a descriptor. */
static struct str path_of(int fd, char path[PLAYER_PATH_BYTES])
{
    char link[64];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PLAYER_PATH_BYTES);
    return str_make(path, len < 0 ? 0 : (size_t)len);
}

/* A sync that says it has failed; one that was interrupted is made again. */
static void note_failed_sync(struct failing *f, const struct io_event *e)
{
    char bytes[PLAYER_PATH_BYTES];
    struct str path = path_of(e->fd, bytes);
    struct stat st;

    trace_failed_sync(f->trace, e);
    counter_add(&f->shared->failed_syncs, 1);
    if (str_ends(path, STR("/index")))
        counter_add(&f->shared->index_in_doubt, 1);
    /* A new file of the log is given up if its sync fails; one that has records is not. */
    if (str_ends(path, STR(".wal")) && fstat(e->fd, &st) == 0 &&
        st.st_size > WAL_FILE_HEADER_BYTES) {
        flag_set(&f->player->log_failed);
    }
}

/*
 * A name is in doubt if its sync fails and it cannot be removed for that either: a directory at a
 * first start, or a segment.
 */
static int fail_at(struct io_event *e, void *context)
{
    struct failing *f = context;
    uint64_t call = counter_take(&f->shared->calls) + 1;
    if (f->counts && call < CALLS_MAX)
        f->shared->calls_made[call] = (uint8_t)e->call;
    bool struck = is_struck(f, e, call);

    if (struck)
        points_hit();
    if (struck && f->way->error == 0) {
        e->bytes = (e->bytes + 1) / 2;
    } else if (struck) {
        if (e->call == IO_SYNC && f->way->error != EINTR)
            note_failed_sync(f, e);
        if (e->call == IO_UNLINK && counter_get(&f->shared->failed_syncs) > 0)
            counter_add(&f->shared->names_in_doubt, 1);
        return f->way->error;
    }
    if (!f->counts)
        trace_call(f->trace, e, e->bytes);
    return 0;
}

static struct player *new_player(struct failing *f)
{
    struct player *p = calloc(1, sizeof(*p));
    char data[PLAYER_PATH_BYTES];

    ASSERT(p != NULL);
    (void)snprintf(data, sizeof(data), "%s/data", f->dir);
    player_init(p, &f->scenario, &f->shared->ledger, data);
    return p;
}

/* Play all steps, with another try to open where that failed. */
static bool play_all(struct player *p)
{
    const struct scenario *sc = p->scenario;
    size_t begin = 0;

    while (begin < sc->later) {
        if (p->store == NULL && !player_open_at_last(p))
            return false;
        (void)player_play(p, begin, sc->later);
        while (begin < sc->later && counter_get(&p->ledger->states[begin]) != STEP_NOT_SENT)
            begin++;
    }
    return p->store != NULL || player_open_at_last(p);
}

/* The failure is over: what of the store must work again? */
static bool works_again(struct player *p)
{
    size_t later = p->scenario->later; /* a push */
    struct err err = {.text = ""};

    (void)player_play(p, later, later + 1);
    bool acked = counter_get(&p->ledger->states[later]) == STEP_ACKED;
    bool failed = store_state(p->store).wal_failed;
    if (acked == failed) {
        (void)fprintf(stderr, "  a push %s\n",
                      acked ? "is acknowledged by a log that has failed" : p->failure);
        return false;
    }
    if (failed)
        return true;
    if (store_flush(p->store, &err) != ST_OK) {
        (void)fprintf(stderr, "  a flush fails: %s\n", err.text);
        return false;
    }
    return player_merge(p);
}

/* What its sync was for may be lost whatever the log does then. */
static bool acked_late(struct player *p)
{
    uint64_t late = counter_get(&p->late_acks);

    if (late > 0)
        (void)fprintf(
            stderr, "  %" PRIu64 " pushes are acknowledged after a sync of the log failed\n", late);
    return late > 0;
}

static void play(void *context)
{
    struct failing *f = context;
    struct player *p = new_player(f);

    p->trace = f->trace;
    f->player = p;
    counter_set(&f->shared->calls, 0);
    io_hook_set(fail_at, f);
    bool good = play_all(p);
    uint64_t at = f->at;
    f->at = 0; /* it is over; recording goes on */
    if (good && at != 0)
        good = works_again(p) && check_entries(p) && !acked_late(p);
    player_release(p);
    free(p);
    _exit(good ? 0 : 1);
}

static void check(void *context)
{
    struct failing *f = context;
    struct player *p = new_player(f);

    /* what a failed removal has left looks like a segment it lacks */
    p->rebuild_is_fine = counter_get(&f->shared->names_in_doubt) > 0;
    _exit(check_store(p) ? 0 : 1);
}

/* The event that the power goes at: behind the sync that failed, most often soon. */
static size_t draw_cut(const struct trace *t, struct random *r)
{
    size_t soon = random_below(r, (size_t)1 << random_below(r, SOON_BITS));
    size_t cursor = 0, failed = 0, count = 0;
    struct trace_event e;

    while (trace_next(t, &cursor, &e)) {
        count++;
        if (failed == 0 && e.kind == TRACE_SYNC && e.size != 0)
            failed = count;
    }
    return MIN_OF(failed + soon, count);
}

static void check_after_power_cut(void *context)
{
    struct failing *f = context;
    struct random r = random_of(f->seed);
    struct disk *d = disk_new();
    size_t events = f->at_end ? SIZE_MAX : draw_cut(f->trace, &r);

    f->shared->ledger = (struct ledger){0};
    disk_play(d, f->trace, events, &f->shared->ledger);
    if (random_below(&r, 2) == 0)
        disk_end_commit(d, f->trace, events);
    check_dir_make(f->dir);
    disk_write(d, f->loss, &r, f->dir);
    disk_free(d);
    struct player *p = new_player(f);
    p->rebuild_is_fine = counter_get(&f->shared->index_in_doubt) > 0;
    p->torn_log_is_fine = f->loss == DISK_LOSS_SOME;
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
        return false;
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
        f->at_end = i < 2;
        f->loss = i % 2 == 0 ? DISK_LOSS_ALL : DISK_LOSS_SOME;
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
    int status = points_run(&o, f.failure_count, HITS_PERCENT, try_point, &f);
    free(f.failures);
    scenario_release(&f.scenario);
    return status;
}
