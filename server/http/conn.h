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
 * Another loop wants room for so much: refuse requests of this one that are arriving, those first
 * that got on longest ago, and give up answers, those first that have been waiting longest to be
 * taken, until there is.
 */
void conn_give_up(struct loop *l, struct room wanted);

/* The loop is stopping: end what only waits for a next request. */
void conn_close_idle(struct loop *l);
void conn_close_all(struct loop *l);

#endif
