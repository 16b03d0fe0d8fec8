#include <new>

#include <snappy.h>

extern "C" {
#include "chunks/codec_internal.h"
}

/* snappy_compress() is the same, but lets std::bad_alloc out, which ends a program in C. */
size_t codec_snappy_pack(const char *from, size_t bytes, char *to)
try {
    size_t packed = 0;

    snappy::RawCompress(from, bytes, to, &packed);
    return packed;
} catch (const std::bad_alloc &) {
    return 0;
}
