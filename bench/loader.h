/*
 * loader.h - send prepared bodies over a number of connections, as fast as they are taken.
 */
#ifndef BENCH_LOADER_H
#define BENCH_LOADER_H

#include "bench/bodies.h"
#include "bench/client.h"

enum { LOADER_CONNECTIONS_MAX = 64 };

struct load {
    const struct endpoint *endpoint;
    const struct bodies *bodies;
    size_t begin; /* `count` bodies from here on; after the last one comes the first again */
    size_t count;
    uint64_t connections;
};

struct loaded {
    double seconds; /* on the clock */
    size_t refused; /* answers 503, after which the body was sent again */
};

/* An answer other than 204 and 503 ends the program. */
struct loaded loader_run(const struct load *l);

#endif
