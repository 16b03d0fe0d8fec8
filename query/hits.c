/*
 * A binary heap with the worst entry on top, and a hash table that chains the same entries, so that
 * an entry which lies both in a head and in a chunk, or was pushed twice, is kept once.
 */
#include "query/hits.h"

#include "base/hash.h"
#include "base/mem.h"

#include "base/banned.h"

struct kept_hit {
    struct hit hit;        /* first, so that hits_at() can give it out */
    struct kept_hit *next; /* in its bucket */
    size_t index;          /* in the heap */
    uint64_t hash;
    size_t bytes;
};

enum {
    BUCKETS_MIN = 16,
    HEAP_CAPACITY_MAX = 1 << 20, /* the largest value that the limit of entries can be set to */
};

enum status hits_init(struct hits *h, size_t limit, bool backward, uint64_t bytes_max)
{
    size_t buckets = BUCKETS_MIN;

    ASSERT(limit >= 1 && limit <= HEAP_CAPACITY_MAX);
    while (buckets < limit)
        buckets *= 2;
    *h = (struct hits){
        .limit = limit, .backward = backward, .bytes_max = bytes_max, .bucket_count = buckets};
    h->heap = mem_new(limit, sizeof(struct kept_hit *));
    h->buckets = mem_new(buckets, sizeof(struct kept_hit *));
    if (h->heap == NULL || h->buckets == NULL) {
        hits_release(h);
        return ST_NOMEM;
    }
    return ST_OK;
}

