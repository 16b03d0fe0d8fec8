/*
 * validate.h - which streams and entries of a push are stored, and in which form.
 *
 * The rules and texts are those of Loki's distributor: service_name and detected_level are added,
 * names of structured metadata made regular, limits checked. What is refused is dropped and
 * counted; the rest of the push is stored all the same, and the answer tells what was refused.
 */
#ifndef SERVER_STORE_VALIDATE_H
#define SERVER_STORE_VALIDATE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "proto/push.h"
#include "server/store/tenant.h"

struct push_message;

/* The distinct texts of what was refused, with their counts. */
struct push_errors {
    struct push_message *first;
    struct push_message *last;
    size_t distinct;
};

struct push_check {
    /* in */
    struct arena *arena; /* of the request */
    const struct limits *limits;
    struct tenant_counters *counters;
    int64_t now_ns;
    struct flag *gone; /* set when nobody waits for the answer any more; or NULL */
    /* out */
    struct push_errors errors;
    uint64_t entries; /* accepted */
    uint64_t bytes;   /* of their lines and metadata, detected_level not counted */
    bool changed; /* more than labels and levels that were added: entries left out, other times */
    uint64_t text_bytes; /* of texts that were made for refused entries */
};

/*
 * May any of it be stored? Before validate_push().
 *
 * ST_EMPTY    it has no streams at all
 * ST_INVALID  labels that are reserved
 */
MUST_CHECK enum status validate_request(const struct push_request *request, struct err *err);

/*
 * Reduce `request` to what is accepted: streams without entries are left out.
 *
 * ST_LIMIT      the arena is full
 * ST_CANCELLED  nobody waits any more
 */
MUST_CHECK enum status validate_push(struct push_check *c, struct push_request *request,
                                     struct err *err);

/* Refuse one entry (or all of a stream) later on; the text is copied. */
void push_errors_add(struct push_errors *errors, struct arena *a, struct str text, uint64_t count);

/* `text`, or `2 errors like: text; 1 errors like: other`. Nothing is put when nothing was refused.
 */
void push_errors_put(struct buf *b, const struct push_errors *errors);

#endif
