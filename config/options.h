/*
 * options.h - the one table of settings.
 *
 * Each row makes a field of struct settings or struct limits, a YAML key `section.name`, a flag
 * `--section.name`, a variable SKALD_SECTION_NAME, and a row of docs/config.md. Names are Loki's
 * where Loki has the setting. A row of the section `-` stands at the top level of the file.
 *
 * Columns: section, name, kind, default, smallest, largest, text. Kinds and the C types they make:
 *
 *     BOOL bool    COUNT uint64_t    BYTES uint64_t    DURATION int64_t (ns)    NUMBER double
 *     STRING struct str    LIST struct str_list (comma separated)
 *     RULES struct retention_rules (retention_rules.h)
 *
 * Smallest and largest are in the unit of the C type; 0, 0 means any.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "base/time.h"

/* clang-format off */
#define SETTINGS(X)                                                                               \
    X(-, auth_enabled, BOOL, "false", 0, 0,                                                       \
      "Requests name their tenant in the header X-Scope-OrgID; without it all belong to one.")    \
    X(-, no_auth_tenant, STRING, "fake", 0, 0,                                                    \
      "The tenant of every request while auth_enabled is false.")                                 \
                                                                                                  \
    X(server, http_listen_address, STRING, "127.0.0.1", 0, 0,                                     \
      "Address to listen on (flag --listen sets address and port).")                              \
    X(server, http_listen_port, COUNT, "3100", 0, 65535,                                          \
      "Port to listen on; 0 takes a free one and logs it.")                                       \
    X(server, http_threads, COUNT, "0", 0, 256,                                                   \
      "Event loops; 0 is one for each processor.")                                                \
    X(server, http_max_connections, COUNT, "20000", 1, 1000000,                                   \
      "Open connections, and up to one more for each thread; further ones wait in the kernel.")    \
    X(server, http_max_header_bytes, BYTES, "64KB", 1024, 16777216,                               \
      "Request line and headers.")                                                                \
    X(server, http_max_inflight_bytes, BYTES, "256MB", 1048576, 0,                                \
      "Requests in memory, heads and bodies, of all connections together; beyond it those that "  \
      "are arriving and got on longest ago get 503.")                                             \
    X(server, http_max_outgoing_bytes, BYTES, "512MB", 1048576, 0,                                \
      "Answers in memory that are not sent, of all connections together; beyond it those that "   \
      "have waited longest are given up, and a new one may get 503 instead.")                     \
    X(server, http_read_timeout, DURATION, "30s", MS_NS, 0,                                       \
      "A request must have arrived whole this long after its first byte (or, the first of a "     \
      "connection, after the connection).")                                                       \
    X(server, http_write_timeout, DURATION, "30s", MS_NS, 0,                                      \
      "An answer of which less than 4 KB a second can be sent, over this long, ends the "         \
      "connection.")                                                                              \
    X(server, http_idle_timeout, DURATION, "2m", MS_NS, 0,                                        \
      "A connection may wait this long for its next request.")                                    \
    X(server, graceful_shutdown_timeout, DURATION, "8s", 0, 0,                                    \
      "Running requests may take this long after SIGTERM.")                                       \
    X(server, log_level, STRING, "info", 0, 0,                                                    \
      "debug, info, warn or error.")                                                              \
                                                                                                  \
    X(distributor, max_recv_msg_size, BYTES, "100MB", 1024, 0,                                    \
      "A push body as sent.")                                                                     \
    X(distributor, max_decompressed_size, BYTES, "256MB", 1024, 536870912,                                \
      "A push body decompressed, announced or real.")                                             \
    X(frontend, max_body_size, BYTES, "10MB", 1024, 0,                                            \
      "The body of a request that is not a push.")                                                \
    X(frontend, compress_responses, BOOL, "true", 0, 0,                                           \
      "Answers are gzipped for clients that accept it.")                                          \
                                                                                                  \
    X(querier, max_concurrent, COUNT, "0", 0, 1024,                                               \
      "Query threads; 0 is one for each processor.")                                              \
    X(querier, max_outstanding, COUNT, "1000", 1, 1000000,                                        \
      "Queries that may wait for a thread; further ones get 429.")                                \
    X(querier, block_filters, BOOL, "true", 0, 0,                                                 \
      "Leave out blocks whose filters say that a text is not there; off only to compare.")        \
    X(querier, query_memory_max, BYTES, "256MB", 1048576, 0,                                      \
      "Memory of one query; the lines it keeps and the text of its answer may each take as much.")                                                                     \
                                                                                                  \
    X(storage, data_dir, STRING, "./skald-data", 0, 0,                                            \
      "Where everything is kept (flag --data).")                                                  \
    X(storage, index_max_bytes, BYTES, "64GB", 1048576, 0,                                        \
      "Address space for the label index; the file grows only as needed.")                        \
    X(storage, segment_max_bytes, BYTES, "1GB", 1048576, 0,                                       \
      "A segment file that has grown to this size is followed by the next.")                      \
    X(storage, max_open_segments, COUNT, "256", 8, 65536,                                         \
      "Segment files kept open.")                                                                 \
    X(storage, max_bytes, BYTES, "0", 0, 0,                                                       \
      "Bytes of the data directory, without unused room in the index; above it the oldest day "   \
      "of all tenants is dropped, and the next, but never the newest. 0 is no limit.")            \
    X(storage, min_free_bytes, BYTES, "0", 0, 0,                                                  \
      "The same while less than this is free on its file system. 0 is no limit.")                 \
                                                                                                  \
    X(ingester, chunk_target_size, BYTES, "1MB", 4096, 67108864,                                  \
      "A stream is flushed when this many bytes of lines are in memory.")                         \
    X(ingester, chunk_block_size, BYTES, "256KB", 1024, 262144,                                   \
      "Bytes of lines that are compressed together.")                                             \
    X(ingester, chunk_encoding, STRING, "zstd", 0, 0,                                             \
      "none, snappy, lz4 or zstd.")                                                               \
    X(ingester, chunk_idle_period, DURATION, "30m", SECOND_NS, 0,                                 \
      "A stream is flushed when nothing came for this long.")                                     \
    X(ingester, max_chunk_age, DURATION, "2h", SECOND_NS, 0,                                      \
      "A stream is flushed when its oldest entry in memory arrived this long ago.")               \
    X(ingester, memory_target, BYTES, "48MB", 1048576, 0,                                         \
      "Entries and labels in memory; above it (and 1.5KB for each stream), or three quarters of " \
      "memory_max, the largest streams are flushed. With a quarter more acknowledgements wait "   \
      "for the flusher, a second at most.")                                                       \
    X(ingester, memory_max, BYTES, "512MB", 1048576, 0,                                           \
      "Entries and labels in memory; above it pushes get 503 until the flusher has caught up.")   \
    X(ingester, max_tenants, COUNT, "10000", 1, 1000000,                                          \
      "Tenants known since the start; a push or delete request of another one gets 429.")         \
                                                                                                  \
    X(compactor, compaction_interval, DURATION, "10m", 0, 365 * DAY_NS,                           \
      "How often small chunks are looked for, to be merged; 0 turns merging off. A day that got " \
      "nothing for six intervals is merged for good.")                                            \
    X(compactor, zstd_level, COUNT, "8", 1, 19,                                                   \
      "Merged chunks are zstd of this level, whatever ingester.chunk_encoding is.")               \
    X(compactor, delete_request_cancel_period, DURATION, "24h", 0, 365 * DAY_NS,                  \
      "Deleted lines go from the disk so long after they were deleted; until then the request "   \
      "can be cancelled.")                                                                        \
                                                                                                  \
    X(wal, file_size, BYTES, "16MB", 65536, 0,                                                    \
      "A write-ahead log file that has grown to this size is followed by the next.")              \
    X(wal, size_target, BYTES, "96MB", 65536, 0,                                                 \
      "The whole log; above it the streams that keep its oldest files are flushed.")              \
    X(wal, queue_max, BYTES, "64MB", 65536, 0,                                                    \
      "Bytes that may wait for the log's disk; beyond it pushes get 503.")

