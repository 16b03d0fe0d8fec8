#include "tests/torture/support/clock.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/atomic.h"
#include "base/time.h"

#include "base/banned.h"

#define SLICE_NS (MS_NS / 2) /* after which a sleeper looks at the clock */

static struct counter wall_ns, skipped_ns;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for both below */
static uint64_t skips, sleepers;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *held,
                                  const struct timespec *until);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *held,
                                  const struct timespec *until);

static int64_t ns_of(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * SECOND_NS + ts->tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
}

void clock_set_wall(int64_t now_ns)
{
    counter_set(&wall_ns, (uint64_t)now_ns);
}

void clock_skip(int64_t ns)
{
    (void)pthread_mutex_lock(&mutex);
    counter_add(&skipped_ns, (uint64_t)ns);
    skips++;
    sleepers = 0;
    (void)pthread_mutex_unlock(&mutex);
}

uint64_t clock_sleepers(void)
{
    (void)pthread_mutex_lock(&mutex);
    uint64_t count = sleepers;
    (void)pthread_mutex_unlock(&mutex);
    return count;
}

/* Returns the number of the last skip. */
static uint64_t fall_asleep(void)
{
    (void)pthread_mutex_lock(&mutex);
    uint64_t since = skips;
    sleepers++;
    (void)pthread_mutex_unlock(&mutex);
    return since;
}

static void wake_up(uint64_t since)
{
    (void)pthread_mutex_lock(&mutex);
    sleepers -= since == skips ? 1 : 0;
    (void)pthread_mutex_unlock(&mutex);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int error = __real_clock_gettime(clock, ret);

    if (clock == CLOCK_MONOTONIC)
        *ret = timespec_of(ns_of(ret) + (int64_t)counter_get(&skipped_ns));
    else if (clock == CLOCK_REALTIME && counter_get(&wall_ns) != 0)
        *ret = timespec_of((int64_t)counter_get(&wall_ns));
    return error;
}

/*
 * Conditions that are waited for with a time have the monotonic clock, see base/lock.c. After a
 * slice the caller looks again, as if it had been woken for nothing: whoever went on waiting here
 * would miss a signal given between two slices.
 */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *held,
                                  const struct timespec *until)
{
    struct timespec now;

    (void)__real_clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left_ns = ns_of(until) - (int64_t)counter_get(&skipped_ns) - ns_of(&now);
    if (left_ns <= 0)
        return ETIMEDOUT;
    struct timespec end = timespec_of(ns_of(&now) + MIN_OF(left_ns, SLICE_NS));
    uint64_t since = fall_asleep();
    int error = __real_pthread_cond_timedwait(cond, held, &end);
    wake_up(since);
    return error == ETIMEDOUT ? 0 : error;
}
