#include "server/http/http1.h"

#include <event2/buffer.h>

#include "base/time.h"
#include "tests/support/expect.h"
#include "tests/support/random.h"

#include "base/banned.h"

/* Views of the parsed head point into a copy of exactly its size, so that a sanitizer sees more. */
static enum status parse(struct str text, struct str *ret_copy, struct http_head *ret_head,
                         struct err *err)
{
    char *copy = mem_bytes(text.len);

    cr_assert_not_null(copy);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    *ret_copy = str_make(copy, text.len);
    return http_head_parse(*ret_copy, ret_head, err);
}

static void drop(struct str copy)
{
    mem_free((void *)(uintptr_t)copy.ptr);
}

/* ---- where a head ends ---- */

static size_t find_in(struct evbuffer *in, struct str more, size_t *searched)
{
    cr_assert_eq(evbuffer_add(in, more.ptr, more.len), 0);
    return http_head_find(in, searched);
}

Test(http1, head_in_any_pieces)
{
    struct str text = STR("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET");
    size_t end = text.len - 3;

    for (size_t step = 1; step <= text.len; step++) {
        struct evbuffer *in = evbuffer_new();
        size_t searched = 0, found = 0, at = 0;
        for (; at < text.len && found == 0; at += step)
            found = find_in(in, str_head(str_cut(text, at), step), &searched);
        cr_expect_eq(found, end - 4, "step %zu: %zu", step, found);
        cr_expect_geq(at, end, "step %zu", step);
        evbuffer_free(in);
    }
}

/* What was searched is not looked at again: the end that is planted there is not seen. */
Test(http1, head_is_searched_once)
{
    struct evbuffer *in = evbuffer_new();
    size_t searched = 0;

    cr_expect_eq(find_in(in, STR("\r\r\r\r\r\r\r\r"), &searched), 0);
    cr_expect_eq(searched, 8);
    evbuffer_drain(in, 8);
    cr_expect_eq(find_in(in, STR("A\r\n\r\nBCD"), &searched), 0);
    cr_expect_eq(find_in(in, STR("\r\n"), &searched), 0);
    cr_expect_eq(find_in(in, STR("\r\n"), &searched), 12);
    evbuffer_free(in);
}

/* ---- heads ---- */

