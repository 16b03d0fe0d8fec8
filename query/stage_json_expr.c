/*
 * Each path is looked for on its own, from the beginning of the line: there are few of them, and
 * what they do not lead through is skipped by its brackets. (Where there are many, or many steps
 * into arrays, the end of the query is looked for in between.) The search follows keys and brackets
 * only, so that what is broken elsewhere, above all the end of a line that was cut short, does not
 * matter.
 */
#include "query/stage.h"

#include "base/map.h"
#include "query/json_scan.h"
#include "query/path.h"

#include "base/banned.h"

enum {
    CHECK_PATHS = 16,        /* after so many the end of the query is looked for, */
    LONG_ARRAY_BYTES = 4096, /* and before each step into an array of this length */
};

struct wanted_path {
    struct str id;
    struct path path;
    size_t first; /* the place of the first one with this id */
};

struct json_expr {
    struct wanted_path *wanted;
    size_t count;
};

/* ---- one path ---- */

enum search_result {
    SEARCH_FOUND,
    SEARCH_NOTHING,
    SEARCH_FAULT,
};

struct search {
    struct str rest;
    const struct path_step *steps;
    size_t count;
    size_t matched;  /* steps that the keys around `rest` agree with, <= level */
    ptrdiff_t level; /* objects around `rest`; fewer than 0 after too many braces */
    bool in_element; /* of an array, where faults are silent */
    const struct entry_state *entry;
    struct json_value value;
    enum json_fault fault;
};

static enum search_result search_fault(struct search *s, enum json_fault fault)
{
    if (s->in_element && fault == JSON_FAULT_MALFORMED)
        return SEARCH_NOTHING;
    s->fault = fault;
    return SEARCH_FAULT;
}

/* Are all keys that lead to `rest` those of the path, up to a step of this kind? */
static bool leads_to(const struct search *s, bool is_index)
{
    return s->level >= 0 && (size_t)s->level == s->matched && s->matched < s->count &&
           s->steps[s->matched].is_index == is_index;
}

static bool skip_block(struct search *s)
{
    struct json_value block;

    return json_cut_value(&s->rest, &block) == JSON_FAULT_NONE;
}

/* What the last step led to. */
static enum search_result take_value(struct search *s)
{
    s->fault = json_cut_value(&s->rest, &s->value);
    return s->fault == JSON_FAULT_NONE ? SEARCH_FOUND : SEARCH_FAULT;
}

/*
 * Read the string whose quote was read; if it is a key, compare it. Sets `*ret_on` when the search
 * goes on.
 */
static enum search_result visit_string(struct search *s, bool *ret_on)
{
    struct json_value key;

    if (!json_cut_string(&s->rest, &key))
        return SEARCH_NOTHING;
    json_skip_blanks(&s->rest);
    if (s->rest.len == 0)
        return SEARCH_NOTHING;
    *ret_on = true;
    if (s->rest.ptr[0] != ':')
        return SEARCH_NOTHING;
    *ret_on = false;
    if (s->level < 1)
        return search_fault(s, JSON_FAULT_MALFORMED);
    struct str name = key.escapes ? json_unescape(s->entry->scratch, key.text) : key.text;
    if (name.ptr == NULL)
        return SEARCH_NOTHING;
    s->rest = str_cut(s->rest, 1);
    *ret_on = true;

    size_t place = (size_t)s->level - 1; /* of the step that a key of this object is compared to */
    s->matched = MIN_OF(s->matched, place);
    if (s->matched < place || place >= s->count || s->steps[place].is_index ||
        !str_eq(s->steps[place].key, name))
        return SEARCH_NOTHING;
    s->matched++;
    return s->matched == s->count ? take_value(s) : SEARCH_NOTHING;
}

/* Go on in the element of the array whose bracket was read; false: it has none of this index. */
static bool enter_element(struct search *s)
{
    int64_t index = s->steps[s->matched].index;
    struct str rest = s->rest;
    struct json_value element;

    if (rest.len >= LONG_ARRAY_BYTES && entry_is_late(s->entry))
        return false;
    json_skip_blanks(&rest);
    if (rest.len == 0 || rest.ptr[0] == ']')
        return false;
    for (int64_t i = 0;; i++) {
        json_skip_blanks(&rest);
        struct str begin = rest;
        if (json_cut_value(&rest, &element) != JSON_FAULT_NONE)
            return false;
        if (i == index) {
            s->rest = str_head(begin, begin.len - rest.len);
            break;
        }
        json_skip_blanks(&rest);
        if (rest.len == 0 || rest.ptr[0] != ',')
            return false;
        rest = str_cut(rest, 1);
    }
    s->steps += s->matched + 1;
    s->count -= s->matched + 1;
    s->matched = 0;
    s->level = 0;
    s->in_element = true;
    return true;
}

/* Stand on a bracket or quote and deal with it. */
static enum search_result visit(struct search *s, bool *ret_on)
{
    char c = s->rest.ptr[0];

