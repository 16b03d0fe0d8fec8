/*
 * arena.h - a region that is freed as a whole.
 *
 * A request owns one arena; decoders, parsers and evaluators allocate only there and free nothing.
 * An arena is born with a maximum. Running out, of the maximum or of memory, returns NULL and sets
 * `failed`, so that a chain of allocations may be checked once at its end.
 *
 * Threads  One thread at a time; but arenas that share a maximum may each be used by its own.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct arena_block;
struct arena_cleanup;

struct arena {
    struct arena_block *blocks;     /* newest first */
    struct arena_cleanup *cleanups; /* newest first */
    char *next;                     /* free bytes of the newest block: [next, end) */
    char *end;
    size_t used_bytes; /* of all blocks, what was charged, and of all arenas below it; atomic */
    size_t charged_bytes;
    size_t max_bytes;
    struct arena *parent; /* whose maximum counts as well; or NULL */
    bool failed;
};

void arena_init(struct arena *a, size_t max_bytes);

/*
 * An arena that shares the maximum of `parent`, and of what that shares it with; all of them
 * outlive it. For a part of a request that is released, or filled again, before the rest, or that
 * another thread works on. When one of them fails for the maximum, the others have not failed yet.
 */
void arena_init_child(struct arena *a, struct arena *parent);

/* Run the cleanups, newest first, and free everything; the arena may be used again. */
void arena_release(struct arena *a);

/*
 * Forget everything that was allocated, but keep the newest block for what comes next: for an arena
 * that is filled again and again. It must have no cleanups.
 */
void arena_reset(struct arena *a);

/*
 * Have `cleanup(object)` called by arena_release(): for what an arena owns but cannot hold, such as
 * a compiled regular expression. False (and `object` stays the caller's) when the arena failed.
 */
MUST_CHECK bool arena_on_release(struct arena *a, void (*cleanup)(void *object), void *object);

/*
 * Count memory that the arena does not hold against its maximum, until it is released: for what
 * arena_on_release() frees. False when that is too much, and the arena has failed.
 */
MUST_CHECK bool arena_charge(struct arena *a, size_t bytes);

/* `count` zeroed objects of `size` bytes, aligned for any type, or NULL. */
void *arena_alloc(struct arena *a, size_t count, size_t size);

#define arena_new(a, type, count) ((type *)arena_alloc(a, count, sizeof(type)))

/* `len` bytes that are not zeroed and not aligned, or NULL. */
char *arena_bytes(struct arena *a, size_t len);

/* A copy of `s`; `ptr` is NULL only when the arena failed. The copy ends with a zero byte. */
struct str arena_str(struct arena *a, struct str s);

/* printf into the arena; `ptr` NULL when the arena failed. */
struct str arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Room for one more item in an array that grows by doubling: returns the array (perhaps moved) with
 * at least `count + 1` places, or NULL. `*capacity` is updated.
 */
void *arena_reserve(struct arena *a, void *array, size_t count, size_t *capacity, size_t item_size);

/* ST_OK, or ST_LIMIT with a text when the arena failed. */
MUST_CHECK enum status arena_status(const struct arena *a, struct err *err);

#endif
