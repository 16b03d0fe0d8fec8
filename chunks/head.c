/*
 * Rows lie in pieces, a list of growing blocks of memory: the first is small, because a store may
 * have a hundred thousand streams of a few lines, the later ones larger. A row never moves. Equal
 * sets of metadata are kept once: most entries of a stream have the same one.
 *
 *     head -> piece -> piece -> piece        row: time, metadata *, length, bytes of the line
 *              [rows]   [rows]   [rows ...]
 */
#include "chunks/head.h"

#include "base/atomic.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

#include "base/banned.h"

enum {
    PIECE_BYTES_FIRST = 1024,
    PIECE_BYTES_MAX = 64 * 1024,
    ROW_ALIGN = 8,
    SETS_SCANNED_MAX = 8, /* sets are looked for one by one up to here, then through the map */
};

struct row {
    int64_t ts_ns;
    const struct labels *metadata;
    uint32_t line_bytes;
    uint32_t reserved;
    char line[];
};

struct head_piece {
    struct head_piece *next;
    uint32_t used;
    uint32_t capacity; /* of `bytes` */
    _Alignas(ROW_ALIGN) char bytes[];
};

/* A distinct set of metadata, in a piece of its own kind: the pairs and strings follow. */
struct metadata_set {
    struct labels labels;
    struct metadata_set *older;
};

struct head {
    struct refs refs;
    uint64_t chunk_id;
    struct head_piece *first;
    struct head_piece *last;
    struct head_size size; /* memory_bytes: without sets */
    struct arena set_arena;
    struct metadata_set *sets; /* newest first */
    size_t set_count;
    struct map set_map; /* labels in stored form -> set; used when there are many */
};

enum { HEAD_METADATA_BYTES_MAX = 1 << 30 };

struct head *head_new(uint64_t chunk_id)
{
    struct head *h = mem_new(1, sizeof(*h));

    if (h == NULL)
        return NULL;
    refs_init(&h->refs);
    h->chunk_id = chunk_id;
    h->size.memory_bytes = sizeof(*h);
    arena_init(&h->set_arena, HEAD_METADATA_BYTES_MAX);
    return h;
}

void head_ref(struct head *h)
{
    refs_take(&h->refs);
}

void head_unref(struct head *h)
{
    if (h == NULL || !refs_drop(&h->refs))
        return;
    while (h->first != NULL) {
        struct head_piece *next = h->first->next;
        mem_free(h->first);
        h->first = next;
    }
    map_release(&h->set_map);
    arena_release(&h->set_arena);
    mem_free(h);
}

uint64_t head_chunk_id(const struct head *h)
{
    return h->chunk_id;
}

struct head_size head_size(const struct head *h)
{
    struct head_size size = h->size;

    size.memory_bytes += h->set_arena.used_bytes + h->set_map.capacity * sizeof(struct map_slot);
    return size;
}

/* ---- appending ---- */

