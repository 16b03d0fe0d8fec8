#include "proto/push.h"

#include <snappy-c.h>
#include <zlib.h>

#include "base/gzip.h"
#include "base/time.h"
#include "proto/push.pb-c.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { ARENA_BYTES = 16 * 1024 * 1024 };

/* ---- requests as text, to compare them ---- */

static void put_request(struct buf *b, const struct push_request *r)
{
    for (size_t i = 0; i < r->stream_count; i++) {
        const struct push_stream *s = &r->streams[i];
        labels_put_text(b, s->labels);
        for (size_t e = 0; e < s->entry_count; e++) {
            buf_put_char(b, ' ');
            buf_put_i64(b, s->entries[e].ts_ns);
            buf_put_char(b, ' ');
            utf8_put_quoted(b, s->entries[e].line);
            if (s->entries[e].metadata.count > 0)
                labels_put_text(b, s->entries[e].metadata);
        }
        buf_put_char(b, '\n');
    }
}

/* Decode `body`, compare with `want` (null: refused with `want_st` and a text like `want_text`). */
struct expected {
    const char *name;
    enum status st;
    struct str want;
    const char *text; /* NULL: some text */
};

static void expect_decoded(const struct push_spec *spec, struct str body, const struct expected *x)
{
    struct push_request r = {.stream_count = 77};
    struct err err = {.text = ""};
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES);
    buf_init(&b, MIB);
    EXPECT_STATUS(x->name, push_decode(&a, spec, body, &r, &err), x->st);
    if (x->st == ST_OK) {
        put_request(&b, &r);
        EXPECT_STR(x->name, buf_str(&b), x->want);
    } else {
        cr_expect_eq(r.stream_count, 77, "%s: output changed", x->name);
        cr_expect_neq(err.text[0], '\0', "%s: no text", x->name);
        if (x->text != NULL)
            cr_expect_str_eq(err.text, x->text, "%s: %s", x->name, err.text);
    }
    buf_release(&b);
    arena_release(&a);
}

/* ---- JSON v1 ---- */

#define LABEL_ERROR \
    "couldn't parse labels: 1:5: parse error: unexpected character inside braces: '.'"
#define V1(stream, values) "{\"streams\":[{\"stream\":" stream ",\"values\":" values "}]}"
#define VALUES(values) V1("{\"a\":\"1\"}", values)

