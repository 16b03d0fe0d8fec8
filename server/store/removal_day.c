/*
 * One day of a tenant, in two goes. All its segments are closed, so that nothing is added to them.
 * Then each chunk that the rules concern is written again without what they hide, or its reference
 * goes if nothing is left. Then the live chunks of every segment that holds dead bytes are copied
 * as they are, for old copies of what is hidden may be among those, and the segments are given up.
 *
 * Without rules there is the second go only, if there is anything to do in it.
 */
#include "server/store/removal.h"

#include "base/log.h"
#include "server/store/merge_make.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    PORTION_CHUNKS = 4096, /* that are done before the index is read again */
    DAY_ARENA_BYTES_MAX = 1 << 28,
};

struct wanted_chunk {
    struct chunk_ref ref;
    bool all; /* everything in it is hidden, if its last id is not above its first one */
};

struct removing {
    struct store *store;
    const struct removal_day *job;
    bool moving; /* the second go */
    bool left;
    struct merge_maker maker;
    struct arena survey_arena;
    struct survey survey;

    struct index_read *read;
    struct arena stream_arena; /* of the stream that is listed */
    struct hide_stream hide;
    uint64_t stream_id;
    bool started; /* a stream is listed */

    struct arena portion_arena;
    struct wanted_chunk *wanted;
    size_t wanted_count;
    size_t wanted_capacity;
    uint64_t next_stream;
    bool more; /* streams are left for the next portion */
};

static enum status survey(struct removing *r, struct err *err)
{
    arena_reset(&r->survey_arena);
    return survey_day(r->store, &r->survey_arena, r->job->segments, &r->survey, err);
}

/* ---- which chunks ---- */

/* The rules that concern the next stream. */
static enum status begin_stream(struct removing *r, uint64_t stream_id)
{
    struct labels labels;

    arena_reset(&r->stream_arena);
    r->stream_id = stream_id;
    r->started = true;
    if (r->moving)
        return ST_OK;
    enum status st = index_stream(r->read, stream_id, &labels, NULL);
    return st == ST_OK ? hide_stream(&r->stream_arena, r->job->hiding, labels, &r->hide, NULL) : st;
}

/* Do live chunks leave the segment? */
static bool is_emptied(const struct removing *r, const struct day_segment *segment)
{
    uint64_t dead_bytes = survey_dead_bytes(segment);

    return dead_bytes > (r->job->hiding == NULL ? segment->live_bytes : 0);
}

static bool is_wanted(const struct removing *r, const struct chunk_ref *ref)
{
    if (!r->moving) /* its last id, which counts, stands in its head */
        return hide_concerns(&r->hide, ref->chunk_id, ref->min_ns, ref->max_ns);
    const struct day_segment *segment = survey_find(&r->survey, ref->segment_id);
    return segment != NULL && is_emptied(r, segment);
}

static enum status list_chunk(void *context, const struct chunk_ref *ref)
{
    struct removing *r = context;
    enum status st = flag_get(&r->store->merger.stop) ? ST_CANCELLED : ST_OK;

    if (st == ST_OK && (!r->started || r->stream_id != ref->stream_id)) {
        if (r->wanted_count >= PORTION_CHUNKS) {
            r->next_stream = ref->stream_id;
            r->more = true;
            return ST_EMPTY; /* enough for now */
        }
        st = begin_stream(r, ref->stream_id);
    }
    if (st != ST_OK || !is_wanted(r, ref))
        return st;
    r->wanted = arena_reserve(&r->portion_arena, r->wanted, r->wanted_count, &r->wanted_capacity,
                              sizeof(*r->wanted));
    if (r->wanted == NULL)
        return ST_LIMIT;
    r->wanted[r->wanted_count++] = (struct wanted_chunk){
        *ref, !r->moving && hide_is_all(&r->hide, ref->chunk_id, ref->min_ns, ref->max_ns)};
    return ST_OK;
}

static enum status list_portion(struct removing *r, struct err *err)
{
    struct day_walk walk = {
        .tenant = r->job->tenant,
        .day = r->job->day,
        .stream_id = r->next_stream,
        .visit = list_chunk,
        .context = r,
    };

    arena_reset(&r->portion_arena);
    r->wanted = NULL;
    r->wanted_count = r->wanted_capacity = 0;
    r->started = r->more = false;
    enum status st = index_read_begin(r->store->index, &r->stream_arena, &r->read, err);
    if (st != ST_OK)
        return st;
    st = index_walk_day(r->read, &walk);
    index_read_end(r->read);
    if (st == ST_OK || st == ST_EMPTY)
        return ST_OK;
    return err_set(err, st, "cannot list the chunks of a day: %s", status_text(st));
}

/* ---- what becomes of them ---- */

static enum status make(struct removing *r, const struct chunk_ref *from, struct chunk_ref *ret_ref,
                        struct err *err)
{
    struct buf *bytes = &r->maker.batch.bytes;
    const struct merge_sources sources = {
        .refs = from,
        .count = 1,
        .codec = from->level > 0 ? CODEC_ZSTD : r->maker.flush_codec,
        .level = from->level,
        .block_bytes = (size_t)store_settings(r->store)->chunk_block_size,
        .hiding = r->job->hiding,
    };
    size_t bad;

    if (!r->moving)
        return merge_pack(&r->maker.packer, &sources, bytes, ret_ref, &bad, err);
    *ret_ref = *from;
    return merge_copy(&r->maker.packer, from, bytes, err);
}

