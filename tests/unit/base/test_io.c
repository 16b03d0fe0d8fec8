#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/expect.h"
#include "tests/support/fault.h"
#include "tests/support/files.h"

#include "base/banned.h"

struct place {
    char dir[TEST_PATH_BYTES];
    char file[TEST_PATH_BYTES];
    int dir_fd;
};

static void place_init(struct place *p)
{
    files_dir_make(p->dir);
    files_path(p->file, p->dir, "file");
    REQUIRE_OK(io_open_dir(p->dir, &p->dir_fd, NULL));
}

static void place_release(struct place *p)
{
    (void)close(p->dir_fd);
    files_dir_remove(p->dir);
}

Test(io, write_all_and_read_all)
{
    struct fault f = {.write_max = 3};
    struct err err = {.text = ""};
    char bytes[16] = "untouched";
    uint64_t size = 0;
    struct place p;

    place_init(&p);
    int fd = io_openat(p.dir_fd, "file", O_RDWR | O_CREAT, 0640);
    cr_assert_geq(fd, 0);
    fault_begin(&f);
    EXPECT_STATUS("short writes", io_write_all(fd, STR("0123456789"), 5, &err), ST_OK);
    fault_end();
    cr_expect_eq(f.calls, 4);
    EXPECT_STATUS("size", io_file_size(fd, &size, &err), ST_OK);
    cr_expect_eq(size, 15);
    EXPECT_STATUS("inside", io_read_all(fd, bytes, 10, 5, &err), ST_OK);
    EXPECT_STR("inside", str_make(bytes, 10), STR("0123456789"));
    EXPECT_STATUS("the hole", io_read_all(fd, bytes, 1, 0, &err), ST_OK);
    cr_expect_eq(bytes[0], '\0');
    EXPECT_STATUS("nothing", io_read_all(fd, bytes, 0, 15, &err), ST_OK);
    EXPECT_STATUS("beyond the end", io_read_all(fd, bytes, 11, 5, &err), ST_CORRUPT);
    cr_expect_str_eq(err.text, "the file ends 10 bytes into 11 at 5", "%s", err.text);
    (void)close(fd);
    place_release(&p);
}

Test(io, forgotten_bytes_are_still_in_the_file)
{
    enum { BYTES = 10 * 1000 };
    static char text[BYTES], got[BYTES];
    struct place p;

    memset(text, 'x', sizeof(text));
    place_init(&p);
    int fd = io_openat(p.dir_fd, "file", O_RDWR | O_CREAT, 0640);
    REQUIRE_OK(io_write_all(fd, str_make(text, BYTES), 0, NULL));
    io_forget(fd, 0, BYTES); /* before they are synced, */
    REQUIRE_OK(io_read_all(fd, got, BYTES, 0, NULL));
    cr_expect_arr_eq(got, text, BYTES);
    cr_expect_eq(io_fdatasync(fd), 0);
    io_forget(fd, 5, BYTES); /* and after it */
    io_forget(fd, 0, 0);
    memset(got, 0, sizeof(got));
    REQUIRE_OK(io_read_all(fd, got, BYTES, 0, NULL));
    cr_expect_arr_eq(got, text, BYTES);
    (void)close(fd);
    place_release(&p);
}

Test(io, descriptors_close_on_exec)
{
    struct place p;

    place_init(&p);
    int fd = io_openat(p.dir_fd, "file", O_RDWR | O_CREAT, 0640);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(p.dir_fd, F_GETFD) & FD_CLOEXEC);
    (void)close(fd);
    place_release(&p);
}

