#include "cli/client.h"

#include <stdio.h>

#include <curl/curl.h>

#include "base/mem.h"
#include "base/time.h"
#include "base/utf8.h"
#include "server/http/version.h"

#include "base/banned.h"

enum {
    ADDRESS_BYTES_MAX = 1024 * 1024,
    ADDRESS_BYTES_GET = 8 * 1024, /* a longer one goes as a form */
    ADDRESS_BYTES_SHOWN = 1024,   /* in errors, where the server's text must find room too */
    REPLY_BYTES_MAX = 1024 * 1024 * 1024,
    CONNECT_TIMEOUT_MS = 10 * 1000,
    ASK_TIMEOUT_MS = 10 * 60 * 1000, /* the server has its own, shorter one */
    PUSH_TIMEOUT_MS = 30 * 1000,
    BACKOFF_DOUBLINGS_MAX = 10,
};

#define ADDRESS_DEFAULT "http://127.0.0.1:3100"
#define PUSH_PATH "/loki/api/v1/push"
#define BACKOFF_FIRST_NS (SECOND_NS / 2)
#define BACKOFF_MAX_NS (5 * MINUTE_NS)

#define OPTION(name) offsetof(struct client_options, name)

static const struct flag_row client_flags[] = {
    {.name = "addr",
     .kind = FLAG_TEXT,
     .offset = OPTION(addr),
     .value = "URL",
     .text = "The server, " ADDRESS_DEFAULT " by default.",
     .variables = {"SKALD_ADDR", "LOKI_ADDR"}},
    {.name = "org-id",
     .kind = FLAG_TEXT,
     .offset = OPTION(org_id),
     .value = "TENANT",
     .text = "Sent as X-Scope-OrgID.",
     .variables = {"SKALD_ORG_ID", "LOKI_ORG_ID"}},
    {.name = "username",
     .kind = FLAG_TEXT,
     .offset = OPTION(username),
     .value = "NAME",
     .text = "For basic authentication.",
     .variables = {"LOKI_USERNAME"}},
    {.name = "password",
     .kind = FLAG_TEXT,
     .offset = OPTION(password),
     .value = "TEXT",
     .text = "For basic authentication.",
     .variables = {"LOKI_PASSWORD"}},
    {.name = "bearer-token",
     .kind = FLAG_TEXT,
     .offset = OPTION(bearer_token),
     .value = "TEXT",
     .text = "Sent as Authorization.",
     .variables = {"LOKI_BEARER_TOKEN"}},
};

struct flag_group client_flag_group(struct client_options *options)
{
    return (struct flag_group){client_flags, COUNT_OF(client_flags), options};
}

struct client {
    CURL *curl;
    struct curl_slist *headers;      /* of every request */
    struct curl_slist *push_headers; /* the same and the type of the body */
    struct buf base;                 /* "http://127.0.0.1:3100" */
    struct buf reply;
    char curl_error[CURL_ERROR_SIZE];
};

/* ---- addresses ---- */

static void put_escaped(struct buf *b, struct str s, bool plus_for_blank)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c != '\0' && strchr(plain, c) != NULL)
            buf_put_char(b, c);
        else if (c == ' ' && plus_for_blank)
            buf_put_char(b, '+');
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)c);
    }
}

void client_put_query_escaped(struct buf *b, struct str s)
{
    put_escaped(b, s, true);
}

void client_put_path_escaped(struct buf *b, struct str s)
{
    put_escaped(b, s, false);
}

enum status client_put_base(struct buf *b, struct str addr, struct err *err)
{
    if (addr.len == 0)
        addr = STR(ADDRESS_DEFAULT);
    size_t scheme = str_find(addr, STR("://"));
    bool is_http = str_starts(addr, STR("http://")) || str_starts(addr, STR("https://"));
    size_t host = scheme == STR_NPOS ? 0 : scheme + 3;
    while (addr.len > host && addr.ptr[addr.len - 1] == '/')
        addr.len--;
    if ((scheme != STR_NPOS && !is_http) || host >= addr.len || addr.ptr[host] == '/' ||
        str_find_char(addr, '?') != STR_NPOS || str_find_char(addr, '#') != STR_NPOS)
        return err_set(err, ST_INVALID, "\"%.*s\" is not the address of a server", STR_ARG(addr));
    if (scheme == STR_NPOS)
        buf_put(b, STR("http://"));
    buf_put(b, addr);
    return buf_status(b, err);
}

