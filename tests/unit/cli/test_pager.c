#include "cli/pager.h"

#include <criterion/criterion.h>

#define ARENA_BYTES_MAX ((size_t)1 << 20)

enum { STORED_MAX = 16 };

/* What a server has: it answers like one, so that a whole conversation can be played. */
struct stored {
    int64_t ts_ns;
    size_t stream;
    const char *line;
};

static const struct label label_a[] = {{STR_INIT("a"), STR_INIT("1")}};
static const struct label label_b[] = {{STR_INIT("a"), STR_INIT("2")}};
static const struct labels streams[] = {{label_a, 1}, {label_b, 1}};

/*
 * The newest (or oldest) `limit` of the range, grouped by stream; of equal times the later stored
 * (or the earlier) come first.
 */
static struct page ask(struct arena *a, const struct stored *stored, size_t count,
                       const struct page_request *r, bool forward)
{
    struct page page = {.stream_count = COUNT_OF(streams)};
    bool taken[STORED_MAX] = {false};
    size_t picked[STORED_MAX], picked_count = 0;

    while (picked_count < r->limit && picked_count < count) {
        size_t best = STORED_MAX;
        for (size_t i = 0; i < count; i++) {
            int64_t ts = stored[i].ts_ns;
            if (taken[i] || ts < r->range.start_ns || ts >= r->range.end_ns)
                continue;
            bool better = best == STORED_MAX ||
                          (forward ? ts < stored[best].ts_ns : ts >= stored[best].ts_ns);
            best = better ? i : best;
        }
        if (best == STORED_MAX)
            break;
        taken[best] = true;
        picked[picked_count++] = best;
    }
    page.streams = arena_new(a, struct labels, COUNT_OF(streams));
    page.rows = arena_new(a, struct row, picked_count);
    for (size_t s = 0; s < COUNT_OF(streams); s++) {
        page.streams[s] = streams[s];
        for (size_t i = 0; i < picked_count; i++) {
            const struct stored *e = &stored[picked[i]];
            if (e->stream != s)
                continue;
            page.rows[page.row_count] =
                (struct row){e->ts_ns, s, page.row_count, str_from(e->line)};
            page.row_count++;
        }
    }
    return page;
}

static const struct pager_case {
    const char *name;
    bool forward;
    uint64_t limit;
    uint64_t batch;
    struct stored stored[STORED_MAX];
    const char *want;
    unsigned want_requests;
} pager_cases[] = {
    {"nothing there", false, 0, 10, {{0, 0, NULL}}, "", 1},
    {"one request", false, 0, 10, {{1, 0, "x"}, {3, 0, "z"}, {2, 1, "y"}}, "3z 2y 1x ", 1},
    {"forward", true, 0, 10, {{1, 0, "x"}, {3, 0, "z"}, {2, 1, "y"}}, "1x 2y 3z ", 1},
    {"a limit cuts", false, 2, 10, {{1, 0, "x"}, {3, 0, "z"}, {2, 1, "y"}}, "3z 2y ", 1},
    {"batches",
     false,
     0,
     2,
     {{1, 0, "a"}, {2, 1, "b"}, {3, 0, "c"}, {4, 1, "d"}},
     "4d 3c 2b 1a ",
     4},
    {"batches forward",
     true,
     0,
     2,
     {{1, 0, "a"}, {2, 1, "b"}, {3, 0, "c"}, {4, 1, "d"}},
     "1a 2b 3c 4d ",
     4},
    {"a limit over several batches",
     false,
     3,
     2,
     {{1, 0, "a"}, {2, 1, "b"}, {3, 0, "c"}, {4, 1, "d"}},
     "4d 3c 2b ",
     2},
    {"equal times across the border of batches",
     true,
     0,
     2,
     {{1, 0, "a"}, {2, 0, "b"}, {2, 0, "c"}, {2, 1, "d"}, {3, 0, "e"}},
     "1a 2b 2c 2d 3e ",
     4},
    {"only equal times, more than a batch",
     false,
     0,
     2,
     {{5, 0, "a"}, {5, 0, "b"}, {5, 1, "c"}, {5, 1, "d"}, {5, 0, "e"}},
     "5e 5d 5b 5c 5a ",
     3},
    {"equal lines of one time are as many as there are",
     true,
     0,
     2,
     {{5, 0, "same"}, {5, 0, "same"}, {5, 0, "same"}, {5, 1, "same"}, {6, 0, "same"}},
     "5same 5same 5same 5same 6same ",
     3},
    {"a batch of one", true, 0, 1, {{1, 0, "a"}, {1, 0, "b"}, {2, 0, "c"}}, "1a 1b 2c ", 4},
};

