#include "base/crc.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* RFC 3720, appendix B.4, and the usual check value. */
static const struct crc_case {
    const char *name;
    struct str s;
    uint32_t want;
} crc_cases[] = {
    {"nothing", {NULL, 0}, 0},
    {"32 zeros", STR_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     0x8a9136aa},
    {"32 ones",
     STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
              "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
     0x62a8ab43},
    {"ascending",
     STR_INIT("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
              "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"),
     0x46dd794e},
    {"descending",
     STR_INIT("\x1f\x1e\x1d\x1c\x1b\x1a\x19\x18\x17\x16\x15\x14\x13\x12\x11\x10"
              "\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08\x07\x06\x05\x04\x03\x02\x01\x00"),
     0x113fdb5c},
    {"digits", STR_INIT("123456789"), 0xe3069283},
};

Test(crc, known_values)
{
    for (size_t i = 0; i < COUNT_OF(crc_cases); i++) {
        const struct crc_case *c = &crc_cases[i];

        cr_expect_eq(crc32c(0, c->s), c->want, "%s: %#x", c->name, crc32c(0, c->s));
        cr_expect_eq(crc32c_tables(0, c->s), c->want, "%s by tables: %#x", c->name,
                     crc32c_tables(0, c->s));
    }
}

Test(crc, tables_equal_instruction)
{
    struct random r = random_begin();
    static char bytes[5000];
    unsigned wrong = 0;

    random_bytes(&r, bytes, sizeof(bytes));
    for (size_t i = 0; i < 3000; i++) {
        size_t begin = random_below(&r, 40);
        size_t len = random_below(&r, i % 10 == 0 ? sizeof(bytes) - begin : 40);
        struct str s = str_make(bytes + begin, len);
        uint32_t crc = (uint32_t)random_u64(&r);
        size_t cut = random_below(&r, len + 1);
        wrong += crc32c(crc, s) != crc32c_tables(crc, s);
        wrong += crc32c(crc32c(crc, str_head(s, cut)), str_cut(s, cut)) != crc32c(crc, s);
    }
    cr_expect_eq(wrong, 0, "%u wrong, seed %" PRIu64, wrong, r.seed);
}
