#include "chunks/segment_walk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/io.h"

enum { CHUNKS = 4, ENTRIES = 20 };

static const struct label pairs[] = {{STR_INIT("app"), STR_INIT("x")}};
static const struct labels no_metadata;

static char path[] = "/tmp/skald-test-XXXXXX";
static uint64_t offsets[CHUNKS + 1]; /* of the chunks, and the end */

/* A chunk of ENTRIES entries, numbered `n`. */
static void put_chunk(struct buf *b, struct codec_context *context, uint64_t n)
{
    struct chunk_entry items[ENTRIES];
    const struct chunk_spec spec = {.context = context,
                                    .codec = CODEC_NONE,
                                    .block_bytes = 100,
                                    .tenant = STR("t"),
                                    .labels = {pairs, 1},
                                    .chunk_id = n,
                                    .seq_max = n};
    struct chunk_summary summary;

    for (size_t i = 0; i < ENTRIES; i++)
        items[i] =
            (struct chunk_entry){(int64_t)(n * 1000 + i), STR("some line of text"), &no_metadata};
    cr_assert_eq(chunk_build(&spec, (struct chunk_entries){items, ENTRIES}, b, &summary), ST_OK);
}

static void make_file(struct buf *b)
{
    struct codec_context *context = codec_context_new();
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    for (size_t i = 0; i < CHUNKS; i++) {
        offsets[i] = b->len;
        put_chunk(b, context, i + 1);
    }
    offsets[CHUNKS] = b->len;
    codec_context_free(context);
}

static void write_file(struct str bytes)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(io_write_all(fd, bytes, 0, NULL), ST_OK);
    close(fd);
}

/* What a walk finds: "1 " for a sound chunk, "1+ " for one whose head was mended, "1? " for one
 * with damaged blocks, "!2 " for damage that takes the room of two chunks (or a part of one). */
static void walk(struct buf *b)
{
    struct segment_walk w;
    struct chunk_place place;
    struct block block;
    enum status st;
    struct err err;

    cr_assert_eq(segment_walk_open(&w, path, &err), ST_OK, "%s", err.text);
    while ((st = segment_walk_next(&w, &place, &err)) != ST_NOT_FOUND) {
        cr_assert(st == ST_OK || st == ST_CORRUPT, "%s", err.text);
        if (st == ST_CORRUPT) {
            buf_printf(b, "!%llu ",
                       (unsigned long long)((place.bytes + offsets[1] - 1) / offsets[1]));
            continue;
        }
        bool sound = segment_walk_padding(&w, &place, &err) == ST_OK;
        for (uint32_t i = 0; i < place.head.block_count; i++)
            sound = segment_walk_block(&w, &place, i, &block, &err) == ST_OK && sound;
        buf_printf(b, "%llu%s%s ", (unsigned long long)place.head.chunk_id,
                   place.head.mended ? "+" : "", sound ? "" : "?");
    }
    segment_walk_close(&w);
}

static const struct damage_case {
    const char *name;
    size_t chunk; /* that is damaged, from 0 */
    size_t at;    /* inside of it */
    struct str bytes;
    size_t cut; /* bytes that are missing at the end */
    const char *want;
} damage_cases[] = {
    {"sound", 0, 0, STR_INIT(""), 0, "1 2 3 4 "},
    {"a magic number", 1, 0, STR_INIT("XX"), 0, "1 !1 3 4 "},
    {"the first one", 0, 0, STR_INIT("XX"), 0, "!1 2 3 4 "},
    {"the last one", 3, 0, STR_INIT("XX"), 0, "1 2 3 !1 "},
    {"a checksum", 2, 16, STR_INIT("XX"), 0, "1 2 !1 4 "},
    {"a byte of the magic number", 1, 0, STR_INIT("X"), 0, "1 2+ 3 4 "},
    {"a byte of the length of a head", 1, 14, STR_INIT("X"), 0, "1 2+ 3 4 "},
    {"a byte of a checksum", 2, 16, STR_INIT("X"), 0, "1 2 3+ 4 "},
    {"a byte of the labels", 3, 84, STR_INIT("X"), 0, "1 2 3 4+ "},
    {"a length", 1, 8, STR_INIT("\xff\xff\xff\x0f"), 0, "1 !1 3 4 "},
    {"a length that fits, but is wrong", 1, 8, STR_INIT("\x60\0"), 0, "1 !1 3 4 "},
    {"labels", 1, 84, STR_INIT("XXX"), 0, "1 !1 3 4 "},
    {"cut short", 0, 0, STR_INIT(""), 10, "1 2 3 !1 "},
    {"cut short, and a length that fits", 3, 8, STR_INIT("\0"), 10, "1 2 3 !1 "},
};

Test(cli_segment_walk, damage)
{
    struct buf sound, damaged, b;

    buf_init(&sound, 1 << 20);
    buf_init(&damaged, 1 << 20);
    buf_init(&b, 4096);
    make_file(&sound);
    for (size_t i = 0; i < COUNT_OF(damage_cases); i++) {
        const struct damage_case *c = &damage_cases[i];
        buf_reset(&damaged);
        buf_reset(&b);
        buf_put(&damaged, buf_str(&sound));
        memcpy(damaged.ptr + offsets[c->chunk] + c->at, c->bytes.ptr, c->bytes.len);
        write_file(str_head(buf_str(&damaged), damaged.len - c->cut));
        walk(&b);
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
    }
    buf_release(&sound);
    buf_release(&damaged);
    buf_release(&b);
    (void)unlink(path);
}

/*
 * Every byte of the file, one after the other: a changed one is noticed. In a head it costs
 * nothing, in a column its block.
 */
Test(cli_segment_walk, every_byte_is_checked)
{
    struct buf sound, b;

    buf_init(&sound, 1 << 20);
    buf_init(&b, 4096);
    make_file(&sound);
    for (size_t at = 0; at < sound.len; at++) {
        sound.ptr[at] ^= 1;
        write_file(buf_str(&sound));
        sound.ptr[at] ^= 1;
        buf_reset(&b);
        walk(&b);
        size_t losses = 0;
        for (size_t i = 0; i < b.len; i++)
            losses += b.ptr[i] == '+' || b.ptr[i] == '?' ? 1 : 0;
        cr_assert_eq(losses, 1, "byte %zu: %.*s", at, STR_ARG(buf_str(&b)));
        cr_assert_eq(str_find_char(buf_str(&b), '!'), STR_NPOS, "byte %zu", at);
    }
    buf_release(&sound);
    buf_release(&b);
    (void)unlink(path);
}
