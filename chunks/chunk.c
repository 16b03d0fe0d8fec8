/*
 * Building goes block by block: cut as many entries as fit, encode each column into a scratch
 * buffer, pack it behind the blocks before, remember the row of the table. The filters gather in a
 * buffer of their own. They and the head, whose length is known beforehand but for the number of
 * blocks, are written last, in front of the packed blocks.
 *
 * Reading never trusts a length: chunk_head_parse() proves that each column lies inside the chunk,
 * and the decoders stop at the end of the bytes they were given.
 */
#include "chunks/chunk.h"

#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "chunks/chunk_mend.h"
#include "chunks/filter.h"
#include "chunks/ints.h"
#include "chunks/times.h"

#include "base/banned.h"

enum {
    CHUNK_MAGIC = 0x48434b53, /* "SKCH" */
    FEATURE_FILTERS = 1,
    FEATURE_NO_SHADOWS = 2,
    FEATURES = FEATURE_FILTERS | FEATURE_NO_SHADOWS,
    VERSION_OFFSET = 4,
    CODEC_OFFSET = 5,
    FEATURES_OFFSET = 6,
    CRC_OFFSET = 16,
    ROW_BYTES = 104,
    ROW_COLUMNS_OFFSET = 24,
    ROW_FILTER_OFFSET = 88,
    COLUMN_BYTES = 16,
    FILTER_PERCENT = 6,           /* of the packed columns of its block, at most */
    METADATA_BYTES_MAX = 1 << 20, /* of the distinct sets of a block, unless one entry has more */
    LINES_SAVE_PERCENT = 0,       /* what the codec must save to be used for lines, */
    NUMBERS_SAVE_PERCENT = 20,    /* and for what is read without them: it takes time */
    SCRATCH_BYTES_MAX = CHUNK_COLUMN_BYTES_MAX,
};

/* ---- building ---- */

/* The distinct metadata sets of the block being built, and their strings. */
struct set_table {
    struct arena arena;
    const struct labels **sets; /* open addressing by pointer */
    uint32_t *set_index;
    size_t slots;
    struct str *strings; /* open addressing by content */
    uint32_t *string_index;
    size_t string_slots;
    uint32_t set_count;
    uint32_t string_count;
    struct buf string_bytes; /* the strings as they are stored */
    struct buf set_bytes;    /* the sets as they are stored */
};

enum { SET_SLOTS_FIRST = 64 };

struct builder {
    const struct chunk_spec *spec;
    struct buf *out;
    size_t base; /* where the chunk begins in `out` */
    struct buf rows;
    uint32_t block_count;
    struct buf scratch;
    struct buf filters;            /* of all blocks so far */
    struct filter_builder *filter; /* of the block being built */
    struct set_table table;
    uint64_t *entry_sets; /* of the block being built */
    bool shadows;         /* metadata has a name that is a label of the stream */
    uint64_t *numbers;    /* one for each entry: room for a column */
    struct chunk_summary summary;
};

/* Find `key` in a table of `slots` places; returns its place or the free one where it belongs. */
static size_t set_slot(const struct set_table *t, const struct labels *set)
{
    size_t at = ((uintptr_t)set / 16 * UINT64_C(0x9e3779b97f4a7c15)) & (t->slots - 1);

    while (t->sets[at] != NULL && t->sets[at] != set)
        at = (at + 1) & (t->slots - 1);
    return at;
}

static size_t string_slot(const struct set_table *t, struct str s)
{
    size_t at = hash_text(s) & (t->string_slots - 1);

    while (t->strings[at].ptr != NULL && !str_eq(t->strings[at], s))
        at = (at + 1) & (t->string_slots - 1);
    return at;
}

