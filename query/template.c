/*
 * A recursive descent over the tokens, with up to three of them pushed back: after `$x` it depends
 * on what follows the blanks whether this is a declaration or an operand.
 *
 * Functions that return a node return NULL when they failed; then p->status and p->err are set.
 */
#include "query/template.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/regex.h"
#include "base/utf8.h"
#include "query/template_constant.h"
#include "query/template_lexer.h"

#include "base/banned.h"

enum {
    TOKENS_BACK_MAX = 3,
    VARIABLES_MAX = 2,      /* a pipeline declares, which only a range may */
    TOKEN_SHOWN_RUNES = 10, /* of a token in an error */
};

struct names_builder {
    struct template_names names;
    size_t capacity;
};

struct list_builder {
    struct template_list list;
    size_t capacity;
};

struct template_parser {
    struct arena *a;
    struct template *t;
    size_t definition_capacity;
    struct template_lexer lexer;
    struct template_token tokens[TOKENS_BACK_MAX]; /* [0] is the last one read */
    size_t back;                                   /* how many are to be read again */
    struct names_builder variables;
    size_t variable_base; /* where those of the template being read begin */
    size_t counted_pos;   /* up to here there are this many newlines */
    size_t counted_lines;
    size_t action_line; /* of the action being read, 0 outside */
    unsigned range_depth;
    unsigned depth;
    enum status status;
    struct err *err;
};

/* ---- errors ---- */

/* Positions come mostly in order, so lines are counted from the last one. */
static size_t line_of(struct template_parser *p, size_t pos)
{
    if (pos < p->counted_pos)
        p->counted_pos = p->counted_lines = 0;
    for (; p->counted_pos < pos; p->counted_pos++)
        p->counted_lines += p->t->text.ptr[p->counted_pos] == '\n';
    return p->counted_lines + 1;
}

/* The first error counts. Always returns NULL. */
static void *refuse(struct template_parser *p, const char *format, ...) PRINTF_LIKE(2, 3);

static void *refuse(struct template_parser *p, const char *format, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;

    if (p->status != ST_OK)
        return NULL;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    p->status = err_set(p->err, ST_INVALID, "template: %.*s:%zu: %s", STR_ARG(p->t->name),
                        line_of(p, p->tokens[0].pos), text);
    return NULL;
}

static void *out_of_memory(struct template_parser *p)
{
    if (p->status == ST_OK)
        p->status = arena_status(p->a, p->err);
    ASSERT(p->status != ST_OK);
    return NULL;
}

/* A token as errors show it: `"x"`, `<if>`, EOF; a long one is cut. */
static void put_token(struct buf *b, const struct template_token *t)
{
    size_t len = 0;

    if (t->kind == TT_END) {
        buf_put(b, STR("EOF"));
        return;
    }
    if (t->kind >= TT_DOT) {
        buf_printf(b, "<%.*s>", STR_ARG(t->text));
        return;
    }
    bool is_long = t->text.len > TOKEN_SHOWN_RUNES;
    for (size_t i = 0; i < TOKEN_SHOWN_RUNES && len < t->text.len; i++) {
        size_t rune_len;
        (void)utf8_decode(str_cut(t->text, len), &rune_len);
        len += rune_len;
    }
    utf8_put_quoted(b, is_long ? str_head(t->text, len) : t->text);
    if (is_long)
        buf_put(b, STR("..."));
}

/* An error of the lexer says where its action began, if that is another line. */
static void *refuse_error_token(struct template_parser *p, const struct template_token *t)
{
    bool elsewhere = p->action_line != 0 && p->action_line != line_of(p, t->pos);

    if (t->text.ptr == NULL)
        return out_of_memory(p);
    if (!elsewhere)
        return refuse(p, "%.*s", STR_ARG(t->text));
    return refuse(p, "%.*s%s started at %.*s:%zu", STR_ARG(t->text),
                  str_ends(t->text, STR(" action")) ? "" : " in action", STR_ARG(p->t->name),
                  p->action_line);
}

