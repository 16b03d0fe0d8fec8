/*
 * Deleting log lines: /loki/api/v1/delete. Parameters come from the query string only. The list is
 * run by workers; changes by the bulk worker: a request is answered when it is durable and hides
 * what it names, for which everything in memory is flushed.
 */
#include <inttypes.h>

#include "base/time.h"
#include "proto/json.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_delete(struct request *r);

enum { ID_DIGITS = 8, SECONDS_DIGITS = 10 };

/* ---- parameters ---- */

/* RFC 3339, or exactly ten digits of seconds; `standard_ns` if there is none. */
static enum status read_time(const struct request *r, const char *name, int64_t standard_ns,
                             int64_t *ret_ns, struct err *err)
{
    struct str text = params_get(&r->params, str_from(name));
    int64_t seconds = 0;
    size_t digits = 0;

    if (text.len == 0) {
        *ret_ns = standard_ns;
        return ST_OK;
    }
    if (time_parse(text, ret_ns) == ST_OK)
        return ST_OK;
    while (digits < text.len && digits < SECONDS_DIGITS && text.ptr[digits] >= '0' &&
           text.ptr[digits] <= '9')
        seconds = seconds * 10 + (text.ptr[digits++] - '0');
    if (digits != SECONDS_DIGITS || text.len != SECONDS_DIGITS ||
        seconds > INT64_MAX / SECOND_NS) /* beyond the year 2262 */
        return err_set(err, ST_INVALID, "invalid %s time: require unix seconds or RFC3339 format",
                       name);
    *ret_ns = seconds * SECOND_NS;
    return ST_OK;
}

/* Requests are not cut into pieces here, so it changes nothing. */
static enum status check_max_interval(const struct request *r, struct err *err)
{
    struct str text = params_get(&r->params, STR("max_interval"));
    int64_t interval_ns;

    if (text.len == 0 ||
        (duration_parse_go(text, &interval_ns, NULL) == ST_OK && interval_ns >= SECOND_NS))
        return ST_OK;
    return err_set(err, ST_INVALID, "invalid max_interval: valid time units are 's', 'm', 'h'");
}

static enum status read_wish(const struct request *r, struct delete_wish *wish, struct err *err)
{
    int64_t now_ns = time_now_ns();

    *wish =
        (struct delete_wish){.tenant = r->tenant, .query = params_get(&r->params, STR("query"))};
    if (wish->query.len == 0)
        return err_set(err, ST_INVALID, "query not set");
    if (params_get(&r->params, STR("start")).len == 0)
        return err_set(err, ST_INVALID, "start time not set");
    enum status st = read_time(r, "start", 0, &wish->start_ns, err);
    if (st == ST_OK)
        st = read_time(r, "end", now_ns, &wish->end_ns, err);
    if (st != ST_OK)
        return st;
    if (wish->end_ns > now_ns)
        return err_set(err, ST_INVALID, "deletes in the future are not allowed");
    if (wish->start_ns >= wish->end_ns)
        return err_set(err, ST_INVALID, "start time can't be greater than or equal to end time");
    return check_max_interval(r, err);
}

/* Eight hexadecimal digits, as they were given. */
static bool read_id(struct str text, uint32_t *ret_id)
{
    uint32_t id = 0;

    if (text.len != ID_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9')
            id = id << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            id = id << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret_id = id;
    return true;
}

/* ---- the list ---- */

/* Seconds with as many digits of milliseconds as they have. */
static void put_seconds(struct buf *b, int64_t ts_ns)
{
    int64_t ms = ts_ns / MS_NS;
    unsigned fraction = (unsigned)((ms < 0 ? -ms : ms) % 1000);
    int digits = 3;

    buf_printf(b, "%s%" PRId64, ms < 0 && ms > -1000 ? "-" : "", ms / 1000);
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; fraction /= 10)
        digits--;
    buf_printf(b, ".%0*u", digits, fraction);
}

static void put_request(struct buf *b, const struct delete_request *d)
{
    buf_printf(b, "{\"request_id\":\"%08" PRIx32 "\",\"start_time\":", d->id);
    put_seconds(b, d->start_ns);
    buf_put(b, STR(",\"end_time\":"));
    put_seconds(b, d->end_ns);
    buf_put(b, STR(",\"query\":"));
    json_put_string(b, d->query, true);
    if (d->processed || d->percent == 0)
        buf_printf(b, ",\"status\":\"%s\"", d->processed ? "processed" : "received");
    else
        buf_printf(b, ",\"status\":\"%u%% Complete\"", d->percent);
    buf_put(b, STR(",\"created_at\":"));
    put_seconds(b, d->created_ns);
    buf_put(b, STR(",\"user_id\":\"\"}"));
}

static enum status list_requests(struct request *r, struct err *err)
{
    struct buf *b = &r->reply.body;
    struct delete_list list;
    int64_t start_ns, end_ns;
    size_t shown = 0;

    enum status st = read_time(r, "start", INT64_MIN, &start_ns, err);
    if (st == ST_OK)
        st = read_time(r, "end", INT64_MAX, &end_ns, err);
    if (st == ST_OK)
        st = store_deletes(r->server->store, &r->arena, r->tenant, &list, err);
    if (st != ST_OK)
        return st;
    buf_put_char(b, '[');
    for (size_t i = 0; i < list.count; i++) {
        const struct delete_request *d = &list.items[i];
        if (d->end_ns < start_ns || d->start_ns > end_ns)
            continue;
        if (shown++ > 0)
            buf_put_char(b, ',');
        put_request(b, d);
    }
    buf_put(b, STR("]\n"));
    reply_json(r);
    return ST_OK;
}

/* ---- the handler ---- */

static enum status create(struct request *r, struct err *err)
{
    struct delete_wish wish;
    uint32_t id;

    enum status st = read_wish(r, &wish, err);
    if (st == ST_OK)
        st = store_delete(r->server->store, &wish, &id, err);
    if (st != ST_OK)
        return st;
    r->reply.delete_id = arena_printf(&r->arena, "%08" PRIx32, id);
    reply_empty(r);
    return ST_OK;
}

static enum status cancel(struct request *r, struct err *err)
{
    bool force = str_eq(params_get(&r->params, STR("force")), STR("true"));
    uint32_t id;

    if (!read_id(params_get(&r->params, STR("request_id")), &id))
        return err_set(err, ST_NOT_FOUND, "could not find delete request with given id");
    enum status st = store_cancel_delete(r->server->store, r->tenant, id, force, err);
    if (st == ST_OK)
        reply_empty(r);
    return st;
}

void api_delete(struct request *r)
{
    struct err err = {.status = ST_OK};
    enum status st;

    if (r->head.method == HTTP_GET)
        st = list_requests(r, &err);
    else if (r->head.method == HTTP_DELETE)
        st = cancel(r, &err);
    else
        st = create(r, &err);
    if (st != ST_OK)
        reply_error(r, st, &err, true);
}
