#include "query/pretty.h"

#include "base/time.h"
#include "base/utf8.h"
#include "query/canon.h"

#include "base/banned.h"

/* More than a line, with room for the zero byte of a printf: a text that does not fit is long. */
enum { MEASURED_BYTES = 2 * PRETTY_LINE_BYTES };

static bool is_short(struct buf *measured)
{
    bool fits = !measured->failed && measured->len <= PRETTY_LINE_BYTES;

    buf_release(measured);
    return fits;
}

static bool expr_is_short(const struct expr *e)
{
    struct buf text;

    buf_init(&text, MEASURED_BYTES);
    canon_put_expr(&text, e);
    return is_short(&text);
}

static void put_indent(struct buf *b, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        buf_put(b, STR("  "));
}

static void new_line(struct buf *b, unsigned level)
{
    buf_put_char(b, '\n');
    put_indent(b, level);
}

/* ---- logs ---- */

static void put_stages(struct buf *b, const struct stage_expr *stages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(b, ' ');
        canon_put_stage(b, &stages[i]);
    }
}

/* How many of the stages go on the next line: one, or as many line filters in a row as fit. */
static size_t stages_of_line(const struct stage_expr *stages, size_t count)
{
    size_t filters = 0;
    struct buf text;
    bool fits = true;

    while (filters < count && stages[filters].kind == STAGE_LINE_FILTER && fits) {
        buf_init(&text, MEASURED_BYTES);
        put_stages(&text, stages, filters + 1);
        fits = is_short(&text);
        filters += fits ? 1 : 0;
    }
    return MAX_OF(filters, 1);
}

/*
 * As the reference does it, only the first line of a row of line filters has several of them, and
 * `decolorize` is not indented.
 */
static void put_log_lines(struct buf *b, const struct log_expr *log, unsigned level)
{
    size_t i = 0;

    canon_put_selector(b, log->matchers, log->matcher_count);
    while (i < log->stage_count) {
        bool begins_row = i == 0 || log->stages[i - 1].kind != STAGE_LINE_FILTER;
        size_t count = begins_row ? stages_of_line(&log->stages[i], log->stage_count - i) : 1;
        new_line(b, log->stages[i].kind == STAGE_DECOLORIZE ? 0 : level + 1);
        put_stages(b, &log->stages[i], count);
        i += count;
    }
}

static void put_log(struct buf *b, const struct log_expr *log, unsigned level)
{
    const struct expr e = {.kind = EXPR_LOG, .log = *log};

    if (expr_is_short(&e))
        canon_put_expr(b, &e);
    else
        put_log_lines(b, log, level);
}

/* ---- metrics ---- */

static void put_names(struct buf *b, const struct name_list *names)
{
    buf_put(b, STR(" ("));
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0)
            buf_put(b, STR(", "));
        buf_put(b, names->names[i]);
    }
    buf_put_char(b, ')');
}

/* An empty `by` says nothing, an empty `without` does. */
static void put_grouping(struct buf *b, const struct grouping *g)
{
    if (g->kind == GROUPING_NONE || (g->kind == GROUPING_BY && g->names.count == 0))
        return;
    buf_put(b, g->kind == GROUPING_BY ? STR(" by") : STR(" without"));
    put_names(b, &g->names);
}

static void put_range(struct buf *b, const struct range_expr *range, unsigned level)
{
    put_indent(b, level);
    put_log(b, &range->log, level);
    if (range->unwrap.label.len > 0) {
        new_line(b, level + 1);
        canon_put_unwrap(b, &range->unwrap);
    }
    for (size_t i = 0; i < range->unwrap.filter_count; i++) {
        new_line(b, level + 1);
        buf_put(b, STR("| "));
        canon_put_label_filter(b, range->unwrap.filters[i]);
    }
    buf_put(b, STR(" ["));
    duration_put_prometheus(b, range->range_ns);
    buf_put_char(b, ']');
    if (range->offset_ns == 0)
        return;
    buf_put(b, STR(" offset "));
    if (range->offset_ns > 0 && range->offset_ns % MS_NS == 0)
        duration_put_prometheus(b, range->offset_ns);
    else /* which the other form cannot say */
        duration_put_go(b, range->offset_ns);
}

static void put_range_aggregation(struct buf *b, const struct expr *e, unsigned level)
{
    buf_put(b, str_from(range_op_text(e->range_aggregation.op)));
    buf_put(b, STR("(\n"));
    if (e->range_aggregation.has_parameter) {
        put_indent(b, level + 1);
        canon_put_number(b, e->range_aggregation.parameter);
        buf_put(b, STR(",\n"));
    }
    put_range(b, &e->range_aggregation.range, level + 1);
    new_line(b, level);
    buf_put_char(b, ')');
    put_grouping(b, &e->range_aggregation.grouping);
}

static void put_indented(struct buf *b, const struct expr *e, unsigned level);

static void put_vector_aggregation(struct buf *b, const struct expr *e, unsigned level)
{
    buf_put(b, str_from(vector_op_text(e->vector_aggregation.op)));
    put_grouping(b, &e->vector_aggregation.grouping);
    buf_put(b, STR("(\n"));
    if (e->vector_aggregation.parameter != 0) {
        put_indent(b, level + 1);
        buf_put_i64(b, e->vector_aggregation.parameter);
        buf_put(b, STR(",\n"));
    }
    put_indented(b, e->vector_aggregation.child, level + 1);
    new_line(b, level);
    buf_put_char(b, ')');
}

