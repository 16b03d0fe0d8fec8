/*
 * settings.h - the configuration of a command line: file, environment, flags.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/err.h"
#include "config/config.h"

struct settings_source {
    const char *file; /* --config FILE; NULL: none */
    char **flags;     /* every other flag, in order */
    int flag_count;
};

/*
 * Read all sources into `ret_config`. Flags are `--listen ADDR:PORT`, `--data DIR` and
 * `--section.name VALUE`, each also with `=`.
 */
MUST_CHECK enum status settings_read(const struct settings_source *source,
                                     struct config *ret_config, struct err *err);

/* Take `--config` out of the arguments; the rest are flags. */
MUST_CHECK enum status settings_split(int argc, char **argv, struct settings_source *ret_source,
                                      struct err *err);

#endif
