#include "query/crew.h"

#include <pthread.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/cores.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/time.h"

#include "base/banned.h"

enum { HELPERS_MAX = 15 };

/* A query that is over by then stays on its own thread. */
#define ALONE_NS MS_NS

struct crew_thread {
    struct crew *crew;
    void *worker;
    size_t item; /* it works on; SIZE_MAX: none */
    pthread_t thread;
};

struct crew {
    const struct crew_job *job;
    struct lock lock; /* for all below */
    struct lock_cond moved;
    size_t next; /* item to begin */
    size_t end;  /* of the items that are to be begun */
    enum status status;
    struct err err;
    struct crew_thread own;
    struct crew_thread helpers[HELPERS_MAX];
    size_t helper_count;
};

/* Threads that help any query of the process. */
static struct counter helpers_busy;

/* ---- items ---- */

/* Give the thread its next item; false: there is none for it. */
static bool take_item(struct crew_thread *t)
{
    struct crew *c = t->crew;

    lock_take(&c->lock);
    bool any = c->status == ST_OK && c->next < c->end;
    t->item = any ? c->next++ : SIZE_MAX;
    lock_cond_broadcast(&c->moved);
    lock_give(&c->lock);
    return any;
}

static bool any_before(const struct crew *c, size_t item)
{
    bool any = c->own.item < item;

    for (size_t i = 0; i < c->helper_count && !any; i++)
        any = c->helpers[i].item < item;
    return any;
}

enum status crew_turn(struct crew *c, size_t item)
{
    lock_take(&c->lock);
    while (c->status == ST_OK && any_before(c, item))
        lock_cond_wait(&c->moved, &c->lock);
    enum status st = c->status == ST_OK ? ST_OK : ST_CANCELLED;
    lock_give(&c->lock);
    return st;
}

static void do_item(struct crew_thread *t)
{
    struct crew *c = t->crew;
    struct err err = {0};

    enum status st = c->job->work(t->worker, c, t->item, &err);
    if (st == ST_OK)
        return;
    lock_take(&c->lock);
    if (st == ST_NOT_FOUND) {
        c->end = c->next;
    } else if (c->status == ST_OK) {
        c->status = st;
        c->err = err;
    }
    lock_give(&c->lock);
}

/* ---- threads ---- */

static void *run_helper(void *thread)
{
    struct crew_thread *t = thread;

    while (take_item(t))
        do_item(t);
    counter_sub(&helpers_busy, 1);
    return NULL;
}

static void dismiss(const struct crew_job *job, struct crew_thread *t)
{
    job->end(t->worker);
    mem_free(t->worker);
}

static bool hire_one(struct crew *c)
{
    const struct crew_job *job = c->job;
    struct crew_thread *t = &c->helpers[c->helper_count];

    *t = (struct crew_thread){.crew = c, .worker = mem_new(1, job->worker_bytes), .item = SIZE_MAX};
    if (t->worker == NULL)
        return false;
    bool started = false;
    if (job->begin(job->context, t->worker, NULL) == ST_OK) {
        lock_take(&c->lock);
        started = pthread_create(&t->thread, NULL, run_helper, t) == 0;
        c->helper_count += started ? 1 : 0;
        lock_give(&c->lock);
    }
    if (!started)
        dismiss(job, t);
    return started;
}

/* As many as there are cores that no query uses. */
static void hire(struct crew *c)
{
    uint64_t most = cores_online() - 1;

    while (c->helper_count < HELPERS_MAX) {
        if (counter_take(&helpers_busy) >= most || !hire_one(c)) {
            counter_sub(&helpers_busy, 1);
            return;
        }
    }
}

enum status crew_run(const struct crew_job *job, struct err *err)
{
    int64_t alone_until_ns = time_mono_ns() + ALONE_NS;
    struct crew c = {.job = job, .end = job->items};
    bool hired = false;

    c.own = (struct crew_thread){.crew = &c, .worker = job->own, .item = SIZE_MAX};
    lock_init(&c.lock, LOCK_RANK_CREW);
    lock_cond_init(&c.moved);
    while (take_item(&c.own)) {
        if (!hired && job->items - c.own.item > 1 && time_mono_ns() >= alone_until_ns) {
            hire(&c);
            hired = true;
        }
        do_item(&c.own);
    }
    for (size_t i = 0; i < c.helper_count; i++) {
        (void)pthread_join(c.helpers[i].thread, NULL);
        dismiss(job, &c.helpers[i]);
    }
    lock_cond_release(&c.moved);
    lock_release(&c.lock);
    if (c.status != ST_OK && err != NULL)
        *err = c.err;
    return c.status;
}
