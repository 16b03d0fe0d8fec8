/*
 * skald rebuild-index: make the index of a data directory again from its segments.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "server/store/rebuild.h"

#include "base/banned.h"

static const char text[] =
    "Makes the index of a data directory again from its segments, without a server.\n"
    "The old one is kept as index.damaged-N. What of the segments cannot be read is\n"
    "printed. The next start of a server replays the log as always. Ends with 1 if\n"
    "something could not be read.\n";

enum {
    PATH_BYTES_MAX = 8192,
    PID_BYTES = 32,
};

#define INDEX_BYTES_MAX \
    (UINT64_C(64) << 30) /* of address space; the file is as long as it must be */

struct rebuilding {
    struct progress progress;
    bool begun;
};

static void show_progress(void *context, uint64_t more_bytes, uint64_t total_bytes)
{
    struct rebuilding *r = context;

    if (!r->begun)
        progress_begin(&r->progress, total_bytes);
    r->begun = true;
    progress_add(&r->progress, more_bytes);
}

static void show_damage(void *context, const struct rebuild_damage *damage)
{
    struct rebuilding *r = context;

    if (r->begun)
        progress_hide(&r->progress);
    printf("%s: offset %" PRIu64 ": %" PRIu64 " bytes left out: %s\n", damage->file, damage->offset,
           damage->bytes, damage->text);
}

/* Hold the directory, as a server does. */
static enum status hold_dir(const char *dir, int *ret_fd, struct err *err)
{
    char path[PATH_BYTES_MAX], pid[PID_BYTES] = "";
    int dir_fd = -1;

    enum status st = io_open_dir(dir, &dir_fd, err);
    if (st != ST_OK)
        return st;
    (void)close(dir_fd);
    int len = snprintf(path, sizeof(path), "%s/lock", dir);
    if (len < 0 || (size_t)len >= sizeof(path))
        return err_set(err, ST_INVALID, "the name of the directory is too long");
    int fd = io_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0640);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        st = err_errno(err, "lock %s", path);
        if (errno == EWOULDBLOCK) {
            ssize_t got = io_pread(fd, pid, sizeof(pid) - 1, 0);
            pid[got < 0 ? 0 : got] = '\0';
            st =
                err_set(err, ST_BUSY, "%s is in use by another skald (process %.*s); stop it first",
                        dir, STR_ARG(str_trim(str_from(pid))));
        }
        (void)close(fd);
        return st;
    }
    *ret_fd = fd;
    return ST_OK;
}

/* A directory without segments and log is not one of a server, or a wrong name. */
static enum status check_dir(const char *dir, struct err *err)
{
    static const char *const parts[] = {"segments", "wal"};
    char path[PATH_BYTES_MAX];

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, parts[i]);
        if (access(path, F_OK) == 0)
            return ST_OK;
    }
    return err_set(err, ST_NOT_FOUND, "%s is not a data directory", dir);
}

static int rebuild_dir(const char *dir)
{
    struct rebuilding r = {.begun = false};
    struct rebuild rebuild = {.dir = dir,
                              .index_max_bytes = INDEX_BYTES_MAX,
                              .progress = show_progress,
                              .damage = show_damage,
                              .context = &r};
    struct rebuild_result result = {0};
    struct err err = {.status = ST_OK};
    int fd = -1;

    enum status st = check_dir(dir, &err);
    if (st == ST_OK)
        st = hold_dir(dir, &fd, &err);
    if (st == ST_OK)
        st = rebuild_index(&rebuild, &result, &err);
    if (r.begun)
        progress_hide(&r.progress);
    if (st == ST_OK) {
        printf("%" PRIu64 " segments, %" PRIu64 " chunks; left out: %" PRIu64 " merged, %" PRIu64
               " not committed (they are in the log): %" PRIu64 " problems\n",
               result.segments, result.chunks, result.merged, result.uncommitted, result.damages);
        st = print_finish(&err);
    }
    if (fd >= 0)
        (void)close(fd);
    if (st != ST_OK)
        return print_error("rebuild-index", &err);
    return result.damages == 0 ? EXIT_GOOD : EXIT_FAILED;
}

int cmd_rebuild_index(int argc, char **argv)
{
    const struct command_line line = {
        .command = "rebuild-index",
        .operands = "DIR",
        .text = text,
        .operands_min = 1,
        .operands_max = 1,
    };
    struct texts operands;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    return rebuild_dir(operands.items[0].ptr);
}
