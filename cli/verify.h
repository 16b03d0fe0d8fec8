/*
 * verify.h - the parts of `skald verify`, and what they share.
 */
#ifndef CLI_VERIFY_H
#define CLI_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "chunks/segment.h"
#include "cli/progress.h"
#include "proto/labels.h"

/* A segment that the index or the directory knows. */
struct verify_segment {
    struct segment_name name;
    bool in_index;
    uint64_t committed_bytes; /* as the index has it */
    struct str tenant;        /* the same */
    bool dead;                /* nothing in it counts any more, it may be gone */

    bool damaged;       /* something was reported of it */
    uint64_t refs;      /* chunks that the index names below the committed length */
    uint64_t ref_bytes; /* of them */
    uint64_t chunks;    /* that are there */
    uint64_t chunk_bytes;
};

/* Where a chunk should be that the index names, but is not: reported already. */
struct verify_hole {
    uint64_t segment_id;
    uint64_t offset;
};

struct verify {
    const char *dir;
    bool live;      /* a server has the directory: files grow meanwhile */
    bool has_index; /* it could be read */
    struct progress progress;

    struct verify_segment *segments; /* by id */
    size_t segment_count;
    size_t segment_capacity;
    struct verify_hole *holes;
    size_t hole_count;
    size_t hole_capacity;

    uint64_t files; /* segments that were read */
    uint64_t chunks;
    uint64_t blocks;
    uint64_t entries;
    uint64_t logs;
    uint64_t problems;
};

/* Where a problem is; what is not known is NULL or -1. */
struct verify_where {
    const char *file;
    int64_t offset;
    const struct labels *labels; /* of the stream */
};

/* Print `file: offset N: stream {..}: what` and count it. */
void verify_problem(struct verify *v, struct verify_where where, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The same for something that is no problem. */
void verify_note(struct verify *v, struct verify_where where, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* "DIR/folder/name" with a zero byte at the end. */
void verify_put_path(struct buf *b, const struct verify *v, const char *folder, const char *name);

/* The segment of this id, or NULL. */
struct verify_segment *verify_find_segment(struct verify *v, uint64_t id);

/*
 * Fill the table of segments from the index and the directory. Problems are reported; only lack of
 * memory is an error.
 */
MUST_CHECK enum status verify_list_segments(struct verify *v, struct err *err);

/* Check that each chunk the index names is where it says, and is what it says. */
MUST_CHECK enum status verify_refs(struct verify *v, struct err *err);

/* Check every byte of every segment. */
MUST_CHECK enum status verify_segments(struct verify *v, struct err *err);

/* Check the file of delete requests, if there is one. */
MUST_CHECK enum status verify_deletes(struct verify *v, struct err *err);

/* Check every log file. */
MUST_CHECK enum status verify_logs(struct verify *v, struct err *err);

#endif
