#include "proto/push_internal.h"

#include <snappy-c.h>

#include "base/gzip.h"
#include "base/num.h"
#include "base/time.h"
#include "proto/json.h"

#include "base/banned.h"

#define TOO_LARGE_TEXT \
    "request body too large: decompressed message size too large than max (%zu vs %zu)"

static void release_buf(void *b)
{
    buf_release(b);
}

/* Undo gzip or deflate. The bytes belong to the arena. */
static enum status decompress(struct arena *a, const struct push_spec *spec, struct str *body,
                              struct err *err)
{
    struct buf *b = arena_new(a, struct buf, 1);

    if (b == NULL || !arena_on_release(a, release_buf, b))
        return arena_status(a, err);
    buf_init(b, spec->decompressed_bytes_max + 1);
    enum status st =
        gzip_decompress(spec->encoding == PUSH_GZIP ? GZIP_GZIP : GZIP_DEFLATE, *body, b, err);
    if (st == ST_TOO_LARGE)
        return err_set(err, st, TOO_LARGE_TEXT, b->max, spec->decompressed_bytes_max);
    if (st != ST_OK)
        return st;
    *body = buf_str(b);
    return ST_OK;
}

static enum status parse_labels(struct arena *a, struct str text, struct labels *ret_labels,
                                struct err *err)
{
    enum status st = labels_parse(a, text, ret_labels, err);

    return st == ST_INVALID ? err_prefix(err, st, "couldn't parse labels") : st;
}

/* ---- protobuf ---- */

static enum status uncompress_snappy(struct arena *a, size_t bytes_max, struct str *body,
                                     struct err *err)
{
    size_t bytes;

    if (snappy_uncompressed_length(body->ptr, body->len, &bytes) != SNAPPY_OK)
        return err_set(err, ST_INVALID, "snappy: corrupt input");
    if (bytes > bytes_max)
        return err_set(err, ST_TOO_LARGE, TOO_LARGE_TEXT, bytes, bytes_max);
    char *to = arena_bytes(a, bytes);
    if (to == NULL)
        return arena_status(a, err);
    if (snappy_uncompress(body->ptr, body->len, to, &bytes) != SNAPPY_OK)
        return err_set(err, ST_INVALID, "snappy: corrupt input");
    *body = str_make(to, bytes);
    return ST_OK;
}

enum status push_decode_entries(struct arena *a, size_t decompressed_bytes_max, struct str body,
                                struct push_request *ret_request, struct err *err)
{
    enum status st = uncompress_snappy(a, decompressed_bytes_max, &body, err);

    return st == ST_OK ? push_decode_message(a, body, ret_request, err) : st;
}

static enum status decode_protobuf(struct arena *a, const struct push_spec *spec, struct str body,
                                   struct push_request *ret_request, struct err *err)
{
    struct push_request r;

    enum status st = push_decode_entries(a, spec->decompressed_bytes_max, body, &r, err);
    for (size_t i = 0; st == ST_OK && i < r.stream_count; i++)
        st = parse_labels(a, r.streams[i].labels_text, &r.streams[i].labels, err);
    if (st == ST_OK)
        *ret_request = r;
    return st;
}

/* ---- JSON ---- */

/* Lists whose length is known only at the end. */
struct pair_list {
    struct label *pairs;
    size_t count;
    size_t capacity;
};

static bool pair_add(struct json *j, struct pair_list *list, struct label pair)
{
    list->pairs = arena_reserve(j->arena, list->pairs, list->count, &list->capacity, sizeof(pair));
    if (list->pairs == NULL)
        return false;
    list->pairs[list->count++] = pair;
    return true;
}

/* The last of several values under one name counts. */
static void drop_earlier_duplicates(struct pair_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        bool again = false;
        for (size_t later = i + 1; later < list->count && !again; later++)
            again = str_eq(list->pairs[i].name, list->pairs[later].name);
        if (!again)
            list->pairs[kept++] = list->pairs[i];
    }
    list->count = kept;
}

/* Names that Prometheus would not parse get the error its parser gives for the same labels as text.
 */
static enum status check_names(struct json *j, struct labels l)
{
    enum { LABEL_TEXT_MAX = 1024 * 1024 };
    struct buf text;
    struct labels parsed;

    for (size_t i = 0; i < l.count; i++) {
        if (label_name_valid(l.pairs[i].name))
            continue;
        buf_init(&text, LABEL_TEXT_MAX);
        labels_put_text(&text, l);
        enum status st = parse_labels(j->arena, buf_str(&text), &parsed, j->err);
        buf_release(&text);
        return st == ST_OK
                   ? err_set(j->err, ST_INVALID, "couldn't parse labels: invalid label name '%.*s'",
                             STR_ARG(l.pairs[i].name))
                   : st;
    }
    return ST_OK;
}

/* `{"app":"web","n":5}`: numbers and booleans count as their text. */
static struct labels read_stream_labels(struct json *j)
{
    enum { PAIRS_MAX = 256 }; /* keeps the search for duplicates short */
    struct pair_list list = {0};
    struct str name;

    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return (struct labels){0};
    }
    json_enter_object(j);
    while (json_next_key(j, &name)) {
        struct str value = json_peek(j) == JSON_STRING ? json_read_string(j) : json_literal(j);
        if (list.count == PAIRS_MAX)
            json_fail(j, "too many labels");
        if (json_status(j) != ST_OK || !pair_add(j, &list, (struct label){name, value}))
            break;
    }
    drop_earlier_duplicates(&list);
    struct labels l = {list.pairs, labels_normalize(list.pairs, list.count)};
    if (json_status(j) == ST_OK)
        j->status = check_names(j, l);
    return l;
}

