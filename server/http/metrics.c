#include "server/http/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/time.h"
#include "server/http/route.h"
#include "server/http/server_internal.h"
#include "server/http/version.h"

#include "base/banned.h"

/* The bounds of Loki's histogram. */
static const double bucket_seconds[METRICS_BUCKETS] = {.005, .01, .025, .05, .1, .25, .5,
                                                       1,    2.5, 5,    10,  25, 50,  100};

/* Statuses that are counted apart; the last one stands for all others. */
static const int statuses[METRICS_STATUSES] = {200, 204, 301, 400, 401, 403, 404, 405, 408, 413,
                                               422, 429, 431, 499, 500, 501, 503, 504, 505, 0};

enum status metrics_init(struct metrics *m)
{
    m->latencies =
        mem_new(route_count * HTTP_METHOD_COUNT * METRICS_STATUSES, sizeof(*m->latencies));
    return m->latencies == NULL ? ST_NOMEM : ST_OK;
}

void metrics_release(struct metrics *m)
{
    mem_free(m->latencies);
    m->latencies = NULL;
}

static struct latency *latency_at(struct metrics *m, size_t route, size_t method, size_t status)
{
    return &m->latencies[(route * HTTP_METHOD_COUNT + method) * METRICS_STATUSES + status];
}

void metrics_observe(struct metrics *m, size_t route, enum http_method method, int status,
                     int64_t duration_ns)
{
    double seconds = (double)duration_ns / (double)SECOND_NS;
    size_t i = 0, bucket = 0;

    while (i + 1 < METRICS_STATUSES && statuses[i] != status)
        i++;
    while (bucket < METRICS_BUCKETS && seconds > bucket_seconds[bucket])
        bucket++;
    struct latency *l = latency_at(m, route, (size_t)method, i);
    counter_add(&l->buckets[bucket], 1);
    counter_add(&l->sum_us, (uint64_t)(duration_ns / US_NS));
}

/* ---- text ---- */

static void put_family(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family of one sample without labels. */
static void put_one(struct buf *b, const char *name, const char *type, const char *help,
                    double value)
{
    put_family(b, name, type, help);
    buf_printf(b, "%s ", name);
    num_put_double(b, value);
    buf_put_char(b, '\n');
}

static void put_latency(struct buf *b, struct latency *l, const char *labels)
{
    static const char name[] = "loki_request_duration_seconds";
    uint64_t count = 0;

    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        count += counter_get(&l->buckets[i]);
    if (count == 0)
        return;
    count = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        count += counter_get(&l->buckets[i]);
        buf_printf(b, "%s_bucket{%s,le=\"", name, labels);
        if (i < METRICS_BUCKETS)
            num_put_double(b, bucket_seconds[i]);
        else
            buf_put(b, STR("+Inf"));
        buf_printf(b, "\"} %" PRIu64 "\n", count);
    }
    buf_printf(b, "%s_sum{%s} ", name, labels);
    num_put_double(b, (double)counter_get(&l->sum_us) / 1e6);
    buf_printf(b, "\n%s_count{%s} %" PRIu64 "\n", name, labels, count);
}

static void put_latencies(struct buf *b, struct metrics *m)
{
    enum { LABELS_BYTES = 256 };
    char labels[LABELS_BYTES];

    put_family(b, "loki_request_duration_seconds", "histogram",
               "Time (in seconds) spent serving HTTP requests.");
    for (size_t route = 0; route < route_count; route++) {
        for (size_t method = 0; method < HTTP_METHOD_COUNT; method++) {
            for (size_t status = 0; status < METRICS_STATUSES; status++) {
                (void)snprintf(labels, sizeof(labels),
                               "method=\"%s\",route=\"%.*s\",status_code=\"%d\",ws=\"false\"",
                               http_method_name((enum http_method)method),
                               STR_ARG(routes[route].metric), statuses[status]);
                put_latency(b, latency_at(m, route, method, status), labels);
            }
        }
    }
}

/* ---- tenants ---- */

/* One family with a sample for each tenant. */
struct tenant_family {
    struct buf *b;
    const char *name;
    const char *key;    /* the label that names the tenant */
    const char *labels; /* behind the tenant's */
    size_t offset;      /* of the counter in struct tenant_counters */
};

static void put_tenant_sample(void *context, struct tenant *t)
{
    const struct tenant_family *f = context;
    struct counter *c = (struct counter *)(void *)((char *)&t->counters + f->offset);

    buf_printf(f->b, "%s{%s=\"%.*s\"%s} %" PRIu64 "\n", f->name, f->key, STR_ARG(t->name),
               f->labels, counter_get(c));
}

