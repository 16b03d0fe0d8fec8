/*
 * flags.h - the flags of a command as tables, which are parsed and make its help.
 *
 * A flag is `--name VALUE` or `--name=VALUE`, one with a letter also `-n VALUE` or `-nVALUE`; a
 * switch has no value (or `=true`, `=false`). Flags and operands may stand in any order; `--` ends
 * the flags. What is not given comes from the environment, if the table names variables (an empty
 * one counts as not set), else the field keeps what it had.
 *
 * Ownership  Texts borrow the arguments and the environment.
 */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum flag_kind {
    FLAG_SWITCH,   /* bool */
    FLAG_TEXT,     /* struct str */
    FLAG_TEXTS,    /* struct texts: every use adds one */
    FLAG_COUNT,    /* uint64_t */
    FLAG_BYTES,    /* uint64_t: "4096", "1MiB" */
    FLAG_DURATION, /* int64_t nanoseconds, as Go or as Prometheus writes them; not negative */
    FLAG_TIME,     /* struct flag_time: what the HTTP API takes */
    FLAG_WORD,     /* unsigned: which of the words that `value` lists with `|` between them */
};

enum { TEXTS_MAX = 128 };

struct texts {
    struct str items[TEXTS_MAX];
    size_t count;
};

struct flag_time {
    bool given;
    int64_t ns;
};

struct flag_row {
    const char *name;
    char letter; /* 0: none */
    enum flag_kind kind;
    size_t offset;            /* of the field in the base of the group */
    const char *value;        /* what the help calls the value; NULL for a switch */
    const char *text;         /* one or two sentences */
    const char *variables[2]; /* of the environment; the first that is set counts */
};

struct flag_group {
    const struct flag_row *flags;
    size_t count;
    void *base; /* the struct that has the fields */
};

/* Arguments that no table has, with their values, in order; for settings. */
struct flag_others {
    char **items; /* inside argv, which is rearranged */
    int count;
};

struct command_line {
    const char *command;  /* "query" */
    const char *operands; /* for the usage: "LOGQL" */
    const char *text;     /* what the command does; lines of at most 80 columns */
    const struct flag_group *groups;
    size_t group_count;
    size_t operands_min;
    size_t operands_max;
    struct flag_others *others; /* NULL: an unknown flag is an error */
};

enum flags_verdict {
    FLAGS_RUN,
    FLAGS_HELP, /* --help or -h was met */
    FLAGS_WRONG,
};

/* Parse. On FLAGS_WRONG `err` has the reason; fields may then have changed. */
enum flags_verdict flags_parse(const struct command_line *line, int argc, char **argv,
                               struct texts *ret_operands, struct err *err);

/* Usage, text and the table of flags. */
void flags_put_help(struct buf *b, const struct command_line *line);

/*
 * What every command begins with: parse, and print the help, or what is wrong and the usage. False:
 * the command ends with `*ret_exit`.
 */
bool flags_begin(const struct command_line *line, int argc, char **argv, struct texts *ret_operands,
                 int *ret_exit);

/* A duration as Prometheus ("1d12h") or Go ("1.5h") writes it. */
MUST_CHECK enum status flags_parse_duration(struct str text, int64_t *ret_ns, struct err *err);

/* RFC 3339, or seconds or nanoseconds since 1970, as the HTTP API tells them apart. */
MUST_CHECK enum status flags_parse_time(struct str text, int64_t *ret_ns, struct err *err);

#endif
