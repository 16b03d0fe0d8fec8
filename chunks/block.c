/*
 * The other half of chunk.c: unpack the columns of one block. The forms are those of
 * docs/format/chunk.md; every decoder proves that it used all bytes of its column and no more.
 */
#include "chunks/chunk.h"

#include "base/crc.h"
#include "base/mem.h"
#include "chunks/ints.h"
#include "chunks/times.h"

#include "base/banned.h"

enum {
    BLOCK_METADATA_BYTES_MAX = 256 * 1024 * 1024,
    GROW_BYTES =
        16 * 1024, /* blocks are of about one size: few are a little larger than all before */
    GROW_ENTRIES = 1024,
    TIGHT_VARINT_BYTES = 1,
};

void block_memory_release(struct block_memory *m)
{
    struct codec_context *context = m->context;

    mem_free(m->raw);
    mem_free(m->lines);
    mem_free(m->ts_ns);
    mem_free(m->line_ends);
    mem_free(m->sets);
    arena_release(&m->metadata);
    *m = (struct block_memory){.context = context};
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static bool grow_bytes(char **bytes, size_t *capacity, size_t wanted)
{
    if (wanted <= *capacity && *bytes != NULL)
        return true;
    wanted = round_up(MAX_OF(wanted, 1), GROW_BYTES);
    mem_free(*bytes); /* the old content is not needed */
    *bytes = mem_bytes(wanted);
    *capacity = *bytes == NULL ? 0 : wanted;
    return *bytes != NULL;
}

enum status block_memory_reserve(struct block_memory *m, size_t entries, size_t line_bytes)
{
    arena_reset(&m->metadata);
    m->metadata.max_bytes = BLOCK_METADATA_BYTES_MAX;
    if (!grow_bytes(&m->lines, &m->lines_capacity, line_bytes))
        return ST_NOMEM;
    if (entries <= m->entry_capacity)
        return ST_OK;

    entries = round_up(entries, GROW_ENTRIES);
    mem_free(m->ts_ns);
    mem_free(m->line_ends);
    mem_free(m->sets);
    m->ts_ns = mem_new(entries, sizeof(*m->ts_ns));
    m->line_ends = mem_new(entries, sizeof(*m->line_ends));
    m->sets = mem_new(entries, sizeof(*m->sets));
    bool good = m->ts_ns != NULL && m->line_ends != NULL && m->sets != NULL;
    m->entry_capacity = good ? entries : 0;
    return good ? ST_OK : ST_NOMEM;
}

/* A uvarint, fast for the common one-byte case. */
static inline bool next_uvarint(struct str *in, uint64_t *ret_v)
{
    if (in->len > 0 && (unsigned char)in->ptr[0] < 0x80) {
        *ret_v = (unsigned char)in->ptr[0];
        *in = str_cut(*in, TIGHT_VARINT_BYTES);
        return true;
    }
    return get_uvarint(in, ret_v);
}

/* ---- version 1: uvarints ---- */

static bool decode_times_v1(struct str in, const struct chunk_block *b, int64_t *ts_ns)
{
    uint64_t now = (uint64_t)b->min_ns, step;

    for (uint32_t i = 0; i < b->entries; i++) {
        if (!next_uvarint(&in, &step) || step > (uint64_t)b->max_ns - now)
            return false;
        now += step;
        ts_ns[i] = (int64_t)now;
    }
    return in.len == 0 && now == (uint64_t)b->max_ns && ts_ns[0] == b->min_ns;
}

static bool decode_lengths_v1(struct str in, const struct chunk_block *b, uint32_t *line_ends)
{
    uint64_t end = 0, len;

    for (uint32_t i = 0; i < b->entries; i++) {
        if (!next_uvarint(&in, &len) || len > b->line_bytes - end)
            return false;
        end += len;
        line_ends[i] = (uint32_t)end;
    }
    return in.len == 0 && end == b->line_bytes;
}

static bool decode_indexes_v1(struct str in, const struct block *b, uint32_t *sets)
{
    uint64_t set;

    for (uint32_t i = 0; i < b->count; i++) {
        if (!next_uvarint(&in, &set) || set >= b->metadata_count)
            return false;
        sets[i] = (uint32_t)set;
    }
    return in.len == 0;
}

/* ---- version 2 ---- */

static bool decode_times(struct str in, const struct chunk_block *b, int64_t *ts_ns)
{
    return times_get(in, b->min_ns, b->entries, ts_ns) && ts_ns[b->entries - 1] == b->max_ns;
}

static bool decode_lengths(struct str in, const struct chunk_block *b, uint32_t *line_ends)
{
    uint64_t lens[INTS_RUN], end = 0, bits = 0;

    for (uint32_t i = 0; i < b->entries; i += INTS_RUN) {
        uint32_t run = MIN_OF(b->entries - i, (uint32_t)INTS_RUN);
        if (!ints_get_run(&in, run, lens))
            return false;
        for (uint32_t n = 0; n < run; n++) {
            end += lens[n];
            bits |= lens[n];
            line_ends[i + n] = (uint32_t)end;
        }
    }
    /* So few numbers of 32 bits have a sum that does not wrap around: no end is beyond the last. */
    return in.len == 0 && end == b->line_bytes && bits <= UINT32_MAX;
}

static bool decode_indexes(struct str in, const struct block *b, uint32_t *sets)
{
    uint64_t values[INTS_RUN];

    for (uint32_t i = 0; i < b->count; i += INTS_RUN) {
        uint32_t run = MIN_OF(b->count - i, (uint32_t)INTS_RUN);
        bool beyond = false;
        if (!ints_get_run(&in, run, values))
            return false;
        for (uint32_t n = 0; n < run; n++) {
            beyond |= values[n] >= b->metadata_count;
            sets[i + n] = (uint32_t)values[n];
        }
        if (beyond)
            return false;
    }
    return in.len == 0;
}

/* Read one set, whose strings are known. */
static bool decode_set(struct arena *a, struct str *in, const struct str *strings,
                       uint64_t string_count, struct labels *ret_set)
{
    uint64_t count, name, value;

    if (!next_uvarint(in, &count) || count > in->len / 2)
        return false;
    struct label *pairs = arena_new(a, struct label, (size_t)count);
    if (pairs == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!next_uvarint(in, &name) || !next_uvarint(in, &value) || name >= string_count ||
            value >= string_count)
            return false;
        pairs[i] = (struct label){strings[name], strings[value]};
        if (i > 0 && str_cmp(pairs[i - 1].name, pairs[i].name) >= 0)
            return false;
    }
    *ret_set = (struct labels){pairs, (size_t)count};
    return true;
}

