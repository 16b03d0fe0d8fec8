/*
 * Which chunks count?
 *
 * Of chunks that were merged into others those others count, if they can be read. Of the rest a few
 * may never have been committed: when the process died a flush had written them, perhaps not all of
 * them, and the log still has their entries. Were they taken for committed, the replay would leave
 * out the entries of those that were not written any more. So a chunk is only believed to be
 * committed when something shows it:
 *
 *   - the log begins behind its last record: files of the log go when all is committed
 *   - it was merged, or is the result of a merge: merges are made of what is committed
 *   - a delete request came later: everything was flushed for it
 *   - a chunk behind it in its segment is committed, or another part of its head, or a later chunk
 * of its stream
 *
 * Of the others the log has every entry, and they are left out: they stand at the end of their
 * segment, which is cut there. If it has not, be it that the log is damaged, or that the log had
 * failed to write something that came into a chunk all the same, then the chunk is kept. That
 * proves nothing about other chunks, so the replay leaves out what it holds only if the log has
 * nothing of its stream up to it that no chunk holds; else entries are there twice until they are
 * merged.
 */
#include "server/store/rebuild_internal.h"

#include <stdlib.h>

#include "base/banned.h"

/* ---- what was merged ---- */

static uint64_t last_id(const struct found_chunk *c)
{
    return c->chunk_id + c->id_span;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* By stream and day, whole ones first; by first id, the widest first; then the newest first. */
static int compare_ids(const void *a, const void *b)
{
    const struct found_chunk *x = *(struct found_chunk *const *)a;
    const struct found_chunk *y = *(struct found_chunk *const *)b;
    int order = compare_numbers(x->stream->number, y->stream->number);

    if (order == 0)
        order = (x->day > y->day) - (x->day < y->day);
    if (order == 0)
        order = x->is_cut - y->is_cut;
    if (order == 0)
        order = compare_numbers(x->chunk_id, y->chunk_id);
    if (order == 0)
        order = compare_numbers(y->id_span, x->id_span);
    if (order == 0)
        order = compare_numbers(y->segment, x->segment);
    return order != 0 ? order : compare_numbers(y->offset, x->offset);
}

/* Of a chunk that the file cuts off: is any whole one made of the same? */
static bool is_replaced(struct found_chunk *const *from, size_t count, const struct found_chunk *c)
{
    for (size_t i = 0; i < count; i++) {
        if (!from[i]->is_cut && from[i]->chunk_id <= last_id(c) && last_id(from[i]) >= c->chunk_id)
            return true;
    }
    return false;
}

/* Is the chunk made of the other one, which begins at or behind it? */
static bool is_made_of(const struct found_chunk *wide, const struct found_chunk *c)
{
    return last_id(c) <= last_id(wide);
}

/* How many of the chunks behind `wide` it is made of. */
static size_t count_sources(const struct found_chunk *wide, struct found_chunk *const *behind,
                            size_t count)
{
    size_t sources = 0;

    while (sources < count && !behind[sources]->is_cut && is_made_of(wide, behind[sources]))
        sources++;
    return sources;
}

/* Have the sources everything that was to be in `wide`? A merge drops doubles, and adds nothing. */
static bool are_all_there(const struct found_chunk *wide, struct found_chunk *const *sources,
                          size_t count)
{
    const struct found_chunk *counted = NULL;
    uint64_t entries = 0;

    for (size_t i = 0; i < count; i++) {
        if (counted != NULL && is_made_of(counted, sources[i]))
            continue;
        counted = sources[i];
        entries += counted->summary.entries;
    }
    return entries >= wide->summary.entries;
}

/* `*ret_torn`: some blocks cannot be read. */
static enum status look_for_torn_blocks(const struct finding *f, const struct found_chunk *c,
                                        bool *ret_torn, struct err *err)
{
    struct chunk_place place = {.offset = c->offset};
    struct segment_walk w;
    struct block block;

    enum status st = rebuild_open(f, &f->segments[c->segment], &w, err);
    if (st != ST_OK)
        return st;
    st = segment_walk_head(&w, c->offset, &place.head, err);
    for (uint32_t i = 0; st == ST_OK && i < place.head.block_count; i++)
        st = segment_walk_block(&w, &place, i, &block, err);
    segment_walk_close(&w);
    *ret_torn = st != ST_OK;
    return status_is_memory(st) ? st : ST_OK;
}

/*
 * When the power went while a merge was writing, blocks of what it made may be torn behind a head
 * that is whole. Nothing of that was committed, so all of its sources are there, and count.
 */
static enum status prefer_sources(const struct finding *f, struct found_chunk **chunks,
                                  size_t count, bool *ret_torn, struct err *err)
{
    struct found_chunk *wide = chunks[0], **sources = chunks + 1;
    size_t source_count = count_sources(wide, sources, count - 1);

    if (source_count == 0 || !are_all_there(wide, sources, source_count))
        return ST_OK;
    enum status st = look_for_torn_blocks(f, wide, ret_torn, err);
    if (st != ST_OK || !*ret_torn)
        return st;
    wide->state = FOUND_ELSEWHERE;
    for (size_t i = 0; i < source_count; i++)
        sources[i]->state = FOUND_SURE;
    return ST_OK;
}

/* The chunks of one stream and day, in order. */
static enum status leave_out_merged(const struct finding *f, struct found_chunk **chunks,
                                    size_t count, struct err *err)
{
    struct found_chunk *wide = NULL;

    for (size_t i = 0; i < count; i++) {
        struct found_chunk *c = chunks[i];
        if (c->is_cut) {
            if (is_replaced(chunks, i, c))
                c->state = FOUND_ELSEWHERE;
            continue;
        }
        if (wide != NULL && is_made_of(wide, c)) {
            c->state = FOUND_ELSEWHERE;
            wide->state = FOUND_SURE;
            continue;
        }
        bool torn = false;
        enum status st = prefer_sources(f, chunks + i, count - i, &torn, err);
        if (st != ST_OK)
            return st;
        wide = torn ? NULL : c;
    }
    return ST_OK;
}

static enum status find_merged(const struct finding *f, struct found_chunk **chunks, size_t count,
                               struct err *err)
{
    enum status st = ST_OK;

    if (count > 0)
        qsort(chunks, count, sizeof(struct found_chunk *), compare_ids);
    for (size_t begin = 0, end = 0; begin < count && st == ST_OK; begin = end) {
        while (end < count && chunks[end]->stream == chunks[begin]->stream &&
               chunks[end]->day == chunks[begin]->day)
            end++;
        st = leave_out_merged(f, chunks + begin, end - begin, err);
    }
    return st;
}

/* ---- what was committed ---- */

static bool was_committed(const struct found_chunk *c)
{
    return c->state == FOUND_SURE || c->state == FOUND_ELSEWHERE;
}

static bool stays(const struct found_chunk *c)
{
    return was_committed(c) || c->state == FOUND_KEPT;
}

/*
 * What stands before something committed in a segment was committed earlier; and what stands before
 * something that is kept cannot be cut off. `as` is what it becomes, FOUND_SURE or FOUND_KEPT.
 */
static bool spread_in_segments(struct finding *f, enum found_state as)
{
    bool (*spreads)(const struct found_chunk *) = as == FOUND_SURE ? was_committed : stays;
    bool changed = false;

    for (uint32_t i = 0; i < f->segment_count; i++) {
        bool behind = false;
        for (uint32_t j = f->segments[i].end; j-- > f->segments[i].begin;) {
            struct found_chunk *c = &f->items[j];
            if (!found_is_chunk(c))
                continue;
            behind = behind || spreads(c);
            if (behind && !spreads(c)) {
                c->state = as;
                changed = true;
            }
        }
    }
    return changed;
}

/*
 * Chunks of a stream are committed in order, all parts of a head at once. `chunks` is all of them.
 */
static bool spread_in_streams(struct found_chunk **chunks, size_t count, enum found_state as)
{
    bool changed = false;

    for (size_t i = 0; i < count; i++) {
        struct found_chunk *c = chunks[i];
        if (was_committed(c) || (stays(c) && c->seq_max < c->stream->unstored_seq))
            c->stream->sure_seq = MAX_OF(c->stream->sure_seq, c->seq_max);
    }
    for (size_t i = 0; i < count; i++) {
        if (stays(chunks[i]) || chunks[i]->seq_max > chunks[i]->stream->sure_seq)
            continue;
        chunks[i]->state = as;
        changed = true;
    }
    return changed;
}

/* At most as many rounds as there are doubtful chunks, and hardly ever more than two. */
static void spread(struct finding *f, struct found_chunk **chunks, size_t count,
                   enum found_state as)
{
    bool changed = true;

    while (changed) {
        changed = spread_in_segments(f, as);
        changed = spread_in_streams(chunks, count, as) || changed;
    }
}

static size_t count_doubtful(struct found_chunk *const *chunks, size_t count)
{
    size_t doubtful = 0;

    for (size_t i = 0; i < count; i++)
        doubtful += chunks[i]->state == FOUND_DOUBTFUL ? 1 : 0;
    return doubtful;
}

enum status rebuild_choose(struct finding *f, struct err *err)
{
    struct found_chunk **chunks = arena_new(&f->arena, struct found_chunk *, f->count + 1);
    enum status st = ST_OK;
    size_t count = 0;

    if (chunks == NULL)
        return arena_status(&f->arena, err);
    for (size_t i = 0; i < f->count; i++) {
        struct found_chunk *c = &f->items[i];
        if (!found_is_chunk(c))
            continue;
        c->state = c->id_span > 0 || c->seq_max < f->first_seq || c->chunk_id <= f->chunk_max
                       ? FOUND_SURE
                       : FOUND_DOUBTFUL;
        chunks[count++] = c;
    }
    st = find_merged(f, chunks, count, err);
    if (st != ST_OK)
        return st;
    spread(f, chunks, count, FOUND_SURE);
    if (count_doubtful(chunks, count) > 0)
        st = rebuild_compare_log(f, err);
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        if (chunks[i]->state == FOUND_DOUBTFUL)
            chunks[i]->state =
                chunks[i]->unseen + chunks[i]->hidden == 0 ? FOUND_IN_LOG : FOUND_KEPT;
    }
    spread(f, chunks, count, FOUND_KEPT);
    return st;
}
