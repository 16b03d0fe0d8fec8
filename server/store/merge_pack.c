/*
 * Every entry of the sources is unpacked into one arena, source after source, sorted as a head is,
 * and packed as a head is. The plan bounds how much that is.
 *
 * When an entry is in two sources, a query gives it once, at the place of the first one if it goes
 * forward and of the last one if it goes backward (query/hits.c). One copy has one place. So
 * sources are merged only if the two orders are the same, which they are when a client has simply
 * sent something again.
 */
#include "server/store/merge_pack.h"

#include "base/map.h"
#include "base/mem.h"
#include "chunks/head.h"

#include "base/banned.h"

enum { ARENA_BYTES_MAX = 1 << 30 };

/* ---- a packer ---- */

enum status merge_packer_init(struct merge_packer *p, struct segments *segments, struct err *err)
{
    *p = (struct merge_packer){.segments = segments};
    arena_init(&p->arena, ARENA_BYTES_MAX);
    arena_init(&p->hider_arena, ARENA_BYTES_MAX);
    hider_init(&p->hider, &p->hider_arena, NULL);
    buf_init(&p->stored, CHUNK_BYTES_MAX);
    p->memory.context = codec_context_new();
    return p->memory.context == NULL ? err_set(err, ST_NOMEM, "no memory for a codec") : ST_OK;
}

void merge_packer_release(struct merge_packer *p)
{
    struct codec_context *context = p->memory.context;

    hider_release(&p->hider);
    arena_release(&p->hider_arena);
    block_memory_release(&p->memory);
    codec_context_free(context);
    buf_release(&p->stored);
    arena_release(&p->arena);
}

/* ---- reading ---- */

/* A merge that is under way. */
struct merging {
    struct merge_packer *packer;
    struct map sets; /* metadata in stored form -> struct labels */
    struct buf key;
    struct chunk_entries entries;
    struct chunk_head head; /* of the source that is read */
    struct chunk_spec spec;
    uint64_t last_id; /* the highest that is in any source */
    const struct hiding *hiding;
    struct hide_stream hide; /* what it hides of the stream */
};

static enum status read_stored(struct merge_packer *p, const struct chunk_ref *ref, uint32_t offset,
                               uint32_t bytes, struct err *err)
{
    struct segment_range range = {{ref->segment_id, ref->day}, ref->offset + offset, bytes};

    buf_reset(&p->stored);
    char *to = buf_reserve(&p->stored, bytes);
    if (to == NULL)
        return buf_status(&p->stored, err);
    enum status st = segments_read(p->segments, range, to, err);
    if (st == ST_OK)
        buf_advance(&p->stored, bytes);
    return st;
}

/* The one copy of this metadata. NULL: no memory. */
static const struct labels *intern(struct merging *m, struct labels set)
{
    struct arena *a = &m->packer->arena;

    buf_reset(&m->key);
    labels_encode(&m->key, set);
    struct labels *known = m->key.failed ? NULL : map_get(&m->sets, buf_str(&m->key));
    if (known != NULL)
        return known;
    struct str key = arena_str(a, buf_str(&m->key)), rest = key;
    known = arena_new(a, struct labels, 1);
    if (m->key.failed || key.ptr == NULL || known == NULL ||
        labels_decode(a, &rest, known, NULL) != ST_OK || map_set(&m->sets, key, known) != ST_OK)
        return NULL;
    return known;
}

/* Copy the entries of a block that was unpacked. */
static enum status take_block(struct merging *m, const struct block *b)
{
    struct arena *a = &m->packer->arena;
    const struct labels **sets = arena_new(a, const struct labels *, b->metadata_count);
    struct str lines = arena_str(a, b->lines);

    if (sets == NULL || lines.ptr == NULL)
        return ST_NOMEM;
    for (uint32_t i = 0; i < b->metadata_count; i++) {
        sets[i] = intern(m, b->metadata[i]);
        if (sets[i] == NULL)
            return ST_NOMEM;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t begin = i == 0 ? 0 : b->line_ends[i - 1];
        m->entries.items[m->entries.count++] = (struct chunk_entry){
            b->ts_ns[i], str_make(lines.ptr + begin, b->line_ends[i] - begin), sets[b->sets[i]]};
    }
    return ST_OK;
}

enum status merge_head(struct merge_packer *p, struct arena *a, const struct chunk_ref *ref,
                       struct chunk_head *ret_head, struct err *err)
{
    struct chunk_head h;

    enum status st = read_stored(p, ref, 0, ref->head_bytes, err);
    if (st != ST_OK)
        return st;
    struct str bytes = arena_str(a, buf_str(&p->stored));
    if (bytes.ptr == NULL)
        return arena_status(a, err);
    st = chunk_head_parse(a, bytes, &h, err);
    if (st != ST_OK)
        return st;
    if (h.chunk_id != ref->chunk_id || h.summary.entries != ref->entries ||
        h.summary.chunk_bytes != ref->chunk_bytes || h.summary.min_ns != ref->min_ns ||
        h.summary.max_ns != ref->max_ns)
        return err_set(err, ST_CORRUPT, "the index speaks of another chunk");
    *ret_head = h;
    return ST_OK;
}

