/*
 * /loki/api/v1/index/stats, /volume and /volume_range: how much is stored. Run by workers.
 */
#include <inttypes.h>

#include "base/time.h"
#include "query/volume_series.h"
#include "server/http/api.h"
#include "server/http/render.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_stats(struct request *r);
void api_volume(struct request *r);

enum { SERIES_DEFAULT = 100 };

static enum status count_stored(struct request *r, struct query_context *q,
                                struct volume_counts *ret_counts, struct err *err)
{
    struct volume_request request = {
        .source = store_source(r->server->store), .q = q, .tenant = r->tenant};

    enum status st = api_bounds(r, &request.start_ns, &request.end_ns, err);
    if (st == ST_OK)
        st = api_selector(r, false, &request.matchers, err);
    return st == ST_OK ? volume_count(&request, ret_counts, err) : st;
}

void api_stats(struct request *r)
{
    struct err err = {.status = ST_OK};
    struct volume_counts c = {0};
    struct query_context q;

    api_context(r, &q);
    enum status st = count_stored(r, &q, &c, &err);
    if (st != ST_OK) {
        api_fail(r, st, &err);
        return;
    }
    buf_put_char(&r->reply.body, '{');
    render_warnings(&r->reply.body, &q.stats);
    buf_printf(&r->reply.body,
               "\"streams\":%" PRIu64 ",\"chunks\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"entries\":%" PRIu64 "}",
               c.streams, c.chunks, c.bytes, c.entries);
    reply_json(r);
}

/* ---- volume ---- */

static enum status add_name(struct request *r, struct name_list *names, size_t *capacity,
                            struct str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_eq(names->names[i], name))
            return ST_OK;
    }
    names->names =
        arena_reserve(&r->arena, names->names, names->count, capacity, sizeof(*names->names));
    if (names->names == NULL)
        return ST_LIMIT;
    names->names[names->count++] = name;
    return ST_OK;
}

/* The labels that make a series: those that are asked for, else those of the selector, else all. */
static enum status read_names(struct request *r, struct volume_series *v, struct err *err)
{
    struct str targets = params_get(&r->params, STR("targetLabels")), name;
    size_t capacity = 0;
    enum status st = ST_OK;

    while (st == ST_OK && targets.len > 0 && str_split(&targets, ',', &name)) {
        if (str_trim(name).len > 0)
            st = add_name(r, &v->names, &capacity, str_trim(name));
    }
    v->need_all = v->names.count > 0;
    for (size_t i = 0; i < v->request.matchers.count && st == ST_OK && !v->need_all; i++)
        st = add_name(r, &v->names, &capacity, v->request.matchers.items[i].name);
    v->all_names = v->names.count == 0;
    return st == ST_OK ? ST_OK : arena_status(&r->arena, err);
}

static enum status read_limit(const struct request *r, size_t *ret_limit, struct err *err)
{
    struct str text = params_get(&r->params, STR("limit"));
    uint64_t limit = SERIES_DEFAULT;

    enum status st = str_eq(text, STR("0")) ? ST_OK : params_limit(text, limit, &limit, err);
    if (st == ST_OK)
        *ret_limit = (size_t)limit;
    return st;
}

static enum status read_aggregation(const struct request *r, bool *ret_by_name, struct err *err)
{
    struct str text = params_get(&r->params, STR("aggregateBy"));

    *ret_by_name = str_eq(text, STR("labels"));
    if (text.len > 0 && !*ret_by_name && !str_eq(text, STR("series")))
        return err_set(err, ST_INVALID, "invalid aggregation option");
    return ST_OK;
}

static enum status read_volume(struct request *r, struct volume_series *v, struct err *err)
{
    struct volume_request *request = &v->request;
    bool steps = str_ends(r->head.path, STR("_range"));

    enum status st = api_bounds(r, &request->start_ns, &request->end_ns, err);
    if (st == ST_OK)
        st = read_limit(r, &v->limit, err);
    if (st == ST_OK && steps)
        st = params_step(&r->params, request->start_ns, request->end_ns, &request->step_ns, err);
    if (st == ST_OK)
        st = read_aggregation(r, &v->by_name, err);
    if (st == ST_OK)
        st = api_selector(r, true, &request->matchers, err);
    return st == ST_OK ? read_names(r, v, err) : st;
}

static enum status run_volume(struct request *r, struct err *err)
{
    int64_t begin_ns = time_mono_ns();
    struct query_context q;
    struct result result;
    struct volume_series v = {
        .request = {.source = store_source(r->server->store), .q = &q, .tenant = r->tenant},
        .series_max = request_limits(r)->volume_max_series,
    };

    if (!request_limits(r)->volume_enabled)
        return err_set(err, ST_NOT_FOUND, "not found");
    api_context(r, &q);
    enum status st = read_volume(r, &v, err);
    if (st == ST_OK)
        st = volume_series(&v, &result, err);
    if (st != ST_OK)
        return st;
    struct render render = {
        .result = &result,
        .stats = &q.stats,
        .exec_ns = time_mono_ns() - begin_ns,
        .queue_ns = begin_ns - r->begin_ns,
    };
    render_query(&r->reply.body, &render);
    return ST_OK;
}

void api_volume(struct request *r)
{
    struct err err = {.status = ST_OK};

    enum status st = run_volume(r, &err);
    if (st == ST_OK)
        reply_json(r);
    else
        api_fail(r, st, &err);
}
