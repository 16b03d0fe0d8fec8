/*
 * One event loop: a listener of its own (SO_REUSEPORT: the kernel spreads connections over the
 * loops), the connections it accepted, and a mailbox for what other threads have for it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "server/http/conn.h"
#include "server/http/route.h"
#include "server/http/server_internal.h"
#include "server/store/tenant.h"

#include "base/banned.h"

enum {
    LISTEN_BACKLOG = 1024,
    TICK_MS = 500,
    HOLD_STEP_US = 2000,
};

#define HOLD_NS_MAX SECOND_NS

/* ---- requests ---- */

static bool is_form(const struct request *r)
{
    struct str type = http_header_get(&r->head, STR("content-type"));
    struct str media = type.ptr == NULL ? STR("") : str_head(type, str_find_char(type, ';'));

    return str_eq_nocase(str_trim(media), STR("application/x-www-form-urlencoded"));
}

/* Decode query string and form; the form comes first, and the first value of a name counts. */
static enum status read_params(struct request *r, struct err *err)
{
    enum status st = ST_OK;

    if (r->head.method == HTTP_POST && (r->route->flags & ROUTE_PARAMS) != 0 && is_form(r))
        st = params_add(&r->params, &r->arena, buf_str(&r->body), err);
    if (st == ST_OK && r->head.query_string.ptr != NULL)
        st = params_add(&r->params, &r->arena, r->head.query_string, err);
    if (st == ST_OK)
        st = path_decode(&r->arena, r->label_name, &r->label_name, err);
    return st;
}

static enum status read_tenant(struct request *r, struct err *err)
{
    const struct settings *settings = server_settings(r->server);
    struct str header = http_header_get(&r->head, STR("x-scope-orgid"));

    if (!settings->auth_enabled) {
        r->tenant = settings->no_auth_tenant;
        return ST_OK;
    }
    r->tenant = header.ptr == NULL ? STR("") : header;
    return tenant_check_name(r->tenant, err);
}

/* Everything that is the same for all handlers. */
static enum status prepare(struct request *r, struct err *err)
{
    enum status st = ST_OK;

    if ((r->route->flags & ROUTE_TENANT) != 0)
        st = read_tenant(r, err);
    if (st == ST_OK && (r->route->flags & (ROUTE_PARAMS | ROUTE_QUERY)) != 0)
        st = read_params(r, err);
    return st;
}

static void wait_settled(struct loop *l, struct request *r)
{
    r->next = NULL;
    if (l->waiting_last == NULL)
        l->waiting_first = r;
    else
        l->waiting_last->next = r;
    l->waiting_last = r;
}

/* The same for a push that comes back from the bulk worker: others may have overtaken it. */
static void wait_settled_among(struct loop *l, struct request *r)
{
    struct request **at = &l->waiting_first;

    while (*at != NULL && (*at)->wait_seq < r->wait_seq)
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    if (r->next == NULL)
        l->waiting_last = r;
}

/* Give a request to the bulk worker; it comes back to take_back(). */
static void run_bulk(struct loop *l, struct request *r)
{
    bool is_push = r->bulk;
    struct err err;

    if (queue_push(&l->server->bulk_queue, r) == ST_OK) {
        l->pushing += is_push ? 1 : 0;
        return;
    }
    err_set(&err, ST_BUSY, "The server cannot accept more requests at this time.");
    reply_error(r, ST_BUSY, &err, true);
    conn_answer(r);
}

static void run_here(struct loop *l, struct request *r)
{
    r->route->handler(r);
    if (r->bulk) {
        run_bulk(l, r);
        return;
    }
    if (r->wait_seq == 0) {
        conn_answer(r);
        return;
    }
    request_drop_body(r);
    wait_settled(l, r);
}

void loop_dispatch(struct loop *l, struct request *r)
{
    struct err err = {.status = ST_OK};

    if (r->route_status == ST_NOT_FOUND) {
        reply_text(r, 404, STR("404 page not found"), true);
        r->reply.is_error = true;
        conn_answer(r);
        return;
    }
    if (r->route_status == ST_BAD_METHOD) {
        reply_text(r, 405, STR(""), false);
        r->reply.allow = r->route->allow;
        conn_answer(r);
        return;
    }
    enum route_thread thread = route_thread(r->route, r->head.method);
    enum status st = prepare(r, &err);
    if (st == ST_OK && thread == RUN_ON_LOOP) {
        run_here(l, r);
        return;
    }
    if (st == ST_OK && thread == RUN_ON_BULK_WORKER) {
        run_bulk(l, r);
        return;
    }
    if (st == ST_OK && queue_push(&l->server->queue, r) == ST_OK)
        return;
    if (st == ST_OK)
        st = err_set(&err, ST_LIMIT, "too many outstanding requests");
    reply_error(r, st, &err, (r->route->flags & ROUTE_PUSH) != 0);
    conn_answer(r);
}

