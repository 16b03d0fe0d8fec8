#include "server/http/server.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/cores.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "server/http/route.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

enum {
    GZIP_BYTES_MIN = 1024,
    BULK_QUEUE_MAX = 256, /* the bodies have a budget of their own: http_max_inflight_bytes */
};

/* ---- workers ---- */

/* Does the client take gzip? */
static bool accepts_gzip(const struct request *r)
{
    struct str list = http_header_get(&r->head, STR("accept-encoding")), item;

    while (list.ptr != NULL && str_split(&list, ',', &item)) {
        struct str name = str_trim(str_head(item, str_find_char(item, ';')));
        if (str_eq_nocase(name, STR("gzip")) && str_find(item, STR("q=0")) == STR_NPOS)
            return true;
    }
    return false;
}

static void compress_reply(struct request *r)
{
    struct buf packed;

    if (!server_settings(r->server)->compress_responses || r->reply.body.len < GZIP_BYTES_MIN ||
        !accepts_gzip(r))
        return;
    buf_init(&packed, r->reply.body.max);
    if (gzip_compress(buf_str(&r->reply.body), &packed) == ST_OK) {
        buf_release(&r->reply.body);
        r->reply.body = packed;
        r->reply.is_gzip = true;
    } else {
        buf_release(&packed);
    }
}

static void serve_queue(struct queue *q)
{
    for (struct request *r = queue_pop(q); r != NULL; r = queue_pop(q)) {
        if (!flag_get(&r->gone)) {
            r->route->handler(r);
            if (!r->bulk) /* the head of a push is gone by now */
                compress_reply(r);
        }
        mailbox_put_request(&r->loop->mailbox, r);
    }
}

static void *work(void *context)
{
    struct server *s = context;

    serve_queue(&s->queue);
    return NULL;
}

/* One only: so the memory that a large push takes while it is decoded is there once. */
static void *work_bulk(void *context)
{
    struct server *s = context;

    serve_queue(&s->bulk_queue);
    return NULL;
}

/* ---- start ---- */

/* Called by the thread of the log. */
static void on_settled(void *context, uint64_t seq, enum status st)
{
    struct server *s = context;

    for (size_t i = 0; i < s->loop_count; i++)
        mailbox_put_settled(&s->loops[i].mailbox, seq, st);
}

/* Take as many descriptors as this process may have; files come first, connections get the rest. */
static void share_descriptors(struct server *s)
{
    enum { DESCRIPTORS_FOR_OTHERS = 256 };
    const struct settings *settings = server_settings(s);
    uint64_t others = settings->max_open_segments + DESCRIPTORS_FOR_OTHERS;
    struct rlimit limit;

    s->connections_max = settings->http_max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    uint64_t left = limit.rlim_cur > 2 * others ? limit.rlim_cur - others : limit.rlim_cur / 2;
    if (left < s->connections_max) {
        s->connections_max = left;
        LOG(LOG_INFO, "fewer connections than server.http_max_connections, for want of descriptors",
            LOG_INT("connections", left), LOG_INT("descriptors", limit.rlim_cur));
    }
}

static size_t count_or_processors(uint64_t count)
{
    return count > 0 ? (size_t)count : cores_online();
}

static enum status start_workers(struct server *s, struct err *err)
{
    const struct settings *settings = server_settings(s);
    size_t count = count_or_processors(settings->max_concurrent);

    enum status st = queue_init(&s->queue, (size_t)settings->max_outstanding, err);
    if (st == ST_OK)
        st = queue_init(&s->bulk_queue, BULK_QUEUE_MAX, err);
    if (st != ST_OK)
        return st;
    s->workers = mem_new(count, sizeof(*s->workers));
    if (s->workers == NULL)
        return err_set(err, ST_NOMEM, "no memory for workers");
    for (; s->worker_count < count; s->worker_count++) {
        if (pthread_create(&s->workers[s->worker_count], NULL, work, s) != 0)
            return err_set(err, ST_NOMEM, "cannot start a worker");
    }
    if (pthread_create(&s->bulk_worker, NULL, work_bulk, s) != 0)
        return err_set(err, ST_NOMEM, "cannot start the bulk worker");
    s->has_bulk_worker = true;
    return ST_OK;
}