void client_put_without_secrets(struct buf *b, struct str address)
{
    size_t scheme = str_find(address, STR("://"));
    size_t host = scheme == STR_NPOS ? 0 : scheme + 3;
    struct str rest = str_cut(address, host);
    size_t host_bytes = 0;

    while (host_bytes < rest.len && strchr("/?#", rest.ptr[host_bytes]) == NULL)
        host_bytes++;
    size_t at = str_find_last_char(str_head(rest, host_bytes), '@');
    buf_put(b, str_head(address, host));
    buf_put(b, at == STR_NPOS ? rest : str_cut(rest, at + 1));
}

static void put_params(struct buf *b, const struct client_question *q)
{
    bool first = true;

    for (size_t i = 0; i < q->param_count; i++) {
        if (q->params[i].value.len == 0)
            continue;
        if (!first)
            buf_put_char(b, '&');
        first = false;
        client_put_query_escaped(b, str_from(q->params[i].name));
        buf_put_char(b, '=');
        client_put_query_escaped(b, q->params[i].value);
    }
}

static void put_address(struct buf *b, const struct client *c, const struct client_question *q)
{
    buf_put(b, buf_str(&c->base));
    buf_put(b, str_from(q->path));
    size_t before = b->len;
    buf_put_char(b, '?');
    put_params(b, q);
    if (!b->failed && b->len == before + 1)
        b->len = before; /* no parameter */
}

void client_print_address(const struct client *c, const struct client_question *q)
{
    struct buf whole, shown;

    buf_init(&whole, ADDRESS_BYTES_MAX);
    buf_init(&shown, ADDRESS_BYTES_MAX);
    put_address(&whole, c, q);
    client_put_without_secrets(&shown, buf_str(&whole));
    fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&shown)));
    buf_release(&whole);
    buf_release(&shown);
}

/* ---- life ---- */

static size_t take_reply(char *bytes, size_t size, size_t count, void *context)
{
    struct client *c = context;

    buf_put(&c->reply, str_make(bytes, size * count));
    return c->reply.failed ? 0 : size * count;
}

/* Add "name: value" to both lists. */
static bool add_header(struct client *c, const char *name, struct str value, bool only_push)
{
    struct buf line;
    struct curl_slist *longer = NULL;

    buf_init(&line, ADDRESS_BYTES_MAX);
    buf_printf(&line, "%s: ", name);
    buf_put(&line, value);
    buf_put_char(&line, '\0');
    bool good = !line.failed;
    if (good && !only_push) {
        longer = curl_slist_append(c->headers, line.ptr);
        c->headers = longer == NULL ? c->headers : longer;
        good = longer != NULL;
    }
    if (good) {
        longer = curl_slist_append(c->push_headers, line.ptr);
        c->push_headers = longer == NULL ? c->push_headers : longer;
        good = longer != NULL;
    }
    buf_release(&line);
    return good;
}

static bool has_line_break(struct str s)
{
    return str_find_char(s, '\n') != STR_NPOS || str_find_char(s, '\r') != STR_NPOS;
}

static enum status check_options(const struct client_options *o, struct err *err)
{
    if (has_line_break(o->org_id) || has_line_break(o->bearer_token))
        return err_set(err, ST_INVALID, "a header has a line break in it");
    if (o->bearer_token.len > 0 && (o->username.len > 0 || o->password.len > 0))
        return err_set(err, ST_INVALID, "--bearer-token and --username exclude one another");
    return ST_OK;
}

