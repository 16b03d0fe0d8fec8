#include "bench/line_blocks.h"

#include "base/mem.h"
#include "bench/bench.h"
#include "chunks/chunk.h"

#include "base/banned.h"

enum {
    ARENA_BYTES_MAX = 1 << 28,
    BLOCKS_MAX = 1 << 16,
    STREAMS_MAX = 4096,
};

/* The block of a stream that is not full yet. */
struct open_block {
    uint64_t hash; /* of the labels */
    struct line_block *block;
};

struct making {
    struct line_blocks made;
    struct open_block streams[STREAMS_MAX];
    size_t stream_count;
};

void bodies_decode(struct arena *a, struct str body, bool json, struct push_request *ret_request)
{
    const struct push_spec spec = {.format = json ? PUSH_JSON : PUSH_PROTOBUF,
                                   .decompressed_bytes_max = ARENA_BYTES_MAX};
    struct err err;

    if (push_decode(a, &spec, body, ret_request, &err) != ST_OK)
        bench_fail("%s", err.text);
}

static unsigned kind_of(struct labels labels)
{
    struct str job = labels_get(labels, STR("job"));

    for (unsigned kind = 0; kind < LOGGEN_KINDS; kind++) {
        if (str_eq(job, str_from(loggen_job(kind))))
            return kind;
    }
    bench_fail("a stream has no job");
}

/* The streams are few, and asked for once a body. */
static struct open_block *find_stream(struct making *m, struct labels labels)
{
    uint64_t hash = labels_hash(labels);

    for (size_t i = 0; i < m->stream_count; i++) {
        if (m->streams[i].hash == hash)
            return &m->streams[i];
    }
    if (m->stream_count == STREAMS_MAX)
        bench_fail("too many streams for the limits");
    m->streams[m->stream_count] = (struct open_block){.hash = hash};
    return &m->streams[m->stream_count++];
}

static struct line_block *begin_block(struct making *m, unsigned kind)
{
    if (m->made.count == BLOCKS_MAX)
        bench_fail("too many blocks for the limits");
    struct line_block *b = &m->made.items[m->made.count++];
    b->kind = kind;
    buf_init(&b->lines, CHUNK_BLOCK_BYTES_MAX);
    buf_init(&b->ends, CHUNK_BLOCK_BYTES_MAX);
    return b;
}

static void add_stream(struct making *m, const struct push_stream *stream)
{
    struct open_block *open = find_stream(m, stream->labels);

    for (size_t i = 0; i < stream->entry_count; i++) {
        struct str line = stream->entries[i].line;
        if (open->block == NULL || open->block->lines.len + line.len > CHUNK_BLOCK_BYTES_MAX)
            open->block = begin_block(m, kind_of(stream->labels));
        buf_put(&open->block->lines, line);
        buf_put_u32(&open->block->ends, (uint32_t)open->block->lines.len);
        m->made.line_bytes += line.len;
        m->made.lines++;
    }
}

void line_blocks_make(const struct bodies *bodies, uint64_t bytes, struct line_blocks *ret_blocks)
{
    struct making *m = mem_new(1, sizeof(*m));
    struct push_request request;
    struct arena arena;

    if (m == NULL)
        bench_fail("no memory");
    m->made.items = mem_new(BLOCKS_MAX, sizeof(*m->made.items));
    if (m->made.items == NULL)
        bench_fail("no memory");
    arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t i = 0; i < bodies->count && m->made.line_bytes < bytes; i++) {
        arena_reset(&arena);
        bodies_decode(&arena, bodies->items[i], bodies->json, &request);
        for (size_t j = 0; j < request.stream_count; j++)
            add_stream(m, &request.streams[j]);
    }
    arena_release(&arena);
    *ret_blocks = m->made;
    mem_free(m);
}

void line_blocks_release(struct line_blocks *s)
{
    for (size_t i = 0; i < s->count; i++) {
        buf_release(&s->items[i].lines);
        buf_release(&s->items[i].ends);
    }
    mem_free(s->items);
    *s = (struct line_blocks){0};
}
