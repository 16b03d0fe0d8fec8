#include "base/slots.h"

#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

enum { NUMBERS = 300 };

Test(slots, random_operations)
{
    struct random r = random_begin();
    static uint32_t things[NUMBERS];
    void *model[NUMBERS] = {NULL};
    struct slots s = {0};
    uint32_t count = 0, number = 0;
    size_t wrong = 0;

    for (size_t step = 0; step < 20000; step++) {
        /* Grow for a while, then shrink for a while, at last to nothing. */
        bool add = count < NUMBERS && random_below(&r, 10) < (step / 2500 % 2 == 0 ? 7U : 3U);
        uint32_t i = (uint32_t)random_below(&r, NUMBERS);
        if (add) {
            REQUIRE_OK(slots_add(&s, &things[i], &number));
            cr_assert_lt(number, NUMBERS, "numbers that are free are given again");
            cr_assert_null(model[number], "number %u is given twice", number);
            model[number] = &things[i];
            count++;
        } else if (model[i] != NULL) {
            slots_remove(&s, i);
            model[i] = NULL;
            count--;
        }
        i = (uint32_t)random_below(&r, NUMBERS);
        wrong += slots_at(&s, i) != model[i] || s.count != count;
    }
    for (uint32_t i = 0; i < NUMBERS; i++) {
        wrong += slots_at(&s, i) != model[i];
        if (model[i] != NULL)
            slots_remove(&s, i);
    }
    cr_expect_eq(wrong, 0, "seed %" PRIu64, r.seed);
    cr_expect_eq(s.capacity, 0, "an empty table keeps no memory");
    cr_expect_null(slots_at(&s, 0));
    slots_release(&s);
}

Test(slots, no_memory)
{
    struct slots s = {0};
    uint32_t number = 7;
    int thing;

    mem_fail_after(1);
    EXPECT_STATUS("first", slots_add(&s, &thing, &number), ST_NOMEM);
    cr_expect_eq(number, 7);
    REQUIRE_OK(slots_add(&s, &thing, &number));
    cr_expect_eq(slots_at(&s, number), &thing);
    slots_release(&s);
}