static void *unexpected(struct template_parser *p, struct template_token t, const char *context)
{
    struct buf shown;

    if (t.kind == TT_ERROR)
        return refuse_error_token(p, &t);
    buf_init(&shown, ERR_TEXT_BYTES);
    put_token(&shown, &t);
    (void)refuse(p, "unexpected %.*s in %s", STR_ARG(buf_str(&shown)), context);
    buf_release(&shown);
    return NULL;
}

static bool enter(struct template_parser *p)
{
    if (p->depth == TEMPLATE_DEPTH_MAX) {
        (void)refuse(p, "nested deeper than %d levels", (int)TEMPLATE_DEPTH_MAX);
        return false;
    }
    p->depth++;
    return true;
}

static void leave(struct template_parser *p)
{
    ASSERT(p->depth > 0);
    p->depth--;
}

/* ---- tokens ---- */

static struct template_token next(struct template_parser *p)
{
    if (p->back > 0)
        p->back--;
    else
        p->tokens[0] = template_lexer_next(&p->lexer);
    return p->tokens[p->back];
}

static void back_up(struct template_parser *p)
{
    p->back++;
    ASSERT(p->back <= TOKENS_BACK_MAX);
}

/* The last one read stays at [0], `before` comes first again. */
static void back_up_two(struct template_parser *p, struct template_token before)
{
    ASSERT(p->back <= 1);
    p->tokens[1] = before;
    p->back = 2;
}

static void back_up_three(struct template_parser *p, struct template_token first,
                          struct template_token second)
{
    ASSERT(p->back <= 1);
    p->tokens[1] = second;
    p->tokens[2] = first;
    p->back = TOKENS_BACK_MAX;
}

static struct template_token peek(struct template_parser *p)
{
    struct template_token t = next(p);

    back_up(p);
    return t;
}

static struct template_token next_word(struct template_parser *p)
{
    struct template_token t;

    do {
        t = next(p);
    } while (t.kind == TT_SPACE);
    return t;
}

static struct template_token peek_word(struct template_parser *p)
{
    struct template_token t = next_word(p);

    back_up(p);
    return t;
}

static bool expect(struct template_parser *p, enum template_token_kind kind, const char *context)
{
    struct template_token t = next_word(p);

    if (t.kind == kind)
        return true;
    (void)unexpected(p, t, context);
    return false;
}

/* ---- nodes ---- */

static struct template_node *make(struct template_parser *p, enum template_node_kind kind,
                                  size_t pos)
{
    struct template_node *n = arena_new(p->a, struct template_node, 1);

    if (n == NULL)
        return out_of_memory(p);
    n->kind = kind;
    n->pos = pos;
    return n;
}

static bool add(struct template_parser *p, struct list_builder *b, struct template_node *node)
{
    if (node == NULL)
        return false;
    struct template_node **nodes =
        arena_reserve(p->a, b->list.nodes, b->list.count, &b->capacity, sizeof(*nodes));
    if (nodes == NULL) {
        (void)out_of_memory(p);
        return false;
    }
    nodes[b->list.count++] = node;
    b->list.nodes = nodes;
    return true;
}

static bool add_name(struct template_parser *p, struct names_builder *b, struct str name)
{
    struct str *names =
        arena_reserve(p->a, b->names.names, b->names.count, &b->capacity, sizeof(*names));

    if (names == NULL) {
        (void)out_of_memory(p);
        return false;
    }
    names[b->names.count++] = name;
    b->names.names = names;
    return true;
}

/* Hand an error of a constant on, with its place. */
static bool constant_is_good(struct template_parser *p, enum status st, const struct err *reason)
{
    if (st == ST_INVALID)
        (void)refuse(p, "%s", reason->text);
    else if (st != ST_OK)
        p->status = err_set(p->err, st, "%s", reason->text);
    return st == ST_OK;
}

