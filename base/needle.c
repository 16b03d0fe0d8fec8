/*
 * The generic search of W. Mula, "SIMD-friendly algorithms for substring searching" (2016), which
 * looks for the first and the last byte of the needle at once; here they are the two rarest of its
 * first bytes, as in A. Gallant's memchr (its "packed pair").
 *
 * A start is a place where the needle may begin; starts are looked at 32 at a time. A scan skips
 * the groups in which no start has both bytes, which is nearly all of them, and gives the starts of
 * the first other group as a mask.
 */
#include "base/needle.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "base/banned.h"

enum {
    GROUP = 32,        /* starts */
    PLACES_MAX = 64,   /* the two bytes are among so many of the needle */
    CHEAP_BYTES = 64,  /* comparing so few costs no more than skipping them another way */
    WASTE_FACTOR = 8,  /* bytes compared in vain for each byte passed, */
    WASTE_FREE = 4096, /* and before anything is passed */
};

/* ---- which two bytes ---- */

/* How common a byte is in log lines: 0 is rare. */
static size_t commonness(unsigned char c)
{
    static const char common_first[] =
        " e0t1a2o\"in3s4r5/d:-c.=p6l78mu9,hfgvTyb_k{}wxj[]()PGEISOACR";
    const char *hit = memchr(common_first, c, sizeof(common_first) - 1);

    return hit == NULL ? 0 : sizeof(common_first) - (size_t)(hit - common_first);
}

/* The place of the rarest byte but that at `other`; the earlier one of two as rare. */
static size_t rarest(struct str text, size_t other)
{
    size_t places = MIN_OF(text.len, (size_t)PLACES_MAX), best = STR_NPOS, best_common = 0;

    for (size_t i = 0; i < places; i++) {
        size_t common = commonness((unsigned char)text.ptr[i]);
        if (i != other && (best == STR_NPOS || common < best_common)) {
            best = i;
            best_common = common;
        }
    }
    return best == STR_NPOS ? other : best;
}

static bool is_small_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

struct needle needle_make(struct str text, bool any_case)
{
    struct needle n = {.text = text, .any_case = any_case};

    ASSERT(text.len > 0);
    ASSERT(!any_case || text.len <= NEEDLE_ANY_CASE_BYTES_MAX);
    size_t first = rarest(text, STR_NPOS), places[2] = {first, rarest(text, first)};
    for (size_t i = 0; i < 2; i++) {
        char c = text.ptr[places[i]];
        n.at[i] = (uint8_t)places[i];
        n.byte[i] = (uint8_t)c;
        n.ignored[i] = any_case && is_small_letter(c) ? 0x20 : 0;
    }
    return n;
}

/* ---- scans ---- */

/*
 * From `*at` on skip whole groups of starts that end at or before `end` as long as no start in them
 * has both bytes; gives the starts of the group at `*at` that have, 0 if there is no whole one.
 */
typedef uint32_t scan_fn(const struct needle *n, const char *text, size_t *at, size_t end);

/* The starts of one group, perhaps a short one, that have both bytes. */
static uint32_t plain_group(const struct needle *n, const char *text, size_t count)
{
    const unsigned char *p = (const unsigned char *)text + n->at[0];
    const unsigned char *q = (const unsigned char *)text + n->at[1];
    uint32_t mask = 0;

    for (size_t i = 0; i < count; i++) {
        if ((p[i] | n->ignored[0]) == n->byte[0] && (q[i] | n->ignored[1]) == n->byte[1])
            mask |= UINT32_C(1) << i;
    }
    return mask;
}

static uint32_t scan_plain(const struct needle *n, const char *text, size_t *at, size_t end)
{
    for (; end - *at >= GROUP; *at += GROUP) {
        uint32_t mask = plain_group(n, text + *at, GROUP);
        if (mask != 0)
            return mask;
    }
    return 0;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) static uint32_t scan_avx2(const struct needle *n, const char *text,
                                                          size_t *at, size_t end)
{
    const __m256i byte0 = _mm256_set1_epi8((char)n->byte[0]);
    const __m256i byte1 = _mm256_set1_epi8((char)n->byte[1]);
    const __m256i ignored0 = _mm256_set1_epi8((char)n->ignored[0]);
    const __m256i ignored1 = _mm256_set1_epi8((char)n->ignored[1]);
    const char *p = text + n->at[0], *q = text + n->at[1];
    size_t i = *at;
    uint32_t mask = 0;

    for (; end - i >= GROUP; i += GROUP) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(q + i));
        a = _mm256_cmpeq_epi8(_mm256_or_si256(a, ignored0), byte0);
        b = _mm256_cmpeq_epi8(_mm256_or_si256(b, ignored1), byte1);
        mask = (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(a, b));
        if (mask != 0)
            break;
    }
    *at = i;
    return mask;
}