static bool table_reset(struct set_table *t, size_t slots, size_t string_slots)
{
    arena_release(&t->arena);
    t->slots = slots;
    t->string_slots = string_slots;
    t->sets = arena_new(&t->arena, const struct labels *, slots);
    t->set_index = arena_new(&t->arena, uint32_t, slots);
    t->strings = arena_new(&t->arena, struct str, string_slots);
    t->string_index = arena_new(&t->arena, uint32_t, string_slots);
    t->set_count = 0;
    t->string_count = 0;
    buf_reset(&t->string_bytes);
    buf_reset(&t->set_bytes);
    return !t->arena.failed;
}

/* Make both tables twice as large; the indexes stay. */
static bool table_grow(struct set_table *t)
{
    struct set_table wider = *t;

    wider.slots *= 2;
    wider.string_slots *= 2;
    wider.sets = arena_new(&t->arena, const struct labels *, wider.slots);
    wider.set_index = arena_new(&t->arena, uint32_t, wider.slots);
    wider.strings = arena_new(&t->arena, struct str, wider.string_slots);
    wider.string_index = arena_new(&t->arena, uint32_t, wider.string_slots);
    if (t->arena.failed)
        return false;
    for (size_t i = 0; i < t->slots; i++) {
        if (t->sets[i] == NULL)
            continue;
        size_t at = set_slot(&wider, t->sets[i]);
        wider.sets[at] = t->sets[i];
        wider.set_index[at] = t->set_index[i];
    }
    for (size_t i = 0; i < t->string_slots; i++) {
        if (t->strings[i].ptr == NULL)
            continue;
        size_t at = string_slot(&wider, t->strings[i]);
        wider.strings[at] = t->strings[i];
        wider.string_index[at] = t->string_index[i];
    }
    wider.arena = t->arena;
    *t = wider;
    return true;
}

static uint32_t intern_string(struct set_table *t, struct str s)
{
    if (s.ptr == NULL)
        s = STR("");
    size_t at = string_slot(t, s);
    if (t->strings[at].ptr == NULL) {
        t->strings[at] = s;
        t->string_index[at] = t->string_count++;
        buf_put_str(&t->string_bytes, s);
    }
    return t->string_index[at];
}

/* The index of `set` in the block, given to it now if it is new. */
static bool intern_set(struct set_table *t, const struct labels *set, uint64_t *ret_index)
{
    size_t at = set_slot(t, set);

    if (t->sets[at] == NULL) {
        while (t->set_count * 2 >= t->slots ||
               (t->string_count + 2 * set->count) * 2 >= t->string_slots) {
            if (!table_grow(t))
                return false;
        }
        at = set_slot(t, set);
        t->sets[at] = set;
        t->set_index[at] = t->set_count++;
        buf_put_uvarint(&t->set_bytes, set->count);
        for (size_t i = 0; i < set->count; i++) {
            buf_put_uvarint(&t->set_bytes, intern_string(t, set->pairs[i].name));
            buf_put_uvarint(&t->set_bytes, intern_string(t, set->pairs[i].value));
        }
    }
    *ret_index = t->set_index[at];
    return true;
}

/* Has metadata a name that is a label of the stream? */
static bool shadows(struct labels stream, const struct labels *metadata)
{
    bool found = false;

    for (size_t i = 0; i < metadata->count && !found; i++)
        found = labels_has(stream, metadata->pairs[i].name);
    return found;
}

/* The index of the metadata of an entry, for the block and what the head says of it. */
static bool add_set(struct builder *b, const struct labels *set, uint64_t *ret_index)
{
    uint32_t before = b->table.set_count;

    if (!intern_set(&b->table, set, ret_index))
        return false;
    if (b->table.set_count > before && !b->shadows)
        b->shadows = shadows(b->spec->labels, set);
    return true;
}

/*
 * Take entries for one block: as many as fit, at least one. Their sets are interned on the way. The
 * number is 0 when memory runs out.
 */
