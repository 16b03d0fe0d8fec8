/*
 * client.h - the HTTP client of the commands, over libcurl.
 *
 * Ownership  A reply lives until the next call of the same client.
 * Threads    One thread.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/flags.h"

/* Which server, and as whom. */
struct client_options {
    struct str addr; /* empty: the default */
    struct str org_id;
    struct str username;
    struct str password;
    struct str bearer_token;
};

/* --addr, --org-id and so on. */
struct flag_group client_flag_group(struct client_options *options);

struct client;

/*
 * ST_INVALID  `addr` is not the address of a server, or the options contradict one another
 * ST_NOMEM
 */
MUST_CHECK enum status client_new(const struct client_options *options, struct client **ret_client,
                                  struct err *err);
void client_free(struct client *c); /* accepts NULL */

struct client_param {
    const char *name;
    struct str value; /* an empty one is left out */
};

/* Names are sorted, so that the address of a question is always the same text. */
struct client_question {
    const char *path; /* already encoded, "/loki/api/v1/labels" */
    const struct client_param *params;
    size_t param_count;
};

/* Show what is asked on standard error: with the parameters, without name and password. */
void client_print_address(const struct client *c, const struct client_question *q);

/*
 * Ask. Anything but a 2xx is an error, whose text has the address and what the server says. A
 * question too long for an address goes as the body of a POST.
 *
 * ST_INVALID, ST_NOT_FOUND, ST_UNAUTHORIZED, ST_LIMIT  4xx
 * ST_BUSY       5xx, or no connection: later may be better     ST_TIMEOUT  no answer in time
 * ST_TOO_LARGE  the answer is larger than this program takes
 */
MUST_CHECK enum status client_ask(struct client *c, const struct client_question *q,
                                  struct str *ret_body, struct err *err);

/* POST a body. Statuses as above. */
MUST_CHECK enum status client_push(struct client *c, struct str body, struct err *err);

/* May a push that ended so be tried again? */
bool client_may_retry(enum status st);

/*
 * How long to wait before the try after `failures` of them: half a second, doubling up to 5
 * minutes.
 */
int64_t client_backoff_ns(unsigned failures);

/* Encode for a query string as Go does: all but letters, digits and `-_.~`, a blank is `+`. */
void client_put_query_escaped(struct buf *b, struct str s);

/* The same for a segment of a path, where a blank is `%20`. */
void client_put_path_escaped(struct buf *b, struct str s);

/* Find the address of a server in what a person wrote: with scheme, without `/` at the end. */
MUST_CHECK enum status client_put_base(struct buf *b, struct str addr, struct err *err);

/* `address` without `name:password@`. */
void client_put_without_secrets(struct buf *b, struct str address);

#endif
