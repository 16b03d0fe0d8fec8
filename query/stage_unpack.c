/*
 * Labels count only when the member with the line is there, and it may come last: they are gathered
 * first and set afterwards.
 */
#include "query/stage.h"

#include "query/json_scan.h"

#include "base/banned.h"

struct packed_label {
    struct str name;
    struct json_value value;
};

struct packed {
    struct packed_label *labels;
    size_t count;
    size_t capacity;
    struct str line; /* `ptr` NULL: there is none */
};

static enum json_fault take_member(struct packed *p, const struct json_member *m,
                                   struct entry_state *e)
{
    if (m->value.kind != JSON_STRING)
        return JSON_FAULT_NONE;
    if (str_eq(m->key, STR("_entry"))) {
        p->line = m->value.escapes ? json_unescape(e->scratch, m->value.text) : m->value.text;
        return p->line.ptr == NULL ? JSON_FAULT_ESCAPE : JSON_FAULT_NONE;
    }
    struct str name = label_name_sanitize(e->scratch, m->key);
    if (name.len == 0 || !label_builder_wants(&e->labels, &name))
        return JSON_FAULT_NONE;
    struct packed_label *labels =
        arena_reserve(e->scratch, p->labels, p->count, &p->capacity, sizeof(*p->labels));
    if (labels == NULL)
        return JSON_FAULT_NONE;
    p->labels = labels;
    p->labels[p->count++] = (struct packed_label){name, m->value};
    return JSON_FAULT_NONE;
}

static enum json_fault read_line(struct entry_state *e, struct packed *p)
{
    enum json_fault fault = JSON_FAULT_NONE;
    struct json_members members;
    struct json_member m;

    json_members_init(&members, e->scratch, e->line);
    while (fault == JSON_FAULT_NONE && json_members_next(&members, &m))
        fault = take_member(p, &m, e);
    return fault == JSON_FAULT_NONE ? members.fault : fault;
}

static bool run(const struct stage *s, struct entry_state *e)
{
    struct packed p = {.line = STR_NULL};

    (void)s;
    if (e->line.len == 0 || !label_builder_wants_any(&e->labels))
        return true;
    if (e->line.ptr[0] != '{') {
        label_builder_set_parser_error(&e->labels, STR("JSONParserErr"),
                                       STR("expecting json object(6), but it is not"));
        return true;
    }
    enum json_fault fault = read_line(e, &p);
    if (fault != JSON_FAULT_NONE) {
        label_builder_set_parser_error(&e->labels, STR("JSONParserErr"), json_fault_text(fault));
        return true;
    }
    if (p.line.ptr == NULL)
        return true;
    e->line = p.line;
    for (size_t i = 0; i < p.count; i++) {
        struct str value = json_label_value(e->scratch, &p.labels[i].value);
        if (label_builder_extract(&e->labels, p.labels[i].name, value) == EXTRACTED_DROP)
            return false;
    }
    return true;
}

enum status stage_unpack_compile(struct arena *a, const struct stage_expr *expr,
                                 struct stage *ret_stage, struct err *err)
{
    (void)a;
    (void)err;
    ASSERT(expr->kind == STAGE_UNPACK);
    *ret_stage = (struct stage){run, NULL};
    return ST_OK;
}