Test(io, directories)
{
    char path[TEST_PATH_BYTES];
    struct err err = {.text = ""};
    struct place p;
    int fd = -77;

    place_init(&p);
    EXPECT_STATUS("new", io_mkdir(files_path(path, p.dir, "sub"), &err), ST_OK);
    EXPECT_STATUS("there", io_mkdir(path, &err), ST_OK);
    EXPECT_STATUS("no parent", io_mkdir(files_path(path, p.dir, "no/sub"), &err), ST_NOT_FOUND);
    files_write(p.file, STR("x"));
    EXPECT_STATUS("a file is no directory", io_mkdir(p.file, &err), ST_IO);
    EXPECT_STATUS("not there", io_open_dir(path, &fd, &err), ST_NOT_FOUND);
    EXPECT_STATUS("a file", io_open_dir(p.file, &fd, &err), ST_IO);
    cr_expect_eq(fd, -77);
    cr_expect_geq(strlen(err.text), strlen(p.file), "the path is named: %s", err.text);
    place_release(&p);
}

/* ---- what a hook sees and does ---- */

struct seen {
    struct io_event last;
    char name[64];
    char to[64];
    size_t calls[IO_COMMIT_END + 1];
    size_t interruptions; /* how many of the next calls are interrupted */
};

static int see(struct io_event *event, void *context)
{
    struct seen *s = context;

    s->last = *event;
    (void)snprintf(s->name, sizeof(s->name), "%s", event->name == NULL ? "" : event->name);
    (void)snprintf(s->to, sizeof(s->to), "%s", event->to == NULL ? "" : event->to);
    s->calls[event->call]++;
    if (s->interruptions > 0) {
        s->interruptions--;
        return EINTR;
    }
    return 0;
}

Test(io, hook_sees_what_is_done)
{
    struct iovec parts[] = {{(void *)(uintptr_t) "abc", 3}, {(void *)(uintptr_t) "defg", 4}};
    struct seen s = {0};
    struct place p;
    char got[4];

    place_init(&p);
    io_hook_set(see, &s);
    int fd = io_openat(p.dir_fd, "one", O_RDWR | O_CREAT, 0640);
    cr_expect(s.last.call == IO_OPEN && s.last.fd == p.dir_fd && (s.last.flags & O_CREAT) != 0);
    cr_expect_str_eq(s.name, "one");
    cr_expect_eq(io_pwritev(fd, parts, 2, 9), 7);
    cr_expect(s.last.call == IO_WRITE && s.last.fd == fd && s.last.offset == 9);
    cr_expect(s.last.bytes == 7 && s.last.part_count == 2);
    cr_expect_eq(io_pread(fd, got, sizeof(got), 10), 4);
    cr_expect(s.last.call == IO_READ && s.last.offset == 10 && s.last.bytes == 4);
    cr_expect_eq(io_ftruncate(fd, 12), 0);
    cr_expect(s.last.call == IO_TRUNCATE && s.last.offset == 12);
    cr_expect_eq(io_renameat(p.dir_fd, "one", "two"), 0);
    cr_expect(s.last.call == IO_RENAME && s.last.fd == p.dir_fd);
    cr_expect_str_eq(s.name, "one");
    cr_expect_str_eq(s.to, "two");
    cr_expect_eq(io_unlinkat(p.dir_fd, "two"), 0);
    cr_expect_str_eq(s.name, "two");
    io_hook_set(NULL, NULL);
    (void)close(fd);
    place_release(&p);
}

static int cut_in_second_part(struct io_event *event, void *context)
{
    (void)context;
    event->bytes = 5;
    return 0;
}

Test(io, short_write_of_parts)
{
    struct iovec parts[] = {{(void *)(uintptr_t) "abc", 3}, {(void *)(uintptr_t) "defg", 4}};
    struct place p;
    char got[5];

    place_init(&p);
    int fd = io_openat(p.dir_fd, "one", O_RDWR | O_CREAT, 0640);
    io_hook_set(cut_in_second_part, NULL);
    cr_expect_eq(io_pwritev(fd, parts, 2, 0), 5);
    io_hook_set(NULL, NULL);
    REQUIRE_OK(io_read_all(fd, got, sizeof(got), 0, NULL));
    EXPECT_STR("what was written", str_make(got, sizeof(got)), STR("abcde"));
    (void)close(fd);
    place_release(&p);
}

