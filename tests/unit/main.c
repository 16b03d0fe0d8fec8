/*
 * Criterion's own main(), but for one thing: this process, which starts the tests and runs none,
 * is not asked for leaks. Criterion has some, now and then. Each test is a process of its own that
 * is asked; scripts/test looks for what it says.
 */
#include <stdio.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/banned.h"

int main(int argc, char **argv)
{
    struct criterion_test_set *tests = criterion_initialize();
    int status = 0;

    if (criterion_handle_args(argc, argv, true))
        status = criterion_run_all_tests(tests) ? 0 : 1;
    criterion_finalize(tests);
    (void)fflush(NULL);
    _exit(status);
}
