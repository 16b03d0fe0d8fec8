/*
 * The walk meets members in the order of the line and asks the hints before it touches a value. An
 * object inside of another is cut out by its brackets first and walked afterwards, as in the
 * reference: one without an end gives no labels at all, which is what lines that were cut short
 * show.
 */
#include "query/stage.h"

#include "query/json_scan.h"

#include "base/banned.h"

struct walk {
    struct entry_state *entry;
    size_t depth;
    size_t prefix_len; /* the names of the objects around, joined, at the beginning of `name` */
    char name[JSON_NAME_BYTES_MAX];
};

static enum extracted extract_value(struct walk *w, struct json_member *m)
{
    struct label_builder *labels = &w->entry->labels;
    struct arena *scratch = w->entry->scratch;
    struct str name;

    if (w->depth == 1 && !label_builder_may_want(labels, m->key))
        return EXTRACTED_MORE;
    if (w->depth == 1)
        name = label_name_sanitize(scratch, m->key);
    else
        name = str_make(w->name, json_name_join(scratch, w->name, w->prefix_len, m->key));
    if (name.len == 0 || name.len == STR_NPOS || !label_builder_wants(labels, &name))
        return EXTRACTED_MORE;
    if (name.ptr == w->name)
        name = arena_str(scratch, name);
    if (name.ptr == NULL)
        return EXTRACTED_ALL; /* out of memory: nothing will come of this entry */
    return label_builder_extract(labels, name, json_label_value(scratch, &m->value));
}

static enum extracted walk_object(struct walk *w, struct str object, enum json_fault *ret_fault);

static enum extracted walk_member(struct walk *w, struct json_member *m, enum json_fault *ret_fault)
{
    size_t outer_len = w->prefix_len;
    enum extracted got = EXTRACTED_MORE;

    switch (m->value.kind) {
    case JSON_STRING:
    case JSON_NUMBER:
    case JSON_BOOL:
        return extract_value(w, m);
    case JSON_ARRAY:
    case JSON_NULL:
    case JSON_END:
        return EXTRACTED_MORE;
    case JSON_OBJECT:
        break;
    }
    if (w->depth == JSON_NAME_DEPTH_MAX)
        return EXTRACTED_MORE;
    w->prefix_len = json_name_join(w->entry->scratch, w->name, outer_len, m->key);
    if (w->prefix_len != STR_NPOS &&
        label_builder_wants_prefix(&w->entry->labels, str_make(w->name, w->prefix_len)))
        got = walk_object(w, m->value.text, ret_fault);
    w->prefix_len = outer_len;
    return got;
}

/* Recursion ends at JSON_NAME_DEPTH_MAX. */
static enum extracted walk_object(struct walk *w, struct str object, enum json_fault *ret_fault)
{
    enum extracted got = EXTRACTED_MORE;
    struct json_members members;
    struct json_member m;

    w->depth++;
    json_members_init(&members, w->entry->scratch, object);
    while (got == EXTRACTED_MORE && *ret_fault == JSON_FAULT_NONE &&
           json_members_next(&members, &m))
        got = walk_member(w, &m, ret_fault);
    if (*ret_fault == JSON_FAULT_NONE)
        *ret_fault = members.fault;
    w->depth--;
    return got;
}

static bool run(const struct stage *s, struct entry_state *e)
{
    struct walk w;
    enum json_fault fault = JSON_FAULT_NONE;

    (void)s;
    if (!label_builder_wants_any(&e->labels))
        return true;
    w.entry = e;
    w.depth = 0;
    w.prefix_len = 0;
    enum extracted got = walk_object(&w, e->line, &fault);
    if (fault != JSON_FAULT_NONE)
        label_builder_set_parser_error(&e->labels, STR("JSONParserErr"), json_fault_text(fault));
    return got != EXTRACTED_DROP;
}

enum status stage_json_compile(struct arena *a, const struct stage_expr *expr,
                               struct stage *ret_stage, struct err *err)
{
    (void)a;
    (void)err;
    ASSERT(expr->kind == STAGE_JSON);
    *ret_stage = (struct stage){run, NULL};
    return ST_OK;
}
