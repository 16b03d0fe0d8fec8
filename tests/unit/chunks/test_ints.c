#include "chunks/ints.h"

#include "base/mem.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { OUT_BYTES_MAX = 1024 * 1024, COUNT_MAX = 3 * INTS_RUN };

/* The same bytes in memory of just their size, for the address sanitizer. */
static struct str copy_of(const struct buf *b)
{
    char *copy = mem_bytes(b->len);

    memcpy(copy, b->ptr, b->len);
    return str_make(copy, b->len);
}

static bool read_back(struct str in, const uint64_t *values, size_t count)
{
    uint64_t got[INTS_RUN];

    for (size_t i = 0; i < count; i += INTS_RUN) {
        size_t run = MIN_OF(count - i, (size_t)INTS_RUN);
        if (!ints_get_run(&in, run, got) || memcmp(got, values + i, run * sizeof(*got)) != 0)
            return false;
    }
    return in.len == 0;
}

/* Pack, read back, and return how many bytes it took. */
static size_t expect_round_trip(const char *name, const uint64_t *values, size_t count)
{
    struct buf out;

    buf_init(&out, OUT_BYTES_MAX);
    ints_put(&out, values, count);
    cr_assert(!out.failed);
    struct str in = copy_of(&out);
    cr_expect(read_back(in, values, count), "%s of %zu", name, count);
    size_t bytes = in.len;
    mem_free((void *)(uintptr_t)in.ptr);
    buf_release(&out);
    return bytes;
}

/* Every width, alone and above a base, in runs of every length. */
Test(ints, round_trip)
{
    struct random r = random_begin();
    uint64_t values[COUNT_MAX];

    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
        for (size_t count = 1; count <= COUNT_MAX; count += 1 + random_below(&r, 40)) {
            uint64_t base = random_below(&r, 2) == 0 ? 0 : random_u64(&r);
            for (size_t i = 0; i < count; i++)
                values[i] = base + (random_u64(&r) & mask);
            (void)expect_round_trip("any", values, count);
            values[random_below(&r, count)] = random_u64(&r);
            (void)expect_round_trip("one exception", values, count);
        }
    }
}

/* What the runs are for: few bits for small differences, whatever the size, and few exceptions. */
Test(ints, sizes)
{
    uint64_t values[INTS_RUN];

    for (size_t i = 0; i < INTS_RUN; i++)
        values[i] = 0;
    cr_expect_eq(expect_round_trip("zeros", values, INTS_RUN), 1);
    for (size_t i = 0; i < INTS_RUN; i++)
        values[i] = UINT64_MAX;
    cr_expect_eq(expect_round_trip("equal", values, INTS_RUN), 1 + UVARINT_BYTES_MAX);
    for (size_t i = 0; i < INTS_RUN; i++)
        values[i] = 100 + i % 8;
    cr_expect_eq(expect_round_trip("three bits", values, INTS_RUN), 2 + INTS_RUN * 3 / 8);
    values[77] = 1000000; /* a count, a place and three bytes */
    cr_expect_eq(expect_round_trip("an exception", values, INTS_RUN), 2 + INTS_RUN * 3 / 8 + 5);
    values[78] = UINT64_MAX;
    (void)expect_round_trip("the largest", values, INTS_RUN);
}

/* The bytes of the document, written by hand. */
Test(ints, bytes)
{
    static const uint64_t values[] = {5, 6, 7, 5, 4096 + 6};
    struct buf out;

    buf_init(&out, OUT_BYTES_MAX);
    ints_put(&out, values, COUNT_OF(values));
    /* Width 3, base 5: 0 1 2 0 and 4097, whose low bits are 1; at place 4 there are 512 above. */
    struct str want = STR("\xc3\x05\x88\x10\x01\x04\x80\x04");
    cr_expect(str_eq(buf_str(&out), want));
    buf_release(&out);
}

static bool reads(struct str in, size_t count)
{
    uint64_t to[INTS_RUN];
    char *copy = mem_bytes(in.len);

    if (in.len > 0)
        memcpy(copy, in.ptr, in.len);
    struct str rest = str_make(copy, in.len);
    bool good = ints_get_run(&rest, count, to);
    mem_free(copy);
    return good;
}

Test(ints, damaged)
{
    static const struct {
        const char *name;
        struct str in;
        bool good;
    } cases[] = {
        {"nothing", STR_INIT(""), false},
        {"zeros", STR_INIT("\0"), true},
        {"too few bits", STR_INIT("\x08\x01\x02\x03"), false},
        {"just enough", STR_INIT("\x08\x01\x02\x03\x04"), true},
        {"no base", STR_INIT("\x40"), false},
        {"half a base", STR_INIT("\x40\x80"), false},
        {"a base", STR_INIT("\x40\x80\x01"), true},
        {"no such width",
         STR_INIT("\x3a\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                  "\1\1\1\1\1\1\1\1\1\1\1\1\1"),
         false},
        {"no number of exceptions", STR_INIT("\x80"), false},
        {"no exceptions", STR_INIT("\x80\0"), true},
        {"an exception", STR_INIT("\x80\x01\x03\x07"), true},
        {"an exception at no place", STR_INIT("\x80\x01\x04\x07"), false},
        {"half an exception", STR_INIT("\x80\x01\x03"), false},
        {"half of its bits", STR_INIT("\x80\x01\x03\x80"), false},
        {"one too few", STR_INIT("\x80\x02\x03\x01"), false},
        {"full width and exceptions",
         STR_INIT("\xb9\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                  "\0\0\0\0\0\0\0\0\0"),
         false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        cr_expect_eq(reads(cases[i].in, 4), cases[i].good, "%s", cases[i].name);
}

/* Cut anywhere a run is none; any byte may be anything. */
Test(ints, cut_and_forged)
{
    struct random r = random_begin();
    uint64_t values[INTS_RUN];

    for (size_t round = 0; round < 300; round++) {
        size_t count = 1 + random_below(&r, INTS_RUN);
        struct buf out;
        buf_init(&out, OUT_BYTES_MAX);
        for (size_t i = 0; i < count; i++)
            values[i] = random_u64(&r) >> (random_below(&r, 9) == 0 ? 0 : 64 - 7);
        ints_put_run(&out, values, count);
        for (size_t len = 0; len < out.len; len++)
            cr_expect(!reads(str_head(buf_str(&out), len), count), "seed %" PRIu64, r.seed);
        for (size_t i = 0; i < 200; i++) {
            out.ptr[random_below(&r, out.len)] = (char)random_u64(&r);
            (void)reads(buf_str(&out), count);
        }
        buf_release(&out);
    }
}

Test(ints, no_room)
{
    static const uint64_t values[] = {1, 1000, 1 << 20};
    struct buf out;

    buf_init(&out, 3);
    ints_put(&out, values, COUNT_OF(values));
    EXPECT_STATUS("too small", buf_status(&out, NULL), ST_TOO_LARGE);
    buf_release(&out);
}
