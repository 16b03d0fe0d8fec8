/*
 * mem.h - the heap, for what outlives a request (and for base/ itself).
 *
 * Outside base/ nothing calls malloc(). Objects of the process, a tenant or a stream come from
 * here; objects of a request come from its arena (arena.h). Out of memory is a NULL that callers
 * turn into ST_NOMEM; tests make the n-th call fail with mem_fail_after().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* `count` zeroed objects of `size` bytes; NULL when memory or the multiplication runs out. */
void *mem_new(size_t count, size_t size) __attribute__((malloc));

/* `size` bytes that are not zeroed. */
void *mem_bytes(size_t size) __attribute__((malloc));

/* Like realloc(); on NULL the old block stays valid. */
void *mem_grow(void *old, size_t count, size_t size);

/* Accepts NULL. */
void mem_free(void *block);

enum {
    MEM_PAGES_USUAL_BYTES = 32 * 1024,
    MEM_PAGES_KEPT_MAX = 512, /* free blocks of that size */
};

/*
 * `size` bytes, not zeroed, in pages of their own. For what is large and lives among much that
 * comes and goes: in the heap it would keep the holes around it. It is freed with the same size.
 * Blocks of the usual size are then kept for the next caller, until there are many or mem_trim();
 * others go back to the system at once.
 */
void *mem_pages(size_t size) __attribute__((malloc));
void mem_pages_free(void *pages, size_t size); /* accepts NULL */

/* Let the heap of this process keep little that is free; for a server, before it has threads. */
void mem_tune(void);

/* Give the system back what is free now. Takes milliseconds: not for every request. */
void mem_trim(void);

/* A copy with a zero byte behind it, so that it also serves as a C string. `ptr` NULL: no memory.
 */
struct str mem_str(struct str s);

/* Let the n-th allocation from now fail (1 = the next), once; 0 = none. For tests. */
void mem_fail_after(int64_t n);

/* Let every allocation of at least so many bytes fail, until mem_fail_after(). For tests. */
void mem_fail_large(size_t size);

#endif