#define RECEIVED_LABELS \
    ",retention_hours=\"\",is_internal_stream=\"false\",policy=\"\",format=\"loki\""

static const struct {
    const char *name;
    const char *type;
    const char *labels;
    const char *help;
    size_t offset;
} tenant_families[] = {
    {"loki_distributor_bytes_received_total", "counter", RECEIVED_LABELS,
     "Bytes of lines and structured metadata received.",
     offsetof(struct tenant_counters, bytes_received)},
    {"loki_distributor_structured_metadata_bytes_received_total", "counter", RECEIVED_LABELS,
     "Bytes of structured metadata received.",
     offsetof(struct tenant_counters, metadata_bytes_received)},
    {"loki_distributor_lines_received_total", "counter",
     ",is_internal_stream=\"false\",policy=\"\",format=\"loki\"", "Lines received.",
     offsetof(struct tenant_counters, lines_received)},
    {"loki_mutated_samples_total", "counter", ",reason=\"line_too_long\"",
     "Lines that were cut because they are too long.",
     offsetof(struct tenant_counters, lines_truncated)},
    {"loki_mutated_bytes_total", "counter", ",reason=\"line_too_long\"",
     "Bytes that were cut off lines.", offsetof(struct tenant_counters, bytes_truncated)},
    {"loki_ingester_memory_streams", "gauge", "", "Streams in memory.",
     offsetof(struct tenant_counters, streams)},
    {"loki_ingester_streams_created_total", "counter", "", "Streams that came into memory.",
     offsetof(struct tenant_counters, streams_created)},
    {"loki_ingester_streams_removed_total", "counter", "", "Streams that left memory.",
     offsetof(struct tenant_counters, streams_removed)},
    {"loki_ingester_chunks_stored_total", "counter", "", "Chunks written.",
     offsetof(struct tenant_counters, chunks_stored)},
    {"loki_ingester_chunk_stored_bytes_total", "counter", "", "Bytes of chunks written.",
     offsetof(struct tenant_counters, chunk_bytes_stored)},
};

static void put_discarded(void *context, struct tenant *t)
{
    struct tenant_family *f = context;
    bool bytes = f->offset != 0;

    for (unsigned i = 0; i < DISCARD_REASON_COUNT; i++) {
        struct discarded *d = &t->counters.discarded[i];
        uint64_t count = counter_get(bytes ? &d->bytes : &d->entries);
        if (counter_get(&d->entries) == 0)
            continue;
        buf_printf(f->b,
                   "%s{reason=\"%s\",tenant=\"%.*s\",retention_hours=\"\",policy=\"\","
                   "format=\"loki\"} %" PRIu64 "\n",
                   f->name, discard_reason_name((enum discard_reason)i), STR_ARG(t->name), count);
    }
}

static void put_tenants(struct buf *b, struct server *s)
{
    for (size_t i = 0; i < COUNT_OF(tenant_families); i++) {
        struct tenant_family f = {b, tenant_families[i].name, "tenant", tenant_families[i].labels,
                                  tenant_families[i].offset};
        put_family(b, f.name, tenant_families[i].type, tenant_families[i].help);
        store_each_tenant(s->store, put_tenant_sample, &f);
    }
    struct tenant_family samples = {b, "loki_discarded_samples_total", "tenant", "", 0};
    put_family(b, samples.name, "counter", "Entries that were refused.");
    store_each_tenant(s->store, put_discarded, &samples);
    struct tenant_family bytes = {b, "loki_discarded_bytes_total", "tenant", "", 1};
    put_family(b, bytes.name, "counter", "Bytes of entries that were refused.");
    store_each_tenant(s->store, put_discarded, &bytes);
}

/* ---- delete requests ---- */

static void put_deletes(struct buf *b, struct server *s)
{
    struct store_state state = store_state(s->store);
    struct tenant_family received = {b, "loki_compactor_delete_requests_received_total", "user", "",
                                     offsetof(struct tenant_counters, deletes_received)};
    struct tenant_family processed = {b, "loki_compactor_delete_requests_processed_total", "user",
                                      "", offsetof(struct tenant_counters, deletes_processed)};

    put_family(b, received.name, "counter", "Delete requests that were accepted.");
    store_each_tenant(s->store, put_tenant_sample, &received);
    put_family(b, processed.name, "counter", "Delete requests whose lines are off the disk.");
    store_each_tenant(s->store, put_tenant_sample, &processed);
    put_one(b, "loki_compactor_pending_delete_requests_count", "gauge",
            "Delete requests that can no longer be cancelled and are not processed.",
            (double)state.deletes_pending);
    put_one(b, "loki_compactor_oldest_pending_delete_request_age_seconds", "gauge",
            "For how long the oldest of them could not be cancelled.",
            (double)state.delete_oldest_ns / (double)SECOND_NS);
}