/* `operand` is the right one, which follows. */
static void put_matching(struct buf *b, const struct binary_modifier *m, const struct expr *operand)
{
    buf_put(b, m->on ? STR(" on") : STR(" ignoring"));
    put_names(b, &m->matching);
    if (m->card == CARD_ONE_TO_ONE) { /* the reference has a blank where the group would be */
        buf_put_char(b, ' ');
        return;
    }
    buf_put(b, m->card == CARD_GROUP_LEFT ? STR(" group_left") : STR(" group_right"));
    if (m->include.count > 0)
        put_names(b, &m->include);
    else if (operand->kind == EXPR_BINARY) /* whose parenthesis must not be taken for names */
        buf_put(b, STR(" ()"));
}

/* How tightly an operator binds; `^` alone groups to the right. */
static int precedence(enum binary_op op)
{
    switch (op) {
    case BINARY_OP_OR:
        return 0;
    case BINARY_OP_AND:
    case BINARY_OP_UNLESS:
        return 1;
    case BINARY_OP_EQ:
    case BINARY_OP_NEQ:
    case BINARY_OP_GT:
    case BINARY_OP_GTE:
    case BINARY_OP_LT:
    case BINARY_OP_LTE:
        return 2;
    case BINARY_OP_ADD:
    case BINARY_OP_SUB:
        return 3;
    case BINARY_OP_MUL:
    case BINARY_OP_DIV:
    case BINARY_OP_MOD:
        return 4;
    case BINARY_OP_POW:
        break;
    }
    return 5;
}

/* Would an operand that is written without parentheses be read as another tree? */
static bool needs_parentheses(const struct expr *parent, const struct expr *operand)
{
    bool groups_right = parent->binary.op == BINARY_OP_POW;
    bool is_right = operand == parent->binary.right;

    int inner = precedence(operand->binary.op), outer = precedence(parent->binary.op);
    return inner < outer || (inner == outer && is_right != groups_right);
}

static void put_binary(struct buf *b, const struct expr *e, unsigned level);

/*
 * A long operation as an operand. The reference never puts it into parentheses, which changes what
 * the query says; here they are left out only where they are not needed.
 */
static void put_operand(struct buf *b, const struct expr *parent, const struct expr *operand,
                        unsigned level)
{
    if (operand->kind == EXPR_BINARY && !expr_is_short(operand) &&
        !needs_parentheses(parent, operand))
        put_binary(b, operand, level);
    else
        put_indented(b, operand, level);
}

static void put_binary(struct buf *b, const struct expr *e, unsigned level)
{
    put_operand(b, e, e->binary.left, level + 1);
    new_line(b, level);
    buf_put(b, str_from(binary_op_text(e->binary.op)));
    if (e->binary.modifier.return_bool)
        buf_put(b, STR(" bool"));
    if (e->binary.modifier.has_matching)
        put_matching(b, &e->binary.modifier, e->binary.right);
    buf_put_char(b, '\n');
    put_operand(b, e, e->binary.right, level + 1);
}

static void put_parenthesized(struct buf *b, const struct expr *e, unsigned level)
{
    buf_put(b, STR("(\n"));
    put_binary(b, e, level + 1);
    new_line(b, level);
    buf_put_char(b, ')');
}

static void put_label_replace(struct buf *b, const struct expr *e, unsigned level)
{
    const struct str texts[] = {e->label_replace.dst, e->label_replace.replacement,
                                e->label_replace.src, e->label_replace.pattern};

    buf_put(b, STR("label_replace(\n"));
    put_indented(b, e->label_replace.child, level + 1);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_put_char(b, ',');
        new_line(b, level + 1);
        utf8_put_quoted(b, texts[i]);
    }
    new_line(b, level);
    buf_put_char(b, ')');
}

static void put_long(struct buf *b, const struct expr *e, unsigned level)
{
    switch (e->kind) {
    case EXPR_LOG:
        put_log_lines(b, &e->log, level);
        return;
    case EXPR_RANGE_AGGREGATION:
        put_range_aggregation(b, e, level);
        return;
    case EXPR_VECTOR_AGGREGATION:
        put_vector_aggregation(b, e, level);
        return;
    case EXPR_LABEL_REPLACE:
        put_label_replace(b, e, level);
        return;
    case EXPR_BINARY:
        put_parenthesized(b, e, level);
        return;
    case EXPR_LITERAL: /* a number can be longer than a line */
    case EXPR_VECTOR:
        canon_put_expr(b, e);
        return;
    }
}

static void put_indented(struct buf *b, const struct expr *e, unsigned level)
{
    put_indent(b, level);
    if (expr_is_short(e))
        canon_put_expr(b, e);
    else
        put_long(b, e, level);
}

void pretty_put_expr(struct buf *b, const struct expr *e)
{
    if (e->kind == EXPR_BINARY && !expr_is_short(e))
        put_binary(b, e, 0);
    else
        put_indented(b, e, 0);
}