static size_t cut_block(struct builder *b, const struct chunk_entry *entries, size_t count)
{
    size_t line_bytes = 0, taken = 0;
    size_t block_bytes = MIN_OF(b->spec->block_bytes, (size_t)CHUNK_BLOCK_BYTES_MAX);

    if (!table_reset(&b->table, SET_SLOTS_FIRST, 2 * SET_SLOTS_FIRST))
        return 0;
    for (; taken < count && taken < CHUNK_BLOCK_ENTRIES_MAX; taken++) {
        const struct chunk_entry *e = &entries[taken];
        size_t set_bytes = b->table.string_bytes.len + b->table.set_bytes.len;
        if (taken > 0 && (line_bytes + e->line.len > block_bytes || set_bytes > METADATA_BYTES_MAX))
            break;
        if (!add_set(b, e->metadata, &b->entry_sets[taken]))
            return 0;
        line_bytes += e->line.len;
    }
    return taken;
}

/* What is made of a buffer that failed has failed, too. */
static void fail_with(struct buf *b, const struct buf *part)
{
    if (part->failed)
        buf_fail(b, buf_status(part, NULL));
}

/* Note bytes in the row. What stands before them is added to `offset` when it is known. */
static void put_place(struct builder *b, size_t offset, struct str stored, size_t raw_bytes)
{
    buf_put_u32(&b->rows, (uint32_t)offset);
    buf_put_u32(&b->rows, (uint32_t)stored.len);
    buf_put_u32(&b->rows, (uint32_t)raw_bytes);
    buf_put_u32(&b->rows, crc32c(0, stored));
}

/*
 * Put the scratch buffer behind what is there, packed if the codec saves so much of it, and note it
 * in the row.
 */
static void put_column(struct builder *b, unsigned save_percent)
{
    size_t begin = b->out->len;

    if (b->scratch.len > CHUNK_COLUMN_BYTES_MAX)
        buf_fail(&b->scratch, ST_TOO_LARGE);
    fail_with(b->out, &b->scratch);
    if (b->out->failed)
        return;
    if (codec_pack(b->spec->context, b->spec->codec, b->spec->level, buf_str(&b->scratch),
                   b->out) != ST_OK)
        return;
    if ((b->out->len - begin) * 100 > b->scratch.len * (100 - save_percent)) {
        b->out->len = begin; /* has room for all of it: the codec needed more */
        buf_put(b->out, buf_str(&b->scratch));
    }
    struct str stored = str_make(b->out->ptr + begin, b->out->len - begin);
    put_place(b, begin - b->base, stored, b->scratch.len);
    buf_reset(&b->scratch);
}

static void put_times(struct builder *b, const struct chunk_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        ASSERT(entries[i].ts_ns >= entries[i - 1].ts_ns);
        b->numbers[i - 1] = (uint64_t)entries[i].ts_ns - (uint64_t)entries[i - 1].ts_ns;
    }
    times_put(&b->scratch, b->numbers, count - 1);
    put_column(b, NUMBERS_SAVE_PERCENT);
}

static void put_lengths(struct builder *b, const struct chunk_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        b->numbers[i] = entries[i].line.len;
    ints_put(&b->scratch, b->numbers, count);
    put_column(b, NUMBERS_SAVE_PERCENT);
}

static void put_metadata(struct builder *b, size_t count)
{
    const struct set_table *t = &b->table;

    fail_with(&b->scratch, &t->string_bytes);
    fail_with(&b->scratch, &t->set_bytes);
    buf_put_uvarint(&b->scratch, t->string_count);
    buf_put(&b->scratch, buf_str(&t->string_bytes));
    buf_put_uvarint(&b->scratch, t->set_count);
    buf_put(&b->scratch, buf_str(&t->set_bytes));
    if (t->set_count > 1)
        ints_put(&b->scratch, b->entry_sets, count);
    put_column(b, NUMBERS_SAVE_PERCENT);
}

static void put_lines(struct builder *b, const struct chunk_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_put(&b->scratch, entries[i].line);
    put_column(b, LINES_SAVE_PERCENT);
}

