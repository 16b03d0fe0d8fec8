#include "bench/bodies.h"

#include <inttypes.h>
#include <snappy-c.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "proto/json.h"
#include "tests/support/loggen.h"

enum {
    BODY_LINE_BYTES = 1 << 20,
    BUFFER_MAX = 1 << 28,
    LINE_BYTES_GUESS = 148, /* what the generator's lines have on average */
};

/* One body in the making: a buffer for each of its streams. */
struct body {
    const struct bodies_spec *spec;
    uint64_t first; /* its streams are first, first + 7, first + 14 ... */
    struct buf streams[BODIES_STREAMS_MIN];
    struct buf scratch;
};

static uint64_t stream_at(const struct body *b, size_t i)
{
    return (b->first + i * 7) % b->spec->streams;
}

/* ---- protobuf ---- */

static void put_field(struct buf *b, unsigned number, struct str bytes)
{
    buf_put_uvarint(b, number << 3 | 2);
    buf_put_str(b, bytes);
}

static void put_protobuf_entry(struct body *b, struct buf *to, int64_t ts_ns, struct str line)
{
    char time_bytes[32];
    struct buf time = {
        .ptr = time_bytes, .capacity = sizeof(time_bytes), .max = sizeof(time_bytes)};

    buf_put_uvarint(&time, 1 << 3);
    buf_put_uvarint(&time, (uint64_t)(ts_ns / SECOND_NS));
    buf_put_uvarint(&time, 2 << 3);
    buf_put_uvarint(&time, (uint64_t)(ts_ns % SECOND_NS));
    buf_reset(&b->scratch);
    put_field(&b->scratch, 1, buf_str(&time));
    put_field(&b->scratch, 2, line);
    put_field(to, 2, buf_str(&b->scratch));
}

static void begin_protobuf_stream(struct body *b, struct buf *to, uint64_t stream)
{
    buf_reset(&b->scratch);
    buf_printf(&b->scratch,
               "{env=\"prod\", host=\"host-%" PRIu64 "\", job=\"%s\", region=\"eu-%" PRIu64 "\"}",
               stream / LOGGEN_KINDS, loggen_job((unsigned)(stream % LOGGEN_KINDS)), stream % 3);
    put_field(to, 1, buf_str(&b->scratch));
}

static struct str end_protobuf(struct body *b)
{
    struct buf request;

    buf_init(&request, BUFFER_MAX);
    for (size_t i = 0; i < COUNT_OF(b->streams); i++)
        put_field(&request, 1, buf_str(&b->streams[i]));
    size_t packed = snappy_max_compressed_length(request.len);
    char *to = mem_bytes(packed);
    if (to == NULL || snappy_compress(request.ptr, request.len, to, &packed) != SNAPPY_OK)
        bench_fail("cannot compress a body");
    buf_release(&request);
    return str_make(mem_grow(to, packed, 1), packed);
}

/* ---- JSON ---- */

static void put_json_entry(struct buf *to, int64_t ts_ns, struct str line)
{
    if (to->ptr[to->len - 1] != '[')
        buf_put_char(to, ',');
    buf_printf(to, "[\"%" PRId64 "\",", ts_ns);
    json_put_string(to, line, false);
    buf_put_char(to, ']');
}

static void begin_json_stream(struct buf *to, uint64_t stream)
{
    buf_printf(to,
               "{\"stream\":{\"env\":\"prod\",\"host\":\"host-%" PRIu64
               "\",\"job\":\"%s\",\"region\":\"eu-%" PRIu64 "\"},\"values\":[",
               stream / LOGGEN_KINDS, loggen_job((unsigned)(stream % LOGGEN_KINDS)), stream % 3);
}

static struct str end_json(struct body *b)
{
    struct buf request;

    buf_init(&request, BUFFER_MAX);
    buf_put(&request, STR("{\"streams\":["));
    for (size_t i = 0; i < COUNT_OF(b->streams); i++) {
        if (i > 0)
            buf_put_char(&request, ',');
        buf_put(&request, buf_str(&b->streams[i]));
        buf_put(&request, STR("]}"));
    }
    buf_put(&request, STR("]}"));
    return buf_str(&request); /* it is the caller's now */
}

/* ---- both ---- */

static void begin_body(struct body *b)
{
    buf_init(&b->scratch, BUFFER_MAX);
    for (size_t i = 0; i < COUNT_OF(b->streams); i++) {
        buf_init(&b->streams[i], BUFFER_MAX);
        if (b->spec->json)
            begin_json_stream(&b->streams[i], stream_at(b, i));
        else
            begin_protobuf_stream(b, &b->streams[i], stream_at(b, i));
    }
}

static void put_entry(struct body *b, size_t stream, int64_t ts_ns, struct str line)
{
    if (b->spec->json)
        put_json_entry(&b->streams[stream], ts_ns, line);
    else
        put_protobuf_entry(b, &b->streams[stream], ts_ns, line);
}

static struct str end_body(struct body *b)
{
    struct str bytes = b->spec->json ? end_json(b) : end_protobuf(b);

    for (size_t i = 0; i < COUNT_OF(b->streams); i++)
        buf_release(&b->streams[i]);
    buf_release(&b->scratch);
    return bytes;
}

static void make_body(const struct bodies_spec *spec, struct loggen *g, struct bodies *set)
{
    struct body b = {.spec = spec, .first = loggen_below(g, (uint32_t)spec->streams)};
    uint64_t lines_expected = spec->bytes / LINE_BYTES_GUESS, begin = set->line_bytes;
    struct buf line;

    buf_init(&line, BUFFER_MAX);
    begin_body(&b);
    while (set->line_bytes - begin < BODY_LINE_BYTES) {
        size_t i = loggen_below(g, BODIES_STREAMS_MIN);
        double part = (double)set->lines / (double)lines_expected;
        int64_t ts_ns = BODIES_START_NS + (int64_t)(part * (double)BODIES_SPAN_NS);
        buf_reset(&line);
        loggen_line(g, &line, (unsigned)(stream_at(&b, i) % LOGGEN_KINDS), ts_ns);
        if (set->lines == lines_expected / 3)
            buf_put(&line, STR(" " BODIES_NEEDLE));
        put_entry(&b, i, ts_ns, buf_str(&line));
        set->lines++;
        set->line_bytes += line.len;
    }
    buf_release(&line);
    set->items[set->count++] = end_body(&b);
}

void bodies_make(const struct bodies_spec *spec, struct bodies *ret_bodies)
{
    struct bodies set = {.items = mem_new(spec->bytes / BODY_LINE_BYTES + 2, sizeof(*set.items))};
    struct loggen g;

    if (spec->streams < BODIES_STREAMS_MIN || set.items == NULL)
        bench_fail("no memory, or fewer than %d streams", BODIES_STREAMS_MIN);
    loggen_init(&g, spec->seed);
    while (set.line_bytes < spec->bytes)
        make_body(spec, &g, &set);
    *ret_bodies = set;
}

void bodies_release(struct bodies *b)
{
    for (size_t i = 0; i < b->count; i++)
        mem_free((char *)(uintptr_t)b->items[i].ptr);
    mem_free(b->items);
    *b = (struct bodies){0};
}
