/*
 * Reading the runs of a selection. Each reader has its own buffers, so that the threads of a query
 * share nothing here but the open segment files.
 */
#include "server/store/select_internal.h"

#include "base/time.h"
#include "chunks/chunk.h"
#include "chunks/filter.h"

#include "base/banned.h"

/* A block of a chunk of which something may be hidden. */
struct shown_block {
    uint32_t block; /* its place in the chunk */
    bool is_cut;    /* something may be hidden of itself */
};

struct store_reader {
    struct reader reader; /* first, so that it can be cast back */
    struct store_selection *selection;
    struct query_context *q;
    const struct run_handle *open; /* the run that is open, */
    struct labels labels;          /* and its stream */
    struct arena run_arena;        /* for what belongs to it alone */
    struct chunk_head chunk;
    struct str filters;        /* of its blocks; only read when asked for */
    bool filters_known;        /* read, or they cannot be */
    uint32_t filter_block;     /* the block asked for last, */
    struct str filter;         /* and its filter */
    struct shown_block *shown; /* the blocks that are given; NULL: all, and nothing is hidden */
    const struct hide_stream *hide; /* of its stream */
    struct hider hider;
    struct chunk_entries entries; /* of a head, */
    size_t *block_begins;         /* and where its blocks begin among them */
    struct buf bytes;             /* as read from a segment */
    struct block_memory memory;
};

static struct store_reader *cast_reader(struct reader *r)
{
    return (struct store_reader *)(void *)r;
}

/* ---- opening a run ---- */

static enum status read_bytes(struct store_reader *r, uint64_t offset, uint32_t bytes,
                              struct err *err)
{
    const struct chunk_ref *ref = &r->open->ref;
    struct segment_range range = {{ref->segment_id, ref->day}, ref->offset + offset, bytes};
    int64_t begin_ns = time_mono_ns();

    buf_reset(&r->bytes);
    char *to = buf_reserve(&r->bytes, bytes);
    if (to == NULL)
        return buf_status(&r->bytes, err);
    enum status st = segments_read(r->selection->store->segments, range, to, err);
    if (st == ST_OK)
        buf_advance(&r->bytes, bytes);
    r->q->stats.compressed_bytes += bytes;
    r->q->stats.read_ns += time_mono_ns() - begin_ns;
    return st;
}

/*
 * Delete requests: leave out the blocks of which nothing is seen, and remember of which others
 * something may be hidden.
 */
static enum status leave_out(struct store_reader *r, struct source_run *run,
                             struct source_block *blocks, uint32_t *count, struct err *err)
{
    const struct hide_stream *hide = r->hide;
    uint64_t last_id = r->chunk.chunk_id + r->chunk.id_span;
    const struct chunk_ref *ref = &r->open->ref;
    uint32_t left = 0;

    r->shown = NULL;
    if (hide == NULL || !hide_concerns(hide, last_id, ref->min_ns, ref->max_ns))
        return ST_OK;
    run->inexact = true;
    r->shown = arena_new(&r->run_arena, struct shown_block, *count);
    if (r->shown == NULL)
        return arena_status(&r->run_arena, err);
    for (uint32_t i = 0; i < *count; i++) {
        struct source_block b = blocks[i];
        if (hide_is_all(hide, last_id, b.min_ns, b.max_ns))
            continue;
        b.inexact = hide_concerns(hide, last_id, b.min_ns, b.max_ns);
        r->shown[left] = (struct shown_block){i, b.inexact};
        blocks[left++] = b;
    }
    *count = left;
    return ST_OK;
}

/* The place in its chunk of a block that was given. */
static uint32_t place_of(const struct store_reader *r, uint32_t block)
{
    return r->shown == NULL ? block : r->shown[block].block;
}

/* Is it the chunk that the index speaks of? Files may have been exchanged. */
static bool is_meant(const struct store_reader *r)
{
    const struct chunk_ref *ref = &r->open->ref;
    const struct chunk_head *h = &r->chunk;

    return h->chunk_id == ref->chunk_id && h->summary.chunk_bytes == ref->chunk_bytes &&
           h->summary.entries == ref->entries && h->summary.min_ns == ref->min_ns &&
           h->summary.max_ns == ref->max_ns && str_eq(h->tenant, r->selection->request.tenant) &&
           labels_eq(h->labels, r->labels);
}

