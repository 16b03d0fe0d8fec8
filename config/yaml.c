/*
 * The YAML file: a map of sections to maps of names to scalars or lists of scalars (one of maps),
 * and `overrides:`, a map of tenants to limits. libyaml gives events; three levels are all there
 * is, so they are walked with one explicit state instead of recursion. Anchors, tags and several
 * documents are refused.
 */
#include "config/config.h"

#include <yaml.h>

#include "base/map.h"
#include "config/config_internal.h"

#include "base/banned.h"

enum { LIST_TEXT_BYTES_MAX = 64 * 1024 };

struct reader {
    struct config *config;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    unsigned documents; /* that have begun */
    struct map keys;    /* that were there, with those above them */
    const char *file;
    struct err *err;
};

static enum status fail(struct reader *r, const char *text)
{
    return err_set(r->err, ST_INVALID, "%s:%zu: %s", r->file, r->event.start_mark.line + 1, text);
}

/* What YAML has beyond maps, lists and values is not for settings. */
static enum status refuse_extras(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_ALIAS_EVENT) {
        return fail(r, "aliases are not supported");
    } else if (e->type == YAML_DOCUMENT_START_EVENT && r->documents++ > 0) {
        return fail(r, "several documents are not supported");
    }
    if (anchor != NULL)
        return fail(r, "anchors are not supported");
    return tag == NULL ? ST_OK : fail(r, "tags are not supported");
}

static enum status next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    if (!r->has_event)
        return err_set(r->err, ST_INVALID, "%s:%zu: %s", r->file, r->parser.problem_mark.line + 1,
                       r->parser.problem == NULL ? "not YAML" : r->parser.problem);
    return refuse_extras(r);
}

static struct str scalar(const struct reader *r)
{
    return str_make((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
}

/* The key at `depth` of `path` and those above it, as `server.log_level`. */
static struct str whole_key(struct reader *r, const struct str path[3], size_t depth, char between)
{
    struct arena *a = &r->config->arena;

    if (depth == 0)
        return path[0];
    if (depth == 1)
        return arena_printf(a, "%.*s%c%.*s", STR_ARG(path[0]), between, STR_ARG(path[1]));
    return arena_printf(a, "%.*s%c%.*s%c%.*s", STR_ARG(path[0]), between, STR_ARG(path[1]), between,
                        STR_ARG(path[2]));
}

static enum status fail_key(struct reader *r, const struct str path[3], size_t depth,
                            const char *text)
{
    return err_set(r->err, ST_INVALID, "%s:%zu: %.*s %s", r->file, r->event.start_mark.line + 1,
                   STR_ARG(whole_key(r, path, depth, '.')), text);
}

/* Each key stands once in its map: of two values one would be taken silently. */
static enum status note_key(struct reader *r, const struct str path[3], size_t depth)
{
    /* the names of tenants may hold dots */
    char between = str_eq(path[0], STR("overrides")) ? '\n' : '.';
    struct str key = whole_key(r, path, depth, between);

    if (key.ptr == NULL)
        return arena_status(&r->config->arena, r->err);
    if (map_get(&r->keys, key) != NULL)
        return fail_key(r, path, depth, "is there a second time");
    if (map_set(&r->keys, key, r) != ST_OK)
        return err_set(r->err, ST_NOMEM, "%s: no memory", r->file);
    return ST_OK;
}

/* Is the list that begins where one value belongs? */
static bool is_list_for_scalar(const struct reader *r, const struct str path[3], size_t depth)
{
    struct str section = depth == 2 ? STR("limits") : depth == 1 ? path[0] : STR("");

    return r->event.type == YAML_SEQUENCE_START_EVENT && config_is_scalar(section, path[depth]);
}

static enum status at_line(struct reader *r, enum status st)
{
    return err_prefix(r->err, st, "%s:%zu", r->file, r->event.start_mark.line + 1);
}

/* The map of a rule, whose start was just read; its text form is appended. */
static enum status read_rule(struct reader *r, struct buf *text)
{
    struct arena *a = &r->config->arena;
    struct retention_rule rule = {.period = -1};
    size_t line = r->event.start_mark.line + 1;

    for (;;) {
        enum status st = next(r);
        if (st != ST_OK)
            return st;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT)
            return fail(r, "expected a key");
        struct str key = arena_str(a, scalar(r));
        if (key.ptr == NULL)
            return arena_status(a, r->err);
        st = next(r);
        if (st == ST_OK && r->event.type != YAML_SCALAR_EVENT)
            return fail(r, "expected a value");
        if (st == ST_OK && retention_rule_set(a, &rule, key, scalar(r), r->err) != ST_OK)
            return at_line(r, err_prefix(r->err, ST_INVALID, "limits.retention_stream"));
        if (st != ST_OK)
            return st;
    }
    if (rule.selector.ptr == NULL || rule.period < 0)
        return err_set(r->err, ST_INVALID,
                       "%s:%zu: limits.retention_stream: a rule needs a selector and a period",
                       r->file, line);
    retention_rule_put(text, &rule);
    return ST_OK;
}

/*
 * The value of a setting as text: a scalar, or the items of a list with commas (rules: semicolons)
 * between.
 */
static enum status read_value(struct reader *r, bool rules, struct buf *text)
{
    buf_reset(text);
    if (r->event.type == YAML_SCALAR_EVENT) {
        buf_put(text, scalar(r));
        return buf_status(text, r->err);
    }
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return fail(r, "expected a value");
    for (size_t i = 0;; i++) {
        enum status st = next(r);
        if (st != ST_OK)
            return st;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return buf_status(text, r->err);
        bool is_rule = rules && r->event.type == YAML_MAPPING_START_EVENT;
        if (!is_rule && r->event.type != YAML_SCALAR_EVENT)
            return fail(r, "expected a value");
        if (i > 0)
            buf_put_char(text, rules ? ';' : ',');
        if (!is_rule)
            buf_put(text, scalar(r));
        else if ((st = read_rule(r, text)) != ST_OK)
            return st;
    }
}

static enum status set(struct reader *r, struct str path[3], size_t depth, struct str value)
{
    struct buf key;
    enum status st;

