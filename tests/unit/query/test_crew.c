#include <criterion/criterion.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "base/time.h"
#include "query/crew.h"

enum { ITEMS = 400 };

struct job {
    struct counter done;
    struct counter hired;
    struct counter dismissed;
    size_t fails_at; /* this item fails, */
    size_t ends_at;  /* or is the last one wanted */
    size_t order[ITEMS];
    size_t ordered;
    bool cannot_hire;
};

/* Long enough that others are called to help. */
static void spin(void)
{
    int64_t until_ns = time_mono_ns() + 50 * 1000;

    while (time_mono_ns() < until_ns)
        continue;
}

static enum status work(void *worker, struct crew *crew, size_t item, struct err *err)
{
    struct job *job = *(struct job **)worker;

    spin();
    counter_add(&job->done, 1);
    if (item == job->fails_at)
        return err_set(err, ST_IO, "item %zu", item);
    if (item == job->ends_at)
        return ST_NOT_FOUND;
    enum status st = crew_turn(crew, item);
    if (st == ST_OK)
        job->order[job->ordered++] = item;
    return st;
}

/* What a thread works with is a pointer to the job. */
static enum status begin(void *context, void *worker, struct err *err)
{
    struct job *job = context;

    *(struct job **)worker = job;
    counter_add(&job->hired, 1);
    return job->cannot_hire ? err_set(err, ST_NOMEM, "none") : ST_OK;
}

static void end(void *worker)
{
    counter_add(&(*(struct job **)worker)->dismissed, 1);
}

static enum status run(struct job *job, size_t items, struct err *err)
{
    const struct crew_job crew = {
        .items = items,
        .own = &job,
        .worker_bytes = sizeof(struct job *),
        .work = work,
        .begin = begin,
        .end = end,
        .context = job,
    };

    enum status st = crew_run(&crew, err);
    cr_expect_eq(counter_get(&job->hired), counter_get(&job->dismissed));
    return st;
}

Test(crew, does_every_item_and_keeps_their_order)
{
    struct job job = {.fails_at = SIZE_MAX, .ends_at = SIZE_MAX};

    cr_expect_eq(run(&job, ITEMS, NULL), ST_OK);
    cr_expect_eq(counter_get(&job.done), ITEMS);
    cr_assert_eq(job.ordered, ITEMS);
    for (size_t i = 0; i < ITEMS; i++)
        cr_assert_eq(job.order[i], i);
}

Test(crew, nothing_to_do)
{
    struct job job = {.fails_at = SIZE_MAX, .ends_at = SIZE_MAX};

    cr_expect_eq(run(&job, 0, NULL), ST_OK);
    cr_expect_eq(counter_get(&job.hired), 0);
}

Test(crew, goes_on_alone)
{
    struct job job = {.fails_at = SIZE_MAX, .ends_at = SIZE_MAX, .cannot_hire = true};

    cr_expect_eq(run(&job, ITEMS, NULL), ST_OK);
    cr_expect_eq(job.ordered, ITEMS);
}

Test(crew, ends_with_the_status_of_an_item)
{
    struct job job = {.fails_at = 100, .ends_at = SIZE_MAX};
    struct err err = {0};

    cr_expect_eq(run(&job, ITEMS, &err), ST_IO);
    cr_expect_str_eq(err.text, "item 100");
    cr_expect_lt(counter_get(&job.done), ITEMS, "the rest is not begun");
}

Test(crew, an_item_can_be_the_last_one_wanted)
{
    struct job job = {.fails_at = SIZE_MAX, .ends_at = 50};

    cr_expect_eq(run(&job, ITEMS, NULL), ST_OK);
    cr_expect_lt(counter_get(&job.done), ITEMS);
    cr_expect_geq(counter_get(&job.done), 51);
}