/* Make the filter of a block whose columns take `packed_bytes`. */
static void put_filter(struct builder *b, const struct chunk_entry *entries, size_t count,
                       size_t packed_bytes)
{
    size_t begin = b->filters.len;

    filter_begin(b->filter);
    for (size_t i = 0; i < count; i++)
        filter_add(b->filter, entries[i].line);
    size_t bytes = filter_put(b->filter, packed_bytes * FILTER_PERCENT / 100, &b->filters);
    fail_with(b->out, &b->filters);
    if (bytes == 0 || b->filters.failed)
        buf_put_zeros(&b->rows, COLUMN_BYTES);
    else
        put_place(b, begin, str_cut(buf_str(&b->filters), begin), bytes);
}

static size_t metadata_bytes(const struct labels *set)
{
    size_t bytes = 0;

    for (size_t i = 0; i < set->count; i++)
        bytes += set->pairs[i].name.len + set->pairs[i].value.len;
    return bytes;
}

static void put_block(struct builder *b, const struct chunk_entry *entries, size_t count)
{
    size_t line_bytes = 0, begin = b->out->len;

    for (size_t i = 0; i < count; i++) {
        line_bytes += entries[i].line.len;
        b->summary.metadata_bytes += metadata_bytes(entries[i].metadata);
    }
    b->summary.line_bytes += line_bytes;
    b->summary.entries += (uint32_t)count;

    buf_put_u32(&b->rows, (uint32_t)count);
    buf_put_u32(&b->rows, (uint32_t)line_bytes);
    buf_put_u64(&b->rows, (uint64_t)entries[0].ts_ns);
    buf_put_u64(&b->rows, (uint64_t)entries[count - 1].ts_ns);
    put_times(b, entries, count);
    put_lengths(b, entries, count);
    put_metadata(b, count);
    put_lines(b, entries, count);
    put_filter(b, entries, count, b->out->len - begin);
    b->block_count++;
}

static void put_fixed(struct builder *b, struct buf *head, size_t head_bytes, size_t chunk_bytes)
{
    const struct chunk_spec *spec = b->spec;

    b->summary.head_bytes = (uint32_t)head_bytes;
    b->summary.chunk_bytes = (uint32_t)chunk_bytes;
    buf_put_u32(head, CHUNK_MAGIC);
    buf_put_u8(head, CHUNK_VERSION);
    buf_put_u8(head, (uint8_t)spec->codec);
    buf_put_u16(head, (uint16_t)((b->filters.len > 0 ? FEATURE_FILTERS : 0) |
                                 (b->shadows ? 0 : FEATURE_NO_SHADOWS)));
    buf_put_u32(head, b->summary.chunk_bytes);
    buf_put_u32(head, b->summary.head_bytes);
    buf_put_u32(head, 0); /* the checksum, when all is there */
    buf_put_u32(head, b->block_count);
    buf_put_u64(head, spec->chunk_id);
    buf_put_u64(head, spec->seq_max);
    buf_put_u64(head, (uint64_t)b->summary.min_ns);
    buf_put_u64(head, (uint64_t)b->summary.max_ns);
    buf_put_u32(head, b->summary.entries);
    buf_put_u32(head, spec->id_span);
    buf_put_u64(head, b->summary.line_bytes);
    buf_put_u64(head, b->summary.metadata_bytes);
    ASSERT(head->failed || head->len == CHUNK_FIXED_BYTES);
}

static uint32_t row_u32(const struct buf *rows, size_t at)
{
    struct str field = str_cut(buf_str(rows), at);
    uint32_t v;

    bool there = get_u32(&field, &v);
    ASSERT(there);
    return v;
}

