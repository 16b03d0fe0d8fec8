/*
 * Rows lie in pieces, a list of blocks of memory that grow with the head: the first is small,
 * because a store may have a hundred thousand streams of a few lines. A row never moves. Equal sets
 * of metadata are kept once, in stored form and numbered, as a row of their own before the first
 * row that names them: most entries of a stream have the same one.
 *
 *     head -> piece -> piece -> piece        row: time,      length, number of its set, line
 *              [rows]   [rows]   [rows ...]  set: older one, length, its number, stored form
 */
#include "chunks/head.h"

#include "base/atomic.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

#include "base/banned.h"

enum {
    PIECE_BYTES_FIRST = 248,                 /* with the word of the heap 256 */
    PIECE_BYTES_MAX = MEM_PAGES_USUAL_BYTES, /* from here on it is made of pages of its own */
    ROW_ALIGN = 8,
    SETS_SCANNED_MAX = 8, /* sets are looked for one by one up to here, then through the map */
    RECENT_SETS = 4,
    CACHE_LINE_BYTES = 64,
    FETCH_AHEAD_BYTES = 16 * CACHE_LINE_BYTES,
};

#define ROW_IS_SET (UINT32_C(1) << 31)

struct row {
    union {
        int64_t ts_ns;
        const struct row *older; /* of a set: the one with the number before */
    };
    uint32_t length; /* of `bytes`; with ROW_IS_SET: this is a set of metadata */
    uint32_t set;
    char bytes[];
};

struct head_piece {
    struct head_piece *next;
    uint32_t used;
    uint32_t capacity; /* of `bytes` */
    _Alignas(ROW_ALIGN) char bytes[];
};

struct head {
    struct refs refs;
    uint32_t set_count;
    uint64_t chunk_id;
    struct head_piece *first;
    struct head_piece *last;
    struct head_size size;  /* memory_bytes: without the map */
    const struct row *sets; /* newest first */
    struct map set_map;     /* stored form -> its row; used when there are many */
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
    return h;
}

void head_ref(struct head *h)
{
    refs_take(&h->refs);
}

/* ---- pieces ---- */

/* A piece of `bytes`, header included. */
static struct head_piece *piece_new(size_t bytes)
{
    struct head_piece *p = bytes < PIECE_BYTES_MAX ? mem_bytes(bytes) : mem_pages(bytes);

    if (p != NULL)
        *p = (struct head_piece){.capacity = (uint32_t)(bytes - sizeof(*p))};
    return p;
}

static void piece_free(struct head_piece *p)
{
    size_t bytes = sizeof(*p) + p->capacity;

    if (bytes < PIECE_BYTES_MAX)
        mem_free(p);
    else
        mem_pages_free(p, bytes);
}

void head_unref(struct head *h)
{
    if (h == NULL || !refs_drop(&h->refs))
        return;
    while (h->first != NULL) {
        struct head_piece *next = h->first->next;
        piece_free(h->first);
        h->first = next;
    }
    map_release(&h->set_map);
    mem_free(h);
}

uint64_t head_chunk_id(const struct head *h)
{
    return h->chunk_id;
}

struct head_size head_size(const struct head *h)
{
    struct head_size size = h->size;

    size.memory_bytes += h->set_map.capacity * sizeof(struct map_slot);
    return size;
}

/* ---- appending ---- */

