#include "cli/settings.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

#include "base/banned.h"

enum { CONFIG_FILE_BYTES_MAX = 4 * 1024 * 1024 };

/* "--name=value", or "--name" and the next argument. Takes `*i` along. */
static enum status take_flag(char **argv, int argc, int *i, struct str *ret_name,
                             struct str *ret_value, struct err *err)
{
    struct str arg = str_from(argv[*i]);

    if (!str_starts(arg, STR("--")) || arg.len == 2)
        return err_set(err, ST_INVALID, "\"%s\" is not a flag", argv[*i]);
    arg = str_cut(arg, 2);
    size_t equals = str_find_char(arg, '=');
    if (equals != STR_NPOS) {
        *ret_name = str_head(arg, equals);
        *ret_value = str_cut(arg, equals + 1);
        return ST_OK;
    }
    if (*i + 1 >= argc)
        return err_set(err, ST_INVALID, "--%.*s wants a value", STR_ARG(arg));
    *ret_name = arg;
    *ret_value = str_from(argv[++*i]);
    return ST_OK;
}

enum status settings_split(int argc, char **argv, struct settings_source *ret_source,
                           struct err *err)
{
    struct settings_source source = {.flags = argv};

    for (int i = 0; i < argc; i++) {
        int begin = i;
        struct str name, value;
        enum status st = take_flag(argv, argc, &i, &name, &value, err);
        if (st != ST_OK)
            return st;
        if (str_eq(name, STR("config"))) {
            source.file = value.ptr; /* an argument, or the end of one: terminated either way */
            continue;
        }
        for (int j = begin; j <= i; j++)
            source.flags[source.flag_count++] = argv[j];
    }
    *ret_source = source;
    return ST_OK;
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

static enum status set_flag(struct config *c, struct str name, struct str value, struct err *err)
{
    if (str_eq(name, STR("listen")))
        return set_listen(c, value, err);
    if (str_eq(name, STR("data")))
        return config_set(c, STR("storage.data_dir"), value, err);
    return config_set(c, name, value, err);
}

static enum status read_file(struct config *c, const char *file, struct err *err)
{
    struct buf text;

    buf_init(&text, CONFIG_FILE_BYTES_MAX);
    enum status st = io_file_read(file, &text, err);
    if (st == ST_OK)
        st = config_read_yaml(c, buf_str(&text), file, err);
    buf_release(&text);
    return st;
}

enum status settings_read(const struct settings_source *source, struct config *ret_config,
                          struct err *err)
{
    enum status st = config_init(ret_config, err);

    if (st == ST_OK && source->file != NULL)
        st = read_file(ret_config, source->file, err);
    if (st == ST_OK)
        st = config_read_environment(ret_config, environ, err);
    for (int i = 0; i < source->flag_count && st == ST_OK; i++) {
        struct str name, value;
        st = take_flag(source->flags, source->flag_count, &i, &name, &value, err);
        if (st == ST_OK)
            st = set_flag(ret_config, name, value, err);
    }
    if (st == ST_OK)
        st = config_finish(ret_config, err);
    if (st != ST_OK)
        config_release(ret_config);
    return st;
}
