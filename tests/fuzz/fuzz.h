/*
 * fuzz.h - what every fuzz target has: one function that takes any bytes.
 *
 * A target fails by an ASSERT(), a report of a sanitizer, a leak, or by taking too much time or
 * memory. It asserts what the module promises whatever the input is; where there is an inverse
 * (print what was parsed, encode what was decoded) it asserts that too. Included by one file of a
 * program only: the entry of libFuzzer is defined here.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define FUZZ_MEMORY_BYTES (64 * MIB) /* of an arena or a buf */

/* The target. `in` has no byte behind its end that may be read. */
void fuzz_input(struct str in);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    fuzz_input(str_make((const char *)bytes, len));
    return 0;
}

#endif
