#include "query/hints.h"

#include "query/label_filter.h"
#include "query/template_run.h"

#include "base/banned.h"

struct finding {
    struct arena *arena;
    struct label_table required;
    struct early_filter *early;
    size_t early_count;
    size_t early_capacity;
};

static void require(struct finding *f, struct str name)
{
    label_table_put(f->arena, &f->required, name, STR_NULL);
}

/* A name that a clash made is read from the label that clashes. */
static void require_label(struct finding *f, struct str name)
{
    const struct str suffix = STR("_extracted");

    require(f, name);
    if (str_ends(name, suffix))
        require(f, str_head(name, name.len - suffix.len));
}

static void require_filter(struct finding *f, const struct label_filter_expr *e)
{
    if (e->kind != LABEL_FILTER_AND && e->kind != LABEL_FILTER_OR) {
        require_label(f, e->name);
        return;
    }
    require_filter(f, e->left); /* as deep as the parser lets it be */
    require_filter(f, e->right);
}

/* The stage has compiled it already, so it compiles. */
static void require_template(struct finding *f, struct str text)
{
    const struct template *t;
    struct name_list fields;

    if (template_compile(f->arena, STR("line"), text, &t, NULL) != ST_OK ||
        template_fields(t, f->arena, &fields, NULL) != ST_OK)
        return;
    for (size_t i = 0; i < fields.count; i++)
        require_label(f, fields.names[i]);
}

static void require_of_stage(struct finding *f, const struct stage_expr *s)
{
    if (s->kind == STAGE_LABEL_FILTER)
        require_filter(f, s->label_filter);
    if (s->kind == STAGE_LINE_FORMAT)
        require_template(f, s->text);
    for (size_t i = 0; s->kind == STAGE_LABEL_FORMAT && i < s->label_format.count; i++) {
        const struct label_format *format = &s->label_format.formats[i];
        if (format->is_rename)
            require_label(f, format->value);
        else
            require_template(f, format->value);
    }
}

static void require_of_samples(struct finding *f, const struct pipeline_samples *samples)
{
    for (size_t i = 0; i < samples->unwrap->filter_count; i++)
        require_filter(f, samples->unwrap->filters[i]);
    if (samples->unwrap->label.len > 0)
        require_label(f, samples->unwrap->label);
    for (size_t i = 0; i < samples->grouping->names.count; i++)
        require_label(f, samples->grouping->names.names[i]);
}

/* A filter that stands alone; the first one for a label counts. */
static void add_early(struct finding *f, const struct label_filter_expr *e, const struct stage *s)
{
    if (e->kind == LABEL_FILTER_AND || e->kind == LABEL_FILTER_OR)
        return;
    for (size_t i = 0; i < f->early_count; i++) {
        if (str_eq(f->early[i].name, e->name))
            return;
    }
    struct early_filter *list =
        arena_reserve(f->arena, f->early, f->early_count, &f->early_capacity, sizeof(*f->early));
    if (list == NULL)
        return;
    f->early = list;
    f->early[f->early_count++] = (struct early_filter){e->name, label_filter_passes, s->compiled};
}

static bool is_restricted(const struct pipeline_samples *samples)
{
    return samples != NULL && samples->grouping->kind == GROUPING_BY;
}

enum status hints_find(struct arena *a, const struct hints_source *source,
                       struct label_hints *ret_hints, struct err *err)
{
    const struct log_expr *log = source->log;
    const struct pipeline_samples *samples = source->samples;
    struct finding f = {.arena = a};
    bool restricted = is_restricted(samples);

    for (size_t i = 0; i < log->stage_count; i++) {
        if (restricted)
            require_of_stage(&f, &log->stages[i]);
        if (log->stages[i].kind == STAGE_LABEL_FILTER)
            add_early(&f, log->stages[i].label_filter, &source->stages[i]);
    }
    if (samples != NULL && samples->unwrap->filter_count == 1)
        add_early(&f, samples->unwrap->filters[0], &source->sample_filters[0]);
    if (restricted)
        require_of_samples(&f, samples);
    if (a->failed)
        return arena_status(a, err);
    *ret_hints = (struct label_hints){
        .restricted = restricted,
        .required = f.required,
        .preserve_errors = label_table_find(&f.required, STR("__error__")) != NULL,
        .early = f.early,
        .early_count = f.early_count,
    };
    return ST_OK;
}