static const struct json_case {
    const char *name;
    struct str body;
    struct str want; /* null: 400 */
    const char *text;
} v1_cases[] = {
    {"an entry", STR_INIT(VALUES("[[\"1700000000000000000\",\"line\"]]")),
     STR_INIT("{a=\"1\"} 1700000000000000000 \"line\"\n"), NULL},
    {"metadata", STR_INIT(VALUES("[[\"1\",\"x\",{\"trace_id\":\"abc\"}]]")),
     STR_INIT("{a=\"1\"} 1 \"x\"{trace_id=\"abc\"}\n"), NULL},
    {"metadata in the order it came", STR_INIT(VALUES("[[\"1\",\"x\",{\"b\":\"2\",\"a\":\"\"}]]")),
     STR_INIT("{a=\"1\"} 1 \"x\"{b=\"2\", a=\"\"}\n"), NULL},
    {"empty metadata", STR_INIT(VALUES("[[\"1\",\"x\",{}]]")), STR_INIT("{a=\"1\"} 1 \"x\"\n"),
     NULL},
    {"more elements are ignored", STR_INIT(VALUES("[[\"1\",\"x\",{},null,{\"a\":[1]}]]")),
     STR_INIT("{a=\"1\"} 1 \"x\"\n"), NULL},
    {"one element", STR_INIT(VALUES("[[\"1\"]]")), STR_INIT("{a=\"1\"} 1 \"\"\n"), NULL},
    {"empty line", STR_INIT(VALUES("[[\"1\",\"\"]]")), STR_INIT("{a=\"1\"} 1 \"\"\n"), NULL},
    {"before 1970", STR_INIT(VALUES("[[\"-5\",\"x\"]]")), STR_INIT("{a=\"1\"} -5 \"x\"\n"), NULL},
    {"escapes in a line", STR_INIT(VALUES("[[\"1\",\"a\\u0000\\n\"]]")),
     STR_INIT("{a=\"1\"} 1 \"a\\x00\\n\"\n"), NULL},
    {"several of all",
     STR_INIT("{\"streams\":[{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\"],[\"2\",\"y\"]]},"
              "{\"values\":[[\"3\",\"z\"]],\"stream\":{\"b\":\"2\"}}]}"),
     STR_INIT("{a=\"1\"} 1 \"x\" 2 \"y\"\n{b=\"2\"} 3 \"z\"\n"), NULL},
    {"number and boolean labels",
     STR_INIT(V1("{\"n\":5,\"f\":1.50,\"t\":true}", "[[\"1\",\"x\"]]")),
     STR_INIT("{f=\"1.50\", n=\"5\", t=\"true\"} 1 \"x\"\n"), NULL},
    {"labels are sorted", STR_INIT(V1("{\"b\":\"2\",\"a\":\"1\"}", "[]")),
     STR_INIT("{a=\"1\", b=\"2\"}\n"), NULL},
    {"of a label twice the last", STR_INIT(V1("{\"a\":\"1\",\"b\":\"x\",\"a\":\"2\"}", "[]")),
     STR_INIT("{a=\"2\", b=\"x\"}\n"), NULL},
    {"empty label", STR_INIT(V1("{\"a\":\"\"}", "[]")), STR_INIT("{}\n"), NULL},
    {"the last of one twice is empty", STR_INIT(V1("{\"a\":\"1\",\"a\":\"\"}", "[]")),
     STR_INIT("{}\n"), NULL},
    {"no labels", STR_INIT(V1("{}", "[[\"1\",\"x\"]]")), STR_INIT("{} 1 \"x\"\n"), NULL},
    {"labels are null", STR_INIT(V1("null", "[]")), STR_INIT("{}\n"), NULL},
    {"labels are absent", STR_INIT("{\"streams\":[{\"values\":[[\"1\",\"x\"]]}]}"),
     STR_INIT("{} 1 \"x\"\n"), NULL},
    {"no values", STR_INIT(VALUES("[]")), STR_INIT("{a=\"1\"}\n"), NULL},
    {"values are null", STR_INIT(VALUES("null")), STR_INIT("{a=\"1\"}\n"), NULL},
    {"values are absent", STR_INIT("{\"streams\":[{\"stream\":{\"a\":\"1\"}}]}"),
     STR_INIT("{a=\"1\"}\n"), NULL},
    {"of streams twice the last",
     STR_INIT("{\"streams\":[{\"stream\":{\"a\":\"1\"}},{}],\"streams\":[{\"stream\":{\"b\":\"2\"}}"
              ",{}]}"),
     STR_INIT("{b=\"2\"}\n{}\n"), NULL},
    {"no streams", STR_INIT("{\"streams\":[]}"), STR_INIT(""), NULL},
    {"streams are absent", STR_INIT("{}"), STR_INIT(""), NULL},
    {"streams are null", STR_INIT("{\"streams\":null}"), STR_INIT(""), NULL},
    {"other keys", STR_INIT("{\"x\":[{\"y\":1}],\"streams\":[{\"hash\":7,\"stream\":{}}]}"),
     STR_INIT("{}\n"), NULL},
    {"empty body", STR_INIT(""), {NULL, 0}, "EOF"},
    {"null body", {NULL, 0}, {NULL, 0}, "EOF"},
    {"blank body", STR_INIT(" \n"), {NULL, 0}, "EOF"},
    {"an array", STR_INIT("[]"), {NULL, 0}, NULL},
    {"text", STR_INIT("line"), {NULL, 0}, NULL},
    {"cut", STR_INIT("{\"streams\":["), {NULL, 0}, NULL},
    {"something behind", STR_INIT("{\"streams\":[]} x"), {NULL, 0}, NULL},
    {"time is a number", STR_INIT(VALUES("[[1,\"x\"]]")), {NULL, 0}, NULL},
    {"time is a float", STR_INIT(VALUES("[[\"1.5\",\"x\"]]")), {NULL, 0}, NULL},
    {"time is RFC 3339", STR_INIT(VALUES("[[\"2026-11-20T00:00:00Z\",\"x\"]]")), {NULL, 0}, NULL},
    {"time is empty", STR_INIT(VALUES("[[\"\",\"x\"]]")), {NULL, 0}, NULL},
    {"time beyond 64 bits", STR_INIT(VALUES("[[\"9223372036854775808\",\"x\"]]")), {NULL, 0}, NULL},
    {"no time", STR_INIT(VALUES("[[]]")), {NULL, 0}, NULL},
    {"line is a number", STR_INIT(VALUES("[[\"1\",5]]")), {NULL, 0}, NULL},
    {"line is null", STR_INIT(VALUES("[[\"1\",null]]")), {NULL, 0}, NULL},
    {"metadata is null", STR_INIT(VALUES("[[\"1\",\"x\",null]]")), {NULL, 0}, NULL},
    {"metadata is a list", STR_INIT(VALUES("[[\"1\",\"x\",[]]]")), {NULL, 0}, NULL},
    {"metadata with a number", STR_INIT(VALUES("[[\"1\",\"x\",{\"a\":1}]]")), {NULL, 0}, NULL},
    {"nested metadata", STR_INIT(VALUES("[[\"1\",\"x\",{\"a\":{}}]]")), {NULL, 0}, NULL},
    {"a value is an object", STR_INIT(VALUES("[{\"ts\":\"1\"}]")), {NULL, 0}, NULL},
    {"nested label", STR_INIT(V1("{\"a\":{}}", "[]")), {NULL, 0}, NULL},
    {"labels as text", STR_INIT(V1("\"{a=\\\"1\\\"}\"", "[]")), {NULL, 0}, NULL},
    {"name with a point", STR_INIT(V1("{\"foo.bar\":\"x\"}", "[]")), {NULL, 0}, LABEL_ERROR},
    {"name with a dash",
     STR_INIT(V1("{\"a-b\":\"x\"}", "[]")),
     {NULL, 0},
     "couldn't parse labels: 1:3: parse error: unexpected character inside braces: '-'"},
    {"name with a digit first",
     STR_INIT(V1("{\"9a\":\"x\"}", "[]")),
     {NULL, 0},
     "couldn't parse labels: 1:2: parse error: unexpected character inside braces: '9'"},
    {"empty name",
     STR_INIT(V1("{\"\":\"x\"}", "[]")),
     {NULL, 0},
     "couldn't parse labels: 1:2: parse error: unexpected character inside braces: '='"},
    {"one bad stream of two",
     STR_INIT("{\"streams\":[{\"stream\":{\"a\":\"1\"},\"values\":[[\"1\",\"x\"]]},"
              "{\"stream\":{\"foo.bar\":\"1\"},\"values\":[]}]}"),
     {NULL, 0},
     LABEL_ERROR},
};

