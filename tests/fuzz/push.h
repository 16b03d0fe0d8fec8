/*
 * push.h - the round trip of a push body: what was decoded, printed in the same form, is decoded
 * again and printed to the same bytes. JSON with bytes that are not UTF-8 is excepted: they become
 * U+FFFD on the way.
 */
#ifndef TESTS_FUZZ_PUSH_H
#define TESTS_FUZZ_PUSH_H

#include "base/utf8.h"
#include "proto/push.h"
#include "tests/fuzz/fuzz.h"

/* Print a decoded request as a body. */
typedef void push_print_fn(struct buf *b, const struct push_request *request);

/* Labels as text. Names are quoted: the decoder takes any, refusing some is up to the store. */
static inline void push_put_labels(struct buf *b, struct labels l)
{
    buf_put_char(b, '{');
    for (size_t i = 0; i < l.count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        utf8_put_quoted(b, l.pairs[i].name);
        buf_put_char(b, '=');
        utf8_put_quoted(b, l.pairs[i].value);
    }
    buf_put_char(b, '}');
}

static inline enum status push_reprint(enum push_format format, push_print_fn *print,
                                       struct str body, struct buf *to)
{
    struct push_spec spec = {.format = format, .decompressed_bytes_max = FUZZ_MEMORY_BYTES / 4};
    struct err err = {.text = ""};
    struct push_request request;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    enum status st = push_decode(&a, &spec, body, &request, &err);
    ASSERT(st == ST_OK || err.status == st);
    if (st == ST_OK)
        print(to, &request);
    arena_release(&a);
    return st;
}

static inline void push_round_trip(enum push_format format, push_print_fn *print, struct str body)
{
    struct buf once, again;

    buf_init(&once, FUZZ_MEMORY_BYTES);
    buf_init(&again, FUZZ_MEMORY_BYTES);
    if (push_reprint(format, print, body, &once) == ST_OK) {
        ASSERT(push_reprint(format, print, buf_str(&once), &again) == ST_OK);
        bool is_text = format == PUSH_PROTOBUF || utf8_valid(body);
        ASSERT(!is_text || str_eq(buf_str(&once), buf_str(&again)));
    }
    buf_release(&once);
    buf_release(&again);
}

#endif