Test(cli_pager, conversations)
{
    for (size_t i = 0; i < COUNT_OF(pager_cases); i++) {
        const struct pager_case *c = &pager_cases[i];
        struct page_request request;
        unsigned requests = 0;
        struct pager p;
        struct arena a;
        struct buf b;
        struct err err;
        size_t count = 0;

        while (count < STORED_MAX && c->stored[count].line != NULL)
            count++;
        arena_init(&a, ARENA_BYTES_MAX);
        buf_init(&b, 4096);
        pager_init(&p, (struct range){0, 100}, c->forward, c->limit, c->batch);
        while (requests < 100 && pager_next(&p, &request)) {
            struct page page = ask(&a, c->stored, count, &request, c->forward);
            cr_assert_eq(pager_take(&p, &page, &err), ST_OK, "%s: %s", c->name, err.text);
            for (size_t j = 0; j < page.row_count; j++)
                buf_printf(&b, "%lld%.*s ", (long long)page.rows[j].ts_ns,
                           STR_ARG(page.rows[j].line));
            requests++;
        }
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        cr_expect_eq(requests, c->want_requests, "%s: %u requests", c->name, requests);
        pager_release(&p);
        arena_release(&a);
        buf_release(&b);
    }
}

Test(cli_pager, requests_stay_inside_the_batch)
{
    struct stored stored[STORED_MAX];
    struct page_request request;
    struct pager p;
    struct arena a;
    struct err err;

    for (size_t i = 0; i < COUNT_OF(stored); i++)
        stored[i] = (struct stored){(int64_t)(i / 3), 0, "x"};
    arena_init(&a, ARENA_BYTES_MAX);
    pager_init(&p, (struct range){0, 100}, true, 0, 4);
    while (pager_next(&p, &request)) {
        cr_expect_leq(request.limit, 4);
        struct page page = ask(&a, stored, COUNT_OF(stored), &request, true);
        cr_assert_eq(pager_take(&p, &page, &err), ST_OK, "%s", err.text);
    }
    cr_expect_eq(p.printed, STORED_MAX);
    pager_release(&p);
    arena_release(&a);
}

Test(cli_pager, a_server_that_repeats_itself)
{
    const struct stored stored[] = {{5, 0, "a"}, {5, 0, "b"}};
    struct page_request request;
    struct pager p;
    struct arena a;
    struct err err;

    arena_init(&a, ARENA_BYTES_MAX);
    pager_init(&p, (struct range){0, 100}, true, 0, 2);
    cr_assert(pager_next(&p, &request));
    struct page page = ask(&a, stored, 2, &request, true);
    cr_assert_eq(pager_take(&p, &page, &err), ST_OK);
    cr_assert(pager_next(&p, &request));
    cr_expect_eq(request.limit, 4, "the whole batch is known: more than it is wanted");

    p.asked = 2; /* as if the server gave a full answer of what is known */
    page = ask(&a, stored, 2, &request, true);
    cr_expect_eq(pager_take(&p, &page, &err), ST_CORRUPT);
    pager_release(&p);
    arena_release(&a);
}

static const struct fewer_case {
    const char *name;
    size_t left; /* of the three entries that were there at first */
    enum status want;
} fewer_cases[] = {
    {"all that are known came again, and no more", 3, ST_OK},
    {"one is missing", 2, ST_CORRUPT},
    {"all are", 0, ST_CORRUPT},
};

Test(cli_pager, a_server_that_gives_fewer_than_are_known)
{
    const struct stored stored[] = {{5, 0, "a"}, {5, 0, "b"}, {5, 1, "c"}};

    for (size_t i = 0; i < COUNT_OF(fewer_cases); i++) {
        const struct fewer_case *c = &fewer_cases[i];
        struct page_request request;
        struct pager p;
        struct arena a;
        struct err err = {.text = ""};

        arena_init(&a, ARENA_BYTES_MAX);
        pager_init(&p, (struct range){0, 100}, true, 0, 3);
        cr_assert(pager_next(&p, &request));
        struct page page = ask(&a, stored, COUNT_OF(stored), &request, true);
        cr_assert_eq(pager_take(&p, &page, &err), ST_OK, "%s: %s", c->name, err.text);
        cr_assert(pager_next(&p, &request));
        page = ask(&a, stored, c->left, &request, true);
        cr_expect_eq(pager_take(&p, &page, &err), c->want, "%s", c->name);
        if (c->want == ST_OK)
            cr_expect_not(pager_next(&p, &request), "%s", c->name);
        pager_release(&p);
        arena_release(&a);
    }
}
