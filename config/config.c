/*
 * The table of options.h is expanded into one array of rows; everything below walks that array. A
 * row knows where its field lies (in struct settings or struct limits), so one setter serves the
 * file, the environment, the flags and the overrides of a tenant.
 */
#include "config/config.h"

#include <ctype.h>
#include <math.h>

#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"
#include "config/config_internal.h"

#include "base/banned.h"

/* Compiled expressions count with all that they may come to need, which they hardly ever do. */
enum { CONFIG_ARENA_BYTES_MAX = 1024 * 1024 * 1024 };

enum option_kind {
    OPTION_BOOL,
    OPTION_COUNT,
    OPTION_BYTES,
    OPTION_DURATION,
    OPTION_NUMBER,
    OPTION_STRING,
    OPTION_LIST,
    OPTION_RULES,
};

static const char *const kind_names[] = {"true or false", "number", "size", "duration",
                                         "number",        "text",   "list", "list of rules"};

struct option {
    struct str section; /* "-" for the top level */
    struct str name;
    enum option_kind kind;
    bool is_limit;
    size_t offset; /* of the field in its struct */
    struct str standard;
    int64_t least; /* both 0: any */
    int64_t most;
    const char *text;
};

#define ROW(section, name, kind, limit, parent, standard, least, most, text)                   \
    {STR_INIT(#section), STR_INIT(#name), OPTION_##kind, limit, offsetof(struct parent, name), \
     STR_INIT(standard), least,           most,          text},
#define SETTING_ROW(section, name, kind, standard, least, most, text) \
    ROW(section, name, kind, false, settings, standard, least, most, text)
#define LIMIT_ROW(section, name, kind, standard, least, most, text) \
    ROW(section, name, kind, true, limits, standard, least, most, text)

static const struct option options[] = {SETTINGS(SETTING_ROW) LIMITS(LIMIT_ROW)};

static struct str section_of(const struct option *o)
{
    return str_eq(o->section, STR("-")) ? STR("") : o->section;
}

static const struct option *option_find(struct str section, struct str name)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (str_eq(section_of(&options[i]), section) && str_eq(options[i].name, name))
            return &options[i];
    }
    return NULL;
}

bool config_is_scalar(struct str section, struct str name)
{
    const struct option *o = option_find(section, name);

    return o != NULL && o->kind != OPTION_LIST && o->kind != OPTION_RULES;
}

bool config_has_section(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(options) && name.len > 0; i++) {
        if (str_eq(section_of(&options[i]), name))
            return true;
    }
    return false;
}

bool config_takes_rules(struct str section, struct str name)
{
    const struct option *o = option_find(section, name);

    return o != NULL && o->kind == OPTION_RULES;
}

static void *field_of(struct settings *s, struct limits *l, const struct option *o)
{
    return (o->is_limit ? (char *)l : (char *)s) + o->offset;
}

/* ---- values from text ---- */

static enum status parse_bool(struct str text, bool *ret)
{
    if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
        return ST_INVALID;
    *ret = str_eq(text, STR("true"));
    return ST_OK;
}

static enum status parse_list(struct arena *a, struct str text, struct str_list *ret)
{
    struct str rest = str_trim(text), item;
    struct str *items = NULL;
    size_t count = 0, capacity = 0;

    while ((count > 0 || rest.len > 0) && str_split(&rest, ',', &item)) {
        items = arena_reserve(a, items, count, &capacity, sizeof(*items));
        if (items == NULL)
            return ST_NOMEM;
        items[count++] = str_trim(item);
    }
    *ret = (struct str_list){items, count};
    return ST_OK;
}

static bool in_range(const struct option *o, int64_t v)
{
    if (o->least == 0 && o->most == 0)
        return true;
    return v >= o->least && (o->most == 0 || v <= o->most);
}

static enum status parse_u64_of(const struct option *o, struct str text, uint64_t *ret)
{
    uint64_t v;
    enum status st = o->kind == OPTION_BYTES ? num_parse_bytes(text, &v) : num_parse_u64(text, &v);

    if (st != ST_OK)
        return st;
    if (v > INT64_MAX || !in_range(o, (int64_t)v))
        return ST_LIMIT;
    *ret = v;
    return ST_OK;
}

static enum status parse_duration_of(const struct option *o, struct str text, int64_t *ret)
{
    int64_t v;

    if (duration_parse_prometheus(text, &v, NULL) != ST_OK &&
        duration_parse_go(text, &v, NULL) != ST_OK)
        return ST_INVALID;
    if (v < 0 || !in_range(o, v))
        return ST_LIMIT;
    *ret = v;
    return ST_OK;
}

