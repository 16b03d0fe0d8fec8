#include "tests/support/loggen.h"

#include <inttypes.h>

#include "base/defs.h"
#include "base/time.h"

static const char *const jobs[LOGGEN_KINDS] = {
    "nginx",    "checkout", "gateway", "sshd",      "orders",  "postgres", "kubelet",  "haproxy",
    "datanode", "redis",    "kernel",  "telemetry", "billing", "postfix",  "consumer", "audit",
};

void loggen_init(struct loggen *g, uint64_t seed)
{
    g->state = seed;
}

/* splitmix64: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", 2014
 */
static uint64_t next(struct loggen *g)
{
    uint64_t z = (g->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t loggen_below(struct loggen *g, uint32_t bound)
{
    return (uint32_t)(((next(g) >> 32) * bound) >> 32);
}

#define PICK(g, words) (words)[loggen_below((g), (uint32_t)COUNT_OF(words))]

static const char *const levels[] = {"info",  "info",  "info", "info",
                                     "debug", "debug", "warn", "error"};
static const char *const paths[] = {"/",
                                    "/login",
                                    "/api/v1/items",
                                    "/api/v1/orders",
                                    "/static/app.js",
                                    "/static/main.css",
                                    "/healthz",
                                    "/api/v1/users/profile",
                                    "/search",
                                    "/cart",
                                    "/checkout/confirm",
                                    "/metrics"};
static const char *const agents[] = {
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.1.2",
    "Go-http-client/2.0",
    "kube-probe/1.29",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"};
static const char *const users[] = {"alice", "bob",   "carol", "dave",
                                    "erin",  "frank", "grace", "heidi"};
static const char *const actions[] = {"created", "updated",   "deleted",  "fetched", "cached",
                                      "expired", "validated", "rejected", "queued",  "retried"};
static const char *const things[] = {"order",    "invoice", "session", "payment", "customer",
                                     "shipment", "coupon",  "basket",  "account", "token"};

static uint32_t any(struct loggen *g)
{
    return (uint32_t)(next(g) >> 32);
}

static void put_ip(struct loggen *g, struct buf *b)
{
    buf_printf(b, "10.%u.%u.%u", loggen_below(g, 4), loggen_below(g, 256), loggen_below(g, 256));
}

static void put_access(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    static const unsigned statuses[] = {200, 200, 200, 200, 200, 204, 301, 304, 404, 500};
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};

    put_ip(g, b);
    buf_printf(b, " - %s [", PICK(g, users));
    time_put(b, ts_ns, TIME_SECONDS);
    buf_printf(b, "] \"%s %s?id=%u HTTP/1.1\" %u %u \"-\" \"%s\" 0.%03u", PICK(g, methods),
               PICK(g, paths), loggen_below(g, 100000), PICK(g, statuses), loggen_below(g, 100000),
               PICK(g, agents), loggen_below(g, 1000));
}

static void put_json(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_put(b, STR("{\"ts\":\""));
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(b,
               "\",\"level\":\"%s\",\"msg\":\"%s %s\",\"user\":\"%s\",\"%s_id\":%u,"
               "\"trace_id\":\"%08x%08x\",\"duration_ms\":%u.%u,\"attempt\":%u}",
               PICK(g, levels), PICK(g, things), PICK(g, actions), PICK(g, users), PICK(g, things),
               loggen_below(g, 1000000), any(g), any(g), loggen_below(g, 900), loggen_below(g, 10),
               loggen_below(g, 4));
}

static void put_logfmt(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_put(b, STR("ts="));
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(
        b, " level=%s caller=%s.go:%u msg=\"%s %s\" method=GET path=%s status=%u took=%u.%03ums",
        PICK(g, levels), PICK(g, things), loggen_below(g, 400), PICK(g, things), PICK(g, actions),
        PICK(g, paths), 200 + loggen_below(g, 4) * 100, loggen_below(g, 500),
        loggen_below(g, 1000));
}

static void put_sshd(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    static const char *const what[] = {"Accepted publickey for", "Failed password for",
                                       "Invalid user", "Connection closed by authenticating user"};

    time_put(b, ts_ns, TIME_SECONDS);
    buf_printf(b, " host-%u sshd[%u]: %s %s from ", loggen_below(g, 20), loggen_below(g, 32768),
               PICK(g, what), PICK(g, users));
    put_ip(g, b);
    buf_printf(b, " port %u ssh2", 1024 + loggen_below(g, 60000));
}

static void put_java(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    static const char *const threads[] = {"http-nio-8080-exec", "scheduling", "kafka-consumer",
                                          "ForkJoinPool.commonPool-worker"};
    static const char *const classes[] = {
        "c.a.orders.OrderService", "c.a.orders.web.OrderController",
        "o.h.engine.jdbc.spi.SqlExceptionHelper", "c.a.common.RetryTemplate"};

    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(b, "  %s %u --- [%s-%u] %s : %s %u %s in %u ms", PICK(g, levels),
               loggen_below(g, 30000), PICK(g, threads), loggen_below(g, 16), PICK(g, classes),
               PICK(g, things), loggen_below(g, 1000000), PICK(g, actions), loggen_below(g, 2000));
}

static void put_postgres(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(
        b,
        " [%u] app@shop LOG:  duration: %u.%03u ms  statement: SELECT id, %s, created_at FROM "
        "%ss WHERE id = %u AND state <> '%s' ORDER BY created_at DESC LIMIT %u",
        loggen_below(g, 32768), loggen_below(g, 300), loggen_below(g, 1000), PICK(g, things),
        PICK(g, things), loggen_below(g, 1000000), PICK(g, actions), 1 + loggen_below(g, 100));
}

static void put_klog(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_printf(
        b, "I%04u %" PRId64 "       1 %s.go:%u] \"%s %s\" pod=\"shop/%s-%x-%x\" node=\"node-%u\"",
        loggen_below(g, 1231), ts_ns / 1000, PICK(g, things), loggen_below(g, 900), PICK(g, things),
        PICK(g, actions), PICK(g, things), any(g), loggen_below(g, 65536), loggen_below(g, 40));
}

static void put_haproxy(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    put_ip(g, b);
    buf_printf(b, ":%u [", 1024 + loggen_below(g, 60000));
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(
        b, "] https~ %s/srv%u %u/0/%u/%u/%u 200 %u - - ---- %u/%u/0/0/0 0/0 \"GET %s HTTP/1.1\"",
        PICK(g, things), loggen_below(g, 8), loggen_below(g, 10), loggen_below(g, 10),
        loggen_below(g, 300), loggen_below(g, 400), loggen_below(g, 50000), loggen_below(g, 500),
        loggen_below(g, 100), PICK(g, paths));
}

static void put_datanode(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    time_put(b, ts_ns, TIME_SECONDS);
    buf_printf(b,
               " %u INFO dfs.DataNode$PacketResponder: PacketResponder %u for block blk_%" PRIu64
               " terminating, received block of size %u from /",
               loggen_below(g, 10000), loggen_below(g, 3), next(g), loggen_below(g, 67108864));
    put_ip(g, b);
}

static void put_redis(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_printf(b, "%u:M ", loggen_below(g, 10000));
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(
        b, " * %u changes in %u seconds. Saving... DB %u: %u keys (%u volatile) in %u slots HT.",
        loggen_below(g, 10000), loggen_below(g, 900), loggen_below(g, 16), loggen_below(g, 1000000),
        loggen_below(g, 1000), 1U << (10 + loggen_below(g, 10)));
}

static void put_kernel(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_printf(
        b, "[%7" PRId64 ".%06u] eth%u: link up, %u Mbps, full-duplex, lpa 0x%04X; rx_dropped=%u",
        ts_ns / SECOND_NS % 10000000, loggen_below(g, 1000000), loggen_below(g, 4),
        loggen_below(g, 2) == 0 ? 1000 : 10000, loggen_below(g, 65536), loggen_below(g, 100));
}

static void put_csv(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_printf(b, "%" PRId64 ",sensor-%03u,%u.%02u,%u.%02u,%u,%s", ts_ns / MS_NS,
               loggen_below(g, 400), loggen_below(g, 90), loggen_below(g, 100),
               loggen_below(g, 100), loggen_below(g, 100), loggen_below(g, 2), PICK(g, levels));
}

static void put_python(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(b, " %s billing.%s.tasks: %s %u %s for user=%s amount=%u.%02u currency=EUR retry=%u",
               PICK(g, levels), PICK(g, things), PICK(g, things), loggen_below(g, 1000000),
               PICK(g, actions), PICK(g, users), loggen_below(g, 500), loggen_below(g, 100),
               loggen_below(g, 5));
}

static void put_postfix(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    time_put(b, ts_ns, TIME_SECONDS);
    buf_printf(b, " mail postfix/smtp[%u]: %X: to=<%s@example.org>, relay=mx%u.example.org[",
               loggen_below(g, 32768), any(g), PICK(g, users), loggen_below(g, 5));
    put_ip(g, b);
    buf_printf(b, "]:25, delay=%u.%u, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as %X)",
               loggen_below(g, 20), loggen_below(g, 10), any(g));
}

static void put_kafka(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_put_char(b, '[');
    time_put(b, ts_ns, TIME_MILLIS);
    buf_printf(b,
               "] %s [Consumer clientId=%s-%u, groupId=%s] Committed offset %" PRIu64
               " for partition %ss-%u",
               PICK(g, levels), PICK(g, things), loggen_below(g, 10), PICK(g, things),
               next(g) % UINT64_C(100000000000), PICK(g, things), loggen_below(g, 64));
}

static void put_audit(struct loggen *g, struct buf *b, int64_t ts_ns)
{
    buf_printf(b,
               "type=SYSCALL msg=audit(%" PRId64
               ".%03u:%u): arch=c000003e syscall=%u success=yes exit=%u "
               "pid=%u uid=%u comm=\"%s\" exe=\"/usr/bin/%s\" key=\"%s\"",
               ts_ns / SECOND_NS, loggen_below(g, 1000), loggen_below(g, 1000000),
               loggen_below(g, 330), loggen_below(g, 100), loggen_below(g, 32768),
               loggen_below(g, 2000), PICK(g, things), PICK(g, things), PICK(g, actions));
}

void loggen_line(struct loggen *g, struct buf *b, unsigned kind, int64_t ts_ns)
{
    static void (*const kinds[LOGGEN_KINDS])(struct loggen *, struct buf *, int64_t) = {
        put_access, put_json,    put_logfmt,   put_sshd,  put_java,   put_postgres,
        put_klog,   put_haproxy, put_datanode, put_redis, put_kernel, put_csv,
        put_python, put_postfix, put_kafka,    put_audit,
    };

    kinds[kind % LOGGEN_KINDS](g, b, ts_ns);
}

const char *loggen_job(unsigned kind)
{
    return jobs[kind % LOGGEN_KINDS];
}
