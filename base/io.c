#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/banned.h"

static io_hook_fn *hook_fn;
static void *hook_context;

/* A thread may be in a call: without a hook the context stays. */
void io_hook_set(io_hook_fn *hook, void *context)
{
    if (hook != NULL)
        hook_context = context;
    hook_fn = hook;
}

/* True when the call may happen; else errno is set. */
static bool hook_allows(struct io_event *event)
{
    io_hook_fn *hook = hook_fn; /* it may go meanwhile */
    int error = hook == NULL ? 0 : hook(event, hook_context);

    errno = error;
    return error == 0;
}

/* The same for the event that the arguments initialize, made only if somebody wants to see it. */
#define MAY(...) (hook_fn == NULL || hook_allows(&(struct io_event){__VA_ARGS__}))

int io_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
    int fd;

    do {
        fd = MAY(.call = IO_OPEN, .fd = dir_fd, .name = name, .flags = flags)
                 ? openat(dir_fd, name, flags | O_CLOEXEC, mode)
                 : -1;
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t hooked_pread(int fd, void *to, size_t count, uint64_t offset)
{
    struct io_event event = {.call = IO_READ, .fd = fd, .offset = offset, .bytes = count};

    return hook_allows(&event) ? pread(fd, to, MIN_OF(event.bytes, count), (off_t)offset) : -1;
}

ssize_t io_pread(int fd, void *to, size_t count, uint64_t offset)
{
    ssize_t got;

    do {
        got = hook_fn == NULL ? pread(fd, to, count, (off_t)offset)
                              : hooked_pread(fd, to, count, offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t hooked_pwritev(int fd, const struct iovec *parts, int count, uint64_t offset)
{
    enum { PARTS_MAX = 1024 };
    struct iovec fewer[PARTS_MAX];
    struct io_event event = {
        .call = IO_WRITE, .fd = fd, .offset = offset, .parts = parts, .part_count = count};

    ASSERT(count <= PARTS_MAX);
    for (int i = 0; i < count; i++)
        event.bytes += parts[i].iov_len;
    if (!hook_allows(&event))
        return -1;
    size_t left = event.bytes;
    int used = 0;
    for (; used < count && left > 0; used++) {
        fewer[used] = parts[used];
        fewer[used].iov_len = MIN_OF(left, parts[used].iov_len);
        left -= fewer[used].iov_len;
    }
    return pwritev(fd, fewer, used, (off_t)offset);
}

ssize_t io_pwritev(int fd, const struct iovec *parts, int count, uint64_t offset)
{
    ssize_t put;

    do {
        put = hook_fn == NULL ? pwritev(fd, parts, count, (off_t)offset)
                              : hooked_pwritev(fd, parts, count, offset);
    } while (put < 0 && errno == EINTR);
    return put;
}

int io_fsync(int fd)
{
    int result;

    do {
        result = MAY(.call = IO_SYNC, .fd = fd) ? fsync(fd) : -1;
    } while (result < 0 && errno == EINTR);
    return result;
}

int io_fdatasync(int fd)
{
    int result;

    do {
        result = MAY(.call = IO_SYNC, .fd = fd) ? fdatasync(fd) : -1;
    } while (result < 0 && errno == EINTR);
    return result;
}

int io_ftruncate(int fd, uint64_t size)
{
    int result;

    do {
        result =
            MAY(.call = IO_TRUNCATE, .fd = fd, .offset = size) ? ftruncate(fd, (off_t)size) : -1;
    } while (result < 0 && errno == EINTR);
    return result;
}

int io_reserve(int fd, uint64_t size)
{
    int error;

    do {
        error = MAY(.call = IO_TRUNCATE, .fd = fd, .offset = size)
                    ? posix_fallocate(fd, 0, (off_t)size)
                    : errno;
    } while (error == EINTR);
    errno = error;
    return error == 0 ? 0 : -1;
}

int io_linkat(int dir_fd, const char *from, const char *to)
{
    return MAY(.call = IO_LINK, .fd = dir_fd, .name = from, .to = to)
               ? linkat(dir_fd, from, dir_fd, to, 0)
               : -1;
}

int io_unlinkat(int dir_fd, const char *name)
{
    return MAY(.call = IO_UNLINK, .fd = dir_fd, .name = name) ? unlinkat(dir_fd, name, 0) : -1;
}

int io_rmdir(const char *path)
{
    return MAY(.call = IO_UNLINK, .fd = AT_FDCWD, .name = path) ? rmdir(path) : -1;
}

int io_renameat(int dir_fd, const char *from, const char *to)
{
    return MAY(.call = IO_RENAME, .fd = dir_fd, .name = from, .to = to)
               ? renameat(dir_fd, from, dir_fd, to)
               : -1;
}

int io_commit_begin(void)
{
    return MAY(.call = IO_COMMIT_BEGIN, .fd = -1) ? 0 : errno;
}

void io_commit_end(void)
{
    (void)MAY(.call = IO_COMMIT_END, .fd = -1);
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

    if (!MAY(.call = IO_STAT, .fd = fd) || fstat(fd, &st) < 0)
        return err_errno(err, "size of file");
    *ret_bytes = (uint64_t)st.st_size;
    return ST_OK;
}

enum status io_room(const char *path, struct io_room *ret_room, struct err *err)
{
    struct statvfs fs;

    if (!MAY(.call = IO_STAT, .fd = AT_FDCWD, .name = path) || statvfs(path, &fs) < 0)
        return err_errno(err, "room for %s", path);
    *ret_room = (struct io_room){
        .bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
        .files = fs.f_files == 0 ? UINT64_MAX : fs.f_favail,
    };
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

/* Make the name of a directory durable. */
static enum status sync_parent(const char *path, bool made, struct err *err)
{
    char parent[PATH_MAX];
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len >= sizeof(parent))
        return err_set(err, ST_INVALID, "the path %.60s... is too long", path);
    memcpy(parent, len == 0 ? "." : path, MAX_OF(len, 1));
    parent[MAX_OF(len, 1)] = '\0';
    int fd = io_openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == EACCES && !made)
        return ST_OK; /* somebody else made it */
    if (fd < 0)
        return err_errno(err, "open directory %s", parent);
    enum status st = io_fsync(fd) < 0 ? err_errno(err, "sync directory %s", parent) : ST_OK;
    (void)close(fd);
    return st;
}

/*
 * The directory above is synced even if this one is there: the process that made it may have died
 * before it came to that.
 */
enum status io_mkdir(const char *path, struct err *err)
{
    struct stat st;

    if (MAY(.call = IO_MKDIR, .fd = AT_FDCWD, .name = path) && mkdir(path, 0750) == 0) {
        enum status made = sync_parent(path, true, err);
        /* A later sync that succeeds would say nothing of this name: it is made anew then. */
        if (made != ST_OK)
            (void)io_rmdir(path);
        return made;
    }
    int error = errno;
    if (error == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return sync_parent(path, false, err);
    errno = error;
    return err_errno(err, "make directory %s", path);
}

enum status io_list(const char *path,
                    enum status (*visit)(void *context, const char *name, struct err *),
                    void *context, struct err *err)
{
    enum status st = ST_OK;
    DIR *d = MAY(.call = IO_LIST, .fd = AT_FDCWD, .name = path) ? opendir(path) : NULL;

    if (d == NULL)
        return err_errno(err, "open directory %s", path);
    while (st == ST_OK) {
        errno = 0;
        struct dirent *entry = MAY(.call = IO_LIST, .fd = dirfd(d)) ? readdir(d) : NULL;
        if (entry != NULL)
            st = visit(context, entry->d_name, err);
        else if (errno != 0)
            st = err_errno(err, "read directory %s", path);
        else
            break;
    }
    (void)closedir(d);
    return st;
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
