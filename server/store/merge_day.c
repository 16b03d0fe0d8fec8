/*
 * One look at one day of a tenant: its chunks are listed stream by stream in short reads of the
 * index, a portion of them at a time; what the plan wants is packed and given to the flusher in
 * batches. At last the segments that nothing refers to any more are given up.
 *
 * In a final look every segment of flushed chunks is emptied, and every segment of merged chunks of
 * which less than half is still live.
 */
#include "server/store/store_internal.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/store/merge_pack.h"
#include "server/store/merge_plan.h"

#include "base/banned.h"

enum {
    ENTRY_WEIGHT = 64,          /* memory of an entry beside its line and metadata */
    PORTION_REFS = 16384,       /* references that are planned with in one go */
    BATCH_BYTES = 1 << 20,      /* of packed chunks that are committed together, about */
    BATCH_CHUNKS_MAX = 1024,    /* likewise */
    MOVE_BYTES_MAX = 16 << 20,  /* a larger chunk stays where it is */
    EMPTY_BYTES_MIN = 64 << 10, /* a merged segment with less to gain stays */
    LOOK_ARENA_BYTES_MAX = 1 << 28,
};

#define WEIGHT_MAX ((uint64_t)2 * MIB)

/* A segment of the day, and how much of it is live. */
struct day_segment {
    struct segment_ref ref;
    uint64_t live_bytes;
};

struct survey {
    struct day_segment *segments; /* by id */
    size_t count;
};

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
    enum codec flush_codec;
    uint64_t *leaving; /* segments that are emptied */
    size_t leaving_count;
    struct arena survey_arena;

    struct arena stream_arena; /* of the stream that is listed */
    struct chunk_ref *refs;
    size_t ref_count;
    size_t ref_capacity;
    size_t listed; /* references in this portion */
    uint64_t next_stream;
    bool more; /* streams are left for the next portion */

    struct arena portion_arena;
    struct wanted *wanted;
    size_t wanted_count;
    size_t wanted_capacity;

    struct merge_packer packer;
    struct merge_batch batch; /* what was made and not committed; its chunks are BATCH_CHUNKS_MAX */
    uint64_t batch_sources;
    uint64_t batch_bytes_in;
    bool again;
};

/* ---- a survey of the segments ---- */

static int compare_segments(const void *a, const void *b)
{
    const struct day_segment *x = a, *y = b;

    return (x->ref.id > y->ref.id) - (x->ref.id < y->ref.id);
}

static enum status count_live(void *context, const struct chunk_ref *ref)
{
    const struct survey *s = context;
    struct day_segment key = {.ref = {.id = ref->segment_id}};

    struct day_segment *found =
        s->count == 0 ? NULL : bsearch(&key, s->segments, s->count, sizeof(key), compare_segments);
    if (found != NULL)
        found->live_bytes += ref->chunk_bytes;
    return ST_OK;
}

/* The segments of the day as one read of the index sees them. */
static enum status survey_day(struct looking *l, struct survey *ret_survey, struct err *err)
{
    struct arena *a = &l->survey_arena;
    struct survey s = {0};
    struct index_read *r = NULL;
    struct segment_ref ref;
    size_t capacity = 0;
    uint64_t cursor = 0;

    enum status st = index_read_begin(l->store->index, a, &r, err);
    if (st != ST_OK)
        return st;
    while ((st = index_next_segment(r, &cursor, &ref)) == ST_OK) {
        if (ref.day != l->look->day || ref.state == SEGMENT_DEAD || ref.committed_bytes == 0 ||
            !str_eq(ref.tenant, l->look->tenant))
            continue;
        s.segments = arena_reserve(a, s.segments, s.count, &capacity, sizeof(*s.segments));
        if (s.segments == NULL)
            break;
        ref.tenant = l->look->tenant;
        s.segments[s.count++] = (struct day_segment){.ref = ref};
    }
    struct day_walk walk = {
        .tenant = l->look->tenant, .day = l->look->day, .visit = count_live, .context = &s};
    if (st == ST_NOT_FOUND)
        st = index_walk_day(r, &walk);
    index_read_end(r);
    if (a->failed)
        return arena_status(a, err);
    if (st != ST_OK)
        return err_set(err, st, "cannot read the chunks of a day: %s", status_text(st));
    *ret_survey = s;
    return ST_OK;
}

