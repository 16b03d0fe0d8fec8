/*
 * Stages are rows of a table: how the argument of each kind is checked. So far only line filters
 * are run; the others are compiled for their errors.
 */
#include "query/pipeline.h"

#include "query/canon.h"
#include "query/ipset.h"
#include "query/path.h"
#include "query/template.h"

#include "base/banned.h"

enum { STAGE_TEXT_BYTES_MAX = 256 * 1024 };

struct building {
    struct arena *arena;
    struct pipeline *pipeline;
};

static enum status build_line_filter(struct building *b, const struct stage_expr *s,
                                     struct err *err)
{
    struct pipeline *p = b->pipeline;

    return line_filter_compile(b->arena, &s->line_filter, &p->filters[p->filter_count++], err);
}

static enum status check_json_paths(struct building *b, const struct stage_expr *s, struct err *err)
{
    enum status st = ST_OK;
    struct path path;

    for (size_t i = 0; i < s->parser.count && st == ST_OK; i++)
        st = path_compile(b->arena, s->parser.extractions[i].expression, &path, err);
    return st;
}

static enum status check_logfmt_keys(struct building *b, const struct stage_expr *s,
                                     struct err *err)
{
    enum status st = ST_OK;
    struct str key;

    (void)b;
    for (size_t i = 0; i < s->parser.count && st == ST_OK; i++)
        st = path_compile_key(s->parser.extractions[i].expression, &key, err);
    return st;
}

static enum status check_ips(const struct label_filter_expr *f, struct err *err)
{
    struct ipset ips;

    if (f->kind == LABEL_FILTER_AND || f->kind == LABEL_FILTER_OR) {
        enum status st = check_ips(f->left, err);
        return st == ST_OK ? check_ips(f->right, err) : st;
    }
    return f->kind == LABEL_FILTER_IP ? ipset_compile(f->text, &ips, err) : ST_OK;
}

static enum status check_label_filter(struct building *b, const struct stage_expr *s,
                                      struct err *err)
{
    (void)b;
    return check_ips(s->label_filter, err); /* as deep as the parser lets it be */
}

static enum status check_line_format(struct building *b, const struct stage_expr *s,
                                     struct err *err)
{
    const struct template *t;

    enum status st = template_compile(b->arena, STR("line"), s->text, &t, err);
    return st == ST_INVALID ? err_prefix(err, st, "invalid line template") : st;
}

/* Names first, as the reference does: then the templates. */
static enum status check_label_format(struct building *b, const struct stage_expr *s,
                                      struct err *err)
{
    const struct template *t;
    enum status st = ST_OK;

    for (size_t i = 0; i < s->label_format.count; i++) {
        struct str dst = s->label_format.formats[i].dst;
        if (str_eq(dst, STR("__error__")))
            return err_set(err, ST_INVALID, "%.*s cannot be formatted", STR_ARG(dst));
        for (size_t j = 0; j < i; j++) {
            if (str_eq(s->label_format.formats[j].dst, dst))
                return err_set(
                    err, ST_INVALID,
                    "multiple label name '%.*s' not allowed in a single format operation",
                    STR_ARG(dst));
        }
    }
    for (size_t i = 0; i < s->label_format.count && st == ST_OK; i++) {
        const struct label_format *f = &s->label_format.formats[i];
        if (f->is_rename)
            continue;
        st = template_compile(b->arena, STR("label"), f->value, &t, err);
        if (st == ST_INVALID)
            st = err_prefix(err, st, "invalid template for label '%.*s'", STR_ARG(f->dst));
    }
    return st;
}

static const struct stage_row {
    enum status (*build)(struct building *b, const struct stage_expr *s, struct err *err);
    bool runs;
} stage_rows[] = {
    [STAGE_LINE_FILTER] = {build_line_filter, true},
    [STAGE_JSON] = {NULL, false},
    [STAGE_JSON_EXPR] = {check_json_paths, false},
    [STAGE_LOGFMT] = {NULL, false},
    [STAGE_LOGFMT_EXPR] = {check_logfmt_keys, false},
    [STAGE_REGEXP] = {NULL, false},
    [STAGE_PATTERN] = {NULL, false},
    [STAGE_UNPACK] = {NULL, false},
    [STAGE_LABEL_FILTER] = {check_label_filter, false},
    [STAGE_LINE_FORMAT] = {check_line_format, false},
    [STAGE_LABEL_FORMAT] = {check_label_format, false},
    [STAGE_DROP] = {NULL, false},
    [STAGE_KEEP] = {NULL, false},
    [STAGE_DECOLORIZE] = {NULL, false},
};

static enum status stage_error(const struct stage_expr *s, enum status st, struct err *err)
{
    struct buf text;

    if (st != ST_INVALID)
        return st;
    buf_init(&text, STAGE_TEXT_BYTES_MAX);
    canon_put_stage(&text, s);
    err_prefix(err, st, "parse error : stage '%.*s' ", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return st;
}

enum status pipeline_build(struct arena *a, const struct stage_expr *stages, size_t count,
                           struct pipeline *ret_pipeline, struct err *err)
{
    struct pipeline p = {.filters = arena_new(a, struct line_filter, count)};
    struct building b = {a, &p};
    enum status st = ST_OK;

    if (p.filters == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        const struct stage_row *row = &stage_rows[stages[i].kind];
        if (row->build != NULL)
            st = row->build(&b, &stages[i], err);
        if (st != ST_OK)
            return stage_error(&stages[i], st, err);
        if (!row->runs && p.not_run == NULL)
            p.not_run = &stages[i];
    }
    *ret_pipeline = p;
    return ST_OK;
}

bool pipeline_keeps(const struct pipeline *p, struct str line)
{
    for (size_t i = 0; i < p->filter_count; i++) {
        if (!line_filter_keeps(&p->filters[i], line))
            return false;
    }
    return true;
}
