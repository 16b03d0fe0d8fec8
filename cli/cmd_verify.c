/*
 * skald verify: is everything in a data directory as it was written?
 *
 * The index comes first, because it says how long segments are and whose chunk was where damage is
 * now; then every byte of the segments, then the log. The directory is held against servers
 * meanwhile; with a server in it only --force looks, and then what is new since the beginning is
 * left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "chunks/wal_reader.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "cli/verify.h"

#include "base/banned.h"

static const char text[] =
    "Checks everything that is stored in a data directory, without a server: every\n"
    "checksum, every block, every log record, and that the index and the segments\n"
    "agree. Changes nothing. Ends with 1 if there was any problem.\n";

enum {
    PATH_BYTES_MAX = 8192,
    LINE_BYTES_MAX = 1024 * 1024,
};

struct verify_options {
    bool force;
};

static const struct flag_row flags[] = {
    {.name = "force",
     .kind = FLAG_SWITCH,
     .offset = offsetof(struct verify_options, force),
     .text = "Even if a server has the directory: what it has written so far is checked."},
};

/* ---- reports ---- */

void verify_put_path(struct buf *b, const struct verify *v, const char *folder, const char *name)
{
    buf_printf(b, "%s/%s%s%s", v->dir, folder, name[0] == '\0' ? "" : "/", name);
    buf_put_char(b, '\0');
}

static void put_where(struct buf *b, const struct verify_where *where)
{
    buf_put(b, str_from(where->file));
    buf_put(b, STR(": "));
    if (where->offset >= 0)
        buf_printf(b, "offset %" PRId64 ": ", where->offset);
    if (where->labels != NULL) {
        buf_put(b, STR("stream "));
        labels_put_text(b, *where->labels);
        buf_put(b, STR(": "));
    }
}

static void print_report(struct verify *v, const struct verify_where *where, const char *before,
                         const char *what)
{
    struct buf line, shown;

    progress_hide(&v->progress);
    buf_init(&line, LINE_BYTES_MAX);
    buf_init(&shown, LINE_BYTES_MAX * 4);
    buf_put(&line, str_from(before));
    put_where(&line, where);
    buf_put(&line, str_from(what));
    put_visible(&shown, buf_str(&line));
    printf("%.*s\n", STR_ARG(buf_str(&shown)));
    buf_release(&line);
    buf_release(&shown);
}