static bool is_to_be_emptied(const struct day_segment *s)
{
    if (s->ref.state == SEGMENT_FLUSHED)
        return true;
    return s->live_bytes < s->ref.committed_bytes / 2 &&
           s->ref.committed_bytes - s->live_bytes >= EMPTY_BYTES_MIN;
}

/* Before a final look: which segments are to be emptied? */
static enum status choose_leaving(struct looking *l, struct err *err)
{
    struct survey s = {0};

    if (!l->look->final)
        return ST_OK;
    enum status st = survey_day(l, &s, err);
    if (st != ST_OK)
        return st;
    l->leaving = arena_new(&l->survey_arena, uint64_t, s.count);
    if (l->leaving == NULL)
        return arena_status(&l->survey_arena, err);
    for (size_t i = 0; i < s.count; i++) {
        if (is_to_be_emptied(&s.segments[i]))
            l->leaving[l->leaving_count++] = s.segments[i].ref.id;
    }
    return ST_OK;
}

/* Give up the segments in which nothing is live. */
static enum status give_up_segments(struct looking *l, struct err *err)
{
    struct merge_request request = {0};
    struct survey s = {0};

    enum status st = survey_day(l, &s, err);
    if (st != ST_OK)
        return st;
    struct segment_ref *dead = arena_new(&l->survey_arena, struct segment_ref, s.count);
    if (dead == NULL)
        return arena_status(&l->survey_arena, err);
    for (size_t i = 0; i < s.count; i++) {
        if (s.segments[i].live_bytes == 0)
            dead[request.dead_count++] = s.segments[i].ref;
    }
    request.dead = dead;
    return request.dead_count == 0 ? ST_OK : merge_submit(l->store, &request, err);
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

static struct plan_chunk plan_chunk_of(const struct looking *l, const struct chunk_ref *ref)
{
    const struct blocked_chunk *blocked = find_blocked(&l->store->merger, ref);
    struct plan_chunk c = {
        .weight = ref->line_bytes + ref->metadata_bytes + (uint64_t)ref->entries * ENTRY_WEIGHT,
        .at_level = ref->level >= l->level,
        .blocked = blocked != NULL && blocked->damaged,
        .alone = blocked != NULL && !blocked->damaged,
    };

    for (size_t i = 0; i < l->leaving_count; i++)
        c.stranded |= l->leaving[i] == ref->segment_id;
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
    for (size_t i = 0; i < l->ref_count; i++)
        chunks[i] = plan_chunk_of(l, &l->refs[i]);
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
    enum status st = ST_OK;

    if (l->ref_count > 0 && l->refs[0].stream_id != ref->stream_id) {
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
    struct index_read *r = NULL;
    struct arena none = {0};
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
    enum status st = index_read_begin(l->store->index, &none, &r, err);
    if (st != ST_OK)
        return st;
    st = index_walk_day(r, &walk);
    index_read_end(r);
    if (st == ST_EMPTY)
        st = ST_OK;
    else if (st == ST_OK)
        st = plan_stream(l);
    return st == ST_OK ? ST_OK
                       : err_set(err, st, "cannot list the chunks of a day: %s", status_text(st));
}

/* ---- packing ---- */

static enum status submit(struct looking *l, struct err *err)
{
    struct merger *m = &l->store->merger;
    struct merge_request request = {.batch = &l->batch};