/* ---- store and process ---- */

struct row {
    const char *name;
    const char *type;
    const char *help;
    uint64_t value;
};

static void put_rows(struct buf *b, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_one(b, rows[i].name, rows[i].type, rows[i].help, (double)rows[i].value);
}

static void put_merges(struct buf *b, const struct store_state *state)
{
    const struct row rows[] = {
        {"skald_merges_total", "counter", "Chunks that were made of smaller ones.", state->merges},
        {"skald_merge_chunks_total", "counter", "Chunks that were merged into others.",
         state->chunks_merged},
        {"skald_merge_read_bytes_total", "counter", "Bytes of chunks that were merged.",
         state->merge_bytes_in},
        {"skald_merge_written_bytes_total", "counter", "Bytes of chunks that merges made.",
         state->merge_bytes_out},
        {"skald_merge_failures_total", "counter", "Looks for small chunks that failed.",
         state->merges_failed},
        {"skald_merge_chunks_blocked_total", "counter",
         "Chunks that cannot be merged: damaged, or the order of equal times would change.",
         state->chunks_unmergeable},
        {"skald_merge_days_pending", "gauge",
         "Days of a tenant that may have something to merge; 0: nothing is left.",
         state->merge_days_pending},
        {"skald_segments_removed_total", "counter", "Segment files that were removed.",
         state->segments_removed},
        {"skald_segments_dead", "gauge", "Segment files that are to be removed.",
         state->segments_dead},
    };

    put_rows(b, rows, COUNT_OF(rows));
}

/* What is dropped, and why pushes may be refused. */
static void put_room(struct buf *b, const struct store_state *state)
{
    const struct row rows[] = {
        {"skald_data_bytes", "gauge",
         "Segments, log and what is used of the index; only where storage.max_bytes or "
         "min_free_bytes is set.",
         state->data_bytes},
        {"skald_retention_days_dropped_total", "counter",
         "Days of a tenant that were dropped because they were too old.", state->days_expired},
        {"skald_space_days_dropped_total", "counter",
         "Days of all tenants that were dropped for want of room.", state->days_dropped},
        {"skald_dropped_bytes_total", "counter", "Bytes of segments of dropped days.",
         state->bytes_dropped},
        {"skald_streams_forgotten_total", "counter",
         "Streams that left the index with their last chunk.", state->streams_forgotten},
        {"skald_store_full", "gauge", "1: there is no room, pushes are refused until there is.",
         state->full},
    };

    put_rows(b, rows, COUNT_OF(rows));
}

static void put_store(struct buf *b, struct server *s)
{
    struct store_state state = store_state(s->store);
    const struct row rows[] = {
        {"loki_ingester_memory_chunks", "gauge", "Chunks in memory.", state.heads},
        {"loki_ingester_chunks_created_total", "counter", "Chunks begun.", state.chunks_created},
        {"loki_ingester_chunks_flush_failures_total", "counter", "Flushes that failed.",
         state.flushes_failed},
        {"skald_head_bytes", "gauge", "Memory of chunks in memory.", state.head_bytes},
        {"skald_stream_bytes", "gauge", "Memory of their streams and labels.", state.stream_bytes},
        {"skald_wal_bytes", "gauge", "Size of the write-ahead log.", state.wal_bytes},
        {"skald_wal_files", "gauge", "Files of the write-ahead log.", state.wal_files},
        {"skald_wal_failed", "gauge", "1: nothing is acknowledged until a restart.",
         state.wal_failed},
        {"skald_wal_replayed_records", "gauge", "Records replayed at the start.",
         state.replayed_records},
        {"skald_wal_damaged_files", "gauge", "Damaged log files met at the start.",
         state.damaged_files},
        {"skald_index_rebuilt", "gauge", "1: the index was made again at the start.",
         state.index_rebuilt},
        {"skald_index_damaged_records_total", "counter",
         "Damaged records of the index that were met.", state.index_damaged_records},
        {"skald_segment_damaged_places", "gauge",
         "Places of segments that could not be read when the index was made from them.",
         state.damaged_places},
        {"skald_mended_heads_total", "counter",
         "Heads of chunks that queries met with one wrong byte.", state.mended_heads},
        {"skald_flush_failing", "gauge", "1: the last flush failed, it is tried again.",
         state.flush_failing},
        {"skald_corrupt_blocks_total", "counter", "Damaged blocks that queries met.",
         state.corrupt_blocks},
    };

    put_rows(b, rows, COUNT_OF(rows));
    put_merges(b, &state);
    put_room(b, &state);
    put_family(b, "loki_ingester_chunks_flushed_total", "counter", "Chunks flushed, by reason.");
    for (unsigned i = 0; i < SEAL_REASON_COUNT; i++)
        buf_printf(b, "loki_ingester_chunks_flushed_total{reason=\"%s\"} %" PRIu64 "\n",
                   seal_reason_name((enum seal_reason)i), state.sealed[i]);
}

