#include "chunks/codec.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

static const enum codec codecs[] = {CODEC_NONE, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};

/* The numbers are part of the chunk format. */
static const struct name_case {
    const char *name;
    unsigned number;
} name_cases[] = {{"none", 0}, {"snappy", 1}, {"lz4", 2}, {"zstd", 3}};

Test(codec, names)
{
    enum codec codec = CODEC_LZ4;

    for (size_t i = 0; i < COUNT_OF(name_cases); i++) {
        const struct name_case *c = &name_cases[i];
        EXPECT_STATUS(c->name, codec_by_number(c->number, &codec), ST_OK);
        cr_expect_eq((unsigned)codec, c->number, "%s", c->name);
        EXPECT_STATUS(c->name, codec_by_name(str_from(c->name), &codec), ST_OK);
        cr_expect_eq((unsigned)codec, c->number, "%s", c->name);
        cr_expect_str_eq(codec_name(codec), c->name);
    }
    codec = CODEC_LZ4;
    EXPECT_STATUS("number", codec_by_number(4, &codec), ST_INVALID);
    EXPECT_STATUS("large number", codec_by_number(255, &codec), ST_INVALID);
    EXPECT_STATUS("name", codec_by_name(STR("gzip"), &codec), ST_INVALID);
    EXPECT_STATUS("capitals", codec_by_name(STR("ZSTD"), &codec), ST_INVALID);
    EXPECT_STATUS("empty", codec_by_name(STR(""), &codec), ST_INVALID);
    cr_expect_eq(codec, CODEC_LZ4);
}

/* Text that packs well (`alphabet` 2) or not at all (256). */
static struct str make_text(struct random *r, size_t len, size_t alphabet)
{
    char *text = mem_bytes(len);

    cr_assert_not_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)random_below(r, alphabet);
    return str_make(text, len);
}

static void drop(struct str s)
{
    mem_free((void *)(uintptr_t)s.ptr);
}

Test(codec, round_trip)
{
    static const size_t sizes[] = {0, 1, 2, 100, 4096, 65536, 262144, 262145, 1000000};
    struct random r = random_begin();
    struct codec_context *context = codec_context_new();

    for (size_t i = 0; i < COUNT_OF(codecs) * COUNT_OF(sizes) * 2; i++) {
        enum codec codec = codecs[i % COUNT_OF(codecs)];
        size_t size = sizes[i / 2 / COUNT_OF(codecs)];
        struct str text = make_text(&r, size, i % 2 == 0 ? 2 : 256);
        char *back = mem_bytes(size);
        struct buf packed;
        buf_init(&packed, 4 * MIB);
        buf_put(&packed, STR("before"));
        REQUIRE_OK(codec_pack(context, codec, CODEC_LEVEL_DEFAULT, text, &packed));
        struct str in = str_cut(buf_str(&packed), 6);
        cr_expect_leq(in.len, size, "%s of %zu is larger", codec_name(codec), size);
        EXPECT_STATUS(codec_name(codec), codec_unpack(context, codec, in, back, size), ST_OK);
        cr_expect(str_eq(str_make(back, size), text), "%s of %zu, seed %" PRIu64, codec_name(codec),
                  size, r.seed);
        mem_free(back);
        buf_release(&packed);
        drop(text);
    }
    codec_context_free(context);
    codec_context_free(NULL);
}

/* Pieces of one text in any order, so that it pays to look for matches. */
static struct str make_pieces(struct random *r)
{
    enum { POOL_BYTES = 20000, PIECE_BYTES = 40, PIECES = 3000 };
    struct str pool = make_text(r, POOL_BYTES, 16);
    char *text = mem_bytes((size_t)PIECES * PIECE_BYTES);

    for (size_t i = 0; i < PIECES; i++)
        memcpy(text + i * PIECE_BYTES, pool.ptr + random_below(r, POOL_BYTES - PIECE_BYTES),
               PIECE_BYTES);
    drop(pool);
    return str_make(text, (size_t)PIECES * PIECE_BYTES);
}

/* The length of `text` packed at a level, which is undone as any. */
static size_t packed_bytes(struct codec_context *context, enum codec codec, int level,
                           struct str text)
{
    char *back = mem_bytes(text.len);
    struct buf out;

