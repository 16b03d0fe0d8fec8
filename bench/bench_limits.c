#include "bench/bench_limits.h"

#include <fcntl.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/crc.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/regex.h"
#include "bench/bench.h"
#include "bench/index_append.h"
#include "bench/table.h"
#include "chunks/chunk.h"

#include "base/banned.h"

enum {
    ROUNDS = 3,
    ARENA_BYTES_MAX = 1 << 28,
    BODY_BYTES_MAX = 1 << 28,
    PACKED_BYTES_MAX = 4 * CHUNK_BLOCK_BYTES_MAX,
    ZSTD_LEVEL = 3,
    WRITES = 60,
    DIR_BYTES = 200,
    PATH_BYTES = DIR_BYTES + 32,
};

/* What a measured loop reads and where it writes. */
struct work {
    const struct limits_spec *spec;
    struct codec_context *context;
    enum codec codec;
    const struct regex *re;
    struct buf *packed; /* of each block */
    char *out;
    size_t found; /* so that no loop is left out as without effect */
};

typedef void block_fn(struct work *w, const struct line_block *b, size_t index);

/* MB of lines a second: the best of some rounds over all blocks, in time of this thread. */
static double measure_blocks(struct work *w, block_fn *work)
{
    const struct line_blocks *s = w->spec->blocks;
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double begin = bench_thread_seconds();
        for (size_t i = 0; i < s->count; i++)
            work(w, &s->items[i], i);
        best = MAX_OF(best, (double)s->line_bytes / MB / (bench_thread_seconds() - begin));
    }
    return best;
}

static void copy_block(struct work *w, const struct line_block *b, size_t index)
{
    (void)index;
    memcpy(w->out, b->lines.ptr, b->lines.len);
    w->found += (unsigned char)w->out[b->lines.len / 2];
}

static void copy_lines(struct work *w, const struct line_block *b, size_t index)
{
    char *to = w->out;

    (void)index;
    for (size_t i = 0; i < line_block_count(b); i++) {
        struct str line = line_block_line(b, i);
        memcpy(to, line.ptr, line.len);
        to += line.len;
    }
    w->found += (unsigned char)w->out[b->lines.len / 2];
}

static void check_block(struct work *w, const struct line_block *b, size_t index)
{
    (void)index;
    w->found += crc32c(0, buf_str(&b->lines));
}

static bool has_needle(struct str s)
{
    return memmem(s.ptr, s.len, LIMITS_NEEDLE, sizeof(LIMITS_NEEDLE) - 1) != NULL;
}

static void search_block(struct work *w, const struct line_block *b, size_t index)
{
    (void)index;
    w->found += has_needle(buf_str(&b->lines));
}

static void match_block(struct work *w, const struct line_block *b, size_t index)
{
    (void)index;
    w->found += regex_search(w->re, buf_str(&b->lines));
}

static void pack_block(struct work *w, const struct line_block *b, size_t index)
{
    struct buf *to = &w->packed[index];

    buf_reset(to);
    if (codec_pack(w->context, w->codec, CODEC_LEVEL_DEFAULT, buf_str(&b->lines), to) != ST_OK)
        bench_fail("%s cannot pack", codec_name(w->codec));
}

static void unpack_block(struct work *w, const struct line_block *b, size_t index)
{
    if (codec_unpack(w->context, w->codec, buf_str(&w->packed[index]), w->out, b->lines.len) !=
        ST_OK)
        bench_fail("%s cannot unpack", codec_name(w->codec));
}

static void unpack_and_search(struct work *w, const struct line_block *b, size_t index)
{
    unpack_block(w, b, index);
    w->found += has_needle(str_make(w->out, b->lines.len));
}

static void unpack_and_match(struct work *w, const struct line_block *b, size_t index)
{
    unpack_block(w, b, index);
    w->found += regex_search(w->re, str_make(w->out, b->lines.len));
}

static void work_init(struct work *w, const struct limits_spec *spec)
{
    *w = (struct work){.spec = spec, .context = codec_context_new()};
    w->out = mem_bytes(CHUNK_BLOCK_BYTES_MAX);
    if (w->context == NULL || w->out == NULL)
        bench_fail("no memory");
}

