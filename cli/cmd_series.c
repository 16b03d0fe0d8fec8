/*
 * skald series: the label sets of streams.
 */
#include <stdio.h>

#include "cli/answer.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/lookup.h"
#include "cli/print.h"
#include "cli/range.h"
#include "proto/json.h"

#include "base/banned.h"

static const char text[] =
    "Lists the label sets of the streams that any SELECTOR selects, one per line and\n"
    "sorted. '{}' selects all.\n";

static enum status print_series(const struct lookup *l, struct series_list series, struct err *err)
{
    enum status st = ST_OK;
    struct buf line;

    buf_init(&line, LOOKUP_LINE_BYTES_MAX);
    for (size_t i = 0; i < series.count && st == ST_OK; i++) {
        buf_reset(&line);
        if (l->output == PRINT_JSONL)
            json_put_labels(&line, series.items[i]);
        else
            labels_put_text(&line, series.items[i]);
        st = buf_status(&line, err);
        if (st == ST_OK)
            st = lookup_print(l, buf_str(&line), err);
    }
    buf_release(&line);
    return st;
}

static enum status list(void *context, const struct texts *selectors, struct arena *a,
                        struct err *err)
{
    struct lookup *l = context;
    enum { OTHER_PARAMS = 2 };
    struct client_param params[TEXTS_MAX + OTHER_PARAMS];
    struct series_list series;
    struct answer answer;
    size_t count = 0;

    params[count++] = (struct client_param){"end", range_text(a, l->range.end_ns)};
    for (size_t i = 0; i < selectors->count; i++)
        params[count++] = (struct client_param){"match", selectors->items[i]};
    params[count++] = (struct client_param){"start", range_text(a, l->range.start_ns)};
    struct client_question question = {"/loki/api/v1/series", params, count};

    enum status st = lookup_ask(l, &question, a, &answer, err);
    if (st == ST_OK)
        st = answer_series(&answer, a, &series, err);
    return st == ST_OK ? print_series(l, series, err) : st;
}

int cmd_series(int argc, char **argv)
{
    struct lookup lookup = {.quiet = false};
    const struct flag_group groups[] = {
        range_flag_group(&lookup.range_options),
        lookup_flag_group(&lookup),
        client_flag_group(&lookup.client_options),
    };
    const struct command_line line = {
        .command = "series",
        .operands = "'SELECTOR'...",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_min = 1,
        .operands_max = TEXTS_MAX,
    };
    const struct lookup_command command = {&line, &lookup, list, &lookup};

    return lookup_run_command(&command, argc, argv);
}
