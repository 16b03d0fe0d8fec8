#include "chunks/codec.h"

#include <limits.h>

#include <lz4.h>
#include <snappy-c.h>
#include <zstd.h>

#include "base/mem.h"
#include "chunks/codec_internal.h"

#include "base/banned.h"

/*
 * Level 1 packs best for its time on log lines: docs/performance.md has the measurements. Lines are
 * full of numbers, in which short matches are by chance: a match of fewer than six bytes costs more
 * than it saves. The levels up to 4 look for none, the others must be told; that saves 2 to 4 % of
 * the bytes, and time too.
 */
enum { ZSTD_LEVEL = 1, ZSTD_LEVEL_SHORT_MATCHES = 5, ZSTD_MATCH_BYTES_MIN = 6 };

struct codec_context {
    ZSTD_CCtx *zstd_pack;
    ZSTD_DCtx *zstd_unpack;
};

struct codec_context *codec_context_new(void)
{
    struct codec_context *c = mem_new(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->zstd_pack = ZSTD_createCCtx();
    c->zstd_unpack = ZSTD_createDCtx();
    if (c->zstd_pack == NULL || c->zstd_unpack == NULL) {
        codec_context_free(c);
        return NULL;
    }
    return c;
}

void codec_context_free(struct codec_context *c)
{
    if (c == NULL)
        return;
    (void)ZSTD_freeCCtx(c->zstd_pack);
    (void)ZSTD_freeDCtx(c->zstd_unpack);
    mem_free(c);
}

/* Each pack function returns the packed length, 0 for a failure; each unpack function the raw one.
 */

static size_t snappy_bound(size_t raw_bytes)
{
    return snappy_max_compressed_length(raw_bytes);
}

static size_t pack_snappy(struct codec_context *c, int level, struct str in, char *to, size_t room)
{
    (void)c;
    (void)level;
    (void)room;
    return codec_snappy_pack(in.ptr, in.len, to);
}

static size_t unpack_snappy(struct codec_context *c, struct str in, char *to, size_t room)
{
    (void)c;
    return snappy_uncompress(in.ptr, in.len, to, &room) == SNAPPY_OK ? room : 0;
}

static size_t lz4_bound(size_t raw_bytes)
{
    return raw_bytes > LZ4_MAX_INPUT_SIZE ? 0 : (size_t)LZ4_compressBound((int)raw_bytes);
}

static size_t pack_lz4(struct codec_context *c, int level, struct str in, char *to, size_t room)
{
    (void)c;
    (void)level;
    return (size_t)LZ4_compress_default(in.ptr, to, (int)in.len, (int)room);
}

static size_t unpack_lz4(struct codec_context *c, struct str in, char *to, size_t room)
{
    (void)c;
    if (in.len > INT_MAX || room > INT_MAX)
        return 0;
    int got = LZ4_decompress_safe(in.ptr, to, (int)in.len, (int)room);
    return got < 0 ? 0 : (size_t)got;
}

static bool set_zstd_level(ZSTD_CCtx *c, int level)
{
    int match_bytes = level >= ZSTD_LEVEL_SHORT_MATCHES ? ZSTD_MATCH_BYTES_MIN : 0;

    return ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level)) == 0 &&
           ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_minMatch, match_bytes)) == 0;
}

static size_t pack_zstd(struct codec_context *c, int level, struct str in, char *to, size_t room)
{
    if (!set_zstd_level(c->zstd_pack, level == CODEC_LEVEL_DEFAULT ? ZSTD_LEVEL : level))
        return 0;
    size_t got = ZSTD_compress2(c->zstd_pack, to, room, in.ptr, in.len);
    return ZSTD_isError(got) != 0 ? 0 : got;
}

static size_t unpack_zstd(struct codec_context *c, struct str in, char *to, size_t room)
{
    size_t got = ZSTD_decompressDCtx(c->zstd_unpack, to, room, in.ptr, in.len);

    return ZSTD_isError(got) != 0 ? 0 : got;
}

static const struct codec_row {
    const char *name;
    size_t (*bound)(size_t raw_bytes);
    size_t (*pack)(struct codec_context *c, int level, struct str in, char *to, size_t room);
    size_t (*unpack)(struct codec_context *c, struct str in, char *to, size_t room);
} codec_rows[] = {
    [CODEC_NONE] = {"none", NULL, NULL, NULL},
    [CODEC_SNAPPY] = {"snappy", snappy_bound, pack_snappy, unpack_snappy},
    [CODEC_LZ4] = {"lz4", lz4_bound, pack_lz4, unpack_lz4},
    [CODEC_ZSTD] = {"zstd", ZSTD_compressBound, pack_zstd, unpack_zstd},
};

const char *codec_name(enum codec codec)
{
    ASSERT((size_t)codec < COUNT_OF(codec_rows));
    return codec_rows[codec].name;
}

enum status codec_by_name(struct str name, enum codec *ret_codec)
{
    for (size_t i = 0; i < COUNT_OF(codec_rows); i++) {
        if (str_eq(name, str_from(codec_rows[i].name))) {
            *ret_codec = (enum codec)i;
            return ST_OK;
        }
    }
    return ST_INVALID;
}

enum status codec_by_number(unsigned number, enum codec *ret_codec)
{
    if (number >= COUNT_OF(codec_rows))
        return ST_INVALID;
    *ret_codec = (enum codec)number;
    return ST_OK;
}

enum status codec_pack(struct codec_context *c, enum codec codec, int level, struct str in,
                       struct buf *out)
{
    const struct codec_row *row = &codec_rows[codec];
    size_t bound = row->bound == NULL ? 0 : row->bound(in.len);

    if (bound > 0) {
        char *to = buf_reserve(out, bound);
        if (to == NULL)
            return buf_status(out, NULL);
        size_t packed = row->pack(c, level, in, to, bound);
        if (packed > 0 && packed < in.len) {
            buf_advance(out, packed);
            return ST_OK;
        }
    }
    buf_put(out, in);
    return buf_status(out, NULL);
}

enum status codec_unpack(struct codec_context *c, enum codec codec, struct str in, char *to,
                         size_t raw_bytes)
{
    const struct codec_row *row = &codec_rows[codec];

    if (in.len == raw_bytes) { /* stored as it is */
        if (raw_bytes > 0)
            memcpy(to, in.ptr, raw_bytes);
        return ST_OK;
    }
    if (raw_bytes == 0 || row->unpack == NULL || row->unpack(c, in, to, raw_bytes) != raw_bytes)
        return ST_CORRUPT;
    return ST_OK;
}
