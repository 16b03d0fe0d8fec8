#include "cli/progress.h"

#include <criterion/criterion.h>

static const struct bar_case {
    uint64_t done;
    uint64_t total;
    const char *want;
} bar_cases[] = {
    {0, 1 << 20, "[>                                       ]   0 %  0.0 of 1.0 MiB"},
    {1 << 19, 1 << 20, "[====================>                   ]  50 %  0.5 of 1.0 MiB"},
    {1 << 20, 1 << 20, "[========================================] 100 %  1.0 of 1.0 MiB"},
    {1 << 21, 1 << 20, "[========================================] 100 %  2.0 of 1.0 MiB"},
    {0, 0, "[========================================] 100 %  0.0 of 0.0 MiB"},
};

Test(cli_progress, bar)
{
    for (size_t i = 0; i < COUNT_OF(bar_cases); i++) {
        struct buf b;

        buf_init(&b, 256);
        progress_put(&b, bar_cases[i].done, bar_cases[i].total);
        cr_expect(str_eq(buf_str(&b), str_from(bar_cases[i].want)), "%.*s", STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}