static void work_release(struct work *w)
{
    mem_free(w->out);
    codec_context_free(w->context);
}

/* ---- all cores at once ---- */

struct core {
    pthread_t thread;
    double seconds; /* of this core */
    struct work work;
    block_fn *run;
    size_t first;
};

static void *run_core(void *context)
{
    struct core *c = context;
    const struct line_blocks *s = c->work.spec->blocks;
    double begin = bench_thread_seconds();

    for (size_t i = c->first; i < s->count; i += LIMIT_CORES)
        c->run(&c->work, &s->items[i], i);
    c->seconds = bench_thread_seconds() - begin;
    return NULL;
}

static double run_cores(const struct work *like, block_fn *run)
{
    struct core cores[LIMIT_CORES];
    double seconds = 0;

    for (size_t i = 0; i < LIMIT_CORES; i++) {
        struct core *c = &cores[i];
        *c = (struct core){.run = run, .first = i};
        work_init(&c->work, like->spec);
        c->work.packed = like->packed;
        c->work.codec = like->codec;
        c->work.re = like->re;
    }
    for (size_t i = 0; i < LIMIT_CORES; i++) {
        if (pthread_create(&cores[i].thread, NULL, run_core, &cores[i]) != 0)
            bench_fail("cannot start a thread");
    }
    for (size_t i = 0; i < LIMIT_CORES; i++)
        (void)pthread_join(cores[i].thread, NULL);
    for (size_t i = 0; i < LIMIT_CORES; i++) {
        seconds = MAX_OF(seconds, cores[i].seconds);
        work_release(&cores[i].work);
    }
    return seconds;
}

/* MB of lines a second with nothing else on the cores: what the slowest of them took counts. */
static double measure_cores(const struct work *like, block_fn *run)
{
    double best = 0, bytes = (double)like->spec->blocks->line_bytes;

    for (int round = 0; round < ROUNDS; round++)
        best = MAX_OF(best, bytes / MB / run_cores(like, run));
    return best;
}

/* ---- blocks ---- */

static void measure_codecs(struct work *w, struct bench_limits *l)
{
    const struct line_blocks *s = w->spec->blocks;

    for (unsigned codec = 0; codec < LIMIT_CODECS; codec++) {
        struct codec_limit *limit = &l->codecs[codec];
        size_t packed = 0;
        w->codec = (enum codec)codec;
        limit->pack = measure_blocks(w, pack_block);
        limit->unpack = measure_blocks(w, unpack_block);
        for (size_t i = 0; i < s->count; i++)
            packed += w->packed[i].len;
        limit->ratio = (double)s->line_bytes / (double)packed;
        if (w->codec == w->spec->codec) {
            l->scan = measure_cores(w, unpack_and_search);
            l->scan_regex = measure_cores(w, unpack_and_match);
        }
    }
}

static void measure_memory(const struct limits_spec *spec, struct bench_limits *l)
{
    struct regex *re = NULL;
    struct work w;

    work_init(&w, spec);
    w.packed = mem_new(spec->blocks->count, sizeof(*w.packed));
    if (w.packed == NULL || regex_compile(STR(LIMITS_REGEX), &re, NULL) != ST_OK)
        bench_fail("no memory");
    w.re = re;
    for (size_t i = 0; i < spec->blocks->count; i++)
        buf_init(&w.packed[i], PACKED_BYTES_MAX);
    l->memcpy_blocks = measure_blocks(&w, copy_block);
    l->memcpy_lines = measure_blocks(&w, copy_lines);
    l->crc = measure_blocks(&w, check_block);
    l->memmem = measure_blocks(&w, search_block);
    l->regex = measure_blocks(&w, match_block);
    measure_codecs(&w, l);
    for (size_t i = 0; i < spec->blocks->count; i++)
        buf_release(&w.packed[i]);
    mem_free(w.packed);
    regex_free(re);
    work_release(&w);
}

/* ---- push bodies ---- */

