#include "query/canon.h"

#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/time.h"
#include "base/utf8.h"
#include "query/byte_size.h"
#include "query/label_regex.h"

#include "base/banned.h"

enum {
    EXPONENT_MIN = -4,
    EXPONENT_MAX = 6
}; /* decimal exponents from here to below there: plain */

void canon_put_number(struct buf *b, double v)
{
    char digits[32];
    int exponent;

    if (v == 0 || !isfinite(v)) {
        num_put_double(b, v);
        return;
    }
    int count = num_shortest(v, digits, &exponent);
    exponent--; /* of the first digit */
    if (exponent >= EXPONENT_MIN && exponent < EXPONENT_MAX) {
        num_put_double(b, v);
        return;
    }
    if (v < 0)
        buf_put_char(b, '-');
    buf_put_char(b, digits[0]);
    if (count > 1) {
        buf_put_char(b, '.');
        buf_put(b, str_make(digits + 1, (size_t)count - 1));
    }
    buf_printf(b, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static void put_matcher(struct buf *b, const struct matcher *m)
{
    buf_put(b, m->name);
    buf_put(b, match_op_text(m->op));
    utf8_put_quoted(b, m->value);
}

void canon_put_selector(struct buf *b, const struct matcher *matchers, size_t count)
{
    buf_put_char(b, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put(b, STR(", "));
        put_matcher(b, &matchers[i]);
    }
    buf_put_char(b, '}');
}

static void put_names(struct buf *b, const struct name_list *names)
{
    buf_put_char(b, '(');
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0)
            buf_put_char(b, ',');
        buf_put(b, names->names[i]);
    }
    buf_put_char(b, ')');
}

/* ---- label filters ---- */

static struct str compare_op_text(enum compare_op op)
{
    static const struct str texts[] = {
        [COMPARE_EQ] = STR_INIT("=="), [COMPARE_NEQ] = STR_INIT("!="),
        [COMPARE_GT] = STR_INIT(">"),  [COMPARE_GTE] = STR_INIT(">="),
        [COMPARE_LT] = STR_INIT("<"),  [COMPARE_LTE] = STR_INIT("<="),
    };

    ASSERT((size_t)op < COUNT_OF(texts));
    return texts[op];
}

/*
 * An expression that stays one is printed in back quotes by the reference; one that became
 * something simpler is printed as any matcher. In double quotes if it has a back quote itself, or a
 * zero, which no query may hold as it is.
 */
static void put_string_filter(struct buf *b, const struct matcher *m)
{
    if (m->op != MATCH_RE || str_find_char(m->value, '`') != STR_NPOS ||
        str_find_char(m->value, '\0') != STR_NPOS || label_regex_is_simple(m->value)) {
        put_matcher(b, m);
        return;
    }
    buf_put(b, m->name);
    buf_put(b, STR("=~`"));
    buf_put(b, m->value);
    buf_put_char(b, '`');
}

static void put_pair(struct buf *b, const struct label_filter_expr *f)
{
    buf_put(b, STR("( "));
    canon_put_label_filter(b, f->left);
    buf_put(b, f->kind == LABEL_FILTER_AND ? STR(" , ") : STR(" or "));
    canon_put_label_filter(b, f->right);
    buf_put(b, STR(" )"));
}

void canon_put_label_filter(struct buf *b, const struct label_filter_expr *f)
{
    switch (f->kind) {
    case LABEL_FILTER_STRING:
        put_string_filter(b, &f->matcher);
        return;
    case LABEL_FILTER_AND:
    case LABEL_FILTER_OR:
        put_pair(b, f);
        return;
    case LABEL_FILTER_IP:
        buf_put(b, f->name);
        buf_put(b, f->op == COMPARE_EQ ? STR("=ip(") : STR("!=ip("));
        utf8_put_quoted(b, f->text);
        buf_put_char(b, ')');
        return;
    case LABEL_FILTER_NUMBER:
    case LABEL_FILTER_DURATION:
    case LABEL_FILTER_BYTES:
        break;
    }
    buf_put(b, f->name);
    buf_put(b, compare_op_text(f->op));
    if (f->kind == LABEL_FILTER_NUMBER)
        num_put_double(b, f->number);
    else if (f->kind == LABEL_FILTER_DURATION)
        duration_put_go(b, f->duration_ns);
    else
        byte_size_put(b, f->bytes);
}

/* ---- stages ---- */