static struct template_node *make_number(struct template_parser *p, struct template_token t)
{
    struct template_node *n = make(p, TEMPLATE_NUMBER, t.pos);
    struct err reason;

    if (n == NULL)
        return NULL;
    enum status st = t.kind == TT_CHAR_CONSTANT ? template_read_char(t.text, &n->number, &reason)
                                                : template_read_number(t.text, &n->number, &reason);
    return constant_is_good(p, st, &reason) ? n : NULL;
}

static bool read_string(struct template_parser *p, struct template_token t, struct str *ret)
{
    struct err reason;

    return constant_is_good(p, template_read_string(p->a, t.text, ret, &reason), &reason);
}

static struct template_node *make_string(struct template_parser *p, struct template_token t)
{
    struct template_node *n = make(p, TEMPLATE_STRING, t.pos);

    if (n == NULL)
        return NULL;
    n->string.quoted = t.text;
    return read_string(p, t, &n->string.value) ? n : NULL;
}

/* ---- operands ---- */

static struct template_node *parse_pipeline(struct template_parser *p, const char *context,
                                            enum template_token_kind end);

static struct template_node *make_function(struct template_parser *p, struct template_token t)
{
    struct template_node *n = make(p, TEMPLATE_FUNCTION, t.pos);

    if (n != NULL && !template_function_find(t.text, &n->function))
        return refuse(p, "function \"%.*s\" not defined", STR_ARG(t.text));
    return n;
}

static struct template_node *make_named(struct template_parser *p, enum template_node_kind kind,
                                        struct template_token t)
{
    struct template_node *n = make(p, kind, t.pos);
    struct names_builder b = {{NULL, 0}, 0};
    bool is_field = kind == TEMPLATE_FIELD;

    if (n == NULL || !add_name(p, &b, is_field ? str_cut(t.text, 1) : t.text))
        return NULL;
    n->names = b.names;
    return n;
}

static struct template_node *use_variable(struct template_parser *p, struct template_token t)
{
    bool known = str_eq(t.text, STR("$"));

    for (size_t i = p->variable_base; i < p->variables.names.count && !known; i++)
        known = str_eq(p->variables.names.names[i], t.text);
    if (!known)
        return refuse(p, "undefined variable \"%.*s\"", STR_ARG(t.text));
    return make_named(p, TEMPLATE_VARIABLE, t);
}

static struct template_node *parse_parentheses(struct template_parser *p)
{
    if (!enter(p))
        return NULL;
    struct template_node *n = parse_pipeline(p, "parenthesized pipeline", TT_RIGHT_PAREN);
    leave(p);
    return n;
}

/* NULL without a failure: what comes is no operand, and still to be read. */
static struct template_node *parse_term(struct template_parser *p)
{
    struct template_token t = next_word(p);
    struct template_node *n;

    switch (t.kind) {
    case TT_IDENTIFIER:
        return make_function(p, t);
    case TT_DOT:
        return make(p, TEMPLATE_DOT, t.pos);
    case TT_NIL:
        return make(p, TEMPLATE_NIL, t.pos);
    case TT_VARIABLE:
        return use_variable(p, t);
    case TT_FIELD:
        return make_named(p, TEMPLATE_FIELD, t);
    case TT_BOOL:
        n = make(p, TEMPLATE_BOOL, t.pos);
        if (n != NULL)
            n->truth = str_eq(t.text, STR("true"));
        return n;
    case TT_CHAR_CONSTANT:
    case TT_NUMBER:
        return make_number(p, t);
    case TT_STRING:
    case TT_RAW_STRING:
        return make_string(p, t);
    case TT_LEFT_PAREN:
        return parse_parentheses(p);
    default:
        back_up(p);
        return NULL;
    }
}

