/*
 * chunk.h - build and read one chunk: the entries of one stream over one time range.
 *
 * The byte format is specified in docs/format/chunk.md; chunk.c is its only implementation. This
 * module does no I/O and takes no lock: bytes come in, bytes go out.
 *
 * Units    Times are nanoseconds since the Unix epoch (`_ns`), sizes are bytes (`_bytes`).
 * Threads  One thread at a time per object; different objects are independent.
 */
#ifndef CHUNKS_CHUNK_H
#define CHUNKS_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "chunks/codec.h"
#include "proto/entry.h"

enum {
    CHUNK_VERSION_FIRST = 1, /* is read only: its numbers are uvarints */
    CHUNK_VERSION = 2,
    CHUNK_ALIGN = 8,
    CHUNK_BLOCK_BYTES_MAX = 256 * 1024, /* of lines; a longer line has a block of its own */
    CHUNK_BLOCK_ENTRIES_MAX = 65536,
    CHUNK_BYTES_MAX = 1 << 30,
    CHUNK_COLUMN_BYTES_MAX = 64 * 1024 * 1024, /* raw; more is damage */
};

/* ---- building ---- */

/* One entry to be packed. Equal metadata should be the same pointer: it is stored once a block. */
struct chunk_entry {
    int64_t ts_ns;
    struct str line;
    const struct labels *metadata;
};

/* Ascending in time, equal times in order of arrival, without doubles. */
struct chunk_entries {
    struct chunk_entry *items;
    size_t count;
};

struct chunk_spec {
    struct codec_context *context;
    enum codec codec;
    int level;          /* of the codec, 0: its default */
    size_t block_bytes; /* of lines, at most CHUNK_BLOCK_BYTES_MAX */
    struct str tenant;
    struct labels labels;
    uint64_t chunk_id;
    uint32_t id_span; /* 0, or of a merged chunk: the last chunk_id in it is so much higher */
    uint64_t seq_max;
};

/* Where a chunk lies and what it says of itself: what the index keeps. */
struct chunk_summary {
    uint32_t head_bytes;
    uint32_t chunk_bytes;
    int64_t min_ns;
    int64_t max_ns;
    uint32_t entries;
    uint64_t line_bytes;
    uint64_t metadata_bytes;
};

/*
 * Append a chunk of at least one entry to `out`.
 *
 * ST_TOO_LARGE  more than `out` or a chunk may hold
 */
MUST_CHECK enum status chunk_build(const struct chunk_spec *spec, struct chunk_entries entries,
                                   struct buf *out, struct chunk_summary *ret_summary);

/* ---- reading ---- */

struct chunk_column {
    uint32_t offset; /* from the start of the chunk */
    uint32_t stored_bytes;
    uint32_t raw_bytes;
    uint32_t crc;
};

/* Columns lie in this order, one behind the other, so that a prefix of them is one read. */
enum chunk_column_kind {
    COLUMN_TIMES,
    COLUMN_LENGTHS,
    COLUMN_METADATA,
    COLUMN_LINES,
    CHUNK_COLUMNS, /* how many there are */
};

struct chunk_block {
    uint32_t entries;
    uint32_t line_bytes;
    int64_t min_ns;
    int64_t max_ns;
    struct chunk_column columns[CHUNK_COLUMNS];
    struct chunk_column filter; /* stored_bytes 0: it has none */
};

struct chunk_head {
    unsigned version;
    enum codec codec;
    struct chunk_summary summary;
    struct str tenant;
    struct labels labels;
    uint64_t chunk_id;
    uint32_t id_span; /* as in struct chunk_spec */
    uint64_t seq_max;
    bool metadata_shadows; /* metadata may have a name that is a label of the stream */
    bool mended;           /* a byte of it was wrong on the disk */
    const struct chunk_block *blocks;
    uint32_t block_count;
};

enum { CHUNK_FIXED_BYTES = 80 };

/*
 * The lengths that the first CHUNK_FIXED_BYTES of a chunk announce, checked for sense but not
 * against the checksum (which covers the whole head).
 *
 * ST_CORRUPT  this is not the beginning of a chunk
 */
MUST_CHECK enum status chunk_lengths(struct str fixed, uint32_t *ret_head_bytes,
                                     uint32_t *ret_chunk_bytes, struct err *err);

/*
 * Check and read a head. `bytes` is the whole head, borrowed by tenant and labels; the rest is made
 * in `a`. A head with a single wrong byte is read as it was, and says that it was mended.
 *
 * ST_CORRUPT  `err` says what is wrong
 */
MUST_CHECK enum status chunk_head_parse(struct arena *a, struct str bytes,
                                        struct chunk_head *ret_head, struct err *err);

/* Which columns are meant: bit 1 << kind for each; at least one. */
enum { CHUNK_ALL_COLUMNS = (1 << CHUNK_COLUMNS) - 1 };

/* The bytes of a chunk that hold these columns of a block, and those between them. */
void chunk_block_range(const struct chunk_block *b, unsigned columns, uint32_t *ret_offset,
                       uint32_t *ret_bytes);

/* The bytes of a chunk that hold the filters of all its blocks, right behind the head; perhaps 0.
 */
uint32_t chunk_filters_bytes(const struct chunk_head *h);

/*
 * The filter of a block for filter_may_contain(). `filters` are the bytes of all, which the result
 * borrows. Empty, which lets everything through, when the block has none or it is damaged.
 */
struct str chunk_block_filter(const struct chunk_head *h, uint32_t index, struct str filters);

/*
 * Memory that blocks are unpacked into, again and again. It grows to the largest block it has seen.
 * Zeroed is empty and valid; `context` is needed for unpacking only and stays the caller's.
 */
struct block_memory {
    struct codec_context *context;
    char *raw; /* a column before it is decoded; at last the strings of the metadata */
    size_t raw_capacity;
    char *lines;
    size_t lines_capacity;
    int64_t *ts_ns;
    uint32_t *line_ends;
    uint32_t *sets;
    size_t entry_capacity;
    struct arena metadata;
};

void block_memory_release(struct block_memory *m);

/* Room for a block of this size; what was unpacked before is gone. */
MUST_CHECK enum status block_memory_reserve(struct block_memory *m, size_t entries,
                                            size_t line_bytes);

/* Which columns of which block are to be unpacked, and their bytes. */
struct chunk_part {
    const struct chunk_head *head;
    uint32_t index;
    unsigned columns;
    struct str stored; /* the bytes of chunk_block_range() for them */
};

/*
 * Unpack into `m`, which the result borrows. The other columns of `block` stay as they are: NULL,
 * or what was unpacked of the same block into the same memory before; metadata comes last.
 *
 * ST_CORRUPT  a column is damaged; `err` names it
 */
MUST_CHECK enum status chunk_block_unpack(struct block_memory *m, const struct chunk_part *part,
                                          struct block *block, struct err *err);

#endif