static void put_line_filter(struct buf *b, const struct line_filter_expr *f)
{
    static const struct str ops[] = {
        [LINE_CONTAINS] = STR_INIT("|= "), [LINE_NOT_CONTAINS] = STR_INIT("!= "),
        [LINE_RE] = STR_INIT("|~ "),       [LINE_NOT_RE] = STR_INIT("!~ "),
        [LINE_PATTERN] = STR_INIT("|> "),  [LINE_NOT_PATTERN] = STR_INIT("!> "),
    };

    ASSERT((size_t)f->op < COUNT_OF(ops));
    ASSERT(f->count > 0);
    buf_put(b, ops[f->op]);
    for (size_t i = 0; i < f->count; i++) {
        if (i > 0)
            buf_put(b, STR(" or "));
        if (f->alternatives[i].is_ip)
            buf_put(b, STR("ip("));
        utf8_put_quoted(b, f->alternatives[i].text);
        if (f->alternatives[i].is_ip)
            buf_put_char(b, ')');
    }
}

static void put_parser(struct buf *b, const struct stage_expr *s)
{
    bool is_json = s->kind == STAGE_JSON || s->kind == STAGE_JSON_EXPR;

    buf_put(b, is_json ? STR("| json") : STR("| logfmt"));
    if (s->parser.strict)
        buf_put(b, STR(" --strict"));
    if (s->parser.keep_empty)
        buf_put(b, STR(" --keep-empty"));
    for (size_t i = 0; i < s->parser.count; i++) {
        const struct extraction *e = &s->parser.extractions[i];
        buf_put_char(b, i == 0 ? ' ' : ',');
        buf_put(b, e->id);
        buf_put_char(b, '=');
        utf8_put_quoted(b, e->expression);
    }
}

static void put_formats(struct buf *b, const struct stage_expr *s)
{
    buf_put(b, STR("| label_format"));
    for (size_t i = 0; i < s->label_format.count; i++) {
        const struct label_format *f = &s->label_format.formats[i];
        buf_put_char(b, i == 0 ? ' ' : ',');
        buf_put(b, f->dst);
        buf_put_char(b, '=');
        if (f->is_rename)
            buf_put(b, f->value);
        else
            utf8_put_quoted(b, f->value);
    }
}

static void put_conditions(struct buf *b, const struct stage_expr *s)
{
    buf_put(b, s->kind == STAGE_DROP ? STR("| drop") : STR("| keep"));
    for (size_t i = 0; i < s->names.count; i++) {
        const struct label_condition *c = &s->names.conditions[i];
        buf_put_char(b, i == 0 ? ' ' : ',');
        if (c->has_matcher)
            put_matcher(b, &c->matcher);
        else
            buf_put(b, c->name);
    }
}

static void put_with_text(struct buf *b, struct str word, struct str text)
{
    buf_put(b, word);
    utf8_put_quoted(b, text);
}

void canon_put_stage(struct buf *b, const struct stage_expr *s)
{
    switch (s->kind) {
    case STAGE_LINE_FILTER:
        put_line_filter(b, &s->line_filter);
        return;
    case STAGE_JSON:
    case STAGE_JSON_EXPR:
    case STAGE_LOGFMT:
    case STAGE_LOGFMT_EXPR:
        put_parser(b, s);
        return;
    case STAGE_REGEXP:
        put_with_text(b, STR("| regexp "), s->text);
        return;
    case STAGE_PATTERN:
        put_with_text(b, STR("| pattern "), s->text);
        return;
    case STAGE_LINE_FORMAT:
        put_with_text(b, STR("| line_format "), s->text);
        return;
    case STAGE_UNPACK:
        buf_put(b, STR("| unpack"));
        return;
    case STAGE_DECOLORIZE:
        buf_put(b, STR("| decolorize"));
        return;
    case STAGE_LABEL_FILTER:
        buf_put(b, STR("| "));
        canon_put_label_filter(b, s->label_filter);
        return;
    case STAGE_LABEL_FORMAT:
        put_formats(b, s);
        return;
    case STAGE_DROP:
    case STAGE_KEEP:
        put_conditions(b, s);
        return;
    }
}

static void put_log(struct buf *b, const struct log_expr *log)
{
    canon_put_selector(b, log->matchers, log->matcher_count);
    for (size_t i = 0; i < log->stage_count && !b->failed; i++) {
        buf_put_char(b, ' ');
        canon_put_stage(b, &log->stages[i]);
    }
}

/* ---- metrics ---- */

void canon_put_unwrap(struct buf *b, const struct unwrap_expr *u)
{
    static const struct str conversions[] = {
        [UNWRAP_NONE] = STR_INIT(""),
        [UNWRAP_BYTES] = STR_INIT("bytes"),
        [UNWRAP_DURATION] = STR_INIT("duration"),
        [UNWRAP_DURATION_SECONDS] = STR_INIT("duration_seconds"),
    };

    ASSERT((size_t)u->conversion < COUNT_OF(conversions));
    buf_put(b, STR("| unwrap "));
    buf_put(b, conversions[u->conversion]);
    if (u->conversion != UNWRAP_NONE)
        buf_put_char(b, '(');
    buf_put(b, u->label);
    if (u->conversion != UNWRAP_NONE)
        buf_put_char(b, ')');
}

