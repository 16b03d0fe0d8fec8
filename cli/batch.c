#include "cli/batch.h"

#include <snappy-c.h>

#include "base/time.h"
#include "proto/push.pb-c.h"

#include "base/banned.h"

enum {
    ENTRY_BYTES = 24, /* tags, lengths and the time of an entry, about */
    PAIR_BYTES = 6,   /* the same of a pair */
};

#define BATCH_ARENA_BYTES_MAX (4 * GIB)

void batch_init(struct batch *b, struct str labels, struct labels metadata)
{
    *b = (struct batch){.labels = labels, .metadata = metadata};
    arena_init(&b->arena, BATCH_ARENA_BYTES_MAX);
}

void batch_release(struct batch *b)
{
    arena_release(&b->arena);
}

void batch_reset(struct batch *b)
{
    arena_release(&b->arena);
    b->entries = NULL;
    b->count = 0;
    b->capacity = 0;
    b->line_bytes = 0;
    b->bytes = 0;
}

size_t batch_line_bytes(const struct batch *b, struct str line)
{
    size_t bytes = ENTRY_BYTES + line.len;

    for (size_t i = 0; i < b->metadata.count; i++)
        bytes += PAIR_BYTES + b->metadata.pairs[i].name.len + b->metadata.pairs[i].value.len;
    return bytes;
}

static ProtobufCBinaryData binary(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

/* The metadata of an entry: made for the first one, shared by the others. */
static bool set_metadata(struct batch *b, Skald__PushEntry *e)
{
    size_t count = b->metadata.count;

    if (count == 0)
        return true;
    if (b->count > 0) {
        const Skald__PushEntry *first = b->entries[0];
        e->n_structured_metadata = first->n_structured_metadata;
        e->structured_metadata = first->structured_metadata;
        return true;
    }
    Skald__PushLabelPair *pairs = arena_new(&b->arena, Skald__PushLabelPair, count);
    e->structured_metadata = arena_new(&b->arena, Skald__PushLabelPair *, count);
    if (pairs == NULL || e->structured_metadata == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        skald__push_label_pair__init(&pairs[i]);
        pairs[i].name = binary(b->metadata.pairs[i].name);
        pairs[i].value = binary(b->metadata.pairs[i].value);
        e->structured_metadata[i] = &pairs[i];
    }
    e->n_structured_metadata = count;
    return true;
}

enum status batch_add(struct batch *b, struct str line, int64_t now_ns, struct err *err)
{
    int64_t ts_ns = b->last_ns > 0 && now_ns <= b->last_ns ? b->last_ns + 1 : now_ns;
    struct str copy = arena_str(&b->arena, line);
    Skald__PushEntry *e = arena_new(&b->arena, Skald__PushEntry, 1);
    Skald__PushTimestamp *t = arena_new(&b->arena, Skald__PushTimestamp, 1);

    b->entries = arena_reserve(&b->arena, b->entries, b->count, &b->capacity, sizeof(*b->entries));
    if (copy.ptr == NULL || e == NULL || t == NULL || b->entries == NULL)
        return arena_status(&b->arena, err);
    skald__push_entry__init(e);
    skald__push_timestamp__init(t);
    t->seconds = ts_ns / SECOND_NS;
    t->nanos = (int32_t)(ts_ns % SECOND_NS);
    e->timestamp = t;
    e->line = binary(copy);
    if (!set_metadata(b, e))
        return arena_status(&b->arena, err);
    b->entries[b->count++] = e;
    b->line_bytes += line.len;
    b->bytes += batch_line_bytes(b, line);
    b->last_ns = ts_ns;
    return ST_OK;
}

enum status batch_pack(struct batch *b, struct str *ret_body, struct err *err)
{
    Skald__PushRequest request;
    Skald__PushStream stream, *streams[] = {&stream};

    ASSERT(b->count > 0);
    skald__push_request__init(&request);
    skald__push_stream__init(&stream);
    stream.labels = binary(b->labels);
    stream.n_entries = b->count;
    stream.entries = (Skald__PushEntry **)b->entries;
    request.n_streams = COUNT_OF(streams);
    request.streams = streams;

    size_t plain_bytes = skald__push_request__get_packed_size(&request);
    size_t packed_bytes = snappy_max_compressed_length(plain_bytes);
    char *plain = arena_bytes(&b->arena, plain_bytes);
    char *packed = arena_bytes(&b->arena, packed_bytes);
    if (plain == NULL || packed == NULL)
        return arena_status(&b->arena, err);
    size_t put = skald__push_request__pack(&request, (uint8_t *)plain);
    ASSERT(put == plain_bytes);
    if (snappy_compress(plain, plain_bytes, packed, &packed_bytes) != SNAPPY_OK)
        return err_set(err, ST_INTERNAL, "snappy cannot compress %zu bytes", plain_bytes);
    *ret_body = str_make(packed, packed_bytes);
    return ST_OK;
}
