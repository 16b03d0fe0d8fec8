/*
 * A walk of the tree. Values go up as results; what the walk has besides them (variables, output,
 * the node being looked at, what it may still do) is in struct run.
 *
 * Errors name the node that was looked at last (run->at), as in Go: behind an argument that was
 * evaluated, that is a node of the argument.
 *
 * Bounds: each node is a unit of work, and so are TEMPLATE_UNIT_BYTES of a text that a function
 * looks at, thus loops end. Pipelines, lists of statements and templates that call each other share
 * one limit of depth, thus the stack does not. All other memory is the arena's.
 */
#include "query/template_run.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "query/template_call.h"
#include "query/template_printf.h"

#include "base/banned.h"

enum {
    WORK_UNITS_MAX = 1024 * 1024,   /* far below a second; a line is done in some dozens */
    OUTPUT_BYTES_MAX = 1024 * 1024, /* of the run, and of each text in between: lines are shorter */
    DEPTH_MAX = 1000,               /* below a megabyte of stack */
    ARGS_INLINE = 6,
};

_Static_assert((int)DEPTH_MAX > 2 * (int)TEMPLATE_DEPTH_MAX, "a tree may be as deep as it gets");

struct variable {
    struct str name;
    struct template_value value;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct run {
    const struct template *t;
    struct str name; /* of the template that is run */
    const struct template_data *data;
    struct arena *arena;
    struct buf out;
    struct buf text;                /* for functions */
    const struct template_node *at; /* what errors point to */
    struct variable *variables;
    size_t variable_count;
    size_t variable_capacity;
    size_t variable_base; /* where those of the template that is run begin */
    struct template_work work;
    unsigned depth;
    enum flow flow;
    struct err *err;
};

/* A command's operands and the value that was piped into it. */
struct operands {
    const struct template_list *list; /* NULL: a function as an argument, which has none */
    const struct template_value *final;
};

static enum status eval_pipeline(struct run *r, const struct template_value *dot,
                                 const struct template_node *pipe, struct template_value *ret);
static enum status walk_list(struct run *r, const struct template_value *dot,
                             const struct template_list *list);

/* ---- errors ---- */

/* `line:1:3: executing "line" at <.a>` */
static void put_context(struct run *r, struct buf *b)
{
    buf_put(b, STR("template: "));
    template_put_place(b, r->t, r->at);
    buf_put(b, STR(": executing "));
    utf8_put_quoted(b, r->name);
    buf_put(b, STR(" at <"));
    template_put_node(b, r->at);
    buf_put_char(b, '>');
}

static enum status refuse(struct run *r, const char *format, ...) PRINTF_LIKE(2, 3);

static enum status refuse(struct run *r, const char *format, ...)
{
    struct buf b;
    va_list args;

    buf_init(&b, ERR_TEXT_BYTES);
    put_context(r, &b);
    buf_put(&b, STR(": "));
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    enum status st = err_set(r->err, ST_INVALID, "%.*s", STR_ARG(buf_str(&b)));
    buf_release(&b);
    return st;
}

static enum status refuse_node(struct run *r, const char *reason, const struct template_node *node,
                               const char *behind)
{
    struct buf b;

    buf_init(&b, ERR_TEXT_BYTES);
    template_put_node(&b, node);
    enum status st = refuse(r, "%s%.*s%s", reason, STR_ARG(buf_str(&b)), behind);
    buf_release(&b);
    return st;
}

static enum status refuse_value(struct run *r, const char *reason, const struct template_value *v,
                                const char *behind)
{
    struct buf b;

    buf_init(&b, ERR_TEXT_BYTES);
    template_put_value(&b, v);
    enum status st = refuse(r, "%s%.*s%s", reason, STR_ARG(buf_str(&b)), behind);
    buf_release(&b);
    return st;
}

/* The reason is in r->err already. */
static enum status refuse_call(struct run *r, enum template_function function)
{
    struct str name = template_function_name(function);
    struct buf b;

