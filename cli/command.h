/*
 * command.h - the subcommands of the single binary.
 *
 * main.c finds the command and calls it with the arguments behind its name. A command returns the
 * exit status: 0 success, 1 failure, 2 wrong usage.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/* clang-format off */
#define COMMANDS(X)                                                                               \
    /* name           function           one line                                     */          \
    X("serve",        cmd_serve,         "run the server")                                        \
    X("push",         cmd_push,          "send the lines of standard input to a server")          \
    X("query",        cmd_query,         "ask a server for log lines")                            \
    X("labels",       cmd_labels,        "ask a server for label names, or the values of one")    \
    X("series",       cmd_series,        "ask a server for the label sets of streams")            \
    X("check-config", cmd_check_config,  "check settings, print what they come to")               \
    X("verify",       cmd_verify,        "check every stored byte of a data directory")           \
    X("dump",         cmd_dump,          "print what a segment or log file holds")
/* clang-format on */

#define X(name, function, text) int function(int argc, char **argv);
COMMANDS(X)
#undef X

enum {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

#endif