static enum status open_chunk(struct store_reader *r, struct source_run *run,
                              const struct source_block **ret_blocks, uint32_t *ret_count,
                              struct err *err)
{
    struct arena *a = &r->run_arena;

    enum status st = read_bytes(r, 0, r->open->ref.head_bytes, err);
    if (st != ST_OK)
        return st;
    struct str bytes = arena_str(a, buf_str(&r->bytes));
    if (bytes.ptr == NULL)
        return arena_status(a, err);
    st = chunk_head_parse(a, bytes, &r->chunk, err);
    if (st == ST_OK && !is_meant(r))
        st = err_set(err, ST_CORRUPT, "another chunk is in its place");
    if (st != ST_OK)
        return st;
    if (r->chunk.mended)
        counter_add(&r->selection->store->mended_heads, 1);
    r->filters_known = false;
    r->filter_block = UINT32_MAX;
    struct source_block *blocks = arena_new(a, struct source_block, r->chunk.block_count);
    if (blocks == NULL)
        return arena_status(a, err);
    for (uint32_t i = 0; i < r->chunk.block_count; i++) {
        const struct chunk_block *b = &r->chunk.blocks[i];
        blocks[i] = (struct source_block){
            b->entries, b->min_ns, b->max_ns, b->line_bytes, r->chunk.metadata_shadows, false};
    }
    *ret_blocks = blocks;
    *ret_count = r->chunk.block_count;
    r->q->stats.chunks_opened++;
    return leave_out(r, run, blocks, ret_count, err);
}

/* Cut the entries of a head into blocks. */
static enum status open_head(struct store_reader *r, const struct source_block **ret_blocks,
                             uint32_t *ret_count, struct err *err)
{
    struct arena *a = &r->run_arena;
    struct source_block *blocks = NULL;
    size_t block_capacity = 0, begin_capacity = 0;
    const struct source_request *wanted = &r->selection->request;
    int64_t floor_ns = r->hide == NULL ? INT64_MIN : r->hide->floor_ns;
    uint32_t count = 0;

    enum status st = head_view_entries(&r->open->head->view, a, MAX_OF(wanted->start_ns, floor_ns),
                                       wanted->end_ns, &r->entries);
    r->block_begins = NULL;
    for (size_t i = 0; i < r->entries.count && st == ST_OK; i++) {
        const struct chunk_entry *e = &r->entries.items[i];
        struct source_block *b = count == 0 ? NULL : &blocks[count - 1];
        if (b == NULL || b->line_bytes + e->line.len > CHUNK_BLOCK_BYTES_MAX ||
            b->entries == CHUNK_BLOCK_ENTRIES_MAX) {
            blocks = arena_reserve(a, blocks, count, &block_capacity, sizeof(*blocks));
            r->block_begins =
                arena_reserve(a, r->block_begins, count, &begin_capacity, sizeof(size_t));
            if (blocks == NULL || r->block_begins == NULL)
                return arena_status(a, err);
            r->block_begins[count] = i;
            b = &blocks[count++];
            *b = (struct source_block){.min_ns = e->ts_ns, .metadata_shadows = true};
        }
        b->entries++;
        b->line_bytes += e->line.len;
        b->max_ns = e->ts_ns;
    }
    if (st != ST_OK)
        return arena_status(a, err);
    *ret_blocks = blocks;
    *ret_count = count;
    r->q->stats.head_chunks++;
    return ST_OK;
}

static enum status open_run(struct reader *reader, struct source_run *run,
                            const struct source_block **ret_blocks, uint32_t *ret_count,
                            struct err *err)
{
    struct store_reader *r = cast_reader(reader);

    enum status st = r->selection->selection.identify(&r->selection->selection, run, err);
    if (st != ST_OK)
        return st;
    r->open = run->handle;
    r->labels = run->stream->labels;
    r->hide = hidden_of(run->stream);
    arena_reset(&r->run_arena);
    return r->open->head != NULL ? open_head(r, ret_blocks, ret_count, err)
                                 : open_chunk(r, run, ret_blocks, ret_count, err);
}

