#include "base/gzip.h"

#include <limits.h>

#include <zlib.h>

#include "base/banned.h"

enum {
    WINDOW_BITS = 15,
    WINDOW_GZIP = 16, /* added to the window bits: a gzip header and trailer */
    STEP_BYTES_MIN = 16 * 1024,
    TRAILER_BYTES = 8, /* CRC-32 and size, both little endian */
    MEMORY_LEVEL = 8,
    RATIO_MAX = 1032, /* no deflated byte gives more */
};

static void *in_pointer(struct str s)
{
    return (void *)(uintptr_t)s.ptr;
}

/*
 * The size that the trailer of the last member announces (of that member, modulo 2^32); 0 if these
 * bytes are no gzip, or were cut so that something else stands where the trailer would.
 */
static uint32_t announced_bytes(struct str in)
{
    uint32_t bytes;

    if (in.len < TRAILER_BYTES || !str_starts(in, STR("\x1f\x8b")))
        return 0;
    struct str trailer = str_cut(in, in.len - TRAILER_BYTES / 2);
    return get_u32(&trailer, &bytes) && bytes / RATIO_MAX < in.len ? bytes : 0;
}

/* One round of inflate() into room of `out`. */
static int inflate_step(z_stream *z, struct buf *out)
{
    size_t room = MIN_OF(out->max - out->len, MAX_OF(out->len, (size_t)STEP_BYTES_MIN));
    char *to = buf_reserve(out, MAX_OF(room, 1));

    if (to == NULL)
        return Z_MEM_ERROR;
    room = MIN_OF(room, (size_t)INT_MAX);
    z->next_out = (Bytef *)to;
    z->avail_out = (uInt)room;
    int result = inflate(z, Z_NO_FLUSH);
    buf_advance(out, room - z->avail_out);
    return result;
}

enum status gzip_decompress(enum gzip_form form, struct str in, struct buf *ret_bytes,
                            struct err *err)
{
    const char *name = form == GZIP_GZIP ? "gzip" : "flate";
    size_t begin = ret_bytes->len;
    z_stream z = {0};
    enum status st = ST_OK;

    if (in.len == 0)
        return err_set(err, ST_INVALID, "EOF");
    if (in.len > INT_MAX)
        return err_set(err, ST_TOO_LARGE, "%s: %zu bytes are too many", name, in.len);
    if (form == GZIP_GZIP && announced_bytes(in) >= MAX_OF(ret_bytes->max, 1))
        return err_set(err, ST_TOO_LARGE, "%s: it announces %u bytes, %zu are too many", name,
                       announced_bytes(in), ret_bytes->max);
    if (inflateInit2(&z, form == GZIP_GZIP ? WINDOW_BITS + WINDOW_GZIP : -WINDOW_BITS) != Z_OK)
        return err_set(err, ST_NOMEM, "%s: no memory", name);
    z.next_in = in_pointer(in);
    z.avail_in = (uInt)in.len;

    for (;;) {
        int result = inflate_step(&z, ret_bytes);
        if (result == Z_STREAM_END && z.avail_in > 0 && form == GZIP_GZIP) {
            (void)inflateReset(&z); /* another member follows */
            continue;
        }
        bool full = ret_bytes->len >= ret_bytes->max;
        if (result == Z_STREAM_END && !full)
            break;
        if (result == Z_OK && (z.avail_in > 0 || z.avail_out == 0) && !full)
            continue;
        if (full)
            st = err_set(err, ST_TOO_LARGE, "%s: %zu bytes or more", name, ret_bytes->max);
        else if (result == Z_MEM_ERROR)
            st = err_set(err, ST_NOMEM, "%s: no memory", name);
        else if (result == Z_OK || result == Z_BUF_ERROR)
            st = err_set(err, ST_INVALID, "unexpected EOF");
        else
            st = err_set(err, ST_INVALID, "%s: %s", name, z.msg == NULL ? "corrupt input" : z.msg);
        break;
    }
    if (st != ST_OK)
        ret_bytes->len = begin;
    (void)inflateEnd(&z);
    return st;
}

enum status gzip_compress(struct str in, struct buf *ret_bytes)
{
    z_stream z = {0};

    if (in.len > INT_MAX / 2)
        return ST_TOO_LARGE;
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS + WINDOW_GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ST_NOMEM;
    size_t bound = deflateBound(&z, in.len);
    char *to = buf_reserve(ret_bytes, bound);
    enum status st = ST_NOMEM;
    if (to != NULL) {
        z.next_in = in_pointer(in);
        z.avail_in = (uInt)in.len;
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)bound;
        int result = deflate(&z, Z_FINISH);
        ASSERT(result == Z_STREAM_END); /* deflateBound() promises the room */
        buf_advance(ret_bytes, bound - z.avail_out);
        st = ST_OK;
    }
    (void)deflateEnd(&z);
    return st;
}
