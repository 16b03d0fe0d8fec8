/*
 * buf.h - the one builder of bytes: it grows, up to a maximum it is born with.
 *
 * A put that does not fit sets `failed` and changes nothing from then on, so a chain of puts is
 * checked once, with buf_status(). Integers are little endian; a uvarint is 7 bits a byte, lowest
 * first, the high bit says that more follow.
 *
 * The second half reads what the first half wrote: each get cuts its value off `*in` and returns
 * false, with nothing cut, when the bytes do not hold one.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max;
    bool failed;
    bool full; /* it failed because the maximum was reached, not for memory */
};

enum { UVARINT_BYTES_MAX = 10 };

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);

/* Empty it, keep its memory. */
void buf_reset(struct buf *b);

/* Room for `more` bytes behind the content: where to write them, or NULL. Does not change `len`. */
char *buf_reserve(struct buf *b, size_t more);

/* Say that `count` bytes were written into what buf_reserve() gave. */
void buf_advance(struct buf *b, size_t count);

void buf_put(struct buf *b, struct str s);
void buf_put_char(struct buf *b, char c);
void buf_put_zeros(struct buf *b, size_t count);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_uvarint(struct buf *b, uint64_t v);

/* A uvarint length and the bytes. */
void buf_put_str(struct buf *b, struct str s);

/* Needs room for a zero byte behind the text, which is not counted. */
void buf_vprintf(struct buf *b, const char *format, va_list args) PRINTF_LIKE(2, 0);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_put_i64(struct buf *b, int64_t v); /* in decimal */

/* Overwrite 4 bytes at `offset`, which must lie inside the content. */
void buf_set_u32(struct buf *b, size_t offset, uint32_t v);

static inline struct str buf_str(const struct buf *b)
{
    return str_make(b->ptr, b->len);
}

/* Let it fail with ST_TOO_LARGE or ST_NOMEM, as when a part of it cannot be made. */
void buf_fail(struct buf *b, enum status st);

/* ST_OK; ST_TOO_LARGE when the maximum was reached; ST_NOMEM. */
MUST_CHECK enum status buf_status(const struct buf *b, struct err *err);

/* Give the bytes to the caller, who frees them with mem_free(); the buf is empty afterwards. */
struct str buf_detach(struct buf *b);

MUST_CHECK bool get_bytes(struct str *in, size_t count, struct str *ret_bytes);
MUST_CHECK bool get_u8(struct str *in, uint8_t *ret_v);
MUST_CHECK bool get_u16(struct str *in, uint16_t *ret_v);
MUST_CHECK bool get_u32(struct str *in, uint32_t *ret_v);
MUST_CHECK bool get_u64(struct str *in, uint64_t *ret_v);
MUST_CHECK bool get_uvarint_long(struct str *in, uint64_t *ret_v);

/* Most have one byte, and most others two. */
MUST_CHECK static inline bool get_uvarint(struct str *in, uint64_t *ret_v)
{
    const unsigned char *p = (const unsigned char *)in->ptr;

    if (in->len >= 1 && p[0] < 0x80) {
        *ret_v = p[0];
        *in = str_cut(*in, 1);
        return true;
    }
    if (in->len >= 2 && p[1] < 0x80) {
        *ret_v = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
        *in = str_cut(*in, 2);
        return true;
    }
    return get_uvarint_long(in, ret_v);
}

MUST_CHECK static inline bool get_str(struct str *in, struct str *ret_s)
{
    struct str rest = *in;
    uint64_t len;

    if (!get_uvarint(&rest, &len) || len > rest.len)
        return false;
    *ret_s = str_make(rest.ptr, (size_t)len);
    *in = str_cut(rest, (size_t)len);
    return true;
}

/* Signed numbers as uvarints: 0, -1, 1, -2 ... become 0, 1, 2, 3 ... */
static inline uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
