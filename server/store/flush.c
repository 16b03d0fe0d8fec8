/*
 * Writing a batch of sealed heads:
 *
 *   1. each head is sorted, cut at the borders of days, packed, and written behind the committed
 * bytes of the segment of its tenant and day
 *   2. the segments are synced (I2)
 *   3. one index transaction names the chunks, says how far each stream is flushed, and moves the
 *      committed lengths
 *
 * When anything fails before the commit nothing has happened: the next attempt overwrites what was
 * written. It takes another file where one cannot be written, and after a sync that failed: the
 * system may have dropped what it could not write, and would call the next sync of the same pages a
 * success. After a failed commit that is so only if the index still takes writes; if it does not,
 * nobody knows what its file says, and no segment may be touched until a restart has looked. The
 * caller drops the heads after a success.
 *
 * What a merge has made is committed in the same way, by the same thread: its transaction takes the
 * references of the chunks that were merged away and names the new one instead. A segment that
 * holds nothing any more goes in three steps, so that a crash between any two leaves what the next
 * start can finish, and a file that is missing or unknown for another reason is still told from it:
 *
 *   1. a transaction marks the segment as dead
 *   2. when no read of the index is older than that, the file is removed, and the directory synced
 *   3. a transaction forgets the segment
 */
#include "server/store/store_internal.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "chunks/chunk.h"
#include "server/store/drop.h"

#include "base/banned.h"

enum {
    FLUSH_ARENA_BYTES_MAX = 1 << 30,
    WRITE_BYTES = 1 << 20, /* chunks gather up to here before they are written */
};

/* A full head and one entry more can always be packed: of that, too, it takes eleven times. */
enum { ENTRY_BYTES_MAX = 16 * 1024 * 1024 }; /* of metadata: config/options.h */
_Static_assert(FLUSH_ARENA_BYTES_MAX / 12 > HEAD_BYTES_MAX + ENTRY_BYTES_MAX,
               "there is memory to pack any head");

/* A chunk that has been packed, with the item it comes from. */
struct flushed_chunk {
    const struct flush_item *item;
    struct chunk_ref ref;
};

struct flushing {
    struct store *store;
    struct codec_context *codec;
    enum codec encoding;
    struct arena arena;   /* of the batch */
    struct arena scratch; /* of one item */
    struct buf pending;   /* chunks that are not written yet, all for `segment` */
    struct open_segment *segment;
    const uint64_t *leaving; /* segments that a merge empties: nothing is added to them */
    size_t leaving_count;
    struct flushed_chunk *chunks;
    size_t chunk_count;
    size_t chunk_capacity;
};

/* ---- segments ---- */

/* The file failed. If not for want of room or memory, the next attempt is made with another one. */
static void note_failed(struct open_segment *segment, enum status st)
{
    segment->failed = segment->failed || (st != ST_FULL && st != ST_NOMEM);
}

static enum status write_pending(struct flushing *f, struct err *err)
{
    struct open_segment *segment = f->segment;
    struct str bytes = buf_str(&f->pending);

    if (bytes.len == 0)
        return ST_OK;
    ASSERT(segment != NULL);
    enum status st = segments_write(f->store->segments, segment->name, bytes,
                                    segment->written_bytes - bytes.len, err);
    if (st != ST_OK)
        note_failed(segment, st);
    buf_reset(&f->pending);
    return st;
}

static bool is_leaving(const struct flushing *f, uint64_t segment_id)
{
    for (size_t i = 0; i < f->leaving_count; i++) {
        if (f->leaving[i] == segment_id)
            return true;
    }
    return false;
}

static struct open_segment *find_segment(const struct flushing *f, struct str tenant, int32_t day,
                                         enum segment_state state)
{
    const struct store *s = f->store;
    struct open_segment *segment = open_segments_newest(&s->flusher.segments, tenant, day, state);

    while (segment != NULL && (segment->failed || is_leaving(f, segment->name.id) ||
                               segment->written_bytes >= store_settings(s)->segment_max_bytes))
        segment = segment->older;
    return segment;
}

/* Reserve new segments: their records in the index come before their files, see recover.c. */
static enum status reserve_segments(struct store *s, struct segment_ref *refs, size_t count,
                                    struct err *err)
{
    struct flusher *fl = &s->flusher;
    struct index_batch *batch = NULL;

