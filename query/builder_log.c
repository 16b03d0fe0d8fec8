#include "query/parser_internal.h"

#include "base/banned.h"

/* ---- selectors ---- */

/* Where the match stands decides whether its expression is needed; here it is only checked. */
enum status build_match(struct parser *p, enum match_op op, struct str name, struct str value,
                        struct matcher **ret)
{
    if (op == MATCH_RE || op == MATCH_NRE) {
        enum status st = check_regex(p, value);
        if (st != ST_OK)
            return st;
    }
    struct matcher *m = node_new(p, sizeof(*m));
    if (m == NULL)
        return p->status;
    *m = (struct matcher){.name = name, .op = op, .value = value};
    *ret = m;
    return ST_OK;
}

/* Compile the expression of `m` for good. */
static enum status compile(struct parser *p, const struct matcher *m, struct matcher *ret)
{
    struct err reason;

    if (matcher_make(p->a, m, ret, &reason) == ST_OK)
        return ST_OK;
    return p->a->failed ? parser_stop(p) : parser_refuse(p, "%s", reason.text);
}

enum status build_selector_add(struct parser *p, struct list *matchers, const struct matcher *m)
{
    struct matcher *place = list_add(p, matchers, sizeof(*place));

    return place == NULL ? p->status : compile(p, m, place);
}

enum status build_log(struct parser *p, struct list matchers, struct list stages,
                      struct log_expr **ret)
{
    struct log_expr *log = node_new(p, sizeof(*log));

    if (log == NULL)
        return p->status;
    *log = (struct log_expr){matchers.items, matchers.count, stages.items, stages.count};
    *ret = log;
    return ST_OK;
}

/* ---- line filters ---- */

enum status build_line_term(struct parser *p, struct str text, bool is_ip, struct line_term *next,
                            struct line_term **ret)
{
    struct line_term *term = node_new(p, sizeof(*term));

    if (term == NULL)
        return p->status;
    *term = (struct line_term){{text, is_ip}, next};
    *ret = term;
    return ST_OK;
}

enum status build_line_filter(struct parser *p, int op, struct str text, bool is_ip,
                              struct line_filter_value **ret)
{
    struct line_filter_value *filter = node_new(p, sizeof(*filter));

    if (filter == NULL)
        return p->status;
    ASSERT(op >= LINE_CONTAINS && op <= LINE_NOT_PATTERN);
    filter->op = (enum line_op)op;
    *ret = filter;
    return build_line_filter_or(p, filter, &(struct line_term){{text, is_ip}, NULL});
}

enum status build_line_filter_or(struct parser *p, struct line_filter_value *filter,
                                 const struct line_term *more)
{
    for (; more != NULL; more = more->next) {
        struct line_alternative *place = list_add(p, &filter->alternatives, sizeof(*place));
        if (place == NULL)
            return p->status;
        *place = more->alternative;
    }
    return ST_OK;
}

static enum status add_line_filter(struct parser *p, struct list *stages, enum line_op op,
                                   struct line_alternative *alternatives, size_t count)
{
    struct stage_expr *stage = list_add(p, stages, sizeof(*stage));

    if (stage == NULL)
        return p->status;
    stage->kind = STAGE_LINE_FILTER;
    stage->line_filter = (struct line_filter_expr){op, alternatives, count};
    return ST_OK;
}

enum status build_line_stages(struct parser *p, struct list *stages,
                              const struct line_filter_value *filter)
{
    struct line_alternative *alternatives = filter->alternatives.items;
    size_t count = filter->alternatives.count;
    enum status st = ST_OK;

    ASSERT(count > 0);
    if (filter->op != LINE_NOT_CONTAINS && filter->op != LINE_NOT_RE &&
        filter->op != LINE_NOT_PATTERN)
        return add_line_filter(p, stages, filter->op, alternatives, count);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = add_line_filter(p, stages, filter->op, &alternatives[i], 1);
    return st;
}

/* ---- stages ---- */

enum status build_stage(struct parser *p, enum stage_kind kind, struct stage_expr **ret)
{
    struct stage_expr *stage = node_new(p, sizeof(*stage));

    if (stage == NULL)
        return p->status;
    stage->kind = kind;
    *ret = stage;
    return ST_OK;
}

enum status build_regexp_stage(struct parser *p, struct str expression, struct stage_expr **ret)
{
    enum status st = check_regexp_stage(p, expression);

