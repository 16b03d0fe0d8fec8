/*
 * bench_codec - the codecs of chunks over generated lines, in the blocks that chunks have.
 *
 *     bench_codec [--bytes=100MB] [--seed=1]
 *
 * A block holds lines of one kind, as the blocks of a stream do. One thread.
 */
#include <string.h>

#include "base/mem.h"
#include "base/time.h"
#include "bench/bench.h"
#include "chunks/chunk.h"
#include "chunks/codec.h"
#include "tests/support/loggen.h"

struct blocks {
    struct buf *items;
    size_t count;
};

static void blocks_make(struct blocks *b, uint64_t bytes, uint64_t seed)
{
    struct loggen g;

    b->count = (size_t)(bytes / CHUNK_BLOCK_BYTES_MAX) + 1;
    b->items = mem_new(b->count, sizeof(*b->items));
    if (b->items == NULL)
        bench_fail("no memory");
    loggen_init(&g, seed);
    for (size_t i = 0; i < b->count; i++) {
        struct buf *block = &b->items[i];
        buf_init(block, 2 * CHUNK_BLOCK_BYTES_MAX);
        for (int64_t n = 0; block->len < CHUNK_BLOCK_BYTES_MAX; n++)
            loggen_line(&g, block, (unsigned)(i % LOGGEN_KINDS), n * MS_NS);
    }
}

static void blocks_release(struct blocks *b)
{
    for (size_t i = 0; i < b->count; i++)
        buf_release(&b->items[i]);
    mem_free(b->items);
}

static void bench_one(const struct blocks *blocks, enum codec codec)
{
    struct codec_context *context = codec_context_new();
    double pack_seconds = 0, unpack_seconds = 0;
    size_t raw = 0, packed = 0;
    struct buf out, back;

    buf_init(&out, 4 * CHUNK_BLOCK_BYTES_MAX);
    buf_init(&back, 4 * CHUNK_BLOCK_BYTES_MAX);
    if (context == NULL || buf_reserve(&back, 2 * CHUNK_BLOCK_BYTES_MAX) == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < blocks->count; i++) {
        struct str in = buf_str(&blocks->items[i]);
        double begin = bench_seconds();
        buf_reset(&out);
        enum status st = codec_pack(context, codec, in, &out);
        double middle = bench_seconds();
        if (st == ST_OK)
            st = codec_unpack(context, codec, buf_str(&out), back.ptr, in.len);
        unpack_seconds += bench_seconds() - middle;
        pack_seconds += middle - begin;
        if (st != ST_OK || memcmp(back.ptr, in.ptr, in.len) != 0)
            bench_fail("%s does not give back what it got", codec_name(codec));
        raw += in.len;
        packed += out.len;
    }
    bench_title(codec_name(codec));
    bench_row("pack", (double)raw / 1e6 / pack_seconds, "MB/s");
    bench_row("unpack", (double)raw / 1e6 / unpack_seconds, "MB/s");
    bench_row("bytes of lines a byte packed", (double)raw / (double)packed, "");
    buf_release(&back);
    buf_release(&out);
    codec_context_free(context);
}

int main(int argc, char **argv)
{
    static const enum codec codecs[] = {CODEC_NONE, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};
    uint64_t bytes = bench_option(argc, argv, "bytes", 100 * 1000 * 1000);
    struct blocks blocks;

    blocks_make(&blocks, bytes, bench_option(argc, argv, "seed", 1));
    for (size_t i = 0; i < COUNT_OF(codecs); i++)
        bench_one(&blocks, codecs[i]);
    blocks_release(&blocks);
    return 0;
}
