/*
 * merge_survey.h - which segments there are, by tenant and day, and how much of them is live.
 *
 * Threads  The merger only.
 */
#ifndef SERVER_STORE_MERGE_SURVEY_H
#define SERVER_STORE_MERGE_SURVEY_H

#include "base/arena.h"
#include "index/index.h"

struct store;

/* Every segment but the dead ones; the tenants are the names that the store keeps. */
struct segment_list {
    struct segment_ref *items; /* by tenant, day, id */
    size_t count;
    size_t capacity;
    int64_t loaded_ns; /* monotonic: when the read began; 0: it was never loaded */
};

/* Those of a tenant, or of one of its days; borrows the list. */
struct segment_span {
    const struct segment_ref *items;
    size_t count;
};

/* A zeroed list is empty; what was in it is forgotten first. */
MUST_CHECK enum status segment_list_load(struct store *s, struct segment_list *l, struct err *err);
void segment_list_release(struct segment_list *l);

struct segment_span segment_list_tenant(const struct segment_list *l, struct str tenant);

/* Of the segments of a tenant, those of the day of the first one; they are cut off `*rest`. */
struct segment_span segment_list_cut_day(struct segment_span *rest);

struct segment_span segment_list_day(const struct segment_list *l, struct str tenant, int32_t day);

/* A segment of a day, and how much of it is live. */
struct day_segment {
    struct segment_ref ref;
    uint64_t live_bytes;
};

struct survey {
    struct day_segment *segments; /* by id */
    size_t count;
};

/*
 * What one read of the index says of the segments of `span`, all of a day of the tenant. Those that
 * are dead by now, or hold nothing yet, are left out. Made in `a`.
 *
 * ST_CANCELLED  the store is being closed
 */
MUST_CHECK enum status survey_day(struct store *s, struct arena *a, struct segment_span span,
                                  struct survey *ret_survey, struct err *err);

/*
 * Give up the segments of `span` in which nothing is live.
 *
 * ST_BUSY  not all of them: queries read too many that were given up before
 */
MUST_CHECK enum status survey_give_up(struct store *s, struct segment_span span, struct err *err);

/* NULL: the segment is not in it. */
struct day_segment *survey_find(const struct survey *s, uint64_t segment_id);

/* Bytes of chunks that nothing refers to any more. */
uint64_t survey_dead_bytes(const struct day_segment *s);

#endif