/* Structured metadata: an object whose values are all strings. */
static struct labels read_metadata(struct json *j)
{
    struct pair_list list = {0};
    struct str name;

    json_enter_object(j);
    while (json_next_key(j, &name)) {
        struct str value = json_read_string(j);
        if (json_status(j) != ST_OK || !pair_add(j, &list, (struct label){name, value}))
            break;
    }
    return (struct labels){list.pairs, list.count};
}

/* `["1700000000000000000","line",{"trace_id":"x"}]`; what follows the third item is ignored. */
static struct entry read_value(struct json *j)
{
    struct entry e = {0};
    size_t item = 0;

    json_enter_array(j);
    for (; json_next_item(j); item++) {
        if (item == 0) {
            struct str ts = json_read_string(j);
            if (json_status(j) == ST_OK && num_parse_i64(ts, &e.ts_ns) != ST_OK)
                json_fail(j, "a timestamp is not a string of nanoseconds");
        } else if (item == 1) {
            e.line = json_read_string(j);
        } else if (item == 2) {
            e.metadata = read_metadata(j);
        } else {
            json_skip(j);
        }
    }
    if (item == 0)
        json_fail(j, "an entry has no timestamp");
    return e;
}

/* `{"ts":"<RFC 3339>","line":"...","structuredMetadata":{...}}` */
static struct entry read_legacy_entry(struct json *j)
{
    struct entry e = {0};
    struct str key;

    json_enter_object(j);
    while (json_next_key(j, &key)) {
        if (str_eq(key, STR("ts"))) {
            struct str ts = json_read_string(j);
            if (json_status(j) == ST_OK && time_parse(ts, &e.ts_ns) != ST_OK)
                json_fail(j, "a timestamp is not in the form of RFC 3339");
        } else if (str_eq(key, STR("line"))) {
            e.line = json_read_string(j);
        } else if (str_eq(key, STR("structuredMetadata"))) {
            e.metadata = read_metadata(j);
        } else {
            json_skip(j);
        }
    }
    return e;
}

static void read_entries(struct json *j, enum push_format format, struct push_stream *to)
{
    size_t capacity = 0;

    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return;
    }
    *to = (struct push_stream){.labels = to->labels};
    json_enter_array(j);
    while (json_next_item(j)) {
        struct entry e = format == PUSH_JSON ? read_value(j) : read_legacy_entry(j);
        if (json_status(j) != ST_OK)
            return;
        to->entries = arena_reserve(j->arena, to->entries, to->entry_count, &capacity, sizeof(e));
        if (to->entries == NULL)
            return;
        to->entries[to->entry_count++] = e;
    }
}

static struct push_stream read_stream(struct json *j, enum push_format format)
{
    struct str entries_key = format == PUSH_JSON ? STR("values") : STR("entries");
    struct push_stream s = {0};
    struct str key;

    json_enter_object(j);
    while (json_next_key(j, &key)) {
        if (format == PUSH_JSON && str_eq(key, STR("stream"))) {
            s.labels = read_stream_labels(j);
        } else if (format == PUSH_JSON_LEGACY && str_eq(key, STR("labels"))) {
            struct str text = json_read_string(j);
            if (json_status(j) == ST_OK)
                j->status = parse_labels(j->arena, text, &s.labels, j->err);
        } else if (str_eq(key, entries_key)) {
            read_entries(j, format, &s);
        } else {
            json_skip(j);
        }
    }
    return s;
}

static void read_streams(struct json *j, enum push_format format, struct push_request *r)
{
    size_t capacity = 0;

    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return;
    }
    *r = (struct push_request){0}; /* of several lists the last counts */
    json_enter_array(j);
    while (json_next_item(j)) {
        struct push_stream s = read_stream(j, format);
        if (json_status(j) != ST_OK)
            return;
        r->streams = arena_reserve(j->arena, r->streams, r->stream_count, &capacity, sizeof(s));
        if (r->streams == NULL)
            return;
        r->streams[r->stream_count++] = s;
    }
}

static enum status decode_json(struct arena *a, enum push_format format, struct str body,
                               struct push_request *ret_request, struct err *err)
{
    struct push_request r = {0};
    struct json j;
    struct str key;

    if (str_trim(body).len == 0)
        return err_set(err, ST_INVALID, "EOF");
    json_init(&j, body, a, err);
    json_enter_object(&j);
    while (json_next_key(&j, &key)) {
        if (str_eq(key, STR("streams")))
            read_streams(&j, format, &r);
        else
            json_skip(&j);
        if (a->failed)
            return arena_status(a, err);
    }
    json_finish(&j);
    if (a->failed)
        return arena_status(a, err);
    if (json_status(&j) == ST_OK)
        *ret_request = r;
    return json_status(&j);
}

enum status push_decode(struct arena *a, const struct push_spec *spec, struct str body,
                        struct push_request *ret_request, struct err *err)
{
    if (spec->encoding != PUSH_PLAIN) {
        enum status st = decompress(a, spec, &body, err);
        if (st != ST_OK)
            return st;
    }
    if (spec->format == PUSH_PROTOBUF)
        return decode_protobuf(a, spec, body, ret_request, err);
    return decode_json(a, spec->format, body, ret_request, err);
}
