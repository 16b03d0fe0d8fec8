#include "base/queue.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>

#include "tests/support/expect.h"

#include "base/banned.h"

/* Items are numbers from 1 in the guise of pointers. */
static void *item_of(uintptr_t n)
{
    return (void *)n;
}

static uintptr_t number_of(void *item)
{
    return (uintptr_t)item;
}

static bool readable(const struct queue *q, int timeout_ms)
{
    struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1;
}

Test(queue, first_in_first_out)
{
    struct queue q;

    REQUIRE_OK(queue_init(&q, 3, NULL));
    cr_expect_null(queue_try_pop(&q));
    for (uintptr_t n = 1; n <= 3; n++)
        EXPECT_STATUS("room", queue_push(&q, item_of(n)), ST_OK);
    EXPECT_STATUS("full", queue_push(&q, item_of(4)), ST_LIMIT);
    cr_expect_eq(queue_count(&q), 3);
    cr_expect_eq(number_of(queue_pop(&q)), 1);
    EXPECT_STATUS("room again", queue_push(&q, item_of(5)), ST_OK);
    cr_expect_eq(number_of(queue_try_pop(&q)), 2);
    cr_expect_eq(number_of(queue_pop(&q)), 3);
    cr_expect_eq(number_of(queue_pop(&q)), 5);
    cr_expect_null(queue_try_pop(&q));
    queue_release(&q);
}

Test(queue, the_ring_goes_round)
{
    uintptr_t in = 0, out = 0;
    struct queue q;

    REQUIRE_OK(queue_init(&q, 7, NULL));
    for (size_t round = 0; round < 100; round++) {
        while (queue_push(&q, item_of(in + 1)) == ST_OK)
            in++;
        cr_assert_eq(in - out, 7);
        for (size_t i = 0; i <= round % 7; i++)
            cr_assert_eq(number_of(queue_try_pop(&q)), ++out);
    }
    while (queue_try_pop(&q) != NULL)
        out++;
    cr_expect_eq(in, out);
    queue_release(&q);
}

Test(queue, close)
{
    struct queue q;

    REQUIRE_OK(queue_init(&q, 2, NULL));
    REQUIRE_OK(queue_push(&q, item_of(1)));
    queue_close(&q);
    EXPECT_STATUS("closed", queue_push(&q, item_of(2)), ST_LIMIT);
    cr_expect_eq(number_of(queue_pop(&q)), 1, "what is inside can still be had");
    cr_expect_null(queue_pop(&q));
    cr_expect_null(queue_try_pop(&q));
    queue_release(&q);
}

Test(queue, fd_tells_of_items)
{
    struct queue q;

    REQUIRE_OK(queue_init(&q, 4, NULL));
    cr_expect_not(readable(&q, 0));
    REQUIRE_OK(queue_push(&q, item_of(1)));
    REQUIRE_OK(queue_push(&q, item_of(2)));
    cr_expect(readable(&q, 0));
    queue_fd_clear(&q);
    cr_expect_not(readable(&q, 0), "cleared");
    cr_expect_eq(number_of(queue_try_pop(&q)), 1);
    cr_expect_eq(number_of(queue_try_pop(&q)), 2);
    REQUIRE_OK(queue_push(&q, item_of(3)));
    cr_expect(readable(&q, 0), "again after it was empty");
    queue_fd_clear(&q);
    queue_fd_clear(&q);
    cr_expect_eq(number_of(queue_try_pop(&q)), 3);
    queue_close(&q);
    cr_expect(readable(&q, 0), "closing wakes who watches");
    queue_release(&q);
}

Test(queue, release_of_nothing)
{
    struct queue q = {.items = NULL};

    queue_release(&q);
    mem_fail_after(1);
    EXPECT_STATUS("no memory", queue_init(&q, 5, NULL), ST_NOMEM);
    mem_fail_after(0);
    queue_release(&q);
}

/* ---- two threads ---- */

enum { MANY = 20000 };

struct sums {
    struct queue *q;
    uintptr_t count;
    bool in_order;
};

static void *pop_all(void *context)
{
    struct sums *s = context;
    uintptr_t before = 0;

    s->in_order = true;
    for (void *item = queue_pop(s->q); item != NULL; item = queue_pop(s->q)) {
        s->in_order = s->in_order && number_of(item) > before;
        before = number_of(item);
        s->count++;
    }
    return NULL;
}

static void *pop_by_fd(void *context)
{
    struct sums *s = context;
    uintptr_t before = 0;

    s->in_order = true;
    while (before < MANY && readable(s->q, 10000)) {
        queue_fd_clear(s->q);
        for (void *item = queue_try_pop(s->q); item != NULL; item = queue_try_pop(s->q)) {
            s->in_order = s->in_order && number_of(item) == before + 1;
            before = number_of(item);
            s->count++;
        }
    }
    return NULL;
}

static void push_all(struct queue *q)
{
    for (uintptr_t n = 1; n <= MANY;) {
        if (queue_push(q, item_of(n)) == ST_OK)
            n++;
    }
}

Test(queue, two_readers)
{
    struct sums sums[2];
    pthread_t threads[2];
    struct queue q;

    REQUIRE_OK(queue_init(&q, 64, NULL));
    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        sums[i] = (struct sums){.q = &q};
        cr_assert_eq(pthread_create(&threads[i], NULL, pop_all, &sums[i]), 0);
    }
    push_all(&q);
    queue_close(&q);
    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        (void)pthread_join(threads[i], NULL);
        cr_expect(sums[i].in_order, "reader %zu", i);
    }
    cr_expect_eq(sums[0].count + sums[1].count, MANY, "each item once");
    queue_release(&q);
}

Test(queue, reader_that_watches)
{
    struct sums sums;
    pthread_t thread;
    struct queue q;

    REQUIRE_OK(queue_init(&q, 16, NULL));
    sums = (struct sums){.q = &q};
    cr_assert_eq(pthread_create(&thread, NULL, pop_by_fd, &sums), 0);
    push_all(&q);
    (void)pthread_join(thread, NULL);
    cr_expect(sums.in_order);
    cr_expect_eq(sums.count, MANY, "%zu: a wake-up was lost", (size_t)sums.count);
    queue_release(&q);
}
