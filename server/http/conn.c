/*
 *            head whole            body whole            reply sent
 *   HEAD ------------------> BODY ------------> BUSY ------------> WRITING ----> HEAD (keep-alive)
 *     |  bad, too large,       |                  | client gone       | or CLOSING -> free
 *     v  too slow              v                  v
 *   CLOSING (the error is sent, what still comes is thrown away, for a little while)
 *
 * A request that a worker has does not die with its connection: it is told (`gone`), comes back
 * some time, and is freed then.
 *
 * A client that closes its side may be gone, or still wait for the answer: TCP does not tell. While
 * its request runs it is sent an interim answer, which a system whose client is gone resets.
 *
 * What connections hold is counted over all of them: the bytes of requests that are arriving, as
 * they come, and of bodies until they are used; the bytes of answers that are not sent yet. Where
 * requests are too much, those that got on longest ago are refused; where answers are, those that
 * have waited longest are given up, connection and all. What is not counted is a few KB each: what
 * was read ahead while a request runs or its answer is sent, and short answers.
 */
#include "server/http/conn.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/mem.h"
#include "base/time.h"
#include "server/http/pace.h"
#include "server/http/route.h"

#include "base/banned.h"

enum conn_state {
    CONN_HEAD,
    CONN_BODY,
    CONN_BUSY,
    CONN_WRITING,
    CONN_CLOSING,
};

enum {
    READ_AHEAD_MAX = 4 * 1024,   /* of what is parsed, but for a head that is longer */
    COPIED_REPLY_MAX = 4 * 1024, /* a shorter body is copied instead of referred to */
    REPLY_HEAD_BYTES_MAX = 4 * 1024,
    RECEIVE_BYTES_MAX = 512 * 1024, /* taken at once, then it is the turn of others */
    ARRIVED_BYTES_MIN = 4 * 1024,   /* fewer of them are no reason to wait for more */
};

#define LINGER_NS (2 * SECOND_NS)
#define WRITER_GRACE_NS (SECOND_NS / 10) /* an answer is not given up before */

struct conn {
    struct conn *next;
    struct conn *prev;
    struct loop *loop;
    struct bufferevent *bev;
    enum conn_state state;
    int64_t deadline_ns;     /* of the state, monotonic; 0: none */
    bool close_after;        /* the reply that is being sent is the last one */
    bool in_request;         /* HEAD: bytes of a request have come */
    bool at_eof;             /* the client has closed its side */
    struct request *request; /* from the head to the reply */
    struct http_chunked chunked;
    size_t read_ahead_max;
    size_t searched_bytes; /* of the input: no head ends there */
    size_t counted_bytes;  /* of a head that is not whole, in server.inflight_bytes */
    bool arriving;         /* in the list of the loop, by when it got on */
    struct conn *arriving_next;
    struct conn *arriving_prev;
    size_t arrived_bytes;  /* of the request, when it got on */
    size_t outgoing_bytes; /* of its answer, in server.outgoing_bytes */
    int64_t answered_ns;   /* WRITING: since when, monotonic */
    struct pace pace;
};

static struct server *server_of(const struct conn *c)
{
    return c->loop->server;
}

static struct evbuffer *input_of(const struct conn *c)
{
    return bufferevent_get_input(c->bev);
}

static struct evbuffer *output_of(const struct conn *c)
{
    return bufferevent_get_output(c->bev);
}

static void set_state(struct conn *c, enum conn_state state, int64_t timeout_ns)
{
    c->state = state;
    c->deadline_ns = timeout_ns == 0 ? 0 : time_mono_ns() + timeout_ns;
}

/* How much may wait in the input, at least one read of libevent's. */
static void set_read_ahead(struct conn *c, size_t bytes)
{
    if (c->read_ahead_max == bytes)
        return;
    c->read_ahead_max = bytes;
    bufferevent_setwatermark(c->bev, EV_READ, 0, bytes);
}

static void drop_input(struct conn *c)
{
    (void)evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
}

/* ---- requests ---- */

