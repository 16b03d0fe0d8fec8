/*
 * skald stats: what the index knows of streams.
 */
#include "cli/answer_bare.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/lookup.h"
#include "cli/print.h"
#include "cli/range.h"
#include "query/byte_size.h"

#include "base/banned.h"

static const char text[] =
    "Tells how many streams the SELECTOR selects, and how many chunks, bytes and\n"
    "entries they have in the range of time.\n";

enum { OUTPUT_BYTES_MAX = 4096 };

static void put_stats(struct buf *b, const struct index_stats *stats)
{
    buf_printf(b,
               "{\n  streams: %llu\n  chunks: %llu\n  bytes: ", (unsigned long long)stats->streams,
               (unsigned long long)stats->chunks);
    byte_size_put(b, stats->bytes);
    buf_printf(b, "\n  entries: %llu\n}\n", (unsigned long long)stats->entries);
}

static void put_stats_json(struct buf *b, const struct index_stats *stats)
{
    buf_printf(b, "{\"streams\":%llu,\"chunks\":%llu,\"bytes\":%llu,\"entries\":%llu}\n",
               (unsigned long long)stats->streams, (unsigned long long)stats->chunks,
               (unsigned long long)stats->bytes, (unsigned long long)stats->entries);
}

static enum status print_stats(const struct lookup *l, const struct index_stats *stats,
                               struct err *err)
{
    struct buf b;

    buf_init(&b, OUTPUT_BYTES_MAX);
    if (l->output == PRINT_JSONL)
        put_stats_json(&b, stats);
    else
        put_stats(&b, stats);
    enum status st = buf_status(&b, err);
    if (st == ST_OK)
        st = print_out(buf_str(&b), err);
    buf_release(&b);
    return st;
}

static enum status run(void *context, const struct texts *operands, struct arena *a,
                       struct err *err)
{
    struct lookup *l = context;
    const struct client_param params[] = {
        {"end", range_text(a, l->range.end_ns)},
        {"query", operands->items[0]},
        {"start", range_text(a, l->range.start_ns)},
    };
    struct client_question question = {"/loki/api/v1/index/stats", params, COUNT_OF(params)};
    struct index_stats stats;
    struct str body;

    enum status st = lookup_ask_body(l, &question, a, &body, err);
    if (st == ST_OK)
        st = answer_index_stats(body, a, &stats, err);
    return st == ST_OK ? print_stats(l, &stats, err) : st;
}

int cmd_stats(int argc, char **argv)
{
    struct lookup lookup = {.quiet = false};
    const struct flag_group groups[] = {
        range_flag_group(&lookup.range_options),
        lookup_flag_group(&lookup),
        client_flag_group(&lookup.client_options),
    };
    const struct command_line line = {
        .command = "stats",
        .operands = "'SELECTOR'",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_min = 1,
        .operands_max = 1,
    };
    const struct lookup_command command = {&line, &lookup, run, &lookup};

    return lookup_run_command(&command, argc, argv);
}
