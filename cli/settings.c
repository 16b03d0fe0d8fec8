#include "cli/settings.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"
#include "chunks/codec.h"

#include "base/banned.h"

enum { CONFIG_FILE_BYTES_MAX = 4 * 1024 * 1024 };

#define OPTION(name) offsetof(struct settings_source, name)

static const struct flag_row settings_flags[] = {
    {.name = "config",
     .kind = FLAG_TEXT,
     .offset = OPTION(file),
     .value = "FILE",
     .text = "YAML with any of the settings."},
    {.name = "data",
     .kind = FLAG_TEXT,
     .offset = OPTION(data),
     .value = "DIR",
     .text = "Where everything is kept, ./skald-data by default."},
    {.name = "listen",
     .kind = FLAG_TEXT,
     .offset = OPTION(listen),
     .value = "ADDR:PORT",
     .text = "Where to listen, 127.0.0.1:3100 by default."},
};

struct flag_group settings_flag_group(struct settings_source *source)
{
    return (struct flag_group){settings_flags, COUNT_OF(settings_flags), source};
}

/* "127.0.0.1:3100", "[::1]:3100" or ":3100". */
static enum status set_listen(struct config *c, struct str value, struct err *err)
{
    size_t colon = str_find_last_char(value, ':');

    if (colon == STR_NPOS)
        return err_set(err, ST_INVALID, "--listen: \"%.*s\" is not ADDR:PORT", STR_ARG(value));
    struct str host = str_head(value, colon);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_make(host.ptr + 1, host.len - 2);
    if (host.len == 0)
        host = STR("0.0.0.0");
    enum status st = config_set(c, STR("server.http_listen_address"), host, err);
    if (st == ST_OK)
        st = config_set(c, STR("server.http_listen_port"), str_cut(value, colon + 1), err);
    return st;
}

/* `--name=value`, or `--name` and the next argument, which is there: flags_parse() saw to it. */
static enum status set_other(struct config *c, const struct flag_others *others, int *i,
                             struct err *err)
{
    struct str name = str_cut(str_from(others->items[*i]), 2), value;
    size_t equals = str_find_char(name, '=');

    if (equals != STR_NPOS) {
        value = str_cut(name, equals + 1);
        name = str_head(name, equals);
    } else {
        ASSERT(*i + 1 < others->count);
        value = str_from(others->items[++*i]);
    }
    return config_set(c, name, value, err);
}

static enum status read_file(struct config *c, struct str file, struct err *err)
{
    struct buf text;

    buf_init(&text, CONFIG_FILE_BYTES_MAX);
    enum status st = io_file_read(file.ptr, &text, err); /* an argument: it ends with a zero */
    if (st == ST_OK)
        st = config_read_yaml(c, buf_str(&text), file.ptr, err);
    buf_release(&text);
    return st;
}

/* Words that the table of settings does not know to be right or wrong. */
static enum status check_words(const struct config *c, struct err *err)
{
    const struct settings *s = &c->settings;
    enum log_level level;
    enum codec codec;

    if (log_level_parse(s->log_level, &level) != ST_OK)
        return err_set(err, ST_INVALID,
                       "server.log_level: \"%.*s\" is not debug, info, warn or error",
                       STR_ARG(s->log_level));
    if (codec_by_name(s->chunk_encoding, &codec) != ST_OK)
        return err_set(err, ST_INVALID,
                       "ingester.chunk_encoding: \"%.*s\" is not none, snappy, lz4 or zstd",
                       STR_ARG(s->chunk_encoding));
    return ST_OK;
}

enum status settings_read(const struct settings_source *source, struct config *ret_config,
                          struct err *err)
{
    enum status st = config_init(ret_config, err);

    if (st == ST_OK && source->file.len > 0)
        st = read_file(ret_config, source->file, err);
    if (st == ST_OK)
        st = config_read_environment(ret_config, environ, err);
    for (int i = 0; i < source->others.count && st == ST_OK; i++)
        st = set_other(ret_config, &source->others, &i, err);
    if (st == ST_OK && source->data.len > 0)
        st = config_set(ret_config, STR("storage.data_dir"), source->data, err);
    if (st == ST_OK && source->listen.len > 0)
        st = set_listen(ret_config, source->listen, err);
    if (st == ST_OK)
        st = config_finish(ret_config, err);
    if (st == ST_OK)
        st = check_words(ret_config, err);
    if (st != ST_OK)
        config_release(ret_config);
    return st;
}