    enum status st = index_batch_begin(s->index, &batch, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        refs[i].id = fl->next_segment + i;
        st = index_batch_segment(batch, &refs[i], err);
    }
    if (st == ST_OK)
        st = index_batch_commit(batch, err);
    else
        index_batch_abort(batch);
    if (st != ST_OK)
        return st;
    fl->next_segment += count;
    for (size_t i = 0; i < count; i++) {
        if (open_segments_add(&fl->segments, &refs[i]) == NULL)
            return err_set(err, ST_NOMEM, "no memory for a segment");
    }
    return ST_OK;
}

/* Make `f->segment` the one that chunks of the tenant and day go to. */
static enum status use_segment(struct flushing *f, struct str tenant, int32_t day,
                               enum segment_state state, struct err *err)
{
    struct segment_ref wanted = {.day = day, .tenant = tenant, .state = state};
    struct store *s = f->store;
    struct open_segment *segment = find_segment(f, tenant, day, state);
    enum status st = ST_OK;

    if (segment == NULL || segment != f->segment)
        st = write_pending(f, err);
    if (st == ST_OK && segment == NULL) {
        st = reserve_segments(s, &wanted, 1, err);
        segment = open_segments_find(&s->flusher.segments, wanted.id);
    }
    if (st == ST_OK)
        open_segments_use(&s->flusher.segments, segment);
    if (st == ST_OK && !segment->has_file) {
        st = segments_create(s->segments, segment->name, tenant, &segment->written_bytes, err);
        segment->has_file = st == ST_OK;
        segment->new_file = true;
    }
    if (st == ST_OK)
        f->segment = segment;
    return st;
}

/* ---- chunks ---- */

static enum status note_chunk(struct flushing *f, const struct flush_item *item,
                              const struct chunk_summary *summary, struct err *err)
{
    struct open_segment *segment = f->segment;

    f->chunks =
        arena_reserve(&f->arena, f->chunks, f->chunk_count, &f->chunk_capacity, sizeof(*f->chunks));
    if (f->chunks == NULL)
        return arena_status(&f->arena, err);
    f->chunks[f->chunk_count++] = (struct flushed_chunk){
        .item = item,
        .ref =
            {
                .chunk_id = head_chunk_id(item->sealed->head),
                .segment_id = segment->name.id,
                .day = segment->name.day,
                .head_bytes = summary->head_bytes,
                .chunk_bytes = summary->chunk_bytes,
                .entries = summary->entries,
                .offset = segment->written_bytes,
                .min_ns = summary->min_ns,
                .max_ns = summary->max_ns,
                .line_bytes = summary->line_bytes,
                .metadata_bytes = summary->metadata_bytes,
            },
    };
    segment->written_bytes += summary->chunk_bytes;
    return ST_OK;
}

/* Pack the entries of one day. */
static enum status pack_day(struct flushing *f, const struct flush_item *item,
                            struct chunk_entries entries, struct err *err)
{
    struct chunk_spec spec = {
        .context = f->codec,
        .codec = f->encoding,
        .block_bytes = (size_t)store_settings(f->store)->chunk_block_size,
        .tenant = item->tenant->name,
        .labels = item->labels,
        .chunk_id = head_chunk_id(item->sealed->head),
        .seq_max = item->sealed->seq_max,
    };
    struct chunk_summary summary;

    enum status st =
        use_segment(f, item->tenant->name, time_day(entries.items[0].ts_ns), SEGMENT_FLUSHED, err);
    if (st != ST_OK)
        return st;
    st = chunk_build(&spec, entries, &f->pending, &summary);
    if (st != ST_OK)
        return err_set(err, st, "cannot pack a chunk: %s", status_text(st));
    st = note_chunk(f, item, &summary, err);
    if (st == ST_OK && f->pending.len >= WRITE_BYTES)
        st = write_pending(f, err);
    return st;
}

/* Where the entries end that are of the day of the one at `begin`. */
static size_t end_of_day(struct chunk_entries all, size_t begin)
{
    int64_t next_ns = time_day_start_ns(time_day(all.items[begin].ts_ns) + 1);
    int64_t last_ns = next_ns == INT64_MAX ? INT64_MAX : next_ns - 1; /* the last day is shorter */
    size_t end = begin;

    while (end < all.count && all.items[end].ts_ns <= last_ns)
        end++;
    return end;
}

/* One transaction makes all the segments that the entries of an item still need. */
static enum status reserve_days(struct flushing *f, const struct flush_item *item,
                                struct chunk_entries all, struct err *err)
{
    struct segment_ref *refs = NULL;
    size_t count = 0, capacity = 0;

