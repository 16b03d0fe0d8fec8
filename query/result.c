#include "query/result.h"

#include <stdlib.h>

#include "base/map.h"

#include "base/banned.h"

enum { LABELS_TEXT_BYTES_MAX = 64 * 1024 * 1024 };

void result_release(struct result *r)
{
    hits_release(&r->hits);
}

/* A stream of the answer while it is found and counted. */
struct group {
    struct result_stream stream;
    struct str text; /* of the labels: the order of streams */
};

struct grouping_state {
    struct arena *arena;
    bool categorize;
    struct map groups; /* text -> struct group */
    struct buf text;
    struct group **of_hit; /* the group of each hit */
};

/* The group of a hit, made now if it is the first of its labels. */
static enum status find_group(struct grouping_state *g, const struct hit *hit,
                              struct group **ret_group)
{
    struct labels labels = g->categorize ? hit->labels.of[LABEL_OF_STREAM]
                                         : entry_labels_merge(g->arena, &hit->labels);

    if (g->arena->failed)
        return ST_LIMIT;
    buf_reset(&g->text);
    labels_put_text(&g->text, labels);
    struct group *group = map_get(&g->groups, buf_str(&g->text));
    if (group == NULL) {
        group = arena_new(g->arena, struct group, 1);
        struct str text = arena_str(g->arena, buf_str(&g->text));
        if (group == NULL || text.ptr == NULL || g->text.failed)
            return ST_LIMIT;
        *group = (struct group){.stream = {.labels = labels}, .text = text};
        if (map_set(&g->groups, text, group) != ST_OK)
            return ST_NOMEM;
    }
    *ret_group = group;
    return ST_OK;
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *const *x = a, *const *y = b;

    return str_cmp((*x)->text, (*y)->text);
}

static bool have_same_labels(const struct grouping_state *g, const struct hit *a,
                             const struct hit *b)
{
    int categories = g->categorize ? LABEL_OF_STREAM + 1 : LABEL_CATEGORY_COUNT;

    for (int c = 0; c < categories; c++) {
        if (!labels_eq(a->labels.of[c], b->labels.of[c]))
            return false;
    }
    return true;
}

/* Count the rows of each group. */
static enum status count_rows(struct grouping_state *g, const struct hits *hits)
{
    struct group *before = NULL;
    const struct hit *hit_before = NULL;

    for (size_t i = 0; i < hits->count; i++) {
        const struct hit *hit = hits_at(hits, i);
        struct group *group = before;
        bool same = before != NULL && have_same_labels(g, hit, hit_before);
        enum status st = same ? ST_OK : find_group(g, hit, &group);
        if (st != ST_OK)
            return st;
        group->stream.count++;
        g->of_hit[i] = group;
        before = group;
        hit_before = hit;
    }
    return ST_OK;
}

/* Give each group its room, and fill the rows in. */
static enum status fill_rows(struct grouping_state *g, struct result *r)
{
    size_t cursor = 0, count = 0;
    struct group **sorted = arena_new(g->arena, struct group *, g->groups.count);

    r->streams = arena_new(g->arena, struct result_stream, g->groups.count);
    if (sorted == NULL || r->streams == NULL)
        return ST_LIMIT;
    for (struct group *group = map_next(&g->groups, &cursor); group != NULL;
         group = map_next(&g->groups, &cursor)) {
        group->stream.rows = arena_new(g->arena, struct result_row, group->stream.count);
        if (group->stream.rows == NULL)
            return ST_LIMIT;
        group->stream.count = 0;
        sorted[count++] = group;
    }
    for (size_t i = 0; i < r->hits.count; i++) {
        const struct hit *hit = hits_at(&r->hits, i);
        struct result_stream *stream = &g->of_hit[i]->stream;
        stream->rows[stream->count++] = (struct result_row){
            .ts_ns = hit->ts_ns,
            .line = hit->shown,
            .metadata = hit->labels.of[LABEL_OF_METADATA],
            .parsed = hit->labels.of[LABEL_PARSED],
        };
    }
    if (count > 0)
        qsort(sorted, count, sizeof(struct group *), compare_groups);
    for (size_t i = 0; i < count; i++)
        r->streams[i] = sorted[i]->stream;
    r->stream_count = count;
    return ST_OK;
}

enum status result_group(struct result *r, struct arena *a, bool categorize, struct err *err)
{
    struct grouping_state g = {.arena = a, .categorize = categorize};

    buf_init(&g.text, LABELS_TEXT_BYTES_MAX);
    g.of_hit = arena_new(a, struct group *, r->hits.count);
    enum status st = g.of_hit == NULL ? ST_LIMIT : count_rows(&g, &r->hits);
    if (st == ST_OK)
        st = fill_rows(&g, r);
    map_release(&g.groups);
    buf_release(&g.text);
    if (a->failed)
        return arena_status(a, err);
    return st == ST_OK ? ST_OK : err_set(err, st, "cannot group entries: %s", status_text(st));
}
