/* gzip and deflate bodies: never more than the maximum, and what came out comes out again. */
#include "base/gzip.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

enum { DECOMPRESSED_BYTES_MAX = 1 << 20 };

static void check_again(struct str bytes)
{
    struct buf packed, again;

    buf_init(&packed, FUZZ_MEMORY_BYTES);
    buf_init(&again, DECOMPRESSED_BYTES_MAX);
    ASSERT(gzip_compress(bytes, &packed) == ST_OK);
    ASSERT(gzip_decompress(GZIP_GZIP, buf_str(&packed), &again, NULL) == ST_OK);
    ASSERT(str_eq(bytes, buf_str(&again)));
    buf_release(&packed);
    buf_release(&again);
}

static void check_form(enum gzip_form form, struct str in)
{
    struct buf bytes;

    buf_init(&bytes, DECOMPRESSED_BYTES_MAX);
    enum status st = gzip_decompress(form, in, &bytes, NULL);
    ASSERT(st == ST_OK || st == ST_INVALID || st == ST_TOO_LARGE);
    ASSERT(bytes.len <= DECOMPRESSED_BYTES_MAX);
    if (st == ST_OK)
        check_again(buf_str(&bytes));
    buf_release(&bytes);
}

void fuzz_input(struct str in)
{
    check_form(GZIP_GZIP, in);
    check_form(GZIP_DEFLATE, in);
}