    for (size_t i = 0; i < all.count; i = end_of_day(all, i)) {
        int32_t day = time_day(all.items[i].ts_ns);
        if (find_segment(f, item->tenant->name, day, SEGMENT_FLUSHED) != NULL)
            continue;
        refs = arena_reserve(&f->scratch, refs, count, &capacity, sizeof(*refs));
        if (refs == NULL)
            return arena_status(&f->scratch, err);
        refs[count++] = (struct segment_ref){
            .day = day, .tenant = item->tenant->name, .state = SEGMENT_FLUSHED};
    }
    return count == 0 ? ST_OK : reserve_segments(f->store, refs, count, err);
}

static enum status pack_item(struct flushing *f, struct flush_item *item, struct err *err)
{
    struct head_view view = head_view(item->sealed->head);
    struct str key = item->stream->key;
    struct chunk_entries all = {0};

    enum status st = labels_decode(&f->arena, &key, &item->labels, err);
    if (st == ST_OK)
        st = head_view_entries(&view, &f->scratch, INT64_MIN, INT64_MAX, &all);
    if (st != ST_OK)
        err_set(err, st, "cannot sort a head: %s", status_text(st));
    else
        st = reserve_days(f, item, all, err);
    for (size_t begin = 0, end = 0; begin < all.count && st == ST_OK; begin = end) {
        if (flag_get(&f->store->flusher.abandon)) {
            st = err_set(err, ST_CANCELLED, "the store is being closed");
            break;
        }
        end = end_of_day(all, begin);
        st = pack_day(f, item, (struct chunk_entries){all.items + begin, end - begin}, err);
    }
    head_view_release(&view);
    arena_release(&f->scratch);
    return st;
}

/* ---- commit ---- */

static bool has_new_bytes(const struct open_segment *segment)
{
    return segment->written_bytes > segment->committed_bytes;
}

static enum status sync_segments(struct store *s, struct err *err)
{
    struct open_segment *used = s->flusher.segments.used;
    bool new_names = false;
    enum status st = ST_OK;

    for (struct open_segment *o = used; o != NULL && st == ST_OK; o = o->next_used) {
        if (flag_get(&s->flusher.abandon))
            return err_set(err, ST_CANCELLED, "the store is being closed");
        if (!has_new_bytes(o))
            continue;
        st = segments_sync(s->segments, o->name, err);
        o->failed = st != ST_OK;
        new_names |= o->new_file;
    }
    if (st != ST_OK || !new_names)
        return st;
    st = segments_sync_names(s->segments, err);
    for (struct open_segment *o = used; o != NULL && st != ST_OK; o = o->next_used)
        o->failed |= o->new_file;
    return st;
}

/* How far the stream of `item` is flushed, and the days its chunks lie on. */
static enum status batch_item(struct index_batch *batch, const struct flush_item *item,
                              uint64_t stream_id, struct err *err)
{
    struct head_size size = head_size(item->sealed->head);
    struct stream_flush flush = {
        .tenant = item->tenant->name,
        .labels = item->labels,
        .stream_id = stream_id,
        .seq = item->sealed->seq_max,
        .first_day = time_day(size.min_ns),
        .last_day = time_day(size.max_ns),
    };

    return index_batch_flushed(batch, &flush, err);
}

static enum status batch_chunks(struct flushing *f, struct index_batch *batch, struct err *err)
{
    const struct flush_item *item = NULL;
    enum status st = ST_OK;
    uint64_t stream_id = 0;

    for (size_t i = 0; i < f->chunk_count && st == ST_OK; i++) {
        struct flushed_chunk *c = &f->chunks[i];
        if (c->item != item) {
            item = c->item;
            st = index_batch_stream(batch, item->tenant->name, item->labels, &stream_id, err);
            if (st == ST_OK)
                st = batch_item(batch, item, stream_id, err);
        }
        c->ref.stream_id = stream_id;
        if (st == ST_OK)
            st = index_batch_chunk(batch, item->tenant->name, &c->ref, err);
    }
    return st;
}

static struct segment_ref ref_of(const struct open_segment *segment)
{
    return (struct segment_ref){
        .id = segment->name.id,
        .day = segment->name.day,
        .committed_bytes = segment->written_bytes,
        .tenant = segment->tenant,
        .state = segment->state,
    };
}

