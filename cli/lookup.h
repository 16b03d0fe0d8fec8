/*
 * lookup.h - a question to a server: what all the commands that ask one share.
 */
#ifndef CLI_LOOKUP_H
#define CLI_LOOKUP_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/flags.h"
#include "cli/range.h"

struct lookup {
    struct client_options client_options;
    struct range_options range_options;
    unsigned output; /* enum print_output */
    bool quiet;

    struct range range;
    struct client *client;
    bool terminal;
};

#define LOOKUP_ARENA_BYTES_MAX (2 * GIB)
#define LOOKUP_LINE_BYTES_MAX (64 * MIB)

/* --output and --quiet. */
struct flag_group lookup_flag_group(struct lookup *l);

/* Print the address and ask. The arena is that of the parameters: it must not have failed. */
MUST_CHECK enum status lookup_ask_body(struct lookup *l, const struct client_question *question,
                                       const struct arena *a, struct str *ret_body,
                                       struct err *err);

/* The same, and the answer is taken apart. */
MUST_CHECK enum status lookup_ask(struct lookup *l, const struct client_question *question,
                                  struct arena *a, struct answer *ret_answer, struct err *err);

/* One line of the list. */
MUST_CHECK enum status lookup_print(const struct lookup *l, struct str line, struct err *err);

struct lookup_command {
    const struct command_line *line;
    struct lookup *lookup; /* its options are among the flags of `line` */

    /* Ask and print. The arena is empty, and released afterwards. */
    enum status (*run)(void *context, const struct texts *operands, struct arena *a,
                       struct err *err);
    void *context;
};

/* All of a command: the flags, the range, the connection, `run`; the exit status. */
int lookup_run_command(const struct lookup_command *c, int argc, char **argv);

#endif