/* Make every offset of the table count from the start of the chunk. */
static void shift_rows(struct buf *rows, size_t head_bytes, size_t filter_bytes)
{
    for (size_t row = 0; row + ROW_BYTES <= rows->len; row += ROW_BYTES) {
        for (size_t column = 0; column < CHUNK_COLUMNS; column++) {
            size_t at = row + ROW_COLUMNS_OFFSET + column * COLUMN_BYTES;
            buf_set_u32(rows, at, row_u32(rows, at) + (uint32_t)(head_bytes + filter_bytes));
        }
        size_t filter = row + ROW_FILTER_OFFSET;
        bool has_filter = row_u32(rows, filter + sizeof(uint32_t)) > 0;
        if (has_filter)
            buf_set_u32(rows, filter, row_u32(rows, filter) + (uint32_t)head_bytes);
    }
}

/* Put head and filters in front of the blocks, which stand at the end of `out`. */
static void put_front(struct builder *b, struct buf *head, size_t padding)
{
    size_t block_bytes = b->out->len - b->base;
    size_t front_bytes = head->len + b->filters.len;

    buf_put_zeros(b->out, front_bytes + padding);
    if (b->out->failed)
        return;
    char *begin = b->out->ptr + b->base;
    memmove(begin + front_bytes, begin, block_bytes);
    memset(begin + front_bytes + block_bytes, 0, padding);
    memcpy(begin, head->ptr, head->len);
    if (b->filters.len > 0)
        memcpy(begin + head->len, b->filters.ptr, b->filters.len);
}

/* The head, when all else is there. */
static void put_head(struct builder *b)
{
    struct buf head, names;

    buf_init(&names, SCRATCH_BYTES_MAX);
    buf_put_str(&names, b->spec->tenant);
    labels_encode(&names, b->spec->labels);
    size_t head_bytes = CHUNK_FIXED_BYTES + names.len + b->rows.len;
    size_t content_bytes = head_bytes + b->filters.len + b->out->len - b->base;
    size_t padding = (size_t)-content_bytes & (CHUNK_ALIGN - 1);
    size_t chunk_bytes = content_bytes + padding;

    buf_init(&head, SCRATCH_BYTES_MAX);
    put_fixed(b, &head, head_bytes, chunk_bytes);
    buf_put(&head, buf_str(&names));
    shift_rows(&b->rows, head_bytes, b->filters.len);
    buf_put(&head, buf_str(&b->rows));
    fail_with(b->out, &names);
    fail_with(b->out, &head);
    fail_with(b->out, &b->rows);
    if (chunk_bytes > CHUNK_BYTES_MAX)
        buf_fail(b->out, ST_TOO_LARGE);
    if (!b->out->failed) {
        buf_set_u32(&head, CRC_OFFSET, crc32c(0, buf_str(&head)));
        put_front(b, &head, padding);
    }
    buf_release(&head);
    buf_release(&names);
}

enum status chunk_build(const struct chunk_spec *spec, struct chunk_entries entries,
                        struct buf *out, struct chunk_summary *ret_summary)
{
    struct builder b = {.spec = spec, .out = out, .base = out->len};
    enum status st = ST_OK;

    ASSERT(entries.count > 0);
    b.summary.min_ns = entries.items[0].ts_ns;
    b.summary.max_ns = entries.items[entries.count - 1].ts_ns;
    buf_init(&b.rows, SCRATCH_BYTES_MAX);
    buf_init(&b.scratch, SCRATCH_BYTES_MAX);
    buf_init(&b.filters, SCRATCH_BYTES_MAX);
    buf_init(&b.table.string_bytes, SCRATCH_BYTES_MAX);
    buf_init(&b.table.set_bytes, SCRATCH_BYTES_MAX);
    arena_init(&b.table.arena, SCRATCH_BYTES_MAX);
    size_t room = MIN_OF(entries.count, (size_t)CHUNK_BLOCK_ENTRIES_MAX);
    b.entry_sets = mem_new(room, sizeof(*b.entry_sets));
    b.numbers = mem_new(room, sizeof(*b.numbers));
    b.filter = mem_bytes(sizeof(*b.filter));
    if (b.entry_sets == NULL || b.numbers == NULL || b.filter == NULL)
        st = ST_NOMEM;

