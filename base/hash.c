#include "base/hash.h"

#include <endian.h>
#include <pthread.h>

#include <sodium/crypto_shorthash_siphash24.h>
#define XXH_STATIC_LINKING_ONLY /* the size of its state */
#include <xxhash.h>

#include "base/entropy.h"

#include "base/banned.h"

static uint64_t mask = UINT64_MAX;
static struct hash_key process_key;
static pthread_once_t process_key_made = PTHREAD_ONCE_INIT;

_Static_assert(sizeof(struct hash_key) == crypto_shorthash_siphash24_KEYBYTES, "SipHash's key");

uint64_t hash_keyed(const struct hash_key *key, struct str s)
{
    const unsigned char *text = (const unsigned char *)s.ptr;
    uint64_t hash;

    (void)crypto_shorthash_siphash24((unsigned char *)&hash, text, s.len, key->bytes);
    return le64toh(hash) & mask;
}

static void make_process_key(void)
{
    enum status st = entropy_get(&process_key, sizeof(process_key), NULL);

    ASSERT(st == ST_OK); /* every kernel that can run this has them */
}

uint64_t hash_text(struct str s)
{
    (void)pthread_once(&process_key_made, make_process_key);
    return hash_keyed(&process_key, s);
}

uint64_t hash_xxh64(const struct str *parts, size_t count, char end)
{
    XXH64_state_t state;

    (void)XXH64_reset(&state, 0);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            (void)XXH64_update(&state, parts[i].ptr, parts[i].len);
        (void)XXH64_update(&state, &end, 1);
    }
    return XXH64_digest(&state);
}

void hash_weaken(unsigned bits)
{
    mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
}
