#include "chunks/segment_walk.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "chunks/chunk_mend.h"

#include "base/banned.h"

enum {
    WINDOW_BYTES = 256 * 1024,
    HEAD_ARENA_BYTES_MAX = 1 << 30,
};

enum status segment_walk_open(struct segment_walk *w, const char *path, struct err *err)
{
    *w = (struct segment_walk){.fd = io_openat(AT_FDCWD, path, O_RDONLY, 0)};
    if (w->fd < 0)
        return err_errno(err, "open %s", path);
    buf_init(&w->head, CHUNK_BYTES_MAX);
    buf_init(&w->block, CHUNK_BYTES_MAX);
    buf_init(&w->filters, CHUNK_BYTES_MAX);
    buf_init(&w->window, WINDOW_BYTES + CHUNK_FIXED_BYTES);
    arena_init(&w->arena, HEAD_ARENA_BYTES_MAX);
    w->memory.context = codec_context_new();
    enum status st = io_file_size(w->fd, &w->file_bytes, err);
    if (st == ST_OK && w->memory.context == NULL)
        st = err_set(err, ST_NOMEM, "no memory for a codec");
    w->end = w->file_bytes;
    if (st != ST_OK)
        segment_walk_close(w);
    return st;
}

void segment_walk_close(struct segment_walk *w)
{
    (void)close(w->fd);
    buf_release(&w->head);
    buf_release(&w->block);
    buf_release(&w->filters);
    buf_release(&w->window);
    arena_release(&w->arena);
    block_memory_release(&w->memory);
    codec_context_free(w->memory.context);
}

/* Replace the content of `b` by a range of the file, which must end before the end. */
static enum status read_range(struct segment_walk *w, struct buf *b, uint64_t offset,
                              uint64_t bytes, struct err *err)
{
    buf_reset(b);
    if (offset > w->end || bytes > w->end - offset)
        return err_set(err, ST_CORRUPT, "%llu bytes are missing",
                       (unsigned long long)(bytes - (offset > w->end ? 0 : w->end - offset)));
    char *to = buf_reserve(b, (size_t)bytes);
    if (to == NULL)
        return err_set(err, ST_NOMEM, "no memory for %llu bytes", (unsigned long long)bytes);
    enum status st = io_read_all(w->fd, to, (size_t)bytes, offset, err);
    if (st == ST_OK)
        buf_advance(b, (size_t)bytes);
    return st;
}

/* ---- chunks ---- */

/* A chunk that ends inside the file; how long it is a mended head may say otherwise than before. */
static enum status parse_head(struct segment_walk *w, uint64_t offset, struct str bytes,
                              struct chunk_head *ret_head, struct err *err)
{
    enum status st = chunk_head_parse(&w->arena, bytes, ret_head, err);

    if (st == ST_OK && ret_head->summary.chunk_bytes > w->end - offset)
        st = err_set(err, ST_CORRUPT, "a chunk of %u bytes is cut short",
                     ret_head->summary.chunk_bytes);
    return st;
}

/* The head at an offset, if it says how long it is. */
static enum status read_head(struct segment_walk *w, uint64_t offset, struct chunk_head *ret_head,
                             struct err *err)
{
    uint32_t head_bytes, chunk_bytes;

    arena_release(&w->arena);
    enum status st = read_range(w, &w->head, offset, CHUNK_FIXED_BYTES, err);
    if (st == ST_OK)
        st = chunk_lengths(buf_str(&w->head), &head_bytes, &chunk_bytes, err);
    if (st == ST_OK)
        st = read_range(w, &w->head, offset, head_bytes, err);
    return st == ST_OK ? parse_head(w, offset, buf_str(&w->head), ret_head, err) : st;
}

/* The head at an offset where the byte that is wrong keeps it from telling its length. */
static enum status mend_head(struct segment_walk *w, uint64_t offset, struct chunk_head *ret_head)
{
    uint64_t bytes = MIN_OF(w->end - offset, (uint64_t)WINDOW_BYTES);

