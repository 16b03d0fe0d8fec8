/*
 * server_internal.h - the insides of the server: shared by the files of server/http/ only.
 */
#ifndef SERVER_HTTP_SERVER_INTERNAL_H
#define SERVER_HTTP_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "base/queue.h"
#include "config/config.h"
#include "server/http/metrics.h"
#include "server/http/outcomes.h"
#include "server/http/request.h"
#include "server/http/server.h"
#include "server/store/store.h"

/* ---- mailbox: how other threads speak to a loop ---- */

/* Every push up to `seq` that was not settled before has this outcome. */
struct settled {
    uint64_t seq;
    enum status status;
};

/* What all loops hold left no room for so much in one of them: the others give some up. */
struct room {
    size_t request_bytes; /* arriving */
    size_t answer_bytes;  /* not sent */
};

enum { MAILBOX_SETTLED_MAX = 64 };

struct mailbox {
    struct lock lock;
    struct request *first; /* requests that workers have answered */
    struct request *last;
    struct settled settled[MAILBOX_SETTLED_MAX];
    size_t settled_count;
    int64_t stop_ns; /* not 0: accept nothing more, end when nothing runs or at this time */
    struct room wanted;
    int event_fd;
};

MUST_CHECK enum status mailbox_init(struct mailbox *m, struct err *err);
void mailbox_release(struct mailbox *m);

/* Give an answered request back to its loop. */
void mailbox_put_request(struct mailbox *m, struct request *r);
void mailbox_put_settled(struct mailbox *m, uint64_t seq, enum status st);
void mailbox_put_wanted(struct mailbox *m, struct room wanted);
void mailbox_put_stop(struct mailbox *m, int64_t until_ns);

/*
 * Take everything, or all but what is settled: the loop's side. Requests are linked by `next`.
 */
struct mail {
    struct request *requests;
    struct settled settled[MAILBOX_SETTLED_MAX];
    size_t settled_count;
    bool left; /* some of what is settled was not taken */
    struct room wanted;
    int64_t stop_ns;
};

void mailbox_take(struct mailbox *m, bool settled, struct mail *ret_mail);

/* ---- loops and connections ---- */

struct loop {
    struct server *server;
    pthread_t thread;
    bool started;
    struct event_base *base;
    struct evconnlistener *listener;
    bool listening;
    struct event *mail_event;
    struct event *tick;
    struct mailbox mailbox;
    struct conn *conns;          /* all of this loop */
    struct conn *arriving_first; /* whose request arrives: those first that got on longest ago */
    struct conn *arriving_last;
    struct request *waiting_first; /* pushes that wait for the log, by sequence number */
    struct request *waiting_last;
    struct event *hold;       /* wakes to look again whether they may be answered */
    int64_t hold_begin_ns;    /* monotonic: since when they may not; 0: they may */
    size_t running;           /* requests of this loop that are not answered */
    size_t pushing;           /* of which so many are pushes that the bulk worker has */
    struct outcomes outcomes; /* of log records */
    bool stopping;
    int64_t stop_ns; /* monotonic: then it ends whatever runs */
};

struct server {
    const struct config *config; /* what it was started with */
    struct store *store;
    struct loop *loops;
    size_t loop_count;
    pthread_t *workers;
    size_t worker_count;
    struct queue queue; /* requests for the workers */
    pthread_t bulk_worker;
    bool has_bulk_worker;
    struct queue bulk_queue; /* for the bulk worker: flushes, delete requests and large pushes */
    struct counter connections;
    uint64_t connections_max;      /* by the settings and by the descriptors there are */
    struct counter inflight_bytes; /* of requests: heads that are not whole, and all with a body */
    struct counter outgoing_bytes; /* of answers that are not sent */
    struct metrics metrics;
    int64_t started_ns; /* wall time */
    uint16_t port;
    struct lock config_lock;
    const struct config *current; /* whose limits count */
};

static inline const struct settings *server_settings(const struct server *s)
{
    return &s->config->settings;
}

/* The limits of the tenant of a request. */
const struct limits *request_limits(const struct request *r);

/* Listen, but do not accept yet. loop_release() frees a loop in any state but running. */
/*
 * Is the port free? The loops share it by SO_REUSEPORT, which would let a second server take a part
 * of the first one's connections.
 */
MUST_CHECK enum status loop_check_port(const struct server *s, struct err *err);

MUST_CHECK enum status loop_init(struct loop *l, struct server *s, struct err *err);
MUST_CHECK enum status loop_run(struct loop *l, struct err *err);
void loop_join(struct loop *l);
void loop_release(struct loop *l);

/*
 * Run the handler of a request whose body is there, here or on a worker. Its answer is sent by
 * conn_answer(), now or later.
 */
void loop_dispatch(struct loop *l, struct request *r);

#endif
