#include "server/http/http1.h"

#include <time.h>

#include <event2/buffer.h>

#include "base/num.h"
#include "base/time.h"

#include "base/banned.h"

enum {
    CHUNK_LINE_BYTES_MAX = 1024, /* without its end */
    TRAILER_BYTES_MAX = 8 * 1024,
};

const char *http_method_name(enum http_method m)
{
    static const char *const names[] = {
#define X(name) #name,
        HTTP_METHODS(X)
#undef X
    };

    ASSERT((size_t)m < COUNT_OF(names));
    return names[m];
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Request Entity Too Large"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

size_t http_head_find(struct evbuffer *in, size_t *searched)
{
    static const char end[] = "\r\n\r\n";
    enum { END_BYTES = sizeof(end) - 1 };
    struct evbuffer_ptr from;
    char begin[2];

    /* An empty line before a request is left over from the one before: RFC 9112 2.2. */
    while (evbuffer_copyout(in, begin, 2) == 2 && memcmp(begin, "\r\n", 2) == 0) {
        (void)evbuffer_drain(in, 2);
        *searched = 0;
    }
    size_t at = *searched < END_BYTES ? 0 : *searched - (END_BYTES - 1);
    *searched = evbuffer_get_length(in);
    if (evbuffer_ptr_set(in, &from, at, EVBUFFER_PTR_SET) != 0)
        return 0;
    struct evbuffer_ptr found = evbuffer_search(in, end, END_BYTES, &from);
    return found.pos < 0 ? 0 : (size_t)found.pos + END_BYTES;
}

/* RFC 9110 5.6.2: what a method or header name is made of. */
static bool is_token(struct str s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alphanumeric && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return s.len > 0;
}

/* Visible characters and blanks; no control characters. */
static bool is_field_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Cut a line that ends in CR LF off `*in`; false when there is none or it holds a bare one of them.
 */
static bool take_line(struct str *in, struct str *ret_line)
{
    size_t end = str_find(*in, STR("\r\n"));

    if (end == STR_NPOS)
        return false;
    *ret_line = str_head(*in, end);
    *in = str_cut(*in, end + 2);
    return str_find_char(*ret_line, '\n') == STR_NPOS && str_find_char(*ret_line, '\r') == STR_NPOS;
}

static enum status parse_method(struct str text, enum http_method *ret_method, struct err *err)
{
    for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++) {
        if (str_eq(text, str_from(http_method_name((enum http_method)m)))) {
            *ret_method = (enum http_method)m;
            return ST_OK;
        }
    }
    if (!is_token(text))
        return err_set(err, ST_INVALID, "malformed request line");
    return err_set(err, ST_BAD_METHOD, "unknown method");
}

static bool is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == 0x7f)
            return false;
    }
    return s.len > 0;
}

/* "GET http://host/path" names the host as well, which is nothing to us. */
static struct str drop_authority(struct str target)
{
    if (!str_starts(target, STR("http://")))
        return target;
    target = str_cut(target, sizeof("http://") - 1);
    size_t slash = str_find_char(target, '/');
    return slash == STR_NPOS ? STR("/") : str_cut(target, slash);
}

static enum status parse_request_line(struct str line, struct http_head *h, struct err *err)
{
    struct str method, target, version = line;

    if (!str_split(&version, ' ', &method) || !str_split(&version, ' ', &target) ||
        version.ptr == NULL || !is_target(target))
        return err_set(err, ST_INVALID, "malformed request line");
    enum status st = parse_method(method, &h->method, err);
    if (str_eq(version, STR("HTTP/1.0")))
        h->is_http_1_0 = true;
    else if (!str_eq(version, STR("HTTP/1.1")))
        return str_starts(version, STR("HTTP/"))
                   ? err_set(err, ST_UNSUPPORTED, "only HTTP/1.1 and HTTP/1.0 are spoken here")
                   : err_set(err, ST_INVALID, "malformed request line");
    target = drop_authority(target);
    size_t query = str_find_char(target, '?');
    h->path = query == STR_NPOS ? target : str_head(target, query);
    h->query_string = query == STR_NPOS ? STR_NULL : str_cut(target, query + 1);
    return st;
}

static enum status parse_header(struct str line, struct http_head *h, struct err *err)
{
    size_t colon = str_find_char(line, ':');

    if (h->header_count == HTTP_HEADERS_MAX)
        return err_set(err, ST_INVALID, "more than %d headers", HTTP_HEADERS_MAX);
    if (colon == STR_NPOS || !is_token(str_head(line, colon)))
        return err_set(err, ST_INVALID, "malformed header");
    struct http_header header = {str_head(line, colon), str_trim(str_cut(line, colon + 1))};
    if (!is_field_value(header.value))
        return err_set(err, ST_INVALID, "control character in a header");
    h->headers[h->header_count++] = header;
    return ST_OK;
}

struct str http_header_get(const struct http_head *h, struct str name)
{
    for (size_t i = 0; i < h->header_count; i++) {
        if (str_eq_nocase(h->headers[i].name, name))
            return h->headers[i].value;
    }
    return STR_NULL;
}

/* Is `token` one of the comma separated items of `list`? */
static bool list_has(struct str list, struct str token)
{
    struct str item;

    while (list.ptr != NULL && str_split(&list, ',', &item)) {
        if (str_eq_nocase(str_trim(item), token))
            return true;
    }
    return false;
}

static enum status interpret_length(struct http_head *h, struct str value, struct err *err)
{
    uint64_t length;

