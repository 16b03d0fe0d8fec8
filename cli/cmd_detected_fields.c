/*
 * skald detected-fields: which fields lines have besides the labels of their streams.
 */
#include "cli/answer_bare.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/json_text.h"
#include "cli/lookup.h"
#include "cli/print.h"
#include "cli/range.h"

#include "base/banned.h"

static const char text[] =
    "Lists the fields that are found in the lines of a log query, as JSON or logfmt,\n"
    "and their structured metadata: name, type and how many different values there\n"
    "are. --output=raw prints the answer of the server, jsonl an object for each.\n";

enum {
    FIELDS_DEFAULT = 100,
    LINES_DEFAULT = 1000,
};

struct detected_fields {
    struct lookup lookup;
    uint64_t field_limit;
    uint64_t line_limit;
    int64_t step_ns;
};

#define OPTION(name) offsetof(struct detected_fields, name)

static const struct flag_row flags[] = {
    {.name = "field-limit",
     .kind = FLAG_COUNT,
     .offset = OPTION(field_limit),
     .value = "N",
     .text = "At most so many fields, 100 by default."},
    {.name = "line-limit",
     .kind = FLAG_COUNT,
     .offset = OPTION(line_limit),
     .value = "N",
     .text = "At most so many lines are looked at, 1000 by default."},
    {.name = "step",
     .kind = FLAG_DURATION,
     .offset = OPTION(step_ns),
     .value = "DURATION",
     .text = "Sent to the server."},
};

/* ---- printing ---- */

static void put_field(struct buf *b, const struct lookup *l, const struct field *field,
                      struct arena *a)
{
    struct json j;

    if (l->output == PRINT_JSONL) {
        json_init(&j, field->json, a, NULL);
        json_text_put_line(b, &j);
    } else {
        buf_printf(b, "label: %.*s\t\ttype: %.*s\t\tcardinality: %llu", STR_ARG(field->label),
                   STR_ARG(field->type), (unsigned long long)field->cardinality);
    }
}

static enum status print_fields(const struct lookup *l, const struct field_list *fields,
                                struct arena *a, struct err *err)
{
    enum status st = ST_OK;
    struct buf line;

    buf_init(&line, LOOKUP_LINE_BYTES_MAX);
    for (size_t i = 0; i < fields->count && st == ST_OK; i++) {
        buf_reset(&line);
        put_field(&line, l, &fields->items[i], a);
        st = buf_status(&line, err);
        if (st == ST_OK)
            st = lookup_print(l, buf_str(&line), err);
    }
    buf_release(&line);
    return st;
}

/* The answer on one line. */
static enum status print_body(const struct lookup *l, struct str body, struct arena *a,
                              struct err *err)
{
    struct json j;
    struct buf line;

    buf_init(&line, LOOKUP_LINE_BYTES_MAX);
    json_init(&j, body, a, err);
    json_text_put_line(&line, &j);
    enum status st = json_status(&j) == ST_OK ? buf_status(&line, err) : json_status(&j);
    if (st == ST_OK)
        st = lookup_print(l, buf_str(&line), err);
    buf_release(&line);
    return st;
}

/* ---- the command ---- */

static enum status run(void *context, const struct texts *operands, struct arena *a,
                       struct err *err)
{
    struct detected_fields *d = context;
    struct lookup *l = &d->lookup;
    const struct client_param params[] = {
        {"end", range_text(a, l->range.end_ns)},
        {"limit", arena_printf(a, "%llu", (unsigned long long)d->field_limit)},
        {"line_limit", arena_printf(a, "%llu", (unsigned long long)d->line_limit)},
        {"query", operands->items[0]},
        {"start", range_text(a, l->range.start_ns)},
        {"step", range_duration_text(a, d->step_ns)},
    };
    struct client_question question = {"/loki/api/v1/detected_fields", params, COUNT_OF(params)};
    struct field_list fields;
    struct str body;

    enum status st = lookup_ask_body(l, &question, a, &body, err);
    if (st == ST_OK)
        st = answer_fields(body, a, &fields, err);
    if (st != ST_OK)
        return st;
    return l->output == PRINT_RAW ? print_body(l, body, a, err) : print_fields(l, &fields, a, err);
}

int cmd_detected_fields(int argc, char **argv)
{
    struct detected_fields d = {.field_limit = FIELDS_DEFAULT, .line_limit = LINES_DEFAULT};
    const struct flag_group groups[] = {
        range_flag_group(&d.lookup.range_options),
        {flags, COUNT_OF(flags), &d},
        lookup_flag_group(&d.lookup),
        client_flag_group(&d.lookup.client_options),
    };
    const struct command_line line = {
        .command = "detected-fields",
        .operands = "'LOGQL'",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_min = 1,
        .operands_max = 1,
    };
    const struct lookup_command command = {&line, &d.lookup, run, &d};

    return lookup_run_command(&command, argc, argv);
}
