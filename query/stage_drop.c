/*
 * `| drop a, b="v"` and `| keep a, b=~"re"`.
 *
 * The conditions of both are those of stream selectors, not of label filters: expressions are never
 * simplified, and their point takes newlines. The parser has compiled them already.
 */
#include "query/stage.h"

#include "base/banned.h"

#define ERROR_NAME STR("__error__")
#define ERROR_DETAILS_NAME STR("__error_details__")
#define PRESERVE_ERROR_NAME STR("__preserve_error__")

/* Is a label with this value meant? */
static bool means(const struct label_condition *c, struct str value)
{
    return !c->has_matcher || matcher_accepts(&c->matcher, value);
}

static struct str condition_name(const struct label_condition *c)
{
    return c->has_matcher ? c->matcher.name : c->name;
}

static void drop_label(struct label_builder *b, const struct label_condition *c, struct str name)
{
    struct str value = STR_NULL;
    bool is_there = label_builder_get(b, name, &value);

    /* A matcher may accept a label that is not there, which is then deleted all the same. */
    if ((is_there || c->has_matcher) && means(c, value))
        label_builder_delete(b, name);
}

static bool run_drop(const struct stage *s, struct entry_state *e)
{
    const struct stage_expr *expr = s->compiled;
    struct label_builder *b = &e->labels;

    for (size_t i = 0; i < expr->names.count; i++) {
        const struct label_condition *c = &expr->names.conditions[i];
        struct str name = condition_name(c);
        if (str_eq(name, ERROR_NAME)) {
            if (means(c, b->error))
                label_builder_clear_error(b);
        } else if (str_eq(name, ERROR_DETAILS_NAME)) {
            if (means(c, b->error_details))
                label_builder_clear_error_details(b);
        } else {
            drop_label(b, c, name);
        }
    }
    return true;
}

static bool is_kept(const struct stage_expr *expr, const struct label *label)
{
    struct str name = label->name;

    if (str_eq(name, ERROR_NAME) || str_eq(name, ERROR_DETAILS_NAME) ||
        str_eq(name, PRESERVE_ERROR_NAME))
        return true;
    for (size_t i = 0; i < expr->names.count; i++) {
        const struct label_condition *c = &expr->names.conditions[i];
        if (str_eq(condition_name(c), name) && means(c, label->value))
            return true;
    }
    return false;
}

static bool run_keep(const struct stage *s, struct entry_state *e)
{
    const struct stage_expr *expr = s->compiled;
    struct entry_labels before = label_builder_result(&e->labels);

    for (int category = 0; category < LABEL_CATEGORY_COUNT; category++) {
        for (size_t i = 0; i < before.of[category].count; i++) {
            const struct label *label = &before.of[category].pairs[i];
            if (!is_kept(expr, label))
                label_builder_delete(&e->labels, label->name);
        }
    }
    return true;
}

enum status stage_drop_compile(struct arena *a, const struct stage_expr *expr,
                               struct stage *ret_stage, struct err *err)
{
    (void)a;
    (void)err;
    ASSERT(expr->kind == STAGE_DROP);
    *ret_stage = (struct stage){run_drop, expr};
    return ST_OK;
}

enum status stage_keep_compile(struct arena *a, const struct stage_expr *expr,
                               struct stage *ret_stage, struct err *err)
{
    (void)a;
    (void)err;
    ASSERT(expr->kind == STAGE_KEEP);
    *ret_stage = (struct stage){run_keep, expr};
    return ST_OK;
}
