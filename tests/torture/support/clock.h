/*
 * clock.h - the clocks of a torture program, which is linked with them in the place of the real
 * ones (clock_gettime() and pthread_cond_timedwait(), see the Makefile).
 *
 * The wall clock stands until it is set. The monotonic clock runs, and may be moved on: so a test
 * need not wait a minute for what is tried again after a minute.
 */
#ifndef TESTS_TORTURE_SUPPORT_CLOCK_H
#define TESTS_TORTURE_SUPPORT_CLOCK_H

#include <stdint.h>

/* 0: the real one. */
void clock_set_wall(int64_t now_ns);

/* Who waits for a time that has come then ends to wait soon. */
void clock_skip(int64_t ns);

/*
 * How many threads wait for something or a time, whichever comes first, and have begun to since the
 * last skip: others may not have seen it, however long that is ago.
 */
uint64_t clock_sleepers(void);

#endif
