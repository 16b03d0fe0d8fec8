#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#include "base/banned.h"

struct arena_block {
    struct arena_block *older;
    size_t bytes; /* of the whole block */
};

struct arena_cleanup {
    struct arena_cleanup *older;
    void (*cleanup)(void *object);
    void *object;
};

enum {
    ARENA_ALIGN = 16,
    ARENA_BLOCK_BYTES_FIRST = 4 * 1024,
    ARENA_BLOCK_BYTES_MAX = 256 * 1024, /* blocks double up to here; a larger object has its own */
};

_Static_assert(sizeof(struct arena_block) % ARENA_ALIGN == 0, "the first object must be aligned");

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_init_child(struct arena *a, struct arena *parent)
{
    struct arena *root = parent->parent == NULL ? parent : parent->parent;

    *a = (struct arena){.max_bytes = root->max_bytes, .parent = root};
}

/* The arena that counts for all that share its maximum. */
static struct arena *root_of(struct arena *a)
{
    return a->parent == NULL ? a : a->parent;
}

static void count_freed(struct arena *a, size_t bytes)
{
    (void)__atomic_fetch_sub(&root_of(a)->used_bytes, bytes, __ATOMIC_RELAXED);
}

void arena_release(struct arena *a)
{
    struct arena empty = {.max_bytes = a->max_bytes, .parent = a->parent};

    for (struct arena_cleanup *c = a->cleanups; c != NULL; c = c->older)
        c->cleanup(c->object);
    count_freed(a, a->charged_bytes);
    while (a->blocks != NULL) {
        struct arena_block *older = a->blocks->older;
        count_freed(a, a->blocks->bytes);
        mem_free(a->blocks);
        a->blocks = older;
    }
    *a = empty;
}

void arena_reset(struct arena *a)
{
    struct arena_block *newest = a->blocks;

    ASSERT(a->cleanups == NULL && a->charged_bytes == 0);
    if (newest == NULL) {
        a->failed = false;
        return;
    }
    while (newest->older != NULL) {
        struct arena_block *older = newest->older;
        newest->older = older->older;
        count_freed(a, older->bytes);
        mem_free(older);
    }
    a->next = (char *)(newest + 1);
    a->failed = false;
}

/* Count memory before it is taken; false: it does not fit into the maximum. */
static bool count_used(struct arena *a, size_t bytes)
{
    struct arena *root = root_of(a);
    size_t used = __atomic_fetch_add(&root->used_bytes, bytes, __ATOMIC_RELAXED);

    if (used <= root->max_bytes && bytes <= root->max_bytes - used)
        return true;
    count_freed(a, bytes);
    return false;
}

static bool block_add(struct arena *a, size_t object_bytes)
{
    size_t bytes = a->blocks == NULL ? ARENA_BLOCK_BYTES_FIRST : a->blocks->bytes * 2;

    bytes = MIN_OF(bytes, (size_t)ARENA_BLOCK_BYTES_MAX);
    bytes = MAX_OF(bytes, object_bytes + sizeof(struct arena_block));
    if (!count_used(a, bytes)) {
        bytes = object_bytes + sizeof(struct arena_block);
        if (!count_used(a, bytes))
            return false;
    }
    struct arena_block *b = mem_bytes(bytes);
    if (b == NULL) {
        count_freed(a, bytes);
        return false;
    }
    b->bytes = bytes;
    b->older = a->blocks;
    a->blocks = b;
    a->next = (char *)(b + 1);
    a->end = (char *)b + bytes;
    return true;
}

static char *take(struct arena *a, size_t bytes, size_t align)
{
    size_t pad = a->next == NULL ? 0 : (size_t)(-(uintptr_t)a->next) & (align - 1);

    if (bytes > SIZE_MAX / 2)
        goto fail;
    if ((size_t)(a->end - a->next) < bytes + pad || a->next == NULL) {
        if (!block_add(a, bytes))
            goto fail;
        pad = 0;
    }
    char *object = a->next + pad;
    a->next = object + bytes;
    return object;

fail:
    a->failed = true;
    return NULL;
}

void *arena_alloc(struct arena *a, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        a->failed = true;
        return NULL;
    }
    char *object = take(a, bytes, ARENA_ALIGN);
    if (object != NULL)
        memset(object, 0, bytes);
    return object;
}

bool arena_on_release(struct arena *a, void (*cleanup)(void *object), void *object)
{
    struct arena_cleanup *c = arena_new(a, struct arena_cleanup, 1);

    if (c == NULL)
        return false;
    *c = (struct arena_cleanup){a->cleanups, cleanup, object};
    a->cleanups = c;
    return true;
}

bool arena_charge(struct arena *a, size_t bytes)
{
    if (!count_used(a, bytes)) {
        a->failed = true;
        return false;
    }
    a->charged_bytes += bytes;
    return true;
}

char *arena_bytes(struct arena *a, size_t len)
{
    return take(a, len, 1);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = s.len == SIZE_MAX ? NULL : take(a, s.len + 1, 1);

    if (copy == NULL)
        return STR_NULL;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return str_make(copy, s.len);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    char *text = take(a, (size_t)len + 1, 1);
    if (text == NULL)
        return STR_NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return str_make(text, (size_t)len);
}

void *arena_reserve(struct arena *a, void *array, size_t count, size_t *capacity, size_t item_size)
{
    size_t wider;

    ASSERT(count <= *capacity);
    if (count < *capacity)
        return array;
    if (__builtin_mul_overflow(*capacity == 0 ? 4 : *capacity, 2, &wider)) {
        a->failed = true;
        return NULL;
    }
    void *moved = arena_alloc(a, wider, item_size);
    if (moved == NULL)
        return NULL;
    if (count > 0)
        memcpy(moved, array, count * item_size);
    *capacity = wider;
    return moved;
}

enum status arena_status(const struct arena *a, struct err *err)
{
    if (!a->failed)
        return ST_OK;
    return err_set(err, ST_LIMIT, "the request needs more than its memory budget of %zu bytes",
                   a->max_bytes);
}
