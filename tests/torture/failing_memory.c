/*
 * Every allocation fails.
 *
 * A part of the scenario is played once, and every place that memory is asked for is noted: in the
 * store, but also in LMDB, zstd, RE2 and the C++ library, by the addresses of its callers. Then it
 * is played again with the allocations of one place failing, some of them from the first or a later
 * one on. Opening, pushes, flushes, merges and queries may fail; nothing may crash, no memory may
 * be lost (a build with AddressSanitizer looks), and what was acknowledged must be there.
 *
 * A build with a sanitizer keeps malloc() for itself: there it is the n-th allocation of base/mem.h
 * that fails.
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
    STEPS = 34,        /* of the scenario */
    OPENINGS_MAX = 16, /* tries to open */
    SANITIZED_POINTS = 3000,
};

struct place {
    struct counter hash; /* 0: none */
    struct counter calls;
    void *frames[FRAMES]; /* its callers */
};

struct shared {
    struct ledger ledger;
    struct place places[PLACES_MAX]; /* a hash table */
    struct counter failed;
};

static struct shared *shared;
static struct flag armed;
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

/* Does this allocation fail? */
static bool fails(void)
{
    void *frames[FRAMES];
    uint64_t hash = 1469598103934665603ULL;

    if (inside || !flag_get(&armed))
        return false;
    inside = true;
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
    if (result)
        counter_add(&shared->failed, 1);
    inside = false;
    if (result)
        errno = ENOMEM;
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

#endif

/* ---- a point ---- */

struct memory_point {
    struct scenario scenario;
    const char *dir;
    uint64_t nth; /* with a sanitizer: the allocation that fails */
};

/* From here on allocations fail. */
static void arm(const struct memory_point *m)
{
    if (!OWN_MALLOC)
        mem_fail_after((int64_t)m->nth);
    flag_set(&armed);
}

static void disarm(void)
{
    flag_clear(&armed);
    if (!OWN_MALLOC)
        mem_fail_after(0);
}

static bool open_at_last(struct player *p)
{
    struct err err;

    for (unsigned i = 0; i < OPENINGS_MAX; i++) {
        if (player_open(p, &err) == ST_OK)
            return true;
    }
    disarm();
    return player_open(p, &err) == ST_OK;
}

static bool play_armed(struct player *p, const struct memory_point *m)
{
    struct err err;

    arm(m);
    if (!open_at_last(p))
        return false;
    for (size_t i = 0; i < STEPS; i++) {
        if (!player_play(p, i, i + 1) && !open_at_last(p))
            return false;
    }
    check_queries(p); /* of heads */
    if (store_flush(p->store, &err) != ST_OK)
        (void)store_state(p->store);
    check_queries(p);
    (void)player_merge(p);
    check_queries(p);
    disarm();
    return true;
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

    disarm();
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
    bool good = play_armed(p, m);
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

static bool try_point(const struct point *point, void *context)
{
    struct memory_point *m = context;
    struct random r = random_of(point->seed);
    uint64_t number = 0, calls = 1;
    struct place *place = NULL;

    m->dir = point->dir;
    m->nth = 1 + random_below(&r, 4000);
    if (OWN_MALLOC) {
        size_t i = 0;
        for (; i < PLACES_MAX && number < point->number; i++)
            number += counter_get(&shared->places[i].hash) != 0 ? 1 : 0;
        if (number < point->number)
            return true;
        place = &shared->places[i - 1];
        fails_place = counter_get(&place->hash);
        calls = counter_get(&place->calls);
    }
    /* The first, or any; that one alone, or all that follow for a while. */
    fails_from = random_below(&r, 2) == 0 ? 0 : random_below(&r, (size_t)calls);
    fails_times = random_below(&r, 2) == 0 ? 1 : 1 + random_below(&r, 30);
    struct shared *own = points_shared(sizeof(*own));
    shared = own;
    if (points_process(play, m) == 0 && points_process(check, m) == 0)
        return true;
    (void)fprintf(stderr,
                  "  while %" PRIu64 " allocations of one place failed, from the %" PRIu64
                  ". of %" PRIu64 " on\n",
                  fails_times, fails_from + 1, calls);
    for (int i = 1; place != NULL && i < FRAMES && place->frames[i] != NULL; i++)
        backtrace_symbols_fd(&place->frames[i], 1, STDERR_FILENO);
    return false;
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
    uint64_t points = 0;

    fix_addresses(argv);
    points_options(&o, argc, argv);
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
    for (size_t i = 0; i < PLACES_MAX; i++)
        points += counter_get(&shared->places[i].hash) != 0 ? 1 : 0;
    points = OWN_MALLOC ? points : SANITIZED_POINTS;
    (void)printf("%zu entries in %d steps of seed %" PRIu64 ": %" PRIu64
                 " places that ask for memory\n",
                 m.scenario.entry_count, STEPS, o.seed, points);
    int status = points_run(&o, points, try_point, &m);
    scenario_release(&m.scenario);
    return status;
}
