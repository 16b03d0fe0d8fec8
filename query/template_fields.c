/*
 * As the reference looks for them: in the main template, where a field stands as it is. It does not
 * see `$.a`, `(pipeline).a`, what is given to {{template}}, nor other definitions.
 */
#include "query/template_run.h"

#include "base/banned.h"

struct fields {
    struct arena *a;
    struct name_list names;
    size_t capacity;
};

static void add_name(struct fields *f, struct str name)
{
    for (size_t i = 0; i < f->names.count; i++) {
        if (str_eq(f->names.names[i], name))
            return;
    }
    struct str *names =
        arena_reserve(f->a, f->names.names, f->names.count, &f->capacity, sizeof(*names));
    if (names == NULL)
        return;
    names[f->names.count++] = name;
    f->names.names = names;
}

static void visit(struct fields *f, const struct template_node *node);

static void visit_list(struct fields *f, const struct template_list *list)
{
    for (size_t i = 0; i < list->count && !f->a->failed; i++)
        visit(f, list->nodes[i]);
}

/* No deeper than TEMPLATE_DEPTH_MAX (Q3). */
static void visit(struct fields *f, const struct template_node *node)
{
    switch (node->kind) {
    case TEMPLATE_ACTION:
    case TEMPLATE_IF:
    case TEMPLATE_WITH:
    case TEMPLATE_RANGE:
        visit(f, node->control.pipeline);
        visit_list(f, &node->control.body);
        visit_list(f, &node->control.otherwise);
        return;
    case TEMPLATE_PIPELINE:
        visit_list(f, &node->pipeline.commands);
        return;
    case TEMPLATE_COMMAND:
        visit_list(f, &node->command);
        return;
    case TEMPLATE_FIELD:
        add_name(f, node->names.names[0]);
        return;
    case TEMPLATE_TEXT:
    case TEMPLATE_INVOKE:
    case TEMPLATE_VARIABLE:
    case TEMPLATE_CHAIN:
    case TEMPLATE_BREAK:
    case TEMPLATE_CONTINUE:
    case TEMPLATE_FUNCTION:
    case TEMPLATE_DOT:
    case TEMPLATE_NIL:
    case TEMPLATE_BOOL:
    case TEMPLATE_NUMBER:
    case TEMPLATE_STRING:
        return;
    }
}

enum status template_fields(const struct template *t, struct arena *a, struct name_list *ret_names,
                            struct err *err)
{
    struct fields f = {.a = a};

    visit_list(&f, &t->definitions[0].body);
    enum status st = arena_status(a, err);
    if (st == ST_OK)
        *ret_names = f.names;
    return st;
}

bool template_is_field(const struct template *t, struct str *ret_name)
{
    const struct template_list *body = &t->definitions[0].body;

    if (body->count != 1 || body->nodes[0]->kind != TEMPLATE_ACTION)
        return false;
    const struct template_node *pipe = body->nodes[0]->control.pipeline;
    if (pipe->pipeline.variables.count > 0 || pipe->pipeline.commands.count != 1)
        return false;
    const struct template_list *operands = &pipe->pipeline.commands.nodes[0]->command;
    const struct template_node *first = operands->nodes[0];
    if (operands->count != 1 || first->kind != TEMPLATE_FIELD || first->names.count != 1)
        return false;
    *ret_name = first->names.names[0];
    return true;
}
