/*
 * A chunk: its head and all columns of all blocks, first as it is, then with its checksums mended.
 * The entries of a block that can be read make a chunk that holds the same entries, and whose
 * filter lets their lines through. One wrong byte in a sound head is mended, or none.
 */
#include "chunks/chunk.h"

#include "chunks/chunk_mend.h"
#include "chunks/filter.h"
#include "tests/fuzz/mend_chunk.h"

#include "base/banned.h"

enum { REBUILD_LINE_BYTES_MAX = 1 << 20 };

static struct codec_context *context;

/* ---- reading ---- */

struct reading {
    struct str bytes;
    struct chunk_head head;
    struct block_memory memory;
    struct arena arena;
};

static enum status open_chunk(struct reading *r, struct str bytes)
{
    struct err err = {.text = ""};
    uint32_t head_bytes, chunk_bytes;

    *r = (struct reading){.bytes = bytes, .memory.context = context};
    arena_init(&r->arena, FUZZ_MEMORY_BYTES);
    enum status st = chunk_lengths(bytes, &head_bytes, &chunk_bytes, &err);
    if (st == ST_OK && head_bytes > bytes.len)
        return ST_CORRUPT; /* the caller's to find: it knows how many bytes there are */
    if (st == ST_OK)
        st = chunk_head_parse(&r->arena, str_head(bytes, head_bytes), &r->head, &err);
    ASSERT(st == ST_OK || (st == ST_CORRUPT && err.text[0] != '\0'));
    if (st == ST_OK && r->head.summary.chunk_bytes > bytes.len)
        return ST_CORRUPT; /* the same; a mended head may have another length than was said */
    return st;
}

static void close_chunk(struct reading *r)
{
    block_memory_release(&r->memory);
    arena_release(&r->arena);
}

static struct str filter_of(const struct reading *r, uint32_t index)
{
    struct str filters = str_cut(r->bytes, r->head.summary.head_bytes);

    return chunk_block_filter(&r->head, index, str_head(filters, chunk_filters_bytes(&r->head)));
}

static enum status read_block(struct reading *r, uint32_t index, unsigned columns,
                              struct block *ret_block)
{
    struct err err = {.text = ""};
    uint32_t offset, count;

    *ret_block = (struct block){0};
    chunk_block_range(&r->head.blocks[index], columns, &offset, &count);
    struct str stored = str_head(str_cut(r->bytes, offset), count);
    struct chunk_part part = {&r->head, index, columns, stored};
    enum status st = chunk_block_unpack(&r->memory, &part, ret_block, &err);
    ASSERT(st == ST_OK || err.text[0] != '\0');
    return st;
}

/* ---- the same entries again ---- */

static void check_same(struct str chunk, const struct block *want)
{
    struct reading r;
    struct block b;
    uint32_t at = 0;

    ASSERT(open_chunk(&r, chunk) == ST_OK);
    for (uint32_t index = 0; index < r.head.block_count; index++) {
        ASSERT(read_block(&r, index, CHUNK_ALL_COLUMNS, &b) == ST_OK);
        struct str filter = filter_of(&r, index);
        for (uint32_t i = 0; i < b.count; i++, at++) {
            ASSERT(filter_may_contain(filter, block_line(&b, i)));
            ASSERT(at < want->count && b.ts_ns[i] == want->ts_ns[at]);
            ASSERT(str_eq(block_line(&b, i), block_line(want, at)));
            ASSERT(labels_eq(block_metadata(&b, i), block_metadata(want, at)));
        }
    }
    ASSERT(at == want->count);
    close_chunk(&r);
}

static void rebuild(const struct reading *r, const struct block *block)
{
    struct chunk_spec spec = {
        .context = context,
        .codec = r->head.codec,
        .block_bytes = CHUNK_BLOCK_BYTES_MAX,
        .tenant = r->head.tenant,
        .labels = r->head.labels,
    };
    struct chunk_summary summary;
    struct buf out;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    buf_init(&out, FUZZ_MEMORY_BYTES);
    struct chunk_entry *items = arena_new(&a, struct chunk_entry, block->count);
    ASSERT(items != NULL);
    for (uint32_t i = 0; i < block->count; i++)
        items[i] = (struct chunk_entry){block->ts_ns[i], block_line(block, i),
                                        &block->metadata[block->sets[i]]};
    struct chunk_entries entries = {items, block->count};
    ASSERT(chunk_build(&spec, entries, &out, &summary) == ST_OK);
    check_same(buf_str(&out), block);
    buf_release(&out);
    arena_release(&a);
}

/* A sound head in which one byte is changed becomes itself again, unless several changes would do.
 */
static void check_mending(const struct reading *r)
{
    struct str head = str_head(r->bytes, r->head.summary.head_bytes);
    uint32_t chance = crc32c(0, head);
    struct buf copy;

    buf_init(&copy, FUZZ_MEMORY_BYTES);
    buf_put(&copy, head);
    copy.ptr[chance % head.len] =
        (char)(copy.ptr[chance % head.len] ^ (int)(1 + (chance >> 16) % 255));
    ASSERT(!chunk_mend_byte(copy.ptr, copy.len) || str_eq(buf_str(&copy), head));
    buf_release(&copy);
}

static void read_chunk(struct str bytes)
{
    struct reading r;
    struct block block = {0};

    enum status st = open_chunk(&r, bytes);
    if (st == ST_OK && !r.head.mended)
        check_mending(&r);
    for (uint32_t index = 0; st == ST_OK && index < r.head.block_count; index++) {
        enum status block_st = ST_OK;
        (void)filter_may_contain(filter_of(&r, index), STR("needle"));
        for (unsigned columns = 1; columns <= CHUNK_ALL_COLUMNS && block_st == ST_OK; columns++)
            block_st = read_block(&r, index, columns, &block);
        if (block_st == ST_OK && block.lines.len <= REBUILD_LINE_BYTES_MAX)
            rebuild(&r, &block);
    }
    close_chunk(&r);
}

void fuzz_input(struct str in)
{
    struct buf mended;

    if (context == NULL)
        context = codec_context_new();
    ASSERT(context != NULL);
    read_chunk(in);
    buf_init(&mended, FUZZ_MEMORY_BYTES);
    buf_put(&mended, in);
    mend_chunk(&mended, 0);
    read_chunk(buf_str(&mended));
    buf_release(&mended);
}