    if (l->batch.count == 0)
        return ST_OK;
    enum status st = merge_submit(l->store, &request, err);
    if (st == ST_OK) {
        counter_add(&m->merges, l->batch.count);
        counter_add(&m->chunks_merged, l->batch_sources);
        counter_add(&m->bytes_in, l->batch_bytes_in);
        counter_add(&m->bytes_out, l->batch.bytes.len);
    }
    buf_reset(&l->batch.bytes);
    l->batch.count = 0;
    l->batch_sources = l->batch_bytes_in = 0;
    return st;
}

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
        .codec = w->run.finished ? CODEC_ZSTD : l->flush_codec,
        .level = w->run.finished ? l->level : CODEC_LEVEL_DEFAULT,
        .block_bytes = (size_t)store_settings(l->store)->chunk_block_size,
    };

    if (!w->run.move)
        return merge_pack(&l->packer, &sources, &l->batch.bytes, ret_ref, ret_bad, err);
    *ret_bad = 0;
    *ret_ref = w->refs[0];
    return merge_copy(&l->packer, &w->refs[0], &l->batch.bytes, err);
}

/* Make one chunk. One that cannot be read costs this merge, not the others. */
static enum status make(struct looking *l, const struct wanted *w, struct err *err)
{
    size_t begin = l->batch.bytes.len, bad = w->run.count;
    struct chunk_ref ref;

    enum status st = pack(l, w, &ref, &bad, err);
    if (st != ST_OK) {
        l->batch.bytes.len = MIN_OF(begin, l->batch.bytes.len);
        if (st == ST_NOMEM || bad == w->run.count)
            return st;
        block(l, &w->refs[bad], st != ST_UNSUPPORTED, err);
        return ST_OK;
    }
    l->batch.chunks[l->batch.count++] = (struct merged_chunk){
        .tenant = l->look->tenant,
        .ref = ref,
        .state = w->run.finished ? SEGMENT_MERGED : SEGMENT_FLUSHED,
        .begin = begin,
        .from = w->refs,
        .from_count = w->run.count,
    };
    l->batch_sources += w->run.count;
    for (size_t i = 0; i < w->run.count; i++)
        l->batch_bytes_in += w->refs[i].chunk_bytes;
    return ST_OK;
}

static enum status make_portion(struct looking *l, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < l->wanted_count && st == ST_OK; i++) {
        if (flag_get(&l->store->merger.stop))
            return err_set(err, ST_CANCELLED, "the store is being closed");
        st = make(l, &l->wanted[i], err);
        if (st == ST_OK &&
            (l->batch.bytes.len >= BATCH_BYTES || l->batch.count == BATCH_CHUNKS_MAX))
            st = submit(l, err);
    }
    return st == ST_OK ? submit(l, err) : st;
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
    buf_init(&l->batch.bytes, CHUNK_BYTES_MAX);
    enum status st = merge_packer_init(&l->packer, l->store->segments, err);
    if (st == ST_OK && codec_by_name(settings->chunk_encoding, &l->flush_codec) != ST_OK)
        st = err_set(err, ST_INVALID, "ingester.chunk_encoding is not a codec");
    l->batch.chunks = mem_new(BATCH_CHUNKS_MAX, sizeof(*l->batch.chunks));
    if (st == ST_OK && l->batch.chunks == NULL)
        st = err_set(err, ST_NOMEM, "no memory for a batch of merged chunks");
    return st;
}

static void look_release(struct looking *l)
{
    merge_packer_release(&l->packer);
    mem_free(l->batch.chunks);
    buf_release(&l->batch.bytes);
    arena_release(&l->portion_arena);
    arena_release(&l->stream_arena);
    arena_release(&l->survey_arena);
}

enum status merge_day(struct store *s, const struct merge_look *look, bool *ret_again,
                      struct err *err)
{
    struct looking l = {.store = s, .look = look};

    enum status st = look_init(&l, err);
    if (st == ST_OK)
        st = choose_leaving(&l, err);
    l.batch.leaving = l.leaving;
    l.batch.leaving_count = l.leaving_count;
    do {
        if (st == ST_OK)
            st = plan_portion(&l, err);
        if (st == ST_OK)
            st = make_portion(&l, err);
    } while (st == ST_OK && l.more);
    if (st == ST_OK)
        st = give_up_segments(&l, err);
    look_release(&l);
    *ret_again = l.again;
    return st;
}
