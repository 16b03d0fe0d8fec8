/*
 * Every allocation fails.
 *
 * A part of the scenario is played once, and every place that memory is asked for is noted: in the
 * store, but also in LMDB, zstd, RE2 and the C++ library, by the addresses of its callers. Then it
 * is played again with the allocations of one place failing, some of them from the first or a later
 * one on. Opening, pushes, flushes, merges and queries may fail; nothing may crash, no memory may
 * be lost (a build with AddressSanitizer looks), and what was acknowledged must be there.
 *
 * With --each=1 it is the n-th allocation of all that fails, for each n, until one beyond the last;
 * a shorter part of the scenario is played.
 *
 * A build with a sanitizer keeps malloc() for itself: there it is always the n-th allocation, of
 * those of base/mem.h.
 */
#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/random.h"
#include "tests/torture/support/check.h"
#include "tests/torture/support/points.h"

#include "base/banned.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
#endif

enum {
    FRAMES = 9,
    PLACES_MAX = 1 << 16,
    STEPS = 34, /* of the scenario */
    STEPS_OF_EACH = 10,
    HITS_PERCENT = 75, /* the threads do not always come to a place, nor so far */
    CALLS_MAX = 1 << 17,
    BEYOND = 50, /* a part of what was counted */
};

struct place {
    struct counter hash; /* 0: none */
    struct counter calls;
    void *frames[FRAMES]; /* its callers */
};

struct shared {
    struct ledger ledger;
    struct place places[PLACES_MAX]; /* a hash table */
    struct counter calls;            /* of each */
};

static struct shared *shared;
static struct flag armed;
static bool each;
static uint64_t fails_nth;   /* of each; 0: they are counted */
static uint64_t fails_place; /* 0: places are noted */
static uint64_t fails_from, fails_times;

#if OWN_MALLOC

static __thread bool inside;

static struct place *find_place(uint64_t hash)
{
    for (uint64_t i = hash % PLACES_MAX;; i = (i + 1) % PLACES_MAX) {
        uint64_t there = 0;
        if (counter_get(&shared->places[i].hash) == hash)
            return &shared->places[i];
        if (__atomic_compare_exchange_n((uint64_t *)&shared->places[i].hash, &there, hash, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return &shared->places[i];
        if (there == hash)
            return &shared->places[i];
    }
}

/* Does this allocation fail, by its place? */
static bool fails_here(void)
{
    void *frames[FRAMES];
    uint64_t hash = 1469598103934665603ULL;

    int count = backtrace(frames, FRAMES);
    for (int i = 1; i < count; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * 1099511628211ULL;
    hash |= 1;
    bool result = false;
    if (fails_place == 0) {
        struct place *place = find_place(hash);
        counter_add(&place->calls, 1);
        memcpy(place->frames, frames, (size_t)count * sizeof(frames[0]));
    } else if (hash == fails_place) {
        uint64_t call = counter_take(&find_place(hash)->calls);
        result = call >= fails_from && call - fails_from < fails_times;
    }
    return result;
}

static bool fails(void)
{
    if (inside || !flag_get(&armed))
        return false;
    inside = true;
    bool result = each ? counter_take(&shared->calls) + 1 == fails_nth : fails_here();
    inside = false;
    if (result) {
        points_hit();
        errno = ENOMEM;
    }
    return result;
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(old, bytes);
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes) || fails())
        return NULL;
    return __libc_realloc(old, bytes);
}

int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
    void *memory = fails() ? NULL : __libc_memalign(alignment, bytes);

    *ret = memory == NULL ? *ret : memory;
    return memory == NULL ? ENOMEM : 0;
}

static void arm(void)
{
    flag_set(&armed);
}

static void disarm(void)
{
    flag_clear(&armed);
}

#else

static void arm(void)
{
    mem_fail_after(fails_nth == 0 ? CALLS_MAX : (int64_t)fails_nth);
    flag_set(&armed);
}

/* The n-th has failed if it is not still to come. */
static void disarm(void)
{
    uint64_t nth = fails_nth == 0 ? CALLS_MAX : fails_nth, left = 1;

    if (!flag_get(&armed))
        return;
    flag_clear(&armed);
    for (void *block; left <= nth && (block = mem_bytes(1)) != NULL; left++)
        mem_free(block);
    mem_fail_after(0);
    counter_set(&shared->calls, nth < left ? nth : nth - left);
    if (left > nth)
        points_hit();
}

#endif

/* ---- a point ---- */

struct memory_point {
    struct scenario scenario;
    size_t steps; /* so many are played */
    const char *dir;
};

/* With a flush in the middle: queries then find heads and chunks. */
static bool play_steps(struct player *p, size_t steps)
{
    struct err err;

    for (size_t i = 0; i < steps; i++) {
        if (i == steps / 2)
            (void)!store_flush(p->store, &err);
        if (!player_play(p, i, i + 1) && !player_open_at_last(p))
            return false;
    }
    return true;
}

static bool play_armed(struct player *p, size_t steps)
{
    struct err err;

    arm();
    if (!player_open_at_last(p) || !play_steps(p, steps))
        return false;
    check_queries(p);
    (void)!store_flush(p->store, &err);
    (void)player_merge(p);
    if (steps == STEPS)
        check_queries(p); /* of what was merged */
    player_close(p);
    bool opened = player_open_at_last(p);
    disarm();
    return opened;
}

