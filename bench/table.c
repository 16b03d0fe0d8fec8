#include "bench/table.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/defs.h"
#include "bench/bench.h"

#include "base/banned.h"

enum { ROWS_MAX = 400, TEXT_BYTES = 96, CELL_BYTES = 24 };

struct line {
    struct table_row row;
    bool is_title;
    char what[TEXT_BYTES];
    char unit[CELL_BYTES];
    char note[TEXT_BYTES];
};

static struct {
    struct line lines[ROWS_MAX];
    size_t count;
    bool hidden;
} table;

static struct line *next_line(const char *what)
{
    if (table.count == ROWS_MAX)
        bench_fail("the table is full");
    struct line *l = &table.lines[table.count++];
    (void)snprintf(l->what, sizeof(l->what), "%s", what);
    return l;
}

/* Three digits or more. */
static void put_number(char cell[CELL_BYTES], double v)
{
    int digits = v >= 99.95 ? 0 : v >= 9.995 ? 1 : v >= 0.0995 ? 2 : 3;

    (void)snprintf(cell, CELL_BYTES, "%.*f", digits, v);
}

/* How much of what is possible was reached. */
static double share_of_limit(const struct table_row *r)
{
    bool more = r->more_is_good || r->at_least > 0;

    if (r->limit <= 0 || r->figure <= 0)
        return 0;
    return more ? r->figure / r->limit : r->limit / r->figure;
}

/* "<= 15" and "113 % MISS". */
static void put_target(const struct table_row *r, char target[CELL_BYTES], char verdict[CELL_BYTES])
{
    double want = r->at_most > 0 ? r->at_most : r->at_least > 0 ? r->at_least : r->share;
    double is = r->share > 0 ? share_of_limit(r) : r->figure;
    char number[CELL_BYTES];

    target[0] = verdict[0] = '\0';
    if (want <= 0)
        return;
    put_number(number, r->share > 0 ? want * 100 : want);
    (void)snprintf(target, CELL_BYTES, "%s %.9s%s", r->at_most > 0 ? "<=" : ">=", number,
                   r->share > 0 ? " % lim" : "");
    bool met = r->at_most > 0 ? is <= want : is >= want;
    (void)snprintf(verdict, CELL_BYTES, "%.0f %% %s", is / want * 100, met ? "ok  " : "MISS");
}

/* The cells of a line; there are no blanks at its end. */
struct cells {
    const char *what;
    char figure[CELL_BYTES];
    const char *unit;
    char cpu[CELL_BYTES];
    char target[CELL_BYTES];
    char verdict[CELL_BYTES];
    char limit[CELL_BYTES];
    char share[CELL_BYTES];
};

static void print_cells(const struct cells *c)
{
    enum { LINE_BYTES = 512 };
    char line[LINE_BYTES];

    int len = snprintf(line, sizeof(line), "  %-46s %9s %-6s %8s %11s %11s %9s %7s", c->what,
                       c->figure, c->unit, c->cpu, c->target, c->verdict, c->limit, c->share);
    while (len > 0 && line[len - 1] == ' ')
        len--;
    printf("%.*s\n", len, line);
}

static void print_row(const struct line *l)
{
    struct cells c = {.what = l->what, .unit = l->unit};
    const struct table_row *r = &l->row;

    if (l->note[0] != '\0') {
        printf("  %-46s %s\n", l->what, l->note);
        return;
    }
    put_number(c.figure, r->figure);
    if (r->cpu_ms > 0)
        put_number(c.cpu, r->cpu_ms);
    put_target(r, c.target, c.verdict);
    if (r->limit > 0) {
        put_number(c.limit, r->limit);
        (void)snprintf(c.share, sizeof(c.share), "%.0f %%", share_of_limit(r) * 100);
    }
    print_cells(&c);
}

void table_group(const char *title, bool hidden)
{
    table.hidden = hidden;
    if (hidden)
        return;
    next_line(title)->is_title = true;
    (void)fprintf(stderr, "%s\n", title);
}

void table_add(const struct table_row *row)
{
    if (table.hidden)
        return;
    struct line *l = next_line(row->what);
    l->row = *row;
    l->row.what = l->row.unit = NULL; /* the copies count */
    (void)snprintf(l->unit, sizeof(l->unit), "%s", row->unit == NULL ? "" : row->unit);
    (void)snprintf(l->note, sizeof(l->note), "%s", row->note == NULL ? "" : row->note);
}

void table_print(const char *title)
{
    static const struct cells heads = {.what = "",
                                       .figure = "figure",
                                       .unit = "",
                                       .cpu = "CPU ms",
                                       .target = "target",
                                       .verdict = "of target  ",
                                       .limit = "limit",
                                       .share = "of it"};

    printf("%s\n\n", title);
    print_cells(&heads);
    for (size_t i = 0; i < table.count; i++) {
        const struct line *l = &table.lines[i];
        if (l->is_title)
            printf("%s%s\n", i == 0 ? "" : "\n", l->what);
        else
            print_row(l);
    }
    (void)fflush(stdout);
}
