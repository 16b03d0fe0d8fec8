#include "base/mem.h"

#include <string.h>

#include "tests/support/expect.h"

#include "base/banned.h"

Test(mem, pages_are_zeroed_and_can_be_written)
{
    enum { BYTES = 100 * 1000 }; /* no multiple of a page */
    char *pages = mem_pages(BYTES);
    size_t wrong = 0;

    cr_assert_not_null(pages);
    for (size_t i = 0; i < BYTES; i++)
        wrong += pages[i] != 0;
    cr_expect_eq(wrong, 0);
    memset(pages, 'x', BYTES);
    mem_pages_free(pages, BYTES);
    mem_pages_free(NULL, BYTES);
}

Test(mem, pages_can_fail)
{
    mem_fail_after(1);
    cr_expect_null(mem_pages(1));
    char *pages = mem_pages(1);
    cr_expect_not_null(pages);
    mem_pages_free(pages, 1);
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
