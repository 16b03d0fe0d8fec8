/*
 * io.h - every file call of the program.
 *
 * Thin wrappers with the return values of the calls they wrap (-1 and errno), so that tests can
 * count them, let one fail, or stop the process at one. EINTR is retried inside.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum io_call {
    IO_OPEN,
    IO_READ,
    IO_WRITE,
    IO_SYNC,
    IO_TRUNCATE,
    IO_LINK,
    IO_UNLINK,
};

/*
 * Called before each file call; 0 lets it happen, an errno makes it fail with that. For IO_WRITE
 * `*bytes` may be made smaller: the write is then short. NULL (the default) is no hook.
 */
typedef int io_hook_fn(enum io_call call, size_t *bytes, void *context);
void io_hook_set(io_hook_fn *hook, void *context);

int io_openat(int dir_fd, const char *name, int flags, mode_t mode);
ssize_t io_pread(int fd, void *to, size_t count, uint64_t offset);
ssize_t io_pwritev(int fd, const struct iovec *parts, int count, uint64_t offset);
int io_fsync(int fd);
int io_fdatasync(int fd);
int io_ftruncate(int fd, uint64_t size);
int io_linkat(int dir_fd, const char *from, const char *to);
int io_unlinkat(int dir_fd, const char *name);

/* Exactly `count` bytes; ST_CORRUPT when the file ends before. */
MUST_CHECK enum status io_read_all(int fd, void *to, size_t count, uint64_t offset,
                                   struct err *err);

/* All of `bytes` at `offset`. */
MUST_CHECK enum status io_write_all(int fd, struct str bytes, uint64_t offset, struct err *err);

MUST_CHECK enum status io_file_size(int fd, uint64_t *ret_bytes, struct err *err);

/* Nobody will read the bytes [begin, end) soon: what of them is synced leaves the page cache. */
void io_forget(int fd, uint64_t begin, uint64_t end);

/* Make the directory `path` unless it is there. */
MUST_CHECK enum status io_mkdir(const char *path, struct err *err);

/* A directory, open for the *at() calls and for io_fsync(). */
MUST_CHECK enum status io_open_dir(const char *path, int *ret_fd, struct err *err);

/* Append the content of a file to `ret_bytes`. ST_TOO_LARGE: its maximum is less than that. */
MUST_CHECK enum status io_file_read(const char *path, struct buf *ret_bytes, struct err *err);

#endif
