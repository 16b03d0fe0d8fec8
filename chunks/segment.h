/*
 * segment.h - append-only files of chunks, one tenant and one day each.
 *
 * The format is specified in docs/format/segment.md. A segment is named by its id and its day; its
 * committed length is the index's to know. Files are kept open, up to a number, and shared by the
 * flusher (who appends) and the queries (who read).
 *
 * When many are written, a write may sync another file first (segment.c). If that fails so does the
 * write, and the next sync or cut of that other file.
 *
 * Threads  segments_read() by any thread; all other calls by one thread, the flusher.
 */
#ifndef CHUNKS_SEGMENT_H
#define CHUNKS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct segments;

struct segment_name {
    uint64_t id;
    int32_t day;
};

enum { SEGMENTS_OPEN_MIN = 3 }; /* half of them, and one, and one to read */

/* `dir` is borrowed. Makes the directory if it is not there. */
MUST_CHECK enum status segments_open(const char *dir, size_t open_max, struct segments **ret_s,
                                     struct err *err);

/* Accepts NULL. */
void segments_close(struct segments *s);

/*
 * Make the file of a new segment and write its header; `*ret_bytes` is where the first chunk goes.
 * What is there under this name is overwritten: it was never committed.
 */
MUST_CHECK enum status segments_create(struct segments *s, struct segment_name name,
                                       struct str tenant, uint64_t *ret_bytes, struct err *err);

MUST_CHECK enum status segments_write(struct segments *s, struct segment_name name,
                                      struct str bytes, uint64_t offset, struct err *err);

/* Make everything written, and not cut, durable; the name of a new file needs
 * segments_sync_names(), too. */
MUST_CHECK enum status segments_sync(struct segments *s, struct segment_name name, struct err *err);

struct segment_range {
    struct segment_name name;
    uint64_t offset;
    uint32_t bytes;
};

/* Read a range into `to`, which has room for it. ST_CORRUPT: the file ends before. */
MUST_CHECK enum status segments_read(struct segments *s, struct segment_range range, char *to,
                                     struct err *err);

/*
 * Cut a segment to its committed length, durably: were it longer again after a power cut, a start
 * could take what is there for chunks that the index has lost. ST_CORRUPT: it is shorter than that.
 * Missing files are ST_NOT_FOUND.
 */
MUST_CHECK enum status segments_cut(struct segments *s, struct segment_name name,
                                    uint64_t committed_bytes, struct err *err);

/*
 * Remove the file, which nobody reads any more. It is gone for good when segments_sync_names() was
 * called. One that is not there is fine.
 */
MUST_CHECK enum status segments_remove(struct segments *s, struct segment_name name,
                                       struct err *err);

/* Make it durable which files there are. */
MUST_CHECK enum status segments_sync_names(struct segments *s, struct err *err);

/* How long the header of a segment of this tenant is: its first chunk begins there. */
size_t segment_header_bytes(struct str tenant);

/* What the header of a segment says. */
struct segment_header {
    struct segment_name name;
    uint32_t header_bytes;
    struct str tenant; /* borrows the bytes that were parsed */
};

enum { SEGMENT_HEADER_BYTES_MAX = 512 };

/*
 * `bytes` may hold more than the header.
 *
 * ST_CORRUPT      this is not the beginning of a segment, or it is damaged
 * ST_UNSUPPORTED  another program wrote it
 */
MUST_CHECK enum status segment_header_parse(struct str bytes, struct segment_header *ret_header,
                                            struct err *err);

/* Compares two struct segment_name by their ids, for qsort() and bsearch(). */
int segment_name_compare(const void *a, const void *b);

/* Every file of the directory that is named like a segment, by id. Free with mem_free(). */
MUST_CHECK enum status segments_list(const char *dir, struct segment_name **ret_names,
                                     size_t *ret_count, struct err *err);

enum { SEGMENT_FILE_NAME_BYTES = 48 };

/* "2026-03-01-0000000000000001.seg" */
void segment_file_name(struct segment_name name, char file[SEGMENT_FILE_NAME_BYTES]);

#endif
