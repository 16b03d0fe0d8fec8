/*
 * /ready, /metrics, /config, /flush and the build information.
 */
#include "server/http/server_internal.h"
#include "server/http/version.h"

#include "base/banned.h"

void api_ready(struct request *r);
void api_metrics(struct request *r);
void api_config(struct request *r);
void api_buildinfo(struct request *r);
void api_flush(struct request *r);

void api_ready(struct request *r)
{
    struct store_state state = store_state(r->server->store);

    if (state.wal_failed) {
        reply_text(r, 503, STR("the write-ahead log has failed: nothing is stored until a restart"),
                   true);
        return;
    }
    if (state.full) {
        reply_text(r, 503, STR("there is no room: queries are answered, pushes are refused"), true);
        return;
    }
    reply_text(r, 200, STR("ready"), true);
}

void api_metrics(struct request *r)
{
    metrics_put(&r->reply.body, r->server);
    reply_made(r, STR("text/plain; version=0.0.4; charset=utf-8"), ST_INTERNAL);
}

void api_config(struct request *r)
{
    struct server *s = r->server;

    lock_take(&s->config_lock);
    const struct config *config = s->current;
    lock_give(&s->config_lock);
    config_put_yaml(&r->reply.body, config);
    reply_made(r, STR("text/plain; charset=utf-8"), ST_INTERNAL);
}

void api_buildinfo(struct request *r)
{
    buf_printf(&r->reply.body,
               "{\"version\":\"%s\",\"revision\":\"\",\"branch\":\"\",\"buildUser\":\"\","
               "\"buildDate\":\"\",\"goVersion\":\"\"}",
               SKALD_VERSION);
    reply_json(r);
}

void api_flush(struct request *r)
{
    struct err err = {.status = ST_OK};

    enum status st = store_flush(r->server->store, &err);
    if (st == ST_OK)
        reply_empty(r);
    else
        reply_error(r, st, &err, true);
}
