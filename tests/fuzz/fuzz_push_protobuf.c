/*
 * A push body in protobuf. The input is what stands inside the snappy block, so that the fuzzer
 * need not find out how to compress.
 */
#include <snappy-c.h>

#include "base/time.h"
#include "tests/fuzz/push.h"

#include "base/banned.h"

/* ---- printing; the fields are those of proto/push.proto ---- */

static void put_key(struct buf *b, unsigned number, bool is_bytes)
{
    buf_put_uvarint(b, number << 3 | (is_bytes ? 2 : 0));
}

static void put_bytes(struct buf *b, unsigned number, struct str bytes)
{
    put_key(b, number, true);
    buf_put_str(b, bytes);
}

/* Field `number` is a message, which has been put into `part`: that is empty afterwards. */
static void put_message(struct buf *b, unsigned number, struct buf *part)
{
    put_bytes(b, number, buf_str(part));
    buf_release(part);
}

static void put_time(struct buf *b, int64_t ts_ns)
{
    struct buf part;

    buf_init(&part, FUZZ_MEMORY_BYTES);
    put_key(&part, 1, false);
    buf_put_uvarint(&part, (uint64_t)(ts_ns / SECOND_NS));
    put_key(&part, 2, false);
    buf_put_uvarint(&part, (uint64_t)(ts_ns % SECOND_NS));
    put_message(b, 1, &part);
}

static void put_pair(struct buf *b, struct label pair)
{
    struct buf part;

    buf_init(&part, FUZZ_MEMORY_BYTES);
    put_bytes(&part, 1, pair.name);
    put_bytes(&part, 2, pair.value);
    put_message(b, 3, &part);
}

static void put_entry(struct buf *b, const struct entry *e)
{
    struct buf part;

    buf_init(&part, FUZZ_MEMORY_BYTES);
    put_time(&part, e->ts_ns);
    put_bytes(&part, 2, e->line);
    for (size_t i = 0; i < e->metadata.count; i++)
        put_pair(&part, e->metadata.pairs[i]);
    put_message(b, 2, &part);
}

static void put_stream(struct buf *b, const struct push_stream *s)
{
    struct buf part, text;

    buf_init(&part, FUZZ_MEMORY_BYTES);
    buf_init(&text, FUZZ_MEMORY_BYTES);
    push_put_labels(&text, s->labels);
    put_message(&part, 1, &text);
    for (size_t i = 0; i < s->entry_count; i++)
        put_entry(&part, &s->entries[i]);
    put_message(b, 1, &part);
}

/* ---- */

static void put_block(struct buf *b, struct str message)
{
    size_t bytes = snappy_max_compressed_length(message.len);
    char *to = buf_reserve(b, bytes);

    ASSERT(to != NULL);
    ASSERT(snappy_compress(message.len == 0 ? "" : message.ptr, message.len, to, &bytes) ==
           SNAPPY_OK);
    buf_advance(b, bytes);
}

static void put_body(struct buf *b, const struct push_request *request)
{
    struct buf message;

    buf_init(&message, FUZZ_MEMORY_BYTES);
    for (size_t i = 0; i < request->stream_count; i++)
        put_stream(&message, &request->streams[i]);
    put_block(b, buf_str(&message));
    buf_release(&message);
}

void fuzz_input(struct str in)
{
    struct buf body;

    buf_init(&body, FUZZ_MEMORY_BYTES);
    put_block(&body, in);
    push_round_trip(PUSH_PROTOBUF, put_body, buf_str(&body));
    buf_release(&body);
}
