/*
 * open_segments.h - the segments that the flusher may still append to, found by their id, and by
 * the tenant, the day and the state that a chunk wants.
 *
 * There may be a hundred thousand, one for each day that ever got an entry, so nothing here looks
 * at all of them; those that the batch at hand writes to are in a list of their own.
 *
 * Threads  One thread at a time: the flusher.
 */
#ifndef SERVER_STORE_OPEN_SEGMENTS_H
#define SERVER_STORE_OPEN_SEGMENTS_H

#include "base/map.h"
#include "chunks/segment.h"
#include "index/index.h"

/* Whose chunks of which day. A key of a map: no byte of it is padding. */
struct segment_place {
    const char *tenant; /* a tenant has one name, as long as the store lives */
    int32_t day;
    int32_t state; /* enum segment_state */
};

/* A segment that chunks of one tenant and day go to. */
struct open_segment {
    struct segment_name name;
    struct str tenant;
    uint64_t committed_bytes; /* as the index knows it */
    uint64_t written_bytes;   /* with what the batch that is made has added */
    enum segment_state state;
    bool has_file; /* with its header */
    bool new_file; /* made by the batch: the directory is not synced */
    bool used;     /* by the batch */
    bool failed;   /* nothing is added to it any more until a restart */
    struct open_segment *next_used;
    struct open_segment *older; /* of the same place */
    struct segment_place place;
};

struct open_segments {
    struct map by_id;
    struct map by_place;       /* the newest of each */
    struct open_segment *used; /* by the batch */
};

/* A zeroed struct open_segments is empty and valid. */
void open_segments_release(struct open_segments *t);

/* Add the segment of `ref`, whose tenant lives as long as the store. NULL: no memory. */
struct open_segment *open_segments_add(struct open_segments *t, const struct segment_ref *ref);

/* NULL: it is not there. */
struct open_segment *open_segments_find(const struct open_segments *t, uint64_t id);

/* The newest one of a place, from which `older` leads on; NULL: there is none. */
struct open_segment *open_segments_newest(const struct open_segments *t, struct str tenant,
                                          int32_t day, enum segment_state state);

/* Remove and free one that no batch uses. */
void open_segments_remove(struct open_segments *t, struct open_segment *segment);

/* The batch uses it from now on. */
void open_segments_use(struct open_segments *t, struct open_segment *segment);

/* The batch is over. */
void open_segments_settle(struct open_segments *t);

#endif
