/*
 * print.h - what all commands share about printing: terminals, times, control characters.
 *
 * Nothing that comes from a log line, a label or a server may steer a terminal. So everything that
 * goes to one passes through put_visible() or a quoting function; what goes to a file or a pipe is
 * left as it is.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

bool print_is_terminal(FILE *file);

/* A terminal that shows colours, and nobody asked for none (NO_COLOR). */
bool print_has_colours(FILE *file);

/* "skald COMMAND: text" on standard error; returns EXIT_FAILED. */
int print_error(const char *command, const struct err *err);

/* Write to standard output. ST_IO, ST_FULL: it takes no more. */
MUST_CHECK enum status print_out(struct str text, struct err *err);

/* Everything written so far has been taken. To be called once at the end. */
MUST_CHECK enum status print_finish(struct err *err);

enum print_zone {
    PRINT_LOCAL,
    PRINT_UTC,
};

#define PRINT_ZONES "Local|UTC"

/* RFC 3339 in the zone: whole seconds, or with a fraction if there is one. */
void put_zoned_time(struct buf *b, int64_t ts_ns, enum print_zone zone, bool fraction);

/*
 * Append `s` with what could steer a terminal made visible: C0 (but the tab), DEL and C1 as `\n`,
 * `\r` or `\xHH`, and so each byte that is not UTF-8.
 */
void put_visible(struct buf *b, struct str s);

/* The same for each line of `text`; the line breaks stay. */
void put_visible_lines(struct buf *b, struct str text);

/* The same for JSON text, where such characters become \u00HH and \ufffd; line breaks stay. */
void put_visible_json(struct buf *b, struct str json);

/* How many columns `s` takes, by its characters. */
size_t print_width(struct str s);

/* The forms of --output. */
enum print_output {
    PRINT_DEFAULT,
    PRINT_RAW,
    PRINT_JSONL,
};

#define PRINT_OUTPUTS "default|raw|jsonl"

#endif
