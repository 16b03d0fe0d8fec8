#include "tests/support/random.h"

#include <stdlib.h>
#include <time.h>

#include "base/defs.h"

#include "base/banned.h"

struct random random_of(uint64_t seed)
{
    return (struct random){.seed = seed, .state = seed};
}

struct random random_begin(void)
{
    const char *wanted = getenv("SKALD_TEST_SEED");
    struct timespec now;

    if (wanted != NULL)
        return random_of(strtoull(wanted, NULL, 10));
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return random_of((uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec);
}

/* SplitMix64 (G. Steele, D. Lea, C. Flood, 2014). */
uint64_t random_u64(struct random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t random_below(struct random *r, size_t count)
{
    ASSERT(count > 0);
    return (size_t)(random_u64(r) % count);
}

void random_bytes(struct random *r, char *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(unsigned char)random_u64(r);
}

void random_letters(struct random *r, char *to, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (char)('a' + random_below(r, 26));
}
