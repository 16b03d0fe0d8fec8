#include "base/queue.h"

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

Test(queue, first_in_first_out)
{
    struct queue q;

    REQUIRE_OK(queue_init(&q, 3, NULL));
    for (uintptr_t n = 1; n <= 3; n++)
        EXPECT_STATUS("room", queue_push(&q, item_of(n)), ST_OK);
    EXPECT_STATUS("full", queue_push(&q, item_of(4)), ST_LIMIT);
    cr_expect_eq(number_of(queue_pop(&q)), 1);
    EXPECT_STATUS("room again", queue_push(&q, item_of(5)), ST_OK);
    cr_expect_eq(number_of(queue_pop(&q)), 2);
    cr_expect_eq(number_of(queue_pop(&q)), 3);
    cr_expect_eq(number_of(queue_pop(&q)), 5);
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
            cr_assert_eq(number_of(queue_pop(&q)), ++out);
    }
    queue_close(&q);
    while (queue_pop(&q) != NULL)
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
