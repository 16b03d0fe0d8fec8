/*
 * The file of delete requests: as it is, with its checksums mended, and such a file twice, as its
 * two copies are. What was read is written: where no copy is damaged, the same bytes.
 */
#include "server/store/delete_list.h"

#include "tests/fuzz/mend.h"

#include "base/banned.h"

enum { HEADER_BYTES = 32, HEADER_CRC_OFFSET = 20, COUNT_OFFSET = 24, RECORD_HEAD_BYTES = 8 };

static void parse(struct str bytes)
{
    struct err damage, err = {.text = ""};
    struct delete_list list, again;
    struct arena arena;
    struct buf written;

    arena_init(&arena, FUZZ_MEMORY_BYTES);
    buf_init(&written, 2 * FUZZ_MEMORY_BYTES);
    enum status st = delete_list_decode(&arena, bytes, &list, &damage, &err);
    ASSERT(st == ST_OK || err.text[0] != '\0');
    if (st == ST_OK) {
        delete_list_encode(&list, &written);
        struct str head = str_head(buf_str(&written), HEADER_BYTES);
        ASSERT(damage.status != ST_OK || written.len == bytes.len);
        if (damage.status == ST_OK && str_eq(head, str_head(bytes, HEADER_BYTES)))
            ASSERT(str_eq(buf_str(&written), bytes));
        ASSERT(delete_list_decode(&arena, buf_str(&written), &again, &damage, &err) == ST_OK);
        ASSERT(damage.status == ST_OK && again.count == list.count);
    }
    buf_release(&written);
    arena_release(&arena);
}

/* Make the checksums of the copy that begins at `begin` right; returns where it ends. */
static size_t mend_copy(struct buf *b, size_t begin)
{
    size_t at = begin + HEADER_BYTES;

    mend_inner_crc(b, begin + HEADER_CRC_OFFSET, begin, at);
    for (uint32_t left = mend_get(b, begin + COUNT_OFFSET); left > 0 && at < b->len; left--) {
        size_t end = at + RECORD_HEAD_BYTES + mend_get(b, at + 4);
        mend_crc(b, at, at + 4, end);
        at = end;
    }
    return at;
}

void fuzz_input(struct str in)
{
    struct buf mended, twice;

    parse(in);
    buf_init(&mended, FUZZ_MEMORY_BYTES);
    buf_put(&mended, in);
    size_t end = mend_copy(&mended, 0);
    if (end < mended.len)
        (void)mend_copy(&mended, end);
    parse(buf_str(&mended));
    if (end <= mended.len) {
        struct str first = str_head(buf_str(&mended), end);
        buf_init(&twice, 2 * FUZZ_MEMORY_BYTES);
        buf_put(&twice, first);
        buf_put(&twice, first);
        parse(buf_str(&twice));
        buf_release(&twice);
    }
    buf_release(&mended);
}
