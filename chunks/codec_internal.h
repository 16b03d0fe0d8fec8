/*
 * codec_internal.h - snappy, whose memory is that of C++.
 */
#ifndef CHUNKS_CODEC_INTERNAL_H
#define CHUNKS_CODEC_INTERNAL_H

#include <stddef.h>

/* The packed length; 0: no memory. `to` has room for snappy_max_compressed_length(). */
size_t codec_snappy_pack(const char *from, size_t bytes, char *to);

#endif