static enum status read_head(struct merging *m, const struct chunk_ref *ref, struct err *err)
{
    const struct chunk_head *h = &m->head;

    enum status st = merge_head(m->packer, &m->packer->arena, ref, &m->head, err);
    if (st != ST_OK)
        return st;
    if (m->spec.tenant.ptr == NULL) {
        m->spec.tenant = h->tenant;
        m->spec.labels = h->labels;
    } else if (!str_eq(m->spec.tenant, h->tenant) || !labels_eq(m->spec.labels, h->labels)) {
        return err_set(err, ST_CORRUPT, "this is a chunk of another stream");
    }
    return ST_OK;
}

/* Read, unpack and copy one block of the source, without what is hidden of it. */
static enum status read_block(struct merging *m, const struct chunk_ref *ref, uint32_t i,
                              struct err *err)
{
    uint64_t last_id = m->head.chunk_id + m->head.id_span;
    const struct chunk_block *row = &m->head.blocks[i];
    struct block block = {0};
    uint32_t offset, bytes;

    if (hide_is_all(&m->hide, last_id, row->min_ns, row->max_ns))
        return ST_OK;
    chunk_block_range(row, CHUNK_ALL_COLUMNS, &offset, &bytes);
    enum status st = read_stored(m->packer, ref, offset, bytes, err);
    if (st != ST_OK)
        return st;
    struct chunk_part part = {&m->head, i, CHUNK_ALL_COLUMNS, buf_str(&m->packer->stored)};
    st = chunk_block_unpack(&m->packer->memory, &part, &block, err);
    if (st == ST_OK && hide_concerns(&m->hide, last_id, row->min_ns, row->max_ns))
        st = hide_block(&m->packer->hider, &m->hide, last_id, &block, err);
    if (st == ST_OK && take_block(m, &block) != ST_OK)
        st = err_set(err, ST_NOMEM, "no memory for the entries of a merge");
    return st;
}

static enum status read_source(struct merging *m, const struct chunk_ref *ref, struct err *err)
{
    enum status st = read_head(m, ref, err);
    if (st == ST_OK && m->hiding != NULL)
        st = hide_stream(&m->packer->arena, m->hiding, m->head.labels, &m->hide, err);
    for (uint32_t i = 0; st == ST_OK && i < m->head.block_count; i++)
        st = read_block(m, ref, i, err);
    if (st != ST_OK)
        return st;
    m->spec.seq_max = MAX_OF(m->spec.seq_max, m->head.seq_max);
    m->last_id = MAX_OF(m->last_id, m->head.chunk_id + m->head.id_span);
    return ST_OK;
}

/* ---- doubles ---- */

static bool is_same(const struct chunk_entry *a, const struct chunk_entry *b)
{
    return a->metadata == b->metadata && str_eq(a->line, b->line);
}

static bool is_among(const struct chunk_entry *items, size_t count, const struct chunk_entry *e)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same(&items[i], e))
            return true;
    }
    return false;
}

/*
 * `all` are the entries of one time, `kept` each of them once, at the place where it is met first.
 * Would they come in the same order by the places where they are met last?
 */
static bool order_is_kept(struct chunk_entries all, struct chunk_entries kept)
{
    enum { MANY = 1024 };     /* at one time, with doubles: not worth the comparisons */
    size_t open = kept.count; /* those behind were met, going backward */

    if (all.count == kept.count || kept.count == 1)
        return true;
    if (all.count > MANY)
        return false;
    for (size_t i = all.count; i-- > 0;) {
        const struct chunk_entry *e = &all.items[i];
        if (open > 0 && is_same(e, &kept.items[open - 1]))
            open--;
        else if (!is_among(kept.items + open, kept.count - open, e))
            return false;
    }
    return true;
}

/* The first entries, those of one time, cut off `*rest`. */
static struct chunk_entries cut_time(struct chunk_entries *rest)
{
    struct chunk_entries cut = {rest->items, 0};

    while (cut.count < rest->count && cut.items[cut.count].ts_ns == cut.items[0].ts_ns)
        cut.count++;
    rest->items += cut.count;
    rest->count -= cut.count;
    return cut;
}

/* Drop doubles. ST_UNSUPPORTED: that would change the order of an answer, at `*ret_ts_ns`. */
static enum status drop_doubles(struct merging *m, int64_t *ret_ts_ns, struct err *err)
{
    struct arena *a = &m->packer->arena;
    struct chunk_entries all = {arena_new(a, struct chunk_entry, m->entries.count),
                                m->entries.count};

