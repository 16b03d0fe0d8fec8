/*
 * bench.h - what the benchmark programs share: a server of their own, a client, and the table.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/str.h"

/* One row: what was measured, the figure, its unit. */
void bench_row(const char *what, double figure, const char *unit);
void bench_title(const char *title);

/* Print and end the program. */
void bench_fail(const char *format, ...) PRINTF_LIKE(1, 2) NO_RETURN;

/* "--name=VALUE" of the command line, or `standard`. */
uint64_t bench_option(int argc, char **argv, const char *name, uint64_t standard);

/* ---- a server process ---- */

struct bench_server {
    pid_t pid;
    uint16_t port;
    char dir[64]; /* a temporary directory */
    char binary[256];
};

/* Start `binary` (build/skald) on a new directory, or again on the same one; waits for /ready. */
void bench_server_start(struct bench_server *s, const char *binary);
double bench_server_restart(struct bench_server *s); /* seconds until it was ready */
void bench_server_kill(struct bench_server *s);      /* kill -9 */
void bench_server_stop(struct bench_server *s);      /* and remove the directory */

double bench_server_cpu(const struct bench_server *s); /* seconds so far */
double bench_server_memory(const struct bench_server *s,
                           const char *key); /* "VmRSS", "VmHWM": bytes */
uint64_t bench_server_disk(const struct bench_server *s,
                           const char *part); /* bytes below the directory */

/* ---- HTTP ---- */

/* An open connection; -1 after a failure. */
int bench_connect(const struct bench_server *s);

/* Send a request and read the answer; returns the status, and the body into `ret_body` unless NULL.
 */
int bench_request(int fd, struct str head, struct str body, struct buf *ret_body);

/* GET `path` (with %-escapes where needed). */
int bench_get(const struct bench_server *s, const char *path, struct buf *ret_body);

/* `text` with everything but letters and digits as %XX. */
void bench_put_escaped(struct buf *b, const char *text);

double bench_seconds(void); /* monotonic */

#endif
