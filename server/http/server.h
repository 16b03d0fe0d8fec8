/*
 * server.h - the HTTP server: event loops, query workers, and the store behind them.
 *
 * Threads  The calls below are for the one thread that started it.
 */
#ifndef SERVER_HTTP_SERVER_H
#define SERVER_HTTP_SERVER_H

#include <stdint.h>

#include "base/err.h"
#include "config/config.h"

struct server;

/*
 * Open the store and serve. `config` stays valid as long as the server.
 */
MUST_CHECK enum status server_start(const struct config *config, struct server **ret_server,
                                    struct err *err);

/* The port it listens on. */
uint16_t server_port(const struct server *s);

/*
 * Stop accepting, let what runs finish for at most the settings' graceful_shutdown_timeout, flush,
 * close the store, free. Accepts NULL.
 */
void server_stop(struct server *s);

/* Let the limits of `config` count from now on; it stays valid as long as the server. */
void server_set_config(struct server *s, const struct config *config);

#endif