    while (entries.count > 0 && st == ST_OK) {
        size_t taken = cut_block(&b, entries.items, entries.count);
        if (taken == 0) {
            st = ST_NOMEM;
            break;
        }
        put_block(&b, entries.items, taken);
        entries.items += taken;
        entries.count -= taken;
        st = buf_status(out, NULL);
    }
    if (st == ST_OK) {
        put_head(&b);
        st = buf_status(out, NULL);
    }
    if (st == ST_OK)
        *ret_summary = b.summary;
    mem_free(b.entry_sets);
    mem_free(b.numbers);
    mem_free(b.filter);
    arena_release(&b.table.arena);
    buf_release(&b.table.set_bytes);
    buf_release(&b.table.string_bytes);
    buf_release(&b.filters);
    buf_release(&b.scratch);
    buf_release(&b.rows);
    return st;
}

/* ---- reading a head ---- */

enum status chunk_lengths(struct str fixed, uint32_t *ret_head_bytes, uint32_t *ret_chunk_bytes,
                          struct err *err)
{
    uint32_t magic, chunk_bytes, head_bytes;
    uint16_t features;
    uint8_t version, codec;

    if (fixed.len < CHUNK_FIXED_BYTES || !get_u32(&fixed, &magic) || !get_u8(&fixed, &version) ||
        !get_u8(&fixed, &codec) || !get_u16(&fixed, &features) || !get_u32(&fixed, &chunk_bytes) ||
        !get_u32(&fixed, &head_bytes) || magic != CHUNK_MAGIC)
        return err_set(err, ST_CORRUPT, "no chunk begins here");
    if (version < CHUNK_VERSION_FIRST || version > CHUNK_VERSION || (features & ~FEATURES) != 0)
        return err_set(err, ST_CORRUPT, "chunk version %u with features %#x is not known", version,
                       features);
    if (head_bytes < CHUNK_FIXED_BYTES || head_bytes > chunk_bytes ||
        chunk_bytes % CHUNK_ALIGN != 0 || chunk_bytes > CHUNK_BYTES_MAX)
        return err_set(err, ST_CORRUPT, "a chunk of %u bytes with a head of %u", chunk_bytes,
                       head_bytes);
    *ret_head_bytes = head_bytes;
    *ret_chunk_bytes = chunk_bytes;
    return ST_OK;
}

static bool head_crc_matches(struct str bytes)
{
    static const char zeros[sizeof(uint32_t)];
    struct str field = str_cut(bytes, CRC_OFFSET);
    uint32_t want;

    uint32_t crc = crc32c(0, str_head(bytes, CRC_OFFSET));
    crc = crc32c(crc, str_make(zeros, sizeof(zeros)));
    crc = crc32c(crc, str_cut(bytes, CRC_OFFSET + sizeof(zeros)));
    return get_u32(&field, &want) && crc == want;
}

static bool get_column(struct str *in, struct chunk_column *ret_c)
{
    return get_u32(in, &ret_c->offset) && get_u32(in, &ret_c->stored_bytes) &&
           get_u32(in, &ret_c->raw_bytes) && get_u32(in, &ret_c->crc);
}

static bool get_row(struct str *in, struct chunk_block *ret_b)
{
    uint64_t min_ns, max_ns;

    if (!get_u32(in, &ret_b->entries) || !get_u32(in, &ret_b->line_bytes) ||
        !get_u64(in, &min_ns) || !get_u64(in, &max_ns))
        return false;
    ret_b->min_ns = (int64_t)min_ns;
    ret_b->max_ns = (int64_t)max_ns;
    for (size_t i = 0; i < CHUNK_COLUMNS; i++) {
        if (!get_column(in, &ret_b->columns[i]))
            return false;
    }
    return get_column(in, &ret_b->filter);
}

