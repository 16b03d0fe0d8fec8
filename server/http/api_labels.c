/*
 * Labels, label values and series. Run by workers.
 */
#include "base/time.h"
#include "proto/json.h"
#include "query/parser.h"
#include "server/http/api.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_labels(struct request *r);
void api_series(struct request *r);

enum status api_bounds(const struct request *r, int64_t *ret_start_ns, int64_t *ret_end_ns,
                       struct err *err)
{
    enum status st = params_bounds(&r->params, time_now_ns(), ret_start_ns, ret_end_ns, err);

    if (st == ST_OK && *ret_end_ns < *ret_start_ns)
        st = err_set(err, ST_INVALID, "end timestamp must not be before or equal to start time");
    if (st == ST_OK)
        st = api_check_length(r, *ret_start_ns, *ret_end_ns, err);
    if (st == ST_OK)
        *ret_start_ns = api_oldest_ns(r, *ret_start_ns);
    return st;
}

static enum status find_labels(struct request *r, struct str_set *ret_set, struct err *err)
{
    struct str text = params_get(&r->params, STR("query"));
    struct label_request request = {.tenant = r->tenant, .name = r->label_name};
    struct query_context q;

    api_context(r, &q);
    enum status st = api_bounds(r, &request.start_ns, &request.end_ns, err);
    if (st == ST_OK && text.len > 0)
        st = api_selector(r, false, &request.matchers, err);
    if (st != ST_OK)
        return st;
    return store_labels(r->server->store, &q, &request, ret_set, err);
}

void api_labels(struct request *r)
{
    struct buf *b = &r->reply.body;
    struct str_set set = {0};
    struct err err = {.status = ST_OK};

    enum status st = find_labels(r, &set, &err);
    if (st != ST_OK) {
        api_fail(r, st, &err);
        return;
    }
    buf_put(b, STR("{\"status\":\"success\""));
    for (size_t i = 0; i < set.count; i++) { /* no data at all when there is nothing */
        buf_put(b, i == 0 ? STR(",\"data\":[") : STR(","));
        json_put_string(b, set.items[i], false);
    }
    buf_put(b, set.count > 0 ? STR("]}") : STR("}"));
    reply_json(r);
}

/* ---- series ---- */

struct selector_list {
    struct matcher_list *items;
    size_t count;
    size_t capacity;
};

/* `{}`, with blanks or without. */
static bool selects_everything(struct str text)
{
    text = str_trim(text);
    return text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}' &&
           str_trim(str_make(text.ptr + 1, text.len - 2)).len == 0;
}

static enum status add_selectors(struct request *r, const char *name, struct selector_list *list,
                                 struct err *err)
{
    struct str text;
    size_t cursor = 0;

    while (params_next(&r->params, str_from(name), &cursor, &text)) {
        struct matcher *matchers = NULL;
        size_t count = 0;
        enum status st = ST_OK;
        if (!selects_everything(text))
            st = logql_parse_selector(&r->arena, text, &matchers, &count, err);
        if (st != ST_OK)
            return st;
        list->items = arena_reserve(&r->arena, list->items, list->count, &list->capacity,
                                    sizeof(*list->items));
        if (list->items == NULL)
            return arena_status(&r->arena, err);
        list->items[list->count++] = (struct matcher_list){matchers, count};
    }
    return ST_OK;
}

/* `{}` alone means every series; beside another selector it is an error. */
static enum status check_selectors(struct selector_list *list, struct err *err)
{
    if (list->count == 1 && list->items[0].count == 0) {
        list->count = 0;
        return ST_OK;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].count == 0)
            return err_set(err, ST_INVALID, "0 matchers in group: { }");
    }
    return ST_OK;
}

static enum status find_series(struct request *r, struct labels_list *ret_list, struct err *err)
{
    struct series_request request = {.tenant = r->tenant};
    struct selector_list list = {0};
    struct query_context q;

    api_context(r, &q);
    enum status st = api_bounds(r, &request.start_ns, &request.end_ns, err);
    if (st == ST_OK)
        st = add_selectors(r, "match", &list, err);
    if (st == ST_OK)
        st = add_selectors(r, "match[]", &list, err);
    if (st == ST_OK)
        st = check_selectors(&list, err);
    if (st != ST_OK)
        return st;
    request.selectors = list.items;
    request.selector_count = list.count;
    return store_series(r->server->store, &q, &request, ret_list, err);
}

void api_series(struct request *r)
{
    struct buf *b = &r->reply.body;
    struct labels_list list = {0};
    struct err err = {.status = ST_OK};

    enum status st = find_series(r, &list, &err);
    if (st != ST_OK) {
        api_fail(r, st, &err);
        return;
    }
    buf_put(b, STR("{\"status\":\"success\",\"data\":["));
    for (size_t i = 0; i < list.count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        json_put_labels(b, list.items[i]);
    }
    buf_put(b, STR("]}"));
    reply_json(r);
}
