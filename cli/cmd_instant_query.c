/*
 * skald instant-query: a metric query at one moment.
 */
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/lookup.h"
#include "cli/range.h"
#include "cli/result.h"

#include "base/banned.h"

static const char text[] =
    "Runs a metric query at one moment, now by default, and prints its samples as\n"
    "JSON: indented, or with --output=jsonl one on each line.\n";

enum { LIMIT_DEFAULT = 30 };

struct instant_query {
    struct result result; /* its range has no length: it ends at the moment */
    uint64_t limit;
};

#define OPTION(name) offsetof(struct instant_query, name)

static const struct flag_row flags[] = {
    {.name = "now",
     .kind = FLAG_TIME,
     .offset = OPTION(result.lookup.range_options.to),
     .value = "TIME",
     .text = "The moment: RFC 3339, or seconds or nanoseconds since 1970."},
    {.name = "limit",
     .kind = FLAG_COUNT,
     .offset = OPTION(limit),
     .value = "N",
     .text = "For servers that answer a log query here too: so many lines, 30 by default."},
};

static enum status run(void *context, const struct texts *operands, struct arena *a,
                       struct err *err)
{
    struct instant_query *q = context;
    struct lookup *l = &q->result.lookup;
    const struct client_param params[] = {
        {"limit", arena_printf(a, "%llu", (unsigned long long)q->limit)},
        {"query", operands->items[0]},
        {"time", range_text(a, l->range.end_ns)},
    };
    struct client_question question = {"/loki/api/v1/query", params, COUNT_OF(params)};
    struct answer answer;

    enum status st = lookup_ask(l, &question, a, &answer, err);
    if (st != ST_OK)
        return st;
    st = result_print_samples(&q->result, &answer, a, err);
    result_print_notes(&q->result, &answer, a);
    return st;
}

int cmd_instant_query(int argc, char **argv)
{
    struct instant_query q = {.limit = LIMIT_DEFAULT};
    struct lookup *l = &q.result.lookup;
    const struct flag_group groups[] = {
        {flags, COUNT_OF(flags), &q},
        lookup_flag_group(l),
        result_stats_flag_group(&q.result),
        client_flag_group(&l->client_options),
    };
    const struct command_line line = {
        .command = "instant-query",
        .operands = "'LOGQL'",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_min = 1,
        .operands_max = 1,
    };
    const struct lookup_command command = {&line, l, run, &q};

    return lookup_run_command(&command, argc, argv);
}