    arena_release(&w->arena);
    enum status st = read_range(w, &w->head, offset, bytes, NULL);
    if (st != ST_OK)
        return st;
    uint32_t head_bytes = chunk_mend_length(buf_str(&w->head));
    if (head_bytes == 0)
        return ST_CORRUPT;
    return parse_head(w, offset, str_head(buf_str(&w->head), head_bytes), ret_head, NULL);
}

enum status segment_walk_head(struct segment_walk *w, uint64_t offset, struct chunk_head *ret_head,
                              struct err *err)
{
    enum status st = read_head(w, offset, ret_head, err);

    if (st != ST_CORRUPT || offset >= w->end)
        return st;
    enum status mended = mend_head(w, offset, ret_head);
    if (status_is_memory(mended))
        return err_set(err, mended, "no memory to mend a head");
    return mended == ST_OK ? ST_OK : st;
}

/* If the lengths at `offset` can be right, because something sound follows, believe them. */
static enum status skip_by_length(struct segment_walk *w, uint64_t offset, uint64_t *ret_next)
{
    uint32_t head_bytes, chunk_bytes;
    struct chunk_head head;

    enum status st = read_range(w, &w->head, offset, CHUNK_FIXED_BYTES, NULL);
    if (st == ST_OK)
        st = chunk_lengths(buf_str(&w->head), &head_bytes, &chunk_bytes, NULL);
    if (st == ST_OK && chunk_bytes > w->end - offset)
        st = ST_CORRUPT;
    if (st != ST_OK)
        return st;
    *ret_next = offset + chunk_bytes;
    return *ret_next == w->end ? ST_OK : read_head(w, *ret_next, &head, NULL);
}

/* The first sound head in the window at `offset`. */
static enum status search_window(struct segment_walk *w, uint64_t offset, uint64_t *ret_next)
{
    uint32_t head_bytes, chunk_bytes;
    struct chunk_head head;
    struct str in = buf_str(&w->window);
    enum status st = ST_CORRUPT;

    for (; in.len >= CHUNK_FIXED_BYTES; in = str_cut(in, CHUNK_ALIGN), offset += CHUNK_ALIGN) {
        st = chunk_lengths(in, &head_bytes, &chunk_bytes, NULL);
        if (st == ST_OK)
            st = read_head(w, offset, &head, NULL);
        if (st == ST_OK || status_is_memory(st))
            break;
    }
    *ret_next = offset;
    return st;
}

/* Where reading may go on behind damage at `offset`: chunks begin at multiples of CHUNK_ALIGN. */
static enum status find_chunk(struct segment_walk *w, uint64_t offset, uint64_t *ret_next,
                              struct err *err)
{
    enum status st = skip_by_length(w, offset, ret_next);

    if (st == ST_OK)
        return ST_OK;
    if (status_is_memory(st))
        return err_set(err, st, "no memory to look for chunks");
    offset = (offset / CHUNK_ALIGN + 1) * CHUNK_ALIGN;
    while (offset < w->end && w->end - offset >= CHUNK_FIXED_BYTES) {
        uint64_t bytes = MIN_OF(w->end - offset, (uint64_t)(WINDOW_BYTES + CHUNK_FIXED_BYTES));
        st = read_range(w, &w->window, offset, bytes, err);
        if (st != ST_OK)
            return st;
        st = search_window(w, offset, ret_next);
        if (st == ST_OK)
            return ST_OK;
        if (status_is_memory(st))
            return err_set(err, st, "no memory to look for chunks");
        offset = *ret_next;
    }
    *ret_next = w->end;
    return ST_OK;
}

enum status segment_walk_header(struct segment_walk *w, struct segment_header *ret_header,
                                struct err *err)
{
    size_t bytes = (size_t)MIN_OF(w->end, (uint64_t)sizeof(w->header));