    buf_init(&b, ERR_TEXT_BYTES);
    put_context(r, &b);
    enum status st = err_prefix(r->err, ST_INVALID, "%.*s: error calling %.*s",
                                STR_ARG(buf_str(&b)), STR_ARG(name));
    buf_release(&b);
    return st;
}

static enum status refuse_work(struct run *r)
{
    return err_set(r->err, ST_LIMIT, "a template takes too many steps");
}

/* ---- the walk ---- */

static enum status step(struct run *r, const struct template_node *node)
{
    r->at = node;
    return template_work_spend(&r->work, 1) ? ST_OK : refuse_work(r);
}

static enum status enter(struct run *r)
{
    if (r->depth == DEPTH_MAX)
        return err_set(r->err, ST_LIMIT, "a template calls itself too deeply");
    r->depth++;
    return ST_OK;
}

static void leave(struct run *r)
{
    ASSERT(r->depth > 0);
    r->depth--;
}

/* ---- variables ---- */

static enum status push(struct run *r, struct str name, const struct template_value *v)
{
    struct variable *variables = arena_reserve(r->arena, r->variables, r->variable_count,
                                               &r->variable_capacity, sizeof(*variables));

    if (variables == NULL)
        return arena_status(r->arena, r->err);
    variables[r->variable_count++] = (struct variable){name, *v};
    r->variables = variables;
    return ST_OK;
}

/* The innermost of a name. */
static enum status find_variable(struct run *r, struct str name, struct variable **ret)
{
    for (size_t i = r->variable_count; i > r->variable_base; i--) {
        if (!str_eq(r->variables[i - 1].name, name))
            continue;
        *ret = &r->variables[i - 1];
        return ST_OK;
    }
    return refuse(r, "undefined variable: %.*s", STR_ARG(name));
}

static enum status assign(struct run *r, struct str name, const struct template_value *v)
{
    struct variable *variable;

    enum status st = find_variable(r, name, &variable);
    if (st == ST_OK)
        variable->value = *v;
    return st;
}

/* ---- fields ---- */

/* One name; with `has_args`, arguments follow, which only a method could take. */
static enum status eval_field(struct run *r, struct str name, bool has_args,
                              struct template_value *receiver)
{
    if (receiver->kind == VALUE_NIL) {
        if (receiver->boxed)
            return refuse(r, "nil pointer evaluating interface {}.%.*s", STR_ARG(name));
        return ST_OK;
    }
    if (receiver->kind != VALUE_LABELS && receiver->kind != VALUE_MAP)
        return refuse(r, "can't evaluate field %.*s in type %s", STR_ARG(name),
                      value_static_type(receiver));
    if (has_args)
        return refuse(r, "%.*s is not a method but has arguments", STR_ARG(name));
    *receiver = value_get(receiver, name);
    return ST_OK;
}

/* The names from `first` on. */
static enum status eval_fields(struct run *r, const struct template_names *names, size_t first,
                               struct operands operands, struct template_value *value)
{
    bool has_args = operands.final != NULL || (operands.list != NULL && operands.list->count > 1);

