/*
 * atomic.h - the few shared words that need no lock. Nothing outside base/ uses C11 atomics itself.
 *
 * A counter only tells how much; it orders nothing. A flag orders: what a thread wrote before
 * flag_set() is seen by one that then reads true.
 */
#ifndef BASE_ATOMIC_H
#define BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

static inline void counter_add(struct counter *c, uint64_t n)
{
    (void)atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

/* The value before. */
static inline uint64_t counter_fetch_add(struct counter *c, uint64_t n)
{
    return atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

static inline void counter_sub(struct counter *c, uint64_t n)
{
    (void)atomic_fetch_sub_explicit(&c->value, n, memory_order_relaxed);
}

static inline void counter_set(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->value, n, memory_order_relaxed);
}

/* The value before one is added: numbers that no two callers share. */
static inline uint64_t counter_take(struct counter *c)
{
    return atomic_fetch_add_explicit(&c->value, 1, memory_order_relaxed);
}

static inline uint64_t counter_get(struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

struct flag {
    atomic_bool value;
};

static inline void flag_set(struct flag *f)
{
    atomic_store_explicit(&f->value, true, memory_order_release);
}

static inline void flag_clear(struct flag *f)
{
    atomic_store_explicit(&f->value, false, memory_order_release);
}

static inline bool flag_get(struct flag *f)
{
    return atomic_load_explicit(&f->value, memory_order_acquire);
}

/* A count of owners: the one that takes it to zero frees the object. */
struct refs {
    _Atomic uint32_t count;
};

static inline void refs_init(struct refs *r)
{
    atomic_init(&r->count, 1);
}

static inline void refs_take(struct refs *r)
{
    (void)atomic_fetch_add_explicit(&r->count, 1, memory_order_relaxed);
}

/* True for the last owner. */
static inline bool refs_drop(struct refs *r)
{
    return atomic_fetch_sub_explicit(&r->count, 1, memory_order_acq_rel) == 1;
}

#endif
