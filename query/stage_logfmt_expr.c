/*
 * The ids are set to "" first and overwritten as their keys come, so that the last value wins. An
 * id that the line has as a key is set as well, whatever its expression says: a quirk of the
 * reference that dashboards may have come to rely on.
 */
#include "query/stage.h"

#include "proto/logfmt.h"
#include "query/logfmt_error.h"
#include "query/path.h"

#include "base/banned.h"

struct logfmt_expr {
    bool strict;
    struct label_table keys; /* of each id, by id */
    struct label_table ids;  /* what a key of the line sets, by key */
};

static void set_empty(const struct logfmt_expr *x, struct label_builder *labels)
{
    for (size_t i = 0; i < x->keys.count; i++) {
        struct str id = x->keys.pairs[i].name;
        if (str_eq(label_builder_unclash(labels, id), id))
            label_builder_set(labels, id, STR(""));
    }
}

static bool run(const struct stage *s, struct entry_state *e)
{
    const struct logfmt_expr *x = s->compiled;
    struct logfmt scanner;
    struct logfmt_pair pair;

    if (!label_builder_wants_any(&e->labels))
        return true;
    set_empty(x, &e->labels);
    logfmt_init(&scanner, e->line, x->strict);
    while (logfmt_next(&scanner, &pair)) {
        if (!label_name_may_begin_one(pair.key, &x->ids))
            continue;
        const struct label *id =
            label_table_find(&x->ids, label_name_sanitize(e->scratch, pair.key));
        if (id == NULL)
            continue;
        struct str value = logfmt_value(e->scratch, &pair);
        label_builder_set(&e->labels, label_builder_unclash(&e->labels, id->value),
                          label_value_valid(value) ? value : STR(""));
    }
    logfmt_error_set(&scanner, e);
    return true;
}

static void add_id(struct arena *a, struct logfmt_expr *x, struct str key, struct str id)
{
    if (label_table_find(&x->ids, key) == NULL)
        label_table_put(a, &x->ids, key, id);
}

/* Of two ids with one key the first is set; an id is a key only where it is no other one's. */
static void find_ids(struct arena *a, struct logfmt_expr *x)
{
    for (size_t i = 0; i < x->keys.count; i++)
        add_id(a, x, x->keys.pairs[i].value, x->keys.pairs[i].name);
    for (size_t i = 0; i < x->keys.count; i++)
        add_id(a, x, x->keys.pairs[i].name, x->keys.pairs[i].name);
}

enum status stage_logfmt_expr_compile(struct arena *a, const struct stage_expr *expr,
                                      struct stage *ret_stage, struct err *err)
{
    struct logfmt_expr *x = arena_new(a, struct logfmt_expr, 1);
    enum status st = ST_OK;

    ASSERT(expr->kind == STAGE_LOGFMT_EXPR && expr->parser.count > 0);
    if (x == NULL)
        return arena_status(a, err);
    x->strict = expr->parser.strict;
    for (size_t i = 0; i < expr->parser.count && st == ST_OK; i++) {
        struct str key = STR_NULL;
        st = path_compile_key(expr->parser.extractions[i].expression, &key, err);
        if (st == ST_OK) /* of two expressions with one id the second counts */
            label_table_put(a, &x->keys, expr->parser.extractions[i].id, key);
    }
    find_ids(a, x);
    if (st == ST_OK)
        st = arena_status(a, err);
    if (st == ST_OK)
        *ret_stage = (struct stage){run, x};
    return st;
}
