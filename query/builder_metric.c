#include "base/buf.h"
#include "base/num.h"
#include "query/arithmetic.h"
#include "query/parser_internal.h"

#include "base/banned.h"

const char logql_selector_rule[] =
    "queries require at least one regexp or equality matcher that does not have an "
    "empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but "
    "app=~\".+\" will";

/* What a range operation takes. */
static const struct range_trait {
    bool with_unwrap;
    bool without_unwrap;
    bool with_grouping;
} range_traits[] = {
    [RANGE_OP_COUNT_OVER_TIME] = {false, true, false},
    [RANGE_OP_RATE] = {true, true, false},
    [RANGE_OP_RATE_COUNTER] = {true, false, false},
    [RANGE_OP_BYTES_OVER_TIME] = {false, true, false},
    [RANGE_OP_BYTES_RATE] = {false, true, false},
    [RANGE_OP_AVG_OVER_TIME] = {true, false, true},
    [RANGE_OP_SUM_OVER_TIME] = {true, false, false},
    [RANGE_OP_MIN_OVER_TIME] = {true, false, true},
    [RANGE_OP_MAX_OVER_TIME] = {true, false, true},
    [RANGE_OP_STDVAR_OVER_TIME] = {true, false, true},
    [RANGE_OP_STDDEV_OVER_TIME] = {true, false, true},
    [RANGE_OP_QUANTILE_OVER_TIME] = {true, false, true},
    [RANGE_OP_FIRST_OVER_TIME] = {true, false, true},
    [RANGE_OP_LAST_OVER_TIME] = {true, false, true},
    [RANGE_OP_ABSENT_OVER_TIME] = {true, true, false},
};

#define X(name, text) +1
_Static_assert(COUNT_OF(range_traits) == 0 RANGE_OPS(X), "each operation has its traits");
#undef X

/* A selector has to leave something out: one matcher at least must not accept a missing label. */
static const char *selector_error(const struct log_expr *log)
{
    for (size_t i = 0; i < log->matcher_count; i++) {
        if (!matcher_accepts(&log->matchers[i], STR_NULL))
            return NULL;
    }
    return logql_selector_rule;
}

static enum status make_expr(struct parser *p, enum expr_kind kind, unsigned depth,
                             struct expr_value *ret)
{
    struct expr *e = node_new(p, sizeof(*e));

    if (e == NULL)
        return p->status;
    e->kind = kind;
    *ret = (struct expr_value){e, NULL, depth};
    return ST_OK;
}

enum status build_log_query(struct parser *p, const struct log_expr *log, struct expr_value *ret)
{
    enum status st = make_expr(p, EXPR_LOG, 1, ret);

    if (st != ST_OK)
        return st;
    ret->expr->log = *log;
    ret->error = selector_error(log);
    return ST_OK;
}

enum status build_literal(struct parser *p, struct literal_value number, struct expr_value *ret)
{
    enum status st = make_expr(p, EXPR_LITERAL, 1, ret);

    if (st != ST_OK)
        return st;
    ret->expr->number = number.number;
    ret->error = number.error;
    return ST_OK;
}

enum status build_vector(struct parser *p, struct str number, struct expr_value *ret)
{
    const char *reason;

    enum status st = make_expr(p, EXPR_VECTOR, 1, ret);
    if (st == ST_OK)
        st = read_number(p, number, &ret->expr->number, &reason);
    if (st == ST_OK && reason != NULL)
        ret->error = arena_printf(p->a, "unable to parse vectorExpr as a float: %s", reason).ptr;
    return st;
}

/* ---- ranges ---- */

enum status build_name_add(struct parser *p, struct list *names, struct str name)
{
    struct str *place = list_add(p, names, sizeof(*place));

    if (place == NULL)
        return p->status;
    *place = name;
    return ST_OK;
}

static struct name_list name_list_of(struct list names)
{
    return (struct name_list){names.items, names.count};
}

enum status build_grouping(struct parser *p, enum grouping_kind kind, struct list names,
                           struct grouping **ret)
{
    struct grouping *g = node_new(p, sizeof(*g));

    if (g == NULL)
        return p->status;
    *g = (struct grouping){kind, name_list_of(names)};
    *ret = g;
    return ST_OK;
}

