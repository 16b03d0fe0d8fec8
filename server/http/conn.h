/*
 * conn.h - one connection: the states of docs/architecture.md, "A connection".
 *
 * Everything here runs on the thread of the connection's loop.
 */
#ifndef SERVER_HTTP_CONN_H
#define SERVER_HTTP_CONN_H

#include "server/http/server_internal.h"

/* Take over a socket that was just accepted. */
void conn_accept(struct loop *l, int fd);

/* Send the reply of a request to its client, if that is still there, and free the request. */
void conn_answer(struct request *r);

/* End connections whose time is over. */
void conn_tick(struct loop *l, int64_t now_ns);

/*
 * Give up answers of this loop, those first that have been waiting longest to be taken, until there
 * is room for one of so many bytes. False: there is none, and nothing is left to give up.
 */
bool conn_make_room(struct loop *l, size_t bytes);

/* The loop is stopping: end what only waits for a next request. */
void conn_close_idle(struct loop *l);
void conn_close_all(struct loop *l);

#endif
