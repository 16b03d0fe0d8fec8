/*
 * skald query: log lines, or the numbers of a metric query. What is not the result (addresses,
 * common labels, statistics) goes to standard error, so that the result can be piped.
 */
#include <stdio.h>

#include "base/num.h"
#include "base/time.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/format.h"
#include "cli/pager.h"
#include "cli/print.h"
#include "cli/range.h"

#include "base/banned.h"

static const char text[] =
    "Asks for log lines (newest first) or runs a metric query over the range of time.\n"
    "Lines of all streams are merged in the order of time. Labels that all streams\n"
    "of an answer share are printed once, as \"Common labels\".\n";

enum {
    LIMIT_DEFAULT = 30,
    BATCH_DEFAULT = 1000,
};

#define PAGE_BYTES_MAX (2 * GIB)
#define ROW_BYTES_MAX GIB
#define LABELS_BYTES_MAX (16 * MIB)

struct query {
    struct client_options client_options;
    struct range_options range_options;
    struct format format;
    uint64_t limit;
    uint64_t batch;
    int64_t step_ns;
    int64_t interval_ns;
    bool forward;
    bool quiet;
    bool stats;

    struct str logql;
    struct client *client;
    struct pager pager;
    struct buf common; /* the common labels as printed last */
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
    {.name = "output",
     .letter = 'o',
     .kind = FLAG_WORD,
     .offset = OPTION(format.output),
     .value = PRINT_OUTPUTS,
     .text = "Time, labels and line; only the line; or a JSON object for each line."},
    {.name = "timezone",
     .letter = 'z',
     .kind = FLAG_WORD,
     .offset = OPTION(format.zone),
     .value = PRINT_ZONES,
     .text = "Of the times that are printed, Local by default."},
    {.name = "no-labels",
     .kind = FLAG_SWITCH,
     .offset = OPTION(format.no_labels),
     .text = "Print no labels."},
    {.name = "include-label",
     .kind = FLAG_TEXTS,
     .offset = OPTION(format.include),
     .value = "NAME",
     .text = "Print only this label; may be given several times."},
    {.name = "exclude-label",
     .kind = FLAG_TEXTS,
     .offset = OPTION(format.exclude),
     .value = "NAME",
     .text = "Do not print this label; may be given several times."},
    {.name = "include-common-labels",
     .kind = FLAG_SWITCH,
     .offset = OPTION(format.include_common),
     .text = "Print common labels with each line too."},
    {.name = "labels-length",
     .kind = FLAG_COUNT,
     .offset = OPTION(format.labels_length),
     .value = "N",
     .text = "Width of the column of labels; by default it is that of the longest."},
    {.name = "stats",
     .kind = FLAG_SWITCH,
     .offset = OPTION(stats),
     .text = "Print the statistics of the query on standard error."},
    {.name = "quiet",
     .letter = 'q',
     .kind = FLAG_SWITCH,
     .offset = OPTION(quiet),
     .text = "Print no addresses and no common labels."},
};

/* ---- asking ---- */

static struct str duration_text(struct arena *a, int64_t ns)
{
    struct buf b;

    if (ns == 0)
        return STR("");
    buf_init(&b, KIB);
    num_put_double(&b, (double)ns / (double)SECOND_NS);
    struct str seconds = arena_str(a, buf_str(&b));
    buf_release(&b);
    return seconds;
}

static enum status ask(struct query *q, const struct page_request *request, struct arena *a,
                       struct answer *ret_answer, struct err *err)
{
    const struct client_param params[] = {
        {"direction", q->forward ? STR("FORWARD") : STR("BACKWARD")},
        {"end", range_text(a, request->range.end_ns)},
        {"interval", duration_text(a, q->interval_ns)},
        {"limit", arena_printf(a, "%llu", (unsigned long long)request->limit)},
        {"query", q->logql},
        {"start", range_text(a, request->range.start_ns)},
        {"step", duration_text(a, q->step_ns)},
    };
    struct client_question question = {"/loki/api/v1/query_range", params, COUNT_OF(params)};
    struct str body;

    enum status st = arena_status(a, err);
    if (st != ST_OK)
        return st;
    if (!q->quiet)
        client_print_address(q->client, &question);
    st = client_ask(q->client, &question, &body, err);
    return st == ST_OK ? answer_parse(body, a, ret_answer, err) : st;
}

/* ---- printing ---- */

/* "Common labels: {...}", unless the answer before had the same. */
static void print_common(struct query *q, struct labels common)
{
    struct buf shown, labels;

    if (q->quiet || q->format.no_labels || q->format.output != PRINT_DEFAULT)
        return;
    buf_init(&labels, LABELS_BYTES_MAX);
    buf_init(&shown, LABELS_BYTES_MAX * 4);
    labels_put_text(&labels, common);
    put_visible(&shown, buf_str(&labels));
    bool same =
        q->common.len == 0 ? common.count == 0 : str_eq(buf_str(&q->common), buf_str(&shown));
    buf_release(&labels);
    if (!same) {
        fprintf(stderr, "Common labels: %.*s\n", STR_ARG(buf_str(&shown)));
        buf_reset(&q->common);
        buf_put(&q->common, buf_str(&shown));
    }
    buf_release(&shown);
}