static struct template_node *refuse_field_of(struct template_parser *p,
                                             const struct template_node *term)
{
    struct buf text, quoted;

    buf_init(&text, ERR_TEXT_BYTES);
    buf_init(&quoted, ERR_TEXT_BYTES);
    template_put_node(&text, term);
    utf8_put_quoted(&quoted, buf_str(&text));
    (void)refuse(p, "unexpected . after term %.*s", STR_ARG(buf_str(&quoted)));
    buf_release(&quoted);
    buf_release(&text);
    return NULL;
}

/* A term and the fields behind it. */
static struct template_node *parse_operand(struct template_parser *p)
{
    struct template_node *term = parse_term(p);
    struct names_builder b = {{NULL, 0}, 0};

    if (term == NULL || peek(p).kind != TT_FIELD)
        return term;

    size_t pos = peek(p).pos;
    bool has_names = term->kind == TEMPLATE_FIELD || term->kind == TEMPLATE_VARIABLE;
    if (has_names && !add_name(p, &b, term->names.names[0]))
        return NULL;
    while (peek(p).kind == TT_FIELD) {
        if (!add_name(p, &b, str_cut(next(p).text, 1)))
            return NULL;
    }
    if (has_names) {
        term->names = b.names;
        term->pos = pos;
        return term;
    }
    if (term->kind != TEMPLATE_FUNCTION && term->kind != TEMPLATE_PIPELINE)
        return refuse_field_of(p, term);
    struct template_node *chain = make(p, TEMPLATE_CHAIN, pos);
    if (chain == NULL)
        return NULL;
    chain->chain.inner = term;
    chain->chain.names = b.names;
    return chain;
}

/* ---- pipelines ---- */

static bool takes_regex(enum template_function function)
{
    return function == TEMPLATE_FUNCTION_REGEX_REPLACE_ALL ||
           function == TEMPLATE_FUNCTION_REGEX_REPLACE_ALL_LITERAL ||
           function == TEMPLATE_FUNCTION_COUNT;
}

/*
 * Compile an expression that stands in the text once, not for each entry. One that cannot be
 * compiled is an error of whoever runs the template.
 */
static bool prepare_regex(struct template_parser *p, const struct template_list *operands)
{
    const struct template_node *first = operands->nodes[0];

    if (first->kind != TEMPLATE_FUNCTION || !takes_regex(first->function) || operands->count < 2 ||
        operands->nodes[1]->kind != TEMPLATE_STRING)
        return true;
    struct template_node *text = operands->nodes[1];
    enum status st = regex_compile_in(p->a, text->string.value, &text->string.regex, NULL);
    if (st == ST_OK || st == ST_INVALID)
        return true;
    (void)out_of_memory(p);
    return false;
}

static struct template_node *parse_command(struct template_parser *p)
{
    struct template_node *command = make(p, TEMPLATE_COMMAND, peek_word(p).pos);
    struct list_builder operands = {{NULL, 0}, 0};
    struct template_token t;

    if (command == NULL)
        return NULL;
    do {
        (void)peek_word(p); /* skips blanks */
        struct template_node *operand = parse_operand(p);
        if (p->status != ST_OK || (operand != NULL && !add(p, &operands, operand)))
            return NULL;
        t = next(p);
    } while (t.kind == TT_SPACE);

    if (t.kind == TT_RIGHT_DELIM || t.kind == TT_RIGHT_PAREN)
        back_up(p);
    else if (t.kind != TT_PIPE)
        return unexpected(p, t, "operand");
    if (operands.list.count == 0)
        return refuse(p, "empty command");
    if (!prepare_regex(p, &operands.list))
        return NULL;
    command->command = operands.list;
    return command;
}

static bool declare(struct template_parser *p, struct list_builder *variables,
                    struct template_token t)
{
    return add(p, variables, make_named(p, TEMPLATE_VARIABLE, t)) &&
           add_name(p, &p->variables, t.text);
}

