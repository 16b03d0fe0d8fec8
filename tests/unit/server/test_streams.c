#include "server/store/streams.h"

#include <stdio.h>

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* Streams {all="x", few="0".."4", own="0".."299"}; every other one is without `few`. */
enum { STREAMS = 300, FEW = 5, KEY_BYTES = 64 };

struct model {
    char keys[STREAMS][KEY_BYTES];
    size_t key_bytes[STREAMS];
    struct stream *streams[STREAMS];
};

static bool has_few(size_t i)
{
    return i % 2 == 0;
}

static void make_key(struct model *m, size_t i)
{
    char few[8], own[8];
    struct buf b;
    size_t count = 0;
    struct label pairs[3];

    (void)snprintf(few, sizeof(few), "%zu", i % FEW);
    (void)snprintf(own, sizeof(own), "%zu", i);
    pairs[count++] = (struct label){STR("all"), STR("x")};
    if (has_few(i))
        pairs[count++] = (struct label){STR("few"), str_from(few)};
    pairs[count++] = (struct label){STR("own"), str_from(own)};
    buf_init(&b, KEY_BYTES);
    labels_encode(&b, (struct labels){pairs, count});
    cr_assert_not(b.failed);
    memcpy(m->keys[i], b.ptr, b.len);
    m->key_bytes[i] = b.len;
    buf_release(&b);
}

static struct str key_of(const struct model *m, size_t i)
{
    return str_make(m->keys[i], m->key_bytes[i]);
}

/* How many streams that are listed have the value, by the model. */
static size_t expected(const struct model *m, struct str name, struct str value)
{
    size_t count = 0;

    for (size_t i = 0; i < STREAMS; i++) {
        const struct stream *s = m->streams[i];
        count += s != NULL && s->listed && str_eq(stream_label(s, name), value);
    }
    return count;
}

/* Each value's list has streams with this value, each once, and as many as there are. */
static void check_name(const struct streams *s, const struct model *m, struct str name)
{
    const struct label_name *n = streams_label(s, name);
    size_t listed = 0, all = 0;

    for (uint32_t v = 0; n != NULL && v < n->values.end; v++) {
        const struct label_value *value = slots_at(&n->values, v);
        if (value == NULL)
            continue;
        struct str text = label_value_text(value);
        cr_assert_eq(label_value_get(n, text), value);
        cr_assert_eq(value->count, expected(m, name, text));
        for (uint32_t at = 0; at < value->count; at++) {
            const struct stream *stream = streams_of_value(s, value, at);
            cr_assert(stream->listed);
            cr_assert(str_eq(stream_label(stream, name), text));
            for (uint32_t k = 0; k < at; k++)
                cr_assert_neq(streams_of_value(s, value, k), stream);
        }
        listed += value->count;
    }
    for (size_t i = 0; i < STREAMS; i++)
        all += m->streams[i] != NULL && m->streams[i]->listed &&
               stream_label(m->streams[i], name).len > 0;
    cr_assert_eq(listed, all);
    cr_assert_eq(n == NULL ? 0 : n->stream_count, all);
    cr_assert_eq(n == NULL, all == 0, "a label that nobody has is gone");
}

/* Of the values of a label, with their lists. */
static uint64_t value_bytes(const struct streams *s, struct str name)
{
    const struct label_name *n = streams_label(s, name);
    uint64_t bytes = n == NULL ? 0 : sizeof(*n) + n->bytes;

    for (uint32_t v = 0; n != NULL && v < n->values.end; v++) {
        const struct label_value *value = slots_at(&n->values, v);
        if (value != NULL)
            bytes += sizeof(*value) + value->bytes + value->capacity * sizeof(uint32_t);
    }
    return bytes;
}

/* The memory is that of what is there, and for each of that what it takes in tables. */
static void check_bytes(const struct streams *s)
{
    enum { ITEM_BYTES = 64 };
    uint64_t bytes =
        value_bytes(s, STR("all")) + value_bytes(s, STR("few")) + value_bytes(s, STR("own"));
    uint64_t items = s->numbers.count + s->names.count;
    uint32_t number = 0;

    for (const struct stream *t = streams_next(s, &number); t != NULL; t = streams_next(s, &number))
        bytes += stream_bytes(t);
    for (uint32_t i = 0; i < s->names.end; i++) {
        const struct label_name *n = slots_at(&s->names, i);
        items += n == NULL ? 0 : n->values.count;
    }
    cr_assert_eq(s->bytes, bytes + items * ITEM_BYTES);
}

static void check(const struct streams *s, const struct model *m)
{
    uint32_t number = 0;
    size_t met = 0, all = 0;

    check_bytes(s);

    check_name(s, m, STR("all"));
    check_name(s, m, STR("few"));
    check_name(s, m, STR("own"));
    while (streams_next(s, &number) != NULL)
        met++;
    for (size_t i = 0; i < STREAMS; i++) {
        all += m->streams[i] != NULL;
        cr_assert_eq(streams_get(s, key_of(m, i)), m->streams[i]);
    }
    cr_assert_eq(met, all);
}

static void step(struct streams *s, struct model *m, struct random *r, bool grow)
{
    size_t i = random_below(r, STREAMS);
    struct stream *stream = m->streams[i];
    bool forward = random_below(r, 10) < (grow ? 7U : 3U);

    if (stream == NULL && forward) {
        REQUIRE_OK(streams_add(s, key_of(m, i), &m->streams[i]));
    } else if (stream != NULL && !stream->listed && forward) {
        REQUIRE_OK(streams_list(s, stream));
    } else if (stream != NULL && !forward) {
        streams_remove(s, stream);
        m->streams[i] = NULL;
    }
}

Test(streams, random_operations)
{
    enum { STEPS = 6000, CHECK_EVERY = 200 };
    struct random r = random_begin();
    static struct model m;
    struct streams s = {0};

    printf("seed %" PRIu64 "\n", r.seed);
    for (size_t i = 0; i < STREAMS; i++)
        make_key(&m, i);
    for (size_t i = 0; i < STEPS; i++) {
        step(&s, &m, &r, i / (STEPS / 4) % 2 == 0);
        if (i % CHECK_EVERY == 0)
            check(&s, &m);
    }
    streams_release(&s);
    cr_expect_eq(s.by_key.capacity + s.by_name.capacity + s.numbers.capacity + s.names.capacity, 0,
                 "nothing is left");
    cr_expect_eq(s.bytes, 0);
}

/* Whichever allocation fails, the stream is listed whole or not at all. */
Test(streams, no_memory)
{
    static struct model m;
    struct streams s = {0};

    make_key(&m, 0);
    make_key(&m, 2);
    for (size_t i = 0; i <= 2; i += 2) {
        enum status st = ST_NOMEM;
        for (int64_t n = 1; st != ST_OK; n++) {
            mem_fail_after(n);
            st = streams_add(&s, key_of(&m, i), &m.streams[i]);
            mem_fail_after(0);
        }
        st = ST_NOMEM;
        for (int64_t n = 1; st != ST_OK; n++) {
            mem_fail_after(n);
            st = streams_list(&s, m.streams[i]);
            mem_fail_after(0);
            check(&s, &m);
        }
    }
    streams_release(&s);
}

/* What a stream costs beside its head. */
Test(streams, memory_of_a_stream)
{
    enum { MEMORY_MAX = 160 };
    cr_expect_leq(sizeof(struct stream), MEMORY_MAX);
    cr_expect_leq(sizeof(struct map_slot), 24);
}
