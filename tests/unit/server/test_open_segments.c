#include "server/store/open_segments.h"

#include "tests/support/expect.h"

#include "base/banned.h"

static const struct str tenant = STR_INIT("t");
static const struct str other = STR_INIT("o");

static struct open_segment *add(struct open_segments *t, uint64_t id, struct str name, int32_t day,
                                enum segment_state state)
{
    const struct segment_ref ref = {
        .id = id, .day = day, .committed_bytes = id * 10, .tenant = name, .state = state};
    struct open_segment *segment = open_segments_add(t, &ref);

    cr_assert_not_null(segment);
    cr_expect(segment->committed_bytes == id * 10 && segment->written_bytes == id * 10);
    return segment;
}

static uint64_t newest_id(const struct open_segments *t, struct str name, int32_t day,
                          enum segment_state state)
{
    const struct open_segment *segment = open_segments_newest(t, name, day, state);

    return segment == NULL ? 0 : segment->name.id;
}

Test(open_segments, are_found_by_place_and_id)
{
    struct open_segments t = {0};

    cr_expect_eq(newest_id(&t, tenant, 5, SEGMENT_FLUSHED), 0);
    (void)add(&t, 1, tenant, 5, SEGMENT_FLUSHED);
    (void)add(&t, 2, tenant, 5, SEGMENT_MERGED);
    (void)add(&t, 3, tenant, -5, SEGMENT_FLUSHED);
    (void)add(&t, 4, other, 5, SEGMENT_FLUSHED);
    cr_expect_eq(newest_id(&t, tenant, 5, SEGMENT_FLUSHED), 1);
    cr_expect_eq(newest_id(&t, tenant, 5, SEGMENT_MERGED), 2);
    cr_expect_eq(newest_id(&t, tenant, -5, SEGMENT_FLUSHED), 3);
    cr_expect_eq(newest_id(&t, other, 5, SEGMENT_FLUSHED), 4);
    cr_expect_eq(newest_id(&t, other, 6, SEGMENT_FLUSHED), 0);
    cr_expect_eq(open_segments_find(&t, 3)->name.day, -5);
    cr_expect_null(open_segments_find(&t, 9));
    open_segments_release(&t);
}

/* Of one place, removed in the order of `removed`: the newest that is left is the first found. */
Test(open_segments, of_one_place)
{
    static const uint64_t removed[][3] = {{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {2, 1, 3}};
    static const uint64_t newest[][3] = {{3, 3, 0}, {2, 1, 0}, {3, 1, 0}, {3, 3, 0}};

    for (size_t i = 0; i < COUNT_OF(removed); i++) {
        struct open_segments t = {0};
        for (uint64_t id = 1; id <= 3; id++)
            (void)add(&t, id, tenant, 5, SEGMENT_FLUSHED);
        cr_expect_eq(newest_id(&t, tenant, 5, SEGMENT_FLUSHED), 3);
        for (size_t k = 0; k < 3; k++) {
            open_segments_remove(&t, open_segments_find(&t, removed[i][k]));
            cr_expect_null(open_segments_find(&t, removed[i][k]));
            cr_expect_eq(newest_id(&t, tenant, 5, SEGMENT_FLUSHED), newest[i][k], "%zu %zu", i, k);
        }
        open_segments_release(&t);
    }
}

Test(open_segments, a_batch_uses_some)
{
    struct open_segments t = {0};

    (void)add(&t, 1, tenant, 5, SEGMENT_FLUSHED);
    struct open_segment *second = add(&t, 2, tenant, 6, SEGMENT_FLUSHED);
    open_segments_use(&t, second);
    open_segments_use(&t, second);
    cr_expect(t.used == second && second->next_used == NULL);
    open_segments_settle(&t);
    cr_expect(t.used == NULL && !second->used);
    open_segments_remove(&t, second);
    open_segments_release(&t);
}
