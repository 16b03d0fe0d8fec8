/*
 * random.h - random input for tests that can be had again.
 *
 * A test begins with random_begin() and names `seed` in what it says when it fails; the same run is
 * had again with SKALD_TEST_SEED=<seed> in the environment.
 *
 *     struct random r = random_begin();
 *     cr_expect(holds, "seed %" PRIu64, r.seed);
 */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t seed;
    uint64_t state;
};

/* A generator with the seed of the environment, else one from the clock. */
struct random random_begin(void);

/* A generator with this seed. */
struct random random_of(uint64_t seed);

uint64_t random_u64(struct random *r);

/* A number from 0 to `count` - 1; `count` is not 0. */
size_t random_below(struct random *r, size_t count);

/* Any bytes. */
void random_bytes(struct random *r, char *to, size_t len);

/* Small letters. */
void random_letters(struct random *r, char *to, size_t len);

#endif
