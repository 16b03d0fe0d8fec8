#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/expect.h"

#include "base/banned.h"

enum { FTW_FILES_MAX = 16 };

void files_dir_make(char path[TEST_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(path, TEST_PATH_BYTES, "%s/skald-test-XXXXXX", base == NULL ? "/tmp" : base);
    cr_assert_not_null(mkdtemp(path), "cannot make %s", path);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void files_dir_remove(const char *path)
{
    cr_assert_eq(nftw(path, remove_one, FTW_FILES_MAX, FTW_DEPTH | FTW_PHYS), 0, "cannot remove %s",
                 path);
}

const char *files_path(char path[TEST_PATH_BYTES], const char *dir, const char *name)
{
    int len = snprintf(path, TEST_PATH_BYTES, "%s/%s", dir, name);

    cr_assert(len > 0 && len < TEST_PATH_BYTES, "%s is too long", dir);
    return path;
}

struct str files_read(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0, "cannot open %s", path);
    cr_assert_eq(fstat(fd, &st), 0, "cannot ask for the size of %s", path);
    char *bytes = mem_bytes((size_t)st.st_size);
    cr_assert_not_null(bytes, "no memory for %s", path);
    cr_assert_eq(read(fd, bytes, (size_t)st.st_size), st.st_size, "cannot read %s", path);
    (void)close(fd);
    return str_make(bytes, (size_t)st.st_size);
}

void files_write(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    cr_assert_geq(fd, 0, "cannot create %s", path);
    if (bytes.len > 0)
        cr_assert_eq(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len, "cannot write %s", path);
    (void)close(fd);
}

bool files_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

size_t files_count(const char *dir, const char *suffix)
{
    size_t count = 0;
    DIR *d = opendir(dir);

    if (d == NULL)
        cr_assert_fail("cannot open %s", dir);
    for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
        if (str_ends(str_from(entry->d_name), str_from(suffix)))
            count++;
    }
    (void)closedir(d);
    return count;
}

void files_expect_golden(const char *name, struct str bytes)
{
    char path[TEST_PATH_BYTES];

    files_path(path, "tests/golden", name);
    if (getenv("SKALD_GOLDEN_WRITE") != NULL) {
        files_write(path, bytes);
        return;
    }
    struct str want = files_read(path);
    EXPECT_STR(name, bytes, want);
    mem_free((void *)(uintptr_t)want.ptr);
}
