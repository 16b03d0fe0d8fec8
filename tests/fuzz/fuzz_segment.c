/* The header of a segment, as it is and with its checksum mended. */
#include "chunks/segment.h"

#include "tests/fuzz/mend.h"

#include "base/banned.h"

enum { HEADER_BYTES_OFFSET = 10, HEADER_CRC_OFFSET = 20 };

static void parse(struct str bytes)
{
    char file[SEGMENT_FILE_NAME_BYTES];
    struct err err = {.text = ""};
    struct segment_header h;

    enum status st = segment_header_parse(bytes, &h, &err);
    ASSERT(st == ST_OK || ((st == ST_CORRUPT || st == ST_UNSUPPORTED) && err.text[0] != '\0'));
    if (st != ST_OK)
        return;
    ASSERT(h.header_bytes <= bytes.len && h.header_bytes <= SEGMENT_HEADER_BYTES_MAX);
    ASSERT(h.tenant.ptr >= bytes.ptr && h.tenant.len < h.header_bytes);
    ASSERT(h.tenant.ptr + h.tenant.len <= bytes.ptr + h.header_bytes);
    segment_file_name(h.name, file);
    ASSERT(strlen(file) < sizeof(file));
}

void fuzz_input(struct str in)
{
    struct buf mended;

    parse(in);
    buf_init(&mended, FUZZ_MEMORY_BYTES);
    buf_put(&mended, in);
    mend_own_crc(&mended, HEADER_CRC_OFFSET, mend_get(&mended, HEADER_BYTES_OFFSET) & UINT16_MAX);
    parse(buf_str(&mended));
    buf_release(&mended);
}
