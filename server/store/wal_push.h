/*
 * wal_push.h - the payload of a push in the write-ahead log, as docs/format/wal.md has it.
 */
#ifndef SERVER_STORE_WAL_PUSH_H
#define SERVER_STORE_WAL_PUSH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/push.h"

void wal_push_encode(struct buf *b, struct str tenant, const struct push_request *request);

/*
 * Made in `a`; texts borrow `payload`.
 *
 * ST_CORRUPT  the bytes are no such payload     ST_LIMIT  the arena is full
 */
MUST_CHECK enum status wal_push_decode(struct arena *a, struct str payload, struct str *ret_tenant,
                                       struct push_request *ret_request, struct err *err);

#endif
