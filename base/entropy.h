/*
 * entropy.h - bytes that nobody can guess, from the kernel.
 */
#ifndef BASE_ENTROPY_H
#define BASE_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* `count` is at most 256. ST_IO when the kernel has none. */
MUST_CHECK enum status entropy_get(void *to, size_t count, struct err *err);

/* For tests of file formats: from now on the bytes are 0, 1, 2 and so on. */
void entropy_fake(bool on);

#endif