static const struct push_spec v1_spec = {PUSH_JSON, PUSH_PLAIN, 1 << 20};

static void expect_json(const struct push_spec *spec, const struct json_case *c)
{
    struct expected x = {c->name, c->want.ptr == NULL ? ST_INVALID : ST_OK, c->want, c->text};

    expect_decoded(spec, c->body, &x);
}

Test(push, json_v1)
{
    for (size_t i = 0; i < COUNT_OF(v1_cases); i++)
        expect_json(&v1_spec, &v1_cases[i]);
}

/* ---- legacy JSON ---- */

#define LEGACY(labels, entries) \
    "{\"streams\":[{\"labels\":\"" labels "\",\"entries\":" entries "}]}"

static const struct json_case legacy_cases[] = {
    {"an entry",
     STR_INIT(LEGACY("{x=\\\"1\\\"}", "[{\"ts\":\"2026-11-20T23:50:00.123456789Z\",\"line\":\"l\","
                                      "\"structuredMetadata\":{\"k\":\"v\"}}]")),
     STR_INIT("{x=\"1\"} 1795218600123456789 \"l\"{k=\"v\"}\n"), NULL},
    {"zone", STR_INIT(LEGACY("{}", "[{\"ts\":\"1970-01-01T01:00:00+01:00\",\"line\":\"l\"}]")),
     STR_INIT("{} 0 \"l\"\n"), NULL},
    {"labels are sorted", STR_INIT(LEGACY("{b=\\\"1\\\",a=\\\"2\\\"}", "[]")),
     STR_INIT("{a=\"2\", b=\"1\"}\n"), NULL},
    {"duplicates stay", STR_INIT(LEGACY("{a=\\\"1\\\",a=\\\"2\\\"}", "[]")),
     STR_INIT("{a=\"1\", a=\"2\"}\n"), NULL},
    {"other keys", STR_INIT(LEGACY("{}", "[{\"x\":[],\"line\":\"l\",\"y\":null}]")),
     STR_INIT("{} 0 \"l\"\n"), NULL},
    {"no entries", STR_INIT(LEGACY("{}", "null")), STR_INIT("{}\n"), NULL},
    {"of streams twice the last",
     STR_INIT("{\"streams\":[{\"labels\":\"{a=\\\"1\\\"}\"}],\"streams\":[{\"labels\":\"{}\"}]}"),
     STR_INIT("{}\n"), NULL},
    {"the other form holds nothing", STR_INIT(VALUES("[[\"1\",\"x\"]]")), STR_INIT("{}\n"), NULL},
    {"time in nanoseconds",
     STR_INIT(LEGACY("{}", "[{\"ts\":\"1\",\"line\":\"l\"}]")),
     {NULL, 0},
     NULL},
    {"time beyond 64 bits",
     STR_INIT(LEGACY("{}", "[{\"ts\":\"9999-01-01T00:00:00Z\",\"line\":\"l\"}]")),
     {NULL, 0},
     NULL},
    {"line is null", STR_INIT(LEGACY("{}", "[{\"line\":null}]")), {NULL, 0}, NULL},
    {"entry is a list", STR_INIT(LEGACY("{}", "[[\"1\",\"x\"]]")), {NULL, 0}, NULL},
    {"labels are an object", STR_INIT("{\"streams\":[{\"labels\":{}}]}"), {NULL, 0}, NULL},
    {"bad labels", STR_INIT(LEGACY("{foo.bar=\\\"x\\\"}", "[]")), {NULL, 0}, LABEL_ERROR},
};

