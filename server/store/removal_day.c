/*
 * One day of a tenant. First its segments are chosen: those with a chunk that the rules concern,
 * and those that hold dead bytes. They are closed, so that nothing is added to them.
 *
 * Then a few of them at a time, in two goes. Each chunk that the rules concern is written again
 * without what they hide, or its reference goes if nothing is left. Then the live chunks of every
 * segment that holds dead bytes are copied as they are, for old copies of what is hidden may be
 * among those, and the segments are given up before the next ones are begun with: so the day never
 * takes more room than it did and a segment.
 *
 * Without rules there is the second go only.
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

enum go {
    GO_CHOOSE,  /* segments with chunks that the rules concern */
    GO_REWRITE, /* those chunks */
    GO_MOVE,    /* all chunks of segments that hold dead bytes */
};

struct removing {
    struct store *store;
    const struct removal_day *job;
    enum go go;
    bool left;
    struct merge_maker maker;
    struct arena day_arena;
    bool *concerned;            /* GO_CHOOSE: for each segment of the survey */
    struct segment_span chosen; /* segments; no others change */
    struct segment_span group;  /* of them, those that are gone through now */
    struct arena survey_arena;
    struct survey survey; /* of the group */

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
    return survey_day(r->store, &r->survey_arena, r->group, &r->survey, err);
}

/* ---- which chunks ---- */

/* The rules that concern the next stream. */
static enum status begin_stream(struct removing *r, uint64_t stream_id)
{
    struct labels labels;

    arena_reset(&r->stream_arena);
    r->stream_id = stream_id;
    r->started = true;
    if (r->go == GO_MOVE)
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

static bool is_wanted(const struct removing *r, const struct day_segment *segment,
                      const struct chunk_ref *ref)
{
    if (r->go == GO_MOVE)
        return is_emptied(r, segment);
    /* its last id, which counts, stands in its head */
    return hide_concerns(&r->hide, ref->chunk_id, ref->min_ns, ref->max_ns);
}

static enum status want(struct removing *r, const struct chunk_ref *ref)
{
    r->wanted = arena_reserve(&r->portion_arena, r->wanted, r->wanted_count, &r->wanted_capacity,
                              sizeof(*r->wanted));
    if (r->wanted == NULL)
        return ST_LIMIT;
    r->wanted[r->wanted_count++] =
        (struct wanted_chunk){*ref, r->go == GO_REWRITE && hide_is_all(&r->hide, ref->chunk_id,
                                                                       ref->min_ns, ref->max_ns)};
    return ST_OK;
}

static enum status list_chunk(void *context, const struct chunk_ref *ref)
{
    struct removing *r = context;
    const struct day_segment *segment = survey_find(&r->survey, ref->segment_id);
    enum status st = flag_get(&r->store->merger.stop) ? ST_CANCELLED : ST_OK;

    if (segment == NULL && r->go != GO_CHOOSE)
        return st;
    if (st == ST_OK && (!r->started || r->stream_id != ref->stream_id)) {
        if (r->wanted_count >= PORTION_CHUNKS) {
            r->next_stream = ref->stream_id;
            r->more = true;
            return ST_EMPTY; /* enough for now */
        }
        st = begin_stream(r, ref->stream_id);
    }
    if (st != ST_OK || !is_wanted(r, segment, ref))
        return st;
    if (r->go != GO_CHOOSE)
        return want(r, ref);
    if (segment != NULL)
        r->concerned[segment - r->survey.segments] = true;
    r->left |= segment == NULL; /* a later list of the segments has it */
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

