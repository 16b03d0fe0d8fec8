/*
 * A segment, as it is and with its checksums mended: its header, and the walk through the whole
 * file that tools do, past what is damaged. The pieces of the walk cover the file; the sound
 * chunks, written to a file of their own, are found again.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "chunks/filter.h"
#include "chunks/segment_walk.h"
#include "tests/fuzz/mend_chunk.h"

#include "base/banned.h"

enum { HEADER_BYTES_OFFSET = 10, HEADER_CRC_OFFSET = 20, CHUNKS_MAX = 64 };

static void mend_segment(struct buf *b)
{
    size_t at = mend_get(b, HEADER_BYTES_OFFSET) & UINT16_MAX;

    mend_own_crc(b, HEADER_CRC_OFFSET, at);
    for (int i = 0; i < CHUNKS_MAX && at < b->len; i++) {
        mend_chunk(b, at);
        at += mend_get(b, at + MEND_CHUNK_BYTES);
    }
}

/* ---- the header ---- */

static void parse_header(struct str bytes)
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

/* ---- the walk ---- */

struct walk {
    struct segment_walk file;
    struct str bytes; /* of the file */
    struct buf sound; /* the header, if it is sound, and every sound chunk */
    uint64_t chunks;  /* these */
    uint64_t damaged; /* pieces between them */
    bool has_header;
};

static void read_chunk(struct walk *w, const struct chunk_place *place)
{
    bool has_filters = segment_walk_filters(&w->file, place, NULL) == ST_OK;
    struct err err = {.text = ""};
    struct block block;

    for (uint32_t i = 0; i < place->head.block_count; i++) {
        if (segment_walk_block(&w->file, place, i, &block, &err) != ST_OK) {
            ASSERT(err.text[0] != '\0');
            continue;
        }
        ASSERT(block.count == place->head.blocks[i].entries);
        if (has_filters)
            (void)chunk_block_filter(&place->head, i, buf_str(&w->file.filters));
    }
    (void)!segment_walk_padding(&w->file, place, NULL);
}

static void walk_chunks(struct walk *w)
{
    uint64_t end = w->file.offset;
    struct chunk_place place;
    struct err err;

    for (;;) {
        enum status st = segment_walk_next(&w->file, &place, &err);
        if (st == ST_NOT_FOUND)
            break;
        ASSERT(st == ST_OK || st == ST_CORRUPT);
        ASSERT(place.offset == end && place.bytes > 0);
        end += place.bytes;
        if (st == ST_CORRUPT) {
            w->damaged++;
            continue;
        }
        w->chunks++;
        buf_put(&w->sound, str_head(str_cut(w->bytes, place.offset), place.bytes));
        read_chunk(w, &place);
    }
    ASSERT(end == w->bytes.len);
}

static void walk_file(struct walk *w, struct str bytes)
{
    int fd = memfd_create("segment", 0);
    struct segment_header header;
    struct err err = {.text = ""};
    char path[64];

    ASSERT(fd >= 0 && io_write_all(fd, bytes, 0, NULL) == ST_OK);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *w = (struct walk){.bytes = bytes};
    buf_init(&w->sound, FUZZ_MEMORY_BYTES);
    ASSERT(segment_walk_open(&w->file, path, NULL) == ST_OK);
    (void)close(fd);
    enum status st = segment_walk_header(&w->file, &header, &err);
    ASSERT(st == ST_OK || ((st == ST_CORRUPT || st == ST_UNSUPPORTED) && err.text[0] != '\0'));
    w->has_header = st == ST_OK;
    if (w->has_header)
        buf_put(&w->sound, str_head(bytes, header.header_bytes));
    if (st != ST_UNSUPPORTED)
        walk_chunks(w);
    segment_walk_close(&w->file);
}

static void check_file(struct str bytes)
{
    struct walk once, again;

    walk_file(&once, bytes);
    if (once.has_header) {
        walk_file(&again, buf_str(&once.sound));
        ASSERT(again.has_header && again.chunks == once.chunks && again.damaged == 0);
        buf_release(&again.sound);
    }
    buf_release(&once.sound);
}

void fuzz_input(struct str in)
{
    struct buf mended;

    parse_header(in);
    check_file(in);
    buf_init(&mended, FUZZ_MEMORY_BYTES);
    buf_put(&mended, in);
    mend_segment(&mended);
    parse_header(buf_str(&mended));
    check_file(buf_str(&mended));
    buf_release(&mended);
}