    if (depth == 3) {
        st = config_add_override(r->config, (struct override){path[1], path[2], value}, r->err);
    } else {
        buf_init(&key, LIST_TEXT_BYTES_MAX);
        if (depth == 2)
            buf_printf(&key, "%.*s.", STR_ARG(path[0]));
        buf_put(&key, path[depth - 1]);
        st = config_set(r->config, buf_str(&key), value, r->err);
        buf_release(&key);
    }
    if (st == ST_OK)
        return ST_OK;
    return at_line(r, ST_INVALID);
}

/*
 * Read the map whose start was just read, at `depth` 0 (the file), 1 (a section, or `overrides`) or
 * 2 (a tenant). `path` holds the keys above it.
 */
static enum status read_map(struct reader *r, struct str path[3], size_t depth, struct buf *text)
{
    for (;;) {
        enum status st = next(r);
        if (st != ST_OK)
            return st;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return ST_OK;
        if (r->event.type != YAML_SCALAR_EVENT)
            return fail(r, "expected a key");
        path[depth] = arena_str(&r->config->arena, scalar(r));
        if (path[depth].ptr == NULL)
            return arena_status(&r->config->arena, r->err);
        st = note_key(r, path, depth);
        if (st == ST_OK)
            st = next(r);
        if (st == ST_OK && is_list_for_scalar(r, path, depth))
            st = fail_key(r, path, depth, "takes one value, not a list");
        if (st != ST_OK)
            return st;

        bool in_overrides = str_eq(path[0], STR("overrides"));
        bool is_section = depth > 0 || in_overrides || config_has_section(path[0]);
        bool empty = r->event.type == YAML_SCALAR_EVENT && scalar(r).len == 0;
        if (r->event.type == YAML_MAPPING_START_EVENT) {
            if (depth == (in_overrides ? 2 : 1))
                return fail(r, "expected a value, not a map");
            st = read_map(r, path, depth + 1, text);
            if (st == ST_OK && !is_section) /* there was nothing in it that could be refused */
                st = set(r, path, depth + 1, STR(""));
        } else if (!(empty && is_section && depth < (in_overrides ? 2 : 1))) {
            if (in_overrides && depth < 2)
                return fail(r, "expected a map");
            struct str section = in_overrides ? STR("limits") : path[0];
            st = read_value(r, config_takes_rules(section, path[depth]), text);
            if (st == ST_OK)
                st = set(r, path, depth + 1, buf_str(text));
        }
        if (st != ST_OK)
            return st;
    }
}

static enum status read_document(struct reader *r, struct buf *text)
{
    struct str path[3] = {STR_NULL, STR_NULL, STR_NULL};

    for (;;) {
        enum status st = next(r);
        if (st != ST_OK || r->event.type == YAML_STREAM_END_EVENT)
            return st;
        if (r->event.type == YAML_MAPPING_START_EVENT)
            st = read_map(r, path, 0, text);
        else if (r->event.type == YAML_SEQUENCE_START_EVENT ||
                 (r->event.type == YAML_SCALAR_EVENT && scalar(r).len > 0))
            st = fail(r, "expected a map of sections");
        if (st != ST_OK)
            return st;
    }
}

enum status config_read_yaml(struct config *c, struct str text, const char *file, struct err *err)
{
    struct reader r = {.config = c, .file = file, .err = err};
    struct buf value;

    if (yaml_parser_initialize(&r.parser) == 0)
        return err_set(err, ST_NOMEM, "%s: no memory", file);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.len > 0 ? text.ptr : ""),
                                 text.len);
    buf_init(&value, LIST_TEXT_BYTES_MAX);
    enum status st = read_document(&r, &value);
    buf_release(&value);
    map_release(&r.keys);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return st;
}