static struct request *request_new(struct conn *c)
{
    const struct settings *settings = server_settings(server_of(c));
    struct request *r = mem_new(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->server = server_of(c);
    r->loop = c->loop;
    r->conn = c;
    r->begin_ns = time_mono_ns();
    arena_init(&r->arena, (size_t)settings->query_memory_max);
    buf_init(&r->body, (size_t)settings->max_body_size);
    buf_init(&r->reply.body, (size_t)settings->query_memory_max);
    c->loop->running++;
    return r;
}

void request_drop_body(struct request *r)
{
    counter_sub(&r->server->inflight_bytes, r->counted_bytes);
    r->counted_bytes = 0;
    buf_release(&r->body);
}

static void request_free(struct request *r)
{
    ASSERT(r->loop->running > 0);
    r->loop->running--;
    request_drop_body(r);
    buf_release(&r->reply.body);
    arena_release(&r->arena);
    mem_free(r);
}

/* ---- requests that are arriving ---- */

static void unlink_arriving(struct conn *c)
{
    struct loop *l = c->loop;

    if (!c->arriving)
        return;
    c->arriving = false;
    if (c->arriving_prev != NULL)
        c->arriving_prev->arriving_next = c->arriving_next;
    else
        l->arriving_first = c->arriving_next;
    if (c->arriving_next != NULL)
        c->arriving_next->arriving_prev = c->arriving_prev;
    else
        l->arriving_last = c->arriving_prev;
}

/* Put it behind those that got on before. */
static void link_arriving(struct conn *c)
{
    struct loop *l = c->loop;

    ASSERT(!c->arriving);
    c->arriving = true;
    c->arriving_next = NULL;
    c->arriving_prev = l->arriving_last;
    if (l->arriving_last != NULL)
        l->arriving_last->arriving_next = c;
    else
        l->arriving_first = c;
    l->arriving_last = c;
}

/* More of it has come. It got on if that was not too little: to seem busy costs what is counted. */
static void note_arrival(struct conn *c)
{
    const struct request *r = c->request;
    size_t arrived = evbuffer_get_length(input_of(c));

    if (r != NULL)
        arrived += r->arena.used_bytes + r->body.len;
    if (c->arriving && arrived < c->arrived_bytes + ARRIVED_BYTES_MIN)
        return;
    c->arrived_bytes = arrived;
    unlink_arriving(c);
    link_arriving(c);
}

/* No more of the head, or of the request, is waited for. */
static void end_arrival(struct conn *c)
{
    unlink_arriving(c);
    counter_sub(&server_of(c)->inflight_bytes, c->counted_bytes);
    c->counted_bytes = 0;
}

/* ---- ending a connection ---- */

static void uncount_answer(struct conn *c)
{
    counter_sub(&server_of(c)->outgoing_bytes, c->outgoing_bytes);
    c->outgoing_bytes = 0;
}

static void conn_free(struct conn *c)
{
    struct loop *l = c->loop;

    uncount_answer(c);
    end_arrival(c);
    if (c->request != NULL && c->state == CONN_BUSY) {
        c->request->conn = NULL; /* it comes back to conn_answer() */
        flag_set(&c->request->gone);
    } else if (c->request != NULL) {
        request_free(c->request);
    }
    bufferevent_free(c->bev);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    counter_sub(&l->server->connections, 1);
    mem_free(c);
}

/* End a connection whose peer takes too long: what the system holds for it goes as well. */
static void conn_reset(struct conn *c)
{
    static const struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    conn_free(c);
}

/* Nothing more can be done with the bytes that are there: wait for others, if any may come. */
static void wait_for_input(struct conn *c)
{
    if (c->at_eof)
        conn_free(c);
}

/* ---- replies ---- */

static void free_body(const void *bytes, size_t len, void *context)
{
    (void)len;
    (void)context;
    mem_free((void *)(uintptr_t)bytes);
}

/*
 * Of the connections whose answers are being sent, the one that has been at it longest; NULL: none
 * has for a while. An answer that was put this moment says nothing about who reads it.
 */
static struct conn *longest_writer(const struct loop *l)
{
    int64_t longest_ns = time_mono_ns() - WRITER_GRACE_NS;
    struct conn *longest = NULL;

