/*
 * files.h - directories and files that live as long as a test, and golden files.
 *
 * These helpers end the test when the disk refuses, so callers need not check.
 */
#ifndef TESTS_SUPPORT_FILES_H
#define TESTS_SUPPORT_FILES_H

#include <stdbool.h>

#include "base/str.h"

enum { TEST_PATH_BYTES = 512 };

/* A new empty directory below $TMPDIR or /tmp; files_dir_remove() removes it and all inside. */
void files_dir_make(char path[TEST_PATH_BYTES]);
void files_dir_remove(const char *path);

/* `dir`/`name` into `path`. */
const char *files_path(char path[TEST_PATH_BYTES], const char *dir, const char *name);

/* All bytes of a file; free `ptr` with mem_free(). */
struct str files_read(const char *path);
void files_write(const char *path, struct str bytes);
bool files_exists(const char *path);

/* How many files `dir` holds whose names end in `suffix`. */
size_t files_count(const char *dir, const char *suffix);

/*
 * `bytes` are those of tests/golden/`name`. With SKALD_GOLDEN_WRITE in the environment the file is
 * written instead: the format has changed on purpose, and has a new version.
 */
void files_expect_golden(const char *name, struct str bytes);

#endif
