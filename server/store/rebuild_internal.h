/*
 * rebuild_internal.h - what was found in segments; shared by rebuild.c, which finds it and writes
 * the index, rebuild_choose.c, which leaves out what does not count, and rebuild_log.c, which looks
 * into the log.
 */
#ifndef SERVER_STORE_REBUILD_INTERNAL_H
#define SERVER_STORE_REBUILD_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "chunks/chunk.h"
#include "chunks/segment.h"
#include "chunks/segment_walk.h"
#include "server/store/rebuild.h"

enum {
    REBUILD_PATH_BYTES = 8192,
    REBUILD_LABELS_BYTES_MAX = 64 * 1024 * 1024, /* of one stream */
};

#define REBUILD_ARENA_BYTES_MAX ((size_t)16 << 30)

struct found_stream {
    struct str tenant;
    struct str labels; /* stored form */
    uint32_t number;
    uint64_t sure_seq;     /* everything up to this record is in chunks that count */
    uint64_t unstored_seq; /* the first record of the log that is not, nor in doubtful ones */
    int32_t first_day;     /* of chunks that count */
    int32_t last_day;
    struct found_chunk *torn; /* doubtful ones with blocks that cannot be read */
};

enum found_state {
    FOUND_SURE,      /* it was committed */
    FOUND_DOUBTFUL,  /* perhaps not, a flush was writing it */
    FOUND_IN_LOG,    /* the same, and the log has all of it */
    FOUND_KEPT,      /* the same, and the log does not */
    FOUND_ELSEWHERE, /* it was committed, and then merged into another one */
};

struct found_chunk {
    struct found_stream *stream;
    uint32_t segment; /* its place among the segments */
    uint32_t id_span;
    uint64_t offset;
    uint64_t chunk_id;
    uint64_t seq_max;
    struct chunk_summary summary;
    enum found_state state;
    bool is_cut;     /* the file ends inside of it */
    uint64_t unseen; /* entries that the log was not seen to have, */
    uint64_t hidden; /* the same of blocks that cannot be read */
    struct found_chunk *next_torn;
    struct str damage;     /* not a chunk but bytes that cannot be read: what is wrong */
    struct str tenant;     /* of damage, if it is known */
    int32_t day;           /* the same */
    uint64_t damage_bytes; /* the same */
};

struct found_segment {
    struct segment_name name;
    struct str tenant; /* empty: nothing in it tells */
    uint32_t begin;    /* its first chunk or damage, */
    uint32_t end;      /* and behind its last */
    uint64_t file_bytes;
};

struct finding {
    const struct rebuild *rebuild;
    char segments_dir[REBUILD_PATH_BYTES];
    char wal_dir[REBUILD_PATH_BYTES];
    uint64_t first_seq; /* in the log */
    uint64_t chunk_max; /* chunks up to this one were flushed for a delete request */
    uint64_t total_bytes;
    struct arena arena;
    struct map streams; /* tenant, labels -> struct found_stream */
    uint32_t stream_count;
    struct found_segment *segments; /* by id */
    uint32_t segment_count;
    struct found_chunk *items; /* chunks and damages, segment by segment, by offset */
    size_t count;
    size_t capacity;
    struct rebuild_result result;
};

static inline bool found_is_chunk(const struct found_chunk *c)
{
    return c->stream != NULL;
}

/* The key of `streams`, in `b`. */
void rebuild_stream_key(struct buf *b, struct str tenant, struct labels labels);

/* Open the file of a segment. */
MUST_CHECK enum status rebuild_open(const struct finding *f, const struct found_segment *segment,
                                    struct segment_walk *w, struct err *err);

/* Give every chunk its state. */
MUST_CHECK enum status rebuild_choose(struct finding *f, struct err *err);

/*
 * Of the doubtful chunks: `unseen` and `hidden` become what the log does not have. Which entries
 * are in blocks that cannot be read nobody knows; as many others of the same stream and time, from
 * records that are in no other chunk that counts, are taken for them.
 */
MUST_CHECK enum status rebuild_compare_log(struct finding *f, struct err *err);

#endif