/* Read the strings and sets of a block; they borrow `in`. */
static bool decode_sets(struct arena *a, struct str *in, struct block *ret_block)
{
    uint64_t string_count, set_count;

    if (!next_uvarint(in, &string_count) || string_count > in->len)
        return false;
    struct str *strings = arena_new(a, struct str, (size_t)string_count);
    for (size_t i = 0; i < string_count; i++) {
        if (strings == NULL || !get_str(in, &strings[i]))
            return false;
    }
    if (!next_uvarint(in, &set_count) || set_count == 0 || set_count > in->len)
        return false;
    struct labels *sets = arena_new(a, struct labels, (size_t)set_count);
    for (size_t i = 0; i < set_count; i++) {
        if (sets == NULL || !decode_set(a, in, strings, string_count, &sets[i]))
            return false;
    }
    ret_block->metadata = sets;
    ret_block->metadata_count = (uint32_t)set_count;
    return true;
}

static bool decode_metadata(struct block_memory *m, struct str in, unsigned version,
                            struct block *ret_block)
{
    if (!decode_sets(&m->metadata, &in, ret_block))
        return false;
    if (ret_block->metadata_count == 1) {
        memset(m->sets, 0, ret_block->count * sizeof(*m->sets));
        return in.len == 0;
    }
    return version == CHUNK_VERSION_FIRST ? decode_indexes_v1(in, ret_block, m->sets)
                                          : decode_indexes(in, ret_block, m->sets);
}