void verify_problem(struct verify *v, struct verify_where where, const char *format, ...)
{
    char what[ERR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    print_report(v, &where, "", what);
    v->problems++;
}

void verify_note(struct verify *v, struct verify_where where, const char *format, ...)
{
    char what[ERR_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    print_report(v, &where, "note: ", what);
}

/* ---- how much there is to do ---- */

static uint64_t file_bytes(const char *path)
{
    uint64_t bytes = 0;
    int fd = io_openat(AT_FDCWD, path, O_RDONLY, 0);

    if (fd < 0)
        return 0;
    if (io_file_size(fd, &bytes, NULL) != ST_OK)
        bytes = 0;
    (void)close(fd);
    return bytes;
}

static uint64_t total_bytes(const struct verify *v)
{
    char name[SEGMENT_FILE_NAME_BYTES + WAL_NAME_BYTES];
    uint64_t *numbers = NULL, sum = 0;
    size_t count = 0;
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    for (size_t i = 0; i < v->segment_count; i++) {
        const struct verify_segment *s = &v->segments[i];
        buf_reset(&path);
        segment_file_name(s->name, name);
        verify_put_path(&path, v, "segments", name);
        uint64_t bytes = path.failed ? 0 : file_bytes(path.ptr);
        sum += s->in_index ? MIN_OF(bytes, s->committed_bytes) : bytes;
    }
    buf_reset(&path);
    verify_put_path(&path, v, "wal", "");
    if (path.failed || wal_numbers(path.ptr, &numbers, &count, NULL) != ST_OK)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        buf_reset(&path);
        wal_file_name(numbers[i], name);
        verify_put_path(&path, v, "wal", name);
        sum += path.failed ? 0 : file_bytes(path.ptr);
    }
    mem_free(numbers);
    buf_release(&path);
    return sum;
}

/* ---- the command ---- */

static bool has_part(const struct verify *v, const char *name)
{
    struct buf path;

    buf_init(&path, PATH_BYTES_MAX);
    verify_put_path(&path, v, name, "");
    bool there = !path.failed && access(path.ptr, F_OK) == 0;
    buf_release(&path);
    return there;
}

/* Hold the directory against servers, or find that one has it. */
static enum status hold_dir(struct verify *v, bool force, int *ret_fd, struct err *err)
{
    char pid[32] = "";
    struct buf path;
    enum status st = ST_OK;

    if (!has_part(v, "index") && !has_part(v, "segments") && !has_part(v, "wal"))
        return err_set(err, ST_NOT_FOUND, "%s is not a data directory", v->dir);
    buf_init(&path, PATH_BYTES_MAX);
    verify_put_path(&path, v, "lock", "");
    int fd = path.failed ? -1 : io_openat(AT_FDCWD, path.ptr, O_RDONLY, 0);
    if (fd < 0 && errno != ENOENT)
        st = err_errno(err, "open %s/lock", v->dir); /* without one there is nothing to hold */
    else if (fd >= 0)
        v->live = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (st == ST_OK && v->live && !force) {
        ssize_t got = io_pread(fd, pid, sizeof(pid) - 1, 0);
        pid[got < 0 ? 0 : got] = '\0';
        st = err_set(err, ST_BUSY,
                     "%s is in use by a server (process %.*s); stop it, or use --force to check "
                     "what it has written so far",
                     v->dir, STR_ARG(str_trim(str_from(pid))));
    }
    buf_release(&path);
    *ret_fd = fd;
    return st;
}

static enum status check_all(struct verify *v, struct err *err)
{
    enum status st = verify_list_segments(v, err);

    progress_begin(&v->progress, total_bytes(v));
    if (st == ST_OK)
        st = verify_refs(v, err);
    if (st == ST_OK)
        st = verify_segments(v, err);
    if (st == ST_OK)
        st = verify_logs(v, err);
    if (st == ST_OK)
        st = verify_deletes(v, err);
    progress_hide(&v->progress);
    return st;
}

static void release(struct verify *v)
{
    for (size_t i = 0; i < v->segment_count; i++)
        mem_free((void *)(uintptr_t)v->segments[i].tenant.ptr);
    mem_free(v->segments);
    mem_free(v->holes);
}

static int verify(struct verify *v, bool force)
{
    struct err err = {.status = ST_OK};
    int fd = -1;

    enum status st = hold_dir(v, force, &fd, &err);
    if (st == ST_OK)
        st = check_all(v, &err);
    release(v);
    if (fd >= 0)
        (void)close(fd);
    if (st == ST_OK) {
        printf("%" PRIu64 " segments, %" PRIu64 " chunks, %" PRIu64 " blocks, %" PRIu64
               " entries, %" PRIu64 " log files: %" PRIu64 " problems\n",
               v->files, v->chunks, v->blocks, v->entries, v->logs, v->problems);
        st = print_finish(&err);
    }
    if (st != ST_OK)
        return print_error("verify", &err);
    return v->problems == 0 ? EXIT_GOOD : EXIT_FAILED;
}

int cmd_verify(int argc, char **argv)
{
    struct verify_options options = {.force = false};
    const struct flag_group group = {flags, COUNT_OF(flags), &options};
    const struct command_line line = {
        .command = "verify",
        .operands = "DIR",
        .text = text,
        .groups = &group,
        .group_count = 1,
        .operands_min = 1,
        .operands_max = 1,
    };
    struct texts operands;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    struct verify v = {.dir = operands.items[0].ptr};
    return verify(&v, options.force);
}