    for (struct conn *c = l->conns; c != NULL; c = c->next) {
        if (c->outgoing_bytes == 0 || c->answered_ns >= longest_ns)
            continue;
        longest_ns = c->answered_ns;
        longest = c;
    }
    return longest;
}

/*
 * Give up answers of this loop, those first that have been waiting longest to be taken, until there
 * is room for one of so many bytes. False: there is none, and nothing is left to give up.
 */
static bool give_up_answers(struct loop *l, size_t bytes)
{
    struct server *s = l->server;
    uint64_t max = server_settings(s)->http_max_outgoing_bytes;
    struct conn *c = NULL;

    while (counter_get(&s->outgoing_bytes) + bytes > max && (c = longest_writer(l)) != NULL) {
        counter_add(&s->metrics.answers_given_up, 1);
        conn_reset(c);
    }
    uint64_t others = counter_get(&s->outgoing_bytes);
    return others == 0 || others + bytes <= max; /* one alone may be as large as its query may be */
}

static void ask_other_loops(const struct loop *l, struct room wanted)
{
    struct server *s = l->server;

    for (size_t i = 0; i < s->loop_count; i++) {
        if (&s->loops[i] != l)
            mailbox_put_wanted(&s->loops[i].mailbox, wanted);
    }
}

/* Count an answer among those that are not sent; false when that would be too much. */
static bool count_answer(struct conn *c, size_t bytes)
{
    struct server *s = server_of(c);

    if (give_up_answers(c->loop, bytes)) {
        counter_add(&s->outgoing_bytes, bytes);
        c->outgoing_bytes = bytes;
        return true;
    }
    ask_other_loops(c->loop, (struct room){.answer_bytes = bytes});
    return false;
}

/* Hand the body over to the output; a long one without copying it. */
static void send_body(struct conn *c, struct buf *body)
{
    if (body->len <= COPIED_REPLY_MAX) {
        (void)evbuffer_add(output_of(c), body->ptr, body->len);
        return;
    }
    struct str bytes = buf_detach(body);
    if (evbuffer_add_reference(output_of(c), bytes.ptr, bytes.len, free_body, NULL) != 0)
        mem_free((void *)(uintptr_t)bytes.ptr);
}

static void send_head(struct conn *c, const struct reply *reply)
{
    struct buf head;
    struct str type = reply->content_type;

    buf_init(&head, REPLY_HEAD_BYTES_MAX);
    buf_printf(&head, "HTTP/1.1 %d %s\r\n", reply->status, http_reason(reply->status));
    http_put_date(&head, time_now_ns());
    if (type.len > 0)
        buf_printf(&head, "Content-Type: %.*s\r\n", STR_ARG(type));
    if (reply->status != 204)
        buf_printf(&head, "Content-Length: %zu\r\n", reply->body.len);
    if (reply->is_gzip)
        buf_put(&head, STR("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"));
    if (reply->is_error)
        buf_put(&head, STR("X-Content-Type-Options: nosniff\r\n"));
    if (reply->retry_later)
        buf_put(&head, STR("Retry-After: 1\r\n"));
    if (reply->allow.len > 0)
        buf_printf(&head, "Allow: %.*s\r\n", STR_ARG(reply->allow));
    if (reply->delete_id.len > 0)
        buf_printf(&head, "X-Delete-Request-ID: %.*s\r\n", STR_ARG(reply->delete_id));
    if (c->close_after)
        buf_put(&head, STR("Connection: close\r\n"));
    buf_put(&head, STR("\r\n"));
    (void)evbuffer_add(output_of(c), head.ptr, head.len);
    buf_release(&head);
}

static void observe(const struct request *r)
{
    metrics_observe(&r->server->metrics, route_index(r->route), r->head.method, r->reply.status,
                    time_mono_ns() - r->begin_ns);
}

/* What is not sent yet, or not taken: systems hold some megabytes for a slow reader. */
static size_t left_bytes(const struct conn *c)
{
    int held = 0;

    (void)ioctl(bufferevent_getfd(c->bev), SIOCOUTQ, &held);
    return evbuffer_get_length(output_of(c)) + (size_t)MAX_OF(held, 0);
}

static void put_answer(struct conn *c, struct reply *reply, bool with_body)
{
    size_t before = evbuffer_get_length(output_of(c));

    send_head(c, reply);
    if (with_body)
        send_body(c, &reply->body);
    pace_put(&c->pace, evbuffer_get_length(output_of(c)) - before);
    c->answered_ns = time_mono_ns();
    pace_answered(&c->pace, left_bytes(c), c->answered_ns,
                  server_settings(server_of(c))->http_write_timeout);
    c->state = CONN_WRITING;
    c->deadline_ns = c->pace.end_ns;
}

void conn_answer(struct request *r)
{
    struct conn *c = r->conn;
    struct buf *body = &r->reply.body;
    bool with_body = r->head.method != HTTP_HEAD;

    if (c != NULL && with_body && body->len > COPIED_REPLY_MAX &&
        !count_answer(c, body->capacity)) {
        buf_release(body);
        r->reply.is_gzip = false;
        r->reply.retry_later = true;
        reply_text(r, 503, STR("too many answers wait for their readers"), true);
    }
    observe(r);
    if (c == NULL) {
        request_free(r);
        return;
    }
    if (!r->head.keep_alive || c->loop->stopping)
        c->close_after = true;
    put_answer(c, &r->reply, with_body);
    c->request = NULL;
    request_free(r);
}

/* The request of a head that is not whole. */
static struct request *request_of_part(struct conn *c)
{
    static const char method[] = "HEAD ";
    char begin[sizeof(method) - 1];
    struct request *r = request_new(c);

