#include "server/http/render.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/time.h"
#include "proto/json.h"

#include "base/banned.h"

/* ---- streams ---- */

/* A category without labels is left out. */
static void put_categories(struct buf *b, const struct result_row *row)
{
    buf_put(b, STR(",{"));
    if (row->metadata.count > 0) {
        buf_put(b, STR("\"structuredMetadata\":"));
        json_put_labels(b, row->metadata);
    }
    if (row->parsed.count > 0) {
        buf_put(b, row->metadata.count > 0 ? STR(",\"parsed\":") : STR("\"parsed\":"));
        json_put_labels(b, row->parsed);
    }
    buf_put_char(b, '}');
}

static void put_row(struct buf *b, const struct result_row *row, bool categorize)
{
    buf_put(b, STR("[\""));
    buf_put_i64(b, row->ts_ns);
    buf_put(b, STR("\","));
    json_put_string(b, row->line, true);
    if (categorize)
        put_categories(b, row);
    buf_put_char(b, ']');
}

static void put_streams(struct buf *b, const struct render *r)
{
    const struct result *result = r->result;

    for (size_t i = 0; i < result->stream_count; i++) {
        const struct result_stream *s = &result->streams[i];
        buf_put(b, i > 0 ? STR(",{\"stream\":") : STR("{\"stream\":"));
        json_put_labels(b, s->labels);
        buf_put(b, STR(",\"values\":["));
        for (size_t j = 0; j < s->count; j++) {
            if (j > 0)
                buf_put_char(b, ',');
            put_row(b, &s->rows[j], r->categorize);
        }
        buf_put(b, STR("]}"));
    }
}

/* ---- samples ---- */

/* Seconds with up to three decimals. */
static void put_seconds(struct buf *b, int64_t ts_ns)
{
    int64_t ms = i64_floor_to(ts_ns, MS_NS) / MS_NS;
    int64_t rest = ms % 1000;

    if (ms < 0) { /* times before 1970 are rare enough for the slow way */
        num_put_double(b, (double)ms / 1000);
        return;
    }
    buf_put_i64(b, ms / 1000);
    if (rest == 0)
        return;
    buf_put_char(b, '.');
    for (int64_t place = 100; rest > 0; place /= 10) {
        buf_put_char(b, (char)('0' + rest / place));
        rest %= place;
    }
}

static void put_sample(struct buf *b, struct sample s)
{
    buf_put_char(b, '[');
    put_seconds(b, s.ts_ns);
    buf_put(b, STR(",\""));
    num_put_double(b, s.value);
    buf_put(b, STR("\"]"));
}

/* Loki writes the time of a scalar in milliseconds, and clients compare. */
static void put_scalar(struct buf *b, struct sample s)
{
    buf_put_char(b, '[');
    buf_put_i64(b, i64_floor_to(s.ts_ns, MS_NS) / MS_NS);
    buf_put(b, STR(",\""));
    num_put_double(b, s.value);
    buf_put(b, STR("\"]"));
}

static void put_series(struct buf *b, const struct series *s, bool matrix)
{
    buf_put(b, STR("{\"metric\":"));
    json_put_labels(b, s->labels);
    if (!matrix) {
        buf_put(b, STR(",\"value\":"));
        put_sample(b, s->samples[0]);
        buf_put_char(b, '}');
        return;
    }
    buf_put(b, STR(",\"values\":["));
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        put_sample(b, s->samples[i]);
    }
    buf_put(b, STR("]}"));
}

static void put_result(struct buf *b, const struct render *r)
{
    const struct result *result = r->result;

    if (result->kind == RESULT_SCALAR) {
        put_scalar(b, result->series[0].samples[0]);
        return;
    }
    buf_put_char(b, '[');
    if (result->kind == RESULT_STREAMS)
        put_streams(b, r);
    for (size_t i = 0; i < result->series_count && result->kind != RESULT_STREAMS; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        put_series(b, &result->series[i], result->kind == RESULT_MATRIX);
    }
    buf_put_char(b, ']');
}

