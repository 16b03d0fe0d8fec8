/*
 * The ids are set to "" first and overwritten as their keys come, so that the last value wins. An
 * id that the line has as a key is set as well, whatever its expression says: a quirk of the
 * reference that dashboards may have come to rely on.
 */
#include "query/stage.h"

#include "base/map.h"
#include "proto/logfmt.h"
#include "query/logfmt_error.h"
#include "query/path.h"

#include "base/banned.h"

struct wanted_key {
    struct str id;
    struct str key;
};

struct logfmt_expr {
    bool strict;
    struct wanted_key *wanted; /* each id once */
    size_t count;
};

static void set_empty(const struct logfmt_expr *x, struct label_builder *labels)
{
    for (size_t i = 0; i < x->count; i++) {
        struct str id = x->wanted[i].id;
        if (str_eq(label_builder_unclash(labels, id), id))
            label_builder_set(labels, id, STR(""));
    }
}

/* The id that a key of the line sets; NULL: none. */
static const struct str *find_id(const struct logfmt_expr *x, struct str key)
{
    for (size_t i = 0; i < x->count; i++) {
        if (str_eq(x->wanted[i].key, key))
            return &x->wanted[i].id;
    }
    for (size_t i = 0; i < x->count; i++) {
        if (str_eq(x->wanted[i].id, key))
            return &x->wanted[i].id;
    }
    return NULL;
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
        const struct str *id = find_id(x, label_name_sanitize(e->scratch, pair.key));
        if (id == NULL)
            continue;
        struct str value = logfmt_value(e->scratch, &pair);
        label_builder_set(&e->labels, label_builder_unclash(&e->labels, *id),
                          label_value_valid(value) ? value : STR(""));
    }
    logfmt_error_set(&scanner, e);
    return true;
}

/* Of two expressions with one id the second counts. */
static enum status add_key(struct logfmt_expr *x, struct map *by_id, struct wanted_key k,
                           struct err *err)
{
    struct wanted_key *before = map_get(by_id, k.id);

    if (before != NULL) {
        before->key = k.key;
        return ST_OK;
    }
    x->wanted[x->count] = k;
    if (map_set(by_id, k.id, &x->wanted[x->count++]) != ST_OK)
        return err_set(err, ST_NOMEM, "no memory for the names of a stage");
    return ST_OK;
}

enum status stage_logfmt_expr_compile(struct arena *a, const struct stage_expr *expr,
                                      struct stage *ret_stage, struct err *err)
{
    struct logfmt_expr *x = arena_new(a, struct logfmt_expr, 1);
    struct wanted_key *wanted = arena_new(a, struct wanted_key, expr->parser.count);
    struct map by_id = {NULL, 0, 0};
    enum status st = ST_OK;

    ASSERT(expr->kind == STAGE_LOGFMT_EXPR && expr->parser.count > 0);
    if (x == NULL || wanted == NULL)
        return arena_status(a, err);
    *x = (struct logfmt_expr){expr->parser.strict, wanted, 0};
    for (size_t i = 0; i < expr->parser.count && st == ST_OK; i++) {
        struct wanted_key k = {.id = expr->parser.extractions[i].id};
        st = path_compile_key(expr->parser.extractions[i].expression, &k.key, err);
        if (st == ST_OK)
            st = add_key(x, &by_id, k, err);
    }
    map_release(&by_id);
    if (st == ST_OK)
        *ret_stage = (struct stage){run, x};
    return st;
}
