/*
 * skald query: log lines, or the numbers of a metric query. What is not the result (addresses,
 * common labels, statistics) goes to standard error, so that the result can be piped.
 */
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/lookup.h"
#include "cli/pager.h"
#include "cli/range.h"
#include "cli/result.h"

#include "base/banned.h"

static const char text[] =
    "Asks for log lines (newest first) or runs a metric query over the range of time.\n"
    "Lines of all streams are merged in the order of time. Labels that all streams\n"
    "of an answer share are printed once, as \"Common labels\". --output=raw prints the\n"
    "lines alone, jsonl a JSON object for each. A metric query prints its series as\n"
    "JSON: indented, or with jsonl one on each line.\n";

enum {
    LIMIT_DEFAULT = 30,
    BATCH_DEFAULT = 1000,
};

struct query {
    struct result result;
    uint64_t limit;
    uint64_t batch;
    int64_t step_ns;
    int64_t interval_ns;
    bool forward;

    struct str logql;
    struct pager pager;
};

#define OPTION(name) offsetof(struct query, name)

static const struct flag_row flags[] = {
    {.name = "limit",
     .kind = FLAG_COUNT,
     .offset = OPTION(limit),
     .value = "N",
     .text = "Lines to print, 30 by default; 0 prints all."},
    {.name = "batch",
     .kind = FLAG_COUNT,
     .offset = OPTION(batch),
     .value = "N",
     .text = "Lines to ask for at once, 1000 by default."},
    {.name = "forward",
     .kind = FLAG_SWITCH,
     .offset = OPTION(forward),
     .text = "Oldest lines first."},
    {.name = "step",
     .kind = FLAG_DURATION,
     .offset = OPTION(step_ns),
     .value = "DURATION",
     .text = "Between the points of a metric query."},
    {.name = "interval",
     .kind = FLAG_DURATION,
     .offset = OPTION(interval_ns),
     .value = "DURATION",
     .text = "Only lines that are at least so far apart."},
};

static enum status ask(struct query *q, const struct page_request *request, struct arena *a,
                       struct answer *ret_answer, struct err *err)
{
    const struct client_param params[] = {
        {"direction", q->forward ? STR("FORWARD") : STR("BACKWARD")},
        {"end", range_text(a, request->range.end_ns)},
        {"interval", range_duration_text(a, q->interval_ns)},
        {"limit", arena_printf(a, "%llu", (unsigned long long)request->limit)},
        {"query", q->logql},
        {"start", range_text(a, request->range.start_ns)},
        {"step", range_duration_text(a, q->step_ns)},
    };
    struct client_question question = {"/loki/api/v1/query_range", params, COUNT_OF(params)};

    return lookup_ask(&q->result.lookup, &question, a, ret_answer, err);
}

/* Ask for one page and print it. */
static enum status run_page(struct query *q, const struct page_request *request, struct arena *a,
                            struct err *err)
{
    struct answer answer;
    struct page page;

    enum status st = ask(q, request, a, &answer, err);
    if (st != ST_OK)
        return st;
    if (str_eq(answer.kind, STR("streams"))) {
        st = answer_page(&answer, a, &page, err);
        if (st == ST_OK)
            st = pager_take(&q->pager, &page, err);
        if (st == ST_OK)
            st = result_print_page(&q->result, &page, a, err);
    } else {
        st = result_print_samples(&q->result, &answer, a, err);
        q->pager.done = true; /* it came whole */
    }
    result_print_notes(&q->result, &answer, a);
    return st;
}

static enum status run(void *context, const struct texts *operands, struct arena *a,
                       struct err *err)
{
    struct query *q = context;
    uint64_t batch = q->batch == 0 ? BATCH_DEFAULT : q->batch;
    struct page_request request;
    enum status st = ST_OK;

    q->logql = operands->items[0];
    result_begin(&q->result);
    pager_init(&q->pager, q->result.lookup.range, q->forward, q->limit, batch);
    while (st == ST_OK && pager_next(&q->pager, &request)) {
        st = run_page(q, &request, a, err);
        arena_release(a);
    }
    pager_release(&q->pager);
    result_end(&q->result);
    return st;
}

int cmd_query(int argc, char **argv)
{
    struct query q = {.limit = LIMIT_DEFAULT, .batch = BATCH_DEFAULT};
    struct lookup *l = &q.result.lookup;
    const struct flag_group groups[] = {
        range_flag_group(&l->range_options),
        {flags, COUNT_OF(flags), &q},
        lookup_flag_group(l),
        result_flag_group(&q.result),
        client_flag_group(&l->client_options),
    };
    const struct command_line line = {
        .command = "query",
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