/* ---- statistics ---- */

static void put_time(struct buf *b, const char *key, int64_t ns)
{
    buf_printf(b, "\"%s\":", key);
    num_put_double(b, (double)ns / (double)SECOND_NS);
}

static void put_summary(struct buf *b, const struct render *r)
{
    const struct query_stats *s = r->stats;
    uint64_t lines = s->decompressed_lines + s->head_lines;
    uint64_t metadata = s->decompressed_metadata_bytes + s->head_metadata_bytes;
    uint64_t bytes = s->decompressed_bytes + s->head_bytes + metadata;
    double seconds = (double)MAX_OF(r->exec_ns, 1) / (double)SECOND_NS;

    buf_printf(b,
               "\"summary\":{\"bytesProcessedPerSecond\":%.0f,\"linesProcessedPerSecond\":%.0f,"
               "\"totalBytesProcessed\":%" PRIu64 ",\"totalLinesProcessed\":%" PRIu64 ",",
               (double)bytes / seconds, (double)lines / seconds, bytes, lines);
    put_time(b, "execTime", r->exec_ns);
    buf_put_char(b, ',');
    put_time(b, "queueTime", r->queue_ns);
    buf_printf(b,
               ",\"subqueries\":0,\"totalEntriesReturned\":%" PRIu64
               ",\"splits\":0,\"shards\":0,\"totalPostFilterLines\":%" PRIu64
               ",\"totalStructuredMetadataBytesProcessed\":%" PRIu64 "}",
               s->entries_returned, s->post_filter_lines, metadata);
}

/* A store as Loki has two of them; `in_memory` is the ingester's. */
static void put_store(struct buf *b, const struct query_stats *s, bool in_memory)
{
    struct query_stats none = {0};
    const struct query_stats *disk = in_memory ? &none : s, *memory = in_memory ? s : &none;

    buf_printf(b,
               "\"store\":{\"totalChunksRef\":%" PRIu64 ",\"totalChunksDownloaded\":%" PRIu64
               ",\"chunksDownloadTime\":%" PRId64
               ",\"queryReferencedStructuredMetadata\":false,\"queryUsedV2Engine\":false,",
               disk->chunk_refs, disk->chunks_opened, disk->read_ns);
    buf_printf(b,
               "\"chunk\":{\"headChunkBytes\":%" PRIu64 ",\"headChunkLines\":%" PRIu64
               ",\"decompressedBytes\":%" PRIu64 ",\"decompressedLines\":%" PRIu64
               ",\"compressedBytes\":%" PRIu64 ",\"totalDuplicates\":%" PRIu64
               ",\"postFilterLines\":%" PRIu64 ",\"headChunkStructuredMetadataBytes\":%" PRIu64
               ",\"decompressedStructuredMetadataBytes\":%" PRIu64 "},",
               memory->head_bytes, memory->head_lines, disk->decompressed_bytes,
               disk->decompressed_lines, disk->compressed_bytes, disk->duplicates,
               disk->post_filter_lines, memory->head_metadata_bytes,
               disk->decompressed_metadata_bytes);
    buf_printf(
        b,
        "\"chunkRefsFetchTime\":%" PRId64
        ",\"congestionControlLatency\":0,\"pipelineWrapperFilteredLines\":0,"
        "\"dataobj\":{\"prePredicateDecompressedRows\":0,\"prePredicateDecompressedBytes\":0,"
        "\"prePredicateDecompressedStructuredMetadataBytes\":0,\"postPredicateRows\":0,"
        "\"postPredicateDecompressedBytes\":0,\"postPredicateStructuredMetadataBytes\":0,"
        "\"postFilterRows\":0,\"pagesScanned\":0,\"pagesDownloaded\":0,"
        "\"pagesDownloadedBytes\":0,\"pageBatches\":0,\"totalRowsAvailable\":0,"
        "\"totalPageDownloadTime\":0,\"wireBytesTransferred\":0}}",
        disk->index_ns);
}