/* A signal at any call goes unnoticed. */
Test(io, interruptions)
{
    struct iovec part = {(void *)(uintptr_t) "abc", 3};
    struct seen s = {.interruptions = 1};
    struct place p;
    char got[3];

    place_init(&p);
    io_hook_set(see, &s);
    int fd = io_openat(p.dir_fd, "one", O_RDWR | O_CREAT, 0640);
    cr_assert_geq(fd, 0);
    s.interruptions = 1;
    cr_expect_eq(io_pwritev(fd, &part, 1, 0), 3);
    s.interruptions = 1;
    cr_expect_eq(io_pread(fd, got, sizeof(got), 0), 3);
    s.interruptions = 1;
    cr_expect_eq(io_fsync(fd), 0);
    s.interruptions = 1;
    cr_expect_eq(io_fdatasync(fd), 0);
    s.interruptions = 1;
    cr_expect_eq(io_ftruncate(fd, 1), 0);
    io_hook_set(NULL, NULL);
    cr_expect(s.calls[IO_OPEN] == 2 && s.calls[IO_WRITE] == 2 && s.calls[IO_READ] == 2);
    cr_expect(s.calls[IO_SYNC] == 4 && s.calls[IO_TRUNCATE] == 2);
    (void)close(fd);
    place_release(&p);
}

/* ---- directories ---- */

/* The name of a directory is durable, whoever made it: a power cut would take all that is in it. */
Test(io, mkdir_is_durable)
{
    char path[TEST_PATH_BYTES];
    struct seen s = {0};
    struct place p;

    place_init(&p);
    io_hook_set(see, &s);
    REQUIRE_OK(io_mkdir(files_path(path, p.dir, "sub//"), NULL));
    cr_expect(s.calls[IO_MKDIR] == 1 && s.calls[IO_SYNC] == 1);
    cr_expect_str_eq(s.name, "", "a sync comes last");
    REQUIRE_OK(io_mkdir(path, NULL));
    cr_expect_eq(s.calls[IO_SYNC], 2);
    for (uint64_t at = 1; at <= 3; at++) {
        struct fault f = {.at = at, .error = EIO};
        fault_begin(&f);
        EXPECT_STATUS("not durable", io_mkdir(path, NULL), ST_IO);
        fault_end();
    }
    cr_assert_eq(chdir(p.dir), 0);
    struct fault no_sync = {.at = 1, .error = EIO, .kinds = 1U << IO_SYNC};
    fault_begin(&no_sync);
    EXPECT_STATUS("not synced", io_mkdir("here", NULL), ST_IO);
    fault_end();
    cr_expect_neq(access("here", F_OK), 0, "the next attempt must make it anew");
    REQUIRE_OK(io_mkdir("here", NULL));
    EXPECT_STATUS("/", io_mkdir("/", NULL), ST_OK);
    place_release(&p);
}

static enum status count_name(void *context, const char *name, struct err *err)
{
    size_t *count = context;

    if (name[0] == '!')
        return err_set(err, ST_LIMIT, "enough");
    *count += name[0] == '.' ? 0 : 1;
    return ST_OK;
}

Test(io, list)
{
    struct err err = {.text = ""};
    char path[TEST_PATH_BYTES];
    struct place p;
    size_t count = 0;

    place_init(&p);
    files_write(files_path(path, p.dir, "a"), STR("x"));
    files_write(files_path(path, p.dir, "b"), STR("x"));
    EXPECT_STATUS("two", io_list(p.dir, count_name, &count, &err), ST_OK);
    cr_expect_eq(count, 2);
    for (uint64_t at = 1; at <= 5; at++) { /* opened, two dots, and two names */
        struct fault f = {.at = at, .error = EIO, .kinds = 1U << IO_LIST};
        fault_begin(&f);
        EXPECT_STATUS("not the end", io_list(p.dir, count_name, &count, &err), ST_IO);
        fault_end();
    }
    EXPECT_STATUS("not there", io_list(path, count_name, &count, &err), ST_IO);
    files_write(files_path(path, p.dir, "!"), STR("x"));
    EXPECT_STATUS("ended", io_list(p.dir, count_name, &count, &err), ST_LIMIT);
    place_release(&p);
}