    if (r != NULL && evbuffer_copyout(input_of(c), begin, sizeof(begin)) == sizeof(begin) &&
        memcmp(begin, method, sizeof(begin)) == 0)
        r->head.method = HTTP_HEAD;
    return r;
}

/* Answer with an error before the request is whole; nothing of the connection can be trusted then.
 */
static void refuse(struct conn *c, int status, const char *text)
{
    struct request *r = c->request != NULL ? c->request : request_of_part(c);

    if (r == NULL) {
        conn_free(c);
        return;
    }
    c->request = r;
    end_arrival(c);
    drop_input(c);
    set_read_ahead(c, READ_AHEAD_MAX);
    c->close_after = true;
    r->head.keep_alive = false;
    reply_text(r, status, str_from(text), true);
    r->reply.is_error = true;
    r->reply.retry_later = status == 503;
    conn_answer(r);
}

/* ---- reading ---- */

static void read_input(struct conn *c);

static void start_next(struct conn *c)
{
    const struct settings *settings = server_settings(server_of(c));
    bool begun = evbuffer_get_length(input_of(c)) > 0;

    set_state(c, CONN_HEAD, begun ? settings->http_read_timeout : settings->http_idle_timeout);
    c->chunked = (struct http_chunked){0};
    read_input(c);
}

static void refuse_for_memory(struct conn *c)
{
    counter_add(&server_of(c)->metrics.requests_given_up, 1);
    refuse(c, 503, "The server cannot accept more requests at this time.");
}

/*
 * Refuse requests of this loop that are arriving, those first that got on longest ago, until there
 * is room for so many bytes. False: there is none, and `last` is the next, or none is left.
 */
static bool refuse_arriving(struct loop *l, size_t bytes, const struct conn *last)
{
    struct server *s = l->server;
    uint64_t max = server_settings(s)->http_max_inflight_bytes;

    while (counter_get(&s->inflight_bytes) + bytes > max) {
        if (l->arriving_first == NULL || l->arriving_first == last)
            return false;
        refuse_for_memory(l->arriving_first);
    }
    return true;
}

void conn_give_up(struct loop *l, struct room wanted)
{
    if (wanted.request_bytes > 0)
        (void)refuse_arriving(l, wanted.request_bytes, NULL);
    if (wanted.answer_bytes > 0)
        (void)give_up_answers(l, wanted.answer_bytes);
}

/* Count what the request holds by now; false when that is too much, though others were refused. */
static bool count_arrived(struct conn *c)
{
    struct server *s = server_of(c);
    struct request *r = c->request;
    size_t *counted = r == NULL ? &c->counted_bytes : &r->counted_bytes;
    size_t held = evbuffer_get_length(input_of(c));

    if (r != NULL)
        held = sizeof(*r) + r->arena.used_bytes + r->body.capacity;
    if (held > *counted) {
        counter_add(&s->inflight_bytes, held - *counted);
        *counted = held;
    }
    if (refuse_arriving(c->loop, 0, c) || counter_get(&s->inflight_bytes) == held)
        return true; /* one alone may be as large as its own limit lets it be */
    ask_other_loops(c->loop, (struct room){.request_bytes = held});
    return false;
}

/* The whole body is there. */
static void dispatch(struct conn *c)
{
    set_state(c, CONN_BUSY, 0);
    loop_dispatch(c->loop, c->request);
}

static void refuse_body(struct conn *c, uint64_t bytes)
{
    struct err err;

    err_set(&err, ST_TOO_LARGE,
            "request body too large: message size too large than max (%llu vs %zu)",
            (unsigned long long)bytes, c->request->body.max);
    refuse(c, status_http(ST_TOO_LARGE), err.text);
}

/*
 * Read what the socket holds straight into the body, which gets no room for more than that: a body
 * that was only announced costs nothing. libevent reads 4 KiB at a time into memory of its own. An
 * end or an error is left for it to find.
 */
static void receive(struct conn *c, size_t wanted)
{
    struct buf *body = &c->request->body;
    size_t left = MIN_OF(wanted, (size_t)RECEIVE_BYTES_MAX);
    int there = 0;

    while (left > 0 && ioctl(bufferevent_getfd(c->bev), FIONREAD, &there) == 0 && there > 0) {
        size_t room = MIN_OF(left, (size_t)there);
        char *to = buf_reserve(body, room);
        ssize_t got = to == NULL ? -1 : recv(bufferevent_getfd(c->bev), to, room, 0);
        if (got <= 0)
            return;
        buf_advance(body, (size_t)got);
        left -= (size_t)got;
    }
}

/* Move bytes of a body with a known length; true when it is whole. */
static bool take_counted(struct conn *c)
{
    struct request *r = c->request;
    size_t wanted = (size_t)r->head.content_length - r->body.len;
    size_t there = MIN_OF(wanted, evbuffer_get_length(input_of(c)));

    char *to = there == 0 ? NULL : buf_reserve(&r->body, there);
    if (to != NULL && evbuffer_remove(input_of(c), to, there) == (int)there)
        buf_advance(&r->body, there);
    if (there < wanted && !r->body.failed)
        receive(c, wanted - there);
    return r->body.len == r->head.content_length;
}

/* The same for a chunked one. */
static bool take_chunked(struct conn *c, enum status *ret_st)
{
    struct evbuffer *input = input_of(c);
    size_t there = evbuffer_get_length(input);
    const char *bytes = (const char *)evbuffer_pullup(input, -1);
    struct str in = str_make(bytes, bytes == NULL ? 0 : there);

    *ret_st = http_chunked_take(&c->chunked, &in, &c->request->body);
    (void)evbuffer_drain(input, there - in.len);
    return c->chunked.state == HTTP_CHUNK_DONE;
}

static void read_body(struct conn *c)
{
    struct request *r = c->request;
    enum status st = ST_OK;

    bool whole = r->head.chunked ? take_chunked(c, &st) : take_counted(c);
    if (whole)
        end_arrival(c);
    else
        note_arrival(c);
    if (st == ST_TOO_LARGE)
        refuse_body(c, r->body.max + 1);
    else if (st != ST_OK)
        refuse(c, 400, "malformed chunked body");
    else if (r->body.failed || !count_arrived(c))
        refuse_for_memory(c);
    else if (whole)
        dispatch(c);
    else
        wait_for_input(c);
}

static void send_continue(struct conn *c)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

