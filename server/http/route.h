/*
 * route.h - every route of the server; nothing else decides where a request goes.
 */
#ifndef SERVER_HTTP_ROUTE_H
#define SERVER_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "server/http/request.h"

enum route_flags {
    ROUTE_TENANT = 1,  /* needs a tenant */
    ROUTE_PARAMS = 2,  /* query string and form are decoded before the handler runs */
    ROUTE_PUSH = 4,    /* the body is a push: its own limit, errors end in a newline */
    ROUTE_QUERY = 8,   /* the query string alone is decoded before the handler runs */
    ROUTE_CHANGE = 16, /* what is not a GET waits for a disk */
};

enum route_thread {
    RUN_ON_LOOP,
    RUN_ON_WORKER,
    RUN_ON_BULK_WORKER, /* waits for a disk, but must not wait for queries */
};

struct route {
    struct str path; /* `{name}` stands for one segment */
    struct str metric;
    void (*handler)(struct request *r);
    unsigned methods; /* bit 1 << method for each that is allowed */
    struct str allow; /* their names */
    enum route_thread thread;
    unsigned flags;
};

/*
 * Find the route of a request; `*ret_name` is the segment at `{name}`, as sent.
 *
 * ST_NOT_FOUND  no such path      ST_BAD_METHOD  the path is there: `*ret_route` is set all the
 * same
 */
MUST_CHECK enum status route_find(enum http_method method, struct str path,
                                  const struct route **ret_route, struct str *ret_name);

/* All of them, for metrics; the last one stands for everything that is not a route. */
extern const struct route routes[];
extern const size_t route_count;

size_t route_index(const struct route *r);

/* Where a request with this method runs. */
enum route_thread route_thread(const struct route *r, enum http_method method);

#endif