static const struct read_case {
    const char *name;
    size_t file_bytes;
    size_t max;
    enum status want_st;
} read_cases[] = {
    {"empty", 0, 100000, ST_OK},
    {"one step and more", 100000, 1000000, ST_OK},
    {"exactly one step", 64 * 1024, 1000000, ST_OK},
    {"empty, into nothing", 0, 0, ST_OK},
    {"as large as there is room", 100000, 100000, ST_OK},
    {"small, into little room", 10, 10, ST_OK},
    {"one too many", 11, 10, ST_TOO_LARGE},
    {"far too many", 300000, 100000, ST_TOO_LARGE},
};

Test(io, file_read)
{
    static char bytes[300000];
    struct place p;

    place_init(&p);
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < COUNT_OF(read_cases); i++) {
        const struct read_case *c = &read_cases[i];
        struct err err = {.text = ""};
        struct buf b;
        buf_init(&b, c->max);
        files_write(p.file, str_make(bytes, c->file_bytes));
        EXPECT_STATUS(c->name, io_file_read(p.file, &b, &err), c->want_st);
        if (c->want_st == ST_OK)
            cr_expect(str_eq(buf_str(&b), str_make(bytes, c->file_bytes)), "%s", c->name);
        else
            cr_expect_neq(err.text[0], '\0', "%s: no text", c->name);
        buf_release(&b);
    }
    place_release(&p);
}

Test(io, file_read_of_nothing)
{
    struct err err = {.text = ""};
    struct buf b;

    buf_init(&b, 100000);
    EXPECT_STATUS("not there", io_file_read("/nowhere/file", &b, &err), ST_NOT_FOUND);
    cr_expect_str_eq(err.text, "open /nowhere/file: No such file or directory", "%s", err.text);
    EXPECT_STATUS("a directory", io_file_read("/", &b, &err), ST_IO);
    buf_release(&b);
}

/* Every kind of call once, on `file` and a link to it. */
static void call_all(const struct place *p)
{
    char byte;
    int fd = io_openat(p->dir_fd, "file", O_RDWR | O_CREAT, 0640);

    (void)!io_write_all(fd, STR("x"), 0, NULL);
    (void)io_pread(fd, &byte, 1, 0);
    (void)io_fsync(fd);
    (void)io_fdatasync(fd);
    (void)io_ftruncate(fd, 0);
    (void)io_linkat(p->dir_fd, "file", "link");
    (void)io_unlinkat(p->dir_fd, "link");
    if (fd >= 0)
        (void)close(fd);
}

Test(io, hook_sees_every_call)
{
    static const enum io_call want[] = {IO_OPEN, IO_WRITE,    IO_READ, IO_SYNC,
                                        IO_SYNC, IO_TRUNCATE, IO_LINK, IO_UNLINK};
    struct place p;

    place_init(&p);
    for (uint64_t n = 1; n <= COUNT_OF(want); n++) {
        struct fault f = {.at = n, .error = EIO};
        fault_begin(&f);
        call_all(&p);
        fault_end();
        cr_expect(f.hit && f.failed == want[n - 1], "call %" PRIu64, n);
    }
    struct fault f = {.at = 1, .error = EACCES};
    fault_begin(&f);
    cr_expect_eq(io_unlinkat(p.dir_fd, "file"), -1);
    fault_end();
    cr_expect(f.failed == IO_UNLINK && errno == EACCES);
    cr_expect_eq(io_unlinkat(p.dir_fd, "file"), 0);
    place_release(&p);
}