static size_t row_bytes(size_t length)
{
    return (sizeof(struct row) + length + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
}

/* A new piece is half of what is there, so that at most a third of a head is spare room. */
static enum status add_piece(struct head *h, size_t row)
{
    size_t bytes = (size_t)(h->size.memory_bytes / 2 / ROW_ALIGN * ROW_ALIGN);

    bytes = MIN_OF(MAX_OF(bytes, (size_t)PIECE_BYTES_FIRST), (size_t)PIECE_BYTES_MAX);
    struct head_piece *p = piece_new(MAX_OF(bytes, sizeof(*p) + row));
    if (p == NULL)
        return ST_NOMEM;
    if (h->last == NULL)
        h->first = p;
    else
        h->last->next = p;
    h->last = p;
    h->size.memory_bytes += sizeof(*p) + p->capacity;
    return ST_OK;
}

/* Room for a row of `length` bytes in the last piece, or in a new one. NULL: no memory. */
static struct row *row_new(struct head *h, size_t length)
{
    size_t bytes = row_bytes(length);

    if (h->last == NULL || h->last->capacity - h->last->used < bytes) {
        if (add_piece(h, bytes) != ST_OK)
            return NULL;
    }
    struct row *row = (struct row *)(void *)(h->last->bytes + h->last->used);
    h->last->used += (uint32_t)bytes;
    return row;
}

static struct str set_stored(const struct row *set)
{
    return str_make(set->bytes, set->length & ~ROW_IS_SET);
}

/* Is `stored` the stored form of `l`? */
static bool stored_is(struct str stored, struct labels l)
{
    struct str name, value;
    uint64_t count;

    if (!get_uvarint(&stored, &count) || count != l.count)
        return false;
    for (size_t i = 0; i < l.count; i++) {
        if (!get_str(&stored, &name) || !get_str(&stored, &value) ||
            !str_eq(name, l.pairs[i].name) || !str_eq(value, l.pairs[i].value))
            return false;
    }
    return true;
}

/* Put the sets there are into the map, and the new one. */
static enum status map_fill(struct head *h, const struct row *set)
{
    enum status st = ST_OK;

    if (h->set_map.count < h->set_count) { /* none is in it, or memory ran out halfway */
        for (const struct row *old = h->sets; old != NULL && st == ST_OK; old = old->older)
            st = map_set(&h->set_map, set_stored(old), (void *)(uintptr_t)old);
    }
    return st == ST_OK ? map_set(&h->set_map, set_stored(set), (void *)(uintptr_t)set) : st;
}

/* A new set; NULL when memory runs out. */
static const struct row *set_new(struct head *h, struct str stored)
{
    struct row *set = row_new(h, stored.len);

    if (set == NULL)
        return NULL;
    set->older = h->sets;
    set->length = (uint32_t)stored.len | ROW_IS_SET;
    set->set = h->set_count;
    memcpy(set->bytes, stored.ptr, stored.len);
    if (h->set_count >= SETS_SCANNED_MAX && map_fill(h, set) != ST_OK)
        return NULL; /* its row stays, and nobody names it */
    h->sets = set;
    h->set_count++;
    return set;
}

/* The set that is `l`, made if need be; NULL when memory runs out. */
static const struct row *set_intern(struct head *h, struct labels l)
{
    const struct row *set = h->sets;
    struct buf stored;

    for (size_t i = 0; i < SETS_SCANNED_MAX && set != NULL; i++, set = set->older) {
        if (stored_is(set_stored(set), l))
            return set;
    }
    buf_init(&stored, HEAD_METADATA_BYTES_MAX);
    labels_encode(&stored, l);
    if (stored.failed) {
        buf_release(&stored);
        return NULL;
    }
    set = h->set_count > SETS_SCANNED_MAX ? map_get(&h->set_map, buf_str(&stored)) : NULL;
    if (set == NULL)
        set = set_new(h, buf_str(&stored));
    buf_release(&stored);
    return set;
}

/* The sets of the entries just appended, as they were given: most have one of a few. */
struct recent_sets {
    struct labels given[RECENT_SETS];
    uint32_t numbers[RECENT_SETS];
    unsigned count; /* of all so far; the oldest is overwritten */
};

/* The number of the set that is `l`, made if need be. False: no memory. */
static bool set_number(struct head *h, struct recent_sets *recent, struct labels l,
                       uint32_t *ret_number)
{
    for (unsigned i = 0; i < MIN_OF(recent->count, (unsigned)RECENT_SETS); i++) {
        if (recent->given[i].pairs == l.pairs && recent->given[i].count == l.count) {
            *ret_number = recent->numbers[i];
            return true;
        }
    }
    const struct row *set = set_intern(h, l);
    if (set == NULL)
        return false;
    unsigned slot = recent->count++ % RECENT_SETS;
    recent->given[slot] = l;
    recent->numbers[slot] = set->set;
    *ret_number = set->set;
    return true;
}

static enum status append_row(struct head *h, const struct entry *e, uint32_t set)
{
    struct head_size *size = &h->size;
    struct row *row = row_new(h, e->line.len);

    if (row == NULL)
        return ST_NOMEM;
    row->ts_ns = e->ts_ns;
    row->length = (uint32_t)e->line.len;
    row->set = set;
    if (e->line.len > 0)
        memcpy(row->bytes, e->line.ptr, e->line.len);

    size->min_ns = size->entries == 0 ? e->ts_ns : MIN_OF(size->min_ns, e->ts_ns);
    size->max_ns = size->entries == 0 ? e->ts_ns : MAX_OF(size->max_ns, e->ts_ns);
    size->line_bytes += e->line.len;
    size->entries++;
    return ST_OK;
}

bool head_is_full(const struct head *h)
{
    return head_size(h).memory_bytes >= HEAD_BYTES_MAX;
}

enum status head_append(struct head *h, const struct entry *entries, size_t count,
                        size_t *ret_added)
{
    struct recent_sets recent = {.count = 0};
    enum status st = ST_OK;
    size_t added = 0;

    while (added < count && st == ST_OK && !head_is_full(h)) {
        const struct entry *e = &entries[added];
        uint32_t set;
        ASSERT(e->line.len < ROW_IS_SET);
        st = set_number(h, &recent, e->metadata, &set) ? append_row(h, e, set) : ST_NOMEM;
        added += st == ST_OK ? 1 : 0;
    }
    *ret_added = added;
    return st;
}

/* ---- reading ---- */

struct head_view head_view(struct head *h)
{
    head_ref(h);
    return (struct head_view){
        .head = h,
        .size = head_size(h),
        .set_count = h->set_count,
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

/* Merge sort from the bottom up. */
enum status entries_sort(struct arena *a, struct chunk_entries *all)
{
    struct chunk_entry *entries = all->items, *scratch;
    size_t count = all->count;
    bool ascending = true;

    for (size_t i = 1; i < count && ascending; i++)
        ascending = entries[i - 1].ts_ns <= entries[i].ts_ns;
    if (ascending)
        return ST_OK;
    scratch = arena_new(a, struct chunk_entry, count);
    if (scratch == NULL)
        return ST_LIMIT;
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * run) {
            size_t end = MIN_OF(2 * run, count - begin);
            merge(entries + begin, MIN_OF(run, end), end, scratch + begin);
        }
        struct chunk_entry *sorted = scratch;
        scratch = entries;
        entries = sorted;
    }
    all->items = entries;
    return ST_OK;
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

enum status entries_drop_doubles(struct arena *a, struct chunk_entries *all)
{
    struct chunk_entry *entries = all->items;
    size_t kept = 0;

    for (size_t begin = 0, end; begin < all->count; begin = end) {
        for (end = begin + 1; end < all->count && entries[end].ts_ns == entries[begin].ts_ns;)
            end++;
        kept = drop_doubles_of_time(a, entries, begin, end, kept);
        if (kept == SIZE_MAX)
            return ST_LIMIT;
    }
    all->count = kept;
    return ST_OK;
}

/* The sets of metadata that a walk through the rows has met, by number; decoded when needed. */
struct met_set {
    const struct row *row;
    const struct labels *labels;
};

struct taking {
    struct arena *arena;
    int64_t start_ns;
    int64_t end_ns;
    struct met_set *sets;
    size_t set_count;
    struct chunk_entry *to;
    size_t count;
};

static const struct labels *decode_set(struct arena *a, struct str stored)
{
    uint64_t count;
    bool good = get_uvarint(&stored, &count);

    ASSERT(good); /* it comes from labels_encode() */
    struct labels *l = arena_new(a, struct labels, 1);
    struct label *pairs = arena_new(a, struct label, (size_t)count);
    if (l == NULL || pairs == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        good = get_str(&stored, &pairs[i].name) && get_str(&stored, &pairs[i].value);
        ASSERT(good);
    }
    *l = (struct labels){pairs, (size_t)count};
    return l;
}

static void take_row(struct taking *t, const struct row *row)
{
    if (row->ts_ns < t->start_ns || row->ts_ns > t->end_ns)
        return;
    ASSERT(row->set < t->set_count);
    struct met_set *set = &t->sets[row->set];
    if (set->labels == NULL)
        set->labels = decode_set(t->arena, set_stored(set->row));
    t->to[t->count++] =
        (struct chunk_entry){row->ts_ns, str_make(row->bytes, row->length), set->labels};
}

/*
 * Add the rows of one piece that lie in the time range. The lines are wanted next, and a processor
 * that sees only every second or third cache line read does not guess that.
 */
static void take_rows(struct taking *t, const struct head_piece *p, uint32_t used)
{
    uint32_t fetched = 0;

    for (uint32_t at = 0; at < used;) {
        for (; fetched < used && fetched < at + FETCH_AHEAD_BYTES; fetched += CACHE_LINE_BYTES)
            __builtin_prefetch(p->bytes + fetched);
        const struct row *row = (const struct row *)(const void *)(p->bytes + at);
        if ((row->length & ROW_IS_SET) == 0)
            take_row(t, row);
        else if (row->set < t->set_count) /* a number given twice: the later row is used */
            t->sets[row->set].row = row;
        at += (uint32_t)row_bytes(row->length & ~ROW_IS_SET);
    }
}

enum status head_view_entries(const struct head_view *v, struct arena *a, int64_t start_ns,
                              int64_t end_ns, struct chunk_entries *ret_entries)
{
    struct taking t = {
        .arena = a,
        .start_ns = start_ns,
        .end_ns = end_ns,
        .sets = arena_new(a, struct met_set, v->set_count),
        .set_count = v->set_count,
        .to = arena_new(a, struct chunk_entry, (size_t)v->size.entries),
    };

    if (t.sets == NULL || t.to == NULL)
        return ST_LIMIT;
    for (const struct head_piece *p = v->last == NULL ? NULL : v->head->first; p != NULL;
         p = p == v->last ? NULL : p->next)
        take_rows(&t, p, p == v->last ? v->last_used : p->used);
    if (a->failed)
        return ST_LIMIT;

    struct chunk_entries all = {t.to, t.count};
    enum status st = entries_sort(a, &all);
    if (st == ST_OK)
        st = entries_drop_doubles(a, &all);
    if (st == ST_OK)
        *ret_entries = all;
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
