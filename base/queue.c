#include "base/queue.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

#include "base/banned.h"

enum status queue_init(struct queue *q, size_t capacity, struct err *err)
{
    *q = (struct queue){.capacity = capacity, .event_fd = -1};
    ASSERT(capacity > 0);

    q->items = mem_new(capacity, sizeof(*q->items));
    if (q->items == NULL)
        return err_set(err, ST_NOMEM, "no memory for a queue of %zu", capacity);
    q->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->event_fd < 0) {
        enum status st = err_errno(err, "eventfd");
        mem_free(q->items);
        q->items = NULL;
        return st;
    }
    lock_init(&q->lock, LOCK_RANK_QUEUE);
    lock_cond_init(&q->filled);
    return ST_OK;
}

void queue_release(struct queue *q)
{
    if (q->items == NULL)
        return;
    ASSERT(q->count == 0);
    (void)close(q->event_fd);
    lock_cond_release(&q->filled);
    lock_release(&q->lock);
    mem_free(q->items);
    q->items = NULL;
}

static void wake_watcher(struct queue *q)
{
    uint64_t one = 1;
    ssize_t written = write(q->event_fd, &one, sizeof(one));

    (void)written; /* a full counter is readable all the same */
}

enum status queue_push(struct queue *q, void *item)
{
    enum status st = ST_LIMIT;
    bool was_empty = false;

    ASSERT(item != NULL);
    lock_take(&q->lock);
    if (!q->closed && q->count < q->capacity) {
        was_empty = q->count == 0;
        q->items[(q->first + q->count) % q->capacity] = item;
        q->count++;
        st = ST_OK;
        lock_cond_signal(&q->filled);
    }
    lock_give(&q->lock);

    if (was_empty)
        wake_watcher(q);
    return st;
}

static void *take_first(struct queue *q)
{
    lock_assert_held(&q->lock);
    if (q->count == 0)
        return NULL;

    void *item = q->items[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->count--;
    return item;
}

void *queue_pop(struct queue *q)
{
    lock_take(&q->lock);
    while (q->count == 0 && !q->closed)
        lock_cond_wait(&q->filled, &q->lock);
    void *item = take_first(q);
    lock_give(&q->lock);
    return item;
}

void *queue_try_pop(struct queue *q)
{
    lock_take(&q->lock);
    void *item = take_first(q);
    lock_give(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    lock_take(&q->lock);
    q->closed = true;
    lock_cond_broadcast(&q->filled);
    lock_give(&q->lock);
    wake_watcher(q);
}

size_t queue_count(struct queue *q)
{
    lock_take(&q->lock);
    size_t count = q->count;
    lock_give(&q->lock);
    return count;
}

int queue_fd(const struct queue *q)
{
    return q->event_fd;
}

void queue_fd_clear(struct queue *q)
{
    uint64_t count;
    ssize_t got = read(q->event_fd, &count, sizeof(count));

    (void)got; /* nothing to read is fine: somebody was faster */
}
