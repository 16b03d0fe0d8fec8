/*
 * push.h - the body of a push: snappy protobuf or JSON to streams and entries.
 *
 * Everything decoded lives in the arena of the request or borrows the body. Labels are parsed and
 * sorted here; whether they and the entries are acceptable is decided by the store.
 */
#ifndef PROTO_PUSH_H
#define PROTO_PUSH_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/entry.h"
#include "proto/labels.h"

enum push_format {
    PUSH_PROTOBUF,    /* a snappy block around push.proto */
    PUSH_JSON,        /* {"streams":[{"stream":{...},"values":[["ns","line",{...}]]}]} */
    PUSH_JSON_LEGACY, /* {"streams":[{"labels":"{...}","entries":[{"ts":...,"line":...}]}]} */
};

enum push_encoding {
    PUSH_PLAIN,
    PUSH_GZIP,
    PUSH_DEFLATE, /* raw, RFC 1951 */
};

struct push_stream {
    struct labels labels;   /* sorted, no empty values, perhaps with duplicate names */
    struct str labels_text; /* as they came, in protobuf only */
    struct entry *entries;
    size_t entry_count;
};

struct push_request {
    struct push_stream *streams;
    size_t stream_count;
};

struct push_spec {
    enum push_format format;
    enum push_encoding encoding;
    size_t decompressed_bytes_max; /* announced or real */
};

/*
 * ST_INVALID    the body is damaged, or labels do not parse: nothing of the request is usable
 * ST_TOO_LARGE  it would be larger than `decompressed_bytes_max`; nothing was allocated for it
 * ST_LIMIT      the arena is full
 */
MUST_CHECK enum status push_decode(struct arena *a, const struct push_spec *spec, struct str body,
                                   struct push_request *ret_request, struct err *err);

/*
 * The same for a plain body in protobuf whose labels are known: only their texts are read, the
 * labels are left empty.
 */
MUST_CHECK enum status push_decode_entries(struct arena *a, size_t decompressed_bytes_max,
                                           struct str body, struct push_request *ret_request,
                                           struct err *err);

#endif