static size_t row_bytes(size_t line_bytes)
{
    return (sizeof(struct row) + line_bytes + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
}

/* Room for a row in the last piece, or in a new one. */
static struct row *row_new(struct head *h, size_t bytes)
{
    struct head_piece *p = h->last;

    if (p == NULL || p->capacity - p->used < bytes) {
        size_t capacity = p == NULL ? PIECE_BYTES_FIRST : (size_t)p->capacity * 2;
        capacity = MAX_OF(MIN_OF(capacity, (size_t)PIECE_BYTES_MAX), bytes);
        p = mem_bytes(sizeof(*p) + capacity);
        if (p == NULL)
            return NULL;
        *p = (struct head_piece){.capacity = (uint32_t)capacity};
        if (h->last == NULL)
            h->first = p;
        else
            h->last->next = p;
        h->last = p;
        h->size.memory_bytes += sizeof(*p) + capacity;
    }
    struct row *row = (struct row *)(void *)(p->bytes + p->used);
    p->used += (uint32_t)bytes;
    return row;
}

/* Copy `l` into the head; NULL when memory runs out. */
static struct metadata_set *set_new(struct head *h, struct labels l)
{
    struct metadata_set *set = arena_new(&h->set_arena, struct metadata_set, 1);
    struct label *pairs = arena_new(&h->set_arena, struct label, l.count);

    for (size_t i = 0; i < l.count && !h->set_arena.failed; i++) {
        pairs[i].name = arena_str(&h->set_arena, l.pairs[i].name);
        pairs[i].value = arena_str(&h->set_arena, l.pairs[i].value);
    }
    if (h->set_arena.failed) {
        h->set_arena.failed = false;
        return NULL;
    }
    *set = (struct metadata_set){.labels = {pairs, l.count}, .older = h->sets};
    return set;
}

/* The key of a set in the map: its stored form, in the arena of the head or in `scratch`. */
static struct str set_key(struct labels l, struct buf *scratch)
{
    buf_reset(scratch);
    labels_encode(scratch, l);
    return buf_str(scratch);
}

static enum status map_add(struct head *h, struct metadata_set *set, struct buf *scratch)
{
    struct str key = arena_str(&h->set_arena, set_key(set->labels, scratch));

    if (key.ptr == NULL || scratch->failed) {
        h->set_arena.failed = false;
        return ST_NOMEM;
    }
    return map_set(&h->set_map, key, set);
}

/* Put the sets there are into the map, and the new one. */
static enum status map_fill(struct head *h, struct metadata_set *set, struct buf *scratch)
{
    enum status st = ST_OK;

    if (h->set_map.count < h->set_count) { /* none is in it, or memory ran out halfway */
        for (struct metadata_set *old = h->sets; old != NULL && st == ST_OK; old = old->older)
            st = map_add(h, old, scratch);
    }
    return st == ST_OK ? map_add(h, set, scratch) : st;
}

/* NULL: there is none, or `scratch` failed. */
static struct metadata_set *set_find(struct head *h, struct labels l, struct buf *scratch)
{
    struct metadata_set *set = h->sets;

    if (h->set_count > SETS_SCANNED_MAX && !labels_eq(set->labels, l)) {
        struct str key = set_key(l, scratch);
        return scratch->failed ? NULL : map_get(&h->set_map, key);
    }
    while (set != NULL && !labels_eq(set->labels, l))
        set = set->older;
    return set;
}

/* The head's own copy of `l`. */
static const struct labels *set_intern(struct head *h, struct labels l)
{
    struct buf scratch;

    buf_init(&scratch, HEAD_METADATA_BYTES_MAX);
    struct metadata_set *set = set_find(h, l, &scratch);
    if (set == NULL && !scratch.failed) {
        set = set_new(h, l);
        if (set != NULL && h->set_count >= SETS_SCANNED_MAX && map_fill(h, set, &scratch) != ST_OK)
            set = NULL;
        if (set != NULL) {
            h->sets = set;
            h->set_count++;
        }
    }
    buf_release(&scratch);
    return set == NULL ? NULL : &set->labels;
}

enum status head_append(struct head *h, const struct entry *e)
{
    struct head_size *size = &h->size;
    const struct labels *metadata = set_intern(h, e->metadata);

    if (metadata == NULL)
        return ST_NOMEM;
    struct row *row = row_new(h, row_bytes(e->line.len));
    if (row == NULL)
        return ST_NOMEM;
    row->ts_ns = e->ts_ns;
    row->metadata = metadata;
    row->line_bytes = (uint32_t)e->line.len;
    if (e->line.len > 0)
        memcpy(row->line, e->line.ptr, e->line.len);

    size->min_ns = size->entries == 0 ? e->ts_ns : MIN_OF(size->min_ns, e->ts_ns);
    size->max_ns = size->entries == 0 ? e->ts_ns : MAX_OF(size->max_ns, e->ts_ns);
    size->line_bytes += e->line.len;
    size->entries++;
    return ST_OK;
}

/* ---- reading ---- */

struct head_view head_view(struct head *h)
{
    head_ref(h);
    return (struct head_view){
        .head = h,
        .size = head_size(h),
        .last = h->last,
        .last_used = h->last == NULL ? 0 : h->last->used,
    };
}

void head_view_release(struct head_view *v)
{
    head_unref(v->head);
    v->head = NULL;
}

/* Merge the two sorted halves of `from` into `to`, the left one first where times are equal. */
static void merge(const struct chunk_entry *from, size_t middle, size_t end, struct chunk_entry *to)
{
    size_t left = 0, right = middle;

    for (size_t i = 0; i < end; i++) {
        bool take_left = right == end || (left < middle && from[left].ts_ns <= from[right].ts_ns);
        to[i] = from[take_left ? left++ : right++];
    }
}

/* Sort by time, keeping the order of equal times: merge sort from the bottom up. */
static struct chunk_entry *sort_entries(struct chunk_entry *entries, struct chunk_entry *scratch,
                                        size_t count)
{
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * run) {
            size_t end = MIN_OF(2 * run, count - begin);
            merge(entries + begin, MIN_OF(run, end), end, scratch + begin);
        }
        struct chunk_entry *sorted = scratch;
        scratch = entries;
        entries = sorted;
    }
    return entries;
}