static enum status start_loops(struct server *s, struct err *err)
{
    size_t count = count_or_processors(server_settings(s)->http_threads);

    s->loops = mem_new(count, sizeof(*s->loops));
    if (s->loops == NULL)
        return err_set(err, ST_NOMEM, "no memory for event loops");
    s->port = (uint16_t)server_settings(s)->http_listen_port;
    enum status st = loop_check_port(s, err);
    for (; s->loop_count < count && st == ST_OK; s->loop_count++)
        st = loop_init(&s->loops[s->loop_count], s, err);
    for (size_t i = 0; i < s->loop_count && st == ST_OK; i++)
        st = loop_run(&s->loops[i], err);
    return st;
}

enum status server_start(const struct config *config, struct server **ret_server, struct err *err)
{
    struct server *s = mem_new(1, sizeof(*s));

    if (s == NULL)
        return err_set(err, ST_NOMEM, "no memory for the server");
    s->config = config;
    s->current = config;
    s->started_ns = time_now_ns();
    lock_init(&s->config_lock, LOCK_RANK_STORE);
    struct store_options options = {config, on_settled, s};
    share_descriptors(s);

    enum status st = metrics_init(&s->metrics);
    if (st != ST_OK)
        err_set(err, st, "no memory for metrics");
    if (st == ST_OK)
        st = store_open(&options, &s->store, err);
    if (st == ST_OK)
        st = start_workers(s, err);
    if (st == ST_OK)
        st = start_loops(s, err);
    if (st != ST_OK) {
        server_stop(s);
        return st;
    }
    *ret_server = s;
    return ST_OK;
}

uint16_t server_port(const struct server *s)
{
    return s->port;
}

void server_set_config(struct server *s, const struct config *config)
{
    lock_take(&s->config_lock);
    s->current = config;
    lock_give(&s->config_lock);
    store_set_config(s->store, config);
}

const struct limits *request_limits(const struct request *r)
{
    struct server *s = r->server;

    lock_take(&s->config_lock);
    const struct limits *limits = config_limits(s->current, r->tenant);
    lock_give(&s->config_lock);
    return limits;
}

/* ---- stop ---- */

/* Let what runs finish until then, and end the loops whatever still runs. */
static void stop_loops(struct server *s, int64_t until_ns)
{
    for (size_t i = 0; i < s->loop_count; i++)
        mailbox_put_stop(&s->loops[i].mailbox, until_ns);
    for (size_t i = 0; i < s->loop_count; i++)
        loop_join(&s->loops[i]);
}

/* Who still waits for the store then, for a slow disk flushes for long, waits no longer. */
static void join_worker(struct server *s, pthread_t worker, const struct timespec *until)
{
    if (pthread_timedjoin_np(worker, NULL, until) == 0)
        return;
    store_abandon(s->store);
    (void)pthread_join(worker, NULL);
}

static void stop_workers(struct server *s, int64_t until_ns)
{
    int64_t at_ns = time_now_ns() + MAX_OF(until_ns - time_mono_ns(), SECOND_NS);
    const struct timespec at = {at_ns / SECOND_NS, at_ns % SECOND_NS};

    if (s->queue.items != NULL)
        queue_close(&s->queue);
    if (s->bulk_queue.items != NULL)
        queue_close(&s->bulk_queue);
    for (size_t i = 0; i < s->worker_count; i++)
        join_worker(s, s->workers[i], &at);
    if (s->has_bulk_worker)
        join_worker(s, s->bulk_worker, &at);
    queue_release(&s->queue);
    queue_release(&s->bulk_queue);
    mem_free(s->workers);
}

void server_stop(struct server *s)
{
    if (s == NULL)
        return;
    int64_t until_ns = time_mono_ns() + server_settings(s)->graceful_shutdown_timeout;
    stop_loops(s, until_ns);
    stop_workers(s, until_ns);
    store_close(s->store, MAX_OF(until_ns - time_mono_ns(), SECOND_NS));
    for (size_t i = 0; i < s->loop_count; i++)
        loop_release(&s->loops[i]);
    mem_free(s->loops);
    metrics_release(&s->metrics);
    lock_release(&s->config_lock);
    mem_free(s);
}
