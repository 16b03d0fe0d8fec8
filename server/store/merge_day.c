/*
 * One look at one day of a tenant: its chunks are listed stream by stream in short reads of the
 * index, a portion of them at a time; what the plan wants is packed and given to the flusher in
 * batches. At last the segments that nothing refers to any more are given up.
 *
 * In a final look every segment of flushed chunks is emptied, and every segment of merged chunks of
 * which less than half is still live.
 *
 * A delete request is about chunks up to one id. As long as it is not processed no merge puts
 * chunks on both sides of it together: the request would take too much away, or too little.
 */
#include "server/store/store_internal.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "server/store/merge_make.h"
#include "server/store/merge_plan.h"

#include "base/banned.h"

enum {
    ENTRY_WEIGHT = 64,          /* memory of an entry beside its line and metadata */
    PORTION_REFS = 16384,       /* references that are planned with in one go */
    MOVE_BYTES_MAX = 16 << 20,  /* a larger chunk stays where it is */
    EMPTY_BYTES_MIN = 64 << 10, /* a merged segment with less to gain stays */
    LOOK_ARENA_BYTES_MAX = 1 << 28,
};

#define WEIGHT_MAX ((uint64_t)2 * MIB)

/* Chunks that become one. */
struct wanted {
    const struct chunk_ref *refs;
    struct plan_run run;
};

struct looking {
    struct store *store;
    const struct merge_look *look;
    struct plan_rules rules;
    uint8_t level;
    bool damaged; /* something of the day cannot be read */
    struct hiding hiding;
    uint64_t *leaving; /* segments that are emptied */
    size_t leaving_count;
    struct arena survey_arena;

    struct arena stream_arena; /* of the stream that is listed */
    struct chunk_ref *refs;
    size_t ref_count;
    size_t ref_capacity;
    struct hide_stream hide; /* what is hidden of it; no labels: not known yet */
    struct index_read *read; /* that lists */
    size_t listed;           /* references in this portion */
    uint64_t next_stream;
    bool more; /* streams are left for the next portion */

    struct arena portion_arena;
    struct wanted *wanted;
    size_t wanted_count;
    size_t wanted_capacity;

    struct merge_maker maker;
    bool again;
};

/* ---- segments ---- */

static bool is_to_be_emptied(const struct day_segment *s)
{
    if (s->ref.state == SEGMENT_FLUSHED)
        return true;
    return s->live_bytes < s->ref.committed_bytes / 2 &&
           s->ref.committed_bytes - s->live_bytes >= EMPTY_BYTES_MIN;
}

/* Before a final look: which segments are to be emptied, and how much is live in them? */
static enum status choose_leaving(struct looking *l, uint64_t *ret_live_bytes, struct err *err)
{
    struct survey s = {0};

    *ret_live_bytes = 0;
    if (!l->look->final)
        return ST_OK;
    enum status st = survey_day(l->store, &l->survey_arena, l->look->segments, &s, err);
    if (st != ST_OK)
        return st;
    l->leaving = arena_new(&l->survey_arena, uint64_t, s.count);
    if (l->leaving == NULL)
        return arena_status(&l->survey_arena, err);
    for (size_t i = 0; i < s.count; i++) {
        if (!is_to_be_emptied(&s.segments[i]))
            continue;
        l->leaving[l->leaving_count++] = s.segments[i].ref.id;
        *ret_live_bytes += s.segments[i].live_bytes;
    }
    return ST_OK;
}

/*
 * The files that chunks leave go when the last one has: until then there are two copies. So a look
 * that would not have room to its end does not begin. One that is not final may copy of everything
 * that was flushed.
 */
static enum status check_room(const struct looking *l, uint64_t leaving_bytes, struct err *err)
{
    const struct segment_span *segments = &l->look->segments;
    uint64_t bytes = leaving_bytes;

    for (size_t i = 0; i < segments->count && !l->look->final; i++) {
        if (segments->items[i].state == SEGMENT_FLUSHED)
            bytes += segments->items[i].committed_bytes;
    }
    return space_for_copies(l->store, bytes, err);
}