enum status flush_finish_batch(struct store *s, struct index_batch *batch, enum status st,
                               struct err *err)
{
    for (const struct open_segment *segment = s->flusher.segments.used;
         segment != NULL && st == ST_OK; segment = segment->next_used) {
        struct segment_ref ref = ref_of(segment);
        if (has_new_bytes(segment))
            st = index_batch_segment(batch, &ref, err);
    }
    if (st != ST_OK) {
        index_batch_abort(batch);
        return st;
    }
    index_batch_counters(batch, (struct index_counters){.next_chunk = counter_get(&s->next_chunk)});
    st = index_batch_commit(batch, err);
    if (st != ST_OK) {
        batch = NULL;
        s->flusher.broken = index_batch_begin(s->index, &batch, NULL) != ST_OK;
        index_batch_abort(batch);
    }
    return st;
}

static enum status commit(struct flushing *f, struct err *err)
{
    struct index_batch *batch = NULL;

    enum status st = index_batch_begin(f->store->index, &batch, err);
    if (st != ST_OK)
        return st;
    return flush_finish_batch(f->store, batch, batch_chunks(f, batch, err), err);
}

/*
 * Forget what a batch that failed has written; whoever met a full disk gets it back. A file that
 * holds nothing else goes: if its sync failed, or that of its name, a later one that succeeds says
 * nothing of what the first was for, so the next attempt makes another file. One that cannot be
 * removed, for another failure than that, is emptied and used by the next attempt: were it left,
 * the next start would take the index for an older one. When the store is being closed the next
 * start does that: it may be a hundred thousand files.
 */
static void forget_written(struct store *s, struct open_segment *segment)
{
    bool is_new = segment->committed_bytes == 0;
    enum status st = ST_OK;
    struct err err;

    if (has_new_bytes(segment) && segment->has_file && !s->flusher.broken &&
        !flag_get(&s->flusher.abandon)) {
        st = is_new ? segments_remove(s->segments, segment->name, &err)
                    : segments_cut(s->segments, segment->name, segment->committed_bytes, &err);
        if (st != ST_OK) {
            LOG(LOG_WARN, "cannot cut a segment after a failure", LOG_ERR(&err));
            if (!is_new)
                note_failed(segment, st);
        } else if (is_new) {
            segment->failed = false;
        }
    }
    segment->written_bytes = segment->committed_bytes;
    segment->has_file = !is_new;
}

/* After a success the written bytes are committed; after a failure they are forgotten. */
static void settle_segments(struct store *s, bool committed)
{
    for (struct open_segment *segment = s->flusher.segments.used; segment != NULL;
         segment = segment->next_used) {
        if (!committed) {
            forget_written(s, segment);
            continue;
        }
        segment->committed_bytes = segment->written_bytes;
        segment->new_file = false;
    }
    open_segments_settle(&s->flusher.segments);
}

/* The days that chunks were added to may have something to merge. */
static void note_days(struct store *s)
{
    for (const struct open_segment *segment = s->flusher.segments.used; segment != NULL;
         segment = segment->next_used) {
        if (has_new_bytes(segment))
            merge_note_day(s, segment->tenant, segment->name.day);
    }
}

static void count_chunks(struct flushing *f)
{
    for (size_t i = 0; i < f->chunk_count; i++) {
        struct tenant_counters *counters = &f->chunks[i].item->tenant->counters;
        counter_add(&counters->chunks_stored, 1);
        counter_add(&counters->chunk_bytes_stored, f->chunks[i].ref.chunk_bytes);
    }
    counter_add(&f->store->chunks_flushed, f->chunk_count);
}

enum status flush_items(struct store *s, struct flush_item *items, size_t count, struct err *err)
{
    struct flushing f = {.store = s};

    if (s->flusher.broken)
        return err_set(err, ST_IO, "the index takes no writes any more until a restart");
    enum status st = codec_by_name(store_settings(s)->chunk_encoding, &f.encoding);
    if (st != ST_OK)
        return err_set(err, st, "ingester.chunk_encoding is not a codec");
    arena_init(&f.arena, FLUSH_ARENA_BYTES_MAX);
    arena_init(&f.scratch, FLUSH_ARENA_BYTES_MAX);
    buf_init(&f.pending, (size_t)CHUNK_BYTES_MAX * 2);
    f.codec = codec_context_new();
    if (f.codec == NULL)
        st = err_set(err, ST_NOMEM, "no memory for a codec");

    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = pack_item(&f, &items[i], err);
    if (st == ST_OK)
        st = write_pending(&f, err);
    if (st == ST_OK)
        st = sync_segments(s, err);
    if (st == ST_OK)
        st = commit(&f, err);
    if (st == ST_OK)
        note_days(s);
    settle_segments(s, st == ST_OK);
    if (st == ST_OK)
        count_chunks(&f);
    codec_context_free(f.codec);
    buf_release(&f.pending);
    arena_release(&f.scratch);
    arena_release(&f.arena);
    return st;
}