static enum status print_page(struct query *q, const struct page *page, struct arena *a,
                              struct err *err)
{
    struct labels common;
    struct str *streams;
    struct buf row;

    enum status st = format_common(page, a, &common, err);
    if (st == ST_OK)
        st = format_streams(&q->format, page, common, a, &streams, err);
    if (st != ST_OK)
        return st;
    if (page->row_count > 0)
        print_common(q, common);
    buf_init(&row, ROW_BYTES_MAX);
    for (size_t i = 0; i < page->row_count && st == ST_OK; i++) {
        buf_reset(&row);
        format_put_row(&row, &q->format, streams[page->rows[i].stream], &page->rows[i]);
        st = buf_status(&row, err);
        if (st == ST_OK)
            st = print_out(buf_str(&row), err);
    }
    buf_release(&row);
    return st;
}

/* The result of a metric query, which comes whole. */
static enum status print_metric(const struct query *q, const struct answer *answer, struct arena *a,
                                struct err *err)
{
    struct buf json, shown;

    buf_init(&json, ROW_BYTES_MAX);
    buf_init(&shown, ROW_BYTES_MAX);
    enum status st = answer_put_result(&json, answer, a, err);
    if (st == ST_OK && q->format.terminal)
        put_visible_json(&shown, buf_str(&json));
    if (st == ST_OK)
        st = buf_status(&shown, err);
    if (st == ST_OK)
        st = print_out(q->format.terminal ? buf_str(&shown) : buf_str(&json), err);
    buf_release(&json);
    buf_release(&shown);
    return st;
}

/* What the answer says besides its result. */
static void print_notes(const struct query *q, const struct answer *answer, struct arena *a)
{
    struct buf b;

    buf_init(&b, MIB);
    answer_put_warnings(&b, answer, a);
    if (q->stats)
        answer_put_stats(&b, answer, a);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&b)));
    buf_release(&b);
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
            st = print_page(q, &page, a, err);
    } else {
        st = print_metric(q, &answer, a, err);
        q->pager.done = true;
    }
    print_notes(q, &answer, a);
    return st;
}

static enum status run(struct query *q, struct range range, struct err *err)
{
    struct page_request request;
    enum status st = ST_OK;
    struct arena arena;

    arena_init(&arena, PAGE_BYTES_MAX);
    pager_init(&q->pager, range, q->forward, q->limit, q->batch);
    while (st == ST_OK && pager_next(&q->pager, &request)) {
        st = run_page(q, &request, &arena, err);
        arena_release(&arena);
    }
    enum status finished = print_finish(st == ST_OK ? err : NULL);
    pager_release(&q->pager);
    return st == ST_OK ? finished : st;
}

static void note_labels(const struct query *q, const char *what, const struct texts *names)
{
    if (q->quiet || names->count == 0)
        return;
    fprintf(stderr, "%s", what);
    for (size_t i = 0; i < names->count; i++)
        fprintf(stderr, "%s%.*s", i == 0 ? " " : ",", STR_ARG(names->items[i]));
    fputc('\n', stderr);
}

static int query(struct query *q)
{
    struct err err = {.status = ST_OK};
    struct range range;

    if (q->batch == 0)
        q->batch = BATCH_DEFAULT;
    enum status st = range_bounds(&q->range_options, time_now_ns(), &range, &err);
    if (st == ST_OK)
        st = client_new(&q->client_options, &q->client, &err);
    if (st != ST_OK) {
        (void)print_error("query", &err);
        return EXIT_USAGE;
    }
    q->format.terminal = print_is_terminal(stdout);
    q->format.colours = print_has_colours(stdout);
    note_labels(q, "Ignoring labels key:", &q->format.exclude);
    note_labels(q, "Print only labels key:", &q->format.include);
    buf_init(&q->common, LABELS_BYTES_MAX * 4);
    st = run(q, range, &err);
    buf_release(&q->common);
    client_free(q->client);
    return st == ST_OK ? EXIT_GOOD : print_error("query", &err);
}

int cmd_query(int argc, char **argv)
{
    struct query q = {.limit = LIMIT_DEFAULT, .batch = BATCH_DEFAULT};
    const struct flag_group groups[] = {
        range_flag_group(&q.range_options),
        {flags, COUNT_OF(flags), &q},
        client_flag_group(&q.client_options),
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
    struct texts operands;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    q.logql = operands.items[0];
    return query(&q);
}
