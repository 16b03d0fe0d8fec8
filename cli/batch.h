/*
 * batch.h - lines of one stream, gathered and packed into the body of a push.
 *
 * Every line gets a time above that of the line before: that keeps their order, and equal lines of
 * one moment are not taken for one.
 */
#ifndef CLI_BATCH_H
#define CLI_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/labels.h"

struct batch {
    struct str labels;      /* of the stream, as text; borrowed */
    struct labels metadata; /* of every line; borrowed */
    struct arena arena;
    void **entries; /* as protobuf-c wants them */
    size_t count;
    size_t capacity;
    size_t line_bytes;
    size_t bytes;    /* about what they take in a message */
    int64_t last_ns; /* the newest time that was given to a line, in this batch or before */
};

void batch_init(struct batch *b, struct str labels, struct labels metadata);
void batch_release(struct batch *b);

/* Forget the lines, keep the time. */
void batch_reset(struct batch *b);

/* What a line would add to `bytes`. */
size_t batch_line_bytes(const struct batch *b, struct str line);

/* Add a copy of the line. ST_LIMIT: there is no memory for it. */
MUST_CHECK enum status batch_add(struct batch *b, struct str line, int64_t now_ns, struct err *err);

/* Everything as snappy protobuf, in the batch's memory until the next batch_reset(). */
MUST_CHECK enum status batch_pack(struct batch *b, struct str *ret_body, struct err *err);

#endif