enum status build_unwrap(struct parser *p, int conversion, struct str label,
                         struct unwrap_value **ret)
{
    struct unwrap_value *u = node_new(p, sizeof(*u));

    ASSERT(label.len > 0); /* an empty one says that there is no unwrap */
    if (u == NULL)
        return p->status;
    u->expr.label = label;
    u->expr.conversion = (enum unwrap_conversion)conversion;
    *ret = u;
    return ST_OK;
}

enum status build_unwrap_filter(struct parser *p, struct unwrap_value *unwrap,
                                struct filter_value filter)
{
    const struct label_filter_expr **place = list_add(p, &unwrap->filters, sizeof(*place));

    if (place == NULL)
        return p->status;
    *place = filter.filter;
    unwrap->expr.filters = unwrap->filters.items;
    unwrap->expr.filter_count = unwrap->filters.count;
    return ST_OK;
}

enum status build_range(struct parser *p, const struct range_parts *parts, struct range_expr **ret)
{
    struct range_expr *range = node_new(p, sizeof(*range));

    if (range == NULL)
        return p->status;
    range->log = (struct log_expr){parts->matchers.items, parts->matchers.count,
                                   parts->stages.items, parts->stages.count};
    if (parts->unwrap != NULL)
        range->unwrap = parts->unwrap->expr;
    range->range_ns = parts->range_ns;
    range->offset_ns = parts->offset_ns;
    *ret = range;
    return ST_OK;
}

/* ---- aggregations ---- */

/* Read the parameter of a range operation; `*ret_error` is what is wrong with it, or NULL. */
static enum status range_parameter(struct parser *p, const struct call_parts *call, double *ret,
                                   const char **ret_error)
{
    const char *name = range_op_text((enum range_op)call->op), *reason;
    bool wanted = call->op == RANGE_OP_QUANTILE_OVER_TIME;

    *ret_error = NULL;
    if (call->parameter.ptr == NULL) {
        if (wanted)
            *ret_error = arena_printf(p->a, "parameter required for operation %s", name).ptr;
        return ST_OK;
    }
    if (!wanted) {
        *ret_error = arena_printf(p->a, "parameter %.*s not supported for operation %s",
                                  STR_ARG(call->parameter), name)
                         .ptr;
        return ST_OK;
    }
    enum status st = read_number(p, call->parameter, ret, &reason);
    if (st == ST_OK && reason != NULL)
        *ret_error = arena_printf(p->a, "invalid parameter for operation %s: %s", name, reason).ptr;
    return st;
}

static const char *range_error(struct parser *p, const struct call_parts *call)
{
    ASSERT((size_t)call->op < COUNT_OF(range_traits));

    const struct range_trait *trait = &range_traits[call->op];
    const char *name = range_op_text((enum range_op)call->op);
    bool has_unwrap = call->range->unwrap.label.len > 0;

    if (call->grouping != NULL && !trait->with_grouping)
        return arena_printf(p->a, "grouping not allowed for %s aggregation", name).ptr;
    if (has_unwrap && !trait->with_unwrap)
        return arena_printf(p->a, "invalid aggregation %s with unwrap", name).ptr;
    if (!has_unwrap && !trait->without_unwrap)
        return arena_printf(p->a, "invalid aggregation %s without unwrap", name).ptr;
    return selector_error(&call->range->log);
}

enum status build_range_aggregation(struct parser *p, const struct call_parts *call,
                                    struct expr_value *ret)
{
    ASSERT(call->range != NULL && (size_t)call->op < COUNT_OF(range_traits));
    enum status st = make_expr(p, EXPR_RANGE_AGGREGATION, 1, ret);
    if (st != ST_OK)
        return st;
    struct expr *e = ret->expr;
    e->range_aggregation.op = (enum range_op)call->op;
    e->range_aggregation.has_parameter = call->parameter.ptr != NULL;
    e->range_aggregation.range = *call->range;
    if (call->grouping != NULL)
        e->range_aggregation.grouping = *call->grouping;
    st = range_parameter(p, call, &e->range_aggregation.parameter, &ret->error);
    if (st == ST_OK && ret->error == NULL)
        ret->error = range_error(p, call);
    return st;
}

