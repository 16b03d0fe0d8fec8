#include "base/mem.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/banned.h"

static _Atomic int64_t fail_countdown; /* below 0: whatever has so many bytes fails instead */

static bool must_fail(size_t size)
{
    int64_t countdown = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    if (countdown == 0)
        return false;
    if (countdown < 0)
        return size >= (size_t)-countdown;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void mem_fail_after(int64_t n)
{
    atomic_store(&fail_countdown, n);
}

void mem_fail_large(size_t size)
{
    atomic_store(&fail_countdown, -(int64_t)size);
}

void *mem_new(size_t count, size_t size)
{
    return must_fail(count * size) ? NULL : calloc(MAX_OF(count, 1), MAX_OF(size, 1));
}

void *mem_bytes(size_t size)
{
    return must_fail(size) ? NULL : malloc(MAX_OF(size, 1));
}

void *mem_grow(void *old, size_t count, size_t size)
{
    return must_fail(count * size) ? NULL : reallocarray(old, MAX_OF(count, 1), MAX_OF(size, 1));
}

void mem_free(void *block)
{
    free(block);
}

/*
 * Freed pages of the usual size. A new page costs a fault and its zeroing, and much more where the
 * machine is a virtual one and has given the page back to its host.
 */
struct kept_pages {
    struct kept_pages *next;
};

static struct {
    pthread_mutex_t mutex; /* nothing else is locked under it */
    struct kept_pages *first;
    size_t count;
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void *kept_take(void)
{
    (void)pthread_mutex_lock(&kept.mutex);
    struct kept_pages *pages = kept.first;
    if (pages != NULL) {
        kept.first = pages->next;
        kept.count--;
    }
    (void)pthread_mutex_unlock(&kept.mutex);
    return pages;
}

/* False: there is no room. */
static bool kept_give(struct kept_pages *pages)
{
    (void)pthread_mutex_lock(&kept.mutex);
    bool room = kept.count < MEM_PAGES_KEPT_MAX;
    if (room) {
        pages->next = kept.first;
        kept.first = pages;
        kept.count++;
    }
    (void)pthread_mutex_unlock(&kept.mutex);
    return room;
}

void *mem_pages(size_t size)
{
    if (must_fail(size))
        return NULL;
    void *pages = size == MEM_PAGES_USUAL_BYTES ? kept_take() : NULL;
    if (pages != NULL)
        return pages;
    pages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void mem_pages_free(void *pages, size_t size)
{
    if (pages != NULL && (size != MEM_PAGES_USUAL_BYTES || !kept_give(pages)))
        (void)munmap(pages, size);
}

/*
 * By default the heap raises its threshold for mappings to the largest block that was ever freed,
 * so that the buffers of one large request keep the heap large for good; and it has eight arenas
 * for each processor, each with holes of its own.
 */
void mem_tune(void)
{
    enum { ARENAS_MAX = 2, MAPPED_BYTES_MIN = 4 << 20, SPARE_BYTES_MAX = 4 << 20 };

    (void)mallopt(M_ARENA_MAX, ARENAS_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, SPARE_BYTES_MAX);
}

void mem_trim(void)
{
    for (void *pages = kept_take(); pages != NULL; pages = kept_take())
        (void)munmap(pages, MEM_PAGES_USUAL_BYTES);
    (void)malloc_trim(0);
}

struct str mem_str(struct str s)
{
    char *copy = mem_bytes(s.len + 1);

    if (copy == NULL)
        return STR_NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return str_make(copy, s.len);
}
