/* /metrics of a store, as its handler answers. */
#include "server/http/metrics.h"

#include "server/http/server_internal.h"
#include "tests/support/expect.h"
#include "tests/support/store_fixture.h"

#include "base/banned.h"

void api_metrics(struct request *r);

static const struct size_case {
    const char *name;
    size_t bytes_max;
    int status;
    struct str begin;
} size_cases[] = {
    {"there is room", MIB, 200, STR_INIT("# HELP loki_build_info ")},
    {"not for all of it", 4096, 500, STR_INIT("more than the maximum of 4096 bytes")},
};

/* A part of the rows looks like all of them, with counters that are gone. */
Test(metrics, all_or_nothing)
{
    static struct fixture f;

    fixture_prepare(&f, "0");
    fixture_open(&f);
    struct server s = {.store = f.store, .config = &f.config};
    REQUIRE_OK(metrics_init(&s.metrics));
    REQUIRE_OK(queue_init(&s.queue, 1, NULL));
    for (size_t i = 0; i < COUNT_OF(size_cases); i++) {
        const struct size_case *c = &size_cases[i];
        struct request r = {.server = &s};

        buf_init(&r.reply.body, c->bytes_max);
        api_metrics(&r);
        cr_expect_eq(r.reply.status, c->status, "%s: %d", c->name, r.reply.status);
        struct str body = buf_str(&r.reply.body);
        EXPECT_STR(c->name, str_head(body, c->begin.len), c->begin);
        cr_expect_eq(r.reply.is_error, c->status != 200);
        buf_release(&r.reply.body);
    }
    queue_release(&s.queue);
    metrics_release(&s.metrics);
    fixture_end(&f);
}
