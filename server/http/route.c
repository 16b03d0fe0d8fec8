#include "server/http/route.h"

#include "base/banned.h"

/* clang-format off */
#define ROUTES(X)                                                                                        \
    /* methods   path                                 metric                           handler        thread  flags */ \
    X(GET,       "/ready",                            "ready",                         api_ready,     LOOP,   0)       \
    X(GET,       "/metrics",                          "metrics",                       api_metrics,   LOOP,   0)       \
    X(GET,       "/config",                           "config",                        api_config,    LOOP,   0)       \
    X(GET,       "/loki/api/v1/status/buildinfo",     "loki_api_v1_status_buildinfo",  api_buildinfo, LOOP,   0)       \
    X(GET_POST,  "/flush",                            "flush",                         api_flush,     BULK_WORKER, 0)       \
    X(POST,      "/loki/api/v1/push",                 "loki_api_v1_push",              api_push,      LOOP,   TENANT | PUSH)   \
    X(POST,      "/api/prom/push",                    "api_prom_push",                 api_push,      LOOP,   TENANT | PUSH)   \
    X(GET_POST,  "/loki/api/v1/query_range",          "loki_api_v1_query_range",       api_query,     WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/query",                "loki_api_v1_query",             api_query,     WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/labels",               "loki_api_v1_labels",            api_labels,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/label",                "loki_api_v1_label",             api_labels,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/api/prom/label",                   "api_prom_label",                api_labels,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/label/{name}/values",  "loki_api_v1_label_name_values", api_labels,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/api/prom/label/{name}/values",     "api_prom_label_name_values",    api_labels,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/series",               "loki_api_v1_series",            api_series,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/api/prom/series",                  "api_prom_series",               api_series,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/format_query",         "loki_api_v1_format_query",      api_format_query, WORKER, PARAMS)       \
    X(GET_POST,  "/loki/api/v1/index/stats",          "loki_api_v1_index_stats",       api_stats,     WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/index/volume",         "loki_api_v1_index_volume",      api_volume,    WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/index/volume_range",   "loki_api_v1_index_volume_range", api_volume,   WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/detected_labels",      "loki_api_v1_detected_labels",   api_detected_labels, WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/detected_fields",      "loki_api_v1_detected_fields",   api_detected_fields, WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/detected_field/{name}/values", "loki_api_v1_detected_field_name_values", api_detected_fields, WORKER, TENANT | PARAMS) \
    X(GET_POST,  "/loki/api/v1/patterns",             "loki_api_v1_patterns",          api_patterns,  WORKER, TENANT | PARAMS) \
    X(DELETES,   "/loki/api/v1/delete",               "loki_api_v1_delete",            api_delete,    WORKER, TENANT | QUERY | CHANGE)
/* clang-format on */

#define X(methods, path, metric, handler, thread, flags) void handler(struct request *r);
ROUTES(X)
#undef X

enum {
    METHODS_GET = 1 << HTTP_GET,
    METHODS_POST = 1 << HTTP_POST,
    METHODS_GET_POST = METHODS_GET | METHODS_POST,
    METHODS_DELETES = METHODS_GET_POST | 1 << HTTP_PUT | 1 << HTTP_DELETE,
    TENANT = ROUTE_TENANT,
    PARAMS = ROUTE_PARAMS,
    PUSH = ROUTE_PUSH,
    QUERY = ROUTE_QUERY,
    CHANGE = ROUTE_CHANGE,
};

#define ALLOW_GET "GET"
#define ALLOW_POST "POST"
#define ALLOW_GET_POST "GET, POST"
#define ALLOW_DELETES "DELETE, GET, POST, PUT"

const struct route routes[] = {
#define X(methods, path, metric, handler, thread, flags) \
    {STR_INIT(path),                                     \
     STR_INIT(metric),                                   \
     handler,                                            \
     METHODS_##methods,                                  \
     STR_INIT(ALLOW_##methods),                          \
     RUN_ON_##thread,                                    \
     flags},
    ROUTES(X)
#undef X
        {STR_INIT(""), STR_INIT("other"), NULL, 0, STR_INIT(""), RUN_ON_LOOP, 0},
};

const size_t route_count = COUNT_OF(routes);

size_t route_index(const struct route *r)
{
    return r == NULL ? route_count - 1 : (size_t)(r - routes);
}

enum route_thread route_thread(const struct route *r, enum http_method method)
{
    bool changes = (r->flags & ROUTE_CHANGE) != 0 && method != HTTP_GET;

    return changes ? RUN_ON_BULK_WORKER : r->thread;
}

/* Does `path` have the form of `pattern`? */
static bool path_matches(struct str pattern, struct str path, struct str *ret_name)
{
    static const struct str hole = STR_INIT("{name}");
    size_t at = str_find(pattern, hole);

    if (at == STR_NPOS)
        return str_eq(pattern, path);
    struct str before = str_head(pattern, at), behind = str_cut(pattern, at + hole.len);
    if (path.len <= before.len + behind.len || !str_starts(path, before) || !str_ends(path, behind))
        return false;
    struct str name = str_head(str_cut(path, before.len), path.len - before.len - behind.len);
    if (str_find_char(name, '/') != STR_NPOS)
        return false;
    *ret_name = name;
    return true;
}

enum status route_find(enum http_method method, struct str path, const struct route **ret_route,
                       struct str *ret_name)
{
    *ret_name = STR("");
    for (size_t i = 0; i + 1 < route_count; i++) {
        const struct route *r = &routes[i];
        if (!path_matches(r->path, path, ret_name))
            continue;
        *ret_route = r;
        return (r->methods & 1U << method) != 0 ? ST_OK : ST_BAD_METHOD;
    }
    return ST_NOT_FOUND;
}
