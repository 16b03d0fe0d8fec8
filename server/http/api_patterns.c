/*
 * /loki/api/v1/patterns: the shapes of lines. Run by workers.
 */
#include "query/patterns.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/time.h"
#include "proto/json.h"
#include "server/http/api.h"
#include "server/http/render.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_patterns(struct request *r);

static void put_pattern(struct buf *b, const struct pattern *p)
{
    buf_put(b, STR("{\"pattern\":"));
    json_put_string(b, p->text, true);
    buf_put(b, STR(",\"level\":"));
    json_put_string(b, p->level, false);
    buf_put(b, STR(",\"samples\":["));
    for (size_t i = 0; i < p->count; i++)
        buf_printf(b, "%s[%" PRId64 ",%" PRIu64 "]", i > 0 ? "," : "",
                   i64_floor_to(p->samples[i].ts_ns, SECOND_NS) / SECOND_NS, p->samples[i].count);
    buf_put(b, STR("]}"));
}

static enum status run_patterns(struct request *r, struct err *err)
{
    struct buf *b = &r->reply.body;
    struct patterns found = {0};
    struct query_context q;
    struct patterns_request request = {
        .source = store_source(r->server->store), .q = &q, .tenant = r->tenant};

    api_context(r, &q);
    enum status st = api_bounds(r, &request.start_ns, &request.end_ns, err);
    if (st == ST_OK)
        st = params_step(&r->params, request.start_ns, request.end_ns, &request.step_ns, err);
    if (st == ST_OK)
        st = api_selector(r, false, &request.matchers, err);
    if (st == ST_OK)
        st = patterns_find(&request, &found, err);
    if (st != ST_OK)
        return st;
    buf_put(b, STR("{\"status\":\"success\","));
    render_warnings(b, &q.stats);
    buf_put(b, STR("\"data\":["));
    for (size_t i = 0; i < found.count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        put_pattern(b, &found.items[i]);
    }
    buf_put(b, STR("]}"));
    return ST_OK;
}

void api_patterns(struct request *r)
{
    struct err err = {.status = ST_OK};

    enum status st = run_patterns(r, &err);
    if (st == ST_OK)
        reply_json(r);
    else
        api_fail(r, st, &err);
}