/* ---- planning ---- */

static const struct blocked_chunk *find_blocked(const struct merger *m, const struct chunk_ref *ref)
{
    for (size_t i = 0; i < m->blocked_count; i++) {
        const struct blocked_chunk *b = &m->blocked[i];
        if (b->segment_id == ref->segment_id && b->offset == ref->offset)
            return b;
    }
    return NULL;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static struct plan_chunk plan_chunk_of(const struct looking *l, const struct chunk_ref *ref)
{
    const struct blocked_chunk *blocked = find_blocked(&l->store->merger, ref);
    struct plan_chunk c = {
        .weight = ref->line_bytes + ref->metadata_bytes + (uint64_t)ref->entries * ENTRY_WEIGHT,
        .at_level = ref->level >= l->level,
        .blocked = blocked != NULL && blocked->damaged,
        .alone = blocked != NULL && !blocked->damaged,
    };

    c.stranded = l->leaving_count > 0 && bsearch(&ref->segment_id, l->leaving, l->leaving_count,
                                                 sizeof(*l->leaving), compare_u64) != NULL;
    if (c.weight > l->rules.weight_max && ref->chunk_bytes > MOVE_BYTES_MAX)
        c.blocked = true;
    return c;
}

static int compare_ids(const void *a, const void *b)
{
    const struct chunk_ref *x = a, *y = b;

    return (x->chunk_id > y->chunk_id) - (x->chunk_id < y->chunk_id);
}

static enum status want_run(struct looking *l, const struct plan_run *run)
{
    struct arena *a = &l->portion_arena;
    struct chunk_ref *refs = arena_new(a, struct chunk_ref, run->count);

    l->wanted =
        arena_reserve(a, l->wanted, l->wanted_count, &l->wanted_capacity, sizeof(*l->wanted));
    if (refs == NULL || l->wanted == NULL)
        return ST_LIMIT;
    memcpy(refs, l->refs + run->begin, run->count * sizeof(*refs));
    l->wanted[l->wanted_count++] = (struct wanted){refs, *run};
    return ST_OK;
}

/*
 * Must the two chunks stay apart? When a request that concerns the stream ends between them; and on
 * a day with damage, for nobody knows whether there is a chunk between them that cannot be read. A
 * disk may read it again, and then it must not seem to be in what was made of its neighbours.
 */
static bool is_border(const struct looking *l, uint64_t before_id, uint64_t id)
{
    int64_t begin_ns = time_day_start_ns(l->look->day);
    int64_t end_ns = time_day_start_ns(l->look->day + 1) - 1;

    if (l->damaged)
        return true;
    for (size_t i = 0; i < l->hide.count; i++) {
        const struct hide_rule *rule = l->hide.rules[i];
        if (before_id <= rule->chunk_max && id > rule->chunk_max && rule->start_ns <= end_ns &&
            rule->end_ns >= begin_ns)
            return true;
    }
    return false;
}

/* What is hidden of the stream that was listed. */
static enum status find_hidden(struct looking *l)
{
    struct labels labels;

    l->hide = (struct hide_stream){0};
    if (!hide_any(&l->hiding) || l->ref_count < 2)
        return ST_OK;
    enum status st = index_stream(l->read, l->refs[0].stream_id, &labels, NULL);
    return st == ST_OK ? hide_stream(&l->stream_arena, &l->hiding, labels, &l->hide, NULL) : st;
}

/* All chunks of a stream are listed: plan with them. */
static enum status plan_stream(struct looking *l)
{
    struct plan_chunk *chunks = arena_new(&l->stream_arena, struct plan_chunk, l->ref_count);
    struct plan_run *runs = arena_new(&l->stream_arena, struct plan_run, l->ref_count);
    enum status st = ST_OK;

    if (chunks == NULL || runs == NULL)
        return ST_LIMIT;
    if (l->ref_count > 0)
        qsort(l->refs, l->ref_count, sizeof(*l->refs), compare_ids);
    st = find_hidden(l);
    for (size_t i = 0; i < l->ref_count && st == ST_OK; i++) {
        chunks[i] = plan_chunk_of(l, &l->refs[i]);
        chunks[i].border = i > 0 && is_border(l, l->refs[i - 1].chunk_id, l->refs[i].chunk_id);
    }
    if (st != ST_OK)
        return st;
    size_t count = merge_plan(&l->rules, chunks, l->ref_count, runs);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = want_run(l, &runs[i]);
    arena_reset(&l->stream_arena);
    l->refs = NULL;
    l->ref_count = l->ref_capacity = 0;
    return st;
}

static enum status list_chunk(void *context, const struct chunk_ref *ref)
{
    struct looking *l = context;
    enum status st = flag_get(&l->store->merger.stop) ? ST_CANCELLED : ST_OK;

    if (st == ST_OK && l->ref_count > 0 && l->refs[0].stream_id != ref->stream_id) {
        st = plan_stream(l);
        if (st == ST_OK && l->listed >= PORTION_REFS) {
            l->next_stream = ref->stream_id;
            l->more = true;
            return ST_EMPTY; /* enough for now */
        }
    }
    if (st != ST_OK)
        return st;
    l->refs =
        arena_reserve(&l->stream_arena, l->refs, l->ref_count, &l->ref_capacity, sizeof(*l->refs));
    if (l->refs == NULL)
        return ST_LIMIT;
    l->refs[l->ref_count++] = *ref;
    l->listed++;
    return ST_OK;
}

static enum status plan_portion(struct looking *l, struct err *err)
{
    struct day_walk walk = {
        .tenant = l->look->tenant,
        .day = l->look->day,
        .stream_id = l->next_stream,
        .visit = list_chunk,
        .context = l,
    };

    arena_release(&l->portion_arena);
    l->wanted = NULL;
    l->wanted_count = l->wanted_capacity = l->listed = 0;
    l->more = false;
    enum status st = index_read_begin(l->store->index, &l->stream_arena, &l->read, err);
    if (st != ST_OK)
        return st;
    st = index_walk_day(l->read, &walk);
    if (st == ST_EMPTY)
        st = ST_OK;
    else if (st == ST_OK)
        st = plan_stream(l);
    index_read_end(l->read);
    return st == ST_OK ? ST_OK
                       : err_set(err, st, "cannot list the chunks of a day: %s", status_text(st));
}

/* ---- packing ---- */

/* A chunk that cannot be merged is left alone from now on, and said once. */
static void block(struct looking *l, const struct chunk_ref *ref, bool damaged,
                  const struct err *err)
{
    struct merger *m = &l->store->merger;
    char file[SEGMENT_FILE_NAME_BYTES];

    if (m->blocked_count == COUNT_OF(m->blocked))
        return;
    m->blocked[m->blocked_count++] = (struct blocked_chunk){ref->segment_id, ref->offset, damaged};
    counter_add(&m->chunks_blocked, 1);
    l->again = true;
    segment_file_name((struct segment_name){ref->segment_id, ref->day}, file);
    LOG(damaged ? LOG_ERROR : LOG_INFO, "a chunk cannot be merged and stays as it is",
        LOG_TEXT("segment", file), LOG_INT("offset", ref->offset), LOG_ERR(err));
}

static enum status pack(struct looking *l, const struct wanted *w, struct chunk_ref *ret_ref,
                        size_t *ret_bad, struct err *err)
{
    const struct merge_sources sources = {
        .refs = w->refs,
        .count = w->run.count,
        .codec = w->run.finished ? CODEC_ZSTD : l->maker.flush_codec,
        .level = w->run.finished ? l->level : CODEC_LEVEL_DEFAULT,
        .block_bytes = (size_t)store_settings(l->store)->chunk_block_size,
    };

    if (!w->run.move)
        return merge_pack(&l->maker.packer, &sources, &l->maker.batch.bytes, ret_ref, ret_bad, err);
    *ret_bad = 0;
    *ret_ref = w->refs[0];
    return merge_copy(&l->maker.packer, &w->refs[0], &l->maker.batch.bytes, err);
}

/*
 * Make one chunk. One that is damaged costs this merge, not the others; what fails in another way
 * may work the next time.
 */
static enum status make(struct looking *l, const struct wanted *w, struct err *err)
{
    struct buf *bytes = &l->maker.batch.bytes;
    size_t begin = bytes->len, bad = w->run.count;
    struct chunk_ref ref;

    enum status st = pack(l, w, &ref, &bad, err);
    if (st != ST_OK) {
        bytes->len = MIN_OF(begin, bytes->len);
        if (bad < w->run.count)
            st = merge_maker_judge(&l->maker, &w->refs[bad], st, err);
        if (bad == w->run.count || (!merge_is_damage(st) && st != ST_UNSUPPORTED))
            return st;
        block(l, &w->refs[bad], st != ST_UNSUPPORTED, err);
        return ST_OK;
    }
    const struct merged_chunk chunk = {
        .ref = ref,
        .state = w->run.finished ? SEGMENT_MERGED : SEGMENT_FLUSHED,
        .begin = begin,
        .from = w->refs,
        .from_count = w->run.count,
    };
    return merge_maker_add(&l->maker, &chunk, err);
}

static enum status make_portion(struct looking *l, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < l->wanted_count && st == ST_OK; i++) {
        if (flag_get(&l->store->merger.stop))
            return err_set(err, ST_CANCELLED, "the store is being closed");
        st = make(l, &l->wanted[i], err);
    }
    return st == ST_OK ? merge_maker_submit(&l->maker, err) : st;
}