static void uncompress(struct arena *a, struct str body)
{
    size_t bytes = 0;

    if (snappy_uncompressed_length(body.ptr, body.len, &bytes) != SNAPPY_OK)
        bench_fail("a body is damaged");
    char *to = arena_bytes(a, bytes);
    if (to == NULL || snappy_uncompress(body.ptr, body.len, to, &bytes) != SNAPPY_OK)
        bench_fail("a body is damaged");
}

static void decode_protobuf(struct arena *a, struct str body)
{
    struct push_request request;

    bodies_decode(a, body, false, &request);
}

static void decode_json(struct arena *a, struct str body)
{
    struct push_request request;

    bodies_decode(a, body, true, &request);
}

static double measure_bodies(const struct bodies *bodies,
                             void (*work)(struct arena *a, struct str body))
{
    enum { BODIES_MAX = 100 };
    size_t count = MIN_OF(bodies->count, (size_t)BODIES_MAX);
    double part = (double)count / (double)bodies->count, best = 0;
    struct arena arena;

    arena_init(&arena, ARENA_BYTES_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        double begin = bench_thread_seconds();
        for (size_t i = 0; i < count; i++) {
            arena_reset(&arena);
            work(&arena, bodies->items[i]);
        }
        double seconds = bench_thread_seconds() - begin;
        best = MAX_OF(best, (double)bodies->line_bytes * part / MB / seconds);
    }
    arena_release(&arena);
    return best;
}

/* ---- files ---- */

/* Bodies as they are, one write and sync each, then all of it read again. */
static void measure_files(const struct bodies *bodies, const char dir[DIR_BYTES],
                          struct bench_limits *l)
{
    char path[PATH_BYTES];
    uint64_t bytes = 0;

    (void)snprintf(path, sizeof(path), "%s/writes", dir);
    int fd = open(path, O_RDWR | O_CREAT, 0640);
    double begin = bench_seconds();
    for (size_t i = 0; i < WRITES; i++) {
        struct str body = bodies->items[i % bodies->count];
        if (fd < 0 || io_write_all(fd, body, bytes, NULL) != ST_OK || io_fdatasync(fd) != 0)
            bench_fail("cannot write to %s", path);
        bytes += body.len;
    }
    double seconds = bench_seconds() - begin;
    l->write_sync_mb = (double)bytes / MB / seconds;
    l->write_sync_ms = seconds / WRITES * 1000;

    char *to = mem_bytes(CHUNK_BLOCK_BYTES_MAX);
    begin = bench_thread_seconds();
    for (uint64_t at = 0; at + CHUNK_BLOCK_BYTES_MAX <= bytes; at += CHUNK_BLOCK_BYTES_MAX) {
        if (to == NULL || io_read_all(fd, to, CHUNK_BLOCK_BYTES_MAX, at, NULL) != ST_OK)
            bench_fail("cannot read %s", path);
    }
    l->pread = (double)bytes / MB / (bench_thread_seconds() - begin);
    mem_free(to);
    (void)close(fd);
}

void limits_measure(const struct limits_spec *spec, struct bench_limits *ret_limits)
{
    struct bench_limits l = {.codec = spec->codec};
    char dir[DIR_BYTES];

    measure_memory(spec, &l);
    l.snappy_body = measure_bodies(spec->bodies, uncompress);
    l.decode_body = measure_bodies(spec->bodies, decode_protobuf);
    l.decode_json = measure_bodies(spec->json, decode_json);
    bench_make_directory(dir, sizeof(dir));
    measure_files(spec->bodies, dir, &l);
    l.index_append = index_append_rate(dir);
    bench_remove_directory(dir);
    *ret_limits = l;
}

/* ---- the lines as one file ---- */

struct one_file {
    ZSTD_CCtx *context;
    uint64_t bytes;
};

