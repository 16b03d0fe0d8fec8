/* The head of a request: what was parsed, written anew, is parsed to the same. */
#include "server/http/http1.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static void put_head(struct buf *b, const struct http_head *h)
{
    buf_put(b, str_from(http_method_name(h->method)));
    buf_put_char(b, ' ');
    buf_put(b, h->path);
    if (h->query_string.ptr != NULL) {
        buf_put_char(b, '?');
        buf_put(b, h->query_string);
    }
    buf_put(b, h->is_http_1_0 ? STR(" HTTP/1.0\r\n") : STR(" HTTP/1.1\r\n"));
    for (size_t i = 0; i < h->header_count; i++) {
        buf_put(b, h->headers[i].name);
        buf_put(b, STR(": "));
        buf_put(b, h->headers[i].value);
        buf_put(b, STR("\r\n"));
    }
    buf_put(b, STR("\r\n"));
}

static enum status reprint(struct str in, struct http_head *h, struct buf *to)
{
    struct err err = {.text = ""};
    size_t end = str_find(in, STR("\r\n\r\n"));

    if (end == STR_NPOS)
        return ST_INVALID;
    enum status st = http_head_parse(str_head(in, end + 4), h, &err);
    ASSERT(st == ST_OK || err.text[0] != '\0');
    if (st == ST_OK)
        put_head(to, h);
    return st;
}

void fuzz_input(struct str in)
{
    struct http_head h, again_h;
    struct buf once, again;

    buf_init(&once, FUZZ_MEMORY_BYTES);
    buf_init(&again, FUZZ_MEMORY_BYTES);
    if (reprint(in, &h, &once) == ST_OK) {
        ASSERT(!(h.chunked && h.has_length)); /* two ways to read one request */
        ASSERT(reprint(buf_str(&once), &again_h, &again) == ST_OK);
        ASSERT(str_eq(buf_str(&once), buf_str(&again)));
        ASSERT(h.keep_alive == again_h.keep_alive && h.chunked == again_h.chunked);
        ASSERT(h.has_length == again_h.has_length && h.content_length == again_h.content_length);
    }
    buf_release(&once);
    buf_release(&again);
}
