#include "cli/lookup.h"

#include <stdio.h>

#include "base/time.h"
#include "cli/command.h"
#include "cli/print.h"

#include "base/banned.h"

#define OPTION(name) offsetof(struct lookup, name)

static const struct flag_row flags[] = {
    {.name = "output",
     .letter = 'o',
     .kind = FLAG_WORD,
     .offset = OPTION(output),
     .value = PRINT_OUTPUTS,
     .text = "Plain text, or a JSON value for each line."},
    {.name = "quiet",
     .letter = 'q',
     .kind = FLAG_SWITCH,
     .offset = OPTION(quiet),
     .text = "Print nothing around the result, such as the address that is asked."},
};

struct flag_group lookup_flag_group(struct lookup *l)
{
    return (struct flag_group){flags, COUNT_OF(flags), l};
}

enum status lookup_ask_body(struct lookup *l, const struct client_question *question,
                            const struct arena *a, struct str *ret_body, struct err *err)
{
    enum status st = arena_status(a, err);

    if (st != ST_OK)
        return st;
    if (!l->quiet)
        client_print_address(l->client, question);
    return client_ask(l->client, question, ret_body, err);
}

enum status lookup_ask(struct lookup *l, const struct client_question *question, struct arena *a,
                       struct answer *ret_answer, struct err *err)
{
    struct str body;

    enum status st = lookup_ask_body(l, question, a, &body, err);
    return st == ST_OK ? answer_parse(body, a, ret_answer, err) : st;
}

enum status lookup_print(const struct lookup *l, struct str line, struct err *err)
{
    struct buf b;

    buf_init(&b, LOOKUP_LINE_BYTES_MAX);
    if (l->terminal && l->output == PRINT_JSONL)
        put_visible_json(&b, line);
    else if (l->terminal)
        put_visible(&b, line);
    else
        buf_put(&b, line);
    buf_put_char(&b, '\n');
    enum status st = buf_status(&b, err);
    if (st == ST_OK)
        st = print_out(buf_str(&b), err);
    buf_release(&b);
    return st;
}

/* ---- a command from its arguments to its exit status ---- */

static enum status prepare(struct lookup *l, struct err *err)
{
    l->terminal = print_is_terminal(stdout);
    enum status st = range_bounds(&l->range_options, time_now_ns(), &l->range, err);
    return st == ST_OK ? client_new(&l->client_options, &l->client, err) : st;
}

int lookup_run_command(const struct lookup_command *c, int argc, char **argv)
{
    struct texts operands;
    struct arena arena;
    struct err err;
    int status;

    if (!flags_begin(c->line, argc, argv, &operands, &status))
        return status;
    enum status st = prepare(c->lookup, &err);
    if (st != ST_OK) {
        (void)print_error(c->line->command, &err);
        return EXIT_USAGE;
    }
    arena_init(&arena, LOOKUP_ARENA_BYTES_MAX);
    st = c->run(c->context, &operands, &arena, &err);
    arena_release(&arena);
    client_free(c->lookup->client);
    if (st == ST_OK)
        st = print_finish(&err);
    return st == ST_OK ? EXIT_GOOD : print_error(c->line->command, &err);
}
