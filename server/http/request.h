/*
 * request.h - one HTTP request and its answer.
 *
 * A request belongs to one thread at a time: the loop of its connection, then perhaps a worker,
 * then the loop again (I6). Handlers fill in the reply; the loop sends it. Everything a handler
 * makes lives in the arena of the request.
 */
#ifndef SERVER_HTTP_REQUEST_H
#define SERVER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "server/http/http1.h"
#include "server/http/params.h"

struct conn;
struct loop;
struct route;
struct server;

struct reply {
    int status;
    struct str content_type; /* static */
    struct buf body;
    bool is_gzip;
    bool retry_later;     /* send Retry-After */
    bool is_error;        /* send X-Content-Type-Options: nosniff */
    struct str allow;     /* for 405 */
    struct str delete_id; /* of a delete request that was made */
};

struct request {
    struct request *next; /* in a mailbox, or among the pushes that wait */
    struct server *server;
    struct loop *loop;
    struct conn *conn;         /* the loop's own; NULL once the client is gone */
    struct flag gone;          /* the same, for other threads */
    const struct route *route; /* NULL: none */
    enum status route_status;  /* why its handler is not to be run */
    struct http_head head;
    struct str label_name; /* the {name} of the path, decoded */
    struct params params;  /* of query string and form */
    struct buf body;
    size_t counted_bytes; /* of a request with a body, in server.inflight_bytes */
    struct str tenant;
    struct arena arena;
    int64_t begin_ns;  /* monotonic: when the head was there */
    bool bulk;         /* a push that takes long: for the bulk worker */
    uint64_t wait_seq; /* a push: answer when this log record is settled; 0: at once */
    struct reply reply;
};

/* A text, with a newline behind it if `newline`. */
void reply_text(struct request *r, int status, struct str text, bool newline);

/* The status and text of an error, as text/plain. */
void reply_error(struct request *r, enum status st, const struct err *err, bool newline);

/*
 * 200 and what has been put into `r->reply.body`; if not all of it could be, `st` and why.
 * `content_type` is static.
 */
void reply_made(struct request *r, struct str content_type, enum status st);

/* The same as JSON; what is too much is ST_LIMIT. */
void reply_json(struct request *r);

/* The body has been used: give its memory back before the answer is sent. */
void request_drop_body(struct request *r);

/* 204 without a body. */
void reply_empty(struct request *r);

#endif
