/*
 * hash.h - hashes of texts.
 *
 * Whoever pushes chooses the texts that tables are made of. Under a hash without a secret he could
 * choose thousands of one hash and turn a table into a list, so tables use SipHash-2-4 (J.-P.
 * Aumasson and D. J. Bernstein, 2012; the function is libsodium's) under a key that he cannot know.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct hash_key {
    unsigned char bytes[16];
};

/* For tables on a disk, which keep the key. */
uint64_t hash_keyed(const struct hash_key *key, struct str s);

/* For tables in memory: under a key of this process. */
uint64_t hash_text(struct str s);

/*
 * XXH64 with seed 0 (xxHash) of all `parts`, each followed by the byte `end`: the order of streams
 * in answers. It has no secret.
 */
uint64_t hash_xxh64(const struct str *parts, size_t count, char end);

/* For tests of tables: only so many bits of the first two are left; 64 are all. */
void hash_weaken(unsigned bits);

#endif
