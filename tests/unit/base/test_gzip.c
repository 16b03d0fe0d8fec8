#include "base/gzip.h"

#include <zlib.h>

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { ROOM = 1 << 20 };

/* Compress with zlib itself: `window_bits` as deflateInit2() takes them, `name` in a gzip header.
 */
static struct str pack(struct str in, int window_bits, const char *name)
{
    z_stream z = {0};
    gz_header header = {.name = (Bytef *)(uintptr_t)name, .os = 3};
    size_t bound = in.len * 2 + 1000;
    char *to = mem_bytes(bound);

    cr_assert_not_null(to);
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    if (name != NULL)
        cr_assert_eq(deflateSetHeader(&z, &header), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.ptr;
    z.avail_in = (uInt)in.len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)bound;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = bound - z.avail_out;
    (void)deflateEnd(&z);
    return str_make(to, len);
}

static void drop(struct str s)
{
    mem_free((void *)(uintptr_t)s.ptr);
}

enum { GZIP_WINDOW = 31, RAW_WINDOW = -15, ZLIB_WINDOW = 15 };

/* Text that packs well and has no period that a window would hide. */
static struct str make_text(struct random *r, size_t len)
{
    char *text = mem_bytes(len);

    cr_assert_not_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = random_below(r, 4) == 0 ? (char)('a' + random_below(r, 26)) : ' ';
    return str_make(text, len);
}

Test(gzip, round_trip)
{
    static const size_t sizes[] = {0, 1, 100, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 300000};
    struct random r = random_begin();

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct str text = make_text(&r, sizes[i]);
        struct buf packed, out;
        buf_init(&packed, ROOM);
        buf_init(&out, ROOM);
        buf_put(&out, STR("before "));
        REQUIRE_OK(gzip_compress(text, &packed));
        EXPECT_STATUS("unpack", gzip_decompress(GZIP_GZIP, buf_str(&packed), &out, NULL), ST_OK);
        cr_expect(str_starts(buf_str(&out), STR("before ")), "%zu", sizes[i]);
        cr_expect(str_eq(str_cut(buf_str(&out), 7), text), "%zu: seed %" PRIu64, sizes[i], r.seed);
        buf_release(&packed);
        buf_release(&out);
        drop(text);
    }
}

/* What other programs send: parts, each packed in its way, one behind the other. */
static const struct unpack_case {
    const char *name;
    enum gzip_form form;
    int windows[3];
    const char *file_name;
    struct str behind;
    enum status want_st;
} unpack_cases[] = {
    {"gzip", GZIP_GZIP, {GZIP_WINDOW}, NULL, {NULL, 0}, ST_OK},
    {"gzip with the name of a file", GZIP_GZIP, {GZIP_WINDOW}, "log.txt", {NULL, 0}, ST_OK},
    {"three members", GZIP_GZIP, {GZIP_WINDOW, GZIP_WINDOW, GZIP_WINDOW}, NULL, {NULL, 0}, ST_OK},
    {"a member and zeros", GZIP_GZIP, {GZIP_WINDOW}, NULL, STR_INIT("\0\0\0\0"), ST_INVALID},
    {"a member and garbage", GZIP_GZIP, {GZIP_WINDOW}, NULL, STR_INIT("garbage!"), ST_INVALID},
    {"a member and half a header",
     GZIP_GZIP,
     {GZIP_WINDOW},
     NULL,
     STR_INIT("\x1f\x8b\x08"),
     ST_INVALID},
    {"deflate", GZIP_DEFLATE, {RAW_WINDOW}, NULL, {NULL, 0}, ST_OK},
    {"deflate and something behind", GZIP_DEFLATE, {RAW_WINDOW}, NULL, STR_INIT("x"), ST_OK},
    {"zlib as deflate", GZIP_DEFLATE, {ZLIB_WINDOW}, NULL, {NULL, 0}, ST_INVALID},
    {"zlib as gzip", GZIP_GZIP, {ZLIB_WINDOW}, NULL, {NULL, 0}, ST_INVALID},
    {"gzip as deflate", GZIP_DEFLATE, {GZIP_WINDOW}, NULL, {NULL, 0}, ST_INVALID},
    {"deflate as gzip", GZIP_GZIP, {RAW_WINDOW}, NULL, {NULL, 0}, ST_INVALID},
    {"no bytes as gzip", GZIP_GZIP, {0}, NULL, {NULL, 0}, ST_INVALID},
    {"no bytes as deflate", GZIP_DEFLATE, {0}, NULL, {NULL, 0}, ST_INVALID},
    {"text as gzip", GZIP_GZIP, {0}, NULL, STR_INIT("{\"streams\":[]}"), ST_INVALID},
};

