/*
 * skald fmt: a query in a form that is easy to read. Needs no server.
 */
#include <stdio.h>

#include "base/arena.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "query/parser.h"
#include "query/pretty.h"

#include "base/banned.h"

static const char text[] =
    "Prints a query in its usual form, a long one over several lines. Without LOGQL it\n"
    "is read from standard input.\n"
    "A query with an error is not printed: the error is, and the command fails.\n";

enum { QUERY_BYTES_MAX = 1024 * 1024 };

#define TREE_BYTES_MAX (64 * MIB)
#define OUTPUT_BYTES_MAX (64 * MIB)

static enum status read_input(struct buf *query, struct err *err)
{
    enum { PIECE_BYTES = 4096 };
    size_t got = 1;

    while (got > 0) {
        char *room = buf_reserve(query, PIECE_BYTES);
        if (room == NULL)
            return buf_status(query, err);
        got = fread(room, 1, PIECE_BYTES, stdin);
        buf_advance(query, got);
    }
    return ferror(stdin) != 0 ? err_errno(err, "standard input") : ST_OK;
}

static enum status put_formatted(struct buf *b, struct str query, struct arena *a, struct err *err)
{
    const struct expr *expr;

    enum status st = logql_parse(a, query, &expr, err);
    if (st != ST_OK)
        return st;
    pretty_put_expr(b, expr);
    buf_put_char(b, '\n');
    return buf_status(b, err);
}

static enum status print_formatted(struct str query, struct err *err)
{
    struct buf formatted, shown;
    struct arena arena;

    arena_init(&arena, TREE_BYTES_MAX);
    buf_init(&formatted, OUTPUT_BYTES_MAX);
    buf_init(&shown, OUTPUT_BYTES_MAX);
    enum status st = put_formatted(&formatted, query, &arena, err);
    bool terminal = print_is_terminal(stdout);
    if (st == ST_OK && terminal) {
        put_visible_lines(&shown, buf_str(&formatted));
        st = buf_status(&shown, err);
    }
    if (st == ST_OK)
        st = print_out(terminal ? buf_str(&shown) : buf_str(&formatted), err);
    if (st == ST_OK)
        st = print_finish(err);
    buf_release(&shown);
    buf_release(&formatted);
    arena_release(&arena);
    return st;
}

int cmd_fmt(int argc, char **argv)
{
    const struct command_line line = {
        .command = "fmt",
        .operands = "['LOGQL']",
        .text = text,
        .operands_max = 1,
    };
    struct texts operands;
    struct buf query;
    struct err err;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    buf_init(&query, QUERY_BYTES_MAX);
    enum status st = ST_OK;
    if (operands.count == 0)
        st = read_input(&query, &err);
    else
        buf_put(&query, operands.items[0]);
    if (st == ST_OK)
        st = buf_status(&query, &err);
    if (st == ST_OK)
        st = print_formatted(buf_str(&query), &err);
    buf_release(&query);
    return st == ST_OK ? EXIT_GOOD : print_error(line.command, &err);
}