/* Check and unpack a column; the lines go straight to their place. */
static enum status unpack_column(struct block_memory *m, const struct chunk_part *part,
                                 enum chunk_column_kind kind, struct str *ret_raw)
{
    const struct chunk_block *b = &part->head->blocks[part->index];
    const struct chunk_column *c = &b->columns[kind];
    size_t begin = c->offset - b->columns[__builtin_ctz(part->columns)].offset;

    struct str stored = str_head(str_cut(part->stored, begin), c->stored_bytes);
    if (crc32c(0, stored) != c->crc)
        return ST_CORRUPT;
    char *to = m->lines;
    if (kind != COLUMN_LINES) {
        if (!grow_bytes(&m->raw, &m->raw_capacity, c->raw_bytes))
            return ST_NOMEM;
        to = m->raw;
    }
    *ret_raw = str_make(to, c->raw_bytes);
    return codec_unpack(m->context, part->head->codec, stored, to, c->raw_bytes);
}

static bool decode_column(struct block_memory *m, const struct chunk_part *part,
                          enum chunk_column_kind kind, struct str raw, struct block *ret_block)
{
    const struct chunk_block *b = &part->head->blocks[part->index];
    unsigned version = part->head->version;

    switch (kind) {
    case COLUMN_TIMES:
        ret_block->ts_ns = m->ts_ns;
        return version == CHUNK_VERSION_FIRST ? decode_times_v1(raw, b, m->ts_ns)
                                              : decode_times(raw, b, m->ts_ns);
    case COLUMN_LENGTHS:
        ret_block->line_ends = m->line_ends;
        return version == CHUNK_VERSION_FIRST ? decode_lengths_v1(raw, b, m->line_ends)
                                              : decode_lengths(raw, b, m->line_ends);
    case COLUMN_METADATA:
        ret_block->sets = m->sets;
        return decode_metadata(m, raw, version, ret_block);
    case COLUMN_LINES:
        ret_block->lines = raw;
        return true;
    case CHUNK_COLUMNS:
        break;
    }
    return false;
}

enum status chunk_block_unpack(struct block_memory *m, const struct chunk_part *part,
                               struct block *block, struct err *err)
{
    static const char *const names[] = {"timestamps", "lengths", "metadata", "lines"};
    const struct chunk_block *b = &part->head->blocks[part->index];
    bool has_lines = (part->columns & 1U << COLUMN_LINES) != 0;
    uint32_t offset, bytes;

    ASSERT(part->index < part->head->block_count && block->metadata == NULL);
    chunk_block_range(b, part->columns, &offset, &bytes);
    ASSERT(part->stored.len == bytes);

    enum status st =
        block_memory_reserve(m, b->entries, has_lines ? b->columns[COLUMN_LINES].raw_bytes : 0);
    if (st != ST_OK)
        return err_set(err, st, "no memory for a block of %u entries", b->entries);
    block->count = b->entries;
    for (unsigned kind = 0; kind < CHUNK_COLUMNS; kind++) {
        struct str raw;
        if ((part->columns & 1U << kind) == 0)
            continue;
        st = unpack_column(m, part, (enum chunk_column_kind)kind, &raw);
        if (st == ST_OK && !decode_column(m, part, (enum chunk_column_kind)kind, raw, block))
            st = m->metadata.failed ? ST_NOMEM : ST_CORRUPT;
        if (st == ST_NOMEM)
            return err_set(err, st, "no memory for column %s of a block", names[kind]);
        if (st != ST_OK)
            return err_set(err, st, "column %s of block %u is damaged", names[kind], part->index);
    }
    return ST_OK;
}
