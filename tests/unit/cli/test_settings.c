#include "cli/settings.h"

#include <stdlib.h>

#include <criterion/criterion.h>

enum { ARGS_MAX = 6 };

static const struct settings_case {
    const char *name;
    const char *args[ARGS_MAX];
    const char *listen; /* address and port that come out; NULL: an error */
    uint64_t port;
} settings_cases[] = {
    {"defaults", {NULL}, "127.0.0.1", 3100},
    {"address and port", {"--listen", "10.0.0.1:80"}, "10.0.0.1", 80},
    {"IPv6", {"--listen=[::1]:80"}, "::1", 80},
    {"every address", {"--listen=:80"}, "0.0.0.0", 80},
    {"a setting", {"--server.http_listen_port=81"}, "127.0.0.1", 81},
    {"a setting and its value", {"--server.http_listen_port", "81"}, "127.0.0.1", 81},
    {"both", {"--listen=:80", "--server.http_listen_address", "1.2.3.4"}, "0.0.0.0", 80},
    {"no port", {"--listen=10.0.0.1"}, NULL, 0},
    {"a port that is none", {"--listen=:http"}, NULL, 0},
    {"an unknown setting", {"--nonsense=1"}, NULL, 0},
    {"an unknown level", {"--server.log_level=loud"}, NULL, 0},
    {"an unknown codec", {"--ingester.chunk_encoding=rar"}, NULL, 0},
    {"no such file", {"--config=/nonexistent.yaml"}, NULL, 0},
};

static enum status read_settings(const struct settings_case *c, struct config *config,
                                 struct err *err)
{
    struct settings_source source = {.file = STR_NULL};
    const struct flag_group group = settings_flag_group(&source);
    const struct command_line line = {.command = "serve",
                                      .operands = "",
                                      .text = "",
                                      .groups = &group,
                                      .group_count = 1,
                                      .others = &source.others};
    struct texts operands;
    char *argv[ARGS_MAX];
    int argc = 0;

    for (; argc < ARGS_MAX && c->args[argc] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)c->args[argc];
    cr_assert_eq(flags_parse(&line, argc, argv, &operands, err), FLAGS_RUN, "%s: %s", c->name,
                 err->text);
    return settings_read(&source, config, err);
}

Test(cli_settings, flags)
{
    for (size_t i = 0; i < COUNT_OF(settings_cases); i++) {
        const struct settings_case *c = &settings_cases[i];
        struct config config;
        struct err err = {.text = ""};

        enum status st = read_settings(c, &config, &err);
        if (c->listen == NULL) {
            cr_expect_neq(st, ST_OK, "%s", c->name);
            cr_expect_neq(err.text[0], '\0', "%s: the reason", c->name);
            continue;
        }
        cr_assert_eq(st, ST_OK, "%s: %s", c->name, err.text);
        cr_expect(str_eq(config.settings.http_listen_address, str_from(c->listen)), "%s", c->name);
        cr_expect_eq(config.settings.http_listen_port, c->port, "%s", c->name);
        config_release(&config);
    }
}
