#include "bench/process.h"

#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "bench/bench.h"
#include "chunks/segment_walk.h"

#include "base/banned.h"

enum {
    READY_SECONDS_MAX = 60,
    READY_WAIT_US = 1000,
    STATUS_BYTES_MAX = 1 << 20,
    PATH_BYTES = 512,
};

void process_init(struct process *p, const char *binary)
{
    *p = (struct process){.binary = binary};
    bench_make_directory(p->dir, sizeof(p->dir));
}

void process_release(struct process *p)
{
    if (p->pid != 0)
        process_stop(p);
    bench_remove_directory(p->dir);
}

/* The child dies with the benchmark, however that ends. */
static void run_server(const struct process *p, const char *option)
{
    char listen[64], log[PATH_BYTES], data[PATH_BYTES];

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)p->endpoint.port);
    (void)snprintf(log, sizeof(log), "%s/log", p->dir);
    (void)snprintf(data, sizeof(data), "%s/data", p->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0640);
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execl(p->binary, p->binary, "serve", "--data", data, "--listen", listen, option,
                (char *)NULL);
    _exit(127);
}

double process_start(struct process *p, const char *option)
{
    p->endpoint = endpoint_free();
    double begin = bench_seconds(), until = begin + READY_SECONDS_MAX;

    p->pid = fork();
    if (p->pid < 0)
        bench_fail("cannot fork");
    if (p->pid == 0)
        run_server(p, option);
    while (bench_seconds() < until) {
        if (client_get(&p->endpoint, "/ready", NULL) == 200)
            return bench_seconds() - begin;
        if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
            p->pid = 0;
            return -1;
        }
        (void)usleep(READY_WAIT_US);
    }
    bench_fail("the server is not ready, see %s/log", p->dir);
}

static void end(struct process *p, int sign)
{
    (void)kill(p->pid, sign);
    (void)waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

void process_stop(struct process *p)
{
    end(p, SIGTERM);
}

void process_kill(struct process *p)
{
    end(p, SIGKILL);
}

double process_cpu(const struct process *p)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(p->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        bench_fail("cannot read the CPU time of the server, see %s/log", p->dir);
    return (double)t.tv_sec + (double)t.tv_nsec / (double)SECOND_NS;
}

double process_memory(const struct process *p, const char *key)
{
    struct str name = str_from(key), rest, line;
    char path[64];
    struct buf b;
    uint64_t kib = 0;

    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)p->pid);
    buf_init(&b, STATUS_BYTES_MAX);
    if (io_file_read(path, &b, NULL) != ST_OK)
        bench_fail("cannot read %s, see %s/log", path, p->dir);
    rest = buf_str(&b);
    while (str_split(&rest, '\n', &line)) {
        if (!str_starts(line, name))
            continue;
        struct str number = str_trim(str_cut(line, name.len + 1));
        if (num_parse_u64(str_head(number, str_find_char(number, ' ')), &kib) != ST_OK)
            kib = 0;
        break;
    }
    buf_release(&b);
    return (double)(kib * KIB);
}

void process_reset_peak(const struct process *p)
{
    static const char reset[] = "5";
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%ld/clear_refs", (long)p->pid);
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, reset, strlen(reset)) != 1)
        bench_fail("cannot write to %s", path);
    (void)close(fd);
}

/* ---- disk ---- */

typedef void each_file_fn(void *context, const FTSENT *file);

static void each_file(const struct process *p, const char *part, each_file_fn *visit, void *context)
{
    char path[PATH_BYTES];
    char *const paths[] = {path, NULL};

    (void)snprintf(path, sizeof(path), "%s/data/%s", p->dir, part);
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e = walk == NULL ? NULL : fts_read(walk); e != NULL; e = fts_read(walk)) {
        if (e->fts_info == FTS_F)
            visit(context, e);
    }
    if (walk != NULL)
        (void)fts_close(walk);
}

static void add_size(void *context, const FTSENT *file)
{
    uint64_t *bytes = context;

    *bytes += (uint64_t)file->fts_statp->st_size;
}

uint64_t process_disk(const struct process *p, const char *part)
{
    uint64_t bytes = 0;

    each_file(p, part, add_size, &bytes);
    return bytes;
}

static void add_filters(void *context, const FTSENT *file)
{
    uint64_t *bytes = context;
    struct segment_header header;
    struct chunk_place place;
    struct segment_walk walk;
    struct err err = {0};

    if (segment_walk_open(&walk, file->fts_path, &err) != ST_OK)
        bench_fail("%s", err.text);
    enum status st = segment_walk_header(&walk, &header, &err);
    while (st == ST_OK && segment_walk_next(&walk, &place, NULL) == ST_OK)
        *bytes += chunk_filters_bytes(&place.head);
    segment_walk_close(&walk);
}

uint64_t process_filter_bytes(const struct process *p)
{
    uint64_t bytes = 0;

    each_file(p, "segments", add_filters, &bytes);
    return bytes;
}