    (void)evbuffer_add(output_of(c), line, sizeof(line) - 1);
    pace_put(&c->pace, sizeof(line) - 1);
}

/* The head is parsed: find the route, and how much body may follow. */
static void begin_request(struct conn *c)
{
    struct request *r = c->request;
    const struct settings *settings = server_settings(r->server);
    const struct route *route = NULL;
    struct str name;

    enum status st = route_find(r->head.method, r->head.path, &route, &name);
    r->route = st == ST_NOT_FOUND ? NULL : route;
    r->route_status = st;
    r->label_name = name;
    if (route != NULL && (route->flags & ROUTE_PUSH) != 0) {
        r->body.max = (size_t)settings->max_recv_msg_size;
        r->arena.max_bytes = (size_t)settings->max_decompressed_size * 4; /* see wal_push.h */
    }
    if (r->head.has_length && r->head.content_length > r->body.max) {
        refuse_body(c, r->head.content_length);
        return;
    }
    bool has_body = r->head.chunked || r->head.content_length > 0;
    if (!has_body) {
        dispatch(c);
        return;
    }
    if (r->head.expects_continue)
        send_continue(c);
    c->state = CONN_BODY; /* the deadline stays: it is that of the request */
    read_body(c);
}

/* The first `len` bytes of the input are a head. */
static void read_head(struct conn *c, size_t len)
{
    struct request *r = request_new(c);
    struct err err = {.status = ST_OK};

    if (r == NULL) {
        conn_free(c);
        return;
    }
    c->request = r;
    c->searched_bytes = 0;
    end_arrival(c);
    set_read_ahead(c, READ_AHEAD_MAX);
    char *bytes = arena_bytes(&r->arena, len);
    if (bytes == NULL || evbuffer_remove(input_of(c), bytes, len) != (int)len) {
        refuse(c, 503, "out of memory");
        return;
    }
    enum status st = http_head_parse(str_make(bytes, len), &r->head, &err);
    if (st == ST_OK)
        begin_request(c);
    else
        refuse(c, st == ST_BAD_METHOD || st == ST_UNSUPPORTED ? 501 : 400, err.text);
}

