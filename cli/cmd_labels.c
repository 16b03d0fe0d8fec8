/*
 * skald labels: the names of labels, or the values of one.
 */
#include <stdio.h>

#include "base/time.h"
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
    "Lists the names of all labels, or the values of the label NAME, one per line.\n";

struct labels_command {
    struct lookup lookup;
    struct str query;
};

#define OPTION(name) offsetof(struct labels_command, name)

static const struct flag_row flags[] = {
    {.name = "query",
     .kind = FLAG_TEXT,
     .offset = OPTION(query),
     .value = "SELECTOR",
     .text = "Only of streams that it selects: '{app=\"x\"}'."},
};

/* "/loki/api/v1/labels", or the path of the values of a label. */
static void put_path(struct buf *b, const struct texts *operands)
{
    buf_put(b, STR("/loki/api/v1/label"));
    if (operands->count == 0) {
        buf_put(b, STR("s"));
    } else {
        buf_put_char(b, '/');
        client_put_path_escaped(b, operands->items[0]);
        buf_put(b, STR("/values"));
    }
    buf_put_char(b, '\0');
}

static enum status print_names(const struct lookup *l, struct name_list names, struct err *err)
{
    enum status st = ST_OK;
    struct buf line;

    buf_init(&line, LOOKUP_LINE_BYTES_MAX);
    for (size_t i = 0; i < names.count && st == ST_OK; i++) {
        buf_reset(&line);
        if (l->output == PRINT_JSONL)
            json_put_string(&line, names.items[i], false);
        else
            buf_put(&line, names.items[i]);
        st = buf_status(&line, err);
        if (st == ST_OK)
            st = lookup_print(l, buf_str(&line), err);
    }
    buf_release(&line);
    return st;
}

static enum status list(void *context, const struct texts *operands, struct arena *a,
                        struct err *err)
{
    struct labels_command *c = context;
    struct lookup *l = &c->lookup;
    const struct client_param params[] = {
        {"end", range_text(a, l->range.end_ns)},
        {"query", c->query},
        {"start", range_text(a, l->range.start_ns)},
    };
    struct name_list names;
    struct answer answer;
    struct buf path;

    buf_init(&path, LOOKUP_LINE_BYTES_MAX);
    put_path(&path, operands);
    struct client_question question = {path.ptr, params, COUNT_OF(params)};
    enum status st = buf_status(&path, err);
    if (st == ST_OK)
        st = lookup_ask(l, &question, a, &answer, err);
    if (st == ST_OK)
        st = answer_names(&answer, a, &names, err);
    if (st == ST_OK)
        st = print_names(l, names, err);
    buf_release(&path);
    return st;
}

int cmd_labels(int argc, char **argv)
{
    struct labels_command c = {.query = STR_NULL};
    const struct flag_group groups[] = {
        range_flag_group(&c.lookup.range_options),
        {flags, COUNT_OF(flags), &c},
        lookup_flag_group(&c.lookup),
        client_flag_group(&c.lookup.client_options),
    };
    const struct command_line line = {
        .command = "labels",
        .operands = "[NAME]",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_max = 1,
    };
    const struct lookup_command command = {&line, &c.lookup, list, &c};

    return lookup_run_command(&command, argc, argv);
}
