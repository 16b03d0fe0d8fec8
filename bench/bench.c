#include "bench/bench.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"

enum { FILE_BYTES_MAX = 1 << 20, REPLY_BYTES_MAX = 1 << 28 };

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void bench_title(const char *title)
{
    printf("\n%s\n", title);
}

void bench_row(const char *what, double figure, const char *unit)
{
    printf("  %-58s %12.2f %s\n", what, figure, unit);
    (void)fflush(stdout);
}

uint64_t bench_option(int argc, char **argv, const char *name, uint64_t standard)
{
    uint64_t v = standard;

    for (int i = 1; i < argc; i++) {
        struct str arg = str_from(argv[i]);
        if (!str_starts(arg, STR("--")))
            bench_fail("\"%s\" is not an option", argv[i]);
        arg = str_cut(arg, 2);
        size_t equals = str_find_char(arg, '=');
        if (equals == STR_NPOS || !str_eq(str_head(arg, equals), str_from(name)))
            continue;
        if (num_parse_bytes(str_cut(arg, equals + 1), &v) != ST_OK)
            bench_fail("--%s wants a number", name);
    }
    return v;
}

double bench_seconds(void)
{
    return (double)time_mono_ns() / (double)SECOND_NS;
}

/* ---- a server process ---- */

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        bench_fail("cannot find a free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void launch(struct bench_server *s)
{
    char listen[64], log[128], data[128];

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned)s->port);
    (void)snprintf(log, sizeof(log), "%s/log", s->dir);
    (void)snprintf(data, sizeof(data), "%s/data", s->dir);
    s->pid = fork();
    if (s->pid < 0)
        bench_fail("cannot fork");
    if (s->pid > 0)
        return;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0640);
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
    (void)execl(s->binary, s->binary, "serve", "--data", data, "--listen", listen, (char *)NULL);
    _exit(127);
}

static void wait_ready(struct bench_server *s)
{
    double until = bench_seconds() + 60;

    while (bench_seconds() < until) {
        int status = bench_get(s, "/ready", NULL);
        if (status == 200)
            return;
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            bench_fail("the server ended, see %s/log", s->dir);
        (void)usleep(1000);
    }
    bench_fail("the server is not ready, see %s/log", s->dir);
}

void bench_server_start(struct bench_server *s, const char *binary)
{
    *s = (struct bench_server){.port = free_port()};
    (void)snprintf(s->binary, sizeof(s->binary), "%s", binary);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/skald-bench-XXXXXX");
    if (mkdtemp(s->dir) == NULL)
        bench_fail("cannot make a directory");
    launch(s);
    wait_ready(s);
}

double bench_server_restart(struct bench_server *s)
{
    double begin = bench_seconds();

    launch(s);
    wait_ready(s);
    return bench_seconds() - begin;
}

void bench_server_kill(struct bench_server *s)
{
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
}

void bench_server_stop(struct bench_server *s)
{
    char command[128];

    (void)kill(s->pid, SIGTERM);
    (void)waitpid(s->pid, NULL, 0);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", s->dir);
}

static struct str proc_file(const struct bench_server *s, const char *name, struct buf *b)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)s->pid, name);
    buf_init(b, FILE_BYTES_MAX);
    if (io_file_read(path, b, NULL) != ST_OK)
        bench_fail("cannot read %s", path);
    return buf_str(b);
}

double bench_server_cpu(const struct bench_server *s)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(s->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        bench_fail("cannot read the CPU time of the server");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double bench_server_memory(const struct bench_server *s, const char *key)
{
    struct buf b;
    struct str rest = proc_file(s, "status", &b), line;
    uint64_t kib = 0;

    while (str_split(&rest, '\n', &line)) {
        if (!str_starts(line, str_from(key)))
            continue;
        struct str number = str_trim(str_cut(line, strlen(key) + 1));
        if (num_parse_u64(str_head(number, str_find_char(number, ' ')), &kib) != ST_OK)
            kib = 0;
        break;
    }
    buf_release(&b);
    return (double)kib * 1024;
}

uint64_t bench_server_disk(const struct bench_server *s, const char *part)
{
    char path[512];
    uint64_t bytes = 0;
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/data/%s", s->dir, part);
    DIR *d = opendir(path);
    for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0)
            bytes += (uint64_t)st.st_size;
    }
    if (d != NULL)
        (void)closedir(d);
    return bytes;
}

/* ---- HTTP ---- */

int bench_connect(const struct bench_server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(s->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (put <= 0)
            return -1;
        bytes = str_cut(bytes, (size_t)put);
    }
    return 0;
}

/* The number behind "Content-Length: ", 0 if it is not there. */
static uint64_t content_length(struct str head)
{
    static const struct str name = STR_INIT("Content-Length: ");
    size_t at = str_find(head, name);
    uint64_t length = 0;

    if (at == STR_NPOS)
        return 0;
    struct str rest = str_cut(head, at + name.len);
    return num_parse_u64(str_head(rest, str_find_char(rest, '\r')), &length) == ST_OK ? length : 0;
}

int bench_request(int fd, struct str head, struct str body, struct buf *ret_body)
{
    enum { STEP_BYTES = 64 * 1024 };
    struct buf reply;
    size_t head_bytes = 0;
    int status = -1;

    if (send_all(fd, head) != 0 || send_all(fd, body) != 0)
        return -1;
    buf_init(&reply, REPLY_BYTES_MAX);
    for (;;) {
        char *to = buf_reserve(&reply, STEP_BYTES);
        ssize_t got = to == NULL ? -1 : recv(fd, to, STEP_BYTES, 0);
        if (got <= 0)
            break;
        buf_advance(&reply, (size_t)got);
        size_t end = head_bytes > 0 ? 0 : str_find(buf_str(&reply), STR("\r\n\r\n"));
        if (head_bytes == 0 && end != STR_NPOS)
            head_bytes = end + 4;
        if (head_bytes > 0 &&
            reply.len >= head_bytes + content_length(str_head(buf_str(&reply), head_bytes))) {
            status = (int)strtol(reply.ptr + sizeof("HTTP/1.1"), NULL, 10);
            break;
        }
    }
    if (ret_body != NULL && status > 0)
        buf_put(ret_body, str_cut(buf_str(&reply), head_bytes));
    buf_release(&reply);
    return status;
}

int bench_get(const struct bench_server *s, const char *path, struct buf *ret_body)
{
    enum { PATH_BYTES_MAX = 16 * 1024 };
    struct buf head;
    int fd = bench_connect(s);

    if (fd < 0)
        return -1;
    buf_init(&head, PATH_BYTES_MAX);
    buf_printf(&head, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);
    int status = bench_request(fd, buf_str(&head), STR(""), ret_body);
    buf_release(&head);
    (void)close(fd);
    return status;
}

void bench_put_escaped(struct buf *b, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (isalnum((unsigned char)*p) != 0)
            buf_put_char(b, *p);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)*p);
    }
}
