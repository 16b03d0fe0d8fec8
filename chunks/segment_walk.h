/*
 * segment_walk.h - go through a file of chunks, past its damage: for tools.
 *
 * Nothing is believed before its checksum is checked; what is damaged is left out, and reading goes
 * on with the next chunk whose head is sound.
 */
#ifndef CHUNKS_SEGMENT_WALK_H
#define CHUNKS_SEGMENT_WALK_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "chunks/chunk.h"
#include "chunks/segment.h"

struct segment_walk {
    int fd;
    uint64_t file_bytes;
    uint64_t end;    /* nothing behind it is looked at; the caller may lower it */
    uint64_t offset; /* of the next chunk */
    char header[SEGMENT_HEADER_BYTES_MAX];
    struct buf head;    /* bytes of the head that was read last */
    struct buf block;   /* the same of a block */
    struct buf filters; /* and of the filters of the chunk */
    struct buf window;
    struct arena arena; /* of the head */
    struct block_memory memory;
};

/* The walk stands at the beginning of the file. ST_NOT_FOUND: there is no such file. */
MUST_CHECK enum status segment_walk_open(struct segment_walk *w, const char *path, struct err *err);
void segment_walk_close(struct segment_walk *w);

/*
 * Read the header of a segment and step behind it; the tenant borrows the walk. When it is damaged
 * the walk goes on where the first chunk seems to be.
 */
MUST_CHECK enum status segment_walk_header(struct segment_walk *w,
                                           struct segment_header *ret_header, struct err *err);

/* A chunk, or damage, and where it lies. */
struct chunk_place {
    uint64_t offset;
    uint64_t bytes;
    struct chunk_head head; /* borrows the walk until the next call */
};

/*
 * The next chunk.
 *
 * ST_CORRUPT    the place is damage, as far as the next chunk or the end
 * ST_NOT_FOUND  the end
 *
 * With other errors (ST_NOMEM, ST_LIMIT, ST_IO) nothing is known, and the walk has not moved.
 */
MUST_CHECK enum status segment_walk_next(struct segment_walk *w, struct chunk_place *ret_place,
                                         struct err *err);

/* The head of the chunk at an offset; the walk does not move. ST_CORRUPT: none is there. */
MUST_CHECK enum status segment_walk_head(struct segment_walk *w, uint64_t offset,
                                         struct chunk_head *ret_head, struct err *err);

/*
 * Is a place nothing but zeros, or empty? That is what a crash leaves where bytes were to be
 * written: the size was known already, they were not. The head of the place is not looked at.
 */
MUST_CHECK enum status segment_walk_blank(struct segment_walk *w, const struct chunk_place *place,
                                          bool *ret_blank, struct err *err);

/* Unpack a block of the chunk; it borrows the walk until the next call. ST_CORRUPT: damaged. */
MUST_CHECK enum status segment_walk_block(struct segment_walk *w, const struct chunk_place *place,
                                          uint32_t index, struct block *ret_block, struct err *err);

/* Read the filters of the chunk into `filters`; for chunk_block_filter(). */
MUST_CHECK enum status segment_walk_filters(struct segment_walk *w, const struct chunk_place *place,
                                            struct err *err);

/* Are there only zeros, and few of them, behind the last block? */
MUST_CHECK enum status segment_walk_padding(struct segment_walk *w, const struct chunk_place *place,
                                            struct err *err);

#endif