static void put_server(struct buf *b, struct server *s)
{
    put_family(b, "loki_build_info", "gauge", "The version of the server.");
    buf_printf(b,
               "loki_build_info{version=\"%s\",revision=\"\",branch=\"\",goversion=\"\","
               "goarch=\"\",goos=\"linux\",tags=\"skald\"} 1\n",
               SKALD_VERSION);
    put_one(b, "loki_panic_total", "counter", "Panics that were recovered from: there are none.",
            0);
    put_family(b, "loki_tcp_connections", "gauge", "Open connections.");
    buf_printf(b, "loki_tcp_connections{protocol=\"http\"} %" PRIu64 "\n",
               counter_get(&s->connections));
    put_family(b, "loki_tcp_connections_limit", "gauge", "The most there may be.");
    buf_printf(b, "loki_tcp_connections_limit{protocol=\"http\"} %" PRIu64 "\n",
               s->connections_max);
    put_one(b, "skald_http_inflight_bytes", "gauge", "Requests in memory, arriving or with a body.",
            (double)counter_get(&s->inflight_bytes));
    put_one(b, "skald_http_requests_given_up_total", "counter",
            "Requests that were refused for want of memory, before they were whole or used.",
            (double)counter_get(&s->metrics.requests_given_up));
    put_one(b, "skald_http_outgoing_bytes", "gauge", "Answers in memory that are not sent.",
            (double)counter_get(&s->outgoing_bytes));
    put_one(b, "skald_http_answers_given_up_total", "counter",
            "Answers that slow readers did not get whole, for want of memory.",
            (double)counter_get(&s->metrics.answers_given_up));
    put_one(b, "skald_queries_waiting", "gauge", "Queries that wait for a thread.",
            (double)queue_count(&s->queue));
    put_one(b, "skald_http_requests_timed_out_total", "counter",
            "Requests that did not arrive in time.",
            (double)counter_get(&s->metrics.requests_timed_out));
    put_one(b, "skald_pushes_undecodable_total", "counter", "Push bodies that make no sense.",
            (double)counter_get(&s->metrics.pushes_refused));
    put_family(b, "loki_internal_log_messages_total", "counter", "Own log lines, by level.");
    for (unsigned i = 0; i < LOG_LEVELS; i++)
        buf_printf(b, "loki_internal_log_messages_total{level=\"%s\"} %" PRIu64 "\n",
                   log_level_name((enum log_level)i), counter_get(&log_line_counts[i]));
}

static uint64_t resident_bytes(void)
{
    struct buf text;
    struct str rest, pages = STR("");
    uint64_t count = 0;
    enum { STATM_BYTES_MAX = 128 * 1024 };

    buf_init(&text, STATM_BYTES_MAX);
    if (io_file_read("/proc/self/statm", &text, NULL) == ST_OK) {
        rest = buf_str(&text);
        (void)str_split(&rest, ' ', &pages); /* the whole size */
        (void)str_split(&rest, ' ', &pages);
        if (num_parse_u64(pages, &count) != ST_OK)
            count = 0;
    }
    buf_release(&text);
    return count * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (d == NULL)
        return 0;
    while (readdir(d) != NULL)
        count++;
    (void)closedir(d);
    return count > 3 ? count - 3 : 0; /* `.`, `..` and the directory itself */
}

static void put_process(struct buf *b, struct server *s)
{
    put_one(b, "process_cpu_seconds_total", "counter", "CPU time used.",
            (double)time_cpu_ns() / (double)SECOND_NS);
    put_one(b, "process_resident_memory_bytes", "gauge", "Memory in use.",
            (double)resident_bytes());
    put_one(b, "process_open_fds", "gauge", "Open file descriptors.", (double)open_descriptors());
    put_one(b, "process_start_time_seconds", "gauge", "When the process started.",
            (double)s->started_ns / (double)SECOND_NS);
}

void metrics_put(struct buf *b, struct server *s)
{
    put_server(b, s);
    put_latencies(b, &s->metrics);
    put_tenants(b, s);
    put_deletes(b, s);
    put_store(b, s);
    put_process(b, s);
}