static inline uint32_t pair_sse2(const struct needle *n, const char *text)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(text + n->at[0]));
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(text + n->at[1]));

    a = _mm_or_si128(a, _mm_set1_epi8((char)n->ignored[0]));
    b = _mm_or_si128(b, _mm_set1_epi8((char)n->ignored[1]));
    a = _mm_cmpeq_epi8(a, _mm_set1_epi8((char)n->byte[0]));
    b = _mm_cmpeq_epi8(b, _mm_set1_epi8((char)n->byte[1]));
    return (uint32_t)_mm_movemask_epi8(_mm_and_si128(a, b));
}

static uint32_t scan_sse2(const struct needle *n, const char *text, size_t *at, size_t end)
{
    for (; end - *at >= GROUP; *at += GROUP) {
        uint32_t mask = pair_sse2(n, text + *at) | pair_sse2(n, text + *at + GROUP / 2) << 16;
        if (mask != 0)
            return mask;
    }
    return 0;
}

static scan_fn *best_scan(void)
{
    return __builtin_cpu_supports("avx2") ? scan_avx2 : scan_sse2;
}

#elif defined(__aarch64__)

static inline uint8x16_t pair_neon(const struct needle *n, const char *text)
{
    uint8x16_t a = vld1q_u8((const uint8_t *)text + n->at[0]);
    uint8x16_t b = vld1q_u8((const uint8_t *)text + n->at[1]);

    a = vceqq_u8(vorrq_u8(a, vdupq_n_u8(n->ignored[0])), vdupq_n_u8(n->byte[0]));
    b = vceqq_u8(vorrq_u8(b, vdupq_n_u8(n->ignored[1])), vdupq_n_u8(n->byte[1]));
    return vandq_u8(a, b);
}

static uint32_t scan_neon(const struct needle *n, const char *text, size_t *at, size_t end)
{
    for (; end - *at >= GROUP; *at += GROUP) {
        uint8x16_t hits = vorrq_u8(pair_neon(n, text + *at), pair_neon(n, text + *at + GROUP / 2));
        if (vmaxvq_u8(hits) != 0)
            return plain_group(n, text + *at, GROUP);
    }
    return 0;
}

static scan_fn *best_scan(void)
{
    return scan_neon;
}

#else

static scan_fn *best_scan(void)
{
    return scan_plain;
}

#endif

/* ---- the search ---- */

static bool is_here(const struct needle *n, const char *text)
{
    if (!n->any_case)
        return memcmp(text, n->text.ptr, n->text.len) == 0;
    for (size_t i = 0; i < n->text.len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != n->text.ptr[i])
            return false;
    }
    return true;
}

/* The first of the starts `*mask` at which the needle is, or STR_NPOS; it and those before go. */
static size_t first_hit(const struct needle *n, const char *text, uint32_t mask, size_t *waste)
{
    for (; mask != 0; mask &= mask - 1) {
        size_t i = (size_t)__builtin_ctz(mask);
        if (is_here(n, text + i))
            return i;
        *waste += n->text.len;
    }
    return STR_NPOS;
}

static size_t find(const struct needle *n, struct str text, scan_fn *scan)
{
    size_t at = 0, waste = 0, hit;

    if (text.len < n->text.len)
        return STR_NPOS;
    size_t starts = text.len - n->text.len + 1;
    for (uint32_t mask; (mask = scan(n, text.ptr, &at, starts)) != 0; at += GROUP) {
        hit = first_hit(n, text.ptr + at, mask, &waste);
        if (hit != STR_NPOS)
            return at + hit;
        if (n->text.len > CHEAP_BYTES && waste > WASTE_FREE + WASTE_FACTOR * at) {
            hit = str_find(str_cut(text, at), n->text);
            return hit == STR_NPOS ? hit : at + hit;
        }
    }

    /* Starts are left that are no whole group: they are the end of one that overlaps the last. */
    size_t left = starts - at, begin = starts >= GROUP ? starts - GROUP : at;
    if (left == 0)
        return STR_NPOS;
    uint32_t mask = starts >= GROUP ? scan(n, text.ptr, &begin, starts) : 0;
    if (starts < GROUP)
        mask = plain_group(n, text.ptr, starts);
    else
        mask &= UINT32_MAX << (GROUP - left);
    hit = first_hit(n, text.ptr + begin, mask, &waste);
    return hit == STR_NPOS ? hit : begin + hit;
}

size_t needle_find(const struct needle *n, struct str text)
{
    return find(n, text, best_scan());
}

size_t needle_find_plain(const struct needle *n, struct str text)
{
    return find(n, text, scan_plain);
}