/* The comma behind a variable was seen: only a range declares two. */
static bool parse_comma(struct template_parser *p, const struct list_builder *variables,
                        const char *context)
{
    (void)next_word(p);
    if (strcmp(context, "range") != 0 || variables->list.count >= VARIABLES_MAX) {
        (void)refuse(p, "too many declarations in %s", context);
        return false;
    }
    enum template_token_kind kind = peek_word(p).kind;
    if (kind == TT_VARIABLE || kind == TT_RIGHT_DELIM || kind == TT_RIGHT_PAREN)
        return true;
    (void)refuse(p, "range can only initialize variables");
    return false;
}

/* `$x :=`, `$x =`, `$i, $x :=`; or nothing, and then nothing was read. */
static bool parse_declarations(struct template_parser *p, struct template_node *pipe,
                               const char *context)
{
    struct list_builder variables = {{NULL, 0}, 0};
    bool more = true;

    while (more && peek_word(p).kind == TT_VARIABLE) {
        struct template_token variable = next(p);
        struct template_token behind = peek(p);
        struct template_token word = peek_word(p);

        more = word.kind == TT_CHAR && str_eq(word.text, STR(","));
        if (more) {
            if (!declare(p, &variables, variable) || !parse_comma(p, &variables, context))
                return false;
        } else if (word.kind == TT_ASSIGN || word.kind == TT_DECLARE) {
            pipe->pipeline.is_assignment = word.kind == TT_ASSIGN;
            (void)next_word(p);
            if (!declare(p, &variables, variable))
                return false;
        } else if (behind.kind == TT_SPACE) {
            back_up_three(p, variable, behind);
        } else {
            back_up_two(p, variable);
        }
    }
    pipe->pipeline.variables = variables.list;
    return true;
}

/* Only the first command may be a plain value. */
static bool check_pipeline(struct template_parser *p, const struct template_list *commands,
                           const char *context)
{
    if (commands->count == 0) {
        (void)refuse(p, "missing value for %s", context);
        return false;
    }
    for (size_t i = 1; i < commands->count; i++) {
        switch (commands->nodes[i]->command.nodes[0]->kind) {
        case TEMPLATE_BOOL:
        case TEMPLATE_DOT:
        case TEMPLATE_NIL:
        case TEMPLATE_NUMBER:
        case TEMPLATE_STRING:
            (void)refuse(p, "non executable command in pipeline stage %zu", i + 1);
            return false;
        default:
            break;
        }
    }
    return true;
}

static bool begins_command(enum template_token_kind kind)
{
    switch (kind) {
    case TT_BOOL:
    case TT_CHAR_CONSTANT:
    case TT_DOT:
    case TT_FIELD:
    case TT_IDENTIFIER:
    case TT_NUMBER:
    case TT_NIL:
    case TT_RAW_STRING:
    case TT_STRING:
    case TT_VARIABLE:
    case TT_LEFT_PAREN:
        return true;
    default:
        return false;
    }
}

static struct template_node *parse_pipeline(struct template_parser *p, const char *context,
                                            enum template_token_kind end)
{
    struct template_node *pipe = make(p, TEMPLATE_PIPELINE, peek_word(p).pos);
    struct list_builder commands = {{NULL, 0}, 0};

    if (pipe == NULL || !parse_declarations(p, pipe, context))
        return NULL;
    for (;;) {
        struct template_token t = next_word(p);
        if (t.kind == end)
            break;
        if (!begins_command(t.kind))
            return unexpected(p, t, context);
        back_up(p);
        if (!add(p, &commands, parse_command(p)))
            return NULL;
    }
    if (!check_pipeline(p, &commands.list, context))
        return NULL;
    pipe->pipeline.commands = commands.list;
    return pipe;
}

/* ---- statements ---- */