/* ---- mail ---- */

static void answer_push(struct request *r, enum status settled)
{
    struct err err;

    if (settled != ST_OK) {
        err_set(&err, settled == ST_FULL ? ST_FULL : ST_BUSY, "cannot write to the log: %s",
                status_text(settled));
        reply_error(r, err.status, &err, true);
    }
    conn_answer(r);
}

/* A request comes back from a worker. */
static void take_back(struct loop *l, struct request *r)
{
    enum status st;

    if (r->bulk)
        l->pushing--;
    if (r->wait_seq == 0) {
        conn_answer(r);
        return;
    }
    request_drop_body(r);
    if (outcomes_find(&l->outcomes, r->wait_seq, &st))
        answer_push(r, st);
    else
        wait_settled_among(l, r);
}

static void answer_settled(struct loop *l, struct settled settled)
{
    outcomes_note(&l->outcomes, settled.seq, settled.status, l->pushing > 0);
    while (l->waiting_first != NULL && l->waiting_first->wait_seq <= settled.seq) {
        struct request *r = l->waiting_first;
        l->waiting_first = r->next;
        if (l->waiting_first == NULL)
            l->waiting_last = NULL;
        answer_push(r, settled.status);
    }
}

/* The loop may end: nothing runs any more, or its time is over. */
static void end_if_done(struct loop *l)
{
    if (l->stopping && (l->conns == NULL || time_mono_ns() >= l->stop_ns))
        (void)event_base_loopbreak(l->base);
}

static void begin_stop(struct loop *l, int64_t until_ns)
{
    l->stopping = true;
    l->stop_ns = until_ns;
    if (l->listener != NULL) {
        evconnlistener_free(l->listener);
        l->listener = NULL;
    }
    conn_close_idle(l);
}

/*
 * Acknowledgements wait while the flusher is behind, a second at most: clients send what comes next
 * when they have them. Without that, memory would grow as far as clients are faster than the
 * compression, up to where pushes are refused.
 */
static bool must_hold(struct loop *l)
{
    int64_t now_ns = time_mono_ns();

    if (l->stopping || !store_is_behind(l->server->store)) {
        l->hold_begin_ns = 0;
        return false;
    }
    if (l->hold_begin_ns == 0)
        l->hold_begin_ns = now_ns;
    return now_ns - l->hold_begin_ns < HOLD_NS_MAX;
}

static void look_again(struct loop *l)
{
    static const struct timeval delay = {.tv_usec = HOLD_STEP_US};

    if (!event_pending(l->hold, EV_TIMEOUT, NULL))
        (void)event_add(l->hold, &delay);
}

/* Mail has come, or the time to look again at what was left in the box. */
static void on_mail(evutil_socket_t fd, short what, void *context)
{
    struct loop *l = context;
    struct mail mail;

    (void)fd;
    (void)what;
    mailbox_take(&l->mailbox, !must_hold(l), &mail);
    if (mail.left)
        look_again(l);
    for (size_t i = 0; i < mail.settled_count; i++)
        answer_settled(l, mail.settled[i]);
    while (mail.requests != NULL) {
        struct request *r = mail.requests;
        mail.requests = r->next;
        take_back(l, r);
    }
    conn_give_up(l, mail.wanted);
    if (mail.stop_ns != 0)
        begin_stop(l, mail.stop_ns);
    end_if_done(l);
}

/* ---- accepting ---- */

static void set_listening(struct loop *l, bool on)
{
    if (l->listener == NULL || l->listening == on)
        return;
    l->listening = on;
    if (on)
        (void)evconnlistener_enable(l->listener);
    else
        (void)evconnlistener_disable(l->listener);
}

static bool has_room(struct loop *l)
{
    return counter_get(&l->server->connections) < l->server->connections_max;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_len, void *context)
{
    struct loop *l = context;

    (void)listener;
    (void)address;
    (void)address_len;
    conn_accept(l, fd);
    if (!has_room(l))
        set_listening(l, false); /* on_tick() looks again */
}

/* Out of descriptors: let some connections end before trying again. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct loop *l = context;

    (void)listener;
    LOG(LOG_WARN, "cannot accept connections", LOG_TEXT("err", strerror(errno)));
    set_listening(l, false);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct loop *l = context;

    (void)fd;
    (void)what;
    conn_tick(l, time_mono_ns());
    if (!l->listening && has_room(l))
        set_listening(l, true);
    end_if_done(l);
}

struct listen_address {
    struct sockaddr_storage bytes;
    int len;
};

static enum status parse_address(const struct server *s, struct listen_address *ret_address,
                                 struct err *err)
{
    struct str host = server_settings(s)->http_listen_address;
    struct listen_address a = {.len = sizeof(a.bytes)};
    char text[128];
    bool is_v6 = str_find_char(host, ':') != STR_NPOS;

    (void)snprintf(text, sizeof(text), is_v6 ? "[%.*s]:1" : "%.*s:1", STR_ARG(host));
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&a.bytes, &a.len) != 0)
        return err_set(err, ST_INVALID, "\"%.*s\" is not an address to listen on", STR_ARG(host));
    /* The parser takes no port 0, which lets the kernel choose. Both families have it in one place.
     */
    ((struct sockaddr_in *)&a.bytes)->sin_port = htons(s->port);
    *ret_address = a;
    return ST_OK;
}