/* Does the filter, if there is one, begin at `*end`, with a sensible size? */
static bool filter_is_sound(const struct chunk_column *f, uint64_t *end)
{
    if (f->stored_bytes == 0)
        return f->offset == 0 && f->raw_bytes == 0 && f->crc == 0;
    bool sound = f->offset == *end && f->raw_bytes == f->stored_bytes &&
                 f->raw_bytes >= FILTER_BYTES_MIN && f->raw_bytes <= FILTER_BYTES_MAX &&
                 f->raw_bytes % FILTER_BYTES_UNIT == 0;
    *end += f->stored_bytes;
    return sound;
}

/* Do the columns follow one another inside [*end, chunk_bytes), with sensible sizes? */
static bool row_is_sound(const struct chunk_block *b, uint64_t *end, uint32_t chunk_bytes)
{
    if (b->entries == 0 || b->entries > CHUNK_BLOCK_ENTRIES_MAX || b->min_ns > b->max_ns)
        return false;
    for (size_t i = 0; i < CHUNK_COLUMNS; i++) {
        const struct chunk_column *c = &b->columns[i];
        if (c->offset != *end || c->raw_bytes > CHUNK_COLUMN_BYTES_MAX ||
            c->stored_bytes > c->raw_bytes)
            return false;
        *end += c->stored_bytes;
    }
    return *end <= chunk_bytes && b->columns[COLUMN_LINES].raw_bytes == b->line_bytes;
}

/* Read the rows and see that filters and columns fill the chunk in order. */
static enum status read_rows(struct str in, const struct chunk_head *h, struct chunk_block *blocks,
                             struct err *err)
{
    uint64_t end = h->summary.head_bytes;

    for (uint32_t i = 0; i < h->block_count; i++) {
        if (!get_row(&in, &blocks[i]) || !filter_is_sound(&blocks[i].filter, &end))
            return err_set(err, ST_CORRUPT, "the filter of row %u makes no sense", i);
    }
    for (uint32_t i = 0; i < h->block_count; i++) {
        if (!row_is_sound(&blocks[i], &end, h->summary.chunk_bytes) ||
            (i > 0 && blocks[i].min_ns < blocks[i - 1].max_ns))
            return err_set(err, ST_CORRUPT, "row %u of the block table makes no sense", i);
    }
    return ST_OK;
}

static bool sums_add_up(const struct chunk_head *h, const struct chunk_block *blocks)
{
    uint64_t entries = 0, line_bytes = 0;

    for (uint32_t i = 0; i < h->block_count; i++) {
        entries += blocks[i].entries;
        line_bytes += blocks[i].line_bytes;
    }
    return entries == h->summary.entries && line_bytes == h->summary.line_bytes &&
           blocks[0].min_ns == h->summary.min_ns &&
           blocks[h->block_count - 1].max_ns == h->summary.max_ns;
}

static enum status read_table(struct arena *a, struct str in, struct chunk_head *h, struct err *err)
{
    if (in.len != (uint64_t)h->block_count * ROW_BYTES || h->block_count == 0)
        return err_set(err, ST_CORRUPT, "a table of %zu bytes for %u blocks", in.len,
                       h->block_count);
    struct chunk_block *blocks = arena_new(a, struct chunk_block, h->block_count);
    if (blocks == NULL)
        return arena_status(a, err);
    enum status st = read_rows(in, h, blocks, err);
    if (st == ST_OK && !sums_add_up(h, blocks))
        st = err_set(err, ST_CORRUPT, "the sums of a chunk do not add up");
    h->blocks = blocks;
    return st;
}