/* What a statement turned out to be. */
enum step {
    STEP_FAILED,
    STEP_NODE,
    STEP_END,  /* {{end}} */
    STEP_ELSE, /* {{else}}, or the `else` of {{else if}} */
};

static const char *step_text(enum step step)
{
    return step == STEP_END ? "{{end}}" : "{{else}}";
}

static enum step parse_statement(struct template_parser *p, struct template_node **ret);

/* Statements up to an `end` or `else`, which is returned. */
static enum step parse_list(struct template_parser *p, struct template_list *ret)
{
    struct list_builder b = {{NULL, 0}, 0};
    enum step step = STEP_FAILED;

    if (!enter(p))
        return STEP_FAILED;
    while (peek_word(p).kind != TT_END) {
        struct template_node *n = NULL;
        step = parse_statement(p, &n);
        if (step != STEP_NODE || !add(p, &b, n))
            break;
    }
    leave(p);
    if (p->status != ST_OK)
        return STEP_FAILED;
    if (step != STEP_END && step != STEP_ELSE) {
        (void)refuse(p, "unexpected EOF");
        return STEP_FAILED;
    }
    *ret = b.list;
    return step;
}

static struct template_node *parse_control(struct template_parser *p, enum template_node_kind kind);

/* What follows an `else`: the statements up to `end`, or another control that takes the `end`. */
static bool parse_otherwise(struct template_parser *p, enum template_node_kind kind,
                            struct template_list *ret)
{
    enum template_token_kind word = peek(p).kind;
    struct list_builder b = {{NULL, 0}, 0};

    if ((kind == TEMPLATE_IF && word == TT_IF) || (kind == TEMPLATE_WITH && word == TT_WITH)) {
        (void)next(p);
        if (!enter(p) || !add(p, &b, parse_control(p, kind)))
            return false;
        leave(p);
        *ret = b.list;
        return true;
    }
    enum step step = parse_list(p, ret);
    if (step == STEP_ELSE)
        (void)refuse(p, "expected end; found %s", step_text(step));
    return step == STEP_END;
}

static struct template_node *parse_control(struct template_parser *p, enum template_node_kind kind)
{
    ASSERT(kind == TEMPLATE_IF || kind == TEMPLATE_WITH || kind == TEMPLATE_RANGE);
    const char *context = kind == TEMPLATE_IF ? "if" : kind == TEMPLATE_WITH ? "with" : "range";
    unsigned is_range = kind == TEMPLATE_RANGE;
    size_t variable_count = p->variables.names.count;

    struct template_node *pipe = parse_pipeline(p, context, TT_RIGHT_DELIM);
    struct template_node *n = pipe == NULL ? NULL : make(p, kind, pipe->pos);
    if (n == NULL)
        return NULL;
    n->control.pipeline = pipe;
    p->range_depth += is_range;
    enum step step = parse_list(p, &n->control.body);
    p->range_depth -= is_range;
    if (step == STEP_FAILED ||
        (step == STEP_ELSE && !parse_otherwise(p, kind, &n->control.otherwise)))
        return NULL;
    p->variables.names.count = variable_count;
    return n;
}

static struct template_node *parse_loop_word(struct template_parser *p, struct template_token t)
{
    bool is_break = t.kind == TT_BREAK;

    struct template_token end = next_word(p);
    if (end.kind != TT_RIGHT_DELIM)
        return unexpected(p, end, is_break ? "{{break}}" : "{{continue}}");
    if (p->range_depth == 0)
        return refuse(p, "{{%s}} outside {{range}}", is_break ? "break" : "continue");
    return make(p, is_break ? TEMPLATE_BREAK : TEMPLATE_CONTINUE, t.pos);
}

/* The string that names a template. */
static bool parse_name(struct template_parser *p, struct template_token t, const char *context,
                       struct str *ret)
{
    if (t.kind != TT_STRING && t.kind != TT_RAW_STRING) {
        (void)unexpected(p, t, context);
        return false;
    }
    return read_string(p, t, ret);
}

