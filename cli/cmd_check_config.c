/*
 * skald check-config: the settings that the server would start with, or why it would not.
 */
#include <stdio.h>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "cli/settings.h"

#include "base/banned.h"

enum { OUTPUT_BYTES_MAX = 16 * 1024 * 1024 };

static const char text[] =
    "Reads settings as \"skald serve\" does, from the same flags, variables and file,\n"
    "and prints what they come to as YAML; or prints what is wrong, and ends with 1.\n";

struct check_config {
    struct settings_source source;
    bool markdown;
};

static const struct flag_row flags[] = {
    {.name = "markdown",
     .kind = FLAG_SWITCH,
     .offset = offsetof(struct check_config, markdown),
     .text = "Print a page about all settings instead (docs/config.md)."},
};

static enum status put_settings(struct buf *b, const struct settings_source *source,
                                struct err *err)
{
    struct config config;

    enum status st = settings_read(source, &config, err);
    if (st != ST_OK)
        return st;
    config_put_yaml(b, &config);
    config_release(&config);
    return ST_OK;
}

static enum status print_settings(const struct check_config *c, struct err *err)
{
    enum status st = ST_OK;
    struct buf b;

    buf_init(&b, OUTPUT_BYTES_MAX);
    if (c->markdown)
        config_put_markdown(&b);
    else
        st = put_settings(&b, &c->source, err);
    if (st == ST_OK)
        st = buf_status(&b, err);
    if (st == ST_OK)
        st = print_out(buf_str(&b), err);
    if (st == ST_OK)
        st = print_finish(err);
    buf_release(&b);
    return st;
}

int cmd_check_config(int argc, char **argv)
{
    struct check_config c = {.markdown = false};
    const struct flag_group groups[] = {
        settings_flag_group(&c.source),
        {flags, COUNT_OF(flags), &c},
    };
    const struct command_line line = {
        .command = "check-config",
        .operands = "",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .others = &c.source.others,
    };
    struct texts operands;
    struct err err;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    return print_settings(&c, &err) == ST_OK ? EXIT_GOOD : print_error("check-config", &err);
}