    enum status st = io_read_all(w->fd, w->header, bytes, 0, err);
    if (st == ST_OK)
        st = segment_header_parse(str_make(w->header, bytes), ret_header, err);
    if (st == ST_OK)
        w->offset = ret_header->header_bytes;
    if (st != ST_CORRUPT)
        return st;
    enum status found = find_chunk(w, 0, &w->offset, NULL);
    if (status_is_memory(found))
        return err_set(err, found, "no memory to look for chunks");
    if (found != ST_OK)
        w->offset = w->end;
    return st;
}

enum status segment_walk_blank(struct segment_walk *w, const struct chunk_place *place,
                               bool *ret_blank, struct err *err)
{
    char bytes[4096];

    *ret_blank = false;
    for (uint64_t at = 0; at < place->bytes; at += sizeof(bytes)) {
        size_t count = (size_t)MIN_OF((uint64_t)sizeof(bytes), place->bytes - at);
        enum status st = io_read_all(w->fd, bytes, count, place->offset + at, err);
        if (st != ST_OK)
            return st;
        for (size_t i = 0; i < count; i++) {
            if (bytes[i] != 0)
                return ST_OK;
        }
    }
    *ret_blank = true;
    return ST_OK;
}

enum status segment_walk_next(struct segment_walk *w, struct chunk_place *ret_place,
                              struct err *err)
{
    struct chunk_place place = {.offset = w->offset};
    uint64_t next = w->end;

    if (w->offset >= w->end)
        return ST_NOT_FOUND;
    enum status st = segment_walk_head(w, w->offset, &place.head, err);
    if (st == ST_OK) {
        next = w->offset + place.head.summary.chunk_bytes;
    } else if (st == ST_CORRUPT) {
        enum status found = find_chunk(w, w->offset, &next, err);
        st = found == ST_OK ? ST_CORRUPT : found;
    }
    if (st != ST_OK && st != ST_CORRUPT)
        return st;
    place.bytes = next - w->offset;
    w->offset = next;
    *ret_place = place;
    return st;
}

enum status segment_walk_block(struct segment_walk *w, const struct chunk_place *place,
                               uint32_t index, struct block *ret_block, struct err *err)
{
    uint32_t offset, bytes;

    chunk_block_range(&place->head.blocks[index], CHUNK_ALL_COLUMNS, &offset, &bytes);
    enum status st = read_range(w, &w->block, place->offset + offset, bytes, err);
    if (st != ST_OK)
        return st;
    struct chunk_part part = {&place->head, index, CHUNK_ALL_COLUMNS, buf_str(&w->block)};
    *ret_block = (struct block){0};
    return chunk_block_unpack(&w->memory, &part, ret_block, err);
}

enum status segment_walk_filters(struct segment_walk *w, const struct chunk_place *place,
                                 struct err *err)
{
    return read_range(w, &w->filters, place->offset + place->head.summary.head_bytes,
                      chunk_filters_bytes(&place->head), err);
}

enum status segment_walk_padding(struct segment_walk *w, const struct chunk_place *place,
                                 struct err *err)
{
    const struct chunk_block *last = &place->head.blocks[place->head.block_count - 1];
    uint32_t offset, bytes;

    chunk_block_range(last, CHUNK_ALL_COLUMNS, &offset, &bytes);
    uint32_t used = offset + bytes;
    ASSERT(used <= place->head.summary.chunk_bytes);
    uint32_t padding = place->head.summary.chunk_bytes - used;
    if (padding >= CHUNK_ALIGN)
        return err_set(err, ST_CORRUPT, "%u bytes behind the last block", padding);
    enum status st = read_range(w, &w->block, place->offset + used, padding, err);
    for (uint32_t i = 0; i < padding && st == ST_OK; i++) {
        if (w->block.ptr[i] != 0)
            st = err_set(err, ST_CORRUPT, "the padding of a chunk is not zero");
    }
    return st;
}
