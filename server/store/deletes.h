/*
 * deletes.h - delete requests, from the moment they are asked for until nothing is left on disk of
 * what they hide.
 *
 * A request is about what was there when it came. So its `chunk_max` is taken first, then
 * everything in memory is flushed, then the request is written to DIR/deletes, then it hides
 * (hide.h), then it is acknowledged: what was acknowledged before is in a chunk whose last id is
 * not above `chunk_max`, and the replay of the log skips it; what comes later is in chunks that the
 * request does not concern. No merge is committed meanwhile: it could join chunks of both kinds.
 *
 * For who takes the lines off the disk: deletes_due() lists what is to be done. Before a commit of
 * that work the flusher looks with deletes_are_there() whether one of its requests was cancelled
 * meanwhile, and then the work is thrown away. (For a merge, which keeps chunks apart by what
 * hide_take() gave, it asks hide_is_current(): another request may have come.) deletes_progress()
 * tells how far it is, and deletes_processed() that no segment holds any of the lines: from then on
 * the request hides nothing.
 *
 * Threads  All calls may come from any thread but the flusher's, except those that say so.
 */
#ifndef SERVER_STORE_DELETES_H
#define SERVER_STORE_DELETES_H

#include "base/lock.h"
#include "server/store/delete_list.h"
#include "server/store/store.h"

/* The requests as they are on disk; changed by the flusher, as a whole. */
struct delete_state {
    struct arena arena;
    struct delete_list list;
};

/* What the flusher is asked for; it lies on the stack of who waits for it. */
struct delete_change;

struct deletes {
    struct lock lock;                       /* for the next two */
    struct delete_state *state;             /* changed under the lock, by the flusher */
    const struct delete_change *cancelling; /* is not due: the list without it is being written */

    bool replaced; /* the flusher's: the file holds a list that was refused */

    /* under the lock of the flusher */
    struct lock_cond done;
    struct delete_change *first; /* waiting for the flusher */
    struct delete_change *last;
    unsigned creating; /* requests are on their way: no merge is committed */
};

void deletes_init(struct store *s);
void deletes_release(struct store *s);

/*
 * Read the file, if there is one, before anything gets a chunk_id; `*ret_chunk_max` is the highest
 * one that a request names, or 0.
 *
 * ST_CORRUPT, ST_UNSUPPORTED  deleted lines would come back: the store must not be opened
 */
MUST_CHECK enum status deletes_open(struct store *s, uint64_t *ret_chunk_max, struct err *err);

/* By the flusher, with its lock held: is there something to do? */
bool deletes_are_waiting(const struct store *s);

/* By the flusher: do it. */
void deletes_serve(struct store *s);

/* By the flusher: is none of these requests cancelled? */
bool deletes_are_there(struct store *s, const uint32_t *ids, size_t count);

/*
 * The requests that are not processed and can no longer be cancelled (without force), oldest first;
 * made in `a`. They count as begun from here on.
 */
MUST_CHECK enum status deletes_due(struct store *s, struct arena *a, struct delete_list *ret_list,
                                   struct err *err);

/* How many they are, and for how long the oldest one has been among them (0: there is none). */
void deletes_count_due(struct store *s, uint64_t *ret_count, int64_t *ret_oldest_ns);

/* So much of the work is done, 0 to 99; 0: it has not begun. It begins anew with each start. */
void deletes_progress(struct store *s, uint32_t id, unsigned percent);

/* Nothing is left on disk of what these requests of a tenant hide. Durable when it returns. */
MUST_CHECK enum status deletes_processed(struct store *s, struct str tenant, const uint32_t *ids,
                                         size_t count, struct err *err);

/*
 * Let every request of the file in the data directory `dir` be received again, for an index that
 * was made anew of all chunks there are. No store has it open; without a file nothing happens.
 */
MUST_CHECK enum status deletes_reset(const char *dir, struct err *err);

#endif
