/*
 * bench_limits.h - what bounds each path, measured over the very data that the server gets.
 *
 * Rates are MB of lines a second of one processor's time unless they say otherwise, so that they
 * compare with the CPU time of a server; the best of a few rounds counts.
 */
#ifndef BENCH_BENCH_LIMITS_H
#define BENCH_BENCH_LIMITS_H

#include "bench/bodies.h"
#include "bench/line_blocks.h"
#include "chunks/codec.h"

enum { LIMIT_CODECS = 4, LIMIT_CORES = 2 };

struct codec_limit {
    double pack;
    double unpack;
    double ratio; /* bytes of lines to a byte packed */
};

struct bench_limits {
    struct codec_limit codecs[LIMIT_CODECS]; /* by enum codec, in blocks as chunks have them */
    double memcpy_blocks;
    double memcpy_lines; /* line by line */
    double memmem;
    double crc;
    double regex;         /* an expression without a literal, over whole blocks */
    double snappy_body;   /* uncompress of protobuf bodies */
    double decode_body;   /* that, and protobuf to entries */
    double decode_json;   /* JSON bodies to entries */
    double scan;          /* unpack and memmem, all cores at once */
    double scan_regex;    /* unpack and the regular expression, likewise */
    double write_sync_mb; /* MB/s on the clock of MiB-sized writes, each with fdatasync */
    double write_sync_ms; /* of one */
    double index_append;  /* sorted records a second into LMDB, MDB_APPEND, one transaction */
    double zstd_bytes;    /* all lines as one file, zstd -3, in the order of the bodies */
    double pread;         /* from the page cache */
    enum codec codec;     /* the one in use: what `scan` unpacks */
};

struct limits_spec {
    const struct bodies *bodies;
    const struct bodies *json;
    const struct line_blocks *blocks;
    enum codec codec; /* the one in use */
};

/* The same as in the benchmark of queries: RE2 has to look at every byte. */
#define LIMITS_REGEX "[zq][0-9]{7,}x[a-f]{3}y"
#define LIMITS_NEEDLE "no-such-needle-at-all"

/* Everything but `zstd_bytes`. */
void limits_measure(const struct limits_spec *spec, struct bench_limits *ret_limits);

double limits_zstd_bytes(const struct bodies *bodies);

/* CPU seconds a GB of lines to uncompress and decode bodies, copy lines, check and pack them. */
double limits_ingest(const struct bench_limits *l, bool json);

void limits_put_rows(const struct bench_limits *l);

#endif