static void put_caches(struct buf *b)
{
    static const char *const names[] = {
        "chunk",        "index",        "result",      "statsResult",
        "volumeResult", "seriesResult", "labelResult", "instantMetricResult",
        "logResult",    "taskResult"};

    buf_put(b, STR("\"cache\":{"));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        buf_printf(b,
                   "%s\"%s\":{\"entriesFound\":0,\"entriesRequested\":0,\"entriesStored\":0,"
                   "\"bytesReceived\":0,\"bytesSent\":0,\"requests\":0,\"downloadTime\":0,"
                   "\"queryLengthServed\":0}",
                   i > 0 ? "," : "", names[i]);
    buf_put(b, STR("},"));
}

static void put_stats(struct buf *b, const struct render *r)
{
    const struct query_stats *s = r->stats;

    buf_put(b, STR("\"stats\":{"));
    put_summary(b, r);
    buf_put(b, STR(",\"querier\":{"));
    put_store(b, s, false);
    buf_put_char(b, ',');
    put_time(b, "querierExecTime", r->exec_ns);
    buf_printf(b,
               "},\"ingester\":{\"totalReached\":1,\"totalChunksMatched\":%" PRIu64
               ",\"totalBatches\":%" PRIu64 ",\"totalLinesSent\":%" PRIu64 ",",
               s->head_chunks, s->head_chunks, s->head_lines);
    put_store(b, s, true);
    buf_put(b, STR("},"));
    put_caches(b);
    buf_printf(b,
               "\"index\":{\"totalChunks\":%" PRIu64 ",\"postFilterChunks\":%" PRIu64
               ",\"shardsDuration\":0,\"usedBloomFilters\":false,\"totalStreams\":%" PRIu64 ",",
               s->chunk_refs, s->chunks_opened, s->streams);
    put_time(b, "chunkRefsLookupTime", s->index_ns);
    buf_put(b, STR(",\"bloomFilterTime\":0}}"));
}

/* ---- the envelope ---- */

static void put_encoding_flags(struct buf *b, struct str flags)
{
    struct str flag;
    bool first = true;

    buf_put(b, STR("\"encodingFlags\":["));
    while (str_split(&flags, ',', &flag)) {
        if (str_trim(flag).len == 0)
            continue;
        if (!first)
            buf_put_char(b, ',');
        json_put_string(b, str_trim(flag), false);
        first = false;
    }
    buf_put(b, STR("],"));
}

void render_warnings(struct buf *b, const struct query_stats *s)
{
    if (s->corrupt_blocks == 0 && s->series_limit == 0)
        return;
    buf_put(b, STR("\"warnings\":["));
    if (s->corrupt_blocks > 0)
        buf_printf(b, "\"%" PRIu64 " blocks of entries are damaged and missing from this answer\"",
                   s->corrupt_blocks);
    if (s->corrupt_blocks > 0 && s->series_limit > 0)
        buf_put_char(b, ',');
    if (s->series_limit > 0)
        buf_printf(b,
                   "\"maximum number of series (%" PRIu64
                   ") reached for a single query; returning partial results\"",
                   s->series_limit);
    buf_put(b, STR("],"));
}

void render_query(struct buf *b, const struct render *r)
{
    static const char *const kinds[] = {
        [RESULT_STREAMS] = "streams",
        [RESULT_SCALAR] = "scalar",
        [RESULT_VECTOR] = "vector",
        [RESULT_MATRIX] = "matrix",
    };

    buf_put(b, STR("{\"status\":\"success\","));
    render_warnings(b, r->stats);
    buf_printf(b, "\"data\":{\"resultType\":\"%s\",", kinds[r->result->kind]);
    if (r->encoding_flags.ptr != NULL && r->result->kind == RESULT_STREAMS)
        put_encoding_flags(b, r->encoding_flags);
    buf_put(b, STR("\"result\":"));
    put_result(b, r);
    buf_put_char(b, ',');
    put_stats(b, r);
    buf_put(b, STR("}}"));
}