static struct template_node *parse_invoke(struct template_parser *p)
{
    static const char context[] = "template clause";
    struct template_token t = next_word(p);
    struct template_node *n = make(p, TEMPLATE_INVOKE, t.pos);

    if (n == NULL || !parse_name(p, t, context, &n->invoke.name))
        return NULL;
    if (next_word(p).kind == TT_RIGHT_DELIM)
        return n;
    back_up(p);
    n->invoke.pipeline = parse_pipeline(p, context, TT_RIGHT_DELIM);
    return n->invoke.pipeline == NULL ? NULL : n;
}

/* Nothing but blank text: such a template gives way to another of its name. */
static bool is_empty(const struct template_list *body)
{
    for (size_t i = 0; i < body->count; i++) {
        struct str text = body->nodes[i]->text;
        if (body->nodes[i]->kind != TEMPLATE_TEXT)
            return false;
        for (size_t len; text.len > 0; text = str_cut(text, len)) {
            if (!rune_is_space(utf8_decode(text, &len)))
                return false;
        }
    }
    return true;
}

static bool add_definition(struct template_parser *p, struct str name, struct template_list body)
{
    struct template *t = p->t;

    for (size_t i = 0; i < t->definition_count; i++) {
        if (!str_eq(t->definitions[i].name, name))
            continue;
        if (is_empty(&t->definitions[i].body))
            t->definitions[i].body = body;
        else if (!is_empty(&body))
            (void)refuse(p, "template: multiple definition of template \"%.*s\"", STR_ARG(name));
        return p->status == ST_OK;
    }
    struct template_definition *definitions = arena_reserve(
        p->a, t->definitions, t->definition_count, &p->definition_capacity, sizeof(*definitions));
    if (definitions == NULL) {
        (void)out_of_memory(p);
        return false;
    }
    definitions[t->definition_count++] = (struct template_definition){name, body};
    t->definitions = definitions;
    return true;
}

/* The body of a definition up to its `end`. It sees no variables but its own, and no loop. */
static bool parse_body(struct template_parser *p, struct str name, const char *context)
{
    size_t variable_base = p->variable_base;
    unsigned range_depth = p->range_depth;
    struct template_list body;

    p->variable_base = p->variables.names.count;
    p->range_depth = 0;
    enum step step = parse_list(p, &body);
    p->variables.names.count = p->variable_base;
    p->variable_base = variable_base;
    p->range_depth = range_depth;
    if (step == STEP_ELSE)
        (void)refuse(p, "unexpected %s in %s", step_text(step), context);
    return step == STEP_END && add_definition(p, name, body);
}

static struct template_node *parse_block(struct template_parser *p)
{
    static const char context[] = "block clause";
    struct template_token t = next_word(p);
    struct template_node *n = make(p, TEMPLATE_INVOKE, t.pos);

    if (n == NULL || !parse_name(p, t, context, &n->invoke.name))
        return NULL;
    n->invoke.pipeline = parse_pipeline(p, context, TT_RIGHT_DELIM);
    if (n->invoke.pipeline == NULL || !parse_body(p, n->invoke.name, context))
        return NULL;
    return n;
}

static bool parse_definition(struct template_parser *p)
{
    static const char context[] = "define clause";
    struct str name;

    return parse_name(p, next_word(p), context, &name) && expect(p, TT_RIGHT_DELIM, context) &&
           parse_body(p, name, context);
}

static struct template_node *parse_print(struct template_parser *p)
{
    back_up(p);
    size_t pos = peek(p).pos;
    struct template_node *pipe = parse_pipeline(p, "command", TT_RIGHT_DELIM);
    struct template_node *n = pipe == NULL ? NULL : make(p, TEMPLATE_ACTION, pos);
    if (n != NULL)
        n->control.pipeline = pipe;
    return n;
}