static void note_damage(struct removing *r, const struct chunk_ref *ref, const struct err *err)
{
    char file[SEGMENT_FILE_NAME_BYTES];

    r->left = true;
    segment_file_name((struct segment_name){ref->segment_id, ref->day}, file);
    LOG(LOG_ERROR, "a damaged chunk keeps deleted lines from leaving the disk",
        LOG_TEXT("segment", file), LOG_INT("offset", ref->offset), LOG_ERR(err));
}

/*
 * A damaged chunk goes if all of it is hidden, or might be and nobody can read any of it; if some
 * is it stays, and with it the request. What a request is about is told by the last id, in its
 * head.
 */
static enum status do_damaged(struct removing *r, const struct wanted_chunk *w, struct err *err)
{
    const struct merged_chunk nothing = {.from = &w->ref, .from_count = 1};
    const struct chunk_ref *ref = &w->ref;
    struct hide_stream hide;
    struct chunk_head head;
    bool all = w->all;

    arena_reset(&r->stream_arena);
    enum status st = merge_head(&r->maker.packer, &r->stream_arena, ref, &head, NULL);
    if (st == ST_OK && !r->moving) {
        st = hide_stream(&r->stream_arena, r->job->hiding, head.labels, &hide, err);
        if (st != ST_OK)
            return st;
        uint64_t last_id = head.chunk_id + head.id_span;
        if (!hide_concerns(&hide, last_id, ref->min_ns, ref->max_ns))
            return ST_OK;
        all = hide_is_all(&hide, last_id, ref->min_ns, ref->max_ns);
    } else if (st != ST_OK && !merge_is_damage(st)) {
        return err_set(err, st, "cannot read a damaged chunk: %s", status_text(st));
    }
    if (all)
        return merge_maker_add(&r->maker, &nothing, err);
    note_damage(r, ref, err);
    return ST_OK;
}

static enum status do_chunk(struct removing *r, const struct wanted_chunk *w, struct err *err)
{
    struct buf *bytes = &r->maker.batch.bytes;
    const struct day_segment *segment = survey_find(&r->survey, w->ref.segment_id);
    struct merged_chunk chunk = {
        .state = segment == NULL ? SEGMENT_FLUSHED : segment->ref.state,
        .begin = bytes->len,
        .from = &w->ref,
        .from_count = 1,
    };

    enum status st = make(r, &w->ref, &chunk.ref, err);
    if (st != ST_OK)
        bytes->len = MIN_OF(chunk.begin, bytes->len);
    if (merge_is_damage(st))
        return do_damaged(r, w, err);
    if (st == ST_OK && !r->moving && chunk.ref.entries == w->ref.entries) {
        bytes->len = chunk.begin; /* the rules do not concern it after all */
        return ST_OK;
    }
    return st == ST_OK ? merge_maker_add(&r->maker, &chunk, err) : st;
}

static enum status do_portion(struct removing *r, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < r->wanted_count && st == ST_OK; i++) {
        if (flag_get(&r->store->merger.stop))
            return err_set(err, ST_CANCELLED, "the store is being closed");
        st = do_chunk(r, &r->wanted[i], err);
    }
    return st == ST_OK ? merge_maker_submit(&r->maker, err) : st;
}

/* One go through all chunks of the day. */
static enum status go(struct removing *r, bool moving, struct err *err)
{
    r->moving = moving;
    r->next_stream = 0;
    enum status st = survey(r, err);
    do {
        if (st == ST_OK)
            st = list_portion(r, err);
        if (st == ST_OK)
            st = do_portion(r, err);
    } while (st == ST_OK && r->more);
    return st;
}

/* ---- a day ---- */

static enum status close_segments(struct removing *r, struct err *err)
{
    const struct merge_request request = {.closed = r->job->segments};

    return merge_submit(r->store, &request, err);
}

/* Give up the segments in which nothing is live, and look whether that was all. */
static enum status give_up_segments(struct removing *r, struct err *err)
{
    enum status st = survey_give_up(r->store, r->job->segments, err);

    if (st == ST_OK)
        st = survey(r, err);
    for (size_t i = 0; i < r->survey.count && st == ST_OK; i++)
        r->left |= survey_dead_bytes(&r->survey.segments[i]) > 0;
    return st;
}

static enum status with_rules(struct removing *r, struct err *err)
{
    enum status st = close_segments(r, err);

    if (st == ST_OK)
        st = go(r, false, err);
    if (st == ST_OK)
        st = go(r, true, err);
    return st == ST_OK ? give_up_segments(r, err) : st;
}

static enum status without_rules(struct removing *r, struct err *err)
{
    bool any = false;

    enum status st = survey(r, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < r->survey.count; i++)
        any |= is_emptied(r, &r->survey.segments[i]);
    if (!any)
        return ST_OK;
    st = close_segments(r, err);
    if (st == ST_OK)
        st = go(r, true, err);
    return st == ST_OK ? give_up_segments(r, err) : st;
}

enum status removal_day(struct store *s, const struct removal_day *day, bool *ret_left,
                        struct err *err)
{
    struct removing r = {.store = s, .job = day};

    arena_init(&r.survey_arena, DAY_ARENA_BYTES_MAX);
    arena_init(&r.stream_arena, DAY_ARENA_BYTES_MAX);
    arena_init(&r.portion_arena, DAY_ARENA_BYTES_MAX);
    enum status st = merge_maker_init(&r.maker, s, day->tenant, err);
    r.maker.removes = true;
    if (st == ST_OK)
        st = day->hiding != NULL ? with_rules(&r, err) : without_rules(&r, err);
    *ret_left = r.left;
    merge_maker_release(&r.maker);
    arena_release(&r.portion_arena);
    arena_release(&r.stream_arena);
    arena_release(&r.survey_arena);
    return st;
}
