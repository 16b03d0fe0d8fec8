#include "bench/queries.h"

#include "base/defs.h"
#include "bench/bench_limits.h"
#include "bench/bodies.h"

#include "base/banned.h"

#define BY_JOB(range) "sum by (job) (" range ")"
#define COUNT(by, job, stages) "sum by (" by ") (count_over_time({job=" job "} " stages " [1m]))"

const struct timed_query queries_filter[] = {
    {"needle that is nowhere", QUERIES_ALL " |= \"" LIMITS_NEEDLE "\"", "\"result\":[]", 15},
    {"needle in one line", QUERIES_ALL " |= \"" BODIES_NEEDLE "\"", BODIES_NEEDLE, 20},
};
const size_t queries_filter_count = COUNT_OF(queries_filter);

const struct timed_query queries_regex[] = {
    {"regex with a literal, no hit", QUERIES_ALL " |~ \"errorcode=[0-9]+xyz\"", "\"result\":[]",
     250},
    {"regex without a literal, no hit", QUERIES_ALL " |~ \"" LIMITS_REGEX "\"", "\"result\":[]",
     3000},
};
const size_t queries_regex_count = COUNT_OF(queries_regex);

const struct timed_query queries_counting[] = {
    {"count_over_time by job", BY_JOB("count_over_time(" QUERIES_ALL "[1m])"), "nginx", 30},
    {"rate by job", BY_JOB("rate(" QUERIES_ALL "[1m])"), "nginx", 30},
    {"bytes_over_time by job", BY_JOB("bytes_over_time(" QUERIES_ALL "[1m])"), "nginx", 30},
    {"rate of lines with \"error\" by job", BY_JOB("rate(" QUERIES_ALL " |= \"error\" [1m])"),
     "values", 250},
    {"rate by detected_level, from metadata", "sum by (detected_level) (rate(" QUERIES_ALL "[1m]))",
     "info", 0},
};
const size_t queries_counting_count = COUNT_OF(queries_counting);

/* The names of fields: those of loggen's kinds 0 (access log), 1 (JSON) and 2 (logfmt). */
#define PATTERN                                                                               \
    "| pattern `<ip> - <user> [<_>] \\\"<method> <path> <_>\\\" <status> <size> <_> <agent> " \
    "<took>`"
#define NO_ERROR " | __error__=\"\""
#define NO_LABEL " | nosuchlabel=\"x\""

const struct parser_query queries_parser[] = {
    {"json, one label", COUNT("level", "\"checkout\"", "| json"), 1, 400},
    {"json, all labels", "{job=\"checkout\"} | json" NO_LABEL, 1, 150},
    {"logfmt, one label", COUNT("level", "\"gateway\"", "| logfmt"), 2, 400},
    {"logfmt, all labels", "{job=\"gateway\"} | logfmt" NO_LABEL, 2, 150},
    {"pattern, one label", COUNT("method", "\"nginx\"", PATTERN), 0, 400},
    {"pattern, all labels", "{job=\"nginx\"} " PATTERN NO_LABEL, 0, 150},
    {"json, one label, all kinds of lines", COUNT("level", "~\".+\"", "| json" NO_ERROR),
     QUERIES_ALL_KINDS, 0},
    {"logfmt, one label, all kinds of lines", COUNT("level", "~\".+\"", "| logfmt"),
     QUERIES_ALL_KINDS, 0},
    {"logfmt, all labels, all kinds of lines", QUERIES_ALL " | logfmt" NO_LABEL, QUERIES_ALL_KINDS,
     0},
    {"pattern, one label, all kinds of lines", COUNT("method", "~\".+\"", PATTERN),
     QUERIES_ALL_KINDS, 0},
};
const size_t queries_parser_count = COUNT_OF(queries_parser);

const struct small_query queries_small_mixed[] = {
    {"newest 100 lines of a stream", "{job=\"nginx\", host=\"host-3\"}", "values", 3},
    {"newest 100 lines of a job", "{job=\"nginx\"}", "values", 3},
    {"newest 100 lines of everything", QUERIES_ALL, "values", 0},
    {"labels", "/loki/api/v1/labels", "host", 2},
    {"values of a label (20)", "/loki/api/v1/label/host/values", "host-1", 2},
    {"series of a job (20)", "/loki/api/v1/series?match=%7Bjob%3D%22nginx%22%7D", "nginx", 2},
};
const size_t queries_small_mixed_count = COUNT_OF(queries_small_mixed);

const struct small_query queries_small_wide[] = {
    {"newest lines of a stream", "{pod=\"pod-777\"}", "values", 3},
    {"newest 100 lines of a namespace", "{namespace=\"ns-7\"}", "values", 3},
    {"newest 100 lines of everything", QUERIES_ALL, "values", 0},
    {"labels", "/loki/api/v1/labels", "namespace", 2},
    {"values of a label (1 of 100 streams)", "/loki/api/v1/label/namespace/values", "ns-7", 2},
    {"values of a label (1 of each stream)", "/loki/api/v1/label/pod/values", "pod-777", 0},
    {"series of a namespace (100)", "/loki/api/v1/series?match=%7Bnamespace%3D%22ns-7%22%7D",
     "pod-777", 2},
};
const size_t queries_small_wide_count = COUNT_OF(queries_small_wide);

const char *const queries_heavy[] = {
    COUNT("level", "~\".+\"", "| json" NO_ERROR),
    COUNT("level", "~\".+\"", "| logfmt"),
    QUERIES_ALL " | logfmt" NO_LABEL,
    QUERIES_ALL " |~ \"" LIMITS_REGEX "\"",
    "quantile_over_time(0.99, " QUERIES_ALL " | json" NO_ERROR
    " | unwrap duration_ms [5m]) by (user)",
    "topk(10, sum by (job, host) (rate(" QUERIES_ALL "[1m])))",
    "sum by (status) (count_over_time({job=\"nginx\"} " PATTERN " [1m]))",
    "sum by (path) (sum_over_time({job=\"gateway\"} | logfmt | unwrap duration(took) [5m]))",
};
const size_t queries_heavy_count = COUNT_OF(queries_heavy);