/* ---- what merges have made ---- */

static enum status write_merged(struct flushing *f, struct merged_chunk *c, struct str bytes,
                                struct err *err)
{
    enum status st = use_segment(f, c->tenant, c->ref.day, c->state, err);
    if (st != ST_OK)
        return st;
    c->ref.segment_id = f->segment->name.id;
    c->ref.offset = f->segment->written_bytes;
    buf_put(&f->pending, str_head(str_cut(bytes, c->begin), c->ref.chunk_bytes));
    f->segment->written_bytes += c->ref.chunk_bytes;
    st = buf_status(&f->pending, err);
    if (st == ST_OK && f->pending.len >= WRITE_BYTES)
        st = write_pending(f, err);
    return st;
}

static enum status batch_merged(struct index_batch *batch, const struct merge_batch *b,
                                struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < b->count && st == ST_OK; i++) {
        const struct merged_chunk *c = &b->chunks[i];
        for (size_t j = 0; j < c->from_count && st == ST_OK; j++)
            st = index_batch_remove_chunk(batch, c->tenant, &c->from[j], err);
        if (st == ST_NOT_FOUND)
            st = err_set(err, ST_BUSY, "the day was dropped meanwhile");
        if (st == ST_OK && c->ref.entries > 0)
            st = index_batch_chunk(batch, c->tenant, &c->ref, err);
    }
    return st;
}

enum status flush_merged(struct store *s, struct merge_batch *b, struct err *err)
{
    struct flushing f = {.store = s, .leaving = b->leaving, .leaving_count = b->leaving_count};
    struct index_batch *batch = NULL;
    enum status st = ST_OK;

    if (s->flusher.broken)
        return err_set(err, ST_IO, "the index takes no writes any more until a restart");
    if (b->hiding != NULL && b->count > 0 && !hide_is_current(s, b->chunks[0].tenant, b->hiding))
        return err_set(err, ST_BUSY, "delete requests have changed");
    if (!deletes_are_there(s, b->request_ids, b->request_count))
        return err_set(err, ST_CANCELLED, "a delete request was cancelled");
    buf_init(&f.pending, (size_t)CHUNK_BYTES_MAX * 2);
    for (size_t i = 0; i < b->count && st == ST_OK; i++) {
        if (b->chunks[i].ref.entries > 0)
            st = write_merged(&f, &b->chunks[i], buf_str(&b->bytes), err);
        else
            space_note_emptied(s);
    }
    if (st == ST_OK)
        st = write_pending(&f, err);
    if (st == ST_OK)
        st = sync_segments(s, err);
    if (st == ST_OK)
        st = index_batch_begin(s->index, &batch, err);
    if (st == ST_OK)
        st = flush_finish_batch(s, batch, batch_merged(batch, b, err), err);
    settle_segments(s, st == ST_OK);
    buf_release(&f.pending);
    return st;
}

/* ---- segments that hold nothing any more ---- */

void flush_close_segment(struct store *s, uint64_t id)
{
    struct open_segment *open = open_segments_find(&s->flusher.segments, id);

    if (open != NULL)
        open_segments_remove(&s->flusher.segments, open);
}

/* Was something added to the segment since it had this length? */
static bool has_grown(struct store *s, const struct segment_ref *segment)
{
    const struct open_segment *open = open_segments_find(&s->flusher.segments, segment->id);

    return open != NULL && open->committed_bytes != segment->committed_bytes;
}

/* One transaction for some of them, for all of which there is a place in the table. */
static enum status kill_some(struct store *s, struct segment_span segments, struct dropped *dropped,
                             struct err *err)
{
    struct flusher *fl = &s->flusher;
    struct dead_segment *killed = fl->dead + fl->dead_count;
    struct index_batch *batch = NULL;
    uint64_t number = counter_get(&s->merger.segments_killed);
    struct dropped more = {0};

