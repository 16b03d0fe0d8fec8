/*
 * main.c - find the subcommand and run it.
 */
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "cli/command.h"
#include "cli/print.h"
#include "server/http/version.h"

#include "base/banned.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
#define X(name, function, text) {name, function, text},
    COMMANDS(X)
#undef X
};

static void print_usage(FILE *to)
{
    fputs("Usage: skald COMMAND [ARGUMENTS]\n\n", to);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "  %-16s %s\n", commands[i].name, commands[i].text);
    fputs("\nskald COMMAND --help tells more about one.\n", to);
}

/* Has standard output taken what was printed? */
static int finish(const char *command)
{
    struct err err;

    return print_finish(&err) == ST_OK ? EXIT_GOOD : print_error(command, &err);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return finish(argv[1]);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("skald %s\n", SKALD_VERSION);
        return finish(argv[1]);
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    fprintf(stderr, "skald: there is no command \"%s\"\n\n", argv[1]);
    print_usage(stderr);
    return EXIT_USAGE;
}
