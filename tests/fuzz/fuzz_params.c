/* The parameters of a request, and what those of queries mean. */
#include "server/http/params.h"

#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

#define NOW_NS INT64_C(1772366400000000000) /* 2026-03-01T12:00:00Z */

static void put_encoded(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_printf(b, "%%%02x", (unsigned)(unsigned char)s.ptr[i]);
}

/* Written with every byte encoded they are the same parameters. */
static void check_again(struct arena *a, const struct params *p)
{
    struct params again = {0};
    struct buf text;

    buf_init(&text, FUZZ_MEMORY_BYTES);
    for (size_t i = 0; i < p->count; i++) {
        put_encoded(&text, p->items[i].name);
        buf_put_char(&text, '=');
        put_encoded(&text, p->items[i].value);
        buf_put_char(&text, '&');
    }
    ASSERT(params_add(&again, a, buf_str(&text), NULL) == ST_OK);
    ASSERT(again.count == p->count);
    for (size_t i = 0; i < p->count; i++) {
        ASSERT(str_eq(again.items[i].name, p->items[i].name));
        ASSERT(str_eq(again.items[i].value, p->items[i].value));
    }
    buf_release(&text);
}

static void interpret(const struct params *p)
{
    struct err err = {.text = ""};
    struct range_params range;
    int64_t start_ns, end_ns;

    if (params_range(p, NOW_NS, &range, &err) == ST_OK)
        ASSERT(range.step_ns > 0 && range.interval_ns >= 0 && range.start_ns <= range.end_ns);
    else
        ASSERT(err.status == ST_INVALID && err.text[0] != '\0');
    if (params_instant(p, NOW_NS, &range, &err) == ST_OK)
        ASSERT(range.start_ns == range.end_ns);
    (void)!params_bounds(p, NOW_NS, &start_ns, &end_ns, &err);
}

void fuzz_input(struct str in)
{
    struct err err = {.text = ""};
    struct params p = {0};
    struct str path;
    struct arena a;

    arena_init(&a, FUZZ_MEMORY_BYTES);
    enum status st = params_add(&p, &a, in, &err);
    ASSERT(st == ST_OK || (st == ST_INVALID && err.text[0] != '\0'));
    check_again(&a, &p);
    interpret(&p);
    st = path_decode(&a, in, &path, &err);
    ASSERT(st == ST_OK ? path.len <= in.len : err.status == ST_INVALID);
    arena_release(&a);
}