    enum status st = index_batch_begin(s->index, &batch, err);
    if (st != ST_OK)
        return st;
    uint64_t batch_number = index_batch_number(batch);
    for (size_t i = 0; i < segments.count && st == ST_OK; i++) {
        struct segment_ref dead = segments.items[i];
        if (has_grown(s, &dead))
            continue;
        dead.state = SEGMENT_DEAD;
        st = index_batch_segment(batch, &dead, err);
        killed[more.segments] = (struct dead_segment){
            .name = {dead.id, dead.day}, .batch_number = batch_number, .number = number++};
        more.segments++;
        more.bytes += dead.committed_bytes;
    }
    st = flush_finish_batch(s, batch, st, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < more.segments; i++)
        flush_close_segment(s, killed[i].name.id);
    fl->dead_count += more.segments;
    counter_add(&s->merger.segments_killed, more.segments);
    dropped->segments += more.segments;
    dropped->bytes += more.bytes;
    return ST_OK;
}

/* As with references, there may be room for a small transaction where a large one finds none. */
enum status flush_kill_segments(struct store *s, struct segment_span segments,
                                struct dropped *dropped, struct err *err)
{
    struct flusher *fl = &s->flusher;
    size_t max = COUNT_OF(fl->dead);
    enum status st = ST_OK;

    if (fl->broken)
        return err_set(err, ST_IO, "the index takes no writes any more until a restart");
    while (segments.count > 0 && st == ST_OK) {
        struct segment_span some = segments;
        if (flag_get(&s->merger.stop))
            return err_set(err, ST_CANCELLED, "the store is being closed");
        if (fl->dead_count == COUNT_OF(fl->dead))
            st = flush_bury_segments(s, err);
        if (st == ST_OK && fl->dead_count == COUNT_OF(fl->dead))
            st = err_set(err, ST_BUSY, "queries read what was dropped before");
        some.count = MIN_OF(MIN_OF(some.count, max), COUNT_OF(fl->dead) - fl->dead_count);
        if (st == ST_OK)
            st = kill_some(s, some, dropped, err);
        if (st == ST_OK) {
            segments.items += some.count;
            segments.count -= some.count;
        } else if (st == ST_FULL && some.count > 1) {
            max = some.count / 4 + 1;
            st = ST_OK;
        }
    }
    return st;
}

/* False: the file is still there, which is told once. */
static bool remove_file(struct store *s, struct dead_segment *dead)
{
    struct err err;

    if (segments_remove(s->segments, dead->name, &err) == ST_OK)
        return true;
    if (!dead->told)
        LOG(LOG_ERROR, "cannot remove a segment that holds nothing, trying again", LOG_ERR(&err));
    dead->told = true;
    return false;
}

/* Their records, when their names are gone for good. */
static enum status forget_segments(struct store *s, const struct dead_segment *gone, size_t count,
                                   struct err *err)
{
    struct index_batch *batch = NULL;

    enum status st = segments_sync_names(s->segments, err);
    if (st == ST_OK)
        st = index_batch_begin(s->index, &batch, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        index_batch_remove_segment(batch, gone[i].name.id);
    return flush_finish_batch(s, batch, ST_OK, err);
}

enum status flush_bury_segments(struct store *s, struct err *err)
{
    struct dead_segment gone[DEAD_SEGMENTS_MAX], left[DEAD_SEGMENTS_MAX];
    size_t i = 0, gone_count = 0, left_count = 0;
    struct flusher *fl = &s->flusher;

    for (; i < fl->dead_count && index_reads_have(s->index, fl->dead[i].batch_number); i++) {
        if (remove_file(s, &fl->dead[i]))
            gone[gone_count++] = fl->dead[i];
        else
            left[left_count++] = fl->dead[i];
    }
    if (gone_count == 0 || fl->broken)
        return ST_OK;
    enum status st = forget_segments(s, gone, gone_count, err);
    if (st != ST_OK)
        return st;
    fl->dead_count -= gone_count;
    memmove(fl->dead + left_count, fl->dead + i, (fl->dead_count - left_count) * sizeof(*left));
    if (left_count > 0)
        memcpy(fl->dead, left, left_count * sizeof(*left));
    counter_add(&s->merger.segments_removed, gone_count);
    counter_set(&s->merger.segments_gone,
                fl->dead_count > 0 ? fl->dead[0].number : counter_get(&s->merger.segments_killed));
    return ST_OK;
}