    if (all.items == NULL)
        return arena_status(a, err);
    memcpy(all.items, m->entries.items, all.count * sizeof(*all.items));
    if (entries_drop_doubles(a, &m->entries) != ST_OK)
        return arena_status(a, err);
    if (m->entries.count == all.count)
        return ST_OK;
    for (struct chunk_entries kept = m->entries; kept.count > 0;) {
        struct chunk_entries of_time = cut_time(&all);
        *ret_ts_ns = of_time.items[0].ts_ns;
        if (!order_is_kept(of_time, cut_time(&kept)))
            return err_set(err, ST_UNSUPPORTED, "entries of one time come again in another order");
    }
    return ST_OK;
}

/* ---- a merge ---- */

/* Do their times lie apart, one source behind the other? Then there are no doubles. */
static bool are_apart(const struct merge_sources *s)
{
    for (size_t i = 1; i < s->count; i++) {
        if (s->refs[i].min_ns <= s->refs[i - 1].max_ns)
            return false;
    }
    return true;
}

static enum status read_sources(struct merging *m, const struct merge_sources *s, size_t *ret_bad,
                                struct err *err)
{
    struct arena *a = &m->packer->arena;
    enum status st = ST_OK;
    size_t count = 0;
    int64_t ts_ns = 0;

    for (size_t i = 0; i < s->count; i++)
        count += s->refs[i].entries;
    m->entries.items = arena_new(a, struct chunk_entry, count);
    if (m->entries.items == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < s->count && st == ST_OK; i++) {
        st = read_source(m, &s->refs[i], err);
        if (st != ST_OK && st != ST_NOMEM && st != ST_LIMIT) /* an arena that has no memory */
            *ret_bad = i;
    }
    if (st != ST_OK || are_apart(s))
        return st;
    st = entries_sort(a, &m->entries);
    if (st != ST_OK)
        return arena_status(a, err);
    st = drop_doubles(m, &ts_ns, err);
    for (size_t i = 0; i < s->count && st == ST_UNSUPPORTED; i++) {
        if (s->refs[i].min_ns <= ts_ns && s->refs[i].max_ns >= ts_ns)
            *ret_bad = i; /* the last one that has that time */
    }
    return st;
}

static struct chunk_ref ref_of(const struct merging *m, const struct merge_sources *s,
                               const struct chunk_summary *summary)
{
    return (struct chunk_ref){
        .stream_id = s->refs[0].stream_id,
        .chunk_id = s->refs[0].chunk_id,
        .day = s->refs[0].day,
        .head_bytes = summary->head_bytes,
        .chunk_bytes = summary->chunk_bytes,
        .entries = summary->entries,
        .min_ns = summary->min_ns,
        .max_ns = summary->max_ns,
        .line_bytes = summary->line_bytes,
        .metadata_bytes = summary->metadata_bytes,
        .level = (uint8_t)m->spec.level,
    };
}

enum status merge_pack(struct merge_packer *p, const struct merge_sources *sources, struct buf *out,
                       struct chunk_ref *ret_ref, size_t *ret_bad, struct err *err)
{
    struct merging m = {.packer = p, .hiding = sources->hiding, .hide = {.floor_ns = INT64_MIN}};
    struct chunk_summary summary;

    ASSERT(sources->count > 0);
    *ret_bad = sources->count;
    buf_init(&m.key, ARENA_BYTES_MAX);
    m.spec.context = p->memory.context;
    m.spec.codec = sources->codec;
    m.spec.level = sources->level;
    m.spec.block_bytes = sources->block_bytes;
    m.spec.chunk_id = sources->refs[0].chunk_id;
    enum status st = read_sources(&m, sources, ret_bad, err);
    if (st == ST_OK && m.last_id - m.spec.chunk_id > UINT32_MAX) {
        *ret_bad = sources->count - 1;
        st = err_set(err, ST_UNSUPPORTED, "the ids of the chunks lie too far apart");
    }
    m.spec.id_span = (uint32_t)(m.last_id - m.spec.chunk_id);
    if (st == ST_OK && m.entries.count == 0) {
        *ret_ref = (struct chunk_ref){.entries = 0};
    } else if (st == ST_OK) {
        st = chunk_build(&m.spec, m.entries, out, &summary);
        if (st != ST_OK)
            err_set(err, st, "cannot pack a merged chunk: %s", status_text(st));
    }
    if (st == ST_OK && m.entries.count > 0)
        *ret_ref = ref_of(&m, sources, &summary);
    buf_release(&m.key);
    map_release(&m.sets);
    arena_release(&p->arena);
    return st;
}

enum status merge_copy(struct merge_packer *p, const struct chunk_ref *ref, struct buf *out,
                       struct err *err)
{
    struct chunk_head head;

    enum status st = read_stored(p, ref, 0, ref->chunk_bytes, err);
    if (st == ST_OK)
        st =
            chunk_head_parse(&p->arena, str_head(buf_str(&p->stored), ref->head_bytes), &head, err);
    if (st == ST_OK && head.chunk_id != ref->chunk_id)
        st = err_set(err, ST_CORRUPT, "the index speaks of another chunk");
    if (st == ST_OK) {
        buf_put(out, buf_str(&p->stored));
        st = buf_status(out, err);
    }
    arena_release(&p->arena);
    return st;
}
