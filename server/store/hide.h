/*
 * hide.h - which stored entries nobody may see: what log deletion asks for, and what is older than
 * it is kept (retention.h).
 *
 * A delete request hides the lines that a log query keeps, between two times, of the chunks that
 * were there when it came: those whose last chunk_id is not above its `chunk_max`. Heads in memory
 * are younger than every request (deletes.h flushes them first), so requests never concern them;
 * to ask about a head, its last id is HIDE_HEAD.
 *
 * Whoever reads chunks takes what is hidden once and gives it back at the end: so it sees one
 * state. A selection takes it before it looks at heads: a head that belongs to a chunk some request
 * of the set concerns has left memory by then.
 *
 * Threads  Sets never change, so any number of threads may use one; a hider is for one at a time.
 */
#ifndef SERVER_STORE_HIDE_H
#define SERVER_STORE_HIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/str.h"
#include "chunks/chunk.h"
#include "index/matcher.h"
#include "proto/entry.h"
#include "proto/labels.h"
#include "query/context.h"
#include "query/pipeline.h"

struct limits;
struct store;

/* ---- rules ---- */

/* What a rule is made of. */
struct hide_spec {
    struct str query; /* a log query; borrowed */
    int64_t start_ns; /* both inclusive */
    int64_t end_ns;
    uint64_t chunk_max;
};

struct hide_rule {
    int64_t start_ns;
    int64_t end_ns;
    uint64_t chunk_max;
    struct matcher_list matchers;
    const struct pipeline *pipeline; /* NULL: every line */
};

/* The rules of one tenant: immutable, with a count of its owners. */
struct hide_set {
    struct refs refs;
    struct arena arena;
    struct hide_rule *rules;
    size_t count;
};

/*
 * What the rules of a tenant may take for another request to be accepted. Requests that are in the
 * list already hide whatever they take: to refuse them would be to show deleted lines, or to serve
 * nothing.
 */
#define HIDE_SET_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define HIDE_SET_BYTES_ANY (SIZE_MAX / 2)

/*
 * Compile rules in at most `bytes_max` of memory. The caller owns the set.
 *
 * ST_INVALID  a query is no log query, or does not compile      ST_LIMIT  they take too much memory
 */
MUST_CHECK enum status hide_set_new(const struct hide_spec *specs, size_t count, size_t bytes_max,
                                    struct hide_set **ret_set, struct err *err);

/* Give back one ownership; accepts NULL. */
void hide_set_drop(struct hide_set *set);

/* ---- the sets of a store ---- */

struct hide_table {
    struct lock lock;
    struct map sets; /* tenant -> struct hide_published */
    struct flag any; /* there has been a set: without one nobody takes the lock */
};

void hide_table_init(struct hide_table *t);
void hide_table_release(struct hide_table *t);

/* Make room for a set of the tenant, which hide_publish() needs. ST_NOMEM: there is none. */
MUST_CHECK enum status hide_reserve(struct hide_table *t, struct str tenant);

/*
 * From now on `set` (NULL: nothing) is what is hidden from the tenant; the table takes over the
 * ownership.
 */
void hide_publish(struct hide_table *t, struct str tenant, struct hide_set *set);

/* What is hidden from one reader. */
struct hiding {
    struct hide_set *set;        /* NULL: delete requests hide nothing */
    const struct limits *limits; /* NULL: everything is kept for ever */
    int64_t now_ns;              /* when it was taken: floors do not move under a reader */
    int64_t floor_ns;            /* before it nothing of any stream is seen; INT64_MIN: none */
};

/* What is hidden from the tenant now. Given back with hide_give(). */
struct hiding hide_take(struct store *s, struct str tenant);
void hide_give(struct hiding *h);

/*
 * Is it still what is hidden from the tenant? Asked by the flusher before it commits what was made
 * of chunks with `h` in mind: requests come and go on its thread only.
 */
bool hide_is_current(struct store *s, struct str tenant, const struct hiding *h);

/* False: nothing is hidden of any stream, and nothing below needs to be asked. */
static inline bool hide_any(const struct hiding *h)
{
    return h->set != NULL || h->limits != NULL;
}

/* ---- asking ---- */

#define HIDE_HEAD UINT64_MAX /* the last id of what is in memory */

/* What concerns one stream. Borrows the hiding and the labels. */
struct hide_stream {
    struct labels labels;
    int64_t floor_ns; /* entries before it are hidden, wherever they are; INT64_MIN: none */
    const struct hide_rule **rules;
    size_t count;
};

/* Made in `a`. ST_LIMIT: it is full. */
MUST_CHECK enum status hide_stream(struct arena *a, const struct hiding *h, struct labels labels,
                                   struct hide_stream *ret_stream, struct err *err);

/* True: nothing of the stream is hidden. */
static inline bool hide_none(const struct hide_stream *h)
{
    return h->count == 0 && h->floor_ns == INT64_MIN;
}

/*
 * Are entries hidden of what has this last id (`chunk_id + id_span` of a chunk) and entries between
 * these times? False is for sure; else hide_block() tells.
 */
bool hide_concerns(const struct hide_stream *h, uint64_t last_id, int64_t min_ns, int64_t max_ns);

/* Is all of it hidden, whatever its lines are? True is for sure. */
bool hide_is_all(const struct hide_stream *h, uint64_t last_id, int64_t min_ns, int64_t max_ns);

/* Memory for hiding in one block after the other. */
struct hider {
    const struct query_context *q; /* NULL: nothing ends it */
    struct arena block;            /* of the block */
    struct arena scratch;          /* of the entry that goes through the stages */
    struct block_memory memory;    /* of what is left */
};

/* `parent`, whose maximum counts, outlives it. */
void hider_init(struct hider *x, struct arena *parent, const struct query_context *q);
void hider_release(struct hider *x);

/*
 * Take what is hidden out of a block with all columns. If that is anything `b` borrows the hider
 * afterwards, until the next block; its distinct sets of metadata stay as they are.
 *
 * ST_LIMIT      the arena is full      ST_NOMEM
 * ST_CANCELLED, ST_TIMEOUT  the query is over
 */
MUST_CHECK enum status hide_block(struct hider *x, const struct hide_stream *h, uint64_t last_id,
                                  struct block *b, struct err *err);

#endif
