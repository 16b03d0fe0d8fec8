#include "base/lock.h"

#include <errno.h>
#include <time.h>

#include "base/banned.h"

static _Thread_local uint32_t held_ranks;

static uint32_t rank_bit(const struct lock *l)
{
    return UINT32_C(1) << (unsigned)l->rank;
}

void lock_init(struct lock *l, enum lock_rank rank)
{
    *l = (struct lock){.rank = rank};
    int error = pthread_mutex_init(&l->mutex, NULL);
    ASSERT(error == 0);
}

void lock_release(struct lock *l)
{
    int error = pthread_mutex_destroy(&l->mutex);
    ASSERT(error == 0);
}

static void owned(struct lock *l)
{
    ASSERT(!l->held);
    l->held = true;
    l->owner = pthread_self();
    held_ranks |= rank_bit(l);
}

static void disowned(struct lock *l)
{
    lock_assert_held(l);
    l->held = false;
    held_ranks &= ~rank_bit(l);
}

void lock_take(struct lock *l)
{
    ASSERT(held_ranks < rank_bit(l)); /* ranks only rise */
    int error = pthread_mutex_lock(&l->mutex);
    ASSERT(error == 0);
    owned(l);
}

void lock_give(struct lock *l)
{
    disowned(l);
    int error = pthread_mutex_unlock(&l->mutex);
    ASSERT(error == 0);
}

void lock_assert_held(struct lock *l)
{
    ASSERT(l->held);
    ASSERT(pthread_equal(l->owner, pthread_self()));
}

void lock_cond_init(struct lock_cond *c)
{
    pthread_condattr_t attr;
    int error = pthread_condattr_init(&attr);

    ASSERT(error == 0);
    error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    ASSERT(error == 0);
    error = pthread_cond_init(&c->cond, &attr);
    ASSERT(error == 0);
    (void)pthread_condattr_destroy(&attr);
}

void lock_cond_release(struct lock_cond *c)
{
    (void)pthread_cond_destroy(&c->cond);
}

void lock_cond_signal(struct lock_cond *c)
{
    (void)pthread_cond_signal(&c->cond);
}

void lock_cond_broadcast(struct lock_cond *c)
{
    (void)pthread_cond_broadcast(&c->cond);
}

void lock_cond_wait(struct lock_cond *c, struct lock *l)
{
    disowned(l);
    int error = pthread_cond_wait(&c->cond, &l->mutex);
    ASSERT(error == 0);
    owned(l);
}

bool lock_cond_wait_for(struct lock_cond *c, struct lock *l, int64_t timeout_ns)
{
    enum { SECOND = 1000000000 };
    struct timespec until;

    timeout_ns = MAX_OF(timeout_ns, 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t nanos = until.tv_nsec + timeout_ns % SECOND;
    until.tv_sec += (time_t)(timeout_ns / SECOND + nanos / SECOND);
    until.tv_nsec = (long)(nanos % SECOND);

    disowned(l);
    int error = pthread_cond_timedwait(&c->cond, &l->mutex, &until);
    ASSERT(error == 0 || error == ETIMEDOUT);
    owned(l);
    return error == 0;
}
