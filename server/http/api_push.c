/*
 * POST /loki/api/v1/push and /api/prom/push: what the body is in is decided by two headers, the
 * rest by the decoder and the store. Runs on the loop; the answer waits for the log. What turns out
 * to take long runs again, on the bulk worker: the other connections of the loop do not wait for
 * it.
 */
#include "base/log.h"
#include "proto/push.h"
#include "server/http/route.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_push(struct request *r);

enum {
    LOOP_BYTES_MAX = 2 * 1024 * 1024, /* of a body, decompressed; agents send 1 MB */
    LOOP_ARENA_BYTES_MAX = 4 * LOOP_BYTES_MAX,
};

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

/* On a loop: ST_LIMIT or ST_TOO_LARGE when it is too much to be done there. */
static enum status decode(const struct request *r, struct push_spec *spec, struct arena *a,
                          struct push_request *ret_push, struct err *err)
{
    size_t arena_bytes_max = a->max_bytes;

    if (r->bulk)
        return push_decode(a, spec, buf_str(&r->body), ret_push, err);
    if (r->body.len > LOOP_BYTES_MAX)
        return ST_TOO_LARGE;
    spec->decompressed_bytes_max = MIN_OF(spec->decompressed_bytes_max, (size_t)LOOP_BYTES_MAX);
    a->max_bytes = MIN_OF(arena_bytes_max, (size_t)LOOP_ARENA_BYTES_MAX);
    enum status st = push_decode(a, spec, buf_str(&r->body), ret_push, err);
    a->max_bytes = arena_bytes_max;
    return st;
}

/* What is decoded lives in `a`; the head, in the arena of the request, is needed again later. */
static void push_with(struct request *r, struct arena *a)
{
    struct push_spec spec = {.decompressed_bytes_max =
                                 (size_t)server_settings(r->server)->max_decompressed_size};
    struct push_request push;
    struct err err = {.status = ST_OK};

    enum status st = read_encoding(r, &spec, &err);
    if (st == ST_OK)
        st = read_format(r, &spec, &err);
    if (st == ST_OK)
        st = decode(r, &spec, a, &push, &err);
    if ((st == ST_TOO_LARGE || st == ST_LIMIT) && !r->bulk) {
        r->bulk = true;
        return;
    }
    if (st != ST_OK) {
        counter_add(&r->server->metrics.pushes_refused, 1);
        reply_error(r, st == ST_LIMIT ? ST_TOO_LARGE : st, &err, true);
        return;
    }
    struct store_push p = {.tenant = r->tenant, .request = &push, .arena = a, .gone = &r->gone};
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
}

void api_push(struct request *r)
{
    bool on_loop = !r->bulk;
    struct arena a;

    arena_init(&a, r->arena.max_bytes);
    push_with(r, &a);
    arena_release(&a);
    if (!on_loop || !r->bulk)
        arena_release(&r->arena); /* nothing but the reply is needed while it waits */
}
