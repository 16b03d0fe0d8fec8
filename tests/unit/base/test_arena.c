#include "base/arena.h"

#include <pthread.h>

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

Test(arena, objects_are_zeroed_and_aligned)
{
    struct random r = random_begin();
    struct arena a;
    unsigned crooked = 0, dirty = 0;

    arena_init(&a, 64 * MIB);
    for (size_t i = 0; i < 2000; i++) {
        char *odd = arena_bytes(&a, random_below(&r, 7));
        size_t size = random_below(&r, 900);
        char *object = arena_alloc(&a, 1, size);
        cr_assert(odd != NULL && object != NULL, "seed %" PRIu64, r.seed);
        crooked += (uintptr_t)object % 16 != 0;
        for (size_t at = 0; at < size; at++)
            dirty += object[at] != 0;
        memset(object, 0xff, size);
    }
    cr_expect_eq(crooked, 0, "seed %" PRIu64, r.seed);
    cr_expect_eq(dirty, 0, "seed %" PRIu64, r.seed);
    EXPECT_STATUS("not failed", arena_status(&a, NULL), ST_OK);
    arena_release(&a);
}

Test(arena, objects_do_not_overlap)
{
    enum { OBJECTS = 3000 };
    struct random r = random_begin();
    struct arena a;
    static uint32_t *objects[OBJECTS];
    static size_t counts[OBJECTS];
    unsigned wrong = 0;

    arena_init(&a, 64 * MIB);
    for (uint32_t i = 0; i < OBJECTS; i++) {
        counts[i] = random_below(&r, i % 100 == 0 ? 20000 : 50);
        objects[i] = arena_new(&a, uint32_t, counts[i]);
        cr_assert_not_null(objects[i], "seed %" PRIu64, r.seed);
        for (size_t at = 0; at < counts[i]; at++)
            objects[i][at] = i;
    }
    for (uint32_t i = 0; i < OBJECTS; i++) {
        for (size_t at = 0; at < counts[i]; at++)
            wrong += objects[i][at] != i;
    }
    cr_expect_eq(wrong, 0, "seed %" PRIu64, r.seed);
    arena_release(&a);
}

static const struct maximum_case {
    const char *name;
    size_t max_bytes;
    size_t object_bytes;
    bool fits;
} maximum_cases[] = {
    {"nothing may be taken", 0, 1, false},
    {"not even room for a block", 8, 1, false},
    {"small", 100, 50, true},
    {"small, too much", 100, 100, false},
    {"larger than the first block", 8000, 7900, true},
    {"as large as can be asked for", SIZE_MAX, SIZE_MAX, false},
    {"half of that", SIZE_MAX, SIZE_MAX / 2 + 1, false},
};

Test(arena, maximum)
{
    for (size_t i = 0; i < COUNT_OF(maximum_cases); i++) {
        const struct maximum_case *c = &maximum_cases[i];
        struct err err = {.text = ""};
        struct arena a;

        arena_init(&a, c->max_bytes);
        char *bytes = arena_bytes(&a, c->object_bytes);
        cr_expect_eq(bytes != NULL, c->fits, "%s", c->name);
        cr_expect_eq(a.failed, !c->fits, "%s: failed", c->name);
        EXPECT_STATUS(c->name, arena_status(&a, &err), c->fits ? ST_OK : ST_LIMIT);
        cr_expect_eq(err.text[0] != '\0', !c->fits, "%s: text %s", c->name, err.text);
        cr_expect_leq(a.used_bytes, a.max_bytes, "%s", c->name);
        arena_release(&a);
        cr_expect_not(a.failed, "%s: a release makes it good again", c->name);
    }
}

Test(arena, never_above_its_maximum)
{
    struct random r = random_begin();
    unsigned above = 0;

    for (size_t round = 0; round < 300; round++) {
        struct arena a;
        size_t taken = 0;
        arena_init(&a, random_below(&r, 100000));
        while (!a.failed) {
            size_t len = random_below(&r, 5000);
            taken += arena_bytes(&a, len) == NULL ? 0 : len;
            above += taken > a.max_bytes || a.used_bytes > a.max_bytes;
        }
        arena_release(&a);
    }
    cr_expect_eq(above, 0, "seed %" PRIu64, r.seed);
}

Test(arena, multiplication_that_overflows)
{
    struct arena a;

    arena_init(&a, SIZE_MAX);
    cr_expect_null(arena_alloc(&a, SIZE_MAX / 2, 3));
    cr_expect(a.failed);
    arena_release(&a);
}

static void note_release(void *object)
{
    char **log = object;

    *(*log)++ = 'x';
}

struct released {
    struct str_log *log;
    char name;
};

struct str_log {
    char text[8];
    size_t len;
};

static void note_name(void *object)
{
    const struct released *r = object;

    r->log->text[r->log->len++] = r->name;
}

Test(arena, cleanups_run_newest_first)
{
    struct str_log log = {.len = 0};
    struct released objects[] = {{&log, 'a'}, {&log, 'b'}, {&log, 'c'}};
    struct arena a;

    arena_init(&a, 4096);
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        cr_assert(arena_on_release(&a, note_name, &objects[i]));
    arena_release(&a);
    EXPECT_STR("order", str_make(log.text, log.len), STR("cba"));
    arena_release(&a);
    EXPECT_STR("each once", str_make(log.text, log.len), STR("cba"));
}

Test(arena, cleanup_that_does_not_fit)
{
    char marks[2] = "", *log = marks;
    struct arena a;

    arena_init(&a, 8);
    cr_expect_not(arena_on_release(&a, note_release, &log));
    cr_expect(a.failed);
    arena_release(&a);
    cr_expect_eq(log, marks, "the object stayed the caller's");
}

