/*
 * cores.h - how many threads can run at once.
 */
#ifndef BASE_CORES_H
#define BASE_CORES_H

#include <stddef.h>
#include <unistd.h>

/* At least 1. */
static inline size_t cores_online(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : (size_t)n;
}

#endif