/* Infinity is a number one may want for a limit; "not a number" is none. */
static enum status parse_number(struct str text, double *ret)
{
    double v;
    enum status st = num_parse_double(text, &v);

    if (st == ST_OK && isnan(v))
        st = ST_INVALID;
    if (st == ST_OK)
        *ret = v;
    return st;
}

/* Set the field `to` of row `o`; strings are copied into `a`. */
static enum status parse_into(struct arena *a, const struct option *o, struct str text, void *to)
{
    switch (o->kind) {
    case OPTION_BOOL:
        return parse_bool(text, to);
    case OPTION_COUNT:
    case OPTION_BYTES:
        return parse_u64_of(o, text, to);
    case OPTION_DURATION:
        return parse_duration_of(o, text, to);
    case OPTION_NUMBER:
        return parse_number(text, to);
    case OPTION_STRING: {
        struct str copy = arena_str(a, text);
        if (copy.ptr == NULL)
            return ST_NOMEM;
        *(struct str *)to = copy;
        return ST_OK;
    }
    case OPTION_LIST: {
        struct str copy = arena_str(a, text);
        return copy.ptr == NULL ? ST_NOMEM : parse_list(a, copy, to);
    }
    case OPTION_RULES:
        break; /* option_set() */
    }
    return ST_INTERNAL;
}

static void put_range(struct buf *b, const struct option *o);

/* A rule has many ways to be wrong, so the text says which it is. */
static enum status set_rules(struct arena *a, const struct option *o, struct str text,
                             struct retention_rules *to, struct err *err)
{
    enum status st = retention_rules_parse(a, text, to, err);

    if (st == ST_OK)
        return ST_OK;
    return err_prefix(err, st == ST_LIMIT ? ST_NOMEM : st, "%.*s.%.*s", STR_ARG(section_of(o)),
                      STR_ARG(o->name));
}

static enum status option_set(struct arena *a, const struct option *o, struct str text, void *to,
                              struct err *err)
{
    struct str section = section_of(o);
    struct buf range;

    if (o->kind == OPTION_RULES)
        return set_rules(a, o, text, to, err);
    enum status st = parse_into(a, o, text, to);
    if (st == ST_OK)
        return ST_OK;
    buf_init(&range, ERR_TEXT_BYTES);
    put_range(&range, o);
    err_set(err, st == ST_NOMEM ? ST_NOMEM : ST_INVALID, "%.*s%s%.*s: \"%.*s\" is not a %s%.*s",
            STR_ARG(section), section.len > 0 ? "." : "", STR_ARG(o->name), STR_ARG(text),
            kind_names[o->kind], STR_ARG(buf_str(&range)));
    buf_release(&range);
    return st == ST_NOMEM ? ST_NOMEM : ST_INVALID;
}

enum status config_init(struct config *c, struct err *err)
{
    *c = (struct config){0};
    arena_init(&c->arena, CONFIG_ARENA_BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const struct option *o = &options[i];
        enum status st =
            option_set(&c->arena, o, o->standard, field_of(&c->settings, &c->limits, o), err);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

void config_release(struct config *c)
{
    map_release(&c->tenants);
    arena_release(&c->arena);
}

enum status config_set(struct config *c, struct str key, struct str value, struct err *err)
{
    size_t dot = str_find_char(key, '.');
    struct str section = dot == STR_NPOS ? STR("") : str_head(key, dot);
    struct str name = dot == STR_NPOS ? key : str_cut(key, dot + 1);
    const struct option *o = option_find(section, name);

    if (o == NULL)
        return err_set(err, ST_NOT_FOUND, "there is no setting \"%.*s\"", STR_ARG(key));
    return option_set(&c->arena, o, value, field_of(&c->settings, &c->limits, o), err);
}

/* ---- environment ---- */

/* Does `variable` spell SKALD_ and the words of the row in capitals? */
static bool is_variable_of(struct str variable, const struct option *o)
{
    char name[128];
    struct str section = section_of(o);
    size_t len = 0;

    for (size_t i = 0; i < section.len; i++)
        name[len++] = (char)toupper((unsigned char)section.ptr[i]);
    if (section.len > 0)
        name[len++] = '_';
    for (size_t i = 0; i < o->name.len && len < sizeof(name); i++)
        name[len++] = (char)toupper((unsigned char)o->name.ptr[i]);
    return str_eq(variable, str_make(name, len));
}

/* A variable that begins like one of ours but is none is a mistake; SKALD_ADDR and so on are not.
 */
static bool has_section_prefix(struct str variable)
{
    size_t underscore = str_find_char(variable, '_');

    if (underscore == STR_NPOS)
        return false;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (str_eq_nocase(section_of(&options[i]), str_head(variable, underscore)))
            return true;
    }
    return false;
}

enum status config_read_environment(struct config *c, char **environment, struct err *err)
{
    for (char **v = environment; *v != NULL; v++) {
        struct str line = str_from(*v);
        size_t equals = str_find_char(line, '=');
        if (!str_starts(line, STR("SKALD_")) || equals == STR_NPOS)
            continue;
        struct str variable = str_cut(str_head(line, equals), sizeof("SKALD_") - 1);
        const struct option *o = NULL;
        for (size_t i = 0; i < COUNT_OF(options) && o == NULL; i++) {
            if (is_variable_of(variable, &options[i]))
                o = &options[i];
        }
        if (o == NULL && !has_section_prefix(variable))
            continue;
        if (o == NULL)
            return err_set(err, ST_INVALID, "environment: there is no setting for SKALD_%.*s",
                           STR_ARG(variable));
        enum status st = option_set(&c->arena, o, str_cut(line, equals + 1),
                                    field_of(&c->settings, &c->limits, o), err);
        if (st != ST_OK)
            return err_prefix(err, st, "environment: SKALD_%.*s", STR_ARG(variable));
    }
    return ST_OK;
}

/* ---- tenants ---- */

const struct limits *config_limits(const struct config *c, struct str tenant)
{
    const struct limits *own = map_get(&c->tenants, tenant);

    return own == NULL ? &c->limits : own;
}

enum status config_add_override(struct config *c, struct override o, struct err *err)
{
    const struct option *option = option_find(STR("limits"), o.name);
    struct limits scratch;

