#include "base/lock.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "base/time.h"

#include "base/banned.h"

Test(lock, ranks_rise)
{
    struct lock store, tenant, queue;

    lock_init(&store, LOCK_RANK_STORE);
    lock_init(&tenant, LOCK_RANK_TENANT);
    lock_init(&queue, LOCK_RANK_QUEUE);
    lock_take(&store);
    lock_take(&tenant);
    lock_take(&queue);
    lock_assert_held(&store);
    lock_assert_held(&tenant);
    lock_give(&store); /* in any order */
    lock_give(&queue);
    lock_give(&tenant);
    lock_take(&tenant);
    lock_give(&tenant);
    lock_release(&queue);
    lock_release(&tenant);
    lock_release(&store);
}

Test(lock, falling_rank, .signal = SIGABRT)
{
    struct lock wal, tenant;

    lock_init(&wal, LOCK_RANK_WAL);
    lock_init(&tenant, LOCK_RANK_TENANT);
    lock_take(&wal);
    lock_take(&tenant);
}

Test(lock, same_rank, .signal = SIGABRT)
{
    struct lock one, two;

    lock_init(&one, LOCK_RANK_TENANT);
    lock_init(&two, LOCK_RANK_TENANT);
    lock_take(&one);
    lock_take(&two);
}

Test(lock, twice, .signal = SIGABRT)
{
    struct lock l;

    lock_init(&l, LOCK_RANK_STORE);
    lock_take(&l);
    lock_take(&l);
}

Test(lock, give_what_is_not_held, .signal = SIGABRT)
{
    struct lock l;

    lock_init(&l, LOCK_RANK_STORE);
    lock_give(&l);
}

Test(lock, assert_held, .signal = SIGABRT)
{
    struct lock l;

    lock_init(&l, LOCK_RANK_STORE);
    lock_take(&l);
    lock_give(&l);
    lock_assert_held(&l);
}

/* ---- with a second thread ---- */

struct shared {
    struct lock lock;
    struct lock_cond cond;
    bool ready;
    bool go;
    unsigned long count;
};

static void *assert_of_another(void *context)
{
    struct shared *s = context;

    lock_assert_held(&s->lock);
    return NULL;
}

Test(lock, held_by_another, .signal = SIGABRT)
{
    struct shared s = {.count = 0};
    pthread_t thread;

    lock_init(&s.lock, LOCK_RANK_STORE);
    lock_take(&s.lock);
    cr_assert_eq(pthread_create(&thread, NULL, assert_of_another, &s), 0);
    (void)pthread_join(thread, NULL);
}

enum { ROUNDS = 20000 };

static void *count_up(void *context)
{
    struct shared *s = context;

    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&s->lock);
        s->count++;
        lock_give(&s->lock);
    }
    return NULL;
}

Test(lock, excludes)
{
    struct shared s = {.count = 0};
    pthread_t thread;

    lock_init(&s.lock, LOCK_RANK_STORE);
    cr_assert_eq(pthread_create(&thread, NULL, count_up, &s), 0);
    (void)count_up(&s);
    (void)pthread_join(thread, NULL);
    cr_expect_eq(s.count, 2 * ROUNDS);
    lock_release(&s.lock);
}

static void *wait_and_answer(void *context)
{
    struct shared *s = context;

    lock_take(&s->lock);
    s->ready = true;
    lock_cond_broadcast(&s->cond);
    while (!s->go)
        lock_cond_wait(&s->cond, &s->lock);
    lock_assert_held(&s->lock);
    s->count++;
    lock_give(&s->lock);
    return NULL;
}

Test(lock, condition)
{
    struct shared s = {.count = 0};
    pthread_t thread;

    lock_init(&s.lock, LOCK_RANK_QUEUE);
    lock_cond_init(&s.cond);
    cr_assert_eq(pthread_create(&thread, NULL, wait_and_answer, &s), 0);
    lock_take(&s.lock);
    while (!s.ready)
        lock_cond_wait(&s.cond, &s.lock);
    s.go = true;
    lock_cond_signal(&s.cond);
    lock_give(&s.lock);
    (void)pthread_join(thread, NULL);
    cr_expect_eq(s.count, 1);
    lock_cond_release(&s.cond);
    lock_release(&s.lock);
}

Test(lock, condition_times_out)
{
    static const int64_t timeouts_ns[] = {0, 1, 5 * MS_NS};
    struct shared s = {.count = 0};

    lock_init(&s.lock, LOCK_RANK_QUEUE);
    lock_cond_init(&s.cond);
    lock_take(&s.lock);
    for (size_t i = 0; i < COUNT_OF(timeouts_ns); i++) {
        int64_t begin_ns = time_mono_ns();
        while (lock_cond_wait_for(&s.cond, &s.lock, timeouts_ns[i]))
            continue; /* a wake-up without a signal */
        cr_expect_geq(time_mono_ns() - begin_ns, timeouts_ns[i]);
        lock_assert_held(&s.lock);
    }
    cr_expect_not(lock_cond_wait_for(&s.cond, &s.lock, -999999999), "already over");
    lock_give(&s.lock);
    lock_cond_release(&s.cond);
    lock_release(&s.lock);
}