Test(gzip, forms)
{
    struct random r = random_begin();
    struct str text = make_text(&r, 5000);

    for (size_t i = 0; i < COUNT_OF(unpack_cases); i++) {
        const struct unpack_case *c = &unpack_cases[i];
        struct err err = {.text = ""};
        struct buf in, out;
        size_t members = 0;

        buf_init(&in, ROOM);
        buf_init(&out, ROOM);
        for (; members < COUNT_OF(c->windows) && c->windows[members] != 0; members++) {
            struct str part = pack(text, c->windows[members], c->file_name);
            buf_put(&in, part);
            drop(part);
        }
        buf_put(&in, c->behind);
        EXPECT_STATUS(c->name, gzip_decompress(c->form, buf_str(&in), &out, &err), c->want_st);
        if (c->want_st == ST_OK)
            cr_expect_eq(out.len, members * text.len, "%s: %zu bytes", c->name, out.len);
        else
            cr_expect_neq(err.text[0], '\0', "%s: no text", c->name);
        buf_release(&in);
        buf_release(&out);
    }
    drop(text);
}

/* Unpack `in` with room for `max` bytes; *ret_len is how many came. */
static enum status unpack_into(enum gzip_form form, struct str in, size_t max, size_t *ret_len)
{
    struct buf out;

    buf_init(&out, max);
    enum status st = gzip_decompress(form, in, &out, NULL);
    *ret_len = out.len;
    buf_release(&out);
    return st;
}

Test(gzip, maximum)
{
    enum { SIZE = 40000 };
    struct random r = random_begin();
    struct str text = make_text(&r, SIZE);
    struct str gzip = pack(text, GZIP_WINDOW, NULL), raw = pack(text, RAW_WINDOW, NULL);
    size_t len = 0;

    EXPECT_STATUS("gzip, one to spare", unpack_into(GZIP_GZIP, gzip, SIZE + 1, &len), ST_OK);
    EXPECT_STATUS("gzip, none", unpack_into(GZIP_GZIP, gzip, SIZE, &len), ST_TOO_LARGE);
    EXPECT_STATUS("gzip, too little", unpack_into(GZIP_GZIP, gzip, SIZE - 1, &len), ST_TOO_LARGE);
    cr_expect_eq(len, 0, "the announced size alone decides");
    EXPECT_STATUS("raw, one to spare", unpack_into(GZIP_DEFLATE, raw, SIZE + 1, &len), ST_OK);
    EXPECT_STATUS("raw, none", unpack_into(GZIP_DEFLATE, raw, SIZE, &len), ST_TOO_LARGE);
    EXPECT_STATUS("raw, little", unpack_into(GZIP_DEFLATE, raw, SIZE / 2, &len), ST_TOO_LARGE);
    EXPECT_STATUS("no room at all", unpack_into(GZIP_DEFLATE, raw, 0, &len), ST_TOO_LARGE);
    drop(text);
    drop(gzip);
    drop(raw);
}

