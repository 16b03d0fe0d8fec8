/*
 * codec.h - the table of block compressions.
 *
 * A context keeps the working memory of the libraries, so that a thread that packs or unpacks many
 * blocks allocates once. One thread at a time per context.
 */
#ifndef CHUNKS_CODEC_H
#define CHUNKS_CODEC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Part of the chunk format. */
enum codec {
    CODEC_NONE = 0,
    CODEC_SNAPPY = 1,
    CODEC_LZ4 = 2,
    CODEC_ZSTD = 3,
};

struct codec_context;

/* NULL when memory runs out. codec_context_free() accepts NULL. */
struct codec_context *codec_context_new(void);
void codec_context_free(struct codec_context *c);

const char *codec_name(enum codec codec);

/* ST_INVALID: no codec has this name (or number). */
MUST_CHECK enum status codec_by_name(struct str name, enum codec *ret_codec);
MUST_CHECK enum status codec_by_number(unsigned number, enum codec *ret_codec);

enum { CODEC_LEVEL_DEFAULT = 0 };

/*
 * Append `in` to `out`, compressed if that makes it smaller, else as it is: the reader knows by the
 * lengths. Only zstd has levels; the higher one takes longer and less room.
 */
MUST_CHECK enum status codec_pack(struct codec_context *c, enum codec codec, int level,
                                  struct str in, struct buf *out);

/*
 * Undo it into the `raw_bytes` bytes at `to`.
 *
 * ST_CORRUPT  `in` does not give exactly that many
 */
MUST_CHECK enum status codec_unpack(struct codec_context *c, enum codec codec, struct str in,
                                    char *to, size_t raw_bytes);

#endif
