#include "query/stage.h"

#include "query/line_pattern.h"

#include "base/banned.h"

static bool run(const struct stage *s, struct entry_state *e)
{
    const struct line_pattern *p = s->compiled;

    if (!label_builder_wants_any(&e->labels))
        return true;
    struct str *values = arena_new(e->scratch, struct str, p->count);
    if (values == NULL || !line_pattern_extract(p, e->line, values))
        return true;
    for (size_t i = 0; i < p->count; i++) {
        struct str name = p->parts[i].text;
        if (values[i].ptr == NULL || !label_builder_wants(&e->labels, &name))
            continue;
        if (label_builder_extract(&e->labels, name, values[i]) == EXTRACTED_DROP)
            return false;
    }
    return true;
}

enum status stage_pattern_compile(struct arena *a, const struct stage_expr *expr,
                                  struct stage *ret_stage, struct err *err)
{
    struct line_pattern *p = arena_new(a, struct line_pattern, 1);

    ASSERT(expr->kind == STAGE_PATTERN);
    if (p == NULL)
        return arena_status(a, err);
    enum status st = line_pattern_compile_parser(a, expr->text, p, err);
    if (st == ST_OK)
        *ret_stage = (struct stage){run, p};
    return st;
}
