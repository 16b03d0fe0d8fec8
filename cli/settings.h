/*
 * settings.h - the configuration of a command line: file, environment, flags.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/err.h"
#include "base/str.h"
#include "cli/flags.h"
#include "config/config.h"

struct settings_source {
    struct str file;           /* --config FILE; empty: none */
    struct str data;           /* --data DIR */
    struct str listen;         /* --listen ADDR:PORT */
    struct flag_others others; /* `--section.name VALUE`, in order */
};

/* The first three; the command line must hand the others on (flags.h). */
struct flag_group settings_flag_group(struct settings_source *source);

/*
 * Read all sources into `ret_config` and check what the server would refuse at its start. `err`
 * names the file and line, the variable or the flag.
 */
MUST_CHECK enum status settings_read(const struct settings_source *source,
                                     struct config *ret_config, struct err *err);

#endif
