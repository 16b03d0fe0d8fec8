#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/banned.h"

static _Atomic int64_t fail_countdown;

static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void mem_fail_after(int64_t n)
{
    atomic_store(&fail_countdown, n);
}

void *mem_new(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(MAX_OF(count, 1), MAX_OF(size, 1));
}

void *mem_bytes(size_t size)
{
    return must_fail() ? NULL : malloc(MAX_OF(size, 1));
}

void *mem_grow(void *old, size_t count, size_t size)
{
    return must_fail() ? NULL : reallocarray(old, MAX_OF(count, 1), MAX_OF(size, 1));
}

void mem_free(void *block)
{
    free(block);
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
