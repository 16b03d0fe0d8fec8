/*
 * Frame of reference, bit-packing and patched exceptions: M. Zukowski, S. Heman, N. Nes and P.
 * Boncz, "Super-Scalar RAM-CPU Cache Compression", ICDE 2006. As in D. Lemire and L. Boytsov,
 * "Decoding billions of integers per second through vectorization", 2015, a run of 128 has its own
 * width, and what does not fit keeps its low bits in place.
 *
 * An integer of at most 57 bits lies within the eight bytes that begin with its first bit, and one
 * of 64 begins with a byte, so every one is read with a load, a shift and a mask. Nothing depends
 * on the integer before it: a processor reads several at once.
 */
#include "chunks/ints.h"

#include <endian.h>

#include "base/banned.h"

enum {
    WIDTH_MASK = 0x3f, /* of the first byte */
    HAS_BASE = 0x40,
    HAS_EXCEPTIONS = 0x80,
    WIDTH_MAX = 56,  /* in bits, but for */
    WIDTH_FULL = 57, /* which says 64 */
    WORD_BITS = 64,
    WORD_BYTES = 8,
    BYTE_BITS = 8,
    VARINT_BITS = 7,
};

static uint64_t low_bits(unsigned width)
{
    return width == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

static size_t packed_bytes(size_t count, unsigned width)
{
    return (count * width + BYTE_BITS - 1) / BYTE_BITS;
}

static unsigned bits_of(uint64_t v)
{
    return v == 0 ? 0 : WORD_BITS - (unsigned)__builtin_clzll(v);
}

/* ---- writing ---- */

/*
 * The width that takes the fewest bytes, exceptions included. `sizes[n]` integers have n bits.
 *
 * An exception takes a byte for its place, and one for each 7 bits that it is too long or a part of
 * them: as many as there are k with width + 7 k below its length. So what all take follows from how
 * many are longer than a width, and from the bytes at a width 7 bits larger.
 */
static unsigned best_width(const unsigned char *sizes, size_t count, unsigned widest)
{
    unsigned best = widest > WIDTH_MAX ? WORD_BITS : widest;
    size_t best_bytes = packed_bytes(count, best);
    uint16_t bits_bytes[WORD_BITS + VARINT_BITS + 1] = {0}; /* of exceptions, by width */
    unsigned longer = 0;

    _Static_assert(INTS_RUN * (WORD_BITS / VARINT_BITS + 1) <= UINT16_MAX, "no sum wraps around");
    for (unsigned width = widest; width-- > 0;) {
        longer += sizes[width + 1];
        bits_bytes[width] = (uint16_t)(longer + bits_bytes[width + VARINT_BITS]);
        size_t bytes = packed_bytes(count, width) + 1 + longer + bits_bytes[width];
        if (width <= WIDTH_MAX && bytes < best_bytes) {
            best = width;
            best_bytes = bytes;
        }
    }
    return best;
}

static void put_bits(struct buf *out, const uint64_t *values, size_t count, unsigned width)
{
    uint64_t words[INTS_RUN + 1] = {0};
    uint64_t mask = low_bits(width);

    for (size_t i = 0, bit = 0; i < count && width > 0; i++, bit += width) {
        uint64_t v = values[i] & mask;
        unsigned shift = bit % WORD_BITS;
        words[bit / WORD_BITS] |= v << shift;
        if (shift + width > WORD_BITS)
            words[bit / WORD_BITS + 1] |= v >> (WORD_BITS - shift);
    }
    for (size_t i = 0; i < COUNT_OF(words); i++)
        words[i] = htole64(words[i]);
    buf_put(out, str_make((const char *)words, packed_bytes(count, width)));
}

void ints_put_run(struct buf *out, const uint64_t *values, size_t count)
{
    unsigned char sizes[WORD_BITS + 1] = {0};
    uint64_t base = values[0], rests[INTS_RUN], all = 0;
    unsigned exceptions = 0;

    ASSERT(count > 0 && count <= INTS_RUN);
    for (size_t i = 1; i < count; i++)
        base = MIN_OF(base, values[i]);
    for (size_t i = 0; i < count; i++) {
        rests[i] = values[i] - base;
        sizes[bits_of(rests[i])]++;
        all |= rests[i];
    }
    unsigned width = best_width(sizes, count, bits_of(all));
    for (unsigned n = width + 1; n <= WORD_BITS; n++)
        exceptions += sizes[n];

    buf_put_u8(out, (uint8_t)(MIN_OF(width, (unsigned)WIDTH_FULL) | (base > 0 ? HAS_BASE : 0) |
                              (exceptions > 0 ? HAS_EXCEPTIONS : 0)));
    if (base > 0)
        buf_put_uvarint(out, base);
    put_bits(out, rests, count, width);
    if (exceptions > 0)
        buf_put_u8(out, (uint8_t)exceptions);
    for (size_t i = 0; i < count && exceptions > 0; i++) {
        if (bits_of(rests[i]) <= width)
            continue;
        buf_put_u8(out, (uint8_t)i);
        buf_put_uvarint(out, rests[i] >> width);
    }
}

void ints_put(struct buf *out, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i += INTS_RUN)
        ints_put_run(out, values + i, MIN_OF(count - i, (size_t)INTS_RUN));
}

