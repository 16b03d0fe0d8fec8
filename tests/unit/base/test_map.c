#include "base/map.h"

#include "base/hash.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { KEYS = 400 };

/* Every key there may be, and what the map should hold under it. */
struct model {
    char text[KEYS][8];
    struct str keys[KEYS];
    void *values[KEYS];
    size_t count;
};

static void model_init(struct model *m, struct random *r)
{
    *m = (struct model){.count = 0};
    for (size_t i = 0; i < KEYS; i++) {
        size_t len = 2 + random_below(r, sizeof(m->text[i]) - 2);
        random_letters(r, m->text[i], len);
        m->text[i][0] = (char)(i & 0xff); /* no two are the same; zero bytes too */
        m->text[i][1] = (char)(i >> 8);
        m->keys[i] = str_make(m->text[i], len);
    }
}

static size_t differences(const struct model *model, const struct map *m)
{
    size_t wrong = m->count != model->count, cursor = 0, met = 0;

    for (size_t i = 0; i < KEYS; i++)
        wrong += map_get(m, model->keys[i]) != model->values[i];
    for (void **v = map_next(m, &cursor); v != NULL; v = map_next(m, &cursor)) {
        met++;
        wrong += model->values[v - model->values] != (void *)v;
    }
    return wrong + (met != model->count);
}

Test(map, random_operations)
{
    struct random r = random_begin();
    static struct model model;
    struct map m = {0};
    size_t wrong = 0;

    model_init(&model, &r);
    for (size_t step = 0; step < 20000; step++) {
        size_t i = random_below(&r, KEYS);
        /* Grow for a while, then shrink for a while. */
        bool add = random_below(&r, 10) < (step / 2500 % 2 == 0 ? 7U : 3U);
        if (add) {
            model.count += model.values[i] == NULL;
            model.values[i] = &model.values[i];
            wrong += map_set(&m, model.keys[i], model.values[i]) != ST_OK;
        } else {
            void *want = model.values[i];
            wrong += map_remove(&m, model.keys[i]) != want;
            model.count -= want != NULL;
            model.values[i] = NULL;
        }
        if (step % 100 == 0)
            wrong += differences(&model, &m);
    }
    cr_expect_eq(wrong, 0, "%zu wrong, seed %" PRIu64, wrong, r.seed);
    map_release(&m);
    cr_expect(m.slots == NULL && m.count == 0);
}

/* Keys whose home is the last slot of a table of 16, and its first: runs that wrap around. */
static size_t keys_with_home(size_t home, char keys[][8], size_t count)
{
    size_t found = 0;

    for (unsigned n = 0; found < count && n < 100000; n++) {
        char text[8] = {(char)(n & 0x7f), (char)(n >> 7 & 0x7f), (char)(n >> 14 & 0x7f), 'k'};
        if ((hash_text(str_make(text, 4)) & 15) == home)
            memcpy(keys[found++], text, sizeof(text));
    }
    return found;
}

Test(map, removal_across_the_end)
{
    enum { LAST = 5, FIRST = 4, ALL = LAST + FIRST };
    static char keys[ALL][8];

    cr_assert_eq(keys_with_home(15, keys, LAST), LAST);
    cr_assert_eq(keys_with_home(0, keys + LAST, FIRST), FIRST);
    for (size_t removed = 0; removed < ALL; removed++) {
        struct map m = {0};
        for (size_t i = 0; i < ALL; i++)
            REQUIRE_OK(map_set(&m, str_make(keys[(i * 2) % ALL], 4), keys[(i * 2) % ALL]));
        cr_assert_eq(m.capacity, 16);
        cr_expect_eq(map_remove(&m, str_make(keys[removed], 4)), keys[removed]);
        for (size_t i = 0; i < ALL; i++)
            cr_expect_eq(map_get(&m, str_make(keys[i], 4)), i == removed ? NULL : keys[i],
                         "key %zu after removing %zu", i, removed);
        map_release(&m);
    }
}

Test(map, empty)
{
    struct map m = {0};
    size_t cursor = 0;

    cr_expect_null(map_get(&m, STR("a")));
    cr_expect_null(map_remove(&m, STR("a")));
    cr_expect_null(map_next(&m, &cursor));
    map_release(&m);
}

Test(map, replaces)
{
    char first[] = "key", second[] = "key";
    struct map m = {0};
    int one = 1, two = 2;

    REQUIRE_OK(map_set(&m, str_from(first), &one));
    REQUIRE_OK(map_set(&m, str_from(second), &two));
    first[0] = 'x'; /* the map borrows the newer key from now on */
    cr_expect_eq(map_get(&m, STR("key")), &two);
    cr_expect_eq(m.count, 1);
    REQUIRE_OK(map_set(&m, STR(""), &one));
    cr_expect_eq(map_get(&m, STR_NULL), &one, "an empty key is one");
    map_release(&m);
}

Test(map, memory_runs_out)
{
    char keys[100][4];
    struct map m = {0};
    size_t added = 0;

    for (size_t i = 0; i < 100; i++)
        memcpy(keys[i], (char[]){'k', (char)('0' + i / 10), (char)('0' + i % 10), 0}, 4);
    mem_fail_after(2);
    while (added < 100 && map_set(&m, str_from(keys[added]), keys[added]) == ST_OK)
        added++;
    mem_fail_after(0);
    cr_expect_lt(added, 100);
    cr_expect_eq(m.count, added);
    for (size_t i = 0; i < 100; i++)
        cr_expect_eq(map_get(&m, str_from(keys[i])), i < added ? keys[i] : NULL, "key %zu", i);
    map_release(&m);
}