/* ---- a look ---- */

static enum status look_init(struct looking *l, struct err *err)
{
    const struct settings *settings = store_settings(l->store);

    l->rules.final = l->look->final;
    l->rules.weight_max = MAX_OF(WEIGHT_MAX, 2 * settings->chunk_target_size);
    l->level = (uint8_t)settings->zstd_level;
    arena_init(&l->survey_arena, LOOK_ARENA_BYTES_MAX);
    arena_init(&l->stream_arena, LOOK_ARENA_BYTES_MAX);
    arena_init(&l->portion_arena, LOOK_ARENA_BYTES_MAX);
    l->hiding = hide_take(l->store, l->look->tenant);
    return merge_maker_init(&l->maker, l->store, l->look->tenant, err);
}

static void look_release(struct looking *l)
{
    merge_maker_release(&l->maker);
    hide_give(&l->hiding);
    arena_release(&l->portion_arena);
    arena_release(&l->stream_arena);
    arena_release(&l->survey_arena);
}

enum status merge_day(struct store *s, const struct merge_look *look, bool *ret_again,
                      struct err *err)
{
    struct looking l = {
        .store = s,
        .look = look,
        .damaged = store_segment_damage(s, look->tenant, look->day, look->day) > 0,
    };
    uint64_t leaving_bytes;

    enum status st = look_init(&l, err);
    if (st == ST_OK)
        st = choose_leaving(&l, &leaving_bytes, err);
    if (st == ST_OK)
        st = check_room(&l, leaving_bytes, err);
    l.maker.batch.leaving = l.leaving;
    l.maker.batch.leaving_count = l.leaving_count;
    l.maker.batch.hiding = &l.hiding;
    do {
        if (st == ST_OK)
            st = plan_portion(&l, err);
        if (st == ST_OK)
            st = make_portion(&l, err);
    } while (st == ST_OK && l.more);
    if (st == ST_OK || st == ST_FULL) { /* what is empty makes room */
        enum status gone = survey_give_up(s, look->segments, st == ST_OK ? err : NULL);
        st = st == ST_OK ? gone : st;
    }
    look_release(&l);
    *ret_again = l.again;
    return st;
}
