#include "query/stage.h"

#include "proto/logfmt.h"
#include "query/logfmt_error.h"

#include "base/banned.h"

struct logfmt_stage {
    bool strict;
    bool keep_empty;
};

static enum extracted extract_pair(const struct logfmt_stage *l, const struct logfmt_pair *pair,
                                   struct entry_state *e)
{
    bool is_empty = pair->value.len == 0 && !l->keep_empty; /* most words of other lines are */

    if (is_empty || !label_builder_may_want(&e->labels, pair->key))
        return EXTRACTED_MORE;
    struct str name = label_name_sanitize(e->scratch, pair->key);
    if (name.len == 0 || !label_builder_wants(&e->labels, &name))
        return EXTRACTED_MORE;
    struct str value = label_value_sanitize(e->scratch, logfmt_value(e->scratch, pair));
    return label_builder_extract(&e->labels, name, value);
}

static bool run(const struct stage *s, struct entry_state *e)
{
    const struct logfmt_stage *l = s->compiled;
    enum extracted got = EXTRACTED_MORE;
    struct logfmt scanner;
    struct logfmt_pair pair;

    if (!label_builder_wants_any(&e->labels))
        return true;
    logfmt_init(&scanner, e->line, l->strict);
    while (got == EXTRACTED_MORE && logfmt_next(&scanner, &pair))
        got = extract_pair(l, &pair, e);
    logfmt_error_set(&scanner, e);
    return got != EXTRACTED_DROP;
}

enum status stage_logfmt_compile(struct arena *a, const struct stage_expr *expr,
                                 struct stage *ret_stage, struct err *err)
{
    struct logfmt_stage *l = arena_new(a, struct logfmt_stage, 1);

    ASSERT(expr->kind == STAGE_LOGFMT);
    if (l == NULL)
        return arena_status(a, err);
    *l = (struct logfmt_stage){expr->parser.strict, expr->parser.keep_empty};
    *ret_stage = (struct stage){run, l};
    return ST_OK;
}
