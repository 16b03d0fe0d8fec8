#include "base/utf8.h"
#include "query/template.h"

#include "base/banned.h"

const struct template_definition *template_find(const struct template *t, struct str name)
{
    for (size_t i = 0; i < t->definition_count; i++) {
        if (str_eq(t->definitions[i].name, name))
            return &t->definitions[i];
    }
    return NULL;
}

void template_put_place(struct buf *b, const struct template *t, const struct template_node *node)
{
    struct str before = str_head(t->text, node->pos);
    size_t line = 1, column = before.len;
    size_t newline = str_find_last_char(before, '\n');

    if (newline != STR_NPOS)
        column = before.len - newline - 1;
    for (size_t i = 0; i < before.len; i++)
        line += before.ptr[i] == '\n';
    buf_printf(b, "%.*s:%zu:%zu", STR_ARG(t->name), line, column);
}

static void put_list(struct buf *b, const struct template_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        template_put_node(b, list->nodes[i]);
}

static void put_control(struct buf *b, const char *word, const struct template_node *node)
{
    buf_printf(b, "{{%s ", word);
    template_put_node(b, node->control.pipeline);
    buf_put(b, STR("}}"));
    put_list(b, &node->control.body);
    if (node->control.otherwise.count > 0) {
        buf_put(b, STR("{{else}}"));
        put_list(b, &node->control.otherwise);
    }
    buf_put(b, STR("{{end}}"));
}

static void put_invoke(struct buf *b, const struct template_node *node)
{
    buf_put(b, STR("{{template "));
    utf8_put_quoted(b, node->invoke.name);
    if (node->invoke.pipeline != NULL) {
        buf_put_char(b, ' ');
        template_put_node(b, node->invoke.pipeline);
    }
    buf_put(b, STR("}}"));
}

static void put_pipeline(struct buf *b, const struct template_node *node)
{
    const struct template_list *variables = &node->pipeline.variables;
    const struct template_list *commands = &node->pipeline.commands;

    for (size_t i = 0; i < variables->count; i++) {
        if (i > 0)
            buf_put(b, STR(", "));
        template_put_node(b, variables->nodes[i]);
    }
    if (variables->count > 0)
        buf_put(b, node->pipeline.is_assignment ? STR(" = ") : STR(" := "));
    for (size_t i = 0; i < commands->count; i++) {
        if (i > 0)
            buf_put(b, STR(" | "));
        template_put_node(b, commands->nodes[i]);
    }
}

static void put_operand(struct buf *b, const struct template_node *node)
{
    bool in_parentheses = node->kind == TEMPLATE_PIPELINE;

    if (in_parentheses)
        buf_put_char(b, '(');
    template_put_node(b, node);
    if (in_parentheses)
        buf_put_char(b, ')');
}

static void put_command(struct buf *b, const struct template_node *node)
{
    for (size_t i = 0; i < node->command.count; i++) {
        if (i > 0)
            buf_put_char(b, ' ');
        put_operand(b, node->command.nodes[i]);
    }
}

/* `.a.b`; the first name of a variable has its own sign. */
static void put_names(struct buf *b, const struct template_names *names, bool is_variable)
{
    for (size_t i = 0; i < names->count; i++) {
        if (i > 0 || !is_variable)
            buf_put_char(b, '.');
        buf_put(b, names->names[i]);
    }
}

void template_put_node(struct buf *b, const struct template_node *node)
{
    switch (node->kind) {
    case TEMPLATE_TEXT:
        buf_put(b, node->text);
        return;
    case TEMPLATE_ACTION:
        buf_put(b, STR("{{"));
        template_put_node(b, node->control.pipeline);
        buf_put(b, STR("}}"));
        return;
    case TEMPLATE_IF:
        put_control(b, "if", node);
        return;
    case TEMPLATE_WITH:
        put_control(b, "with", node);
        return;
    case TEMPLATE_RANGE:
        put_control(b, "range", node);
        return;
    case TEMPLATE_BREAK:
        buf_put(b, STR("{{break}}"));
        return;
    case TEMPLATE_CONTINUE:
        buf_put(b, STR("{{continue}}"));
        return;
    case TEMPLATE_INVOKE:
        put_invoke(b, node);
        return;
    case TEMPLATE_PIPELINE:
        put_pipeline(b, node);
        return;
    case TEMPLATE_COMMAND:
        put_command(b, node);
        return;
    case TEMPLATE_FUNCTION:
        buf_put(b, template_function_name(node->function));
        return;
    case TEMPLATE_DOT:
        buf_put_char(b, '.');
        return;
    case TEMPLATE_NIL:
        buf_put(b, STR("nil"));
        return;
    case TEMPLATE_FIELD:
        put_names(b, &node->names, false);
        return;
    case TEMPLATE_VARIABLE:
        put_names(b, &node->names, true);
        return;
    case TEMPLATE_CHAIN:
        put_operand(b, node->chain.inner);
        put_names(b, &node->chain.names, false);
        return;
    case TEMPLATE_BOOL:
        buf_put(b, node->truth ? STR("true") : STR("false"));
        return;
    case TEMPLATE_NUMBER:
        buf_put(b, node->number.text);
        return;
    case TEMPLATE_STRING:
        buf_put(b, node->string.quoted);
        return;
    }
}