Test(push, json_legacy)
{
    static const struct push_spec spec = {PUSH_JSON_LEGACY, PUSH_PLAIN, 1 << 20};

    for (size_t i = 0; i < COUNT_OF(legacy_cases); i++)
        expect_json(&spec, &legacy_cases[i]);
}

Test(push, json_truncated_at_every_byte)
{
    static const struct str whole =
        STR_INIT(V1("{\"a\":\"1\",\"n\":5}", "[[\"1\",\"x\\n\",{\"k\":\"v\"}],[\"2\"]]"));

    for (size_t cut = 0; cut < whole.len; cut++) {
        struct expected x = {"cut", ST_INVALID, STR_NULL, NULL};
        char *body = mem_bytes(cut); /* of just this size, for the address sanitizer */
        memcpy(body, whole.ptr, cut);
        expect_decoded(&v1_spec, str_make(body, cut), &x);
        mem_free(body);
    }
}

Test(push, json_limits)
{
    struct push_request r = {.stream_count = 77};
    struct err err;
    struct buf b;

    buf_init(&b, MIB);
    buf_put(&b, STR("{\"streams\":[{\"stream\":{"));
    for (size_t i = 0; i < 257; i++)
        buf_printf(&b, "%s\"l%zu\":\"v\"", i == 0 ? "" : ",", i);
    buf_put(&b, STR("}}]}"));
    struct expected x = {"257 labels", ST_INVALID, STR_NULL, NULL};
    expect_decoded(&v1_spec, buf_str(&b), &x);

    for (size_t max = 0; max < 20000; max += 500) {
        struct arena a;
        arena_init(&a, max);
        enum status st = push_decode(&a, &v1_spec, v1_cases[8].body, &r, &err);
        cr_expect(st == ST_LIMIT || (st == ST_OK && !a.failed), "arena of %zu: %s", max,
                  status_name(st));
        arena_release(&a);
    }
    buf_release(&b);
}

/* ---- protobuf ---- */