    *ret_on = true;
    if (c == '[' && s->level < 0) {
        *ret_on = false;
        return search_fault(s, JSON_FAULT_MALFORMED);
    }
    if (c == '[' && !leads_to(s, true)) {
        *ret_on = skip_block(s);
        return SEARCH_NOTHING;
    }
    if (c == '{' && s->level > 0 && (size_t)s->level != s->matched) {
        *ret_on = skip_block(s);
        return SEARCH_NOTHING;
    }
    s->rest = str_cut(s->rest, 1);
    if (c == '"') {
        *ret_on = false;
        return visit_string(s, ret_on);
    }
    if (c == '[') {
        *ret_on = enter_element(s);
        return *ret_on && s->count == 0 ? take_value(s) : SEARCH_NOTHING;
    }
    if (c == '{')
        s->level++;
    if (c == '}')
        s->level--;
    return SEARCH_NOTHING;
}

static bool is_mark(char c)
{
    return c == '"' || c == '{' || c == '}' || c == '[';
}

static enum search_result search_path(struct search *s)
{
    enum search_result got = SEARCH_NOTHING;
    bool on = true;

    while (on && got == SEARCH_NOTHING) {
        size_t at = 0;
        while (at < s->rest.len && !is_mark(s->rest.ptr[at]))
            at++;
        s->rest = str_cut(s->rest, at);
        if (s->rest.len == 0)
            break;
        got = visit(s, &on);
    }
    return got;
}

/* ---- the stage ---- */

/* Everything but an object is treated as a string is. */
static struct str value_text(struct arena *a, struct json_value v)
{
    if (v.kind == JSON_NULL)
        return STR("");
    if (v.kind == JSON_OBJECT)
        return v.text;
    if (v.kind != JSON_STRING)
        v = (struct json_value){JSON_STRING, v.text, str_find_char(v.text, '\\') != STR_NPOS};
    return json_label_value(a, &v);
}

/* `places` has where in the line the value of an id was found: a later one replaces it. */
static bool extract_path(const struct json_expr *x, size_t i, const char **places,
                         struct entry_state *e)
{
    const struct wanted_path *w = &x->wanted[i];
    struct search s = {.rest = e->line, .steps = w->path.steps, .count = w->path.count, .entry = e};

    enum search_result got = search_path(&s);
    if (got == SEARCH_FAULT)
        label_builder_set_parser_error(&e->labels, STR("JSONParserErr"), json_fault_text(s.fault));
    if (got != SEARCH_FOUND)
        return false;
    if (places[w->first] == NULL || places[w->first] <= s.value.text.ptr) {
        places[w->first] = s.value.text.ptr;
        label_builder_set(&e->labels, label_builder_unclash(&e->labels, w->id),
                          value_text(e->scratch, s.value));
    }
    return true;
}

static void fill_missing(const struct json_expr *x, struct label_builder *labels)
{
    struct str value;

    for (size_t i = 0; i < x->count; i++) {
        if (!label_builder_get(labels, x->wanted[i].id, &value))
            label_builder_set(labels, x->wanted[i].id, STR(""));
    }
}

static bool run(const struct stage *s, struct entry_state *e)
{
    const struct json_expr *x = s->compiled;
    size_t found = 0;

    if (e->line.len == 0 || !label_builder_wants_any(&e->labels))
        return true;
    char c = e->line.ptr[0];
    if (c != '"' && c != '{' && c != '[') {
        label_builder_set_parser_error(&e->labels, STR("JSONParserErr"), STR(""));
        return true;
    }
    const char **places = arena_new(e->scratch, const char *, x->count);
    if (places == NULL)
        return true;
    for (size_t i = 0; i < x->count; i++) {
        found += extract_path(x, i, places, e) ? 1 : 0;
        if (i % CHECK_PATHS == CHECK_PATHS - 1 && entry_is_late(e))
            return false;
    }
    if (found < x->count)
        fill_missing(x, &e->labels);
    return true;
}

/* Which of the paths before has the same id. */
static enum status link_ids(struct json_expr *x, struct err *err)
{
    enum status st = ST_OK;
    struct map seen = {NULL, 0, 0};

    for (size_t i = 0; i < x->count && st == ST_OK; i++) {
        const struct wanted_path *before = map_get(&seen, x->wanted[i].id);
        x->wanted[i].first = before == NULL ? i : before->first;
        if (before == NULL && map_set(&seen, x->wanted[i].id, &x->wanted[i]) != ST_OK)
            st = err_set(err, ST_NOMEM, "no memory for the names of a stage");
    }
    map_release(&seen);
    return st;
}

enum status stage_json_expr_compile(struct arena *a, const struct stage_expr *expr,
                                    struct stage *ret_stage, struct err *err)
{
    size_t count = expr->parser.count;
    struct json_expr *x = arena_new(a, struct json_expr, 1);
    struct wanted_path *wanted = arena_new(a, struct wanted_path, count);
    enum status st = ST_OK;

    ASSERT(expr->kind == STAGE_JSON_EXPR && count > 0);
    if (x == NULL || wanted == NULL)
        return arena_status(a, err);
    *x = (struct json_expr){wanted, count};
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        wanted[i].id = expr->parser.extractions[i].id;
        st = path_compile(a, expr->parser.extractions[i].expression, &wanted[i].path, err);
    }
    if (st == ST_OK)
        st = link_ids(x, err);
    if (st == ST_OK)
        *ret_stage = (struct stage){run, x};
    return st;
}