static enum status cannot_listen(const struct server *s, struct err *err)
{
    return err_errno(err, "listen on %.*s port %u",
                     STR_ARG(server_settings(s)->http_listen_address), (unsigned)s->port);
}

enum status loop_check_port(const struct server *s, struct err *err)
{
    struct listen_address address;

    enum status st = parse_address(s, &address, err);
    if (st != ST_OK)
        return st;
    int fd = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || evutil_make_listen_socket_reuseable(fd) < 0 ||
        bind(fd, (struct sockaddr *)&address.bytes, (socklen_t)address.len) < 0)
        st = cannot_listen(s, err);
    if (fd >= 0)
        (void)close(fd);
    return st;
}

static enum status listen_on(struct loop *l, struct err *err)
{
    struct listen_address address;

    enum status st = parse_address(l->server, &address, err);
    if (st != ST_OK)
        return st;
    l->listener = evconnlistener_new_bind(
        l->base, on_accept, l,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE | LEV_OPT_REUSEABLE_PORT,
        LISTEN_BACKLOG, (struct sockaddr *)&address.bytes, address.len);
    if (l->listener == NULL)
        return cannot_listen(l->server, err);
    evconnlistener_set_error_cb(l->listener, on_accept_error);
    l->listening = true;
    return ST_OK;
}

/* The port the kernel gave, for the other loops. */
static void learn_port(struct loop *l)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (getsockname(evconnlistener_get_fd(l->listener), (struct sockaddr *)&address, &len) == 0)
        l->server->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/* ---- life ---- */

static void *run(void *context)
{
    struct loop *l = context;

    (void)event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
    conn_close_all(l);
    return NULL;
}

enum status loop_init(struct loop *l, struct server *s, struct err *err)
{
    struct timeval period = {.tv_sec = TICK_MS / 1000, .tv_usec = TICK_MS % 1000 * 1000};

    l->server = s;
    enum status st = mailbox_init(&l->mailbox, err);
    if (st != ST_OK)
        return st;
    l->base = event_base_new();
    if (l->base == NULL)
        return err_set(err, ST_NOMEM, "no memory for an event loop");
    st = listen_on(l, err);
    if (st != ST_OK)
        return st;
    learn_port(l);
    l->mail_event = event_new(l->base, l->mailbox.event_fd, EV_READ | EV_PERSIST, on_mail, l);
    l->tick = event_new(l->base, -1, EV_PERSIST, on_tick, l);
    l->hold = evtimer_new(l->base, on_mail, l);
    if (l->mail_event == NULL || l->tick == NULL || l->hold == NULL ||
        event_add(l->mail_event, NULL) != 0 || event_add(l->tick, &period) != 0)
        return err_set(err, ST_NOMEM, "no memory for an event loop");
    return ST_OK;
}

enum status loop_run(struct loop *l, struct err *err)
{
    if (pthread_create(&l->thread, NULL, run, l) != 0)
        return err_set(err, ST_NOMEM, "cannot start an event loop");
    l->started = true;
    return ST_OK;
}

void loop_join(struct loop *l)
{
    if (l->started)
        (void)pthread_join(l->thread, NULL);
    l->started = false;
}

/* Requests whose clients are gone and that were still somewhere else when the loop ended. */
static void free_leftovers(struct loop *l)
{
    struct mail mail;

    mailbox_take(&l->mailbox, true, &mail);
    if (l->waiting_last != NULL)
        l->waiting_last->next = mail.requests;
    else
        l->waiting_first = mail.requests;
    while (l->waiting_first != NULL) {
        struct request *r = l->waiting_first;
        l->waiting_first = r->next;
        ASSERT(r->conn == NULL);
        conn_answer(r);
    }
    ASSERT(l->running == 0);
}

void loop_release(struct loop *l)
{
    ASSERT(!l->started);
    if (l->mailbox.event_fd > 0)
        free_leftovers(l);
    if (l->tick != NULL)
        event_free(l->tick);
    if (l->hold != NULL)
        event_free(l->hold);
    if (l->mail_event != NULL)
        event_free(l->mail_event);
    if (l->listener != NULL)
        evconnlistener_free(l->listener);
    if (l->base != NULL)
        event_base_free(l->base);
    mailbox_release(&l->mailbox);
}