static void put_range(struct buf *b, const struct range_expr *range)
{
    put_log(b, &range->log);
    if (range->unwrap.label.len > 0) {
        buf_put_char(b, ' ');
        canon_put_unwrap(b, &range->unwrap);
    }
    for (size_t i = 0; i < range->unwrap.filter_count; i++) {
        buf_put(b, STR(" | "));
        canon_put_label_filter(b, range->unwrap.filters[i]);
    }
    buf_put_char(b, '[');
    duration_put_prometheus(b, range->range_ns);
    buf_put_char(b, ']');
    if (range->offset_ns != 0) {
        buf_put(b, STR(" offset "));
        duration_put_go(b, range->offset_ns);
    }
}

static void put_grouping(struct buf *b, const struct grouping *g)
{
    if (g->kind == GROUPING_NONE)
        return;
    buf_put(b, g->kind == GROUPING_BY ? STR(" by ") : STR(" without "));
    put_names(b, &g->names);
}

static void put_range_aggregation(struct buf *b, const struct expr *e)
{
    buf_put(b, str_from(range_op_text(e->range_aggregation.op)));
    buf_put_char(b, '(');
    if (e->range_aggregation.has_parameter) {
        num_put_double(b, e->range_aggregation.parameter);
        buf_put_char(b, ',');
    }
    put_range(b, &e->range_aggregation.range);
    buf_put_char(b, ')');
    put_grouping(b, &e->range_aggregation.grouping);
}

static void put_vector_aggregation(struct buf *b, const struct expr *e)
{
    buf_put(b, str_from(vector_op_text(e->vector_aggregation.op)));
    put_grouping(b, &e->vector_aggregation.grouping);
    buf_put_char(b, '(');
    if (e->vector_aggregation.parameter != 0) {
        buf_put_i64(b, e->vector_aggregation.parameter);
        buf_put_char(b, ',');
    }
    canon_put_expr(b, e->vector_aggregation.child);
    buf_put_char(b, ')');
}

/* " on (a,b) group_left (c)"; without a group word, the blank before it stays. */
static void put_matching(struct buf *b, const struct binary_modifier *m)
{
    buf_put(b, m->on ? STR(" on ") : STR(" ignoring "));
    put_names(b, &m->matching);
    buf_put_char(b, ' ');
    if (m->card == CARD_ONE_TO_ONE)
        return;
    buf_put(b, m->card == CARD_GROUP_LEFT ? STR("group_left") : STR("group_right"));
    if (m->include.count > 0) {
        buf_put_char(b, ' ');
        put_names(b, &m->include);
    }
}

static void put_binary(struct buf *b, const struct expr *e)
{
    buf_put_char(b, '(');
    canon_put_expr(b, e->binary.left);
    buf_put_char(b, ' ');
    buf_put(b, str_from(binary_op_text(e->binary.op)));
    if (e->binary.modifier.return_bool)
        buf_put(b, STR(" bool"));
    if (e->binary.modifier.has_matching)
        put_matching(b, &e->binary.modifier);
    buf_put_char(b, ' ');
    canon_put_expr(b, e->binary.right);
    buf_put_char(b, ')');
}

static void put_label_replace(struct buf *b, const struct expr *e)
{
    const struct str texts[] = {e->label_replace.dst, e->label_replace.replacement,
                                e->label_replace.src, e->label_replace.pattern};

    buf_put(b, STR("label_replace("));
    canon_put_expr(b, e->label_replace.child);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_put_char(b, ',');
        utf8_put_quoted(b, texts[i]);
    }
    buf_put_char(b, ')');
}

void canon_put_expr(struct buf *b, const struct expr *e)
{
    if (b->failed) /* of use to whoever asks only whether the text is short */
        return;
    switch (e->kind) {
    case EXPR_LOG:
        put_log(b, &e->log);
        return;
    case EXPR_RANGE_AGGREGATION:
        put_range_aggregation(b, e);
        return;
    case EXPR_VECTOR_AGGREGATION:
        put_vector_aggregation(b, e);
        return;
    case EXPR_BINARY:
        put_binary(b, e);
        return;
    case EXPR_LITERAL:
        canon_put_number(b, e->number);
        return;
    case EXPR_LABEL_REPLACE:
        put_label_replace(b, e);
        return;
    case EXPR_VECTOR:
        buf_printf(b, "vector(%f)", e->number);
        return;
    }
}