/* ---- what a block cannot hold ---- */

/* Filters that cannot be read are none. */
static void read_filters(struct store_reader *r)
{
    uint32_t bytes = chunk_filters_bytes(&r->chunk);

    r->filters_known = true;
    r->filters = STR_NULL;
    if (bytes > 0 && read_bytes(r, r->chunk.summary.head_bytes, bytes, NULL) == ST_OK)
        r->filters = arena_str(&r->run_arena, buf_str(&r->bytes));
}

/* Lines in memory are at hand: heads have no filters. */
static bool may_contain(struct reader *reader, uint32_t block, struct str text)
{
    struct store_reader *r = cast_reader(reader);

    if (r->open->head != NULL || !store_settings(r->selection->store)->block_filters)
        return true;
    if (!r->filters_known)
        read_filters(r);
    if (r->filters.ptr == NULL)
        return true;
    if (r->filter_block != block) {
        r->filter = chunk_block_filter(&r->chunk, place_of(r, block), r->filters);
        r->filter_block = block;
    }
    return filter_may_contain(r->filter, text);
}

/* ---- loading a block ---- */

static uint64_t block_metadata_bytes(const struct block *b)
{
    uint64_t bytes = 0;

    if (b->sets == NULL)
        return 0;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct labels *l = &b->metadata[b->sets[i]];
        for (size_t j = 0; j < l->count; j++)
            bytes += l->pairs[j].name.len + l->pairs[j].value.len;
    }
    return bytes;
}

/* All columns at once, for they are copied entry by entry. */
static enum status load_from_head(struct store_reader *r, uint32_t block, struct block *ret_block,
                                  struct err *err)
{
    size_t begin = r->block_begins[block];
    struct chunk_entries rest = {r->entries.items + begin, r->entries.count - begin};

    if (ret_block->count > 0)
        return ST_OK;
    enum status st = head_block(&r->memory, rest, CHUNK_BLOCK_BYTES_MAX, ret_block);
    if (st != ST_OK)
        return err_set(err, st, "no memory for a block");
    r->q->stats.head_bytes += ret_block->lines.len;
    r->q->stats.head_lines += ret_block->count;
    r->q->stats.head_metadata_bytes += block_metadata_bytes(ret_block);
    return ST_OK;
}

static void count_loaded(struct query_stats *s, const struct block *b, unsigned columns,
                         bool is_first)
{
    if (is_first)
        s->decompressed_lines += b->count;
    if ((columns & SOURCE_LINES) != 0)
        s->decompressed_bytes += b->lines.len;
    if ((columns & SOURCE_METADATA) != 0)
        s->decompressed_metadata_bytes += block_metadata_bytes(b);
}

static enum status load_from_chunk(struct store_reader *r, uint32_t block, unsigned columns,
                                   struct block *ret_block, struct err *err)
{
    bool is_first = ret_block->count == 0;
    uint32_t offset, bytes;

    ASSERT(block < r->chunk.block_count);
    chunk_block_range(&r->chunk.blocks[block], columns, &offset, &bytes);
    enum status st = read_bytes(r, offset, bytes, err);
    if (st != ST_OK)
        return st;
    struct chunk_part part = {&r->chunk, block, columns, buf_str(&r->bytes)};
    int64_t begin_ns = time_mono_ns();
    st = chunk_block_unpack(&r->memory, &part, ret_block, err);
    r->q->stats.read_ns += time_mono_ns() - begin_ns;
    if (st == ST_OK)
        count_loaded(&r->q->stats, ret_block, columns, is_first);
    return st;
}

/*
 * A block of which something may be hidden: all columns at once, whatever is asked for, since a
 * request may look at any of them; then it is complete.
 */
static enum status load_cut(struct store_reader *r, uint32_t block, struct block *ret_block,
                            struct err *err)
{
    uint64_t last_id = r->chunk.chunk_id + r->chunk.id_span;

    if (ret_block->count > 0)
        return ST_OK;
    enum status st = load_from_chunk(r, block, SOURCE_ALL, ret_block, err);
    return st == ST_OK ? hide_block(&r->hider, r->hide, last_id, ret_block, err) : st;
}

