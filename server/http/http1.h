/*
 * http1.h - the grammar of HTTP/1.1 requests: head and chunked body.
 *
 * Strict where leniency lets two parties read one request in two ways: a message with both
 * Content-Length and Transfer-Encoding, with two different lengths, with blanks before a colon,
 * with folded headers or with a bare line feed is refused. No I/O here; tests and fuzzers need only
 * bytes.
 */
#ifndef SERVER_HTTP_HTTP1_H
#define SERVER_HTTP_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { HTTP_HEADERS_MAX = 100 };

/* clang-format off */
#define HTTP_METHODS(X)                                                                           \
    X(GET) X(POST) X(PUT) X(DELETE) X(HEAD) X(PATCH) X(OPTIONS)
/* clang-format on */

enum http_method {
#define X(name) HTTP_##name,
    HTTP_METHODS(X)
#undef X
        HTTP_METHOD_COUNT,
};

struct evbuffer;

struct http_header {
    struct str name;
    struct str value; /* without blanks around it */
};

/* Views borrow the bytes that were parsed. */
struct http_head {
    enum http_method method;
    struct str path;         /* as sent, up to the `?` */
    struct str query_string; /* behind the `?`; ptr NULL: there is none */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool is_http_1_0;
    bool keep_alive;
    bool expects_continue;
    bool has_length;
    uint64_t content_length;
    bool chunked;
};

/*
 * The bytes of the head that `in` begins with, the empty line behind it among them; 0: it is not
 * whole yet. Empty lines before it are thrown away. `*searched` is 0 at first: bytes that were
 * looked at by one call are not looked at again by the next.
 */
size_t http_head_find(struct evbuffer *in, size_t *searched);

/*
 * Parse a head with the empty line behind it. After a failure `*ret_head` has what was understood
 * until then.
 *
 * ST_INVALID      malformed        ST_BAD_METHOD   an unknown method
 * ST_UNSUPPORTED  another version of HTTP, or a transfer encoding other than chunked
 */
MUST_CHECK enum status http_head_parse(struct str in, struct http_head *ret_head, struct err *err);

const char *http_method_name(enum http_method m);

/* The value of a header (any case); ptr NULL when it is not there. */
struct str http_header_get(const struct http_head *h, struct str name);

/* "Not Found" for 404. */
const char *http_reason(int status);

/* A Date header, with its line end. */
void http_put_date(struct buf *b, int64_t now_ns);

/* ---- chunked bodies ---- */

enum http_chunk_state {
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_BYTES,
    HTTP_CHUNK_END,
    HTTP_CHUNK_TRAILER,
    HTTP_CHUNK_DONE,
};

struct http_chunked {
    enum http_chunk_state state;
    uint64_t left; /* of the chunk */
    size_t trailer_bytes;
};

/*
 * Take what `*in` holds of a chunked body: its bytes are appended to `body`, `*in` is cut. Zeroed
 * is the start; the body is complete when `c->state` is HTTP_CHUNK_DONE.
 *
 * ST_INVALID    not the chunked form
 * ST_TOO_LARGE  more than the maximum of `body`
 * ST_NOMEM      no memory for that much of it
 */
MUST_CHECK enum status http_chunked_take(struct http_chunked *c, struct str *in, struct buf *body);

#endif