    if (num_parse_u64(value, &length) != ST_OK)
        return err_set(err, ST_INVALID, "malformed Content-Length");
    if (h->has_length && h->content_length != length)
        return err_set(err, ST_INVALID, "two different Content-Lengths");
    h->has_length = true;
    h->content_length = length;
    return ST_OK;
}

/* What the headers say about the body and the connection. */
static enum status interpret_headers(struct http_head *h, struct err *err)
{
    bool close = false, keep_alive = !h->is_http_1_0;
    enum status st = ST_OK;
    size_t hosts = 0;

    for (size_t i = 0; i < h->header_count && st == ST_OK; i++) {
        const struct http_header *header = &h->headers[i];
        if (str_eq_nocase(header->name, STR("host"))) {
            hosts++;
        } else if (str_eq_nocase(header->name, STR("content-length"))) {
            st = interpret_length(h, header->value, err);
        } else if (str_eq_nocase(header->name, STR("transfer-encoding"))) {
            if (h->chunked || !str_eq_nocase(header->value, STR("chunked")))
                st = err_set(err, ST_UNSUPPORTED, "only the transfer encoding chunked is known");
            h->chunked = true;
        } else if (str_eq_nocase(header->name, STR("connection"))) {
            close = close || list_has(header->value, STR("close"));
            keep_alive = keep_alive || list_has(header->value, STR("keep-alive"));
        } else if (str_eq_nocase(header->name, STR("expect"))) {
            h->expects_continue = str_eq_nocase(header->value, STR("100-continue"));
        }
    }
    h->keep_alive = keep_alive && !close;
    if (st == ST_OK && h->chunked && (h->has_length || h->is_http_1_0))
        st = err_set(err, ST_INVALID, "both Content-Length and Transfer-Encoding");
    if (st == ST_OK && hosts == 0 && !h->is_http_1_0)
        st = err_set(err, ST_INVALID, "missing required Host header");
    if (st == ST_OK && hosts > 1)
        st = err_set(err, ST_INVALID, "too many Host headers");
    return st;
}

enum status http_head_parse(struct str in, struct http_head *ret_head, struct err *err)
{
    struct str line;
    enum status st = ST_OK;

    *ret_head = (struct http_head){.method = HTTP_GET};
    if (!take_line(&in, &line))
        return err_set(err, ST_INVALID, "malformed request line");
    st = parse_request_line(line, ret_head, err);
    while (st == ST_OK) {
        if (!take_line(&in, &line))
            return err_set(err, ST_INVALID, "malformed header");
        if (line.len == 0)
            return interpret_headers(ret_head, err);
        st = parse_header(line, ret_head, err);
    }
    return st;
}

void http_put_date(struct buf *b, int64_t now_ns)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(now_ns / SECOND_NS);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    buf_printf(b, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + 3 * tm.tm_wday,
               tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
               tm.tm_sec);
}

/* ---- chunked bodies ---- */

/* The hexadecimal digits up to an extension. Only behind them blanks are seen in the wild. */
static bool parse_chunk_size(struct str line, uint64_t *ret_size)
{
    enum { SIZE_DIGITS_MAX = 15 };
    uint64_t size = 0;

    line = str_head(line, str_find_char(line, ';'));
    while (str_ends(line, STR(" ")) || str_ends(line, STR("\t")))
        line.len--;
    if (line.len == 0 || line.len > SIZE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            size = size << 4 | (uint64_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            size = size << 4 | (uint64_t)(low - 'a' + 10);
        else
            return false;
    }
    *ret_size = size;
    return true;
}

/* Read a line in the state of size, end or trailer. False: it is not whole yet, or not good. */
static bool chunk_line(struct http_chunked *c, struct str *in, enum status *st)
{
    bool whole = str_find(*in, STR("\r\n")) != STR_NPOS;
    struct str line;
    uint64_t size;

    if (!whole && in->len <= CHUNK_LINE_BYTES_MAX + 1) /* half of the line end may be there */
        return false;
    if (!whole || !take_line(in, &line) || line.len > CHUNK_LINE_BYTES_MAX) {
        *st = ST_INVALID;
        return false;
    }
    switch (c->state) {
    case HTTP_CHUNK_SIZE:
        if (!parse_chunk_size(line, &size)) {
            *st = ST_INVALID;
            return false;
        }
        c->left = size;
        c->state = size == 0 ? HTTP_CHUNK_TRAILER : HTTP_CHUNK_BYTES;
        return true;
    case HTTP_CHUNK_END:
        *st = line.len == 0 ? ST_OK : ST_INVALID;
        c->state = HTTP_CHUNK_SIZE;
        return *st == ST_OK;
    default:
        c->trailer_bytes += line.len + 2;
        *st = c->trailer_bytes > TRAILER_BYTES_MAX ? ST_INVALID : ST_OK;
        if (line.len == 0)
            c->state = HTTP_CHUNK_DONE;
        return *st == ST_OK;
    }
}

enum status http_chunked_take(struct http_chunked *c, struct str *in, struct buf *body)
{
    enum status st = ST_OK;

    while (c->state != HTTP_CHUNK_DONE) {
        if (c->state != HTTP_CHUNK_BYTES) {
            if (!chunk_line(c, in, &st))
                return st;
            continue;
        }
        struct str bytes = str_head(*in, (size_t)MIN_OF(c->left, (uint64_t)in->len));
        if (bytes.len == 0)
            return ST_OK;
        if (c->left > body->max - body->len)
            return ST_TOO_LARGE;
        buf_put(body, bytes);
        if (body->failed)
            return ST_NOMEM;
        *in = str_cut(*in, bytes.len);
        c->left -= bytes.len;
        if (c->left == 0)
            c->state = HTTP_CHUNK_END;
    }
    return ST_OK;
}
