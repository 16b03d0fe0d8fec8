#include "tests/torture/support/points.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/log.h"
#include "tests/support/random.h"
#include "tests/torture/support/check.h"

#include "base/banned.h"

enum {
    PROCESS_SECONDS_MAX = 600,
    JOBS_MAX = 64,
    MISSES_FINE = 2, /* of a small sample */
};

/* What the workers share. */
struct progress {
    struct counter next;
    struct counter passed;
    struct counter failed;
    struct counter hits;
};

static struct flag *hit; /* at the point that this worker tries */

static uint64_t number_of(const char *program, const char *text)
{
    char *end = NULL;
    uint64_t n = strtoull(text, &end, 10);

    if (end == text || *end != '\0') {
        (void)fprintf(stderr, "%s: %s is not a number\n", program, text);
        exit(2);
    }
    return n;
}

void points_options(struct points_options *o, int argc, char **argv)
{
    *o = (struct points_options){.program = argv[0], .seed = 1};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    o->jobs = processors < 1 ? 1 : MIN_OF((uint64_t)processors, (uint64_t)JOBS_MAX);
    const struct {
        const char *name;
        uint64_t *to;
    } flags[] = {{"--seed=", &o->seed}, {"--sample=", &o->sample},   {"--only=", &o->only},
                 {"--jobs=", &o->jobs}, {"--rebuild=", &o->rebuild}, {"--each=", &o->each}};

    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < COUNT_OF(flags) && strncmp(argv[i], flags[k].name, strlen(flags[k].name)) != 0)
            k++;
        if (k == COUNT_OF(flags)) {
            (void)fprintf(stderr,
                          "usage: %s [--seed=N] [--sample=N] [--only=N] [--jobs=N] [--rebuild=1] "
                          "[--each=1]\n",
                          argv[0]);
            exit(2);
        }
        *flags[k].to = number_of(argv[0], argv[i] + strlen(flags[k].name));
    }
    if (o->jobs == 0 || o->jobs > JOBS_MAX)
        o->jobs = 1;
    if (o->only == 0)
        log_level_set(LOG_LEVELS);
}

void *points_shared(size_t bytes)
{
    void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (shared == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return shared;
}

int points_process(void (*part)(void *context), void *context)
{
    int status = 0;

    (void)fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        (void)alarm(PROCESS_SECONDS_MAX);
        part(context);
        (void)fflush(NULL);
        _exit(0);
    }
    if (process < 0 || waitpid(process, &status, 0) != process) {
        perror("process");
        exit(2);
    }
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- one point ---- */

struct trial {
    const struct points_options *options;
    struct point point;
    bool (*try_point)(const struct point *p, void *context);
    void *context;
};

static void run_trial(void *context)
{
    struct trial *t = context;

    _exit(t->try_point(&t->point, t->context) ? 0 : 1);
}

static const char *base_dir(void)
{
    const char *wanted = getenv("TMPDIR");

    if (wanted != NULL)
        return wanted;
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

void points_dir(char dir[POINTS_DIR_BYTES])
{
    (void)snprintf(dir, POINTS_DIR_BYTES, "%s/skald-torture-XXXXXX", base_dir());
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        exit(2);
    }
}

static bool run_point(struct trial *t, uint64_t number)
{
    struct random r = random_of(t->options->seed * 1000003 + number);

    t->point.number = number;
    t->point.seed = random_u64(&r);
    points_dir(t->point.dir);
    flag_clear(hit);
    int status = points_process(run_trial, t);
    check_dir_remove(t->point.dir);
    if (status == 0)
        return true;
    if (status < 0)
        (void)fprintf(stderr, "  ended by signal %d\n", -status);
    (void)fprintf(stderr,
                  "failed: %s --rebuild=%d --each=%d --seed=%" PRIu64 " --only=%" PRIu64 "\n",
                  t->options->program, t->options->rebuild != 0, t->options->each != 0,
                  t->options->seed, number);
    return false;
}

/* ---- all of them ---- */

/* The points that are tried, in a shuffled order when it is a sample. */
static uint64_t *choose(const struct points_options *o, uint64_t count, uint64_t *ret_count)
{
    struct random r = random_of(o->seed);
    uint64_t *chosen = calloc(count + 1, sizeof(*chosen));

    ASSERT(chosen != NULL);
    for (uint64_t i = 0; i < count; i++)
        chosen[i] = i + 1;
    *ret_count = count;
    if (o->only != 0) {
        chosen[0] = o->only;
        *ret_count = 1;
    } else if (o->sample != 0 && o->sample < count) {
        for (uint64_t i = 0; i < o->sample; i++) {
            uint64_t k = i + random_below(&r, (size_t)(count - i)), kept = chosen[k];
            chosen[k] = chosen[i];
            chosen[i] = kept;
        }
        *ret_count = o->sample;
    }
    return chosen;
}

static void work(struct trial *t, const uint64_t *points, uint64_t count, struct progress *shared)
{
    hit = points_shared(sizeof(*hit));
    for (;;) {
        uint64_t i = counter_take(&shared->next);
        if (i >= count)
            return;
        counter_add(run_point(t, points[i]) ? &shared->passed : &shared->failed, 1);
        counter_add(&shared->hits, flag_get(hit) ? 1 : 0);
    }
}

void points_hit(void)
{
    if (hit != NULL)
        flag_set(hit);
}

int points_run(const struct points_options *o, uint64_t count, unsigned hits_percent,
               bool (*try_point)(const struct point *p, void *context), void *context)
{
    struct trial t = {.options = o, .try_point = try_point, .context = context};
    struct progress *shared = points_shared(sizeof(*shared));
    uint64_t chosen_count;
    uint64_t *chosen = choose(o, count, &chosen_count);
    uint64_t workers = MIN_OF(o->jobs, chosen_count);

    (void)fflush(stdout);
    for (uint64_t i = 0; i < workers; i++) {
        pid_t process = fork();
        if (process == 0) {
            work(&t, chosen, chosen_count, shared);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    free(chosen);
    uint64_t passed = counter_get(&shared->passed), failed = counter_get(&shared->failed);
    if (passed + failed < chosen_count)
        failed = chosen_count - passed;
    uint64_t hits = counter_get(&shared->hits);
    bool few = hits == 0 || (hits + MISSES_FINE) * 100 < chosen_count * hits_percent;
    failed += few ? 1 : 0;
    (void)printf("the disaster happened at %" PRIu64 " of %" PRIu64 " points%s\n", hits,
                 chosen_count, few ? ": too few" : "");
    (void)printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
