/*
 * io.h - every file call of the program.
 *
 * Thin wrappers with the return values of the calls they wrap (-1 and errno), so that tests can
 * count them, record them, let one fail, or stop the process at one. EINTR is retried inside.
 *
 * LMDB makes its own file calls: a commit of the index counts as one step. What is not here does
 * not change files and cannot lose any: close(), flock(), and reading /proc.
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
    IO_RENAME,
    IO_MKDIR,
    IO_STAT,
    IO_LIST,         /* a directory is opened, or its next name read */
    IO_COMMIT_BEGIN, /* of the index; an errno makes the commit fail with it */
    IO_COMMIT_END,   /* it has been made, or has failed; nothing can be changed any more */
};

/* A call that is about to be made; what does not apply is zero, and `fd` is -1. */
struct io_event {
    enum io_call call;
    int fd;                    /* the file, or the directory that the names are in */
    const char *name;          /* calls that take a name; a path where `fd` is AT_FDCWD */
    const char *to;            /* IO_LINK, IO_RENAME: the new name, in the same directory */
    int flags;                 /* IO_OPEN */
    uint64_t offset;           /* IO_READ, IO_WRITE; IO_TRUNCATE: the new size, at least */
    const struct iovec *parts; /* IO_WRITE */
    int part_count;
    size_t bytes; /* IO_READ, IO_WRITE; may be made smaller: the call is then short */
};

/*
 * Called before each file call; 0 lets it happen, an errno makes it fail with that. NULL (the
 * default) is no hook, and costs a test of a pointer.
 */
typedef int io_hook_fn(struct io_event *event, void *context);
void io_hook_set(io_hook_fn *hook, void *context);

int io_openat(int dir_fd, const char *name, int flags, mode_t mode);
ssize_t io_pread(int fd, void *to, size_t count, uint64_t offset);
ssize_t io_pwritev(int fd, const struct iovec *parts, int count, uint64_t offset);
int io_fsync(int fd);
int io_fdatasync(int fd);
int io_ftruncate(int fd, uint64_t size);
int io_reserve(int fd, uint64_t size); /* room on the disk for all of the file up to `size` */
int io_linkat(int dir_fd, const char *from, const char *to);
int io_unlinkat(int dir_fd, const char *name);
int io_rmdir(const char *path); /* an IO_UNLINK */
int io_renameat(int dir_fd, const char *from, const char *to);

/* Around each commit of the index. 0, or an errno: it must fail with that, and nothing is written.
 */
int io_commit_begin(void);
void io_commit_end(void);

/* Exactly `count` bytes; ST_CORRUPT when the file ends before. */
MUST_CHECK enum status io_read_all(int fd, void *to, size_t count, uint64_t offset,
                                   struct err *err);

/* All of `bytes` at `offset`. */
MUST_CHECK enum status io_write_all(int fd, struct str bytes, uint64_t offset, struct err *err);

MUST_CHECK enum status io_file_size(int fd, uint64_t *ret_bytes, struct err *err);

/* What may still be written to a file system. */
struct io_room {
    uint64_t bytes;
    uint64_t files;
};

/* The room on the file system that `path` is on; where it does not count files, UINT64_MAX. */
MUST_CHECK enum status io_room(const char *path, struct io_room *ret_room, struct err *err);

/* Nobody will read the bytes [begin, end) soon: what of them is synced leaves the page cache. */
void io_forget(int fd, uint64_t begin, uint64_t end);

/* Make the directory `path` unless it is there. On ST_OK its name is durable, not its content. */
MUST_CHECK enum status io_mkdir(const char *path, struct err *err);

/*
 * Visit each name in the directory `path`, in no order. A status of `visit` ends that with it; a
 * name that cannot be read is a failure, not the end.
 */
MUST_CHECK enum status io_list(const char *path,
                               enum status (*visit)(void *context, const char *name, struct err *),
                               void *context, struct err *err);

/* A directory, open for the *at() calls and for io_fsync(). */
MUST_CHECK enum status io_open_dir(const char *path, int *ret_fd, struct err *err);

/* Append the content of a file to `ret_bytes`. ST_TOO_LARGE: its maximum is less than that. */
MUST_CHECK enum status io_file_read(const char *path, struct buf *ret_bytes, struct err *err);

#endif