    if (option == NULL)
        return err_set(err, ST_NOT_FOUND, "there is no limit \"%.*s\"", STR_ARG(o.name));
    enum status st = option_set(&c->arena, option, o.value, (char *)&scratch + option->offset, err);
    if (st != ST_OK)
        return st;
    o.value = arena_str(&c->arena, o.value);
    c->overrides = arena_reserve(&c->arena, c->overrides, c->override_count, &c->override_capacity,
                                 sizeof(*c->overrides));
    if (c->overrides == NULL || o.value.ptr == NULL)
        return arena_status(&c->arena, err);
    c->overrides[c->override_count++] = o;
    return ST_OK;
}

enum status config_finish(struct config *c, struct err *err)
{
    for (size_t i = 0; i < c->override_count; i++) {
        const struct override *o = &c->overrides[i];
        struct limits *own = map_get(&c->tenants, o->tenant);
        if (own == NULL) {
            own = arena_new(&c->arena, struct limits, 1);
            if (own == NULL || map_set(&c->tenants, o->tenant, own) != ST_OK)
                return err_set(err, ST_NOMEM, "no memory for the limits of tenant %.*s",
                               STR_ARG(o->tenant));
            *own = c->limits;
        }
        const struct option *option = option_find(STR("limits"), o->name);
        ASSERT(option != NULL);
        enum status st = option_set(&c->arena, option, o->value, (char *)own + option->offset, err);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* ---- printing ---- */

static void put_size(struct buf *b, uint64_t bytes)
{
    static const char units[] = "KMGT";
    int unit = -1;

    while (bytes > 0 && bytes % KIB == 0 && unit < 3) {
        bytes /= KIB;
        unit++;
    }
    buf_put_i64(b, (int64_t)bytes);
    if (unit >= 0)
        buf_put_char(b, units[unit]);
    buf_put_char(b, 'B');
}

/* As Prometheus writes it, which is the usual form in settings; it knows no less than 1 ms. */
static void put_duration(struct buf *b, int64_t ns)
{
    if (ns % MS_NS == 0)
        duration_put_prometheus(b, ns);
    else
        duration_put_go(b, ns);
}

static void put_number(struct buf *b, const struct option *o, int64_t v)
{
    if (o->kind == OPTION_BYTES)
        put_size(b, (uint64_t)v);
    else if (o->kind == OPTION_DURATION)
        put_duration(b, v);
    else
        buf_put_i64(b, v);
}

static void put_range(struct buf *b, const struct option *o)
{
    if (o->least == 0 && o->most == 0)
        return;
    buf_put(b, o->most == 0 ? STR(" of at least ") : STR(" from "));
    put_number(b, o, o->least);
    if (o->most != 0) {
        buf_put(b, STR(" to "));
        put_number(b, o, o->most);
    }
}

static void put_rules(struct buf *b, const struct retention_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct retention_rule *rule = &rules->items[i];
        buf_put(b, i > 0 ? STR(", {selector: ") : STR("{selector: "));
        utf8_put_quoted(b, rule->selector);
        buf_put(b, STR(", priority: "));
        buf_put_i64(b, rule->priority);
        buf_put(b, STR(", period: "));
        put_duration(b, rule->period);
        buf_put_char(b, '}');
    }
}

static void put_value(struct buf *b, const struct option *o, const void *field)
{
    switch (o->kind) {
    case OPTION_BOOL:
        buf_put(b, *(const bool *)field ? STR("true") : STR("false"));
        break;
    case OPTION_COUNT:
    case OPTION_BYTES:
        put_number(b, o, (int64_t) * (const uint64_t *)field);
        break;
    case OPTION_DURATION:
        put_number(b, o, *(const int64_t *)field);
        break;
    case OPTION_NUMBER:
        num_put_double(b, *(const double *)field);
        break;
    case OPTION_STRING:
        utf8_put_quoted(b, *(const struct str *)field);
        break;
    case OPTION_LIST: {
        const struct str_list *list = field;
        buf_put_char(b, '[');
        for (size_t i = 0; i < list->count; i++) {
            buf_put(b, i > 0 ? STR(", ") : STR(""));
            utf8_put_quoted(b, list->items[i]);
        }
        buf_put_char(b, ']');
        break;
    }
    case OPTION_RULES:
        buf_put_char(b, '[');
        put_rules(b, field);
        buf_put_char(b, ']');
        break;
    }
}

static void put_limits(struct buf *b, const struct limits *l, const char *indent)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const struct option *o = &options[i];
        if (!o->is_limit)
            continue;
        buf_printf(b, "%s%.*s: ", indent, STR_ARG(o->name));
        put_value(b, o, (const char *)l + o->offset);
        buf_put_char(b, '\n');
    }
}

