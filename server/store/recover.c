/*
 * What start-up does with the index open (repair.c), before anything is served:
 *
 *   1. every segment is cut to its committed length: what lies behind is the trace of a crash, and
 * its entries are still in the log (I3)
 *   2. the log is replayed into heads, leaving out what is flushed already (flushed_seq)
 *
 * A log may hold far more than memory should: what was flushed while one stream kept a file, and
 * the labels of each stream again in each record. So between two records the replay flushes, as the
 * flusher does, when there is too much. That is safe for the same reasons: the records of a stream
 * come in the order of their numbers, all parts of one before the next, so committed chunks cover
 * each record of their stream up to the last one that is in them. A crash in between is a crash
 * like any other.
 *
 * A damaged or missing segment does not stop the start: what can be read is served, and each query
 * that misses something says so.
 */
#include "server/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "chunks/segment_walk.h"

#include "base/banned.h"

enum { READ_ARENA_BYTES_MAX = 1 << 30 }; /* of the index, while the log is replayed */

/* ---- segments ---- */

static void cut_segment(struct store *s, const struct segment_ref *segment)
{
    struct segment_name name = {segment->id, segment->day};
    char file[SEGMENT_FILE_NAME_BYTES];
    uint64_t bytes;
    struct err err;

    if (!store_segment_is_itself(s, name, &bytes)) {
        segment_file_name(name, file);
        LOG(LOG_ERROR, "a file is another segment than its name says, its entries are missing",
            LOG_TEXT("file", file));
        return;
    }
    enum status st = segments_cut(s->segments, name, segment->committed_bytes, &err);
    if (st == ST_NOT_FOUND && segment->committed_bytes == 0)
        return; /* the crash came before the file was made */
    if (st != ST_OK)
        LOG(LOG_ERROR, "a segment is damaged, its entries are missing from answers", LOG_ERR(&err));
}

/* `known` is as the index lists it: by id. */
static bool is_known(const struct segment_name *known, size_t count,
                     const struct segment_name *file)
{
    return count > 0 && bsearch(file, known, count, sizeof(*known), segment_name_compare) != NULL;
}

/* Was nothing ever written to the file that would still be there? */
static bool is_blank(const struct store *s, struct segment_name name)
{
    struct segment_walk w;
    bool blank = false;

    if (store_walk_segment(s, name, &w, NULL) != ST_OK)
        return false;
    const struct chunk_place all = {.bytes = w.file_bytes};
    enum status st = segment_walk_blank(&w, &all, &blank, NULL);
    segment_walk_close(&w);
    return st == ST_OK && blank;
}

/*
 * A segment gets its record in the index before its file is made, and an index that does not know a
 * chunk was made again. So in a file without a record nothing can be read. When it is blank then
 * nothing was committed to it either: a crash left it, and the index has been made again since.
 */
static void check_unknown_file(struct store *s, const struct segment_name *name)
{
    char file[SEGMENT_FILE_NAME_BYTES];
    struct err err;

    segment_file_name(*name, file);
    if (!is_blank(s, *name))
        LOG(LOG_ERROR, "nothing in a segment can be read, its entries are missing from answers",
            LOG_TEXT("file", file));
    else if (segments_remove(s->segments, *name, &err) == ST_OK)
        LOG(LOG_WARN, "removed a segment without content", LOG_TEXT("file", file));
    else
        LOG(LOG_WARN, "cannot remove a segment without content", LOG_ERR(&err));
}

static enum status check_unknown(struct store *s, const struct segment_name *known, size_t count,
                                 struct err *err)
{
    struct segment_name *files = NULL;
    size_t file_count = 0;

    enum status st = segments_list(s->segments_dir, &files, &file_count, err);
    for (size_t i = 0; i < file_count && st == ST_OK; i++) {
        if (!is_known(known, count, &files[i]))
            check_unknown_file(s, &files[i]);
    }
    mem_free(files);
    return st;
}

static enum status recover_segments(struct store *s, struct err *err)
{
    struct segment_name *known = NULL;
    struct index_read *r = NULL;
    struct segment_ref segment;
    struct arena none = {0};
    size_t count = 0, capacity = 0;
    uint64_t cursor = 0;

    enum status st = index_read_begin(s->index, &none, &r, err);
    while (st == ST_OK) {
        st = index_next_segment(r, &cursor, &segment);
        if (st != ST_OK)
            break;
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            struct segment_name *wider = mem_grow(known, capacity, sizeof(*known));
            if (wider == NULL) {
                st = ST_NOMEM;
                break;
            }
            known = wider;
        }
        known[count++] = (struct segment_name){segment.id, segment.day};
        if (segment.state != SEGMENT_DEAD) /* the flusher removes what is dead */
            cut_segment(s, &segment);
    }
    index_read_end(r);
    if (st == ST_NOT_FOUND)
        st = check_unknown(s, known, count, err);
    else if (st != ST_OK)
        st = err_set(err, st, "index: cannot list the segments");
    mem_free(known);
    return st;
}

/* ---- the log ---- */

struct replay {
    struct store *store;
    struct index_read *read;
    struct arena scratch; /* of `read` */
    struct arena arena;   /* of one record */
    uint64_t skipped;
    uint64_t relieve_bytes; /* not before memory is above */
};

