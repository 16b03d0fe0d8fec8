#include "server/http/route.h"

#include "tests/support/expect.h"

#include "base/banned.h"

static const struct route_case {
    const char *name;
    enum http_method method;
    struct str path;
    enum status st;
    struct str want_metric; /* of the route that is set; empty: none */
    struct str want_name;
} route_cases[] = {
    {"plain", HTTP_GET, STR_INIT("/ready"), ST_OK, STR_INIT("ready"), STR_INIT("")},
    {"another method", HTTP_POST, STR_INIT("/ready"), ST_BAD_METHOD, STR_INIT("ready"),
     STR_INIT("")},
    {"HEAD is not GET", HTTP_HEAD, STR_INIT("/ready"), ST_BAD_METHOD, STR_INIT("ready"),
     STR_INIT("")},
    {"push", HTTP_POST, STR_INIT("/loki/api/v1/push"), ST_OK, STR_INIT("loki_api_v1_push"),
     STR_INIT("")},
    {"push is no GET", HTTP_GET, STR_INIT("/loki/api/v1/push"), ST_BAD_METHOD,
     STR_INIT("loki_api_v1_push"), STR_INIT("")},
    {"query by GET", HTTP_GET, STR_INIT("/loki/api/v1/query"), ST_OK, STR_INIT("loki_api_v1_query"),
     STR_INIT("")},
    {"query by POST", HTTP_POST, STR_INIT("/loki/api/v1/query"), ST_OK,
     STR_INIT("loki_api_v1_query"), STR_INIT("")},
    {"a name in the path", HTTP_GET, STR_INIT("/loki/api/v1/label/app/values"), ST_OK,
     STR_INIT("loki_api_v1_label_name_values"), STR_INIT("app")},
    {"as sent", HTTP_GET, STR_INIT("/loki/api/v1/label/a%2Fb/values"), ST_OK,
     STR_INIT("loki_api_v1_label_name_values"), STR_INIT("a%2Fb")},
    {"a name like its end", HTTP_GET, STR_INIT("/api/prom/label/values/values"), ST_OK,
     STR_INIT("api_prom_label_name_values"), STR_INIT("values")},
    {"no name", HTTP_GET, STR_INIT("/loki/api/v1/label//values"), ST_NOT_FOUND, STR_INIT(""),
     STR_INIT("")},
    {"no name and no slash", HTTP_GET, STR_INIT("/loki/api/v1/label/values"), ST_NOT_FOUND,
     STR_INIT(""), STR_INIT("")},
    {"two segments", HTTP_GET, STR_INIT("/loki/api/v1/label/a/b/values"), ST_NOT_FOUND,
     STR_INIT(""), STR_INIT("")},
    {"slash at the end", HTTP_GET, STR_INIT("/ready/"), ST_NOT_FOUND, STR_INIT(""), STR_INIT("")},
    {"capitals", HTTP_GET, STR_INIT("/Ready"), ST_NOT_FOUND, STR_INIT(""), STR_INIT("")},
    {"a part of a path", HTTP_GET, STR_INIT("/loki/api/v1"), ST_NOT_FOUND, STR_INIT(""),
     STR_INIT("")},
    {"root", HTTP_GET, STR_INIT("/"), ST_NOT_FOUND, STR_INIT(""), STR_INIT("")},
    {"nothing", HTTP_GET, STR_INIT(""), ST_NOT_FOUND, STR_INIT(""), STR_INIT("")},
};

Test(route, find)
{
    for (size_t i = 0; i < COUNT_OF(route_cases); i++) {
        const struct route_case *c = &route_cases[i];
        const struct route *route = NULL;
        struct str name = STR("untouched");

        EXPECT_STATUS(c->name, route_find(c->method, c->path, &route, &name), c->st);
        EXPECT_STR(c->name, route == NULL ? STR("") : route->metric, c->want_metric);
        EXPECT_STR(c->name, name, c->want_name);
    }
}

/* What waits for a flush takes no worker from queries. */
Test(route, thread)
{
    const struct route *route = NULL;
    struct str name;

    REQUIRE_OK(route_find(HTTP_GET, STR("/loki/api/v1/delete"), &route, &name));
    cr_expect_eq(route_thread(route, HTTP_GET), RUN_ON_WORKER);
    cr_expect_eq(route_thread(route, HTTP_POST), RUN_ON_BULK_WORKER);
    cr_expect_eq(route_thread(route, HTTP_PUT), RUN_ON_BULK_WORKER);
    cr_expect_eq(route_thread(route, HTTP_DELETE), RUN_ON_BULK_WORKER);
    REQUIRE_OK(route_find(HTTP_POST, STR("/loki/api/v1/query"), &route, &name));
    cr_expect_eq(route_thread(route, HTTP_POST), RUN_ON_WORKER);
    REQUIRE_OK(route_find(HTTP_POST, STR("/loki/api/v1/push"), &route, &name));
    cr_expect_eq(route_thread(route, HTTP_POST), RUN_ON_LOOP);
}

/* Metrics are counted by place: each place is one route, the last one for what is none. */
Test(route, places)
{
    for (size_t i = 0; i + 1 < route_count; i++) {
        cr_expect_eq(route_index(&routes[i]), i);
        cr_expect_not_null(routes[i].handler, "%.*s", STR_ARG(routes[i].path));
        for (size_t k = 0; k < i; k++)
            cr_expect_not(str_eq(routes[i].metric, routes[k].metric), "%.*s",
                          STR_ARG(routes[i].metric));
    }
    cr_expect_eq(route_index(NULL), route_count - 1);
    EXPECT_STR("the last", routes[route_count - 1].metric, STR("other"));
}
