/*
 * gzip.h - gzip and deflate, with zlib.
 */
#ifndef BASE_GZIP_H
#define BASE_GZIP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum gzip_form {
    GZIP_GZIP,    /* RFC 1952, perhaps several members in a row */
    GZIP_DEFLATE, /* RFC 1951, without any header */
};

/*
 * Append what `in` holds to `ret_bytes`; it must stay below the maximum of that. The size that a
 * gzip trailer announces is checked before anything is allocated (unless so much cannot be in `in`:
 * then those bytes are no trailer), the real size while it grows.
 *
 * ST_INVALID    damaged or cut short
 * ST_TOO_LARGE  the maximum or more
 * ST_NOMEM      out of memory
 */
MUST_CHECK enum status gzip_decompress(enum gzip_form form, struct str in, struct buf *ret_bytes,
                                       struct err *err);

/* Append `in` as one gzip member, at the fastest level: for answers. */
MUST_CHECK enum status gzip_compress(struct str in, struct buf *ret_bytes);

#endif