Test(gzip, a_trailer_that_lies)
{
    char zeros[100000] = "";
    struct str gzip = pack(str_make(zeros, sizeof(zeros)), GZIP_WINDOW, NULL);
    size_t len = 0;

    memset((char *)(uintptr_t)gzip.ptr + gzip.len - 4, 0, 4); /* says 0 bytes */
    EXPECT_STATUS("stopped by its real size", unpack_into(GZIP_GZIP, gzip, 50000, &len),
                  ST_TOO_LARGE);
    EXPECT_STATUS("damaged", unpack_into(GZIP_GZIP, gzip, ROOM, &len), ST_INVALID);
    drop(gzip);
}

Test(gzip, truncated_at_every_byte)
{
    struct random r = random_begin();
    struct str text = make_text(&r, 700);
    struct str gzip = pack(text, GZIP_WINDOW, "name"), raw = pack(text, RAW_WINDOW, NULL);
    size_t at = 0;

    for (size_t len = 0; len < gzip.len; len++)
        EXPECT_STATUS("gzip", unpack_into(GZIP_GZIP, str_head(gzip, len), ROOM, &at), ST_INVALID);
    for (size_t len = 0; len < raw.len; len++)
        EXPECT_STATUS("raw", unpack_into(GZIP_DEFLATE, str_head(raw, len), ROOM, &at), ST_INVALID);
    drop(text);
    drop(gzip);
    drop(raw);
}

/* A gzip member has a checksum: what is flipped is noticed, or makes no difference. */
Test(gzip, flipped_at_every_byte)
{
    struct random r = random_begin();
    struct str text = make_text(&r, 300);
    struct str gzip = pack(text, GZIP_WINDOW, NULL);
    char *bytes = (char *)(uintptr_t)gzip.ptr;
    size_t unnoticed = 0;

    for (size_t at = 0; at < gzip.len; at++) {
        struct buf out;
        buf_init(&out, ROOM);
        bytes[at] ^= 0x20;
        enum status st = gzip_decompress(GZIP_GZIP, gzip, &out, NULL);
        unnoticed += st == ST_OK && !str_eq(buf_str(&out), text);
        bytes[at] ^= 0x20;
        buf_release(&out);
    }
    cr_expect_eq(unnoticed, 0, "%zu of %zu, seed %" PRIu64, unnoticed, gzip.len, r.seed);
    drop(text);
    drop(gzip);
}

Test(gzip, garbage)
{
    struct random r = random_begin();
    char bytes[200];
    size_t len = 0;

    for (size_t i = 0; i < 20000; i++) {
        size_t count = random_below(&r, sizeof(bytes));
        random_bytes(&r, bytes, count);
        if (i % 2 == 0 && count > 3)
            memcpy(bytes, "\x1f\x8b\x08", 3);
        (void)!unpack_into(GZIP_GZIP, str_make(bytes, count), 4096, &len);
        (void)!unpack_into(GZIP_DEFLATE, str_make(bytes, count), 4096, &len);
        cr_assert_leq(len, 4096, "seed %" PRIu64, r.seed);
    }
}

Test(gzip, a_failure_leaves_the_output_alone)
{
    struct random r = random_begin();
    struct str text = make_text(&r, 100000);
    struct str gzip = pack(text, GZIP_WINDOW, NULL), raw = pack(text, RAW_WINDOW, NULL);
    struct buf out;

    buf_init(&out, ROOM);
    buf_put(&out, STR("before"));
    EXPECT_STATUS("cut", gzip_decompress(GZIP_DEFLATE, str_head(raw, raw.len - 1), &out, NULL),
                  ST_INVALID);
    EXPECT_STR("as it was", buf_str(&out), STR("before"));
    buf_release(&out);
    buf_init(&out, ROOM);
    mem_fail_after(2);
    EXPECT_STATUS("no memory", gzip_decompress(GZIP_GZIP, gzip, &out, NULL), ST_NOMEM);
    mem_fail_after(0);
    buf_release(&out);
    drop(text);
    drop(gzip);
    drop(raw);
}
