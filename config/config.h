/*
 * config.h - every setting, read-only after start, and the limits of each tenant.
 *
 * A value comes from the last of: the default of options.h, the YAML file, the environment, a flag.
 * The file may also have `overrides:`, a map from tenant to limits that differ for it. Unknown keys
 * and bad values are errors that name the file, the line and the key.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "config/options.h"
#include "config/retention_rules.h"

struct str_list {
    const struct str *items;
    size_t count;
};

/* The C types of the kinds of options.h. */
#define OPTION_TYPE_BOOL bool
#define OPTION_TYPE_COUNT uint64_t
#define OPTION_TYPE_BYTES uint64_t
#define OPTION_TYPE_DURATION int64_t
#define OPTION_TYPE_NUMBER double
#define OPTION_TYPE_STRING struct str
#define OPTION_TYPE_LIST struct str_list
#define OPTION_TYPE_RULES struct retention_rules

#define OPTION_FIELD(section, name, kind, standard, least, most, text) OPTION_TYPE_##kind name;

/* What the process is started with. Names are unique over the sections. */
struct settings {
    SETTINGS(OPTION_FIELD)
};

/* What may differ between tenants and be reread at run time. */
struct limits {
    LIMITS(OPTION_FIELD)
};

#undef OPTION_FIELD

/* One line below `overrides:`. */
struct override {
    struct str tenant;
    struct str name;
    struct str value;
};

struct config {
    struct settings settings;
    struct limits limits;
    struct override *overrides; /* as read */
    size_t override_count;
    size_t override_capacity;
    struct map tenants; /* tenant -> struct limits, made of them by config_finish() */
    struct arena arena; /* every string and list above */
};

/* All defaults. Free with config_release(). Sources are read in order, then config_finish() is
 * called. */
MUST_CHECK enum status config_init(struct config *c, struct err *err);
void config_release(struct config *c);

/*
 * Set `key` ("server.http_listen_port", "auth_enabled") from its text.
 *
 * ST_NOT_FOUND  no such key       ST_INVALID  not a value of its kind, or out of range
 */
MUST_CHECK enum status config_set(struct config *c, struct str key, struct str value,
                                  struct err *err);

/* Apply a YAML document; `file` is for errors. */
MUST_CHECK enum status config_read_yaml(struct config *c, struct str text, const char *file,
                                        struct err *err);

/* Apply the variables SKALD_SECTION_NAME of `environment` (as in environ(7)). */
MUST_CHECK enum status config_read_environment(struct config *c, char **environment,
                                               struct err *err);

/* Work out the limits of the tenants that have overrides. */
MUST_CHECK enum status config_finish(struct config *c, struct err *err);

/* The limits of a tenant, after config_finish(). Valid as long as `c`. */
const struct limits *config_limits(const struct config *c, struct str tenant);

/* Everything as YAML that config_read_yaml() would take. */
void config_put_yaml(struct buf *b, const struct config *c);

/* docs/config.md. */
void config_put_markdown(struct buf *b);

#endif