static void wait_for_head(struct conn *c, size_t there)
{
    size_t max = (size_t)server_settings(server_of(c))->http_max_header_bytes;

    if (there == 0) {
        end_arrival(c);
        wait_for_input(c);
        return;
    }
    set_read_ahead(c, MAX_OF(max, (size_t)READ_AHEAD_MAX));
    note_arrival(c);
    if (count_arrived(c))
        wait_for_input(c);
    else
        refuse_for_memory(c);
}

static void look_for_head(struct conn *c)
{
    struct evbuffer *input = input_of(c);
    size_t max = (size_t)server_settings(server_of(c))->http_max_header_bytes;

    size_t len = http_head_find(input, &c->searched_bytes);
    size_t there = evbuffer_get_length(input);
    if (len > max || (len == 0 && there >= max))
        refuse(c, 431, "request header fields too large");
    else if (len > 0)
        read_head(c, len);
    else
        wait_for_head(c, there);
}

/* Do what can be done with the bytes that are there. May free the connection. */
static void read_input(struct conn *c)
{
    switch (c->state) {
    case CONN_HEAD:
        look_for_head(c);
        break;
    case CONN_BODY:
        read_body(c);
        break;
    case CONN_BUSY:
    case CONN_WRITING:
        break; /* it waits for its turn */
    case CONN_CLOSING:
        drop_input(c);
        break;
    }
}

/* ---- events ---- */

static void on_read(struct bufferevent *bev, void *context)
{
    struct conn *c = context;
    const struct settings *settings = server_settings(server_of(c));

    (void)bev;
    /* The first bytes of a request on a connection that was idle: its time begins. */
    if (c->state == CONN_HEAD && !c->in_request) {
        c->in_request = true;
        set_state(c, CONN_HEAD, settings->http_read_timeout);
    }
    read_input(c);
}

