/*
 * pager.h - a log query in several requests: how the bound moves from one to the next.
 *
 * The API knows no cursor but the time. The next request begins with the time of the last entry
 * that came, because others may have the same time, and those that were printed are left out: as
 * many of each label set and line as were printed, so that equal lines are not lost. When a whole
 * request is of entries that are known, the next one asks for more.
 */
#ifndef CLI_PAGER_H
#define CLI_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "cli/answer.h"
#include "cli/range.h"

struct pager {
    /* set by the caller */
    struct range range;
    bool forward;
    uint64_t limit; /* 0: all there are */
    uint64_t batch; /* at least 1 */

    /* the pager's own, zeroed to begin with */
    bool done;
    uint64_t printed;
    uint64_t asked;     /* the limit of the request that is running */
    bool has_bound;     /* entries have come; the last has the time */
    int64_t bound_ns;   /* this one */
    struct map seen;    /* entries of that time that were printed */
    uint64_t overlap;   /* how many they are */
    struct arena arena; /* of `seen` */
};

struct page_request {
    struct range range;
    uint64_t limit;
};

void pager_init(struct pager *p, struct range range, bool forward, uint64_t limit, uint64_t batch);
void pager_release(struct pager *p);

/* What to ask next; false when everything has come. */
bool pager_next(struct pager *p, struct page_request *ret_request);

/*
 * Put the answer into the order of time, and leave in it what is new and inside the limit.
 *
 * ST_CORRUPT  the server repeats itself, and asking on would never end; or it gives fewer entries
 *             than are known, because it has a lower limit than was asked for or entries are gone
 */
MUST_CHECK enum status pager_take(struct pager *p, struct page *page, struct err *err);

#endif
