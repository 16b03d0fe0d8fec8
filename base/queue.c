#include "base/queue.h"

#include "base/mem.h"

#include "base/banned.h"

enum status queue_init(struct queue *q, size_t capacity, struct err *err)
{
    *q = (struct queue){.capacity = capacity};
    ASSERT(capacity > 0);

    q->items = mem_new(capacity, sizeof(*q->items));
    if (q->items == NULL)
        return err_set(err, ST_NOMEM, "no memory for a queue of %zu", capacity);
    lock_init(&q->lock, LOCK_RANK_QUEUE);
    lock_cond_init(&q->filled);
    return ST_OK;
}

void queue_release(struct queue *q)
{
    if (q->items == NULL)
        return;
    ASSERT(q->count == 0);
    lock_cond_release(&q->filled);
    lock_release(&q->lock);
    mem_free(q->items);
    q->items = NULL;
}

enum status queue_push(struct queue *q, void *item)
{
    enum status st = ST_LIMIT;

    ASSERT(item != NULL);
    lock_take(&q->lock);
    if (!q->closed && q->count < q->capacity) {
        q->items[(q->first + q->count) % q->capacity] = item;
        q->count++;
        st = ST_OK;
        lock_cond_signal(&q->filled);
    }
    lock_give(&q->lock);
    return st;
}

void *queue_pop(struct queue *q)
{
    void *item = NULL;

    lock_take(&q->lock);
    while (q->count == 0 && !q->closed)
        lock_cond_wait(&q->filled, &q->lock);
    if (q->count > 0) {
        item = q->items[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->count--;
    }
    lock_give(&q->lock);
    return item;
}

size_t queue_count(struct queue *q)
{
    lock_take(&q->lock);
    size_t count = q->count;
    lock_give(&q->lock);
    return count;
}

void queue_close(struct queue *q)
{
    lock_take(&q->lock);
    q->closed = true;
    lock_cond_broadcast(&q->filled);
    lock_give(&q->lock);
}
