#include "bench/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/bench.h"

#include "base/banned.h"

struct run {
    const struct load *load;
    atomic_size_t taken;
    atomic_size_t refused;
};

enum { RETRY_US = 50 * 1000 };

static bool push(int fd, const struct bodies *bodies, struct str body)
{
    enum { HEAD_BYTES = 256, ANSWER_BYTES_MAX = 1 << 20 };
    char head[HEAD_BYTES];
    struct buf answer;

    int len = snprintf(head, sizeof(head),
                       "POST /loki/api/v1/push HTTP/1.1\r\nHost: bench\r\n"
                       "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
                       bodies->json ? "json" : "x-protobuf", body.len);
    buf_init(&answer, ANSWER_BYTES_MAX);
    int status = client_request(fd, str_make(head, (size_t)len), body, &answer);
    if (status != 204 && status != 503)
        bench_fail("a push was answered %d: %.*s", status, STR_ARG(buf_str(&answer)));
    buf_release(&answer);
    return status == 204;
}

/* As agents do: what is refused because the server is busy is sent again a bit later. */
static void push_until_taken(struct run *r, int *fd, struct str body)
{
    while (!push(*fd, r->load->bodies, body)) {
        atomic_fetch_add(&r->refused, 1);
        (void)usleep(RETRY_US);
        (void)close(*fd);
        *fd = client_connect(r->load->endpoint);
    }
}

static void *run_connection(void *context)
{
    struct run *r = context;
    const struct load *l = r->load;
    int fd = client_connect(l->endpoint);

    if (fd < 0)
        bench_fail("cannot connect");
    for (size_t i = atomic_fetch_add(&r->taken, 1); i < l->count;
         i = atomic_fetch_add(&r->taken, 1))
        push_until_taken(r, &fd, l->bodies->items[(l->begin + i) % l->bodies->count]);
    (void)close(fd);
    return NULL;
}

struct loaded loader_run(const struct load *l)
{
    pthread_t threads[LOADER_CONNECTIONS_MAX];
    struct run r = {.load = l};
    double start = bench_seconds();

    if (l->connections > LOADER_CONNECTIONS_MAX)
        bench_fail("too many connections");
    for (uint64_t i = 0; i < l->connections; i++) {
        if (pthread_create(&threads[i], NULL, run_connection, &r) != 0)
            bench_fail("cannot start a thread");
    }
    for (uint64_t i = 0; i < l->connections; i++)
        (void)pthread_join(threads[i], NULL);
    return (struct loaded){.seconds = bench_seconds() - start, .refused = r.refused};
}