static const struct head_case {
    const char *name;
    struct str text;
    enum http_method method;
    struct str path;
    struct str query_string;
    bool keep_alive;
    bool chunked;
    bool expects_continue;
    uint64_t content_length;
} head_cases[] = {
    {.name = "least",
     .text = STR_INIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = true},
    {.name = "query string",
     .text = STR_INIT("GET /a/b?c=d?e&f HTTP/1.1\r\nHost: x\r\n\r\n"),
     .path = STR_INIT("/a/b"),
     .query_string = STR_INIT("c=d?e&f"),
     .keep_alive = true},
    {.name = "empty query string",
     .text = STR_INIT("GET /a? HTTP/1.1\r\nHost: x\r\n\r\n"),
     .path = STR_INIT("/a"),
     .keep_alive = true},
    {.name = "escapes stay",
     .text = STR_INIT("DELETE /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n"),
     .method = HTTP_DELETE,
     .path = STR_INIT("/a%2Fb"),
     .keep_alive = true},
    {.name = "bytes above ASCII in the target",
     .text = STR_INIT("GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"),
     .path = STR_INIT("/\xc3\xa4"),
     .keep_alive = true},
    {.name = "with the host, as to a proxy",
     .text = STR_INIT("GET http://host:3100/a?b HTTP/1.1\r\nHost: x\r\n\r\n"),
     .path = STR_INIT("/a"),
     .query_string = STR_INIT("b"),
     .keep_alive = true},
    {.name = "the host alone",
     .text = STR_INIT("GET http://host HTTP/1.1\r\nHost: x\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = true},
    {.name = "HTTP/1.0",
     .text = STR_INIT("GET / HTTP/1.0\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = false},
    {.name = "HTTP/1.0 that goes on",
     .text = STR_INIT("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = true},
    {.name = "close",
     .text = STR_INIT("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade , CLOSE\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = false},
    {.name = "close wins",
     .text = STR_INIT("GET / HTTP/1.1\r\nHost: x\r\nConnection: close, keep-alive\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = false},
    {.name = "close wins over a later header",
     .text = STR_INIT(
         "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n"),
     .path = STR_INIT("/"),
     .keep_alive = false},
    {.name = "a length",
     .text =
         STR_INIT("POST /p HTTP/1.1\r\nHost: x\r\ncontent-LENGTH:\t 18446744073709551615 \r\n\r\n"),
     .method = HTTP_POST,
     .path = STR_INIT("/p"),
     .keep_alive = true,
     .content_length = UINT64_MAX},
    {.name = "one length, twice",
     .text =
         STR_INIT("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n"),
     .method = HTTP_POST,
     .path = STR_INIT("/p"),
     .keep_alive = true,
     .content_length = 5},
    {.name = "chunked and waiting",
     .text = STR_INIT(
         "PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n"
         "\r\n"),
     .method = HTTP_PUT,
     .path = STR_INIT("/p"),
     .keep_alive = true,
     .chunked = true,
     .expects_continue = true},
};

static void expect_head(const struct head_case *c, const struct http_head *h)
{
    cr_expect_eq(h->method, c->method, "%s", c->name);
    EXPECT_STR(c->name, h->path, c->path);
    EXPECT_STR(c->name, h->query_string, c->query_string);
    cr_expect_eq(h->keep_alive, c->keep_alive, "%s: keep_alive", c->name);
    cr_expect_eq(h->chunked, c->chunked, "%s: chunked", c->name);
    cr_expect_eq(h->expects_continue, c->expects_continue, "%s: expects_continue", c->name);
    cr_expect_eq(h->has_length, c->content_length != 0, "%s: has_length", c->name);
    cr_expect_eq(h->content_length, c->content_length, "%s: %" PRIu64, c->name, h->content_length);
}

Test(http1, heads)
{
    for (size_t i = 0; i < COUNT_OF(head_cases); i++) {
        const struct head_case *c = &head_cases[i];
        struct http_head h;
        struct err err = {.text = ""};
        struct str copy;

        enum status st = parse(c->text, &copy, &h, &err);
        cr_expect_eq(st, ST_OK, "%s: %s", c->name, err.text);
        if (st == ST_OK)
            expect_head(c, &h);
        drop(copy);
    }
}

/* No part of a head is one. */
Test(http1, heads_cut_at_every_byte)
{
    for (size_t i = 0; i < COUNT_OF(head_cases); i++) {
        const struct head_case *c = &head_cases[i];

        for (size_t len = 0; len < c->text.len; len++) {
            struct http_head h;
            struct str copy;
            EXPECT_STATUS(c->name, parse(str_head(c->text, len), &copy, &h, NULL), ST_INVALID);
            drop(copy);
        }
    }
}

Test(http1, pipelined_heads)
{
    struct str rest;
    size_t count = 0;
    struct buf all;

    buf_init(&all, MIB);
    for (size_t i = 0; i < COUNT_OF(head_cases); i++)
        buf_put(&all, head_cases[i].text);
    rest = buf_str(&all);
    while (rest.len > 0) {
        size_t len = str_find(rest, STR("\r\n\r\n")) + 4;
        struct http_head h;
        cr_assert_lt(count, COUNT_OF(head_cases));
        cr_assert_eq(http_head_parse(str_head(rest, len), &h, NULL), ST_OK);
        expect_head(&head_cases[count++], &h);
        rest = str_cut(rest, len);
    }
    cr_expect_eq(count, COUNT_OF(head_cases));
    cr_expect_eq(rest.len, 0);
    buf_release(&all);
}

#define LINE "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define BAD_LINE STR_INIT("malformed request line")
#define BAD_HEADER STR_INIT("malformed header")
#define BAD_LENGTH STR_INIT("malformed Content-Length")
#define BAD_CODING STR_INIT("only the transfer encoding chunked is known")
#define BAD_VERSION STR_INIT("only HTTP/1.1 and HTTP/1.0 are spoken here")
#define BOTH STR_INIT("both Content-Length and Transfer-Encoding")

static const struct bad_head_case {
    const char *name;
    struct str text;
    enum status st;
    struct str want;
} bad_head_cases[] = {
    {"nothing", STR_INIT("\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"one word", STR_INIT("GET\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"HTTP/0.9", STR_INIT("GET /\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"no target", STR_INIT("GET  HTTP/1.1\r\nHost: x\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"two blanks", STR_INIT("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"blank in front", STR_INIT(" GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"control character in the target", STR_INIT("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"),
     ST_INVALID, BAD_LINE},
    {"tab in the target", STR_INIT("GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"zero byte in the target", STR_INIT("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n"), ST_INVALID,
     BAD_LINE},
    {"method that is no token", STR_INIT("G\x01T / HTTP/1.1\r\nHost: x\r\n\r\n"), ST_INVALID,
     BAD_LINE},
    {"unknown method", STR_INIT("BREW / HTTP/1.1\r\nHost: x\r\n\r\n"), ST_BAD_METHOD,
     STR_INIT("unknown method")},
    {"small letters", STR_INIT("get / HTTP/1.1\r\nHost: x\r\n\r\n"), ST_BAD_METHOD,
     STR_INIT("unknown method")},
    {"a later version", STR_INIT("GET / HTTP/2.0\r\n\r\n"), ST_UNSUPPORTED, BAD_VERSION},
    {"version in small letters", STR_INIT("GET / http/1.1\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"another protocol", STR_INIT("GET / ICY/1.1\r\n\r\n"), ST_INVALID, BAD_LINE},
    {"bare line feed behind the request line", STR_INIT("GET / HTTP/1.1\nA: b\r\n\r\n"), ST_INVALID,
     BAD_LINE},
    {"header without a colon", STR_INIT(LINE "abc\r\n\r\n"), ST_INVALID, BAD_HEADER},
    {"header without a name", STR_INIT(LINE ": x\r\n\r\n"), ST_INVALID, BAD_HEADER},
    {"blank before the colon", STR_INIT(POST "Content-Length : 5\r\n\r\n"), ST_INVALID, BAD_HEADER},
    {"folded header", STR_INIT(LINE "A: b\r\n c: d\r\n\r\n"), ST_INVALID, BAD_HEADER},
    {"bare line feed in a header", STR_INIT(LINE "A: b\nC: d\r\n\r\n"), ST_INVALID, BAD_HEADER},
    {"bare carriage return in a header", STR_INIT(LINE "A: b\rC: d\r\n\r\n"), ST_INVALID,
     BAD_HEADER},
    {"zero byte in a name", STR_INIT(LINE "A\0: b\r\n\r\n"), ST_INVALID, BAD_HEADER},
    {"zero byte in a value", STR_INIT(LINE "A: b\0c\r\n\r\n"), ST_INVALID,
     STR_INIT("control character in a header")},
    {"delete in a value", STR_INIT(LINE "A: b\x7f\r\n\r\n"), ST_INVALID,
     STR_INIT("control character in a header")},
    {"no length", STR_INIT(POST "Content-Length:\r\n\r\n"), ST_INVALID, BAD_LENGTH},
    {"length with a sign", STR_INIT(POST "Content-Length: +5\r\n\r\n"), ST_INVALID, BAD_LENGTH},
    {"negative length", STR_INIT(POST "Content-Length: -1\r\n\r\n"), ST_INVALID, BAD_LENGTH},
    {"hexadecimal length", STR_INIT(POST "Content-Length: 0x5\r\n\r\n"), ST_INVALID, BAD_LENGTH},
    {"list of lengths", STR_INIT(POST "Content-Length: 5, 5\r\n\r\n"), ST_INVALID, BAD_LENGTH},
    {"length of 65 bits", STR_INIT(POST "Content-Length: 18446744073709551616\r\n\r\n"), ST_INVALID,
     BAD_LENGTH},
    {"two lengths", STR_INIT(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), ST_INVALID,
     STR_INIT("two different Content-Lengths")},
    {"length and chunked", STR_INIT(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
     ST_INVALID, BOTH},
    {"chunked and length", STR_INIT(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
     ST_INVALID, BOTH},
    {"chunked in HTTP/1.0", STR_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
     ST_INVALID, BOTH},
    {"another encoding", STR_INIT(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), ST_UNSUPPORTED,
     BAD_CODING},
    {"chunked twice",
     STR_INIT(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     ST_UNSUPPORTED, BAD_CODING},
    {"no host", STR_INIT("GET / HTTP/1.1\r\nA: b\r\n\r\n"), ST_INVALID,
     STR_INIT("missing required Host header")},
    {"two hosts", STR_INIT(LINE "host: y\r\n\r\n"), ST_INVALID, STR_INIT("too many Host headers")},
    {"identity", STR_INIT(POST "Transfer-Encoding: identity\r\n\r\n"), ST_UNSUPPORTED, BAD_CODING},
};

Test(http1, bad_heads)
{
    for (size_t i = 0; i < COUNT_OF(bad_head_cases); i++) {
        const struct bad_head_case *c = &bad_head_cases[i];
        struct http_head h;
        struct err err = {.text = ""};
        struct str copy;

        EXPECT_STATUS(c->name, parse(c->text, &copy, &h, &err), c->st);
        EXPECT_STR(c->name, str_from(err.text), c->want);
        drop(copy);
    }
}

Test(http1, as_many_headers_as_there_may_be)
{
    for (int more = 0; more < 2; more++) {
        struct http_head h;
        struct err err = {.text = ""};
        struct buf b;

        buf_init(&b, MIB);
        buf_put(&b, STR(LINE));
        for (int i = 1; i < HTTP_HEADERS_MAX + more; i++) /* one is in LINE */
            buf_printf(&b, "X-%d: %d\r\n", i, i);
        buf_put(&b, STR("\r\n"));
        enum status st = http_head_parse(buf_str(&b), &h, &err);
        EXPECT_STATUS("headers", st, more == 0 ? ST_OK : ST_INVALID);
        EXPECT_STR("headers", str_from(err.text),
                   more == 0 ? STR("") : STR("more than 100 headers"));
        if (st == ST_OK)
            EXPECT_STR("the last one", http_header_get(&h, STR("x-99")), STR("99"));
        buf_release(&b);
    }
}

Test(http1, header_get)
{
    struct http_head h;

    REQUIRE_OK(http_head_parse(STR(LINE "A: 1\r\nb:\r\na: 2\r\nc: \t x y \t\r\n\r\n"), &h, NULL));
    EXPECT_STR("the first one, in any case", http_header_get(&h, STR("a")), STR("1"));
    EXPECT_STR("without blanks around it", http_header_get(&h, STR("C")), STR("x y"));
    cr_expect_not_null(http_header_get(&h, STR("B")).ptr, "empty, but there");
    cr_expect_null(http_header_get(&h, STR("d")).ptr);
}

Test(http1, methods_and_reasons)
{
    for (unsigned m = 0; m < HTTP_METHOD_COUNT; m++) {
        struct http_head h;
        struct buf b;

        buf_init(&b, 100);
        buf_printf(&b, "%s / HTTP/1.1\r\nHost: x\r\n\r\n", http_method_name((enum http_method)m));
        cr_expect(http_head_parse(buf_str(&b), &h, NULL) == ST_OK && h.method == m, "%u", m);
        buf_release(&b);
    }
    /* Every status that a handler may answer with has a reason; 499 is never sent. */
    for (unsigned st = 0; st <= ST_TIMEOUT; st++)
        cr_expect((st == ST_CANCELLED) ==
                      (strcmp(http_reason(status_http((enum status)st)), "Unknown") == 0),
                  "%s", status_name((enum status)st));
}

static const struct date_case {
    int64_t seconds;
    struct str want;
} date_cases[] = {
    {0, STR_INIT("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n")},
    {784111777, STR_INIT("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")},
    {1709251199, STR_INIT("Date: Thu, 29 Feb 2024 23:59:59 GMT\r\n")},
    {1798761599, STR_INIT("Date: Thu, 31 Dec 2026 23:59:59 GMT\r\n")},
};

Test(http1, dates)
{
    for (size_t i = 0; i < COUNT_OF(date_cases); i++) {
        struct buf b;

        buf_init(&b, 100);
        http_put_date(&b, date_cases[i].seconds * SECOND_NS + 999999999);
        EXPECT_STR("date", buf_str(&b), date_cases[i].want);
        buf_release(&b);
    }
}

/* ---- chunked bodies ---- */

enum { BODY_MAX = 64 };

#define A100                                                                                       \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaa"
#define A1000 A100 A100 A100 A100 A100 A100 A100 A100 A100 A100

static const struct chunked_case {
    const char *name;
    struct str text;
    enum status st;
    bool done;
    struct str body; /* when it is done */
    size_t left;     /* bytes behind it */
} chunked_cases[] = {
    {"nothing", STR_INIT("0\r\n\r\n"), ST_OK, true, STR_INIT(""), 0},
    {"one chunk", STR_INIT("5\r\nhello\r\n0\r\n\r\n"), ST_OK, true, STR_INIT("hello"), 0},
    {"chunks", STR_INIT("1\r\nh\r\n0004\r\nello\r\n000\r\n\r\n"), ST_OK, true, STR_INIT("hello"),
     0},
    {"hexadecimal", STR_INIT("a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n"), ST_OK, true,
     STR_INIT("01234567890123456789a"), 0},
    {"line ends inside", STR_INIT("6\r\n\r\n0\r\n\r\r\n0\r\n\r\n"), ST_OK, true,
     STR_INIT("\r\n0\r\n\r"), 0},
    {"extensions", STR_INIT("5;a=b\r\nhello\r\n0;last\r\n\r\n"), ST_OK, true, STR_INIT("hello"), 0},
    {"blanks behind the size", STR_INIT("5 \t\r\nhello\r\n0 ;x\r\n\r\n"), ST_OK, true,
     STR_INIT("hello"), 0},
    {"trailer", STR_INIT("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n"), ST_OK, true, STR_INIT("x"), 0},
    {"the next request behind it", STR_INIT("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), ST_OK,
     true, STR_INIT("x"), 18},
    {"as large as it may be",
     STR_INIT("40\r\n0123456789abcdef0123456789abcdef0123456789abcdef"
              "0123456789abcdef\r\n0\r\n\r\n"),
     ST_OK, true, STR_INIT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), 0},
    {"one byte too many", STR_INIT("41\r\n0"), ST_TOO_LARGE, false, STR_INIT(""), 0},
    {"too many in two chunks", STR_INIT("1\r\nx\r\n40\r\n0"), ST_TOO_LARGE, false, STR_INIT(""), 0},
    {"far too many", STR_INIT("fffffffffffffff\r\n0"), ST_TOO_LARGE, false, STR_INIT(""), 0},
    {"a size of 64 bits", STR_INIT("ffffffffffffffff\r\n0"), ST_INVALID, false, STR_INIT(""), 0},
    {"a size that comes round", STR_INIT("10000000000000001\r\nx\r\n"), ST_INVALID, false,
     STR_INIT(""), 0},
    {"no size", STR_INIT("\r\nx\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"no size but an extension", STR_INIT(";a\r\nx\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"sign", STR_INIT("-1\r\nx\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"prefix", STR_INIT("0x1\r\nx\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"blank before the size", STR_INIT(" 1\r\nx\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"blank inside the size", STR_INIT("1 1\r\nx\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"bare line feed before the size", STR_INIT("\n1\r\nx\r\n0\r\n\r\n"), ST_INVALID, false,
     STR_INIT(""), 0},
    {"bare line feed behind the size", STR_INIT("1\nx\r\n0\r\n\r\n"), ST_INVALID, false,
     STR_INIT(""), 0},
    {"bare line feed in an extension", STR_INIT("1;a\nb\r\nx\r\n0\r\n\r\n"), ST_INVALID, false,
     STR_INIT(""), 0},
    {"bare carriage return in an extension", STR_INIT("1;a\rb\r\nx\r\n0\r\n\r\n"), ST_INVALID,
     false, STR_INIT(""), 0},
    {"bare line feed in the trailer", STR_INIT("0\r\nA: b\nC: d\r\n\r\n"), ST_INVALID, false,
     STR_INIT(""), 0},
    {"more bytes than the size says", STR_INIT("1\r\nxy\r\n0\r\n\r\n"), ST_INVALID, false,
     STR_INIT(""), 0},
    {"fewer", STR_INIT("2\r\nx\r\n0\r\n\r\n"), ST_INVALID, false, STR_INIT(""), 0},
    {"the longest extension", STR_INIT("1;1" A1000 "aaaaaaaaaaaaaaaaaaaaa\r\nx\r\n0\r\n\r\n"),
     ST_OK, true, STR_INIT("x"), 0},
    {"an extension too long", STR_INIT("1;12" A1000 "aaaaaaaaaaaaaaaaaaaaa\r\nx\r\n0\r\n\r\n"),
     ST_INVALID, false, STR_INIT(""), 0},
    {"not whole", STR_INIT("5\r\nhel"), ST_OK, false, STR_INIT(""), 0},
    {"end is missing", STR_INIT("5\r\nhello\r\n0\r\n"), ST_OK, false, STR_INIT(""), 0},
};

/* Let `text` arrive in pieces of `step` bytes; `*ret_left` is what was not taken at the end. */
static enum status arrive(struct str text, size_t step, struct http_chunked *c, struct buf *body,
                          size_t *ret_left)
{
    size_t taken = 0, there = 0;
    enum status st = ST_OK;

    while (st == ST_OK && c->state != HTTP_CHUNK_DONE && there < text.len) {
        there = MIN_OF(there + step, text.len);
        struct str in = str_cut(str_head(text, there), taken);
        st = http_chunked_take(c, &in, body);
        taken = there - in.len;
    }
    *ret_left = text.len - taken;
    return st;
}

static void expect_chunked(const struct chunked_case *c, size_t step)
{
    struct http_chunked state = {.left = 0};
    struct buf body;
    size_t left;

    buf_init(&body, BODY_MAX);
    enum status st = arrive(c->text, step, &state, &body, &left);
    cr_expect_eq(st, c->st, "%s by %zu: %s", c->name, step, status_name(st));
    cr_expect_eq(state.state == HTTP_CHUNK_DONE, c->done, "%s by %zu", c->name, step);
    if (c->done) {
        EXPECT_STR(c->name, buf_str(&body), c->body);
        cr_expect_eq(left, c->left, "%s by %zu: %zu left", c->name, step, left);
    }
    buf_release(&body);
}

/* The outcome does not depend on how the bytes were cut on their way. */
Test(http1, chunked_bodies)
{
    for (size_t i = 0; i < COUNT_OF(chunked_cases); i++) {
        for (size_t step = 1; step < 64; step++)
            expect_chunked(&chunked_cases[i], step);
        expect_chunked(&chunked_cases[i], SIZE_MAX / 2);
    }
}

/* Lines of a trailer are thrown away, but not without end. */
Test(http1, chunked_trailer_too_long)
{
    for (size_t step = 1; step < 20000; step += 500) {
        struct http_chunked state = {.left = 0};
        struct buf text, body;
        size_t left;

        buf_init(&text, MIB);
        buf_init(&body, BODY_MAX);
        buf_put(&text, STR("0\r\n"));
        for (int i = 0; i < 10; i++)
            buf_put(&text, STR("X: " A100 A100 A100 A100 A100 A100 A100 A100 A100 "\r\n"));
        buf_put(&text, STR("\r\n"));
        EXPECT_STATUS("trailer", arrive(buf_str(&text), step, &state, &body, &left), ST_INVALID);
        buf_release(&text);
        buf_release(&body);
    }
}

Test(http1, chunked_round_trip)
{
    static char bytes[10000];
    struct random r = random_begin();

    for (size_t round = 0; round < 200; round++) {
        struct str want = str_make(bytes, random_below(&r, sizeof(bytes)));
        struct http_chunked state = {.left = 0};
        struct buf text, body;
        size_t left;

        random_bytes(&r, bytes, want.len);
        buf_init(&text, MIB);
        buf_init(&body, sizeof(bytes));
        for (size_t at = 0; at < want.len;) {
            size_t len = 1 + random_below(&r, want.len - at);
            buf_printf(&text, round % 2 == 0 ? "%zx\r\n" : "%zX\r\n", len);
            buf_put(&text, str_make(bytes + at, len));
            buf_put(&text, STR("\r\n"));
            at += len;
        }
        buf_put(&text, STR("0\r\n\r\nmore"));
        REQUIRE_OK(arrive(buf_str(&text), 1 + random_below(&r, 3000), &state, &body, &left));
        cr_expect(str_eq(buf_str(&body), want) && left == 4, "seed %" PRIu64, r.seed);
        buf_release(&text);
        buf_release(&body);
    }
}

Test(http1, no_memory_for_a_body)
{
    struct http_chunked state = {.left = 0};
    struct str in = STR("5\r\nhello\r\n0\r\n\r\n");
    struct buf body;

    buf_init(&body, BODY_MAX);
    mem_fail_after(1);
    EXPECT_STATUS("no memory", http_chunked_take(&state, &in, &body), ST_NOMEM);
    mem_fail_after(0);
    buf_release(&body);
}
