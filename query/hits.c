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

/* < 0: `a` comes before `b` in the answer. */
static int compare_hits(const struct hit *a, const struct hit *b, bool backward)
{
    int sign = backward ? -1 : 1;

    if (a->ts_ns != b->ts_ns)
        return a->ts_ns < b->ts_ns ? -sign : sign;
    int order = source_stream_compare(a->stream, b->stream);
    if (order != 0)
        return order;
    order = compare_u64(a->order, b->order);
    return sign * (order != 0 ? order : compare_u64(a->position, b->position));
}

int64_t hits_bound_ns(const struct hits *h)
{
    if (h->count < h->limit)
        return h->backward ? INT64_MIN : INT64_MAX;
    return h->heap[0]->hit.ts_ns;
}

/* ---- doubles ---- */

static uint64_t hash_of(const struct hit *hit)
{
    return hash_text(hit->line) ^
           (hit->stream->hash + (uint64_t)hit->ts_ns * UINT64_C(0x9e3779b97f4a7c15));
}

static bool is_double(const struct hit *a, const struct hit *b)
{
    return a->ts_ns == b->ts_ns && source_stream_compare(a->stream, b->stream) == 0 &&
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

/* The labels of the stream stay valid as long as the query; no stage has touched them. */
static bool is_borrowed(const struct hit *hit, struct labels l)
{
    return l.pairs == hit->stream->labels.pairs && l.count == hit->stream->labels.count;
}

/* No stage has changed the line, so one copy serves as both. */
static bool shows_line(const struct hit *hit)
{
    return hit->shown.ptr == hit->line.ptr && hit->shown.len == hit->line.len;
}

static size_t labels_bytes(struct labels l)
{
    size_t bytes = l.count * sizeof(struct label);

    for (size_t i = 0; i < l.count; i++)
        bytes += l.pairs[i].name.len + l.pairs[i].value.len;
    return bytes;
}

static size_t hit_bytes(const struct hit *hit)
{
    size_t bytes = sizeof(struct kept_hit) + hit->line.len + labels_bytes(hit->metadata);

    for (int c = 0; c < LABEL_CATEGORY_COUNT; c++)
        bytes += is_borrowed(hit, hit->labels.of[c]) ? 0 : labels_bytes(hit->labels.of[c]);
    return bytes + (shows_line(hit) ? 0 : hit->shown.len);
}

/* Where the copies of a hit go: pairs from the front, because they want alignment, then bytes. */
struct copying {
    struct label *pairs;
    char *bytes;
};

static struct str copy_str(struct copying *c, struct str s)
{
    char *to = c->bytes;

    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    c->bytes += s.len;
    return str_make(to, s.len);
}

static struct labels copy_labels(struct copying *c, struct labels from)
{
    struct labels to = {c->pairs, from.count};

    for (size_t i = 0; i < from.count; i++) {
        c->pairs->name = copy_str(c, from.pairs[i].name);
        c->pairs->value = copy_str(c, from.pairs[i].value);
        c->pairs++;
    }
    return to;
}

/* One block of memory holds the hit, its pairs, and behind them every string. */
static struct kept_hit *copy_hit(const struct hit *hit, size_t *ret_bytes)
{
    size_t bytes = hit_bytes(hit), pairs = hit->metadata.count;
    struct kept_hit *kept = mem_bytes(bytes);

    if (kept == NULL)
        return NULL;
    for (int c = 0; c < LABEL_CATEGORY_COUNT; c++)
        pairs += is_borrowed(hit, hit->labels.of[c]) ? 0 : hit->labels.of[c].count;

    struct label *first = (struct label *)(void *)(kept + 1);
    struct copying to = {first, (char *)(first + pairs)};
    *kept = (struct kept_hit){.hit = *hit, .bytes = bytes};
    kept->hit.metadata = copy_labels(&to, hit->metadata);
    for (int c = 0; c < LABEL_CATEGORY_COUNT; c++) {
        if (!is_borrowed(hit, hit->labels.of[c]))
            kept->hit.labels.of[c] = copy_labels(&to, hit->labels.of[c]);
    }
    kept->hit.line = copy_str(&to, hit->line);
    kept->hit.shown = shows_line(hit) ? kept->hit.line : copy_str(&to, hit->shown);
    ASSERT(to.bytes == (char *)kept + bytes);
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
