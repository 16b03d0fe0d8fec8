#include "cli/pager.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"

#include "base/banned.h"

enum { SEEN_BYTES_MAX = 1 << 30 };

/* Entries that do not differ: how many were printed, and how many of them have not come again. */
struct seen {
    uint64_t printed;
    uint64_t left;
};

void pager_init(struct pager *p, struct range range, bool forward, uint64_t limit, uint64_t batch)
{
    *p = (struct pager){.range = range, .forward = forward, .limit = limit, .batch = batch};
    arena_init(&p->arena, SEEN_BYTES_MAX);
}

void pager_release(struct pager *p)
{
    map_release(&p->seen);
    arena_release(&p->arena);
}

bool pager_next(struct pager *p, struct page_request *ret_request)
{
    ASSERT(p->batch > 0);
    if (p->done)
        return false;
    uint64_t wanted = p->limit == 0 ? p->batch : MIN_OF(p->batch, p->limit - p->printed);
    /* Not more than a batch, unless that would bring nothing new. */
    p->asked = p->overlap < p->batch ? MIN_OF(p->batch, wanted + p->overlap) : wanted + p->overlap;
    ret_request->limit = p->asked;
    ret_request->range = p->range;
    if (p->has_bound && p->forward)
        ret_request->range.start_ns = p->bound_ns;
    else if (p->has_bound && p->bound_ns < INT64_MAX)
        ret_request->range.end_ns = p->bound_ns + 1;
    return true;
}

/* ---- order ---- */

static int compare_forward(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->ts_ns != y->ts_ns)
        return x->ts_ns < y->ts_ns ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static int compare_backward(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->ts_ns != y->ts_ns)
        return x->ts_ns > y->ts_ns ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* ---- entries of the bound ---- */

/* What tells an entry from others of its time. */
static struct str key_of(struct pager *p, const struct page *page, const struct row *row)
{
    struct buf b;

    buf_init(&b, SEEN_BYTES_MAX);
    labels_encode(&b, page->streams[row->stream]);
    buf_put(&b, row->line);
    struct str key = b.failed ? STR_NULL : arena_str(&p->arena, buf_str(&b));
    buf_release(&b);
    return key;
}

static enum status no_room(struct pager *p, struct err *err)
{
    return err_set(err, ST_NOMEM, "too many entries have the time %" PRId64, p->bound_ns);
}

/* Was this row printed, and has it not come again yet? */
static enum status check_seen(struct pager *p, const struct page *page, const struct row *row,
                              bool *ret_known, struct err *err)
{
    *ret_known = false;
    if (!p->has_bound || row->ts_ns != p->bound_ns)
        return ST_OK;
    struct str key = key_of(p, page, row);
    if (key.ptr == NULL)
        return no_room(p, err);
    struct seen *seen = map_get(&p->seen, key);
    if (seen != NULL && seen->left > 0) {
        seen->left--;
        *ret_known = true;
    }
    return ST_OK;
}

static enum status add_seen(struct pager *p, const struct page *page, const struct row *row,
                            struct err *err)
{
    struct str key = key_of(p, page, row);
    struct seen *seen = key.ptr == NULL ? NULL : map_get(&p->seen, key);

    if (seen == NULL) {
        seen = arena_new(&p->arena, struct seen, 1);
        if (key.ptr == NULL || seen == NULL || map_set(&p->seen, key, seen) != ST_OK)
            return no_room(p, err);
    }
    seen->printed++;
    p->overlap++;
    return ST_OK;
}

/* The bound moves to the last row; what was printed with its time is remembered. */
static enum status move_bound(struct pager *p, const struct page *page, int64_t last_ns,
                              struct err *err)
{
    enum status st = ST_OK;
    size_t cursor = 0;

    if (!p->has_bound || last_ns != p->bound_ns) {
        map_release(&p->seen);
        arena_release(&p->arena);
        p->overlap = 0;
    }
    p->has_bound = true;
    p->bound_ns = last_ns;
    for (size_t i = page->row_count; i > 0 && page->rows[i - 1].ts_ns == last_ns && st == ST_OK;
         i--)
        st = add_seen(p, page, &page->rows[i - 1], err);
    for (struct seen *s = map_next(&p->seen, &cursor); s != NULL; s = map_next(&p->seen, &cursor))
        s->left = s->printed;
    return st;
}

enum status pager_take(struct pager *p, struct page *page, struct err *err)
{
    uint64_t room = p->limit == 0 ? UINT64_MAX : p->limit - p->printed;
    size_t came = page->row_count, kept = 0;
    bool known;

    if (came > 0)
        qsort(page->rows, came, sizeof(*page->rows),
              p->forward ? compare_forward : compare_backward);
    if (came < p->overlap)
        return err_set(err, ST_CORRUPT,
                       "the server gives %zu of at least %" PRIu64 " entries from %" PRId64
                       " on, not all can be read",
                       came, p->overlap, p->bound_ns);
    int64_t last_ns = came > 0 ? page->rows[came - 1].ts_ns : 0;
    for (size_t i = 0; i < came && kept < room; i++) {
        enum status st = check_seen(p, page, &page->rows[i], &known, err);
        if (st != ST_OK)
            return st;
        if (!known)
            page->rows[kept++] = page->rows[i];
    }
    page->row_count = kept;
    p->printed += kept;
    p->done = came < p->asked || kept == room;
    if (p->done)
        return ST_OK;
    if (kept == 0)
        return err_set(err, ST_CORRUPT,
                       "the server gives the same %zu entries again, not all can be read", came);
    return move_bound(p, page, last_ns, err);
}
