#include "chunks/chunk_mend.h"

#include <endian.h>
#include <stdlib.h>

#include "base/crc.h"
#include "chunks/chunk.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { HEAD_BYTES = 400, LENGTH_AT = 12, CRC_AT = 16 };

/* Random bytes with the length and the checksum of a head. */
static void make_head(struct random *r, char head[HEAD_BYTES])
{
    uint32_t length = htole32(HEAD_BYTES), crc = 0;

    random_bytes(r, head, HEAD_BYTES);
    memcpy(head + LENGTH_AT, &length, sizeof(length));
    memcpy(head + CRC_AT, &crc, sizeof(crc));
    crc = htole32(crc32c(0, str_make(head, HEAD_BYTES)));
    memcpy(head + CRC_AT, &crc, sizeof(crc));
}

/* Every value of every byte. */
Test(chunk_mend, one_wrong_byte)
{
    struct random r = random_begin();
    char head[HEAD_BYTES], damaged[HEAD_BYTES];

    make_head(&r, head);
    for (size_t at = 0; at < HEAD_BYTES; at++) {
        for (unsigned change = 1; change < 256; change++) {
            memcpy(damaged, head, HEAD_BYTES);
            damaged[at] = (char)((unsigned char)damaged[at] ^ change);
            cr_assert_eq(chunk_mend_length(str_make(damaged, HEAD_BYTES)), HEAD_BYTES,
                         "seed %" PRIu64 ": byte %zu ^ %u", r.seed, at, change);
            cr_assert(chunk_mend_byte(damaged, HEAD_BYTES), "seed %" PRIu64 ": byte %zu ^ %u",
                      r.seed, at, change);
            cr_assert_eq(memcmp(damaged, head, HEAD_BYTES), 0);
        }
    }
}

/* What cannot be mended stays as it is. */
Test(chunk_mend, more_damage)
{
    struct random r = random_begin();
    char head[HEAD_BYTES], damaged[HEAD_BYTES], before[HEAD_BYTES];
    size_t mended = 0;

    make_head(&r, head);
    cr_expect_not(chunk_mend_byte(head, HEAD_BYTES), "nothing is wrong");
    for (int i = 0; i < 20000; i++) {
        memcpy(damaged, head, HEAD_BYTES);
        for (int j = 0; j < 3; j++) {
            size_t at = random_below(&r, HEAD_BYTES);
            damaged[at] = (char)((unsigned char)damaged[at] ^ (1 + random_below(&r, 255)));
        }
        memcpy(before, damaged, HEAD_BYTES);
        if (chunk_mend_byte(damaged, HEAD_BYTES))
            mended++; /* one in forty thousand; the other checks of a head are for that */
        else
            cr_assert_eq(memcmp(damaged, before, HEAD_BYTES), 0);
    }
    cr_expect_lt(mended, 20, "seed %" PRIu64 ": %zu", r.seed, mended);
    cr_expect_not(chunk_mend_byte(head, CHUNK_FIXED_BYTES - 1), "too short");
    cr_expect_eq(chunk_mend_length(str_make(head, CHUNK_FIXED_BYTES - 1)), 0);
}