    for (size_t i = first; i < names->count; i++) {
        bool is_last = i + 1 == names->count;
        enum status st = eval_field(r, names->names[i], is_last && has_args, value);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* A value that is no function takes no arguments. */
static enum status check_alone(struct run *r, struct operands operands)
{
    bool has_args = operands.final != NULL || (operands.list != NULL && operands.list->count > 1);

    if (!has_args || operands.list == NULL)
        return ST_OK;
    return refuse_node(r, "can't give argument to non-function ", operands.list->nodes[0], "");
}

static enum status eval_variable(struct run *r, const struct template_node *node,
                                 struct operands operands, struct template_value *ret)
{
    struct variable *variable;

    enum status st = step(r, node);
    if (st == ST_OK)
        st = find_variable(r, node->names.names[0], &variable);
    if (st == ST_OK && node->names.count == 1)
        st = check_alone(r, operands);
    if (st != ST_OK)
        return st;
    *ret = variable->value;
    return eval_fields(r, &node->names, 1, operands, ret);
}

/* ---- constants ---- */

static enum status eval_number(struct run *r, const struct template_node *node,
                               struct template_value *ret)
{
    const struct template_number *n = &node->number;

    if (n->is_float_constant)
        *ret = value_of_float(n->float_value);
    else if (n->has_int)
        *ret = value_of_int(n->int_value);
    else
        return refuse(r, "%.*s overflows int", STR_ARG(n->text));
    return ST_OK;
}

static const char *parameter_type(enum template_parameter kind)
{
    switch (kind) {
    case PARAMETER_STRING:
        return "string";
    case PARAMETER_INT:
        return "int";
    case PARAMETER_FLOAT:
        return "float64";
    case PARAMETER_TIME:
        return "time.Time";
    case PARAMETER_ANY:
        break;
    }
    return "interface {}";
}

/* A constant where a kind is wanted: numbers take the kind. */
static enum status eval_constant(struct run *r, enum template_parameter kind,
                                 const struct template_node *node, struct template_value *ret)
{
    bool is_number = node->kind == TEMPLATE_NUMBER;

    switch (kind) {
    case PARAMETER_STRING:
        if (node->kind != TEMPLATE_STRING)
            return refuse_node(r, "expected string; found ", node, "");
        break;
    case PARAMETER_INT:
        if (!is_number || !node->number.has_int)
            return refuse_node(r, "expected integer; found ", node, "");
        *ret = value_of_int(node->number.int_value);
        return ST_OK;
    case PARAMETER_FLOAT:
        if (!is_number)
            return refuse_node(r, "expected float; found ", node, "");
        *ret = value_of_float(node->number.float_value);
        return ST_OK;
    case PARAMETER_TIME:
        return refuse_node(r, "can't handle ", node, " for arg of type time.Time");
    case PARAMETER_ANY:
        break;
    }
    if (is_number)
        return eval_number(r, node, ret);
    *ret = node->kind == TEMPLATE_STRING ? value_of_string(node->string.value)
                                         : value_of_bool(node->truth);
    return ST_OK;
}

/* ---- arguments ---- */

/* Does the value fit the parameter? */
static enum status check_kind(struct run *r, enum template_parameter kind,
                              const struct template_value *v)
{
    static const struct {
        enum template_parameter parameter;
        enum template_value_kind kind;
    } fitting[] = {
        {PARAMETER_STRING, VALUE_STRING},
        {PARAMETER_INT, VALUE_INT},
        {PARAMETER_FLOAT, VALUE_FLOAT},
        {PARAMETER_TIME, VALUE_TIME},
    };

    if (kind == PARAMETER_ANY)
        return ST_OK;
    for (size_t i = 0; i < COUNT_OF(fitting); i++) {
        if (fitting[i].parameter == kind && fitting[i].kind == v->kind)
            return ST_OK;
    }
    if (v->kind == VALUE_NIL && !v->boxed)
        return refuse(r, "invalid value; expected %s", parameter_type(kind));
    return refuse(r, "wrong type for value; expected %s; got %s", parameter_type(kind),
                  v->kind == VALUE_NIL ? value_static_type(v) : value_type(v));
}

static enum status eval_function(struct run *r, const struct template_value *dot,
                                 const struct template_node *node,
                                 const struct template_node *command, struct operands operands,
                                 struct template_value *ret);

static enum status eval_chain(struct run *r, const struct template_value *dot,
                              const struct template_node *node, struct operands operands,
                              struct template_value *ret);

/* An operand that is not the first of its command. */
static enum status eval_operand(struct run *r, const struct template_value *dot,
                                enum template_parameter kind, const struct template_node *node,
                                struct template_value *ret)
{
    struct operands none = {NULL, NULL};

    enum status st = step(r, node);
    if (st != ST_OK)
        return st;
    switch (node->kind) {
    case TEMPLATE_DOT:
        *ret = *dot;
        return check_kind(r, kind, ret);
    case TEMPLATE_NIL:
        *ret = (struct template_value){.kind = VALUE_NIL};
        if (kind == PARAMETER_ANY)
            return ST_OK;
        return refuse(r, "cannot assign nil to %s", parameter_type(kind));
    case TEMPLATE_FIELD:
        *ret = *dot;
        st = eval_fields(r, &node->names, 0, none, ret);
        break;
    case TEMPLATE_VARIABLE:
        st = eval_variable(r, node, none, ret);
        break;
    case TEMPLATE_PIPELINE:
        st = eval_pipeline(r, dot, node, ret);
        break;
    case TEMPLATE_FUNCTION:
        st = eval_function(r, dot, node, node, none, ret);
        break;
    case TEMPLATE_CHAIN:
        st = eval_chain(r, dot, node, none, ret);
        break;
    case TEMPLATE_BOOL:
    case TEMPLATE_NUMBER:
    case TEMPLATE_STRING:
        return eval_constant(r, kind, node, ret);
    default:
        ASSERT(false);
    }
    return st == ST_OK ? check_kind(r, kind, ret) : st;
}

static enum status eval_chain(struct run *r, const struct template_value *dot,
                              const struct template_node *node, struct operands operands,
                              struct template_value *ret)
{
    enum status st = step(r, node);
    if (st == ST_OK)
        st = eval_operand(r, dot, PARAMETER_ANY, node->chain.inner, ret);
    return st == ST_OK ? eval_fields(r, &node->chain.names, 0, operands, ret) : st;
}

/* ---- functions ---- */

static size_t fixed_count(const struct template_signature *s)
{
    return strlen(s->kinds) - (s->variadic ? 1 : 0);
}

/* What argument `i` is to be. */
static enum template_parameter parameter_at(const struct template_signature *s, size_t i)
{
    size_t count = strlen(s->kinds);

    ASSERT(count > 0);
    return (enum template_parameter)s->kinds[MIN_OF(i, count - 1)];
}

static size_t given_count(struct operands operands)
{
    return operands.list == NULL ? 0 : operands.list->count - 1;
}

static enum status check_count(struct run *r, enum template_function function,
                               struct operands operands)
{
    struct template_signature s = template_signature_of(function);
    struct str name = template_function_name(function);
    size_t given = given_count(operands), fixed = fixed_count(&s);
    size_t count = given + (operands.final != NULL ? 1 : 0);

    if (s.variadic && count < fixed)
        return refuse(r, "wrong number of args for %.*s: want at least %zu got %zu", STR_ARG(name),
                      fixed, given);
    if (!s.variadic && count != fixed)
        return refuse(r, "wrong number of args for %.*s: want %zu got %zu", STR_ARG(name), fixed,
                      count);
    return ST_OK;
}

/* `and` and `or` evaluate no more arguments than they need. */
static enum status eval_logic(struct run *r, const struct template_value *dot, bool wanted,
                              struct operands operands, struct template_value *ret)
{
    for (size_t i = 0; i < given_count(operands); i++) {
        enum status st = eval_operand(r, dot, PARAMETER_ANY, operands.list->nodes[i + 1], ret);
        if (st != ST_OK || value_truth(ret) == wanted)
            return st;
    }
    if (operands.final != NULL)
        *ret = *operands.final;
    return ST_OK;
}

/* Evaluate the arguments into `args`. */
static enum status eval_args(struct run *r, const struct template_value *dot,
                             enum template_function function, struct operands operands,
                             struct template_value *args)
{
    struct template_signature s = template_signature_of(function);
    size_t given = given_count(operands);

    for (size_t i = 0; i < given; i++) {
        enum status st =
            eval_operand(r, dot, parameter_at(&s, i), operands.list->nodes[i + 1], &args[i]);
        if (st != ST_OK)
            return st;
    }
    if (operands.final == NULL)
        return ST_OK;
    args[given] = *operands.final;
    return check_kind(r, parameter_at(&s, given), &args[given]);
}

/* The text of the first argument; a piped string is its own. */
static enum status first_text(struct run *r, struct operands operands, struct str *ret)
{
    struct buf b;

    if (given_count(operands) == 0) {
        bool is_string = operands.final != NULL && operands.final->kind == VALUE_STRING;
        *ret = is_string ? operands.final->string : STR_NULL;
        return ST_OK;
    }
    buf_init(&b, ERR_TEXT_BYTES);
    template_put_node(&b, operands.list->nodes[1]);
    *ret = arena_str(r->arena, buf_str(&b));
    buf_release(&b);
    return arena_status(r->arena, r->err);
}

static const struct regex *constant_regex(struct operands operands)
{
    if (given_count(operands) == 0 || operands.list->nodes[1]->kind != TEMPLATE_STRING)
        return NULL;
    return operands.list->nodes[1]->string.regex;
}

static enum status call(struct run *r, enum template_function function, struct operands operands,
                        struct template_values args, struct template_value *ret)
{
    struct template_call c = {.function = function,
                              .args = args,
                              .regex = constant_regex(operands),
                              .data = r->data,
                              .arena = r->arena,
                              .text = &r->text,
                              .work = &r->work,
                              .err = r->err};

    if (function == TEMPLATE_FUNCTION_CALL) {
        enum status st = first_text(r, operands, &c.first_text);
        if (st != ST_OK)
            return st;
    }
    return template_call(&c, ret);
}

/* `command` is what an error of the function itself points to. */
static enum status eval_function(struct run *r, const struct template_value *dot,
                                 const struct template_node *node,
                                 const struct template_node *command, struct operands operands,
                                 struct template_value *ret)
{
    enum template_function function = node->function;
    size_t count = given_count(operands) + (operands.final != NULL ? 1 : 0);
    struct template_value few[ARGS_INLINE], *args = few;

    enum status st = step(r, node);
    if (st == ST_OK)
        st = check_count(r, function, operands);
    if (st != ST_OK)
        return st;
    if (function == TEMPLATE_FUNCTION_AND || function == TEMPLATE_FUNCTION_OR)
        return eval_logic(r, dot, function == TEMPLATE_FUNCTION_OR, operands, ret);
    if (count > ARGS_INLINE)
        args = arena_new(r->arena, struct template_value, count);
    if (args == NULL)
        return arena_status(r->arena, r->err);
    st = eval_args(r, dot, function, operands, args);
    if (st != ST_OK)
        return st;
    st = call(r, function, operands, (struct template_values){args, count}, ret);
    if (st != ST_INVALID)
        return st;
    r->at = command;
    return refuse_call(r, function);
}

/* ---- commands and pipelines ---- */

/* A first operand that is a constant or dot. */
static enum status eval_plain(struct run *r, const struct template_value *dot,
                              const struct template_node *node, struct operands operands,
                              struct template_value *ret)
{
    enum status st = step(r, node);
    if (st == ST_OK)
        st = check_alone(r, operands);
    if (st != ST_OK)
        return st;
    if (node->kind == TEMPLATE_NIL)
        return refuse(r, "nil is not a command");
    if (node->kind != TEMPLATE_DOT)
        return eval_constant(r, PARAMETER_ANY, node, ret);
    *ret = *dot;
    return ST_OK;
}

static enum status eval_command(struct run *r, const struct template_value *dot,
                                const struct template_node *command,
                                const struct template_value *final, struct template_value *ret)
{
    const struct template_node *first = command->command.nodes[0];
    struct operands operands = {&command->command, final};
    enum status st;

    switch (first->kind) {
    case TEMPLATE_FIELD:
        st = step(r, first);
        *ret = *dot;
        return st == ST_OK ? eval_fields(r, &first->names, 0, operands, ret) : st;
    case TEMPLATE_CHAIN:
        return eval_chain(r, dot, first, operands, ret);
    case TEMPLATE_FUNCTION:
        return eval_function(r, dot, first, command, operands, ret);
    case TEMPLATE_PIPELINE:
        st = check_alone(r, operands);
        return st == ST_OK ? eval_pipeline(r, dot, first, ret) : st;
    case TEMPLATE_VARIABLE:
        return eval_variable(r, first, operands, ret);
    default:
        return eval_plain(r, dot, first, operands, ret);
    }
}

static enum status eval_commands(struct run *r, const struct template_value *dot,
                                 const struct template_list *commands, struct template_value *ret)
{
    struct template_value value, final;

    for (size_t i = 0; i < commands->count; i++) {
        enum status st = eval_command(r, dot, commands->nodes[i], i == 0 ? NULL : &final, &value);
        if (st != ST_OK)
            return st;
        value.boxed = false;
        final = value;
    }
    *ret = value;
    return ST_OK;
}

static enum status eval_pipeline(struct run *r, const struct template_value *dot,
                                 const struct template_node *pipe, struct template_value *ret)
{
    const struct template_list *variables = &pipe->pipeline.variables;

    ASSERT(pipe->kind == TEMPLATE_PIPELINE);
    ASSERT(pipe->pipeline.commands.count > 0);
    enum status st = enter(r);
    if (st != ST_OK)
        return st;
    st = step(r, pipe);
    if (st == ST_OK)
        st = eval_commands(r, dot, &pipe->pipeline.commands, ret);
    leave(r);
    for (size_t i = 0; i < variables->count && st == ST_OK; i++) {
        struct str name = variables->nodes[i]->names.names[0];
        st = pipe->pipeline.is_assignment ? assign(r, name, ret) : push(r, name, ret);
    }
    return st;
}

/* ---- statements ---- */

static enum status check_output(struct run *r)
{
    enum status st = buf_status(&r->out, NULL);

    if (st == ST_OK)
        return ST_OK;
    return err_set(r->err, st == ST_NOMEM ? ST_NOMEM : ST_LIMIT,
                   "a template writes more than %d bytes", (int)OUTPUT_BYTES_MAX);
}

static enum status walk_action(struct run *r, const struct template_value *dot,
                               const struct template_node *node)
{
    struct template_value v;

    enum status st = eval_pipeline(r, dot, node->control.pipeline, &v);
    if (st != ST_OK || node->control.pipeline->pipeline.variables.count > 0)
        return st;
    if (v.kind == VALUE_NIL)
        buf_put(&r->out, STR("<no value>"));
    else
        template_put_value(&r->out, &v);
    return check_output(r);
}

static enum status walk_branch(struct run *r, const struct template_value *dot,
                               const struct template_node *node)
{
    struct template_value v;

    enum status st = eval_pipeline(r, dot, node->control.pipeline, &v);
    if (st != ST_OK)
        return st;
    if (!value_truth(&v))
        return walk_list(r, dot, &node->control.otherwise);
    return walk_list(r, node->kind == TEMPLATE_WITH ? &v : dot, &node->control.body);
}

/* ---- range ---- */

/* Set the variables of a range: one is the element, of two the first is the index. */
static enum status set_range_variables(struct run *r, const struct template_node *node,
                                       const struct template_value *index,
                                       const struct template_value *element)
{
    const struct template_node *pipe = node->control.pipeline;
    const struct template_list *variables = &pipe->pipeline.variables;

    for (size_t i = 0; i < variables->count; i++) {
        bool is_index = variables->count > 1 && i == 0;
        const struct template_value *v = is_index ? index : element;
        if (!pipe->pipeline.is_assignment) {
            r->variables[r->variable_count - variables->count + i].value = *v;
            continue;
        }
        enum status st = assign(r, variables->nodes[i]->names.names[0], v);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* `*ret_more`: no `break` was met. */
static enum status iterate(struct run *r, const struct template_node *node,
                           const struct template_value *index, const struct template_value *element,
                           bool *ret_more)
{
    size_t variables = r->variable_count;

    if (!template_work_spend(&r->work, 1))
        return refuse_work(r);
    enum status st = set_range_variables(r, node, index, element);
    if (st == ST_OK)
        st = walk_list(r, element, &node->control.body);
    r->variable_count = variables;
    *ret_more = r->flow != FLOW_BREAK;
    r->flow = FLOW_ON;
    return st;
}

/* Index (or key) and element `i` of what is iterated over. */
static void range_item(const struct template_value *v, size_t i, struct template_value *index,
                       struct template_value *element)
{
    if (v->kind == VALUE_LABELS) {
        *index = value_of_string(v->labels.pairs[i].name);
        *element = value_of_string(v->labels.pairs[i].value);
    } else if (v->kind == VALUE_MAP) {
        *index = value_of_string(v->map.keys[i]);
        *element = v->map.values[i];
        element->boxed = true;
    } else if (v->kind == VALUE_LIST) {
        *index = value_of_int((int64_t)i);
        *element = value_item(v, i);
    } else {
        ASSERT(value_is_integer(v));
        *index = (struct template_value){.kind = VALUE_NIL};
        *element = *v;
        element->integer = (int64_t)i;
    }
}

static enum status range_count(struct run *r, const struct template_node *node,
                               const struct template_value *v, size_t *ret)
{
    *ret = 0;
    if (v->kind == VALUE_NIL)
        return ST_OK;
    if (value_is_integer(v)) {
        if (node->control.pipeline->pipeline.variables.count > 1)
            return refuse_value(r, "can't use ", v, " to iterate over more than one variable");
        *ret = v->integer < 0 ? 0 : (size_t)v->integer;
        return ST_OK;
    }
    if (v->kind == VALUE_STRING || !value_count(v, ret))
        return refuse_value(r, "range can't iterate over ", v, "");
    return ST_OK;
}

static enum status walk_range(struct run *r, const struct template_value *dot,
                              const struct template_node *node)
{
    struct template_value v, index, element;
    size_t count;
    bool more = true;

    enum status st = eval_pipeline(r, dot, node->control.pipeline, &v);
    if (st == ST_OK)
        st = range_count(r, node, &v, &count);
    if (st != ST_OK)
        return st;
    if (count == 0)
        return walk_list(r, dot, &node->control.otherwise);
    for (size_t i = 0; i < count && more && st == ST_OK; i++) {
        range_item(&v, i, &index, &element);
        st = iterate(r, node, &index, &element, &more);
    }
    return st;
}

/* ---- templates ---- */

/* It sees no variables but its own `$`. */
static enum status run_definition(struct run *r, const struct template_definition *d,
                                  const struct template_value *dot)
{
    struct str name = r->name;
    size_t base = r->variable_base, count = r->variable_count;

    enum status st = enter(r);
    if (st != ST_OK)
        return st;
    r->name = d->name;
    r->variable_base = count;
    st = push(r, STR("$"), dot);
    if (st == ST_OK)
        st = walk_list(r, dot, &d->body);
    r->name = st == ST_OK ? name : r->name;
    r->variable_base = base;
    r->variable_count = count;
    leave(r);
    return st;
}

static enum status walk_invoke(struct run *r, const struct template_value *dot,
                               const struct template_node *node)
{
    const struct template_definition *d = template_find(r->t, node->invoke.name);
    struct template_value v = {.kind = VALUE_NIL};
    enum status st = ST_OK;

    if (d == NULL) {
        struct buf quoted;
        buf_init(&quoted, ERR_TEXT_BYTES);
        utf8_put_quoted(&quoted, node->invoke.name);
        st = refuse(r, "template %.*s not defined", STR_ARG(buf_str(&quoted)));
        buf_release(&quoted);
        return st;
    }
    if (node->invoke.pipeline != NULL)
        st = eval_pipeline(r, dot, node->invoke.pipeline, &v);
    return st == ST_OK ? run_definition(r, d, &v) : st;
}

/* Variables that a control declares end with it. */
static enum status walk_control(struct run *r, const struct template_value *dot,
                                const struct template_node *node)
{
    size_t variables = r->variable_count;

    enum status st =
        node->kind == TEMPLATE_RANGE ? walk_range(r, dot, node) : walk_branch(r, dot, node);
    r->variable_count = variables;
    return st;
}

static enum status walk_node(struct run *r, const struct template_value *dot,
                             const struct template_node *node)
{
    enum status st = step(r, node);
    if (st != ST_OK)
        return st;
    switch (node->kind) {
    case TEMPLATE_TEXT:
        buf_put(&r->out, node->text);
        return check_output(r);
    case TEMPLATE_ACTION:
        return walk_action(r, dot, node);
    case TEMPLATE_IF:
    case TEMPLATE_WITH:
    case TEMPLATE_RANGE:
        return walk_control(r, dot, node);
    case TEMPLATE_BREAK:
        r->flow = FLOW_BREAK;
        return ST_OK;
    case TEMPLATE_CONTINUE:
        r->flow = FLOW_CONTINUE;
        return ST_OK;
    case TEMPLATE_INVOKE:
        return walk_invoke(r, dot, node);
    default:
        ASSERT(false);
    }
    return ST_OK;
}

static enum status walk_list(struct run *r, const struct template_value *dot,
                             const struct template_list *list)
{
    enum status st = enter(r);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < list->count && st == ST_OK && r->flow == FLOW_ON; i++)
        st = walk_node(r, dot, list->nodes[i]);
    leave(r);
    return st;
}

enum status template_run(const struct template *t, const struct template_data *data,
                         struct arena *scratch, struct str *ret_text, struct err *err)
{
    struct template_value dot = {.kind = VALUE_LABELS, .labels = data->labels};
    struct run r = {.t = t, .data = data, .arena = scratch, .work = {WORK_UNITS_MAX}, .err = err};

    ASSERT(t->definition_count > 0);
    buf_init(&r.out, OUTPUT_BYTES_MAX);
    buf_init(&r.text, OUTPUT_BYTES_MAX);
    enum status st = run_definition(&r, &t->definitions[0], &dot);
    struct str text = st == ST_OK ? arena_str(scratch, buf_str(&r.out)) : STR_NULL;
    buf_release(&r.text);
    buf_release(&r.out);
    if (st != ST_OK)
        return st;
    if (text.ptr == NULL)
        return arena_status(scratch, err);
    *ret_text = text;
    return ST_OK;
}
