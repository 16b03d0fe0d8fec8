#include "query/stage.h"

#include "base/regex.h"
#include "query/line_needs.h"

#include "base/banned.h"

struct named_group {
    size_t i; /* of the expression, from 1 */
    struct str name;
};

struct regexp_stage {
    const struct regex *re;
    struct line_needs needs;
    struct named_group *named;
    size_t named_count;
    size_t group_count; /* with the whole match */
};

static bool run(const struct stage *s, struct entry_state *e)
{
    const struct regexp_stage *r = s->compiled;

    if (!line_needs_are_met(&r->needs, e->line))
        return true;
    struct str *groups = arena_new(e->scratch, struct str, r->group_count);
    if (groups == NULL || !regex_match(r->re, e->line, groups, r->group_count))
        return true;
    for (size_t i = 0; i < r->named_count; i++) {
        struct str name = r->named[i].name, value = groups[r->named[i].i];
        if (!label_builder_wants(&e->labels, &name))
            continue;
        if (value.ptr == NULL)
            value = STR("");
        if (label_builder_extract(&e->labels, name, value) == EXTRACTED_DROP)
            return false;
    }
    return true;
}

enum status stage_regexp_compile(struct arena *a, const struct stage_expr *expr,
                                 struct stage *ret_stage, struct err *err)
{
    struct regexp_stage *r = arena_new(a, struct regexp_stage, 1);

    ASSERT(expr->kind == STAGE_REGEXP);
    if (r == NULL)
        return arena_status(a, err);
    enum status st = regex_compile_in(a, expr->text, &r->re, err);
    if (st != ST_OK)
        return st;
    r->group_count = regex_group_count(r->re) + 1;
    r->named = arena_new(a, struct named_group, r->group_count);
    if (r->named == NULL)
        return arena_status(a, err);
    for (size_t i = 1; i < r->group_count; i++) {
        struct str name = label_name_sanitize(a, regex_group_name(r->re, i));
        if (name.len > 0)
            r->named[r->named_count++] = (struct named_group){i, name};
    }
    line_needs_add_regex(a, &r->needs, r->re);
    if (a->failed)
        return arena_status(a, err);
    *ret_stage = (struct stage){run, r};
    return ST_OK;
}
