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
    /* name              function              one line */                                        \
    X("serve",          cmd_serve,            "run the server")                                   \
    X("push",           cmd_push,             "send the lines of standard input to a server")     \
    X("query",          cmd_query,            "ask a server for log lines or for series of samples")\
    X("instant-query",  cmd_instant_query,    "ask a server for samples of one moment")           \
    X("labels",         cmd_labels,           "ask a server for label names, or the values of one")\
    X("series",         cmd_series,           "ask a server for the label sets of streams")       \
    X("detected-fields",cmd_detected_fields,  "ask a server which fields log lines have")         \
    X("stats",          cmd_stats,            "ask a server how much there is of some streams")   \
    X("volume",         cmd_volume,           "ask a server how many bytes streams have")         \
    X("volume_range",   cmd_volume_range,     "the same, step by step")                           \
    X("fmt",            cmd_fmt,              "format a query")                                   \
    X("check-config",   cmd_check_config,     "check settings, print what they come to")          \
    X("verify",         cmd_verify,           "check every stored byte of a data directory")      \
    X("rebuild-index",  cmd_rebuild_index,    "make the index again from the segments")           \
    X("dump",           cmd_dump,             "print what a segment or log file holds")
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
