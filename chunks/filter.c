/*
 * A Bloom filter with one hash function over the four-byte grams of the lines. What was measured on
 * generated logs, 256 KiB of lines (34 to 70 KB packed) of one kind a block, at 5.5 % of the packed
 * bytes, as the share of absent texts that get through: 36 hexadecimal digits and dashes 0 %, 16
 * hexadecimal digits 1 %, 20 bytes of another kind's lines 2 %, 12 bytes of them 6 %. Grams of
 * three bytes are nearly all there in every block, of five too many for the room, and more than one
 * hash function fills the room up. One size for all, the share of the packed bytes, beats any
 * choice by the number of grams: a larger filter is always the better one.
 *
 * Building is bound by one store a gram, about a third of a nanosecond: grams are noted as bytes in
 * a table that stays in the first cache, and become bits when the block is complete.
 */
#include "chunks/filter.h"

#include "base/banned.h"

_Static_assert(FILTER_BYTES_MAX % FILTER_BYTES_UNIT == 0, "sizes are multiples of the unit");

/* Compilers make one load of it. */
static inline uint32_t load_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Setting 0x20 makes letters lower case; a few punctuation marks fall together too. */
static inline uint32_t gram_place(const unsigned char *gram)
{
    enum { PLACE_SHIFT = 17 };

    _Static_assert(UINT32_MAX >> PLACE_SHIFT == FILTER_PLACES - 1, "as many as there are");
    return (uint32_t)((load_u32(gram) | UINT32_C(0x20202020)) * UINT32_C(0x9e3779b1)) >>
           PLACE_SHIFT;
}

static size_t gram_count(struct str text)
{
    return text.len < FILTER_GRAM_BYTES ? 0 : text.len - FILTER_GRAM_BYTES + 1;
}

void filter_begin(struct filter_builder *f)
{
    memset(f->seen, 0, sizeof(f->seen));
}

void filter_add(struct filter_builder *f, struct str line)
{
    const unsigned char *p = (const unsigned char *)line.ptr;
    size_t grams = gram_count(line), i = 0;

    /* Loads before stores: otherwise a store might change what is loaded next. */
    for (; i + 4 <= grams; i += 4) {
        uint32_t a = gram_place(p + i), b = gram_place(p + i + 1);
        uint32_t c = gram_place(p + i + 2), d = gram_place(p + i + 3);
        f->seen[a] = f->seen[b] = f->seen[c] = f->seen[d] = 1;
    }
    for (; i < grams; i++)
        f->seen[gram_place(p + i)] = 1;
}

/* Eight bytes, 0 or 1 each, as eight bits, lowest first. */
static inline unsigned char pack_bits(const unsigned char *seen)
{
    uint64_t word = load_u32(seen) | (uint64_t)load_u32(seen + 4) << 32;

    return (unsigned char)(word * UINT64_C(0x0102040810204080) >> 56);
}

size_t filter_put(const struct filter_builder *f, size_t bytes_max, struct buf *out)
{
    enum { TOO_FULL_EIGHTHS = 7 };
    size_t bytes = MIN_OF(bytes_max, (size_t)FILTER_BYTES_MAX) & ~(size_t)(FILTER_BYTES_UNIT - 1);
    unsigned char bits[FILTER_BYTES_MAX] = {0};
    size_t set = 0;

    if (bytes < FILTER_BYTES_MIN)
        return 0;
    for (size_t i = 0, at = 0; i < FILTER_BYTES_MAX; i++, at = at + 1 == bytes ? 0 : at + 1)
        bits[at] |= pack_bits(&f->seen[i * 8]);
    for (size_t i = 0; i < bytes; i++)
        set += (size_t)__builtin_popcount(bits[i]);
    if (set > bytes * TOO_FULL_EIGHTHS)
        return 0;
    buf_put(out, str_make((const char *)bits, bytes));
    return bytes;
}

bool filter_may_contain(struct str filter, struct str text)
{
    const unsigned char *bits = (const unsigned char *)filter.ptr;
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t grams = filter.len == 0 ? 0 : gram_count(text);

    for (size_t i = 0; i < grams; i++) {
        size_t bit = gram_place(p + i) % (filter.len * 8);
        if ((bits[bit / 8] >> bit % 8 & 1) == 0)
            return false;
    }
    return true;
}
