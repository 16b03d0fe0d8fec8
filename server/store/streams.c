/*
 * Each stream knows where it stands in the list of each of its labels' values (stream.positions),
 * so it leaves without a search: the last of the list takes its place.
 */
#include "server/store/streams.h"

#include "base/mem.h"

#include "base/banned.h"

enum {
    VALUE_STREAMS_FIRST = 4,
    ITEM_BYTES = 64, /* of a stream, name or value in a map, a table of numbers and the heap */
};

/* ---- labels and values ---- */

static uint64_t name_bytes(const struct label_name *n)
{
    return ITEM_BYTES + sizeof(*n) + n->bytes;
}

static uint64_t value_bytes(const struct label_value *v)
{
    return ITEM_BYTES + sizeof(*v) + v->bytes + v->capacity * sizeof(v->streams.many[0]);
}

static struct label_name *name_new(struct streams *s, struct str text)
{
    struct label_name *n = mem_bytes(sizeof(*n) + text.len);

    if (n == NULL)
        return NULL;
    *n = (struct label_name){.bytes = (uint32_t)text.len};
    memcpy(n->text, text.ptr, text.len);
    if (slots_add(&s->names, n, &n->number) != ST_OK) {
        mem_free(n);
        return NULL;
    }
    if (map_set(&s->by_name, label_name_text(n), n) != ST_OK) {
        slots_remove(&s->names, n->number);
        mem_free(n);
        return NULL;
    }
    s->bytes += name_bytes(n);
    return n;
}

static void name_free_if_empty(struct streams *s, struct label_name *n)
{
    if (n->values.count > 0)
        return;
    (void)map_remove(&s->by_name, label_name_text(n));
    slots_remove(&s->names, n->number);
    s->bytes -= name_bytes(n);
    map_release(&n->by_value);
    mem_free(n);
}

static struct label_value *value_new(struct streams *s, struct label_name *n, struct str text)
{
    struct label_value *v = mem_bytes(sizeof(*v) + text.len);

    if (v == NULL)
        return NULL;
    *v = (struct label_value){.bytes = (uint32_t)text.len};
    memcpy(v->text, text.ptr, text.len);
    if (slots_add(&n->values, v, &v->number) != ST_OK) {
        mem_free(v);
        return NULL;
    }
    if (map_set(&n->by_value, label_value_text(v), v) != ST_OK) {
        slots_remove(&n->values, v->number);
        mem_free(v);
        return NULL;
    }
    s->bytes += value_bytes(v);
    return v;
}

static void value_free_if_empty(struct streams *s, struct label_name *n, struct label_value *v)
{
    if (v->count > 0)
        return;
    (void)map_remove(&n->by_value, label_value_text(v));
    slots_remove(&n->values, v->number);
    s->bytes -= value_bytes(v);
    if (v->capacity > 0)
        mem_free(v->streams.many);
    mem_free(v);
}

static uint32_t *value_streams(struct label_value *v)
{
    return v->capacity == 0 ? &v->streams.one : v->streams.many;
}

/* Room for `capacity` streams, at least as many as there are. */
static enum status value_resize(struct streams *s, struct label_value *v, uint32_t capacity)
{
    bool was_one = v->capacity == 0;
    uint32_t one = v->streams.one;

    uint32_t *many = mem_grow(was_one ? NULL : v->streams.many, capacity, sizeof(*many));
    if (many == NULL)
        return ST_NOMEM;
    if (was_one)
        many[0] = one;
    s->bytes -= value_bytes(v);
    v->streams.many = many;
    v->capacity = capacity;
    s->bytes += value_bytes(v);
    return ST_OK;
}

static enum status value_add(struct streams *s, struct label_value *v, uint32_t number,
                             uint32_t *ret_position)
{
    enum status st = ST_OK;

    if (v->count == MAX_OF(v->capacity, 1U))
        st = value_resize(s, v, MAX_OF(v->capacity * 2, (uint32_t)VALUE_STREAMS_FIRST));
    if (st != ST_OK)
        return st;
    *ret_position = v->count;
    value_streams(v)[v->count++] = number;
    return ST_OK;
}

/* ---- listing ---- */

/* Which of the labels of the stream is `name`? It has it. */
static uint32_t label_index(const struct stream *stream, struct str name)
{
    struct str rest = stream_pairs(stream);
    struct label pair;
    uint32_t i = 0;

    while (stream_next_pair(&rest, &pair) && !str_eq(pair.name, name))
        i++;
    ASSERT(i < stream->label_count);
    return i;
}