/* Options that hold for every request. curl copies the texts it is given. */
static bool set_options(struct client *c, const struct client_options *o)
{
    bool good = curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->curl_error) == CURLE_OK &&
                curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "skald/" SKALD_VERSION) == CURLE_OK &&
                curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) ==
                    CURLE_OK &&
                curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_reply) == CURLE_OK &&
                curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c) == CURLE_OK;

    /* The texts are arguments or variables, or literals: all end with a zero byte. */
    if (good && (o->username.len > 0 || o->password.len > 0)) {
        good = curl_easy_setopt(c->curl, CURLOPT_USERNAME,
                                o->username.ptr == NULL ? "" : o->username.ptr) == CURLE_OK &&
               curl_easy_setopt(c->curl, CURLOPT_PASSWORD,
                                o->password.ptr == NULL ? "" : o->password.ptr) == CURLE_OK;
    }
    return good;
}

static bool add_headers(struct client *c, const struct client_options *o)
{
    struct buf bearer;

    buf_init(&bearer, ADDRESS_BYTES_MAX);
    buf_put(&bearer, STR("Bearer "));
    buf_put(&bearer, o->bearer_token);
    bool good = !bearer.failed && add_header(c, "Expect", STR(""), false) &&
                add_header(c, "Content-Type", STR("application/x-protobuf"), true);
    if (good && o->org_id.len > 0)
        good = add_header(c, "X-Scope-OrgID", o->org_id, false);
    if (good && o->bearer_token.len > 0)
        good = add_header(c, "Authorization", buf_str(&bearer), false);
    buf_release(&bearer);
    return good;
}

enum status client_new(const struct client_options *options, struct client **ret_client,
                       struct err *err)
{
    enum status st = check_options(options, err);

    if (st != ST_OK)
        return st;
    struct client *c = mem_new(1, sizeof(*c));
    if (c == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        mem_free(c);
        return err_set(err, ST_NOMEM, "no memory for a connection");
    }
    buf_init(&c->base, ADDRESS_BYTES_MAX);
    buf_init(&c->reply, REPLY_BYTES_MAX);
    c->curl = curl_easy_init();
    st = client_put_base(&c->base, options->addr, err);
    if (st == ST_OK && (c->curl == NULL || !set_options(c, options) || !add_headers(c, options)))
        st = err_set(err, ST_NOMEM, "no memory for a connection");
    if (st != ST_OK) {
        client_free(c);
        return st;
    }
    *ret_client = c;
    return ST_OK;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    curl_slist_free_all(c->headers);
    curl_slist_free_all(c->push_headers);
    curl_easy_cleanup(c->curl);
    curl_global_cleanup();
    buf_release(&c->base);
    buf_release(&c->reply);
    mem_free(c);
}

/* ---- requests ---- */

static enum status status_of_code(long code)
{
    enum { UNAUTHORIZED = 401, NOT_FOUND = 404, TOO_MANY = 429, SERVER_ERRORS = 500 };

    if (code >= SERVER_ERRORS)
        return ST_BUSY;
    if (code == TOO_MANY)
        return ST_LIMIT;
    if (code == NOT_FOUND)
        return ST_NOT_FOUND;
    return code == UNAUTHORIZED ? ST_UNAUTHORIZED : ST_INVALID;
}

/* Why there is no reply at all. */
static enum status transfer_error(const struct client *c, CURLcode code, struct str shown,
                                  struct err *err)
{
    const char *reason = c->curl_error[0] != '\0' ? c->curl_error : curl_easy_strerror(code);
    enum status st = ST_BUSY;

    if (c->reply.failed)
        return err_set(err, ST_TOO_LARGE, "%.*s: the answer has more than %zu bytes",
                       STR_ARG(shown), c->reply.max);
    if (code == CURLE_OPERATION_TIMEDOUT)
        st = ST_TIMEOUT;
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        st = ST_INVALID;
    return err_set(err, st, "%.*s: %s", STR_ARG(shown), reason);
}

/* Send what is set up; `address` is what is asked, with its secrets. */
static enum status perform(struct client *c, struct str address, struct err *err)
{
    long code = 0;
    struct buf shown;
    enum status st = ST_OK;

    buf_reset(&c->reply);
    c->curl_error[0] = '\0';
    CURLcode result = curl_easy_perform(c->curl);
    (void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);

