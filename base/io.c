#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

static io_hook_fn *hook_fn;
static void *hook_context;

void io_hook_set(io_hook_fn *hook, void *context)
{
    hook_fn = hook;
    hook_context = context;
}

/* True when the call may happen; else errno is set. */
static bool may(enum io_call call, size_t *bytes)
{
    size_t none = 0;

    if (hook_fn == NULL)
        return true;
    int error = hook_fn(call, bytes == NULL ? &none : bytes, hook_context);
    if (error == 0)
        return true;
    errno = error;
    return false;
}

int io_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    int fd;

    if (!may(IO_OPEN, NULL))
        return -1;
    do {
        fd = openat(dir_fd, name, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

ssize_t io_pread(int fd, void *to, size_t count, uint64_t offset)
{
    ssize_t got;

    if (!may(IO_READ, &count))
        return -1;
    do {
        got = pread(fd, to, count, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

ssize_t io_pwritev(int fd, const struct iovec *parts, int count, uint64_t offset)
{
    size_t bytes = 0;
    ssize_t put;

    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    size_t allowed = bytes;
    if (!may(IO_WRITE, &allowed))
        return -1;

    struct iovec short_part;
    if (allowed < bytes) { /* a test asked for a short write */
        short_part = parts[0];
        short_part.iov_len = MIN_OF(allowed, short_part.iov_len);
        parts = &short_part;
        count = 1;
    }
    do {
        put = pwritev(fd, parts, count, (off_t)offset);
    } while (put < 0 && errno == EINTR);
    return put;
}

int io_fsync(int fd)
{
    return may(IO_SYNC, NULL) ? fsync(fd) : -1;
}

int io_fdatasync(int fd)
{
    return may(IO_SYNC, NULL) ? fdatasync(fd) : -1;
}

int io_ftruncate(int fd, uint64_t size)
{
    return may(IO_TRUNCATE, NULL) ? ftruncate(fd, (off_t)size) : -1;
}

int io_linkat(int dir_fd, const char *from, const char *to)
{
    return may(IO_LINK, NULL) ? linkat(dir_fd, from, dir_fd, to, 0) : -1;
}

int io_unlinkat(int dir_fd, const char *name)
{
    return may(IO_UNLINK, NULL) ? unlinkat(dir_fd, name, 0) : -1;
}

enum status io_read_all(int fd, void *to, size_t count, uint64_t offset, struct err *err)
{
    size_t done = 0;

    while (done < count) {
        ssize_t got = io_pread(fd, (char *)to + done, count - done, offset + done);
        if (got < 0)
            return err_errno(err, "read %zu bytes at %llu", count, (unsigned long long)offset);
        if (got == 0)
            return err_set(err, ST_CORRUPT, "the file ends %zu bytes into %zu at %llu", done, count,
                           (unsigned long long)offset);
        done += (size_t)got;
    }
    return ST_OK;
}

enum status io_write_all(int fd, struct str bytes, uint64_t offset, struct err *err)
{
    while (bytes.len > 0) {
        struct iovec part = {.iov_base = (void *)(uintptr_t)bytes.ptr, .iov_len = bytes.len};
        ssize_t put = io_pwritev(fd, &part, 1, offset);
        if (put < 0)
            return err_errno(err, "write %zu bytes at %llu", bytes.len, (unsigned long long)offset);
        bytes = str_cut(bytes, (size_t)put);
        offset += (size_t)put;
    }
    return ST_OK;
}

enum status io_file_size(int fd, uint64_t *ret_bytes, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(err, "size of file");
    *ret_bytes = (uint64_t)st.st_size;
    return ST_OK;
}

/* The system keeps a page of which a part is not named; the rest of the first one was, before. */
void io_forget(int fd, uint64_t begin, uint64_t end)
{
    enum { PAGE_BYTES = 4096 };
    uint64_t from = begin / PAGE_BYTES * PAGE_BYTES;

    if (end > from)
        (void)posix_fadvise(fd, (off_t)from, (off_t)(end - from), POSIX_FADV_DONTNEED);
}

enum status io_mkdir(const char *path, struct err *err)
{
    struct stat st;

    if (mkdir(path, 0750) == 0)
        return ST_OK;
    int error = errno;
    if (error == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ST_OK;
    errno = error;
    return err_errno(err, "make directory %s", path);
}

enum status io_open_dir(const char *path, int *ret_fd, struct err *err)
{
    int fd = io_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return err_errno(err, "open directory %s", path);
    *ret_fd = fd;
    return ST_OK;
}

enum status io_file_read(const char *path, struct buf *ret_bytes, struct err *err)
{
    enum { STEP_BYTES = 64 * 1024 };
    enum status st = ST_OK;
    uint64_t offset = 0;
    int fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);

    if (fd < 0)
        return err_errno(err, "open %s", path);
    for (;;) {
        size_t room = MIN_OF(ret_bytes->max - ret_bytes->len, (size_t)STEP_BYTES);
        char beyond = 0, *to = room == 0 ? &beyond : buf_reserve(ret_bytes, room);
        if (to == NULL) {
            st = buf_status(ret_bytes, err);
            break;
        }
        ssize_t got = io_pread(fd, to, MAX_OF(room, 1), offset);
        if (got < 0)
            st = err_errno(err, "read %s", path);
        else if (got > 0 && room == 0)
            st = err_set(err, ST_TOO_LARGE, "%s is larger than %zu bytes", path, ret_bytes->max);
        if (got <= 0 || st != ST_OK)
            break;
        buf_advance(ret_bytes, (size_t)got);
        offset += (size_t)got;
    }
    (void)close(fd);
    return st;
}
