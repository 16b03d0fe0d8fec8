/*
 * table.h - the one table of a run: every program and phase adds rows, the end prints them.
 */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <stdbool.h>

/*
 * One figure. What is 0 is not shown, except the figure itself. Of the targets at most one is set.
 */
struct table_row {
    const char *what; /* copied, as all texts are */
    double figure;
    const char *unit;
    double cpu_ms;     /* of the server, beside a figure that is time on the clock */
    double at_most;    /* the target */
    double at_least;   /* the target, where more is better */
    double share;      /* the target: so much of the limit, 0.5 is half */
    double limit;      /* what the hardware or the codec allows, in the unit of the figure */
    bool more_is_good; /* the limit is the largest figure possible, not the smallest */
    const char *note;  /* instead of a figure that could not be measured */
};

/*
 * Rows that follow belong under this title, which is shown on stderr as a sign of progress; rows of
 * a hidden group are forgotten.
 */
void table_group(const char *title, bool hidden);

void table_add(const struct table_row *row);

/* To stdout, under a line that says what was measured. */
void table_print(const char *title);

#endif