    buf_init(&out, MIB);
    REQUIRE_OK(codec_pack(context, codec, level, text, &out));
    size_t bytes = out.len;
    EXPECT_STATUS(codec_name(codec), codec_unpack(context, codec, buf_str(&out), back, text.len),
                  ST_OK);
    cr_expect(str_eq(str_make(back, text.len), text));
    buf_release(&out);
    mem_free(back);
    return bytes;
}

/* zstd packs better at a higher level; the others know none. */
Test(codec, levels)
{
    struct random r = random_of(3);
    struct codec_context *context = codec_context_new();
    struct str text = make_pieces(&r);

    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        size_t usual = packed_bytes(context, codecs[i], CODEC_LEVEL_DEFAULT, text);
        size_t first = packed_bytes(context, codecs[i], 1, text);
        size_t high = packed_bytes(context, codecs[i], 12, text);
        cr_expect_eq(usual, first, "%s", codec_name(codecs[i]));
        cr_expect(codecs[i] == CODEC_ZSTD ? high < first : high == first, "%s: %zu, %zu",
                  codec_name(codecs[i]), first, high);
    }
    drop(text);
    codec_context_free(context);
}

/* `in` unpacked into memory of just `raw_bytes`, for the address sanitizer. */
static enum status unpack(struct codec_context *context, enum codec codec, struct str in,
                          size_t raw_bytes)
{
    char *to = mem_bytes(raw_bytes), *copy = mem_bytes(in.len);

    if (in.len > 0)
        memcpy(copy, in.ptr, in.len);
    enum status st = codec_unpack(context, codec, str_make(copy, in.len), to, raw_bytes);
    mem_free(to);
    mem_free(copy);
    return st;
}

Test(codec, damaged)
{
    enum { SIZE = 3000 };
    struct random r = random_begin();
    struct codec_context *context = codec_context_new();

    for (size_t i = 1; i < COUNT_OF(codecs); i++) {
        struct str text = make_text(&r, SIZE, 3);
        const char *name = codec_name(codecs[i]);
        struct buf packed;
        buf_init(&packed, MIB);
        REQUIRE_OK(codec_pack(context, codecs[i], CODEC_LEVEL_DEFAULT, text, &packed));
        struct str in = buf_str(&packed);
        EXPECT_STATUS(name, unpack(context, codecs[i], in, SIZE + 1), ST_CORRUPT);
        EXPECT_STATUS(name, unpack(context, codecs[i], in, SIZE - 1), ST_CORRUPT);
        EXPECT_STATUS(name, unpack(context, codecs[i], in, 0), ST_CORRUPT);
        for (size_t cut = 0; cut < in.len; cut++)
            EXPECT_STATUS(name, unpack(context, codecs[i], str_head(in, cut), SIZE), ST_CORRUPT);
        for (size_t at = 0; at < in.len; at++) {
            packed.ptr[at] = (char)(packed.ptr[at] ^ (1 << random_below(&r, 8)));
            (void)!unpack(context, codecs[i], in, SIZE);
        }
        buf_release(&packed);
        drop(text);
    }
    EXPECT_STATUS("none, too short", unpack(context, CODEC_NONE, STR("abc"), 4), ST_CORRUPT);
    EXPECT_STATUS("none, too long", unpack(context, CODEC_NONE, STR("abc"), 2), ST_CORRUPT);
    codec_context_free(context);
}

Test(codec, too_little_room)
{
    struct random r = random_begin();
    struct codec_context *context = codec_context_new();
    struct str text = make_text(&r, 100000, 256);

    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        struct buf out;
        buf_init(&out, 1000);
        enum status st = codec_pack(context, codecs[i], CODEC_LEVEL_DEFAULT, text, &out);
        EXPECT_STATUS(codec_name(codecs[i]), st, ST_TOO_LARGE);
        cr_expect_eq(out.len, 0);
        buf_release(&out);
        buf_init(&out, MIB);
        mem_fail_after(1);
        EXPECT_STATUS(codec_name(codecs[i]),
                      codec_pack(context, codecs[i], CODEC_LEVEL_DEFAULT, text, &out), ST_NOMEM);
        mem_fail_after(0);
        buf_release(&out);
    }
    drop(text);
    codec_context_free(context);
}