/* ---- reading ---- */

/* Compilers make one load of it. */
static inline uint64_t load_word(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* Integer `i` of those at `p`; what is read behind it, WORD_BYTES at most, is masked off. */
static inline uint64_t integer_at(const char *p, size_t i, unsigned width)
{
    return load_word(p + i * width / BYTE_BITS) >> i * width % BYTE_BITS & low_bits(width);
}

static void get_bits(const char *p, unsigned width, uint64_t base, size_t count, uint64_t *to)
{
    size_t i = 0;

    /* Eight integers fill whole bytes: places and shifts are the same for every eight. */
    for (; i + 8 <= count; i += 8, p += width) {
        to[i] = base + integer_at(p, 0, width);
        to[i + 1] = base + integer_at(p, 1, width);
        to[i + 2] = base + integer_at(p, 2, width);
        to[i + 3] = base + integer_at(p, 3, width);
        to[i + 4] = base + integer_at(p, 4, width);
        to[i + 5] = base + integer_at(p, 5, width);
        to[i + 6] = base + integer_at(p, 6, width);
        to[i + 7] = base + integer_at(p, 7, width);
    }
    for (size_t rest = 0; i + rest < count; rest++)
        to[i + rest] = base + integer_at(p, rest, width);
}

static bool get_exceptions(struct str *in, unsigned width, size_t count, uint64_t *to)
{
    enum { EXCEPTION_BYTES_MIN = 2, MORE = 0x80 };
    uint8_t exceptions;

    if (!get_u8(in, &exceptions))
        return false;
    for (; exceptions > 0; exceptions--) { /* most take two bytes */
        if (in->len < EXCEPTION_BYTES_MIN)
            return false;
        size_t at = (unsigned char)in->ptr[0];
        uint64_t high = (unsigned char)in->ptr[1];
        bool is_short = high < MORE;
        *in = str_cut(*in, is_short ? EXCEPTION_BYTES_MIN : 1);
        if (at >= count || (!is_short && !get_uvarint(in, &high)))
            return false;
        to[at] += high << width;
    }
    return true;
}

bool ints_get_run(struct str *in, size_t count, uint64_t *to)
{
    uint64_t base = 0;
    struct str bits;
    uint8_t form;

    ASSERT(count <= INTS_RUN);
    if (!get_u8(in, &form) || (form & WIDTH_MASK) > WIDTH_FULL)
        return false;
    unsigned width = (form & WIDTH_MASK) == WIDTH_FULL ? WORD_BITS : form & WIDTH_MASK;
    if (((form & HAS_BASE) != 0 && !get_uvarint(in, &base)) ||
        !get_bytes(in, packed_bytes(count, width), &bits))
        return false;
    if (in->len >= WORD_BYTES) {
        get_bits(bits.ptr, width, base, count, to);
    } else { /* the last one: nobody may read behind it */
        char copy[INTS_RUN * WORD_BYTES + WORD_BYTES];
        memset(copy + bits.len, 0, WORD_BYTES);
        if (bits.len > 0)
            memcpy(copy, bits.ptr, bits.len);
        get_bits(copy, width, base, count, to);
    }
    return (form & HAS_EXCEPTIONS) == 0 ||
           (width < WORD_BITS && get_exceptions(in, width, count, to));
}