/* Has an earlier override named the same tenant? */
static bool is_mentioned_before(const struct config *c, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (str_eq(c->overrides[k].tenant, c->overrides[i].tenant))
            return true;
    }
    return false;
}

void config_put_yaml(struct buf *b, const struct config *c)
{
    struct str section = STR("");

    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const struct option *o = &options[i];
        if (o->is_limit)
            continue;
        if (!str_eq(section_of(o), section)) {
            section = section_of(o);
            buf_printf(b, "%.*s:\n", STR_ARG(section));
        }
        buf_printf(b, "%s%.*s: ", section.len > 0 ? "  " : "", STR_ARG(o->name));
        put_value(b, o, (const char *)&c->settings + o->offset);
        buf_put_char(b, '\n');
    }
    buf_put(b, STR("limits:\n"));
    put_limits(b, &c->limits, "  ");
    if (c->tenants.count > 0)
        buf_put(b, STR("overrides:\n"));
    for (size_t i = 0; i < c->override_count; i++) {
        const struct limits *own = map_get(&c->tenants, c->overrides[i].tenant);
        if (own == NULL || is_mentioned_before(c, i))
            continue;
        buf_put(b, STR("  "));
        utf8_put_quoted(b, c->overrides[i].tenant);
        buf_put(b, STR(":\n"));
        put_limits(b, own, "    ");
    }
}

void config_put_markdown(struct buf *b)
{
    struct str section = STR("?");

    buf_put(
        b, STR("# Settings\n\n"
               "Made by `make docs` from `config/options.h`: do not edit by hand.\n\n"
               "A value comes from the last of: the default, the YAML file (`--config FILE`), the\n"
               "environment (`SKALD_SECTION_NAME`), a flag (`--section.name=VALUE`). Durations\n"
               "are written `1h30m`, sizes `64MB` (K = 1024). The limits of a tenant that differ\n"
               "stand under `overrides:` in the file, by the name of the tenant; `limits:` and\n"
               "`overrides:` are reread on SIGHUP.\n"));
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        const struct option *o = &options[i];
        if (!str_eq(o->section, section)) {
            section = o->section;
            if (section_of(o).len > 0)
                buf_printf(b, "\n## %.*s\n", STR_ARG(section));
            else
                buf_put(b, STR("\n## top level\n"));
            buf_put(b, STR("\n| setting | default | meaning |\n| --- | --- | --- |\n"));
        }
        buf_printf(b, "| `%.*s` | `%.*s` | %s", STR_ARG(o->name), STR_ARG(o->standard), o->text);
        if (o->least != 0 || o->most != 0) {
            buf_put(b, STR(" A value"));
            put_range(b, o);
            buf_put_char(b, '.');
        }
        buf_put(b, STR(" |\n"));
    }
}
