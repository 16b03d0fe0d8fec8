#include "base/mem.h"

#include <string.h>

#include "tests/support/expect.h"

#include "base/banned.h"

Test(mem, pages_can_be_written)
{
    enum { BYTES = 100 * 1000 }; /* no multiple of a page */
    char *pages = mem_pages(BYTES);

    cr_assert_not_null(pages);
    memset(pages, 'x', BYTES);
    mem_pages_free(pages, BYTES);
    mem_pages_free(NULL, BYTES);
}

/* Freed ones come again; no two of those in use are the same, however many are kept. */
Test(mem, pages_of_the_usual_size_are_kept_until_a_trim)
{
    enum { COUNT = MEM_PAGES_KEPT_MAX + 3 };
    static char *pages[COUNT];
    size_t wrong = 0;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            pages[i] = mem_pages(MEM_PAGES_USUAL_BYTES);
            cr_assert_not_null(pages[i]);
            memset(pages[i], (int)(i % 251), MEM_PAGES_USUAL_BYTES);
        }
        for (size_t i = 0; i < COUNT; i++) {
            wrong += pages[i][0] != (char)(i % 251);
            wrong += pages[i][MEM_PAGES_USUAL_BYTES - 1] != (char)(i % 251);
            mem_pages_free(pages[i], MEM_PAGES_USUAL_BYTES);
        }
    }
    cr_expect_eq(wrong, 0, "%zu", wrong);

    mem_trim();
    char *first = mem_pages(MEM_PAGES_USUAL_BYTES);
    mem_pages_free(first, MEM_PAGES_USUAL_BYTES);
    cr_expect_eq(mem_pages(MEM_PAGES_USUAL_BYTES), first);
    mem_pages_free(first, MEM_PAGES_USUAL_BYTES);
    mem_trim();
}

Test(mem, pages_can_fail)
{
    mem_fail_after(1);
    cr_expect_null(mem_pages(1));
    char *pages = mem_pages(1);
    cr_expect_not_null(pages);
    mem_pages_free(pages, 1);
}

Test(mem, what_is_large_can_fail)
{
    mem_fail_large(100);
    cr_expect_null(mem_new(10, 10));
    cr_expect_null(mem_pages(100));
    char *small = mem_bytes(99);
    cr_expect_not_null(small);
    cr_expect_null(mem_grow(small, 1, 100));
    mem_free(small);
    mem_fail_after(0);
    char *large = mem_bytes(100);
    cr_expect_not_null(large);
    mem_free(large);
}

/* What is in use stays as it is, before and after the heap is told to keep little. */
Test(mem, tuning_and_trimming_keep_what_is_in_use)
{
    struct str before = mem_str(STR("before"));

    mem_tune();
    struct str after = mem_str(STR("after"));
    mem_free(mem_bytes(8 << 20));
    mem_trim();
    cr_expect(str_eq(before, STR("before")));
    cr_expect(str_eq(after, STR("after")));
    mem_free((void *)(uintptr_t)before.ptr);
    mem_free((void *)(uintptr_t)after.ptr);
}
