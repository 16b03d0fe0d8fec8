/*
 * A chunked body: it is the same whether it comes at once or byte by byte, and no line feed stands
 * in it alone but inside a chunk, where two parties could read it in two ways.
 */
#include "server/http/http1.h"
#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

enum { BODY_BYTES_MAX = 1 << 20 };

struct reading {
    struct http_chunked chunked;
    struct buf body;
    enum status st;
    size_t used;
};

static void read_at_once(struct str in, struct reading *r)
{
    struct str rest = in;

    buf_init(&r->body, BODY_BYTES_MAX);
    r->st = http_chunked_take(&r->chunked, &rest, &r->body);
    r->used = in.len - rest.len;
}

static void read_by_bytes(struct str in, struct reading *r)
{
    buf_init(&r->body, BODY_BYTES_MAX);
    for (size_t end = 1; end <= in.len && r->st == ST_OK; end++) {
        if (r->chunked.state == HTTP_CHUNK_DONE)
            break;
        struct str rest = str_cut(str_head(in, end), r->used);
        r->st = http_chunked_take(&r->chunked, &rest, &r->body);
        r->used = end - rest.len;
    }
}

/* Does a body that is complete have a line feed of its own in what is not its bytes? */
static bool has_bare_line_feed(struct str in)
{
    struct http_chunked c = {.state = HTTP_CHUNK_SIZE};
    struct buf body;
    bool bare = false;
    size_t used = 0;

    buf_init(&body, BODY_BYTES_MAX);
    for (size_t end = 1; end <= in.len && c.state != HTTP_CHUNK_DONE; end++) {
        bool inside = c.state == HTTP_CHUNK_BYTES;
        bare = bare || (!inside && in.ptr[end - 1] == '\n' && (end < 2 || in.ptr[end - 2] != '\r'));
        struct str rest = str_cut(str_head(in, end), used);
        if (http_chunked_take(&c, &rest, &body) != ST_OK)
            break;
        used = end - rest.len;
    }
    buf_release(&body);
    return bare;
}

void fuzz_input(struct str in)
{
    struct reading once = {.st = ST_OK}, bytes = {.st = ST_OK};

    read_at_once(in, &once);
    read_by_bytes(in, &bytes);
    ASSERT(once.st == bytes.st);
    ASSERT(once.st != ST_OK || once.chunked.state == bytes.chunked.state);
    ASSERT(once.st != ST_OK || once.used == bytes.used);
    ASSERT(once.st != ST_OK || str_eq(buf_str(&once.body), buf_str(&bytes.body)));
    if (once.st == ST_OK && once.chunked.state == HTTP_CHUNK_DONE)
        ASSERT(!has_bare_line_feed(str_head(in, once.used)));
    buf_release(&once.body);
    buf_release(&bytes.body);
}