void hits_release(struct hits *h)
{
    for (size_t i = 0; i < h->count; i++)
        mem_free(h->heap[i]);
    mem_free(h->heap);
    mem_free(h->buckets);
    *h = (struct hits){0};
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_streams(const struct source_stream *a, const struct source_stream *b)
{
    if (a == b)
        return 0;
    if (a->hash != b->hash)
        return compare_u64(a->hash, b->hash);
    for (size_t i = 0; i < a->labels.count && i < b->labels.count; i++) {
        int order = str_cmp(a->labels.pairs[i].name, b->labels.pairs[i].name);
        if (order == 0)
            order = str_cmp(a->labels.pairs[i].value, b->labels.pairs[i].value);
        if (order != 0)
            return order;
    }
    return compare_u64(a->labels.count, b->labels.count);
}

/* < 0: `a` comes before `b` in the answer. */
static int compare_hits(const struct hit *a, const struct hit *b, bool backward)
{
    int sign = backward ? -1 : 1;

    if (a->ts_ns != b->ts_ns)
        return a->ts_ns < b->ts_ns ? -sign : sign;
    int order = compare_streams(a->stream, b->stream);
    if (order != 0)
        return order;
    order = compare_u64(a->order, b->order);
    return sign * (order != 0 ? order : compare_u64(a->position, b->position));
}

bool hits_wants(const struct hits *h, int64_t ts_ns)
{
    if (h->count < h->limit)
        return true;
    int64_t worst_ns = h->heap[0]->hit.ts_ns;
    return h->backward ? ts_ns >= worst_ns : ts_ns <= worst_ns;
}

/* ---- doubles ---- */

static uint64_t hash_of(const struct hit *hit)
{
    return hash_text(hit->line) ^
           (hit->stream->hash + (uint64_t)hit->ts_ns * UINT64_C(0x9e3779b97f4a7c15));
}

static bool is_double(const struct hit *a, const struct hit *b)
{
    return a->ts_ns == b->ts_ns && compare_streams(a->stream, b->stream) == 0 &&
           str_eq(a->line, b->line) && labels_eq(a->metadata, b->metadata);
}

static struct kept_hit **bucket_of(const struct hits *h, uint64_t hash)
{
    return &h->buckets[hash & (h->bucket_count - 1)];
}

/* The entry that is kept and the same as `hit`; or NULL. */
static struct kept_hit *find_kept(const struct hits *h, const struct hit *hit, uint64_t hash)
{
    struct kept_hit *k = *bucket_of(h, hash);

    while (k != NULL && (k->hash != hash || !is_double(&k->hit, hit)))
        k = k->next;
    return k;
}

static void unchain(struct hits *h, struct kept_hit *kept)
{
    struct kept_hit **link = bucket_of(h, kept->hash);

    while (*link != kept)
        link = &(*link)->next;
    *link = kept->next;
}

/* ---- the heap ---- */

static bool is_worse(const struct hits *h, size_t a, size_t b)
{
    return compare_hits(&h->heap[a]->hit, &h->heap[b]->hit, h->backward) > 0;
}

static void place(struct hits *h, size_t i, struct kept_hit *kept)
{
    h->heap[i] = kept;
    kept->index = i;
}

static void swap(struct hits *h, size_t a, size_t b)
{
    struct kept_hit *kept = h->heap[a];

    place(h, a, h->heap[b]);
    place(h, b, kept);
}

static void sift_up(struct hits *h, size_t i)
{
    while (i > 0 && is_worse(h, i, (i - 1) / 2)) {
        swap(h, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static void sift_down(struct hits *h, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->count; child++) {
            if (is_worse(h, child, worst))
                worst = child;
        }
        if (worst == i)
            return;
        swap(h, i, worst);
        i = worst;
    }
}

/* One block of memory holds the hit, its pairs, and behind them every string. */
static struct kept_hit *copy_hit(const struct hit *hit, size_t *ret_bytes)
{
    size_t bytes =
        sizeof(struct kept_hit) + hit->metadata.count * sizeof(struct label) + hit->line.len;

    for (size_t i = 0; i < hit->metadata.count; i++)
        bytes += hit->metadata.pairs[i].name.len + hit->metadata.pairs[i].value.len;
    struct kept_hit *kept = mem_bytes(bytes);
    if (kept == NULL)
        return NULL;

    struct label *pairs = (struct label *)(void *)(kept + 1);
    char *to = (char *)(pairs + hit->metadata.count);
    *kept = (struct kept_hit){.hit = *hit, .bytes = bytes};
    kept->hit.metadata = (struct labels){pairs, hit->metadata.count};
    for (size_t i = 0; i < hit->metadata.count; i++) {
        const struct label *from = &hit->metadata.pairs[i];
        memcpy(to, from->name.ptr, from->name.len);
        pairs[i].name = str_make(to, from->name.len);
        to += from->name.len;
        if (from->value.len > 0)
            memcpy(to, from->value.ptr, from->value.len);
        pairs[i].value = str_make(to, from->value.len);
        to += from->value.len;
    }
    if (hit->line.len > 0)
        memcpy(to, hit->line.ptr, hit->line.len);
    kept->hit.line = str_make(to, hit->line.len);
    *ret_bytes = bytes;
    return kept;
}

static void drop_worst(struct hits *h)
{
    struct kept_hit *worst = h->heap[0];

    unchain(h, worst);
    h->bytes -= worst->bytes;
    mem_free(worst);
    h->count--;
    if (h->count > 0) {
        place(h, 0, h->heap[h->count]);
        sift_down(h, 0);
    }
}

/* An entry that came several times stands where the best of them would. */
static void keep_best_position(struct hits *h, struct kept_hit *kept, const struct hit *hit)
{
    h->duplicates++;
    if (compare_hits(hit, &kept->hit, h->backward) < 0) {
        kept->hit.order = hit->order;
        kept->hit.position = hit->position;
        sift_down(h, kept->index);
    }
}

enum status hits_offer(struct hits *h, const struct hit *hit)
{
    size_t bytes;

    if (h->count == h->limit && compare_hits(hit, &h->heap[0]->hit, h->backward) >= 0)
        return ST_OK;
    uint64_t hash = hash_of(hit);
    struct kept_hit *kept = find_kept(h, hit, hash);
    if (kept != NULL) {
        keep_best_position(h, kept, hit);
        return ST_OK;
    }
    kept = copy_hit(hit, &bytes);
    if (kept == NULL)
        return ST_NOMEM;
    if (h->count == h->limit)
        drop_worst(h);
    if (bytes > h->bytes_max - h->bytes) {
        mem_free(kept);
        return ST_LIMIT;
    }
    kept->hash = hash;
    kept->next = *bucket_of(h, hash);
    *bucket_of(h, hash) = kept;
    h->bytes += bytes;
    place(h, h->count++, kept);
    sift_up(h, h->count - 1);
    return ST_OK;
}

void hits_sort(struct hits *h)
{
    size_t count = h->count;

    /* Heap sort in place: the worst moves behind all others, again and again. */
    while (h->count > 1) {
        swap(h, 0, h->count - 1);
        h->count--;
        sift_down(h, 0);
    }
    h->count = count;
}

const struct hit *hits_at(const struct hits *h, size_t i)
{
    ASSERT(i < h->count);
    return &h->heap[i]->hit;
}