_Static_assert(SOURCE_TIMES == 1 << COLUMN_TIMES && SOURCE_LENGTHS == 1 << COLUMN_LENGTHS &&
                   SOURCE_METADATA == 1 << COLUMN_METADATA && SOURCE_LINES == 1 << COLUMN_LINES,
               "the columns of a source are those of a chunk");

static enum status load(struct reader *reader, uint32_t block, unsigned columns,
                        struct block *ret_block, struct err *err)
{
    struct store_reader *r = cast_reader(reader);

    ASSERT(r->open != NULL);
    if (r->open->head != NULL)
        return load_from_head(r, block, ret_block, err);
    if (r->shown != NULL && r->shown[block].is_cut)
        return load_cut(r, r->shown[block].block, ret_block, err);
    return load_from_chunk(r, place_of(r, block), columns, ret_block, err);
}

/* ---- begin and end ---- */

static void reader_release(struct reader *reader)
{
    struct store_reader *r = cast_reader(reader);

    hider_release(&r->hider);
    block_memory_release(&r->memory);
    codec_context_free(r->memory.context);
    buf_release(&r->bytes);
    arena_release(&r->run_arena);
}

enum status store_reader_begin(struct selection *selection, struct query_context *q,
                               struct reader **ret_reader, struct err *err)
{
    struct store_reader *r = arena_new(q->arena, struct store_reader, 1);

    if (r == NULL)
        return arena_status(q->arena, err);
    *r = (struct store_reader){
        .reader = {open_run, may_contain, load, reader_release},
        .selection = (struct store_selection *)(void *)selection,
        .q = q,
        .memory = {.context = codec_context_new()},
    };
    if (r->memory.context == NULL)
        return err_set(err, ST_NOMEM, "no memory for a codec");
    buf_init(&r->bytes, CHUNK_BYTES_MAX);
    arena_init_child(&r->run_arena, q->arena);
    hider_init(&r->hider, q->arena, q);
    *ret_reader = &r->reader;
    return ST_OK;
}

/* ---- what is left of one chunk ---- */

static enum status probe_begin(struct store_selection *s, struct err *err)
{
    s->probe_q = query_context_fork(s->q, &s->probe_arena);
    enum status st = store_reader_begin(&s->selection, &s->probe_q, &s->probe, err);
    if (st != ST_OK)
        query_context_join(s->q, &s->probe_q);
    return st;
}

void probe_end(struct store_selection *s)
{
    if (s->probe == NULL)
        return;
    s->probe->release(s->probe);
    query_context_join(s->q, &s->probe_q);
}

/* From the last block on. */
static enum status probe_blocks(struct reader *r, const struct source_block *blocks, uint32_t count,
                                int64_t ts_ns, bool *ret_later)
{
    enum status st = ST_OK;

    for (uint32_t i = count; i-- > 0 && blocks[i].max_ns > ts_ns && st == ST_OK && !*ret_later;) {
        struct block block = {0};
        if (blocks[i].inexact)
            st = r->load(r, i, SOURCE_TIMES, &block, NULL);
        *ret_later = st == ST_OK && (!blocks[i].inexact ||
                                     (block.count > 0 && block.ts_ns[block.count - 1] > ts_ns));
    }
    return st;
}

enum status probe_later(struct store_selection *s, const struct source_stream *stream,
                        const struct chunk_ref *ref, int64_t ts_ns, bool *ret_later,
                        struct err *err)
{
    struct run_handle handle = {.ref = *ref};
    struct source_run run = {
        .stream = stream, .min_ns = ref->min_ns, .max_ns = ref->max_ns, .handle = &handle};
    const struct source_block *blocks;
    uint32_t count;

    lock_assert_held(&s->lock);
    enum status st = s->probe == NULL ? probe_begin(s, err) : ST_OK;
    if (st != ST_OK)
        return st;
    st = s->probe->open_run(s->probe, &run, &blocks, &count, err);
    if (st == ST_OK)
        st = probe_blocks(s->probe, blocks, count, ts_ns, ret_later);
    if (st == ST_CORRUPT) {
        *ret_later = true;
        st = ST_OK;
    }
    return st;
}
