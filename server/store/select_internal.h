/*
 * select_internal.h - a selection of the store, shared by select.c, which finds the runs, and
 * select_reader.c, which reads them.
 */
#ifndef SERVER_STORE_SELECT_INTERNAL_H
#define SERVER_STORE_SELECT_INTERNAL_H

#include "server/store/select.h"
#include "server/store/store_internal.h"

/* A stream as the engine knows it, and what is hidden of it. */
struct selected_stream {
    struct source_stream stream;    /* first, so that it can be cast back */
    const struct hide_stream *hide; /* NULL: nothing */
    bool is_looked_up;              /* whether anything is */
};

static inline const struct hide_stream *hidden_of(const struct source_stream *stream)
{
    return ((const struct selected_stream *)(const void *)stream)->hide;
}

/* A head that the selection holds. */
struct selected_head {
    struct selected_head *next;
    struct head_view view;
    struct selected_stream *stream;
};

/* What a run of this source stands for: a head, or a chunk. */
struct run_handle {
    const struct selected_head *head; /* NULL: a chunk */
    struct chunk_ref ref;
};

struct store_selection {
    struct selection selection; /* first, so that it can be cast back */
    struct store *store;
    struct query_context *q;
    struct source_request request;
    uint64_t corrupt_before; /* blocks that other selections of the query had met */
    struct hiding hiding;    /* taken before the heads */

    struct selected_head *heads;
    size_t head_count;
    uint64_t *head_ids; /* their chunk_ids, ascending */

    struct index_read *read;
    struct postings streams;
    bool heads_given;
    int32_t next_day;

    struct lock lock;        /* for `read` and the arena, once there are readers, and for below */
    struct map stream_cache; /* stream id (its bytes) -> struct selected_stream */
    uint64_t stream_count;   /* in it; `q` gets it at the end, its stats are of one thread */
    struct buf key;
    struct reader *probe; /* made for the first probe_later() */
    struct query_context probe_q;
    struct arena probe_arena;
};

/*
 * Has a chunk of the stream an entry after `ts_ns` that is not hidden? The lock of the selection is
 * held. Of what is damaged nobody knows: then it has.
 */
enum status probe_later(struct store_selection *s, const struct source_stream *stream,
                        const struct chunk_ref *ref, int64_t ts_ns, bool *ret_later,
                        struct err *err);
void probe_end(struct store_selection *s);

/* The reader() of a selection. */
enum status store_reader_begin(struct selection *selection, struct query_context *q,
                               struct reader **ret_reader, struct err *err);

#endif
