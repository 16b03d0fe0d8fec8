/*
 * wal_push.h - the payload of a push in the write-ahead log, as docs/format/wal.md has it.
 */
#ifndef SERVER_STORE_WAL_PUSH_H
#define SERVER_STORE_WAL_PUSH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "chunks/wal.h"
#include "proto/push.h"

/*
 * Memory for reading a record: more than a push may take when it comes, which is four times the
 * largest distributor.max_decompressed_size. What was acknowledged can be read, whatever the
 * settings are by then.
 */
#define WAL_PUSH_ARENA_BYTES_MAX ((size_t)3 << 30)

/* A record of kind WAL_PUSH. */
void wal_push_encode(struct buf *b, struct str tenant, const struct push_request *request);

/*
 * A record of kind WAL_PUSH_BODY: `body` in protobuf as it came, and what validation added to it,
 * which may be labels and a level for each entry and nothing else. It needs a fifth of the bytes.
 * False: there are too many levels for that; what was put is of no use.
 */
MUST_CHECK bool wal_push_encode_body(struct buf *b, struct str tenant,
                                     const struct push_request *request, struct str body);

/*
 * Made in `a`; texts borrow the payload.
 *
 * ST_CORRUPT  the bytes are no such payload     ST_LIMIT  the arena is full
 */
MUST_CHECK enum status wal_push_decode(struct arena *a, const struct wal_record *record,
                                       struct str *ret_tenant, struct push_request *ret_request,
                                       struct err *err);

#endif
