#include "bench/bodies.h"

#include <inttypes.h>
#include <snappy-c.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "proto/json.h"

#include "base/banned.h"

enum {
    BODY_LINE_BYTES = 1 << 20,
    BODY_STREAM_STEP = 7,
    BUFFER_MAX = 1 << 28,
    LINE_BYTES_GUESS = 148, /* what the generator's lines have on average, or a bit more */
    REGIONS = 3,
};

/* One body in the making: a buffer for each of its streams. */
struct body {
    const struct bodies_spec *spec;
    uint64_t first; /* its streams are first, first + step, first + 2 * step ... */
    uint64_t step;
    size_t stream_count;
    struct buf streams[BODIES_WIDE_STREAMS_MIN];
    struct buf labels;
    struct buf scratch;
};

static uint64_t stream_at(const struct body *b, size_t i)
{
    return (b->first + i * b->step) % b->spec->streams;
}

static unsigned kind_of(uint64_t stream)
{
    return (unsigned)(stream % LOGGEN_KINDS);
}

/* `name="value123"`, or the same as JSON has it. */
static void put_pair(struct body *b, const char *name, const char *value, const char *number)
{
    if (b->labels.len > 1)
        buf_put_char(&b->labels, ',');
    buf_printf(&b->labels, b->spec->json ? "\"%s\":\"%s%s\"" : "%s=\"%s%s\"", name, value, number);
}

static void put_numbered(struct body *b, const char *name, const char *value, uint64_t number)
{
    enum { DIGITS_MAX = 24 };
    char text[DIGITS_MAX];

    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    put_pair(b, name, value, text);
}

/* In ascending order, as agents send them. */
static struct str put_labels(struct body *b, uint64_t stream)
{
    buf_reset(&b->labels);
    buf_put_char(&b->labels, '{');
    put_pair(b, "env", "prod", "");
    if (!b->spec->wide)
        put_numbered(b, "host", "host-", stream / LOGGEN_KINDS);
    put_pair(b, "job", loggen_job(kind_of(stream)), "");
    if (b->spec->wide) {
        put_numbered(b, "namespace", "ns-", stream / BODIES_NAMESPACE_STREAMS);
        put_numbered(b, "pod", "pod-", stream);
    } else {
        put_numbered(b, "region", "eu-", stream % REGIONS);
    }
    buf_put_char(&b->labels, '}');
    return buf_str(&b->labels);
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

static struct str end_protobuf(struct body *b)
{
    struct buf request;

    buf_init(&request, BUFFER_MAX);
    for (size_t i = 0; i < b->stream_count; i++)
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

static struct str end_json(struct body *b)
{
    struct buf request;

    buf_init(&request, BUFFER_MAX);
    buf_put(&request, STR("{\"streams\":["));
    for (size_t i = 0; i < b->stream_count; i++) {
        if (i > 0)
            buf_put_char(&request, ',');
        buf_put(&request, buf_str(&b->streams[i]));
        buf_put(&request, STR("]}"));
    }
    buf_put(&request, STR("]}"));
    return buf_str(&request); /* it is the caller's now */
}

/* ---- both ---- */

static void begin_stream(struct body *b, size_t i)
{
    struct str labels = put_labels(b, stream_at(b, i));
    struct buf *to = &b->streams[i];

    buf_init(to, BUFFER_MAX);
    if (!b->spec->json) {
        put_field(to, 1, labels);
        return;
    }
    buf_put(to, STR("{\"stream\":"));
    buf_put(to, labels);
    buf_put(to, STR(",\"values\":["));
}

static void begin_body(struct body *b)
{
    buf_init(&b->scratch, BUFFER_MAX);
    buf_init(&b->labels, BUFFER_MAX);
    for (size_t i = 0; i < b->stream_count; i++)
        begin_stream(b, i);
}

static struct str end_body(struct body *b)
{
    struct str bytes = b->spec->json ? end_json(b) : end_protobuf(b);

