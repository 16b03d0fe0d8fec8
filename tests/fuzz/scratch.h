/*
 * scratch.h - a directory for targets that read files by their names. `run` gives one in memory by
 * $TMPDIR, and removes it at the end.
 */
#ifndef TESTS_FUZZ_SCRATCH_H
#define TESTS_FUZZ_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

enum { SCRATCH_PATH_BYTES = 512 };

static inline void scratch_make(char path[SCRATCH_PATH_BYTES])
{
    const char *above = getenv("TMPDIR");
    int len =
        snprintf(path, SCRATCH_PATH_BYTES, "%s/skald-fuzz-XXXXXX", above == NULL ? "/tmp" : above);

    ASSERT(len > 0 && len < SCRATCH_PATH_BYTES && mkdtemp(path) != NULL);
}

#endif
