/*
 * skald volume, skald volume_range: how many bytes streams have, at the end of a range of time or
 * in steps of it.
 */
#include "base/time.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/lookup.h"
#include "cli/range.h"
#include "cli/result.h"

#include "base/banned.h"

#define AS_JSON                                                                      \
    "added up for the labels that the SELECTOR names, or for --targetLabels. They\n" \
    "are printed as JSON: indented, or with --output=jsonl a line for each.\n"

static const char volume_text[] =
    "Asks how many bytes the streams have that the SELECTOR selects,\n" AS_JSON;

static const char volume_range_text[] =
    "Asks how many bytes the streams have that the SELECTOR selects, step by step,\n" AS_JSON;

enum {
    LIMIT_DEFAULT = 30,
    STEP_FLAGS = 1, /* the last: only of volume_range */
};

struct volume {
    struct result result;
    uint64_t limit;
    struct texts target_labels;
    bool by_labels;
    bool by_steps; /* volume_range */
    int64_t step_ns;
};

#define OPTION(name) offsetof(struct volume, name)

/* These names are not written as others are, but as logcli has them. */
static const struct flag_row flags[] = {
    {.name = "limit",
     .kind = FLAG_COUNT,
     .offset = OPTION(limit),
     .value = "N",
     .text = "Rows to print, the largest first, 30 by default."},
    {.name = "targetLabels",
     .kind = FLAG_TEXTS,
     .offset = OPTION(target_labels),
     .value = "NAME",
     .text = "Add up by this label instead; may be given several times, or as a list with commas."},
    {.name = "aggregateByLabels",
     .kind = FLAG_SWITCH,
     .offset = OPTION(by_labels),
     .text = "Add up by the names of labels alone."},
    {.name = "step",
     .kind = FLAG_DURATION,
     .offset = OPTION(step_ns),
     .value = "DURATION",
     .text = "How long a step is, 1h by default."},
};

static struct str comma_list(const struct texts *names, struct arena *a)
{
    struct str list = STR("");

    for (size_t i = 0; i < names->count; i++)
        list = i == 0 ? names->items[i]
                      : arena_printf(a, "%.*s,%.*s", STR_ARG(list), STR_ARG(names->items[i]));
    return list;
}

static enum status run(void *context, const struct texts *operands, struct arena *a,
                       struct err *err)
{
    struct volume *v = context;
    struct lookup *l = &v->result.lookup;
    const struct client_param params[] = {
        {"aggregateBy", v->by_labels ? STR("labels") : STR("series")},
        {"end", range_text(a, l->range.end_ns)},
        {"limit", arena_printf(a, "%llu", (unsigned long long)v->limit)},
        {"query", operands->items[0]},
        {"start", range_text(a, l->range.start_ns)},
        {"step", range_duration_text(a, v->step_ns)},
        {"targetLabels", comma_list(&v->target_labels, a)},
    };
    const char *path =
        v->by_steps ? "/loki/api/v1/index/volume_range" : "/loki/api/v1/index/volume";
    struct client_question question = {path, params, COUNT_OF(params)};
    struct answer answer;

    enum status st = lookup_ask(l, &question, a, &answer, err);
    if (st != ST_OK)
        return st;
    st = result_print_samples(&v->result, &answer, a, err);
    result_print_notes(&v->result, &answer, a);
    return st;
}

static int volume(const char *name, const char *text, struct volume *v, int argc, char **argv)
{
    struct lookup *l = &v->result.lookup;
    const struct flag_group groups[] = {
        range_flag_group(&l->range_options),
        {flags, COUNT_OF(flags) - (v->by_steps ? 0 : STEP_FLAGS), v},
        lookup_flag_group(l),
        result_stats_flag_group(&v->result),
        client_flag_group(&l->client_options),
    };
    const struct command_line line = {
        .command = name,
        .operands = "'SELECTOR'",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_min = 1,
        .operands_max = 1,
    };
    const struct lookup_command command = {&line, l, run, v};

    return lookup_run_command(&command, argc, argv);
}

int cmd_volume(int argc, char **argv)
{
    struct volume v = {.limit = LIMIT_DEFAULT};

    return volume("volume", volume_text, &v, argc, argv);
}

int cmd_volume_range(int argc, char **argv)
{
    struct volume v = {.limit = LIMIT_DEFAULT, .by_steps = true, .step_ns = HOUR_NS};

    return volume("volume_range", volume_range_text, &v, argc, argv);
}
