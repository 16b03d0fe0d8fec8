#include "cli/result.h"

#include <stdio.h>

#include "cli/print.h"

#include "base/banned.h"

#define ROW_BYTES_MAX GIB
#define LABELS_BYTES_MAX (16 * MIB)

#define OPTION(name) offsetof(struct result, name)

enum { STATS_FLAGS = 1 }; /* so many in front are for results of every kind */

static const struct flag_row flags[] = {
    {.name = "stats",
     .kind = FLAG_SWITCH,
     .offset = OPTION(stats),
     .text = "Print the statistics of the query on standard error."},
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
};

struct flag_group result_flag_group(struct result *r)
{
    return (struct flag_group){flags, COUNT_OF(flags), r};
}

struct flag_group result_stats_flag_group(struct result *r)
{
    return (struct flag_group){flags, STATS_FLAGS, r};
}

/* ---- begin and end ---- */

static void note_labels(const struct result *r, const char *what, const struct texts *names)
{
    if (r->lookup.quiet || names->count == 0)
        return;
    fprintf(stderr, "%s", what);
    for (size_t i = 0; i < names->count; i++)
        fprintf(stderr, "%s%.*s", i == 0 ? " " : ",", STR_ARG(names->items[i]));
    fputc('\n', stderr);
}

void result_begin(struct result *r)
{
    r->format.output = r->lookup.output;
    r->format.terminal = r->lookup.terminal;
    r->format.colours = print_has_colours(stdout);
    note_labels(r, "Ignoring labels key:", &r->format.exclude);
    note_labels(r, "Print only labels key:", &r->format.include);
    buf_init(&r->common, LABELS_BYTES_MAX * 4);
}

void result_end(struct result *r)
{
    buf_release(&r->common);
}

/* ---- entries ---- */

/* "Common labels: {...}", unless the answer before had the same. */
static void print_common(struct result *r, struct labels common)
{
    struct buf shown, labels;

    if (r->lookup.quiet || r->format.no_labels || r->format.output != PRINT_DEFAULT)
        return;
    buf_init(&labels, LABELS_BYTES_MAX);
    buf_init(&shown, LABELS_BYTES_MAX * 4);
    labels_put_text(&labels, common);
    put_visible(&shown, buf_str(&labels));
    bool same =
        r->common.len == 0 ? common.count == 0 : str_eq(buf_str(&r->common), buf_str(&shown));
    buf_release(&labels);
    if (!same) {
        fprintf(stderr, "Common labels: %.*s\n", STR_ARG(buf_str(&shown)));
        buf_reset(&r->common);
        buf_put(&r->common, buf_str(&shown));
    }
    buf_release(&shown);
}

enum status result_print_page(struct result *r, const struct page *page, struct arena *a,
                              struct err *err)
{
    struct labels common;
    struct str *streams;
    struct buf row;

    enum status st = format_common(page, a, &common, err);
    if (st == ST_OK)
        st = format_streams(&r->format, page, common, a, &streams, err);
    if (st != ST_OK)
        return st;
    if (page->row_count > 0)
        print_common(r, common);
    buf_init(&row, ROW_BYTES_MAX);
    for (size_t i = 0; i < page->row_count && st == ST_OK; i++) {
        buf_reset(&row);
        format_put_row(&row, &r->format, streams[page->rows[i].stream], &page->rows[i]);
        st = buf_status(&row, err);
        if (st == ST_OK)
            st = print_out(buf_str(&row), err);
    }
    buf_release(&row);
    return st;
}

/* ---- samples ---- */

static enum status put_samples(struct buf *b, const struct result *r, const struct answer *answer,
                               struct arena *a, struct err *err)
{
    return r->lookup.output == PRINT_JSONL ? answer_put_result_lines(b, answer, a, err)
                                           : answer_put_result(b, answer, a, err);
}

enum status result_print_samples(const struct result *r, const struct answer *answer,
                                 struct arena *a, struct err *err)
{
    struct buf json, shown;

    buf_init(&json, ROW_BYTES_MAX);
    buf_init(&shown, ROW_BYTES_MAX);
    enum status st = put_samples(&json, r, answer, a, err);
    if (st == ST_OK && r->lookup.terminal)
        put_visible_json(&shown, buf_str(&json));
    if (st == ST_OK)
        st = buf_status(&shown, err);
    if (st == ST_OK)
        st = print_out(r->lookup.terminal ? buf_str(&shown) : buf_str(&json), err);
    buf_release(&json);
    buf_release(&shown);
    return st;
}

/* ---- what is said besides ---- */

void result_print_notes(const struct result *r, const struct answer *answer, struct arena *a)
{
    struct buf b;

    buf_init(&b, MIB);
    answer_put_warnings(&b, answer, a);
    if (r->stats)
        answer_put_stats(&b, answer, a);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&b)));
    buf_release(&b);
}
