#include "base/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#include "base/banned.h"

enum { BUF_CAPACITY_FIRST = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    mem_free(b->ptr);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    b->full = false;
}

char *buf_reserve(struct buf *b, size_t more)
{
    ASSERT(b->len <= b->capacity);
    if (b->failed)
        return NULL;
    if (more <= b->capacity - b->len && b->ptr != NULL)
        return b->ptr + b->len;
    if (more > b->max - b->len) {
        buf_fail(b, ST_TOO_LARGE);
        return NULL;
    }

    size_t wanted = b->len + more;
    size_t capacity = MAX_OF(b->capacity, (size_t)BUF_CAPACITY_FIRST);
    while (capacity < wanted && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    capacity = MAX_OF(MIN_OF(capacity, b->max), wanted);

    char *moved = mem_grow(b->ptr, capacity, 1);
    if (moved == NULL) {
        buf_fail(b, ST_NOMEM);
        return NULL;
    }
    b->ptr = moved;
    b->capacity = capacity;
    return b->ptr + b->len;
}

void buf_advance(struct buf *b, size_t count)
{
    ASSERT(count <= b->capacity - b->len);
    b->len += count;
}

void buf_put(struct buf *b, struct str s)
{
    char *to = buf_reserve(b, s.len);

    if (to == NULL)
        return;
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    b->len += s.len;
}

void buf_put_char(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);

    if (to == NULL)
        return;
    *to = c;
    b->len++;
}

void buf_put_zeros(struct buf *b, size_t count)
{
    char *to = buf_reserve(b, count);

    if (to == NULL)
        return;
    memset(to, 0, count);
    b->len += count;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put_char(b, (char)v);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
    v = htole16(v);
    buf_put(b, str_make((const char *)&v, sizeof(v)));
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    v = htole32(v);
    buf_put(b, str_make((const char *)&v, sizeof(v)));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    v = htole64(v);
    buf_put(b, str_make((const char *)&v, sizeof(v)));
}

void buf_put_uvarint(struct buf *b, uint64_t v)
{
    char bytes[UVARINT_BYTES_MAX];
    size_t n = 0;

    if (v < 0x80) {
        buf_put_char(b, (char)(uint8_t)v);
        return;
    }
    while (v >= 0x80) {
        bytes[n++] = (char)(uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (char)(uint8_t)v;
    buf_put(b, str_make(bytes, n));
}

void buf_put_str(struct buf *b, struct str s)
{
    buf_put_uvarint(b, s.len);
    buf_put(b, s);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    ASSERT(len >= 0);
    char *to = buf_reserve(b, (size_t)len + 1);
    if (to == NULL)
        return;
    (void)vsnprintf(to, (size_t)len + 1, format, args);
    b->len += (size_t)len;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_put_i64(struct buf *b, int64_t v)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (v < 0)
        digits[--at] = '-';
    buf_put(b, str_make(digits + at, sizeof(digits) - at));
}

void buf_set_u32(struct buf *b, size_t offset, uint32_t v)
{
    if (b->failed)
        return;
    ASSERT(b->len >= sizeof(v) && offset <= b->len - sizeof(v));
    v = htole32(v);
    memcpy(b->ptr + offset, &v, sizeof(v));
}

void buf_fail(struct buf *b, enum status st)
{
    ASSERT(st == ST_TOO_LARGE || st == ST_NOMEM);
    b->failed = true;
    b->full = st == ST_TOO_LARGE;
}

enum status buf_status(const struct buf *b, struct err *err)
{
    if (!b->failed)
        return ST_OK;
    if (b->full)
        return err_set(err, ST_TOO_LARGE, "more than the maximum of %zu bytes", b->max);
    return err_set(err, ST_NOMEM, "no memory for more than %zu bytes", b->len);
}

struct str buf_detach(struct buf *b)
{
    struct str s = buf_str(b);

    buf_init(b, b->max);
    return s;
}

bool get_bytes(struct str *in, size_t count, struct str *ret_bytes)
{
    if (count > in->len)
        return false;
    *ret_bytes = str_head(*in, count);
    *in = str_cut(*in, count);
    return true;
}

bool get_u8(struct str *in, uint8_t *ret_v)
{
    if (in->len < 1)
        return false;
    *ret_v = (uint8_t)in->ptr[0];
    *in = str_cut(*in, 1);
    return true;
}

bool get_u16(struct str *in, uint16_t *ret_v)
{
    struct str bytes;
    uint16_t v;

    if (!get_bytes(in, sizeof(v), &bytes))
        return false;
    memcpy(&v, bytes.ptr, sizeof(v));
    *ret_v = le16toh(v);
    return true;
}

bool get_u32(struct str *in, uint32_t *ret_v)
{
    struct str bytes;
    uint32_t v;

    if (!get_bytes(in, sizeof(v), &bytes))
        return false;
    memcpy(&v, bytes.ptr, sizeof(v));
    *ret_v = le32toh(v);
    return true;
}

bool get_u64(struct str *in, uint64_t *ret_v)
{
    struct str bytes;
    uint64_t v;

    if (!get_bytes(in, sizeof(v), &bytes))
        return false;
    memcpy(&v, bytes.ptr, sizeof(v));
    *ret_v = le64toh(v);
    return true;
}

bool get_uvarint_long(struct str *in, uint64_t *ret_v)
{
    size_t end = MIN_OF(in->len, (size_t)UVARINT_BYTES_MAX);
    uint64_t v = 0;

    for (size_t i = 0; i < end; i++) {
        uint64_t part = (uint8_t)in->ptr[i];
        if (i == UVARINT_BYTES_MAX - 1 && part > 1)
            break; /* more than 64 bits */
        v |= (part & 0x7f) << (7 * i);
        if (part < 0x80) {
            *ret_v = v;
            *in = str_cut(*in, i + 1);
            return true;
        }
    }
    return false;
}
