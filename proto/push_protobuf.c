/*
 * push.proto, read field by field straight into the request: an object for each message, as
 * protobuf-c makes them, costs three times as much. The rules are those of protobuf: fields come in
 * any order, unknown ones are passed over, and of those that should stand once the last one counts.
 */
#include "proto/push_internal.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"

#include "base/banned.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5,
};

enum { WIRE_TYPE_BITS = 3, WIRE_TYPE_MASK = (1 << WIRE_TYPE_BITS) - 1 };

struct field {
    uint64_t number;
    enum wire_type type;
    uint64_t value;   /* WIRE_VARINT */
    struct str bytes; /* the others */
};

/* A field of any number and type. */
static bool next_rare_field(struct str *in, struct field *f)
{
    uint64_t key;

    if (!get_uvarint(in, &key) || key > UINT32_MAX || key >> WIRE_TYPE_BITS == 0)
        return false;
    f->number = key >> WIRE_TYPE_BITS;
    f->type = (enum wire_type)(key & WIRE_TYPE_MASK);
    switch (f->type) {
    case WIRE_VARINT:
        return get_uvarint(in, &f->value);
    case WIRE_BYTES:
        return get_str(in, &f->bytes);
    case WIRE_64:
        return get_bytes(in, sizeof(uint64_t), &f->bytes);
    case WIRE_32:
        return get_bytes(in, sizeof(uint32_t), &f->bytes);
    }
    return false; /* a group, or nothing that exists */
}

/* Cut the next field off a message that is not empty. False: it is damaged. */
static inline bool next_field(struct str *in, struct field *f)
{
    unsigned char key = (unsigned char)in->ptr[0];

    /* Nearly all are bytes with a number below 16. */
    if ((key & (0x80 | WIRE_TYPE_MASK)) != WIRE_BYTES || key >> WIRE_TYPE_BITS == 0)
        return next_rare_field(in, f);
    f->number = key >> WIRE_TYPE_BITS;
    f->type = WIRE_BYTES;
    *in = str_cut(*in, 1);
    return get_str(in, &f->bytes);
}

/* PushTimestamp; what is too large becomes the latest or earliest time. */
static bool read_time(struct str in, int64_t *ret_ts_ns)
{
    int64_t seconds = 0, nanos = 0;
    struct field f;

    while (in.len > 0) {
        if (!next_field(&in, &f) || (f.number <= 2 && f.type != WIRE_VARINT))
            return false;
        if (f.number == 1)
            seconds = (int64_t)f.value;
        else if (f.number == 2)
            nanos = (int32_t)(uint32_t)f.value;
    }
    if (!i64_mul(seconds, SECOND_NS, ret_ts_ns) || !i64_add(*ret_ts_ns, nanos, ret_ts_ns))
        *ret_ts_ns = seconds < 0 ? INT64_MIN : INT64_MAX;
    return true;
}

/* PushLabelPair */
static bool read_pair(struct str in, struct label *ret_pair)
{
    struct field f;

    *ret_pair = (struct label){STR(""), STR("")};
    while (in.len > 0) {
        if (!next_field(&in, &f) || (f.number <= 2 && f.type != WIRE_BYTES))
            return false;
        if (f.number == 1)
            ret_pair->name = f.bytes;
        else if (f.number == 2)
            ret_pair->value = f.bytes;
    }
    return true;
}

static bool add_pair(struct arena *a, struct str in, struct label **pairs, size_t *count,
                     size_t *capacity)
{
    *pairs = arena_reserve(a, *pairs, *count, capacity, sizeof(**pairs));
    return *pairs != NULL && read_pair(in, &(*pairs)[(*count)++]);
}

/* PushEntry. False: it is damaged, or the arena is full. */
static bool read_entry(struct arena *a, struct str in, struct entry *ret_entry)
{
    enum { TIMESTAMP = 1, LINE = 2, METADATA = 3 };
    struct label *pairs = NULL;
    size_t count = 0, capacity = 0;
    struct field f;

    *ret_entry = (struct entry){.line = STR("")};
    while (in.len > 0) {
        if (!next_field(&in, &f) || (f.number <= METADATA && f.type != WIRE_BYTES))
            return false;
        if (f.number == LINE)
            ret_entry->line = f.bytes;
        else if (f.number == TIMESTAMP && !read_time(f.bytes, &ret_entry->ts_ns))
            return false;
        else if (f.number == METADATA && !add_pair(a, f.bytes, &pairs, &count, &capacity))
            return false;
    }
    ret_entry->metadata = (struct labels){pairs, count};
    return true;
}

/* How often field `number` stands in a message; what is damaged is not counted. */
static size_t count_fields(struct str in, uint64_t number)
{
    struct field f;
    size_t count = 0;

    while (in.len > 0 && next_field(&in, &f))
        count += f.number == number ? 1 : 0;
    return count;
}

/* PushStream */
static bool read_stream(struct arena *a, struct str in, struct push_stream *ret_stream)
{
    enum { LABELS = 1, ENTRIES = 2 };
    struct push_stream s = {.entries = arena_new(a, struct entry, count_fields(in, ENTRIES))};
    struct field f;

    if (s.entries == NULL)
        return false;
    s.labels_text = STR("");
    while (in.len > 0) {
        if (!next_field(&in, &f) || (f.number <= ENTRIES && f.type != WIRE_BYTES))
            return false;
        if (f.number == LABELS)
            s.labels_text = f.bytes;
        else if (f.number == ENTRIES && !read_entry(a, f.bytes, &s.entries[s.entry_count++]))
            return false;
    }
    *ret_stream = s;
    return true;
}

/* PushRequest */
static bool read_request(struct arena *a, struct str in, struct push_request *r)
{
    enum { STREAMS = 1 };
    struct field f;

    while (in.len > 0) {
        if (!next_field(&in, &f) || (f.number == STREAMS && f.type != WIRE_BYTES))
            return false;
        if (f.number != STREAMS)
            continue;
        if (!read_stream(a, f.bytes, &r->streams[r->stream_count++]))
            return false;
    }
    return true;
}

enum status push_decode_message(struct arena *a, struct str message,
                                struct push_request *ret_request, struct err *err)
{
    struct push_request r = {
        .streams = arena_new(a, struct push_stream, count_fields(message, 1)),
    };

    if (r.streams == NULL)
        return arena_status(a, err);
    if (!read_request(a, message, &r))
        return a->failed ? arena_status(a, err) : err_set(err, ST_INVALID, "unexpected EOF");
    *ret_request = r;
    return ST_OK;
}
