/*
 * expiry.h - chunks that are older than their stream is kept lose their references.
 *
 * Whole days, below the floor of every stream, are dropped elsewhere (space.h). This is for tenants
 * whose streams are kept for different times: of a day that is left for some, what is below the
 * floor of the others goes chunk by chunk, and the segments in which nothing is live any more.
 *
 * Threads  The merger only.
 */
#ifndef SERVER_STORE_EXPIRY_H
#define SERVER_STORE_EXPIRY_H

#include "base/err.h"
#include "server/store/merge_survey.h"

struct limits;

struct expiry_day {
    struct str tenant;
    int32_t day;
    const struct limits *limits;
    int64_t now_ns;
};

/* Has the day a moment that is below the floor of any stream? */
bool expiry_concerns(const struct expiry_day *day);

struct expired {
    size_t chunks;   /* that were dropped */
    int64_t next_ns; /* the clock when there will be the next one, if none is added */
};

/*
 * Drop the chunks of a day that are wholly below the floor of their stream, and the segments that
 * hold nothing then; `list` is loaded for that.
 */
MUST_CHECK enum status expiry_look(struct store *s, const struct expiry_day *day,
                                   struct segment_list *list, struct expired *ret_expired,
                                   struct err *err);

#endif