static ProtobufCBinaryData bytes_of(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

/* Two streams: three entries, of which one has metadata and one no time; and none. */
static struct str pack_example(void)
{
    Skald__PushTimestamp first = SKALD__PUSH_TIMESTAMP__INIT;
    Skald__PushTimestamp second = SKALD__PUSH_TIMESTAMP__INIT;
    Skald__PushLabelPair pairs[2] = {SKALD__PUSH_LABEL_PAIR__INIT, SKALD__PUSH_LABEL_PAIR__INIT};
    Skald__PushEntry entries[3] = {SKALD__PUSH_ENTRY__INIT, SKALD__PUSH_ENTRY__INIT,
                                   SKALD__PUSH_ENTRY__INIT};
    Skald__PushStream streams[2] = {SKALD__PUSH_STREAM__INIT, SKALD__PUSH_STREAM__INIT};
    Skald__PushRequest request = SKALD__PUSH_REQUEST__INIT;
    Skald__PushLabelPair *pair_list[] = {&pairs[0], &pairs[1]};
    Skald__PushEntry *entry_list[] = {&entries[0], &entries[1], &entries[2]};
    Skald__PushStream *stream_list[] = {&streams[0], &streams[1]};

    first.seconds = 1700000000;
    first.nanos = 5;
    second.seconds = -1;
    second.nanos = 999999999;
    pairs[0].name = bytes_of(STR("trace_id"));
    pairs[0].value = bytes_of(STR("abc"));
    pairs[1].name = bytes_of(STR("empty"));
    entries[0].timestamp = &first;
    entries[0].line = bytes_of(STR("line\0\xff"));
    entries[0].structured_metadata = pair_list;
    entries[0].n_structured_metadata = 2;
    entries[1].timestamp = &second;
    entries[1].line = bytes_of(STR("before 1970"));
    streams[0].labels = bytes_of(STR("{b=\"2\", a=\"1\"}"));
    streams[0].entries = entry_list;
    streams[0].n_entries = 3;
    streams[1].labels = bytes_of(STR("{}"));
    request.streams = stream_list;
    request.n_streams = 2;

    size_t len = skald__push_request__get_packed_size(&request);
    char *to = mem_bytes(len);
    cr_assert_not_null(to);
    cr_assert_eq(skald__push_request__pack(&request, (uint8_t *)to), len);
    return str_make(to, len);
}

static const struct str example_text =
    STR_INIT("{a=\"1\", b=\"2\"} 1700000000000000005 \"line\\x00\\xff\"{trace_id=\"abc\", "
             "empty=\"\"} -1 \"before 1970\" 0 \"\"\n{}\n");

static struct str snap(struct str in)
{
    size_t len = snappy_max_compressed_length(in.len);
    char *to = mem_bytes(len);

    cr_assert_not_null(to);
    cr_assert_eq(snappy_compress(in.ptr, in.len, to, &len), SNAPPY_OK);
    return str_make(to, len);
}

static void drop(struct str s)
{
    mem_free((void *)(uintptr_t)s.ptr);
}

static const struct push_spec protobuf_spec = {PUSH_PROTOBUF, PUSH_PLAIN, 1 << 20};

Test(push, protobuf)
{
    struct str message = pack_example(), body = snap(message);
    struct expected x = {"example", ST_OK, example_text, NULL};

    expect_decoded(&protobuf_spec, body, &x);
    drop(message);
    drop(body);
}

/* Messages written by hand, before snappy. */
static const struct message_case {
    const char *name;
    struct str message;
    struct str want; /* null: refused */
    const char *text;
} message_cases[] = {
    {"nothing", STR_INIT(""), STR_INIT(""), NULL},
    {"empty stream", STR_INIT("\x0a\x00"), STR_INIT("{}\n"), NULL},
    {"empty entry", STR_INIT("\x0a\x02\x12\x00"), STR_INIT("{} 0 \"\"\n"), NULL},
    {"unknown fields", STR_INIT("\x12\x01x\x0a\x09\x18\x07\x12\x05\x12\x01l\x22\x00\x7a\x02zz"),
     STR_INIT("{} 0 \"l\"\n"), NULL},
    {"seconds beyond nanoseconds",
     STR_INIT("\x0a\x0e\x12\x0c\x0a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
     STR_INIT("{} 9223372036854775807 \"\"\n"), NULL},
    {"seconds long before",
     STR_INIT("\x0a\x0f\x12\x0d\x0a\x0b\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
     STR_INIT("{} -9223372036854775808 \"\"\n"), NULL},
    {"empty label text", STR_INIT("\x0a\x02\x0a\x00"), STR_INIT("{}\n"), NULL},
    {"bad labels", STR_INIT("\x0a\x0f\x0a\x0d{foo.bar=\"x\"}"), {NULL, 0}, LABEL_ERROR},
    {"cut in a length", STR_INIT("\x0a"), {NULL, 0}, "unexpected EOF"},
    {"cut in a stream", STR_INIT("\x0a\x05\x12"), {NULL, 0}, "unexpected EOF"},
    {"length of 64 bits",
     STR_INIT("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
     {NULL, 0},
     "unexpected EOF"},
    {"no field has number 0", STR_INIT("\x02\x00"), {NULL, 0}, "unexpected EOF"},
    {"group", STR_INIT("\x0b\x0c"), {NULL, 0}, "unexpected EOF"},
};

Test(push, protobuf_messages)
{
    for (size_t i = 0; i < COUNT_OF(message_cases); i++) {
        const struct message_case *c = &message_cases[i];
        struct str body = snap(c->message);
        struct expected x = {c->name, c->want.ptr == NULL ? ST_INVALID : ST_OK, c->want, c->text};

        expect_decoded(&protobuf_spec, body, &x);
        drop(body);
    }
}

static const struct body_case {
    const char *name;
    struct str body;
    enum status st;
    const char *text;
} body_cases[] = {
    {"empty", STR_INIT(""), ST_INVALID, "snappy: corrupt input"},
    {"null", {NULL, 0}, ST_INVALID, "snappy: corrupt input"},
    {"JSON", STR_INIT("{\"streams\":[]}"), ST_INVALID, "snappy: corrupt input"},
    {"length only", STR_INIT("\x05"), ST_INVALID, "snappy: corrupt input"},
    {"copy from before the start", STR_INIT("\x04\x01\x01"), ST_INVALID, "snappy: corrupt input"},
    {"length beyond the maximum", STR_INIT("\x81\x80\x40"), ST_TOO_LARGE,
     "request body too large: decompressed message size too large than max (1048577 vs 1048576)"},
    {"length of 4 GiB", STR_INIT("\xff\xff\xff\xff\x0f"), ST_TOO_LARGE, NULL},
    {"length beyond 32 bits", STR_INIT("\xff\xff\xff\xff\x7f"), ST_INVALID,
     "snappy: corrupt input"},
};

Test(push, protobuf_bodies)
{
    for (size_t i = 0; i < COUNT_OF(body_cases); i++) {
        struct expected x = {body_cases[i].name, body_cases[i].st, STR_NULL, body_cases[i].text};

        expect_decoded(&protobuf_spec, body_cases[i].body, &x);
    }
}

/* ---- against protobuf-c ---- */

static struct str binary(ProtobufCBinaryData b)
{
    return str_make((const char *)b.data, b.len);
}

/* What the decoder must make of `message`; false: protobuf-c refuses it. */
static bool put_unpacked(struct buf *b, struct str message)
{
    Skald__PushRequest *m =
        skald__push_request__unpack(NULL, message.len, (const uint8_t *)message.ptr);

    if (m == NULL)
        return false;
    for (size_t i = 0; i < m->n_streams; i++) {
        buf_put(b, STR("{}"));
        for (size_t e = 0; e < m->streams[i]->n_entries; e++) {
            const Skald__PushEntry *entry = m->streams[i]->entries[e];
            const Skald__PushTimestamp *t = entry->timestamp;
            struct label pairs[8];
            size_t count = MIN_OF(entry->n_structured_metadata, COUNT_OF(pairs));
            for (size_t p = 0; p < count; p++)
                pairs[p] = (struct label){binary(entry->structured_metadata[p]->name),
                                          binary(entry->structured_metadata[p]->value)};
            buf_put_char(b, ' ');
            buf_put_i64(b, t == NULL ? 0 : t->seconds * SECOND_NS + t->nanos);
            buf_put_char(b, ' ');
            utf8_put_quoted(b, binary(entry->line));
            if (count > 0)
                labels_put_text(b, (struct labels){pairs, count});
        }
        buf_put_char(b, '\n');
    }
    skald__push_request__free_unpacked(m, NULL);
    return true;
}

static void put_part(struct buf *b, unsigned number, struct buf *part)
{
    buf_put_uvarint(b, number << 3 | 2);
    buf_put_str(b, buf_str(part));
    buf_release(part);
}

/* Fields that nobody knows, of every type. */
static void put_unknown(struct random *r, struct buf *b)
{
    static const struct str fields[] = {
        STR_INIT("\x38\xff\xff\x7f"),
        STR_INIT("\x39"
                 "12345678"),
        STR_INIT("\x3d"
                 "1234"),
        STR_INIT("\x3a\x03xyz"),
        STR_INIT("\xfa\xff\xff\xff\x0f\x01x"),
    };

    if (random_below(r, 4) == 0)
        buf_put(b, fields[random_below(r, COUNT_OF(fields))]);
}

static void put_random_entry(struct random *r, struct buf *b)
{
    struct buf part;

    for (size_t left = random_below(r, 3); left > 0; left--) {
        buf_init(&part, MIB);
        put_unknown(r, &part);
        if (random_below(r, 3) > 0)
            buf_put(&part, STR("\x0a\x01n"));
        buf_put(&part, STR("\x12\x03v\0v"));
        put_part(b, 3, &part);
    }
    put_unknown(r, b);
    if (random_below(r, 4) > 0)
        buf_put(b, STR("\x12\x04line"));
    if (random_below(r, 4) > 0) {
        buf_init(&part, MIB);
        buf_put_char(&part, 2 << 3);
        buf_put_uvarint(&part, random_below(r, 1000000000));
        put_unknown(r, &part);
        buf_put_char(&part, 1 << 3);
        buf_put_uvarint(&part, (uint64_t)random_below(r, 100000) - 50000);
        put_part(b, 1, &part);
    }
}

static void put_random_message(struct random *r, struct buf *b)
{
    for (size_t streams = random_below(r, 3); streams > 0; streams--) {
        struct buf stream, entry;
        buf_init(&stream, MIB);
        for (size_t entries = random_below(r, 4); entries > 0; entries--) {
            buf_init(&entry, MIB);
            put_random_entry(r, &entry);
            put_part(&stream, 2, &entry);
            put_unknown(r, &stream);
        }
        buf_put(&stream, STR("\x0a\x02{}"));
        put_part(b, 1, &stream);
        put_unknown(r, b);
    }
}

/* Whole, and cut at every byte. */
Test(push, protobuf_as_the_library)
{
    struct random r = random_begin();
    struct buf message, want;

    buf_init(&message, MIB);
    buf_init(&want, MIB);
    for (size_t i = 0; i < 500; i++) {
        buf_reset(&message);
        put_random_message(&r, &message);
        for (size_t len = 0; len <= message.len; len++) {
            struct str cut = str_head(str_make(message.ptr, message.len), len), body = snap(cut);
            buf_reset(&want);
            bool good = put_unpacked(&want, cut);
            struct expected x = {"random", good ? ST_OK : ST_INVALID,
                                 good ? str_make(want.ptr, want.len) : STR_NULL, "unexpected EOF"};
            expect_decoded(&protobuf_spec, body, &x);
            drop(body);
        }
    }
    buf_release(&want);
    buf_release(&message);
}

/* Nothing may be taken for a length that is only announced. */
Test(push, announced_size_takes_no_memory)
{
    struct push_request r;
    struct err err;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    EXPECT_STATUS("announced",
                  push_decode(&a, &protobuf_spec, STR("\xff\xff\xff\xff\x0f"), &r, &err),
                  ST_TOO_LARGE);
    cr_expect_eq(a.used_bytes, 0);
    arena_release(&a);
}

Test(push, protobuf_truncated_at_every_byte)
{
    struct str message = pack_example(), body = snap(message);
    struct expected x = {"cut", ST_INVALID, STR_NULL, NULL};

    for (size_t cut = 0; cut < body.len; cut++) {
        char *copy = mem_bytes(cut); /* of just this size, for the address sanitizer */
        memcpy(copy, body.ptr, cut);
        expect_decoded(&protobuf_spec, str_make(copy, cut), &x);
        mem_free(copy);
    }
    for (size_t cut = 1; cut < message.len; cut++) {
        struct str part = snap(str_head(message, cut));
        struct push_request r;
        struct arena a;
        arena_init(&a, ARENA_BYTES);
        enum status st = push_decode(&a, &protobuf_spec, part, &r, NULL);
        /* Between the two streams a message may well end. */
        cr_expect_eq(st, cut == message.len - 6 ? ST_OK : ST_INVALID, "cut at %zu of %zu: %s", cut,
                     message.len, status_name(st));
        arena_release(&a);
        drop(part);
    }
    drop(message);
    drop(body);
}

Test(push, protobuf_damaged)
{
    struct random r = random_begin();
    struct str message = pack_example();
    char *bytes = (char *)(uintptr_t)message.ptr;

    for (size_t i = 0; i < 20000; i++) {
        struct push_request request;
        struct arena a;
        size_t at = random_below(&r, message.len);
        char before = bytes[at];
        bytes[at] = (char)random_u64(&r);
        struct str body = snap(message);
        arena_init(&a, ARENA_BYTES);
        enum status st = push_decode(&a, &protobuf_spec, body, &request, NULL);
        cr_assert(st == ST_OK || st == ST_INVALID, "%s, seed %" PRIu64, status_name(st), r.seed);
        arena_release(&a);
        drop(body);
        bytes[at] = before;
    }
    drop(message);
}

/* ---- content encodings ---- */

static struct str deflate_raw(struct str in)
{
    size_t bound = in.len + 1000;
    char *to = mem_bytes(bound);
    z_stream z = {0};

    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in.ptr;
    z.avail_in = (uInt)in.len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)bound;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = bound - z.avail_out;
    (void)deflateEnd(&z);
    return str_make(to, len);
}

Test(push, encodings)
{
    struct str json = v1_cases[0].body, message = pack_example(), snappy = snap(message);
    struct expected want_json = {"JSON", ST_OK, v1_cases[0].want, NULL};
    struct expected want_example = {"protobuf", ST_OK, example_text, NULL};
    struct expected want_error = {"plain as gzip", ST_INVALID, STR_NULL, NULL};
    struct expected want_eof = {"empty as gzip", ST_INVALID, STR_NULL, "EOF"};
    struct push_spec spec = {PUSH_JSON, PUSH_GZIP, 1 << 20};
    struct buf gzip;

    buf_init(&gzip, MIB);
    REQUIRE_OK(gzip_compress(json, &gzip));
    expect_decoded(&spec, buf_str(&gzip), &want_json);
    expect_decoded(&spec, json, &want_error);
    expect_decoded(&spec, STR_NULL, &want_eof);
    struct str raw = deflate_raw(json);
    spec.encoding = PUSH_DEFLATE;
    expect_decoded(&spec, raw, &want_json);
    drop(raw);

    buf_reset(&gzip);
    REQUIRE_OK(gzip_compress(snappy, &gzip));
    spec = (struct push_spec){PUSH_PROTOBUF, PUSH_GZIP, 1 << 20};
    expect_decoded(&spec, buf_str(&gzip), &want_example);
    buf_release(&gzip);
    drop(message);
    drop(snappy);
}

/* The largest body that is accepted, and one byte more, in each encoding. */
Test(push, decompressed_maximum)
{
    struct str json = v1_cases[0].body, raw = deflate_raw(json), message = pack_example();
    struct str snappy = snap(message);
    struct expected want = {"largest", ST_OK, v1_cases[0].want, NULL};
    struct expected example = {"largest", ST_OK, example_text, NULL};
    struct expected large = {"one more", ST_TOO_LARGE, STR_NULL, NULL};
    struct push_spec spec = {PUSH_JSON, PUSH_GZIP, json.len};
    struct buf gzip;

    buf_init(&gzip, MIB);
    REQUIRE_OK(gzip_compress(json, &gzip));
    expect_decoded(&spec, buf_str(&gzip), &want);
    spec.encoding = PUSH_DEFLATE;
    expect_decoded(&spec, raw, &want);
    spec.decompressed_bytes_max--;
    expect_decoded(&spec, raw, &large);
    spec.encoding = PUSH_GZIP;
    expect_decoded(&spec, buf_str(&gzip), &large);
    spec = (struct push_spec){PUSH_PROTOBUF, PUSH_PLAIN, message.len};
    expect_decoded(&spec, snappy, &example);
    spec.decompressed_bytes_max--;
    expect_decoded(&spec, snappy, &large);
    buf_release(&gzip);
    drop(raw);
    drop(message);
    drop(snappy);
}

/* Every allocation fails once: a status, no leak, and in the end the request. */
Test(push, nth_allocation_fails)
{
    struct str json = v1_cases[0].body, message = pack_example(), snappy = snap(message);
    struct push_spec specs[] = {{PUSH_JSON, PUSH_GZIP, 1 << 20},
                                {PUSH_PROTOBUF, PUSH_PLAIN, 1 << 20}};
    struct buf gzip;

    buf_init(&gzip, MIB);
    REQUIRE_OK(gzip_compress(json, &gzip));
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        enum status st = ST_LIMIT;
        for (int64_t n = 1; st != ST_OK && n < 100; n++) {
            struct push_request r;
            struct err err;
            struct arena a;
            arena_init(&a, ARENA_BYTES);
            mem_fail_after(n);
            st = push_decode(&a, &specs[i], i == 0 ? buf_str(&gzip) : snappy, &r, &err);
            mem_fail_after(0);
            cr_expect(st == ST_OK || st == ST_LIMIT || st == ST_NOMEM, "spec %zu, %" PRId64 ": %s",
                      i, n, status_name(st));
            arena_release(&a);
        }
        EXPECT_STATUS("in the end", st, ST_OK);
    }
    buf_release(&gzip);
    drop(message);
    drop(snappy);
}
