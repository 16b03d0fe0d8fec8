/*
 * /loki/api/v1/detected_labels: the labels worth choosing from. Run by workers.
 */
#include "base/time.h"
#include "proto/json.h"
#include "query/id_value.h"
#include "server/http/api.h"
#include "server/http/server_internal.h"

#include "base/banned.h"

void api_detected_labels(struct request *r);

/* Labels that are shown whatever their values. */
static bool is_always_shown(struct str name)
{
    static const struct str names[] = {STR_INIT("cluster"), STR_INIT("namespace"),
                                       STR_INIT("instance"), STR_INIT("pod")};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq(names[i], name))
            return true;
    }
    return false;
}

static bool is_switch(struct str value)
{
    return str_eq(value, STR("0")) || str_eq(value, STR("1"));
}

/* A label is left out if it has nothing but ids; a switch between 0 and 1 is none. */
static bool is_shown(struct str name, const struct str_set *values)
{
    bool ids = true, switches = true;

    for (size_t i = 0; i < values->count; i++) {
        ids = ids && value_is_id(values->items[i]);
        switches = switches && is_switch(values->items[i]);
    }
    return values->count > 0 && (is_always_shown(name) || !ids || switches);
}

static void put_label(struct buf *b, struct str name, size_t cardinality, bool *first)
{
    buf_put(b, *first ? STR("\"detectedLabels\":[") : STR(","));
    *first = false;
    buf_put(b, STR("{\"label\":"));
    json_put_string(b, name, false);
    buf_printf(b, ",\"cardinality\":%zu}", cardinality);
}

static enum status detect_labels(struct request *r, struct err *err)
{
    struct label_request request = {.tenant = r->tenant, .name = STR("")};
    struct str_set names = {0}, values = {0};
    struct buf *b = &r->reply.body;
    struct query_context q;
    bool first = true;

    api_context(r, &q);
    enum status st = api_bounds(r, &request.start_ns, &request.end_ns, err);
    if (st == ST_OK && params_get(&r->params, STR("query")).len > 0)
        st = api_selector(r, false, &request.matchers, err);
    if (st == ST_OK)
        st = store_labels(r->server->store, &q, &request, &names, err);
    buf_put_char(b, '{');
    for (size_t i = 0; i < names.count && st == ST_OK; i++) {
        request.name = names.items[i];
        st = store_labels(r->server->store, &q, &request, &values, err);
        if (st == ST_OK && is_shown(request.name, &values))
            put_label(b, request.name, values.count, &first);
    }
    buf_put(b, first ? STR("}") : STR("]}"));
    return st;
}

void api_detected_labels(struct request *r)
{
    struct err err = {.status = ST_OK};

    enum status st = detect_labels(r, &err);
    if (st == ST_OK)
        reply_json(r);
    else
        api_fail(r, st, &err);
}