static void put_file(struct one_file *f, struct str text, ZSTD_EndDirective directive)
{
    enum { OUT_BYTES = 1 << 16 };
    ZSTD_inBuffer in = {.src = text.ptr, .size = text.len};
    char out[OUT_BYTES];
    size_t left;

    do {
        ZSTD_outBuffer to = {.dst = out, .size = sizeof(out)};
        left = ZSTD_compressStream2(f->context, &to, &in, directive);
        if (ZSTD_isError(left) != 0)
            bench_fail("zstd: %s", ZSTD_getErrorName(left));
        f->bytes += to.pos;
    } while (in.pos < in.size || (directive == ZSTD_e_end && left > 0));
}

double limits_zstd_bytes(const struct bodies *bodies)
{
    struct one_file file = {.context = ZSTD_createCCtx()};
    struct push_request request;
    struct arena arena;
    struct buf text;

    if (file.context == NULL || ZSTD_isError(ZSTD_CCtx_setParameter(
                                    file.context, ZSTD_c_compressionLevel, ZSTD_LEVEL)) != 0)
        bench_fail("no memory for zstd");
    arena_init(&arena, ARENA_BYTES_MAX);
    buf_init(&text, BODY_BYTES_MAX);
    for (size_t i = 0; i < bodies->count; i++) {
        arena_reset(&arena);
        buf_reset(&text);
        bodies_decode(&arena, bodies->items[i], bodies->json, &request);
        for (size_t j = 0; j < request.stream_count; j++) {
            const struct push_stream *s = &request.streams[j];
            for (size_t k = 0; k < s->entry_count; k++) {
                buf_put(&text, s->entries[k].line);
                buf_put_char(&text, '\n');
            }
        }
        put_file(&file, buf_str(&text), ZSTD_e_continue);
    }
    put_file(&file, STR(""), ZSTD_e_end);
    buf_release(&text);
    arena_release(&arena);
    (void)ZSTD_freeCCtx(file.context);
    return (double)file.bytes;
}

/* ---- what the figures mean ---- */

double limits_ingest(const struct bench_limits *l, bool json)
{
    double decode = json ? l->decode_json : l->decode_body;

    return 1e9 / MB *
           (1 / decode + 1 / l->memcpy_lines + 1 / l->crc + 1 / l->codecs[l->codec].pack);
}

static void put_rate(const char *what, double rate)
{
    table_add(&(struct table_row){.what = what, .figure = rate, .unit = "MB/s"});
}

static void put_codec(const struct bench_limits *l, enum codec codec)
{
    const struct codec_limit *c = &l->codecs[codec];
    char what[PATH_BYTES];

    (void)snprintf(what, sizeof(what), "%s in", codec_name(codec));
    put_rate(what, c->pack);
    (void)snprintf(what, sizeof(what), "%s out", codec_name(codec));
    put_rate(what, c->unpack);
    (void)snprintf(what, sizeof(what), "%s, bytes of lines to a byte", codec_name(codec));
    table_add(&(struct table_row){.what = what, .figure = c->ratio});
}

void limits_put_rows(const struct bench_limits *l)
{
    put_codec(l, CODEC_SNAPPY);
    put_codec(l, CODEC_LZ4);
    put_codec(l, CODEC_ZSTD);
    put_rate("memmem over memory", l->memmem);
    put_rate("RE2 without a literal over memory", l->regex);
    put_rate("CRC-32C", l->crc);
    put_rate("memcpy of blocks", l->memcpy_blocks);
    put_rate("memcpy of lines", l->memcpy_lines);
    put_rate("pread from the page cache", l->pread);
    put_rate("snappy out of protobuf bodies", l->snappy_body);
    put_rate("protobuf bodies decoded, snappy included", l->decode_body);
    put_rate("JSON bodies decoded", l->decode_json);
    put_rate("unpack and memmem, 2 cores at once", l->scan);
    put_rate("unpack and RE2, 2 cores at once", l->scan_regex);
    put_rate("write and fdatasync of a body", l->write_sync_mb);
    table_add(&(struct table_row){
        .what = "one write and fdatasync", .figure = l->write_sync_ms, .unit = "ms"});
    table_add(&(struct table_row){
        .what = "LMDB, sorted records", .figure = l->index_append / 1000, .unit = "1000/s"});
}
