/*
 * defs.h - the few macros every file may use.
 *
 * ASSERT() states what this program itself must have done; it is on in every build. What a user, a
 * peer or a disk did is never asserted but answered with a status (err.h).
 */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))
#define NO_RETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

/* Print what failed and where, then abort. */
NO_RETURN void assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression) ((expression) ? (void)0 : assert_failed(#expression, __FILE__, __LINE__))

/* For checks that cost more than O(1): only in sanitizer builds. */
#ifdef SKALD_DEBUG
#define DEBUG_ASSERT(expression) ASSERT(expression)
#else
#define DEBUG_ASSERT(expression) ((void)0)
#endif

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

#endif
