/* The file of delete requests, as it is and with its checksums mended. What was read is written. */
#include "server/store/delete_list.h"

#include "tests/fuzz/mend.h"

#include "base/banned.h"

enum { HEADER_BYTES = 32, HEADER_CRC_OFFSET = 20, RECORD_HEAD_BYTES = 8 };

static void parse(struct str bytes)
{
    struct err err = {.text = ""};
    struct delete_list list;
    struct arena arena;
    struct buf again;

    arena_init(&arena, FUZZ_MEMORY_BYTES);
    enum status st = delete_list_decode(&arena, bytes, &list, &err);
    ASSERT(st == ST_OK || err.text[0] != '\0');
    if (st == ST_OK) {
        buf_init(&again, FUZZ_MEMORY_BYTES);
        delete_list_encode(&list, &again);
        ASSERT(again.len == bytes.len);
        ASSERT(str_eq(str_cut(buf_str(&again), HEADER_BYTES), str_cut(bytes, HEADER_BYTES)));
        buf_release(&again);
    }
    arena_release(&arena);
}

void fuzz_input(struct str in)
{
    struct buf mended;
    size_t at = HEADER_BYTES;

    parse(in);
    buf_init(&mended, FUZZ_MEMORY_BYTES);
    buf_put(&mended, in);
    mend_own_crc(&mended, HEADER_CRC_OFFSET, HEADER_BYTES);
    while (at + RECORD_HEAD_BYTES <= mended.len) {
        size_t end = at + RECORD_HEAD_BYTES + mend_get(&mended, at + 4);
        mend_crc(&mended, at, at + 4, end);
        at = end;
    }
    parse(buf_str(&mended));
    buf_release(&mended);
}
