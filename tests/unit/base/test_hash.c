#include "base/hash.h"

#include "base/entropy.h"
#include "tests/support/expect.h"

#include "base/banned.h"

/* SipHash-2-4 under the key 00 01 .. 0f: the vectors of the reference implementation. */
static const struct vector {
    size_t bytes; /* 00 01 .. */
    uint64_t want;
} vectors[] = {
    {0, UINT64_C(0x726fdb47dd0e0e31)},
    {1, UINT64_C(0x74f839c593dc67fd)},
    {8, UINT64_C(0x93f5f5799a932462)},
    {15, UINT64_C(0xa129ca6149be45e5)},
};

Test(hash, siphash)
{
    struct hash_key key, other;
    char text[16];

    entropy_fake(true);
    REQUIRE_OK(entropy_get(&key, sizeof(key), NULL));
    REQUIRE_OK(entropy_get(text, sizeof(text), NULL));
    entropy_fake(false);
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        cr_expect_eq(hash_keyed(&key, str_make(text, vectors[i].bytes)), vectors[i].want,
                     "%zu bytes", vectors[i].bytes);
    REQUIRE_OK(entropy_get(&other, sizeof(other), NULL));
    cr_expect_neq(hash_keyed(&other, STR("a")), hash_keyed(&key, STR("a")), "the key counts");
}

Test(hash, of_this_process)
{
    cr_expect_eq(hash_text(STR("a")), hash_text(STR("a")));
    cr_expect_neq(hash_text(STR("a")), hash_text(STR("b")));
    hash_weaken(3);
    cr_expect_lt(hash_text(STR("a")), 8);
    hash_weaken(64);
}

/* XXH64 with seed 0, as its own documentation and test vectors have it. */
Test(hash, xxh64)
{
    static const struct str parts[] = {STR_INIT("ab"), STR_INIT("")};
    static const struct str one = STR_INIT("ab\xff");

    cr_expect_eq(hash_xxh64(NULL, 0, 'c'), UINT64_C(0xef46db3751d8e999));
    cr_expect_eq(hash_xxh64(parts + 1, 1, 'a'), UINT64_C(0xd24ec4f1a98c6e5b));
    cr_expect_eq(hash_xxh64(parts, 1, 'c'), UINT64_C(0x44bc2cf5ad770999));
    cr_expect_eq(hash_xxh64(parts, 2, '\xff'), hash_xxh64(&one, 1, '\xff'));
}