    buf_init(&shown, ADDRESS_BYTES_MAX);
    client_put_without_secrets(&shown, address);
    struct str where = str_head(buf_str(&shown), ADDRESS_BYTES_SHOWN);
    struct str text = str_trim(buf_str(&c->reply));
    if (result != CURLE_OK)
        st = transfer_error(c, result, where, err);
    else if (code < 200 || code > 299)
        st = err_set(err, status_of_code(code), "%.*s: HTTP %ld%s%.*s", STR_ARG(where), code,
                     text.len > 0 ? ": " : "", STR_ARG(str_head(text, ERR_TEXT_BYTES)));
    buf_release(&shown);
    return st;
}

static enum status set_up(struct client *c, const struct curl_slist *headers, const char *address,
                          long timeout_ms, struct err *err)
{
    if (curl_easy_setopt(c->curl, CURLOPT_URL, address) != CURLE_OK ||
        curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, timeout_ms) != CURLE_OK)
        return err_set(err, ST_NOMEM, "no memory for a request");
    return ST_OK;
}

static enum status set_body(struct client *c, struct str body, struct err *err)
{
    if (curl_easy_setopt(c->curl, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.ptr) != CURLE_OK ||
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) != CURLE_OK)
        return err_set(err, ST_NOMEM, "no memory for a request");
    return ST_OK;
}

enum status client_ask(struct client *c, const struct client_question *q, struct str *ret_body,
                       struct err *err)
{
    struct buf address, form;

    buf_init(&address, ADDRESS_BYTES_MAX);
    buf_init(&form, ADDRESS_BYTES_MAX);
    put_address(&address, c, q);
    bool as_form = address.len > ADDRESS_BYTES_GET;
    if (as_form) {
        buf_reset(&address);
        buf_put(&address, buf_str(&c->base));
        buf_put(&address, str_from(q->path));
        put_params(&form, q);
    }
    buf_put_char(&address, '\0');

    enum status st = buf_status(&address, err);
    if (st == ST_OK)
        st = buf_status(&form, err);
    if (st == ST_OK)
        st = set_up(c, c->headers, address.ptr, ASK_TIMEOUT_MS, err);
    if (st == ST_OK && curl_easy_setopt(c->curl, CURLOPT_ACCEPT_ENCODING, "gzip") != CURLE_OK)
        st = err_set(err, ST_NOMEM, "no memory for a request");
    if (st == ST_OK && as_form)
        st = set_body(c, buf_str(&form), err);
    else if (st == ST_OK && curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L) != CURLE_OK)
        st = err_set(err, ST_NOMEM, "no memory for a request");
    if (st == ST_OK)
        st = perform(c, str_head(buf_str(&address), address.len - 1), err);
    if (st == ST_OK)
        *ret_body = buf_str(&c->reply);
    buf_release(&address);
    buf_release(&form);
    return st;
}

enum status client_push(struct client *c, struct str body, struct err *err)
{
    struct buf address;

    buf_init(&address, ADDRESS_BYTES_MAX);
    buf_put(&address, buf_str(&c->base));
    buf_put(&address, STR(PUSH_PATH));
    buf_put_char(&address, '\0');
    enum status st = buf_status(&address, err);
    if (st == ST_OK)
        st = set_up(c, c->push_headers, address.ptr, PUSH_TIMEOUT_MS, err);
    if (st == ST_OK)
        st = set_body(c, body, err);
    if (st == ST_OK)
        st = perform(c, str_head(buf_str(&address), address.len - 1), err);
    buf_release(&address);
    return st;
}

bool client_may_retry(enum status st)
{
    return st == ST_LIMIT || st == ST_BUSY || st == ST_TIMEOUT;
}

int64_t client_backoff_ns(unsigned failures)
{
    ASSERT(failures > 0);
    unsigned doublings = MIN_OF(failures - 1, (unsigned)BACKOFF_DOUBLINGS_MAX);
    int64_t ns = BACKOFF_FIRST_NS << doublings;
    return MIN_OF(ns, BACKOFF_MAX_NS);
}