static bool has_leaks(void)
{
    extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

    return __lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0;
}

/* For who looks at a failure: an exception that nobody caught ends here. */
static void show_stack(int number)
{
    void *frames[64];

    flag_clear(&armed);
    (void)signal(number, SIG_DFL);
    backtrace_symbols_fd(frames, backtrace(frames, COUNT_OF(frames)), STDERR_FILENO);
    (void)raise(number);
}

static void play(void *context)
{
    struct memory_point *m = context;
    struct player *p = calloc(1, sizeof(*p));
    struct err err = {.text = ""};

    (void)signal(SIGABRT, show_stack);
    (void)signal(SIGSEGV, show_stack);

    player_init(p, &m->scenario, &shared->ledger, m->dir);
    bool good = play_armed(p, m->steps);
    if (good && (store_flush(p->store, &err) != ST_OK || !player_merge(p))) {
        (void)fprintf(stderr, "  it does not work again: %s\n", err.text);
        good = false;
    }
    good = good && check_entries(p);
    player_release(p);
    free(p);
    if (has_leaks())
        good = false;
    _exit(good ? 0 : 1);
}

static void check(void *context)
{
    struct memory_point *m = context;
    struct player *p = calloc(1, sizeof(*p));

    player_init(p, &m->scenario, &shared->ledger, m->dir);
    _exit(check_store(p) ? 0 : 1);
}

static bool try_call(struct memory_point *m)
{
    shared = points_shared(sizeof(*shared));
    return points_process(play, m) == 0 && points_process(check, m) == 0;
}

/* NULL: there are not so many. */
static struct place *place_of(uint64_t number)
{
    for (size_t i = 0; i < PLACES_MAX; i++) {
        if (counter_get(&shared->places[i].hash) != 0 && --number == 0)
            return &shared->places[i];
    }
    return NULL;
}

static bool try_place(struct memory_point *m, const struct point *point)
{
    struct random r = random_of(point->seed);
    struct place *place = place_of(point->number);

    if (place == NULL)
        return false;
    uint64_t calls = counter_get(&place->calls);
    fails_place = counter_get(&place->hash);
    /* The first, or any; that one alone, or all that follow for a while. */
    fails_from = random_below(&r, 2) == 0 ? 0 : random_below(&r, (size_t)calls);
    fails_times = random_below(&r, 2) == 0 ? 1 : 1 + random_below(&r, 30);
    if (try_call(m))
        return true;
    (void)fprintf(stderr,
                  "  while %" PRIu64 " allocations of one place failed, from the %" PRIu64
                  ". of %" PRIu64 " on\n",
                  fails_times, fails_from + 1, calls);
    for (int i = 1; i < FRAMES && place->frames[i] != NULL; i++)
        backtrace_symbols_fd(&place->frames[i], 1, STDERR_FILENO);
    return false;
}

static bool try_point(const struct point *point, void *context)
{
    struct memory_point *m = context;

    m->dir = point->dir;
    fails_nth = point->number;
    return each ? try_call(m) : try_place(m, point);
}

/* What may fail; of each allocation a few more than were counted: the last ones are not reached. */
static uint64_t count_points(void)
{
    uint64_t calls = counter_get(&shared->calls), places = 0;

    for (size_t i = 0; i < PLACES_MAX; i++)
        places += counter_get(&shared->places[i].hash) != 0 ? 1 : 0;
    return each ? calls + calls / BEYOND : places;
}

/* Places are known by addresses: they must be the same in each run, so that a point is. */
static void fix_addresses(char **argv)
{
    int persona = personality(0xffffffff);

    if (persona < 0 || (persona & ADDR_NO_RANDOMIZE) != 0)
        return;
    if (personality((unsigned long)persona | ADDR_NO_RANDOMIZE) >= 0)
        (void)execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    struct points_options o;
    struct memory_point m = {.dir = NULL};
    char dir[POINTS_DIR_BYTES];
    void *frame;

    fix_addresses(argv);
    points_options(&o, argc, argv);
    each = o.each != 0 || !OWN_MALLOC;
    m.steps = o.each ? STEPS_OF_EACH : STEPS;
    (void)backtrace(&frame, 1); /* loads what it needs */
    scenario_make(&m.scenario, o.rebuild ? SCENARIO_REBUILD : SCENARIO_RETENTION, o.seed);
    shared = points_shared(sizeof(*shared));
    points_dir(dir);
    m.dir = dir;
    bool good = points_process(play, &m) == 0;
    check_dir_remove(dir);
    if (!good) {
        (void)printf("0 passed, 1 failed\n");
        return 1;
    }
    uint64_t points = count_points();
    (void)printf("%zu entries in %zu steps of seed %" PRIu64 ": %" PRIu64 " %s\n",
                 m.scenario.entry_count, m.steps, o.seed, points,
                 each ? "allocations" : "places that ask for memory");
    int status = points_run(&o, points, HITS_PERCENT, try_point, &m);
    scenario_release(&m.scenario);
    return status;
}