static enum step parse_else(struct template_parser *p)
{
    enum template_token_kind kind = peek_word(p).kind;

    if (kind == TT_IF || kind == TT_WITH)
        return STEP_ELSE;
    return expect(p, TT_RIGHT_DELIM, "else") ? STEP_ELSE : STEP_FAILED;
}

/* Behind `{{`. */
static enum step parse_action(struct template_parser *p, struct template_node **ret)
{
    struct template_token t = next_word(p);

    switch (t.kind) {
    case TT_END_WORD:
        return expect(p, TT_RIGHT_DELIM, "end") ? STEP_END : STEP_FAILED;
    case TT_ELSE:
        return parse_else(p);
    case TT_BLOCK:
        *ret = parse_block(p);
        break;
    case TT_BREAK:
    case TT_CONTINUE:
        *ret = parse_loop_word(p, t);
        break;
    case TT_IF:
        *ret = parse_control(p, TEMPLATE_IF);
        break;
    case TT_WITH:
        *ret = parse_control(p, TEMPLATE_WITH);
        break;
    case TT_RANGE:
        *ret = parse_control(p, TEMPLATE_RANGE);
        break;
    case TT_TEMPLATE:
        *ret = parse_invoke(p);
        break;
    default:
        *ret = parse_print(p);
        break;
    }
    return *ret == NULL ? STEP_FAILED : STEP_NODE;
}

static enum step parse_statement(struct template_parser *p, struct template_node **ret)
{
    struct template_token t = next_word(p);

    if (t.kind == TT_TEXT) {
        *ret = make(p, TEMPLATE_TEXT, t.pos);
        if (*ret == NULL)
            return STEP_FAILED;
        (*ret)->text = t.text;
        return STEP_NODE;
    }
    if (t.kind != TT_LEFT_DELIM) {
        (void)unexpected(p, t, "input");
        return STEP_FAILED;
    }
    p->action_line = line_of(p, t.pos);
    enum step step = parse_action(p, ret);
    p->action_line = 0;
    return step;
}

/* Is this `{{define`? If not, nothing was read. */
static bool take_define(struct template_parser *p)
{
    if (peek(p).kind != TT_LEFT_DELIM)
        return false;
    struct template_token delim = next(p);
    if (next_word(p).kind == TT_DEFINE)
        return true;
    back_up_two(p, delim);
    return false;
}

static void parse_main(struct template_parser *p)
{
    struct list_builder b = {{NULL, 0}, 0};

    while (p->status == ST_OK && peek(p).kind != TT_END) {
        struct template_node *n = NULL;
        if (take_define(p)) {
            (void)parse_definition(p);
            continue;
        }
        enum step step = parse_statement(p, &n);
        if (step == STEP_NODE)
            (void)add(p, &b, n);
        else if (step != STEP_FAILED)
            (void)refuse(p, "unexpected %s", step_text(step));
    }
    if (p->status == ST_OK)
        (void)add_definition(p, p->t->name, b.list);
}

/* The main template, wherever it was added, becomes the first. */
static void put_main_first(struct template *t)
{
    for (size_t i = 0; i < t->definition_count; i++) {
        struct template_definition d = t->definitions[i];
        if (!str_eq(d.name, t->name))
            continue;
        t->definitions[i] = t->definitions[0];
        t->definitions[0] = d;
        return;
    }
    ASSERT(t->definition_count == 0);
}

enum status template_compile(struct arena *a, struct str name, struct str text,
                             const struct template **ret, struct err *err)
{
    struct template *t = arena_new(a, struct template, 1);
    struct template_parser p = {.a = a, .t = t, .err = err};

    if (t == NULL)
        return arena_status(a, err);
    t->name = name;
    t->text = text;
    template_lexer_init(&p.lexer, a, text);
    parse_main(&p);
    if (p.status != ST_OK)
        return p.status;
    put_main_first(t);
    *ret = t;
    return ST_OK;
}