/* Read k; returns what is wrong with it, or NULL. */
static const char *vector_parameter(struct parser *p, const struct call_parts *call, int64_t *ret)
{
    bool wanted = call->op == VECTOR_OP_TOPK || call->op == VECTOR_OP_BOTTOMK ||
                  call->op == VECTOR_OP_APPROX_TOPK;
    const char *name = vector_op_text((enum vector_op)call->op);
    int64_t k;

    if (call->parameter.ptr == NULL)
        return wanted ? arena_printf(p->a, "parameter required for operation %s", name).ptr : NULL;
    if (!wanted)
        return arena_printf(p->a, "unsupported parameter for operation %s(%.*s,", name,
                            STR_ARG(call->parameter))
            .ptr;
    if (num_parse_i64(call->parameter, &k) != ST_OK)
        return arena_printf(p->a, "invalid parameter %s(%.*s,", name, STR_ARG(call->parameter)).ptr;
    if (k <= 0)
        return arena_printf(p->a, "invalid parameter (must be greater than 0) %s(%.*s", name,
                            STR_ARG(call->parameter))
            .ptr;
    *ret = k;
    return NULL;
}

static const char *vector_grouping_error(const struct call_parts *call)
{
    bool some = call->grouping != NULL && call->grouping->names.count > 0;

    if (call->op == VECTOR_OP_APPROX_TOPK && some)
        return "grouping not allowed for approx_topk aggregation";
    if ((call->op == VECTOR_OP_SORT || call->op == VECTOR_OP_SORT_DESC) && some)
        return "sort and sort_desc doesn't allow grouping by ";
    return NULL;
}

enum status build_vector_aggregation(struct parser *p, const struct call_parts *call,
                                     struct expr_value *ret)
{
    struct expr_value v;
    unsigned depth;

    ASSERT(call->child.expr != NULL && call->child.depth > 0);
    enum status st = depth_above(p, call->child.depth, &depth);
    if (st == ST_OK)
        st = make_expr(p, EXPR_VECTOR_AGGREGATION, depth, &v);
    if (st != ST_OK)
        return st;
    v.expr->vector_aggregation.op = (enum vector_op)call->op;
    v.expr->vector_aggregation.child = call->child.expr;
    if (call->grouping != NULL &&
        (call->grouping->kind == GROUPING_WITHOUT || call->grouping->names.count > 0))
        v.expr->vector_aggregation.grouping = *call->grouping; /* `by ()` is the same as nothing */
    v.error = vector_parameter(p, call, &v.expr->vector_aggregation.parameter);
    if (v.error == NULL)
        v.error = vector_grouping_error(call);
    if (v.error == NULL)
        v.error = call->child.error;
    *ret = v;
    return ST_OK;
}

/* ---- label_replace ---- */

/* Compile the anchored pattern for `v`; what is wrong with it becomes the error of `v`. */
static enum status compile_replace(struct parser *p, struct str pattern, struct expr_value *v)
{
    struct err reason;
    struct buf whole;

    buf_init(&whole, 2 * (size_t)QUERY_BYTES_MAX);
    buf_put(&whole, STR("^(?:"));
    buf_put(&whole, pattern);
    buf_put(&whole, STR(")$"));
    enum status st = buf_status(&whole, &reason);
    if (st == ST_OK)
        st = regex_compile_in(p->a, buf_str(&whole), &v->expr->label_replace.re, &reason);
    buf_release(&whole);
    if (st == ST_INVALID) {
        v->error = arena_printf(p->a, "invalid regex in label_replace: %s", reason.text).ptr;
        return ST_OK;
    }
    return st == ST_OK ? ST_OK : parser_stop(p);
}

enum status build_label_replace(struct parser *p, const struct replace_parts *parts,
                                struct expr_value *ret)
{
    struct expr_value v;
    unsigned depth;

