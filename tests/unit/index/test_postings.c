#include "index/postings.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* ---- a naive model: a set of numbers below SPACE_MAX ---- */

enum { SPACE_MAX = 4096, IDS_MAX = 3 * SPACE_MAX };

struct set {
    bool has[SPACE_MAX];
};

/* Some ids below `space` in random order, perhaps twice, and the set of them. */
static struct postings random_ids(struct random *r, size_t space, uint64_t *ids, struct set *set)
{
    struct postings p = {ids, random_below(r, 3 * space + 1)};

    if (random_below(r, 8) == 0)
        p.count = MIN_OF(p.count, 2);
    memset(set, 0, sizeof(*set));
    for (size_t i = 0; i < p.count; i++) {
        size_t id = random_below(r, space);
        ids[i] = id;
        set->has[id] = true;
    }
    return p;
}

static bool is_set(struct postings p, const struct set *set)
{
    size_t at = 0;

    for (size_t id = 0; id < SPACE_MAX; id++) {
        if (!set->has[id])
            continue;
        if (at == p.count || p.ids[at++] != id)
            return false;
    }
    return at == p.count;
}

/* The first id >= `id` from place `from` on, one after the other. */
static size_t naive_seek(struct postings p, size_t from, uint64_t id)
{
    while (from < p.count && p.ids[from] < id)
        from++;
    return from;
}

static const size_t spaces[] = {1, 2, 5, 30, 300, SPACE_MAX};

Test(postings, algebra)
{
    static uint64_t a_ids[IDS_MAX], b_ids[IDS_MAX], copy[IDS_MAX];
    static struct set a_set, b_set, want;
    struct random r = random_begin();

    for (size_t round = 0; round < 600; round++) {
        size_t space = spaces[round % COUNT_OF(spaces)];
        struct postings a = random_ids(&r, space, a_ids, &a_set);
        struct postings b = random_ids(&r, space, b_ids, &b_set);
        postings_sort(&a);
        postings_sort(&b);
        cr_assert(is_set(a, &a_set) && is_set(b, &b_set), "sort, seed %" PRIu64, r.seed);

        memcpy(copy, a.ids, a.count * sizeof(*copy));
        struct postings both = {copy, a.count};
        for (size_t id = 0; id < SPACE_MAX; id++)
            want.has[id] = a_set.has[id] && b_set.has[id];
        postings_intersect(&both, b);
        cr_assert(is_set(both, &want), "intersect, seed %" PRIu64, r.seed);

        for (size_t id = 0; id < SPACE_MAX; id++)
            want.has[id] = a_set.has[id] && !b_set.has[id];
        postings_subtract(&a, b);
        cr_assert(is_set(a, &want), "subtract, seed %" PRIu64, r.seed);
    }
}

Test(postings, seek)
{
    static uint64_t ids[IDS_MAX];
    static struct set set;
    struct random r = random_begin();

    for (size_t round = 0; round < 300; round++) {
        size_t space = spaces[round % COUNT_OF(spaces)];
        struct postings p = random_ids(&r, space, ids, &set);
        postings_sort(&p);
        for (size_t n = 0; n < 100; n++) {
            size_t from = random_below(&r, p.count + 2);
            uint64_t id = random_below(&r, space + 2);
            size_t want = from > p.count ? p.count : naive_seek(p, from, id);
            cr_assert_eq(postings_seek(p, from, id), want, "seed %" PRIu64, r.seed);
        }
    }
}

Test(postings, large_ids)
{
    uint64_t ids[] = {UINT64_MAX, 1, UINT64_MAX - 1, UINT64_MAX, UINT64_C(1) << 63};
    struct postings p = {ids, COUNT_OF(ids)};

    postings_sort(&p);
    cr_assert_eq(p.count, 4);
    cr_expect(ids[0] == 1 && ids[1] == UINT64_C(1) << 63 && ids[3] == UINT64_MAX);
    cr_expect_eq(postings_seek(p, 0, UINT64_MAX), 3);
}
