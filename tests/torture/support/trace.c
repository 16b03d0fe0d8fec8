#include "tests/torture/support/trace.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/torture/support/points.h"

#include "base/banned.h"

#define TRACE_BYTES_MAX ((size_t)2 << 30)

/* An event as it lies in memory, with its texts behind it. */
struct stored {
    enum trace_kind kind;
    uint32_t path_bytes;
    uint32_t to_bytes;
    uint64_t offset;
    uint64_t size;
    uint64_t bytes;
};

struct trace {
    char dir[POINTS_DIR_BYTES];
    size_t calls;
    size_t used;
    char memory[];
};

/* Of the process that records; the trace is for one of them at a time. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct trace *trace_new(const char *dir)
{
    struct trace *t = points_shared(TRACE_BYTES_MAX);
    char *whole = realpath(dir, NULL);

    ASSERT(whole != NULL);
    (void)snprintf(t->dir, sizeof(t->dir), "%s", whole);
    free(whole);
    return t;
}

static void put(struct trace *t, const void *bytes, size_t count)
{
    ASSERT(count <= TRACE_BYTES_MAX - sizeof(*t) - t->used);
    if (count > 0)
        memcpy(t->memory + t->used, bytes, count);
    t->used += count;
}

static void put_event(struct trace *t, const struct trace_event *e, const struct iovec *parts,
                      size_t bytes)
{
    size_t begin = t->used;
    struct stored stored = {.kind = e->kind,
                            .path_bytes = (uint32_t)e->path.len,
                            .to_bytes = (uint32_t)e->to.len,
                            .offset = e->offset,
                            .size = e->size,
                            .bytes = bytes};

    put(t, &stored, sizeof(stored));
    put(t, e->path.ptr, e->path.len);
    put(t, e->to.ptr, e->to.len);
    for (size_t left = bytes; left > 0; parts++) {
        size_t count = MIN_OF(left, parts->iov_len);
        put(t, parts->iov_base, count);
        left -= count;
    }
    t->used = begin + (t->used - begin + 7) / 8 * 8;
}

/* The path of a descriptor, and of a name in it; relative to the directory of the trace. */
static struct str path_of(const struct trace *t, int fd, const char *name, char path[PATH_MAX * 2])
{
    char link[64];
    ssize_t len = 0;

    if (fd != AT_FDCWD) {
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        len = readlink(link, path, PATH_MAX - 1);
        ASSERT(len > 0);
    }
    path[len] = '\0';
    if (name != NULL)
        (void)snprintf(path + len, PATH_MAX, "%s%s", len > 0 ? "/" : "", name);
    struct str whole = str_from(path), dir = str_from(t->dir);
    if (!str_starts(whole, dir))
        return STR_NULL;
    return str_cut(whole, dir.len + (whole.len > dir.len ? 1 : 0));
}

/* An index, whole, in the place of its bytes; or nothing, if there is none. */
static void put_index(struct trace *t, const char *file)
{
    char path[POINTS_DIR_BYTES + 64];
    struct buf bytes;

    (void)snprintf(path, sizeof(path), "%s/%s", t->dir, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    buf_init(&bytes, TRACE_BYTES_MAX);
    for (;;) {
        char *to = buf_reserve(&bytes, 1 << 20);
        ssize_t got = to == NULL ? -1 : read(fd, to, 1 << 20);
        ASSERT(got >= 0);
        if (got == 0)
            break;
        buf_advance(&bytes, (size_t)got);
    }
    (void)close(fd);
    struct iovec part = {bytes.ptr, bytes.len};
    put_event(t, &(struct trace_event){.kind = TRACE_COMMIT, .path = str_from(file)}, &part,
              bytes.len);
    buf_release(&bytes);
}

/* Which one it was is not known: the other has not changed. */
static void put_commit(struct trace *t)
{
    put_index(t, "data/index/data.mdb");
    put_index(t, "data/index.new/data.mdb");
}

/* False: the call changes nothing. */
static bool kind_of(const struct io_event *e, enum trace_kind *ret_kind)
{
    static const int kinds[] = {
        [IO_OPEN] = TRACE_CREATE,
        [IO_READ] = -1,
        [IO_WRITE] = TRACE_WRITE,
        [IO_SYNC] = TRACE_SYNC,
        [IO_TRUNCATE] = TRACE_TRUNCATE,
        [IO_LINK] = TRACE_LINK,
        [IO_UNLINK] = TRACE_UNLINK,
        [IO_RENAME] = TRACE_RENAME,
        [IO_MKDIR] = TRACE_MKDIR,
        [IO_STAT] = -1,
        [IO_LIST] = -1,
        [IO_COMMIT_BEGIN] = TRACE_COMMIT_BEGIN,
        [IO_COMMIT_END] = TRACE_COMMIT,
    };

    if (kinds[e->call] < 0 || (e->call == IO_OPEN && (e->flags & O_CREAT) == 0))
        return false;
    *ret_kind = (enum trace_kind)kinds[e->call];
    return true;
}

static void record(struct trace *t, const struct io_event *e, size_t bytes, bool failed)
{
    static char path[PATH_MAX * 2], to[PATH_MAX * 2]; /* under the mutex */
    struct trace_event event = {.offset = e->offset, .size = e->offset};

    if (!kind_of(e, &event.kind))
        return;
    (void)pthread_mutex_lock(&mutex);
    t->calls++;
    if (event.kind == TRACE_COMMIT) {
        put_commit(t);
    } else {
        if (event.kind != TRACE_COMMIT_BEGIN)
            event.path = path_of(t, e->fd, e->name, path);
        if (e->to != NULL)
            event.to = path_of(t, e->fd, e->to, to);
        if (event.kind == TRACE_CREATE)
            event.size = (e->flags & O_TRUNC) != 0 ? 1 : 0;
        if (event.kind == TRACE_SYNC)
            event.size = failed ? 1 : 0;
        put_event(t, &event, e->parts, e->call == IO_WRITE ? bytes : 0);
    }
    (void)pthread_mutex_unlock(&mutex);
}

void trace_call(struct trace *t, const struct io_event *e, size_t bytes)
{
    record(t, e, bytes, false);
}

void trace_failed_sync(struct trace *t, const struct io_event *e)
{
    record(t, e, 0, true);
}

void trace_note(struct trace *t, size_t step, enum step_state state)
{
    const struct trace_event event = {.kind = TRACE_NOTE, .offset = step, .size = state};

    (void)pthread_mutex_lock(&mutex);
    put_event(t, &event, NULL, 0);
    (void)pthread_mutex_unlock(&mutex);
}

void trace_end(void)
{
    (void)pthread_mutex_lock(&mutex);
}

size_t trace_calls(const struct trace *t)
{
    return t->calls;
}

bool trace_next(const struct trace *t, size_t *cursor, struct trace_event *ret_event)
{
    struct stored stored;

    if (*cursor >= t->used)
        return false;
    const char *at = t->memory + *cursor;
    memcpy(&stored, at, sizeof(stored));
    const char *path = at + sizeof(stored), *to = path + stored.path_bytes;
    const char *bytes = to + stored.to_bytes;
    *ret_event = (struct trace_event){
        .kind = stored.kind,
        .path = str_make(path, stored.path_bytes),
        .to = str_make(to, stored.to_bytes),
        .offset = stored.offset,
        .size = stored.size,
        .bytes = str_make(bytes, stored.bytes),
    };
    *cursor += ((size_t)(bytes - at) + stored.bytes + 7) / 8 * 8;
    return true;
}
