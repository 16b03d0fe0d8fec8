#include "base/buf.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

static const struct uvarint_case {
    const char *name;
    uint64_t v;
    struct str bytes;
} uvarint_cases[] = {
    {"zero", 0, STR_INIT("\0")},
    {"largest of one byte", 127, STR_INIT("\x7f")},
    {"smallest of two", 128, STR_INIT("\x80\x01")},
    {"300", 300, STR_INIT("\xac\x02")},
    {"32 bits", UINT32_MAX, STR_INIT("\xff\xff\xff\xff\x0f")},
    {"63 bits", INT64_MAX, STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\x7f")},
    {"64 bits", UINT64_MAX, STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
};

Test(buf, uvarint)
{
    for (size_t i = 0; i < COUNT_OF(uvarint_cases); i++) {
        const struct uvarint_case *c = &uvarint_cases[i];
        struct buf b;
        uint64_t v = 77;

        buf_init(&b, 64);
        buf_put_uvarint(&b, c->v);
        EXPECT_STR(c->name, buf_str(&b), c->bytes);
        struct str in = buf_str(&b);
        cr_expect(get_uvarint(&in, &v), "%s", c->name);
        cr_expect_eq(v, c->v, "%s: %" PRIu64, c->name, v);
        cr_expect_eq(in.len, 0, "%s: %zu bytes left", c->name, in.len);
        for (size_t len = 0; len < c->bytes.len; len++) {
            in = str_head(c->bytes, len);
            v = 77;
            cr_expect_not(get_uvarint(&in, &v), "%s: cut to %zu", c->name, len);
            cr_expect(v == 77 && in.len == len, "%s: cut to %zu: outputs changed", c->name, len);
        }
        buf_release(&b);
    }
}

static const struct bad_uvarint_case {
    const char *name;
    struct str bytes;
} bad_uvarint_cases[] = {
    {"65 bits", STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},
    {"eleven bytes", STR_INIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
    {"tenth byte says that more follow", STR_INIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x81\0")},
};

Test(buf, bad_uvarint)
{
    for (size_t i = 0; i < COUNT_OF(bad_uvarint_cases); i++) {
        struct str in = bad_uvarint_cases[i].bytes;
        uint64_t v = 77;

        cr_expect_not(get_uvarint(&in, &v), "%s", bad_uvarint_cases[i].name);
        cr_expect(v == 77 && in.len == bad_uvarint_cases[i].bytes.len, "%s: outputs changed",
                  bad_uvarint_cases[i].name);
    }
}

Test(buf, uvarint_round_trip)
{
    struct random r = random_begin();
    struct buf b;
    unsigned bad = 0;

    buf_init(&b, 64);
    for (size_t i = 0; i < 100000; i++) {
        uint64_t want = random_u64(&r) >> random_below(&r, 64), got = 0;
        buf_reset(&b);
        buf_put_uvarint(&b, want);
        struct str in = buf_str(&b);
        bad += !get_uvarint(&in, &got) || got != want || in.len != 0;
    }
    cr_expect_eq(bad, 0, "%u wrong, seed %" PRIu64, bad, r.seed);
    buf_release(&b);
}

Test(buf, integers)
{
    struct buf b;
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    struct str s = STR_NULL;

    buf_init(&b, 1024);
    buf_put_u8(&b, 0xfe);
    buf_put_u16(&b, 0x0102);
    buf_put_u32(&b, 0x01020304);
    buf_put_u64(&b, UINT64_C(0x0102030405060708));
    buf_put_str(&b, STR("a\0b"));
    EXPECT_STR("little endian", buf_str(&b),
               STR("\xfe\x02\x01\x04\x03\x02\x01\x08\x07\x06\x05\x04\x03\x02\x01\x03"
                   "a\0b"));
    buf_set_u32(&b, 3, 0xa0b0c0d0);
    struct str in = buf_str(&b);
    cr_expect(get_u8(&in, &u8) && u8 == 0xfe);
    cr_expect(get_u16(&in, &u16) && u16 == 0x0102);
    cr_expect(get_u32(&in, &u32) && u32 == 0xa0b0c0d0);
    cr_expect(get_u64(&in, &u64) && u64 == UINT64_C(0x0102030405060708));
    cr_expect(get_str(&in, &s));
    EXPECT_STR("string", s, STR("a\0b"));
    cr_expect_eq(in.len, 0);
    buf_release(&b);
}

Test(buf, get_cut_short)
{
    struct str in = STR("1234567"), s = STR("untouched");
    uint64_t u64 = 77;

    cr_expect_not(get_u64(&in, &u64));
    cr_expect_not(get_bytes(&in, 8, &s));
    cr_expect_eq(u64, 77);
    EXPECT_STR("nothing is cut", in, STR("1234567"));
    in = STR("\x05"
             "abcd");
    cr_expect_not(get_str(&in, &s));
    cr_expect_eq(in.len, 5);
    in = STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x");
    cr_expect_not(get_str(&in, &s), "a length of 64 bits");
    cr_expect_eq(in.len, 11);
    EXPECT_STR("no output", s, STR("untouched"));
    cr_expect(get_bytes(&in, 0, &s) && s.len == 0);
}

Test(buf, zigzag)
{
    static const int64_t values[] = {0, -1, 1, -2, 2};

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        cr_expect_eq(zigzag(values[i]), i, "%" PRId64, values[i]);
        cr_expect_eq(unzigzag(i), values[i], "%" PRId64, values[i]);
    }
    cr_expect_eq(zigzag(INT64_MIN), UINT64_MAX);
    cr_expect_eq(unzigzag(UINT64_MAX), INT64_MIN);
    cr_expect_eq(unzigzag(zigzag(INT64_MAX)), INT64_MAX);
}

static const struct i64_case {
    int64_t v;
    struct str want;
} i64_cases[] = {
    {0, STR_INIT("0")},
    {-1, STR_INIT("-1")},
    {1234567890, STR_INIT("1234567890")},
    {INT64_MAX, STR_INIT("9223372036854775807")},
    {INT64_MIN, STR_INIT("-9223372036854775808")},
};

Test(buf, put_i64)
{
    for (size_t i = 0; i < COUNT_OF(i64_cases); i++) {
        struct buf b;

        buf_init(&b, 64);
        buf_put_i64(&b, i64_cases[i].v);
        EXPECT_STR("decimal", buf_str(&b), i64_cases[i].want);
        buf_release(&b);
    }
}

/* ---- the maximum ---- */

static void put_nothing(struct buf *b)
{
    buf_put(b, STR_NULL);
}

static void put_eight(struct buf *b)
{
    buf_put(b, STR("12345678"));
}

static void put_nine(struct buf *b)
{
    buf_put(b, STR("123456789"));
}

static void put_u64(struct buf *b)
{
    buf_put_u64(b, 1);
}

static void put_zeros(struct buf *b)
{
    buf_put_zeros(b, 8);
}

static void put_too_many_zeros(struct buf *b)
{
    buf_put_zeros(b, SIZE_MAX);
}

static void put_small_uvarint(struct buf *b)
{
    buf_put_uvarint(b, 1);
}

static void put_wide_uvarint(struct buf *b)
{
    buf_put_uvarint(b, UINT64_C(1) << 49); /* eight bytes */
}

static void put_wider_uvarint(struct buf *b)
{
    buf_put_uvarint(b, UINT64_C(1) << 56); /* nine bytes */
}

static void put_text(struct buf *b)
{
    buf_printf(b, "%d", 1234567);
}

static void put_long_text(struct buf *b)
{
    buf_printf(b, "%s", "123456789");
}

/* What is put into a buffer with a maximum of eight bytes, alone and behind one byte. */
static const struct maximum_case {
    const char *name;
    void (*put)(struct buf *b);
    size_t len;
    bool fails;
    bool fails_behind_one;
} maximum_cases[] = {
    {"nothing", put_nothing, 0, false, false},
    {"as many as there may be", put_eight, 8, false, true},
    {"one too many", put_nine, 9, true, true},
    {"an integer", put_u64, 8, false, true},
    {"zeros", put_zeros, 8, false, true},
    {"more zeros than an address space", put_too_many_zeros, 0, true, true},
    {"a small uvarint", put_small_uvarint, 1, false, false},
    {"a uvarint of eight bytes", put_wide_uvarint, 8, false, true},
    {"a uvarint of nine bytes", put_wider_uvarint, 9, true, true},
    {"text and its zero byte", put_text, 7, false, true},
    {"too much text", put_long_text, 9, true, true},
};

Test(buf, maximum)
{
    for (size_t i = 0; i < COUNT_OF(maximum_cases); i++) {
        const struct maximum_case *c = &maximum_cases[i];

        for (size_t before = 0; before < 2; before++) {
            bool fails = before == 0 ? c->fails : c->fails_behind_one;
            struct buf b;
            buf_init(&b, 8);
            buf_put(&b, str_head(STR("x"), before));
            c->put(&b);
            cr_expect_eq(b.failed, fails, "%s behind %zu", c->name, before);
            cr_expect_eq(b.len, before + (fails ? 0 : c->len), "%s behind %zu: %zu bytes", c->name,
                         before, b.len);
            cr_expect_eq(buf_status(&b, NULL) == ST_OK, !fails, "%s behind %zu: status", c->name,
                         before);
            buf_release(&b);
        }
    }
}

Test(buf, failed_stays)
{
    struct err err;
    struct buf b;

    buf_init(&b, 4);
    buf_put(&b, STR("1234"));
    cr_expect_eq(buf_status(&b, NULL), ST_OK);
    buf_put_char(&b, '5');
    cr_expect(b.failed);
    EXPECT_STATUS("full", buf_status(&b, &err), ST_TOO_LARGE);
    b.len = 2; /* room again */
    buf_put_char(&b, '5');
    buf_set_u32(&b, 0, 0);
    cr_expect_null(buf_reserve(&b, 0));
    EXPECT_STR("nothing changes from then on", buf_str(&b), STR("12"));
    buf_reset(&b);
    cr_expect(!b.failed && b.len == 0);
    buf_put(&b, STR("5678"));
    EXPECT_STR("again after a reset", buf_str(&b), STR("5678"));
    buf_release(&b);
    cr_expect_eq(b.max, 4, "the maximum outlives a release");
}

Test(buf, maximum_of_nothing)
{
    struct buf b;

    buf_init(&b, 0);
    buf_put(&b, STR(""));
    cr_expect_not(b.failed);
    buf_put_char(&b, 'x');
    cr_expect(b.failed);
    EXPECT_STATUS("no room at all", buf_status(&b, NULL), ST_TOO_LARGE);
    buf_release(&b);
}

Test(buf, memory_runs_out)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_put(&b, STR("kept"));
    mem_fail_after(1);
    buf_put_zeros(&b, 4096);
    mem_fail_after(0);
    cr_expect(b.failed);
    EXPECT_STATUS("no memory", buf_status(&b, NULL), ST_NOMEM);
    EXPECT_STR("content stays", buf_str(&b), STR("kept"));
    buf_release(&b);
}

Test(buf, reserve_and_advance)
{
    struct buf b;

    buf_init(&b, 1000);
    char *to = buf_reserve(&b, 1000);
    cr_assert_not_null(to);
    cr_expect_eq(b.len, 0);
    memset(to, 'x', 1000);
    buf_advance(&b, 1000);
    cr_expect_eq(b.len, 1000);
    cr_expect_null(buf_reserve(&b, 1));
    buf_release(&b);
}

Test(buf, detach)
{
    struct buf b;

    buf_init(&b, 100);
    buf_put(&b, STR("mine"));
    struct str s = buf_detach(&b);
    EXPECT_STR("bytes", s, STR("mine"));
    cr_expect(b.ptr == NULL && b.len == 0 && b.max == 100);
    buf_put(&b, STR("new"));
    EXPECT_STR("not shared", s, STR("mine"));
    mem_free((void *)(uintptr_t)s.ptr);
    buf_release(&b);
}

Test(buf, grows)
{
    struct random r = random_begin();
    enum { BYTES = 100000 };
    char *model = mem_bytes(BYTES);
    struct buf b;

    cr_assert_not_null(model);
    buf_init(&b, BYTES);
    random_bytes(&r, model, BYTES);
    for (size_t at = 0; at < BYTES;) {
        size_t len = random_below(&r, 3000);
        len = MIN_OF(len, BYTES - at);
        buf_put(&b, str_make(model + at, len));
        at += len;
    }
    cr_expect(str_eq(buf_str(&b), str_make(model, BYTES)), "seed %" PRIu64, r.seed);
    cr_expect_leq(b.capacity, BYTES);
    mem_free(model);
    buf_release(&b);
}