/* How far the stream was flushed before the crash; 0 if it never was. */
static enum status flushed_seq(struct replay *r, struct str tenant, struct labels labels,
                               uint64_t *ret_seq)
{
    uint64_t id;

    *ret_seq = 0;
    enum status st = index_find_stream(r->read, tenant, labels, &id, ret_seq);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status replay_stream(struct replay *r, struct tenant *t, const struct push_stream *from,
                                 uint64_t seq)
{
    enum { KEY_BYTES_MAX = 64 * 1024 * 1024 };
    struct stream *stream;
    struct buf key;
    uint64_t flushed;

    buf_init(&key, KEY_BYTES_MAX);
    labels_encode(&key, from->labels);
    enum status st = buf_status(&key, NULL);
    lock_take(&t->lock);
    stream = st == ST_OK ? streams_get(&t->streams, buf_str(&key)) : NULL;
    if (st == ST_OK && stream == NULL) {
        st = flushed_seq(r, t->name, from->labels, &flushed);
        if (st == ST_OK)
            st = store_stream(r->store, t, buf_str(&key), 0, &stream);
        if (st == ST_OK)
            stream->flushed_seq = flushed;
    }
    if (st == ST_OK && seq > stream->flushed_seq)
        st = store_append(r->store, t, stream, from, seq);
    else if (st == ST_OK)
        r->skipped++;
    lock_give(&t->lock);
    buf_release(&key);
    return st;
}

/*
 * Flush when memory is far above its target. A new read of the index follows, for the old one keeps
 * the pages that were replaced. When nothing can be flushed, on a full disk say, the store must
 * start all the same.
 */
static enum status relieve(struct replay *r, struct err *err)
{
    struct store *s = r->store;

    if (!store_is_behind(s) || store_memory(s) <= r->relieve_bytes)
        return ST_OK;
    enum status st = flusher_relieve(s, err);
    r->relieve_bytes = store_memory(s) + store_settings(s)->memory_target / 4;
    if (st != ST_OK) {
        LOG(LOG_ERROR, "cannot flush while the log is replayed, memory has to hold it",
            LOG_ERR(err));
        r->relieve_bytes = UINT64_MAX;
        return ST_OK;
    }
    index_read_end(r->read);
    r->read = NULL;
    return index_read_begin(s->index, &r->scratch, &r->read, err);
}

static enum status replay_record(void *context, const struct wal_record *record, struct err *err)
{
    struct replay *r = context;
    struct push_request request;
    struct str tenant;

    enum status st = wal_push_decode(&r->arena, record, &tenant, &request, err);
    if (st == ST_OK) {
        struct tenant *t = store_tenant(r->store, tenant, true);
        if (t == NULL)
            st = err_set(err, ST_NOMEM, "no memory for a tenant");
        for (size_t i = 0; i < request.stream_count && st == ST_OK; i++) {
            st = replay_stream(r, t, &request.streams[i], record->seq);
            if (st != ST_OK)
                err_set(err, st, "cannot replay record %" PRIu64 ": %s", record->seq,
                        status_text(st));
        }
    }
    arena_release(&r->arena);
    return st == ST_OK ? relieve(r, err) : st;
}

static enum status replay_log(struct store *s, uint64_t seq, uint64_t *ret_next_seq,
                              struct err *err)
{
    struct replay r = {.store = s};
    struct wal_replay result;

    arena_init(&r.arena, WAL_PUSH_ARENA_BYTES_MAX);
    arena_init(&r.scratch, READ_ARENA_BYTES_MAX);
    enum status st = index_read_begin(s->index, &r.scratch, &r.read, err);
    if (st == ST_OK)
        st = wal_replay(s->wal_dir, replay_record, &r, &result, err);
    index_read_end(r.read);
    arena_release(&r.scratch);
    arena_release(&r.arena);
    if (st != ST_OK)
        return st;
    *ret_next_seq = MAX_OF(seq, result.seq_max) + 1;
    s->replayed_records = result.records;
    s->damaged_files = result.damaged_files;
    if (result.records > 0 || result.cut_bytes > 0)
        LOG(LOG_INFO, "replayed the write-ahead log", LOG_INT("records", result.records),
            LOG_INT("bytes", result.bytes), LOG_INT("flushed_streams_skipped", r.skipped),
            LOG_INT("torn_bytes_cut", result.cut_bytes));
    return ST_OK;
}

enum status store_recover(struct store *s, uint64_t *ret_next_seq, struct err *err)
{
    struct index_counters counters;
    uint64_t chunk_max;

    enum status st = index_counters(s->index, &counters, err);
    if (st == ST_OK)
        st = deletes_open(s, &chunk_max, err);
    if (st == ST_OK)
        st = recover_segments(s, err);
    if (st != ST_OK)
        return st;
    counter_set(&s->next_chunk, MAX_OF(counters.next_chunk, chunk_max + 1));
    s->flusher.next_segment = counters.next_segment;
    st = flusher_open(s, err);
    return st == ST_OK ? replay_log(s, counters.seq, ret_next_seq, err) : st;
}