#define LIMITS(X)                                                                                 \
    X(limits, ingestion_rate_mb, NUMBER, "0", 0, 0,                                               \
      "MiB a second of a tenant, 0 is no limit; 429 beyond it.")                                  \
    X(limits, ingestion_burst_size_mb, NUMBER, "6", 0, 0,                                         \
      "MiB that may come at once while ingestion_rate_mb is set.")                                \
    X(limits, max_global_streams_per_user, COUNT, "1000000", 0, 0,                                \
      "Streams of a tenant in memory, 0 is no limit; 429 beyond it.")                             \
    X(limits, max_line_size, BYTES, "256KB", 0, 16777216,                                         \
      "A longer line is refused (or cut), 0 is the largest value.")                               \
    X(limits, max_line_size_truncate, BOOL, "false", 0, 0,                                        \
      "Cut lines that are too long instead of refusing them.")                                    \
    X(limits, max_label_names_per_series, COUNT, "15", 0, 256,                                    \
      "Labels of a stream, service_name not counted.")                                            \
    X(limits, max_label_name_length, COUNT, "1024", 0, 4096,                                      \
      "Bytes of a label name.")                                                                   \
    X(limits, max_label_value_length, COUNT, "2048", 0, 65536,                                    \
      "Bytes of a label value.")                                                                  \
    X(limits, reject_old_samples, BOOL, "false", 0, 0,                                            \
      "Refuse entries older than reject_old_samples_max_age.")                                    \
    X(limits, reject_old_samples_max_age, DURATION, "7d", 0, 0,                                   \
      "See reject_old_samples.")                                                                  \
    X(limits, creation_grace_period, DURATION, "10m", 0, 0,                                       \
      "Entries further in the future are refused.")                                               \
    X(limits, increment_duplicate_timestamp, BOOL, "false", 0, 0,                                 \
      "Move an entry by 1 ns when another line of its request has the same time.")                \
    X(limits, allow_structured_metadata, BOOL, "true", 0, 0,                                      \
      "Accept structured metadata.")                                                              \
    X(limits, max_structured_metadata_size, BYTES, "64KB", 0, 16777216,                           \
      "Names and values of an entry's structured metadata.")                                      \
    X(limits, max_structured_metadata_entries_count, COUNT, "128", 0, 1024,                       \
      "Pairs of an entry's structured metadata.")                                                 \
    X(limits, discover_service_name, LIST,                                                        \
      "service,app,application,app_name,name,app_kubernetes_io_name,container,container_name,"    \
      "k8s_container_name,component,workload,job,k8s_job_name", 0, 0,                             \
      "Labels that service_name is taken from; empty switches that off.")                         \
    X(limits, discover_log_levels, BOOL, "true", 0, 0,                                            \
      "Add the metadata detected_level to every entry.")                                          \
    X(limits, log_level_fields, LIST,                                                             \
      "level,LEVEL,Level,log.level,severity,SEVERITY,Severity,SeverityText,lvl,LVL,Lvl,"          \
      "severity_text,Severity_Text,SEVERITY_TEXT", 0, 0,                                          \
      "Names of labels and fields that hold a level.")                                            \
    X(limits, log_level_from_json_max_depth, COUNT, "2", 0, 16,                                   \
      "Levels of objects of a JSON line that are searched for its level.")                        \
    X(limits, max_entries_limit_per_query, COUNT, "5000", 0, 1000000,                             \
      "The largest limit a log query may ask for.")                                               \
    X(limits, max_query_length, DURATION, "721h", 0, 0,                                           \
      "The longest time range of a query, 0 is no limit.")                                        \
    X(limits, max_query_lookback, DURATION, "0s", 0, 0,                                           \
      "How far back queries see, 0 is no limit.")                                                 \
    X(limits, max_query_series, COUNT, "500", 0, 0,                                               \
      "Series in the result of a metric query.")                                                  \
    X(limits, max_streams_matchers_per_query, COUNT, "1000", 0, 0,                                \
      "Matchers in a selector.")                                                                  \
    X(limits, volume_enabled, BOOL, "true", 0, 0,                                                 \
      "Answer index/volume and index/volume_range; 404 otherwise.")                               \
    X(limits, volume_max_series, COUNT, "1000", 0, 0,                                             \
      "Series of a volume before its limit cuts them, 0 is no limit.")                            \
    X(limits, query_timeout, DURATION, "1m", MS_NS, 0,                                            \
      "A query that takes longer ends with 504.")                                                 \
    X(limits, retention_period, DURATION, "0s", 0, 0,                                             \
      "Entries older than this are not seen any more and are removed, 0 is for ever.")            \
    X(limits, retention_stream, RULES, "", 0, 0,                                                  \
      "Other periods for some streams: a list of `selector`, `priority` and `period`. Of the "    \
      "rules that match a stream the one of the highest priority counts (of equal ones the "      \
      "first), else retention_period. As text: `{app=\"a\"} 1 24h; {app=\"b\"} 2 0s`.")
/* clang-format on */

#endif
