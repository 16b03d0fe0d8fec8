#include "server/http/request.h"

#include "base/banned.h"

void reply_text(struct request *r, int status, struct str text, bool newline)
{
    struct reply *reply = &r->reply;

    reply->status = status;
    reply->content_type = STR("text/plain; charset=utf-8");
    buf_reset(&reply->body);
    buf_put(&reply->body, text);
    if (newline)
        buf_put_char(&reply->body, '\n');
}

void reply_error(struct request *r, enum status st, const struct err *err, bool newline)
{
    const char *text = err->text[0] != '\0' ? err->text : status_text(st);

    ASSERT(st != ST_OK);
    reply_text(r, status_http(st), str_from(text), newline);
    r->reply.is_error = true;
    r->reply.retry_later = st == ST_BUSY || st == ST_FULL;
}

void reply_made(struct request *r, struct str content_type, enum status st)
{
    struct err err;

    if (buf_status(&r->reply.body, &err) != ST_OK) {
        buf_release(&r->reply.body);
        reply_error(r, st, &err, false);
        return;
    }
    r->reply.status = 200;
    r->reply.content_type = content_type;
}

void reply_json(struct request *r)
{
    reply_made(r, STR("application/json; charset=UTF-8"), ST_LIMIT);
}

void reply_empty(struct request *r)
{
    r->reply.status = 204;
    r->reply.content_type = STR("");
    buf_reset(&r->reply.body);
}
