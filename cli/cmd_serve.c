/*
 * skald serve: the process around the server. Signals are waited for, not handled: every thread
 * blocks them, and this one takes them one by one.
 */
#include <signal.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/print.h"
#include "cli/settings.h"
#include "server/http/server.h"
#include "server/http/version.h"

#include "base/banned.h"

static const char text[] =
    "Serves the HTTP API of Loki; everything is kept in one directory. Needs no\n"
    "configuration. Every setting of docs/config.md is a flag --SECTION.OPTION VALUE,\n"
    "a variable SKALD_SECTION_OPTION, and a key of the YAML file; flags win over\n"
    "variables, variables over the file.\n"
    "\n"
    "SIGTERM and SIGINT end it, SIGHUP rereads the limits of the file.\n";

/* A configuration that was read while running. It is kept: requests may still look at it. */
struct generation {
    struct generation *older;
    struct config config;
};

static void reload(struct server *server, const struct settings_source *source,
                   struct generation **newest)
{
    struct generation *g = mem_new(1, sizeof(*g));
    struct err err = {.status = ST_NOMEM};

    enum status st = g == NULL ? ST_NOMEM : settings_read(source, &g->config, &err);
    if (st != ST_OK) {
        LOG(LOG_ERROR, "the settings are not reloaded", LOG_ERR(&err));
        mem_free(g);
        return;
    }
    g->older = *newest;
    *newest = g;
    server_set_config(server, &g->config);
    LOG(LOG_INFO, "limits reloaded", LOG_STR("file", source->file));
}

static void free_generations(struct generation *g)
{
    while (g != NULL) {
        struct generation *older = g->older;
        config_release(&g->config);
        mem_free(g);
        g = older;
    }
}

static void block_signals(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    (void)sigaddset(ret_set, SIGTERM);
    (void)sigaddset(ret_set, SIGINT);
    (void)sigaddset(ret_set, SIGHUP);
    (void)sigaddset(ret_set, SIGPIPE); /* writes to closed sockets are errors, not signals */
    (void)pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    (void)sigdelset(ret_set, SIGPIPE);
}

static void serve_until_told(struct server *server, const struct settings_source *source,
                             const sigset_t *signals)
{
    struct generation *newest = NULL;
    int signal_number;

    for (;;) {
        if (sigwait(signals, &signal_number) != 0)
            continue;
        if (signal_number != SIGHUP)
            break;
        reload(server, source, &newest);
    }
    LOG(LOG_INFO, "stopping", LOG_INT("signal", signal_number));
    server_stop(server);
    free_generations(newest);
}

static int serve(const struct settings_source *source)
{
    struct config config;
    struct server *server = NULL;
    struct err err = {.status = ST_OK};
    enum log_level level;
    sigset_t signals;

    mem_tune();
    if (settings_read(source, &config, &err) != ST_OK) {
        (void)print_error("serve", &err);
        return EXIT_USAGE;
    }
    const struct settings *settings = &config.settings;
    if (log_level_parse(settings->log_level, &level) == ST_OK)
        log_level_set(level);
    block_signals(&signals);
    if (server_start(&config, &server, &err) != ST_OK) {
        LOG(LOG_ERROR, "cannot start", LOG_ERR(&err));
        config_release(&config);
        return EXIT_FAILED;
    }
    LOG(LOG_INFO, "serving", LOG_TEXT("version", SKALD_VERSION),
        LOG_STR("address", settings->http_listen_address), LOG_INT("port", server_port(server)),
        LOG_STR("data", settings->data_dir));
    serve_until_told(server, source, &signals);
    config_release(&config);
    LOG(LOG_INFO, "stopped", LOG_INT("status", 0));
    return EXIT_GOOD;
}

int cmd_serve(int argc, char **argv)
{
    struct settings_source source = {.file = STR_NULL};
    const struct flag_group group = settings_flag_group(&source);
    const struct command_line line = {
        .command = "serve",
        .operands = "",
        .text = text,
        .groups = &group,
        .group_count = 1,
        .others = &source.others,
    };
    struct texts operands;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    return serve(&source);
}