    for (size_t i = 0; i < b->stream_count; i++)
        buf_release(&b->streams[i]);
    buf_release(&b->labels);
    buf_release(&b->scratch);
    return bytes;
}

static uint64_t expected(const struct bodies_spec *spec)
{
    return spec->wide ? spec->streams * spec->lines : spec->bytes / LINE_BYTES_GUESS;
}

/* One line for a stream of the body, at the time that is due. */
static void put_entry(struct body *b, size_t i, struct loggen *g, struct bodies *set)
{
    uint64_t lines_expected = expected(b->spec);
    double part = (double)set->lines / (double)lines_expected;
    int64_t ts_ns = BODIES_START_NS + (int64_t)(part * (double)BODIES_SPAN_NS);
    unsigned kind = kind_of(stream_at(b, i));
    struct buf line;

    buf_init(&line, BUFFER_MAX);
    loggen_line(g, &line, kind, ts_ns);
    if (set->lines == lines_expected / 3 && !b->spec->wide)
        buf_put(&line, STR(" " BODIES_NEEDLE));
    if (b->spec->json)
        put_json_entry(&b->streams[i], ts_ns, buf_str(&line));
    else
        put_protobuf_entry(b, &b->streams[i], ts_ns, buf_str(&line));
    set->lines++;
    set->line_bytes += line.len;
    set->kind_bytes[kind] += line.len;
    buf_release(&line);
}

static void put_mixed_body(struct body *b, struct loggen *g, struct bodies *set)
{
    uint64_t begin = set->line_bytes;

    b->first = loggen_below(g, (uint32_t)b->spec->streams);
    b->step = BODY_STREAM_STEP;
    b->stream_count = BODIES_MIXED_STREAMS_MIN;
    begin_body(b);
    while (set->line_bytes - begin < BODY_LINE_BYTES)
        put_entry(b, loggen_below(g, BODIES_MIXED_STREAMS_MIN), g, set);
}

static void put_wide_body(struct body *b, struct loggen *g, struct bodies *set)
{
    b->first = set->count * BODIES_WIDE_STREAMS_MIN;
    b->step = 1;
    b->stream_count = BODIES_WIDE_STREAMS_MIN;
    begin_body(b);
    for (size_t i = 0; i < b->stream_count; i++)
        put_entry(b, i, g, set);
}

static bool is_complete(const struct bodies_spec *spec, const struct bodies *set)
{
    return spec->wide ? set->lines >= expected(spec) : set->line_bytes >= spec->bytes;
}

void bodies_make(const struct bodies_spec *spec, struct bodies *ret_bodies)
{
    size_t room = spec->wide ? expected(spec) / BODIES_WIDE_STREAMS_MIN + 1
                             : spec->bytes / BODY_LINE_BYTES + 1;
    struct bodies set = {.items = mem_new(room, sizeof(*set.items)), .json = spec->json};
    uint64_t streams_min = spec->wide ? BODIES_WIDE_STREAMS_MIN : BODIES_MIXED_STREAMS_MIN;
    struct body *b = mem_new(1, sizeof(*b));
    struct loggen g;

    if (set.items == NULL || b == NULL)
        bench_fail("no memory");
    if (spec->streams < streams_min)
        bench_fail("too few streams");
    b->spec = spec;
    loggen_init(&g, spec->seed);
    while (!is_complete(spec, &set)) {
        ASSERT(set.count < room);
        if (spec->wide)
            put_wide_body(b, &g, &set);
        else
            put_mixed_body(b, &g, &set);
        set.items[set.count++] = end_body(b);
    }
    mem_free(b);
    *ret_bodies = set;
}

void bodies_release(struct bodies *b)
{
    for (size_t i = 0; i < b->count; i++)
        mem_free((char *)(uintptr_t)b->items[i].ptr);
    mem_free(b->items);
    *b = (struct bodies){0};
}