Test(arena, strings)
{
    struct arena a;

    arena_init(&a, 64 * KIB);
    struct str copy = arena_str(&a, STR("a\0b"));
    EXPECT_STR("copy", copy, STR("a\0b"));
    cr_expect_eq(copy.ptr[copy.len], '\0', "a zero byte ends it");
    struct str empty = arena_str(&a, STR_NULL);
    cr_expect(empty.ptr != NULL && empty.len == 0 && empty.ptr[0] == '\0');
    struct str text = arena_printf(&a, "%d %s", 42, "lines");
    EXPECT_STR("printf", text, STR("42 lines"));
    struct str nothing = arena_printf(&a, "%s", "");
    cr_expect(nothing.ptr != NULL && nothing.len == 0);
    cr_expect_null(arena_printf(&a, "%*d", 70000, 1).ptr);
    cr_expect(a.failed);
    arena_release(&a);
}

Test(arena, reserve_doubles)
{
    struct arena a;
    uint64_t *items = NULL;
    size_t capacity = 0;
    unsigned moves = 0;

    arena_init(&a, 16 * MIB);
    for (size_t count = 0; count < 10000; count++) {
        uint64_t *before = items;
        items = arena_reserve(&a, items, count, &capacity, sizeof(*items));
        cr_assert_not_null(items);
        cr_assert_gt(capacity, count);
        moves += items != before;
        items[count] = count;
    }
    for (size_t i = 0; i < 10000; i++)
        cr_assert_eq(items[i], i);
    cr_expect_leq(moves, 14, "%u moves", moves);
    capacity = SIZE_MAX / 2 + 1;
    cr_expect_null(arena_reserve(&a, items, capacity, &capacity, sizeof(*items)));
    cr_expect_eq(capacity, SIZE_MAX / 2 + 1);
    arena_release(&a);
}

Test(arena, nth_allocation_fails)
{
    for (int64_t n = 1; n < 5; n++) {
        struct arena a;
        size_t count = 0;

        arena_init(&a, 64 * MIB);
        mem_fail_after(n);
        while (count < 100 && arena_bytes(&a, 256 * KIB) != NULL) /* a block each */
            count++;
        mem_fail_after(0);
        cr_expect(a.failed, "allocation %" PRId64, n);
        cr_expect_eq(count, (size_t)n - 1, "allocation %" PRId64 ": %zu", n, count);
        EXPECT_STATUS("no memory", arena_status(&a, NULL), ST_LIMIT);
        arena_release(&a);
    }
}

Test(arena, a_child_shares_the_maximum)
{
    struct arena parent, child;

    arena_init(&parent, 64 * 1024);
    arena_init_child(&child, &parent);
    cr_assert_not_null(arena_bytes(&parent, 30 * 1024));
    cr_assert_not_null(arena_bytes(&child, 30 * 1024));
    cr_expect_null(arena_bytes(&child, 30 * 1024));
    cr_expect(child.failed && !parent.failed);
    size_t both = parent.used_bytes;
    arena_reset(&child);
    cr_expect_eq(parent.used_bytes, both, "one block is kept");
    arena_release(&child);
    cr_expect(parent.used_bytes < both);
    cr_expect_not_null(arena_bytes(&parent, 30 * 1024));
    cr_expect_not_null(arena_bytes(&child, 1));
    arena_release(&child);
    arena_release(&parent);
}

Test(arena, reset_keeps_the_newest_block)
{
    struct arena a;

    arena_init(&a, 1024 * 1024);
    arena_reset(&a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            cr_assert_not_null(arena_alloc(&a, 1, 100));
        arena_reset(&a);
        cr_expect(a.used_bytes <= 256 * 1024, "%zu", a.used_bytes);
    }
    cr_expect_null(arena_bytes(&a, 2 * 1024 * 1024));
    cr_expect(a.failed);
    arena_reset(&a);
    cr_expect_not(a.failed);
    arena_release(&a);
}

Test(arena, charges)
{
    struct arena parent, child;

    arena_init(&parent, 1000);
    arena_init_child(&child, &parent);
    cr_expect(arena_charge(&child, 600));
    cr_expect_not(arena_charge(&parent, 600));
    cr_expect(parent.failed);
    cr_expect_not(child.failed);
    arena_release(&child);
    cr_expect_eq(parent.used_bytes, 0);
    cr_expect(arena_charge(&parent, 1000));
    cr_expect_null(arena_bytes(&parent, 1));
    arena_release(&parent);
    cr_expect_eq(parent.used_bytes, 0);
}

enum { SHARERS = 4, SHARED_BYTES = 1024 * 1024 };

static void *fill_and_release(void *parent)
{
    size_t most = 0;

    for (int round = 0; round < 200; round++) {
        struct arena a;
        arena_init_child(&a, parent);
        size_t bytes = 0;
        while (arena_bytes(&a, 10000) != NULL)
            bytes += 10000;
        most = MAX_OF(most, bytes);
        arena_release(&a);
    }
    return (void *)(uintptr_t)most;
}

Test(arena, threads_share_a_maximum)
{
    struct arena root, child;
    pthread_t threads[SHARERS];

    arena_init(&root, SHARED_BYTES);
    arena_init_child(&child, &root);
    for (size_t i = 0; i < SHARERS; i++) /* a child of a child shares the same maximum */
        cr_assert_eq(pthread_create(&threads[i], NULL, fill_and_release, &child), 0);
    for (size_t i = 0; i < SHARERS; i++) {
        void *most;
        cr_assert_eq(pthread_join(threads[i], &most), 0);
        cr_expect((uintptr_t)most <= SHARED_BYTES);
    }
    cr_expect_eq(root.used_bytes, 0);
    arena_release(&child);
    arena_release(&root);
}