    if (st == ST_OK)
        st = build_stage(p, STAGE_REGEXP, ret);
    if (st == ST_OK)
        (*ret)->text = expression;
    return st;
}

enum status build_pattern_stage(struct parser *p, struct str expression, struct stage_expr **ret)
{
    enum status st = check_pattern_stage(p, expression);

    if (st == ST_OK)
        st = build_stage(p, STAGE_PATTERN, ret);
    if (st == ST_OK)
        (*ret)->text = expression;
    return st;
}

enum status build_filter_stage(struct parser *p, struct filter_value filter,
                               struct list *ret_stages)
{
    struct stage_expr stage = {.kind = STAGE_LABEL_FILTER, .label_filter = filter.filter};

    return build_stage_list(p, &stage, ret_stages);
}

enum status build_stage_list(struct parser *p, const struct stage_expr *stage,
                             struct list *ret_stages)
{
    struct list list = {0};
    struct stage_expr *place = list_add(p, &list, sizeof(*place));

    if (place == NULL)
        return p->status;
    *place = *stage;
    *ret_stages = list;
    return ST_OK;
}

enum status build_stages_add(struct parser *p, struct list *stages, struct list more)
{
    const struct stage_expr *from = more.items;

    for (size_t i = 0; i < more.count; i++) {
        struct stage_expr *place = list_add(p, stages, sizeof(*place));
        if (place == NULL)
            return p->status;
        *place = from[i];
    }
    return ST_OK;
}

void build_flag(struct stage_expr *stage, struct str flag)
{
    ASSERT(stage->kind == STAGE_LOGFMT);
    if (str_eq(flag, STR("--strict")))
        stage->parser.strict = true;
    else
        stage->parser.keep_empty = true;
}

enum status build_extraction(struct parser *p, struct str id, struct str expression,
                             struct extraction **ret)
{
    struct extraction *e = node_new(p, sizeof(*e));

    if (e == NULL)
        return p->status;
    *e = (struct extraction){id, expression};
    *ret = e;
    return ST_OK;
}

enum status build_extraction_add(struct parser *p, struct list *list, const struct extraction *e)
{
    struct extraction *place = list_add(p, list, sizeof(*place));

    if (place == NULL)
        return p->status;
    *place = *e;
    return ST_OK;
}

void build_extractions(struct stage_expr *stage, struct list list)
{
    ASSERT(stage->kind == STAGE_JSON || stage->kind == STAGE_LOGFMT);
    stage->kind = stage->kind == STAGE_JSON ? STAGE_JSON_EXPR : STAGE_LOGFMT_EXPR;
    stage->parser.extractions = list.items;
    stage->parser.count = list.count;
}

enum status build_format(struct parser *p, struct str dst, struct str value, bool is_rename,
                         struct label_format **ret)
{
    struct label_format *f = node_new(p, sizeof(*f));

    if (f == NULL)
        return p->status;
    *f = (struct label_format){dst, value, is_rename};
    *ret = f;
    return ST_OK;
}

enum status build_format_add(struct parser *p, struct list *list, const struct label_format *f)
{
    struct label_format *place = list_add(p, list, sizeof(*place));

    if (place == NULL)
        return p->status;
    *place = *f;
    return ST_OK;
}

void build_formats(struct stage_expr *stage, struct list list)
{
    ASSERT(stage->kind == STAGE_LABEL_FORMAT && list.count > 0);
    stage->label_format.formats = list.items;
    stage->label_format.count = list.count;
}

enum status build_condition(struct parser *p, struct str name, const struct matcher *m,
                            struct label_condition **ret)
{
    struct label_condition *c = node_new(p, sizeof(*c));

    if (c == NULL)
        return p->status;
    c->name = name;
    c->has_matcher = m != NULL;
    *ret = c;
    return m == NULL ? ST_OK : compile(p, m, &c->matcher);
}

enum status build_condition_add(struct parser *p, struct list *list,
                                const struct label_condition *c)
{
    struct label_condition *place = list_add(p, list, sizeof(*place));

    if (place == NULL)
        return p->status;
    *place = *c;
    return ST_OK;
}

void build_conditions(struct stage_expr *stage, struct list list)
{
    ASSERT((stage->kind == STAGE_DROP || stage->kind == STAGE_KEEP) && list.count > 0);
    stage->names.conditions = list.items;
    stage->names.count = list.count;
}