/* What stands between the checksum and the tenant. */
static bool get_numbers(struct str *in, struct chunk_head *h)
{
    uint64_t min_ns, max_ns;

    if (!get_u32(in, &h->block_count) || !get_u64(in, &h->chunk_id) || !get_u64(in, &h->seq_max) ||
        !get_u64(in, &min_ns) || !get_u64(in, &max_ns) || !get_u32(in, &h->summary.entries) ||
        !get_u32(in, &h->id_span) || !get_u64(in, &h->summary.line_bytes) ||
        !get_u64(in, &h->summary.metadata_bytes))
        return false;
    h->summary.min_ns = (int64_t)min_ns;
    h->summary.max_ns = (int64_t)max_ns;
    return true;
}

static enum status parse_head(struct arena *a, struct str bytes, struct chunk_head *ret_head,
                              struct err *err)
{
    struct chunk_head h = {0};
    struct str rest = bytes;

    enum status st = chunk_lengths(bytes, &h.summary.head_bytes, &h.summary.chunk_bytes, err);
    if (st != ST_OK)
        return st;
    if (h.summary.head_bytes != bytes.len || !head_crc_matches(bytes))
        return err_set(err, ST_CORRUPT, "the checksum of a chunk's head does not match");
    h.version = (unsigned char)bytes.ptr[VERSION_OFFSET];
    h.metadata_shadows = ((unsigned char)bytes.ptr[FEATURES_OFFSET] & FEATURE_NO_SHADOWS) == 0;
    if (codec_by_number((unsigned char)bytes.ptr[CODEC_OFFSET], &h.codec) != ST_OK)
        return err_set(err, ST_CORRUPT, "codec %d is not known", bytes.ptr[CODEC_OFFSET]);

    rest = str_cut(rest, CRC_OFFSET + sizeof(uint32_t));
    if (!get_numbers(&rest, &h) || !get_str(&rest, &h.tenant))
        return err_set(err, ST_CORRUPT, "the head of a chunk is cut short");
    st = labels_decode(a, &rest, &h.labels, err);
    if (st == ST_OK)
        st = read_table(a, rest, &h, err);
    if (st == ST_OK)
        *ret_head = h;
    return st;
}

enum status chunk_head_parse(struct arena *a, struct str bytes, struct chunk_head *ret_head,
                             struct err *err)
{
    struct chunk_head h;

    enum status st = parse_head(a, bytes, ret_head, err);
    if (st != ST_CORRUPT || bytes.len == 0)
        return st;
    char *copy = arena_bytes(a, bytes.len);
    if (copy == NULL)
        return arena_status(a, err);
    memcpy(copy, bytes.ptr, bytes.len);
    if (!chunk_mend_byte(copy, bytes.len) ||
        parse_head(a, str_make(copy, bytes.len), &h, NULL) != ST_OK)
        return st;
    h.mended = true;
    *ret_head = h;
    return ST_OK;
}

void chunk_block_range(const struct chunk_block *b, unsigned columns, uint32_t *ret_offset,
                       uint32_t *ret_bytes)
{
    ASSERT(columns > 0 && columns <= CHUNK_ALL_COLUMNS);
    const struct chunk_column *first = &b->columns[__builtin_ctz(columns)];
    const struct chunk_column *last = &b->columns[31 - __builtin_clz(columns)];

    *ret_offset = first->offset;
    *ret_bytes = last->offset + last->stored_bytes - first->offset;
}

uint32_t chunk_filters_bytes(const struct chunk_head *h)
{
    return h->blocks[0].columns[COLUMN_TIMES].offset - h->summary.head_bytes;
}

struct str chunk_block_filter(const struct chunk_head *h, uint32_t index, struct str filters)
{
    const struct chunk_column *f = &h->blocks[index].filter;

    ASSERT(index < h->block_count && filters.len == chunk_filters_bytes(h));
    if (f->stored_bytes == 0)
        return STR_NULL;
    struct str stored = str_cut(filters, f->offset - h->summary.head_bytes);
    stored = str_head(stored, f->stored_bytes);
    return crc32c(0, stored) == f->crc ? stored : STR_NULL;
}
