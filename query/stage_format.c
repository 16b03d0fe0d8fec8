/*
 * `| line_format "{{.a}}"` and `| label_format a=b, c="{{.d}}"`.
 *
 * A template that fails, or does not end within its limits, leaves the line or the label as it was
 * and marks the entry.
 */
#include "query/stage.h"

#include "query/template.h"
#include "query/template_run.h"

#include "base/banned.h"

static struct labels current_labels(const struct entry_state *e)
{
    struct entry_labels labels = label_builder_result(&e->labels);

    return entry_labels_merge(e->scratch, &labels);
}

/* False: it failed, and the entry has the error. */
static bool run_template(const struct template *t, struct labels labels, struct entry_state *e,
                         struct str *ret_text)
{
    struct template_data about = {labels, e->line, e->ts_ns};
    struct err err;

    if (template_run(t, &about, e->scratch, ret_text, &err) == ST_OK)
        return true;
    label_builder_set_error(&e->labels, STR("TemplateFormatErr"), str_from(err.text));
    return false;
}

/* ---- line_format ---- */

struct line_format {
    const struct template *template;
    bool is_field; /* nothing but `{{.field}}` */
    struct str field;
};

static bool run_line_format(const struct stage *s, struct entry_state *e)
{
    const struct line_format *f = s->compiled;
    struct str text = STR_NULL;

    if (f->is_field) {
        (void)label_builder_get(&e->labels, f->field, &text);
        e->line = text;
    } else if (run_template(f->template, current_labels(e), e, &text)) {
        e->line = text;
    }
    return true;
}

enum status stage_line_format_compile(struct arena *a, const struct stage_expr *expr,
                                      struct stage *ret_stage, struct err *err)
{
    struct line_format *f = arena_new(a, struct line_format, 1);

    if (f == NULL)
        return arena_status(a, err);
    enum status st = template_compile(a, STR("line"), expr->text, &f->template, err);
    if (st != ST_OK)
        return st == ST_INVALID ? err_prefix(err, st, "invalid line template") : st;
    f->is_field = template_is_field(f->template, &f->field);
    *ret_stage = (struct stage){run_line_format, f};
    return ST_OK;
}

/* ---- label_format ---- */

struct format {
    struct str dst;
    struct str src;                  /* when it is a rename */
    const struct template *template; /* NULL: it is a rename */
};

struct label_formats {
    struct format *items;
    size_t count;
};

static void rename_label(struct label_builder *b, const struct format *f)
{
    struct str value;

    if (!label_builder_get(b, f->src, &value))
        return;
    label_builder_set(b, f->dst, value);
    label_builder_delete(b, f->src);
}

/* Renames see what was done before them; all templates see the labels the first one saw. */
static bool run_label_format(const struct stage *s, struct entry_state *e)
{
    const struct label_formats *formats = s->compiled;
    struct labels snapshot = {NULL, 0};
    bool has_snapshot = false;
    struct str text;

    for (size_t i = 0; i < formats->count; i++) {
        const struct format *f = &formats->items[i];
        if (f->template == NULL) {
            rename_label(&e->labels, f);
            continue;
        }
        if (!has_snapshot)
            snapshot = current_labels(e);
        has_snapshot = true;
        if (run_template(f->template, snapshot, e, &text))
            label_builder_set(&e->labels, f->dst, text);
    }
    return true;
}

static enum status check_names(const struct stage_expr *expr, struct err *err)
{
    for (size_t i = 0; i < expr->label_format.count; i++) {
        struct str dst = expr->label_format.formats[i].dst;
        if (str_eq(dst, STR("__error__")))
            return err_set(err, ST_INVALID, "%.*s cannot be formatted", STR_ARG(dst));
        for (size_t j = 0; j < i; j++) {
            if (str_eq(expr->label_format.formats[j].dst, dst))
                return err_set(
                    err, ST_INVALID,
                    "multiple label name '%.*s' not allowed in a single format operation",
                    STR_ARG(dst));
        }
    }
    return ST_OK;
}

static enum status compile_format(struct arena *a, const struct label_format *expr,
                                  struct format *ret, struct err *err)
{
    *ret = (struct format){.dst = expr->dst, .src = expr->value};
    if (expr->is_rename)
        return ST_OK;
    enum status st = template_compile(a, STR("label"), expr->value, &ret->template, err);
    return st == ST_INVALID
               ? err_prefix(err, st, "invalid template for label '%.*s'", STR_ARG(expr->dst))
               : st;
}

/* Names first, as the reference does: then the templates. */
enum status stage_label_format_compile(struct arena *a, const struct stage_expr *expr,
                                       struct stage *ret_stage, struct err *err)
{
    enum status st = check_names(expr, err);

    if (st != ST_OK)
        return st;
    struct label_formats *formats = arena_new(a, struct label_formats, 1);
    struct format *items = arena_new(a, struct format, expr->label_format.count);
    if (a->failed)
        return arena_status(a, err);
    for (size_t i = 0; i < expr->label_format.count && st == ST_OK; i++)
        st = compile_format(a, &expr->label_format.formats[i], &items[i], err);
    if (st != ST_OK)
        return st;
    *formats = (struct label_formats){items, expr->label_format.count};
    *ret_stage = (struct stage){run_label_format, formats};
    return ST_OK;
}