/* Everything is sent. */
static void on_write(struct bufferevent *bev, void *context)
{
    struct conn *c = context;

    (void)bev;
    if (c->state != CONN_WRITING)
        return;
    uncount_answer(c);
    /* Its answer was put before the stop began. */
    c->close_after |= c->loop->stopping && evbuffer_get_length(input_of(c)) == 0;
    if (!c->close_after) {
        c->in_request = evbuffer_get_length(input_of(c)) > 0;
        start_next(c);
        return;
    }
    if ((bufferevent_get_enabled(c->bev) & EV_READ) == 0) {
        conn_free(c);
        return;
    }
    /* Let the client read the reply before its own unread bytes make the kernel reset it. */
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    set_state(c, CONN_CLOSING, LINGER_NS);
    drop_input(c);
}

/* The client sends nothing more. False: it waits for nothing either, as far as can be known. */
static bool goes_on_after_eof(struct conn *c)
{
    if (c->state == CONN_BUSY && c->request->head.is_http_1_0)
        return false; /* it knows no interim answers */
    if (c->state == CONN_BUSY && (c->request->route->flags & ROUTE_PUSH) == 0)
        send_continue(c); /* see has_reset() */
    return c->state == CONN_BUSY || c->state == CONN_WRITING;
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    struct conn *c = context;

    (void)bev;
    if ((what & BEV_EVENT_EOF) != 0 && goes_on_after_eof(c)) {
        c->at_eof = true;
        (void)bufferevent_disable(c->bev, EV_READ);
        return;
    }
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
        conn_free(c);
}

void conn_accept(struct loop *l, int fd)
{
    struct conn *c = mem_new(1, sizeof(*c));
    int on = 1;

    if (c != NULL)
        c->bev = bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c == NULL || c->bev == NULL) {
        mem_free(c);
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->loop = l;
    c->next = l->conns;
    if (l->conns != NULL)
        l->conns->prev = c;
    l->conns = c;
    counter_add(&l->server->connections, 1);
    set_state(c, CONN_HEAD, server_settings(l->server)->http_read_timeout);
    c->in_request = true;
    set_read_ahead(c, READ_AHEAD_MAX);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) != 0)
        conn_free(c);
}

/* ---- time ---- */

/* Slow, but fast enough? Then it has another http_write_timeout. */
static bool is_taking(struct conn *c, int64_t now_ns)
{
    int64_t timeout_ns = server_settings(server_of(c))->http_write_timeout;

    if (!pace_was_kept(&c->pace, left_bytes(c), now_ns, timeout_ns))
        return false;
    c->deadline_ns = c->pace.end_ns;
    return true;
}

static void time_is_over(struct conn *c, int64_t now_ns)
{
    if (c->state == CONN_WRITING && is_taking(c, now_ns))
        return;
    if (c->state == CONN_BODY) {
        counter_add(&server_of(c)->metrics.requests_timed_out, 1);
        refuse(c, 408, "the request did not arrive in time");
        return;
    }
    if (c->state == CONN_WRITING)
        conn_reset(c);
    else
        conn_free(c);
}

/* Has the client of a running request reset the connection, after it had closed its side? */
static bool has_reset(const struct conn *c)
{
    int code = 0;
    socklen_t len = sizeof(code);

    return c->at_eof && c->state == CONN_BUSY &&
           getsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_ERROR, &code, &len) == 0 &&
           code != 0;
}

void conn_tick(struct loop *l, int64_t now_ns)
{
    struct conn *next;

    for (struct conn *c = l->conns; c != NULL; c = next) {
        next = c->next;
        if (c->deadline_ns != 0 && now_ns >= c->deadline_ns)
            time_is_over(c, now_ns);
        else if (has_reset(c))
            conn_free(c);
    }
}

void conn_close_idle(struct loop *l)
{
    struct conn *next;

    for (struct conn *c = l->conns; c != NULL; c = next) {
        next = c->next;
        if (c->state == CONN_HEAD && evbuffer_get_length(input_of(c)) == 0)
            conn_free(c);
    }
}

void conn_close_all(struct loop *l)
{
    while (l->conns != NULL)
        conn_free(l->conns);
}
