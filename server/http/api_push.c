/*
 * POST /loki/api/v1/push and /api/prom/push: what the body is in is decided by two headers, the
 * rest by the decoder and the store. Runs on the loop; the answer waits for the log.
 */
#include "base/log.h"
#include "proto/push.h"
#include "server/http/route.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_push(struct request *r);

static enum status read_encoding(const struct request *r, struct push_spec *spec, struct err *err)
{
    struct str encoding = http_header_get(&r->head, STR("content-encoding"));

    if (encoding.len == 0 || str_eq(encoding, STR("snappy")))
        spec->encoding = PUSH_PLAIN; /* protobuf is snappy anyway */
    else if (str_eq(encoding, STR("gzip")))
        spec->encoding = PUSH_GZIP;
    else if (str_eq(encoding, STR("deflate")))
        spec->encoding = PUSH_DEFLATE;
    else
        return err_set(err, ST_INVALID, "Content-Encoding \"%.*s\" not supported",
                       STR_ARG(encoding));
    return ST_OK;
}

static bool is_media_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?=", c) != NULL)
            return false;
    }
    return s.len > 0;
}

/* `; name=value` parts behind the media type. */
static bool parameters_are_sound(struct str rest)
{
    struct str parameter;

    while (str_split(&rest, ';', &parameter)) {
        size_t equals = str_find_char(parameter, '=');
        struct str trimmed = str_trim(parameter);
        if (trimmed.len == 0)
            continue;
        if (equals == STR_NPOS || !is_media_token(str_trim(str_head(parameter, equals))) ||
            str_trim(str_cut(parameter, equals + 1)).len == 0)
            return false;
    }
    return true;
}

/* JSON, or anything else: that is protobuf. */
static enum status read_format(const struct request *r, struct push_spec *spec, struct err *err)
{
    struct str type = http_header_get(&r->head, STR("content-type"));
    size_t end = type.ptr == NULL ? STR_NPOS : str_find_char(type, ';');
    struct str media = str_trim(str_head(type, end));

    if (media.len == 0)
        return err_set(err, ST_INVALID, "mime: no media type");
    if (end != STR_NPOS && !parameters_are_sound(str_cut(type, end + 1)))
        return err_set(err, ST_INVALID, "mime: invalid media parameter");
    if (!str_eq_nocase(media, STR("application/json")))
        spec->format = PUSH_PROTOBUF;
    else
        spec->format = str_starts(r->head.path, STR("/loki/api/v1")) ? PUSH_JSON : PUSH_JSON_LEGACY;
    return ST_OK;
}

void api_push(struct request *r)
{
    struct push_spec spec = {.decompressed_bytes_max =
                                 (size_t)server_settings(r->server)->max_decompressed_size};
    struct push_request push;
    struct err err = {.status = ST_OK};

    enum status st = read_encoding(r, &spec, &err);
    if (st == ST_OK)
        st = read_format(r, &spec, &err);
    if (st == ST_OK)
        st = push_decode(&r->arena, &spec, buf_str(&r->body), &push, &err);
    if (st != ST_OK) {
        counter_add(&r->server->metrics.pushes_refused, 1);
        reply_error(r, st == ST_LIMIT ? ST_TOO_LARGE : st, &err, true);
        return;
    }
    struct store_push p = {.tenant = r->tenant, .request = &push, .arena = &r->arena};
    if (spec.format == PUSH_PROTOBUF && spec.encoding == PUSH_PLAIN)
        p.body = buf_str(&r->body);
    st = store_push(r->server->store, &p, &err);
    r->wait_seq = p.ret_seq;
    if (st == ST_OK)
        reply_empty(r);
    else
        reply_error(r, st, &err, true);
    if (st != ST_OK && p.ret_text.len > 0)
        reply_text(r, status_http(st), p.ret_text, true);
    arena_release(&r->arena);
}
