/*
 * /loki/api/v1/format_query: a query as people like to read it. Run by workers.
 */
#include "proto/json.h"
#include "query/parser.h"
#include "query/pretty.h"
#include "server/http/request.h"

#include "base/banned.h"

void api_format_query(struct request *r);

void api_format_query(struct request *r)
{
    struct err err = {.status = ST_OK};
    struct buf *b = &r->reply.body;
    const struct expr *expr;
    struct buf text;

    enum status st = logql_parse(&r->arena, params_get(&r->params, STR("query")), &expr, &err);
    if (st == ST_OK) {
        buf_init(&text, b->max);
        pretty_put_expr(&text, expr);
        buf_put(b, STR("{\"status\":\"success\",\"data\":"));
        json_put_string(b, buf_str(&text), false);
        if (text.failed)
            buf_fail(b, ST_TOO_LARGE);
        buf_release(&text);
    } else {
        buf_put(b, STR("{\"status\":\"invalid-query\",\"error\":"));
        json_put_string(b, str_from(err.text), false);
    }
    buf_put_char(b, '}');
    reply_json(r);
    if (r->reply.status == 200) {
        r->reply.status = st == ST_OK ? 200 : status_http(ST_INVALID);
        r->reply.content_type = STR("application/json; charset=utf-8");
    }
}
