/*
 * bench_decode - what a push body costs before anything is stored, beside what bounds it.
 *
 *     bench_decode [--bytes=100MB] [--seed=1] [--rounds=5]
 *
 * One thread, bodies in memory. jansson builds a tree of the same JSON bodies: the price of a
 * general parser, and the reason for the reader in proto/json.
 */
#include <jansson.h>
#include <snappy-c.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/bodies.h"
#include "proto/push.h"

enum { ARENA_BYTES = 1 << 28, ROUNDS_MAX = 100 };

static void decode(struct str body, enum push_format format)
{
    const struct push_spec spec = {.format = format, .decompressed_bytes_max = ARENA_BYTES};
    struct push_request request;
    struct arena arena;
    struct err err;

    arena_init(&arena, ARENA_BYTES);
    if (push_decode(&arena, &spec, body, &request, &err) != ST_OK)
        bench_fail("%s", err.text);
    arena_release(&arena);
}

static void decode_protobuf(struct str body)
{
    decode(body, PUSH_PROTOBUF);
}

static void decode_json(struct str body)
{
    decode(body, PUSH_JSON);
}

static void decode_jansson(struct str body)
{
    json_t *tree = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL);

    if (tree == NULL)
        bench_fail("jansson cannot read a body");
    json_decref(tree);
}

static void uncompress(struct str body)
{
    size_t bytes;

    if (snappy_uncompressed_length(body.ptr, body.len, &bytes) != SNAPPY_OK)
        bench_fail("a body is damaged");
    char *to = mem_bytes(bytes);
    if (to == NULL || snappy_uncompress(body.ptr, body.len, to, &bytes) != SNAPPY_OK)
        bench_fail("a body is damaged");
    mem_free(to);
}

static void measure(const char *what, const struct bodies *bodies, uint64_t rounds,
                    void (*work)(struct str body))
{
    double best = 0;

    for (uint64_t round = 0; round < rounds; round++) {
        double begin = bench_seconds();
        for (size_t i = 0; i < bodies->count; i++)
            work(bodies->items[i]);
        double seconds = bench_seconds() - begin;
        best = round == 0 ? seconds : MIN_OF(best, seconds);
    }
    bench_row(what, (double)bodies->line_bytes / 1e6 / best, "MB/s");
}

int main(int argc, char **argv)
{
    struct bodies_spec spec = {
        .bytes = bench_option(argc, argv, "bytes", 100 * 1000 * 1000),
        .streams = 320,
        .seed = bench_option(argc, argv, "seed", 1),
    };
    uint64_t rounds = bench_option(argc, argv, "rounds", 5);
    struct bodies protobuf, json;

    if (rounds == 0 || rounds > ROUNDS_MAX)
        bench_fail("--rounds is out of range");
    bodies_make(&spec, &protobuf);
    spec.json = true;
    bodies_make(&spec, &json);
    bench_title("push bodies, bytes of lines a second, one thread");
    measure("protobuf: snappy alone", &protobuf, rounds, uncompress);
    measure("protobuf: decoded", &protobuf, rounds, decode_protobuf);
    measure("JSON: decoded", &json, rounds, decode_json);
    measure("JSON: jansson, a tree", &json, rounds, decode_jansson);
    bodies_release(&json);
    bodies_release(&protobuf);
    return 0;
}
