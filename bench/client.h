/*
 * client.h - a small HTTP client for a server on this machine.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct endpoint {
    uint16_t port; /* of 127.0.0.1 */
};

/* One that nobody listens on. */
struct endpoint endpoint_free(void);

/* An open connection; -1 after a failure. */
int client_connect(const struct endpoint *e);

/*
 * Send a request and read the answer; returns the status, -1 when there is none, and appends the
 * body to `ret_body` unless that is NULL.
 */
int client_request(int fd, struct str head, struct str body, struct buf *ret_body);

/* GET `path` (with %-escapes where needed), over a connection that is open or one of its own. */
int client_get_over(int fd, const char *path, struct buf *ret_body);
int client_get(const struct endpoint *e, const char *path, struct buf *ret_body);

/* `text` with everything but letters and digits as %XX. */
void client_put_escaped(struct buf *b, const char *text);

#endif