    enum status st = depth_above(p, parts->child.depth, &depth);
    if (st == ST_OK)
        st = make_expr(p, EXPR_LABEL_REPLACE, depth, &v);
    if (st != ST_OK)
        return st;
    st = compile_replace(p, parts->pattern, &v);
    if (st != ST_OK)
        return st;
    v.expr->label_replace.child = parts->child.expr;
    v.expr->label_replace.dst = parts->dst;
    v.expr->label_replace.replacement = parts->replacement;
    v.expr->label_replace.src = parts->src;
    v.expr->label_replace.pattern = parts->pattern;
    if (v.error == NULL)
        v.error = parts->child.error;
    if (v.error == NULL && parts->child.expr->kind == EXPR_LITERAL)
        v.error =
            logql_selector_rule; /* a number has no selector, and so none that holds the rule */
    *ret = v;
    return ST_OK;
}

/* ---- binary operations ---- */

enum status build_modifier(struct parser *p, struct binary_modifier value,
                           struct binary_modifier **ret)
{
    struct binary_modifier *m = node_new(p, sizeof(*m));

    if (m == NULL)
        return p->status;
    *m = value;
    *ret = m;
    return ST_OK;
}

void build_matching(struct binary_modifier *modifier, bool on, struct list names)
{
    modifier->has_matching = true;
    modifier->on = on;
    modifier->matching = name_list_of(names);
}

void build_group(struct binary_modifier *modifier, enum match_card card, struct list include)
{
    ASSERT(modifier->has_matching); /* the grammar has no group word without `on` or `ignoring` */
    modifier->card = card;
    modifier->include = name_list_of(include);
}

static bool is_set_op(enum binary_op op)
{
    return op == BINARY_OP_OR || op == BINARY_OP_AND || op == BINARY_OP_UNLESS;
}

static const char *leg_type_error(struct parser *p, enum binary_op op, const char *side,
                                  const struct expr *leg)
{
    if (leg->kind != EXPR_LOG)
        return NULL;
    return arena_printf(p->a, "unexpected type for %s leg of binary operation (%s): *syntax.%s",
                        side, binary_op_text(op),
                        leg->log.stage_count > 0 ? "PipelineExpr" : "MatchersExpr")
        .ptr;
}

static const char *leg_literal_error(struct parser *p, enum binary_op op, const char *side,
                                     const struct expr *leg)
{
    if (!is_set_op(op) || leg->kind != EXPR_LITERAL)
        return NULL;
    return arena_printf(p->a,
                        "unexpected literal for %s leg of logical/set binary operation (%s): %f",
                        side, binary_op_text(op), leg->number)
        .ptr;
}

/* The operation's own error, then those of its legs. */
static const char *binary_error(struct parser *p, const struct binary_parts *parts)
{
    const struct expr_value *l = &parts->left, *r = &parts->right;
    const char *error = leg_type_error(p, parts->op, "left", l->expr);

    if (error == NULL)
        error = leg_type_error(p, parts->op, "right", r->expr);
    if (error == NULL && l->expr->kind == EXPR_LITERAL)
        error = l->error;
    if (error == NULL && r->expr->kind == EXPR_LITERAL)
        error = r->error;
    if (error == NULL)
        error = leg_literal_error(p, parts->op, "left", l->expr);
    if (error == NULL)
        error = leg_literal_error(p, parts->op, "right", r->expr);
    if (error == NULL)
        error = l->error != NULL ? l->error : r->error;
    return error;
}

enum status build_binary(struct parser *p, const struct binary_parts *parts, struct expr_value *ret)
{
    const struct expr *l = parts->left.expr, *r = parts->right.expr;
    const char *error = binary_error(p, parts);
    struct expr_value v;
    unsigned depth;

    ASSERT(parts->left.depth > 0 && parts->right.depth > 0);
    if (error == NULL && l->kind == EXPR_LITERAL && r->kind == EXPR_LITERAL) {
        struct literal_value number = {arithmetic(parts->op, l->number, r->number), NULL};
        return build_literal(p, number, ret);
    }
    enum status st = depth_above(p, MAX_OF(parts->left.depth, parts->right.depth), &depth);
    if (st == ST_OK)
        st = make_expr(p, EXPR_BINARY, depth, &v);
    if (st != ST_OK)
        return st;
    v.expr->binary.op = parts->op;
    v.expr->binary.left = l;
    v.expr->binary.right = r;
    v.expr->binary.modifier = *parts->modifier;
    v.error = error;
    *ret = v;
    return ST_OK;
}