    if (r->go == GO_REWRITE)
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
    if (st == ST_OK && r->go == GO_REWRITE) {
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
    st = merge_maker_judge(&r->maker, &w->ref, st, err);
    if (merge_is_damage(st))
        return do_damaged(r, w, err);
    if (st == ST_OK && r->go == GO_REWRITE && chunk.ref.entries == w->ref.entries) {
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

/* Before a go through the group: what is live in it may be copied, and goes only at the end. */
static enum status check_room(const struct removing *r, struct err *err)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < r->survey.count; i++)
        bytes += r->survey.segments[i].live_bytes;
    return space_for_copies(r->store, bytes, err);
}

/* One go through all chunks of the group. */
static enum status go(struct removing *r, enum go which, struct err *err)
{
    r->go = which;
    r->next_stream = 0;
    enum status st = survey(r, err);
    if (st == ST_OK)
        st = check_room(r, err);
    do {
        if (st == ST_OK)
            st = list_portion(r, err);
        if (st == ST_OK)
            st = do_portion(r, err);
    } while (st == ST_OK && r->more);
    return st;
}

/* ---- a day ---- */

/* Which segments have chunks that the rules concern? */
static enum status find_concerned(struct removing *r, struct err *err)
{
    r->concerned = arena_new(&r->day_arena, bool, r->survey.count);
    if (r->concerned == NULL)
        return arena_status(&r->day_arena, err);
    if (r->survey.count > 0)
        memset(r->concerned, 0, r->survey.count * sizeof(*r->concerned));
    r->go = GO_CHOOSE;
    return r->job->hiding != NULL ? list_portion(r, err) : ST_OK;
}

/* Choose the segments that something leaves, and let nothing be added to them. */
static enum status choose_segments(struct removing *r, struct err *err)
{
    struct merge_request request = {0};
    struct segment_ref *chosen = NULL;
    size_t count = 0;

    r->group = r->job->segments;
    enum status st = survey(r, err);
    if (st == ST_OK)
        st = find_concerned(r, err);
    if (st != ST_OK)
        return st;
    chosen = arena_new(&r->day_arena, struct segment_ref, r->survey.count);
    if (chosen == NULL)
        return arena_status(&r->day_arena, err);
    for (size_t i = 0; i < r->survey.count; i++) {
        const struct day_segment *segment = &r->survey.segments[i];
        if (r->concerned[i] || is_emptied(r, segment))
            chosen[count++] = segment->ref;
    }
    r->chosen = (struct segment_span){chosen, count};
    request.closed = r->chosen;
    return count > 0 ? merge_submit(r->store, &request, err) : ST_OK;
}

/* The next segments: as many as are no larger together than one may be, or one that is. */
static struct segment_span cut_group(const struct removing *r, struct segment_span *rest)
{
    uint64_t max = store_settings(r->store)->segment_max_bytes;
    struct segment_span group = {rest->items, 0};
    uint64_t bytes = 0;

    do
        bytes += rest->items[group.count++].committed_bytes;
    while (group.count < rest->count && bytes + rest->items[group.count].committed_bytes <= max);
    rest->items += group.count;
    rest->count -= group.count;
    return group;
}

static enum status empty_group(struct removing *r, struct err *err)
{
    enum status st = r->job->hiding != NULL ? go(r, GO_REWRITE, err) : ST_OK;

    if (st == ST_OK)
        st = go(r, GO_MOVE, err);
    return st == ST_OK ? survey_give_up(r->store, r->group, err) : st;
}

static enum status do_day(struct removing *r, struct err *err)
{
    enum status st = choose_segments(r, err);

    for (struct segment_span rest = r->chosen; st == ST_OK && rest.count > 0;) {
        r->group = cut_group(r, &rest);
        st = empty_group(r, err);
    }
    r->group = r->chosen; /* was that all? */
    if (st == ST_OK)
        st = survey(r, err);
    for (size_t i = 0; i < r->survey.count && st == ST_OK; i++)
        r->left |= survey_dead_bytes(&r->survey.segments[i]) > 0;
    return st;
}

enum status removal_day(struct store *s, const struct removal_day *day, bool *ret_left,
                        struct err *err)
{
    struct removing r = {.store = s, .job = day};

    arena_init(&r.day_arena, DAY_ARENA_BYTES_MAX);
    arena_init(&r.survey_arena, DAY_ARENA_BYTES_MAX);
    arena_init(&r.stream_arena, DAY_ARENA_BYTES_MAX);
    arena_init(&r.portion_arena, DAY_ARENA_BYTES_MAX);
    enum status st = merge_maker_init(&r.maker, s, day->tenant, err);
    r.maker.removes = true;
    r.maker.batch.request_ids = day->request_ids;
    r.maker.batch.request_count = day->request_count;
    if (st == ST_OK)
        st = do_day(&r, err);
    *ret_left = r.left;
    merge_maker_release(&r.maker);
    arena_release(&r.portion_arena);
    arena_release(&r.stream_arena);
    arena_release(&r.survey_arena);
    arena_release(&r.day_arena);
    return st;
}