static bool is_double(const struct chunk_entry *a, const struct chunk_entry *b)
{
    return a->metadata == b->metadata && str_eq(a->line, b->line);
}

/* Equal for doubles. Fibonacci hashing (Knuth 6.4) spreads the address of the metadata. */
static uint64_t double_hash(const struct chunk_entry *e)
{
    uint64_t set = (uint64_t)(uintptr_t)e->metadata * UINT64_C(0x9e3779b97f4a7c15);

    return hash_text(e->line) ^ set >> 32;
}

/* Does one of the entries [begin, end) equal `e`? */
static bool seen_before(const struct chunk_entry *entries, size_t begin, size_t end,
                        const struct chunk_entry *e)
{
    for (size_t i = begin; i < end; i++) {
        if (is_double(&entries[i], e))
            return true;
    }
    return false;
}

/*
 * Move the entries [begin, end), all of one time, down to `to`, each distinct one once. Many are
 * found through a hash table, so that a client that sends one time for everything costs no more
 * than others.
 */
static size_t drop_doubles_of_time(struct arena *a, struct chunk_entry *entries, size_t begin,
                                   size_t end, size_t to)
{
    enum { FEW = 16 };
    size_t first = to, slots = 1;

    if (end - begin <= FEW) {
        for (size_t i = begin; i < end; i++) {
            if (!seen_before(entries, first, to, &entries[i]))
                entries[to++] = entries[i];
        }
        return to;
    }
    while (slots < 2 * (end - begin))
        slots *= 2;
    uint32_t *table = arena_new(a, uint32_t, slots); /* index - first + 1, 0 is free */
    if (table == NULL)
        return SIZE_MAX;
    for (size_t i = begin; i < end; i++) {
        size_t at = double_hash(&entries[i]) & (slots - 1);
        while (table[at] != 0 && !is_double(&entries[first + table[at] - 1], &entries[i]))
            at = (at + 1) & (slots - 1);
        if (table[at] != 0)
            continue;
        entries[to++] = entries[i];
        table[at] = (uint32_t)(to - first);
    }
    return to;
}

/* Leave out what is there already with the same time, line and metadata. */
static enum status drop_doubles(struct arena *a, struct chunk_entry *entries, size_t *count)
{
    size_t kept = 0;

    for (size_t begin = 0, end; begin < *count; begin = end) {
        for (end = begin + 1; end < *count && entries[end].ts_ns == entries[begin].ts_ns;)
            end++;
        kept = drop_doubles_of_time(a, entries, begin, end, kept);
        if (kept == SIZE_MAX)
            return ST_LIMIT;
    }
    *count = kept;
    return ST_OK;
}