static enum status list_pair(struct streams *s, struct stream *stream, const struct label *pair,
                             uint32_t *ret_position)
{
    struct label_name *n = map_get(&s->by_name, pair->name);

    n = n == NULL ? name_new(s, pair->name) : n;
    if (n == NULL)
        return ST_NOMEM;
    struct label_value *v = map_get(&n->by_value, pair->value);
    v = v == NULL ? value_new(s, n, pair->value) : v;
    enum status st = v == NULL ? ST_NOMEM : value_add(s, v, stream->number, ret_position);
    if (st == ST_OK)
        n->stream_count++;
    else if (v != NULL)
        value_free_if_empty(s, n, v);
    name_free_if_empty(s, n);
    return st;
}

static void unlist_pair(struct streams *s, const struct label *pair, uint32_t position)
{
    struct label_name *n = map_get(&s->by_name, pair->name);
    struct label_value *v = n == NULL ? NULL : map_get(&n->by_value, pair->value);

    ASSERT(v != NULL && position < v->count);
    uint32_t last = value_streams(v)[--v->count];
    if (position < v->count) {
        struct stream *moved = slots_at(&s->numbers, last);
        value_streams(v)[position] = last;
        moved->positions[label_index(moved, pair->name)] = position;
    }
    if (v->count > VALUE_STREAMS_FIRST && v->count < v->capacity / 4)
        (void)value_resize(s, v, v->capacity / 2); /* else it stays large */
    n->stream_count--;
    value_free_if_empty(s, n, v);
    name_free_if_empty(s, n);
}

/* Take the stream off the lists of its first `count` labels. */
static void unlist(struct streams *s, struct stream *stream, uint32_t count)
{
    struct str rest = stream_pairs(stream);
    struct label pair;

    for (uint32_t i = 0; i < count && stream_next_pair(&rest, &pair); i++)
        unlist_pair(s, &pair, stream->positions[i]);
    stream->listed = false;
}

enum status streams_list(struct streams *s, struct stream *stream)
{
    struct str rest = stream_pairs(stream);
    struct label pair;

    ASSERT(!stream->listed);
    for (uint32_t i = 0; stream_next_pair(&rest, &pair); i++) {
        enum status st = list_pair(s, stream, &pair, &stream->positions[i]);
        if (st != ST_OK) {
            unlist(s, stream, i);
            return st;
        }
    }
    stream->listed = true;
    return ST_OK;
}

/* ---- streams ---- */

enum status streams_add(struct streams *s, struct str key, struct stream **ret_stream)
{
    struct stream *stream = stream_new(key);

    if (stream == NULL)
        return ST_NOMEM;
    enum status st = slots_add(&s->numbers, stream, &stream->number);
    if (st != ST_OK) {
        stream_free(stream);
        return st;
    }
    st = map_set(&s->by_key, stream->key, stream);
    if (st != ST_OK) {
        slots_remove(&s->numbers, stream->number);
        stream_free(stream);
        return st;
    }
    s->bytes += ITEM_BYTES + stream_bytes(stream);
    *ret_stream = stream;
    return ST_OK;
}

void streams_remove(struct streams *s, struct stream *stream)
{
    if (stream->listed)
        unlist(s, stream, stream->label_count);
    (void)map_remove(&s->by_key, stream->key);
    slots_remove(&s->numbers, stream->number);
    s->bytes -= ITEM_BYTES + stream_bytes(stream);
    stream_free(stream);
    if (s->by_key.count == 0)
        map_release(&s->by_key); /* maps do not shrink by themselves */
}

void streams_release(struct streams *s)
{
    uint32_t number = 0;

    for (struct stream *stream = streams_next(s, &number); stream != NULL;
         stream = streams_next(s, &number))
        streams_remove(s, stream);
    map_release(&s->by_key);
    map_release(&s->by_name);
    slots_release(&s->numbers);
    slots_release(&s->names);
}

struct stream *streams_next(const struct streams *s, uint32_t *number)
{
    while (*number < s->numbers.end) {
        struct stream *stream = slots_at(&s->numbers, (*number)++);
        if (stream != NULL)
            return stream;
    }
    return NULL;
}

struct stream *streams_of_value(const struct streams *s, const struct label_value *v, uint32_t at)
{
    ASSERT(at < v->count);
    return slots_at(&s->numbers, v->capacity == 0 ? v->streams.one : v->streams.many[at]);
}
