/* The front of a push in protobuf: bytes that should be a snappy block, of at most a megabyte. */
#include "proto/push.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

enum { DECOMPRESSED_BYTES_MAX = 1 << 20 };

void fuzz_input(struct str in)
{
    struct push_spec spec = {
        .format = PUSH_PROTOBUF,
        .decompressed_bytes_max = DECOMPRESSED_BYTES_MAX,
    };
    struct err err = {.text = ""};
    struct push_request request;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    enum status st = push_decode(&a, &spec, in, &request, &err);
    ASSERT(st == ST_OK || err.status == st);
    ASSERT(st == ST_OK || st == ST_INVALID || st == ST_TOO_LARGE || st == ST_LIMIT);
    arena_release(&a);
}