/* Add the rows of one piece that lie in the time range. */
static size_t take_rows(const struct head_piece *p, uint32_t used, int64_t start_ns, int64_t end_ns,
                        struct chunk_entry *to)
{
    size_t count = 0;

    for (uint32_t at = 0; at < used;) {
        const struct row *row = (const struct row *)(const void *)(p->bytes + at);
        if (row->ts_ns >= start_ns && row->ts_ns <= end_ns)
            to[count++] = (struct chunk_entry){row->ts_ns, str_make(row->line, row->line_bytes),
                                               row->metadata};
        at += (uint32_t)row_bytes(row->line_bytes);
    }
    return count;
}

enum status head_view_entries(const struct head_view *v, struct arena *a, int64_t start_ns,
                              int64_t end_ns, struct chunk_entries *ret_entries)
{
    size_t count = 0;

    struct chunk_entry *entries = arena_new(a, struct chunk_entry, (size_t)v->size.entries);
    if (entries == NULL)
        return ST_LIMIT;
    for (const struct head_piece *p = v->last == NULL ? NULL : v->head->first; p != NULL;
         p = p == v->last ? NULL : p->next)
        count +=
            take_rows(p, p == v->last ? v->last_used : p->used, start_ns, end_ns, entries + count);

    bool ascending = true;
    for (size_t i = 1; i < count && ascending; i++)
        ascending = entries[i - 1].ts_ns <= entries[i].ts_ns;
    if (!ascending) {
        struct chunk_entry *scratch = arena_new(a, struct chunk_entry, count);
        if (scratch == NULL)
            return ST_LIMIT;
        entries = sort_entries(entries, scratch, count);
    }
    enum status st = drop_doubles(a, entries, &count);
    if (st == ST_OK)
        *ret_entries = (struct chunk_entries){entries, count};
    return st;
}

/* The index of `set` among the sets of the block being made; they are few, or all different. */
static uint32_t block_set(struct labels *sets, const struct labels **origins, uint32_t *count,
                          const struct labels *set)
{
    enum { LOOK_BACK = 8 };

    for (uint32_t i = *count; i > 0 && i + LOOK_BACK > *count; i--) {
        if (origins[i - 1] == set)
            return i - 1;
    }
    origins[*count] = set;
    sets[*count] = *set;
    return (*count)++;
}

enum status head_block(struct block_memory *m, struct chunk_entries entries, size_t block_bytes,
                       struct block *ret_block)
{
    size_t taken = 0, line_bytes = 0;
    uint32_t set_count = 0;

    ASSERT(entries.count > 0);
    while (taken < entries.count && taken < CHUNK_BLOCK_ENTRIES_MAX &&
           (taken == 0 || line_bytes + entries.items[taken].line.len <= block_bytes))
        line_bytes += entries.items[taken++].line.len;

    enum status st = block_memory_reserve(m, taken, line_bytes);
    if (st != ST_OK)
        return st;
    struct labels *sets = arena_new(&m->metadata, struct labels, taken);
    const struct labels **origins = arena_new(&m->metadata, const struct labels *, taken);
    if (sets == NULL || origins == NULL)
        return ST_NOMEM;
    uint32_t end = 0;
    for (size_t i = 0; i < taken; i++) {
        const struct chunk_entry *e = &entries.items[i];
        if (e->line.len > 0)
            memcpy(m->lines + end, e->line.ptr, e->line.len);
        end += (uint32_t)e->line.len;
        m->ts_ns[i] = e->ts_ns;
        m->line_ends[i] = end;
        m->sets[i] = block_set(sets, origins, &set_count, e->metadata);
    }
    *ret_block = (struct block){
        .count = (uint32_t)taken,
        .ts_ns = m->ts_ns,
        .line_ends = m->line_ends,
        .lines = str_make(m->lines, line_bytes),
        .sets = m->sets,
        .metadata = sets,
        .metadata_count = set_count,
    };
    return ST_OK;
}
